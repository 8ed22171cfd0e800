// SPDX-License-Identifier: BSD-2-Clause
/*
 * tcp_tx_slow.c - segments other than new data
 *
 * SYN, FIN, ACK, RST, probes and retransmissions; cutting a queued frame in two.
 * Control segments are built in a frame of their own that its completion frees, so
 * that one may wait for a neighbour while the connection goes on.
 * RFC 9293 section 3.5, RFC 2018 section 4, RFC 5961 section 7, RFC 7323 section 2.2.
 */
#include "tcp/tcp_int.h"

#include "tcp/sack.h"

/* Linux: tcp_invalid_ratelimit. */
enum { CHALLENGE_INTERVAL_MS = 500 };

/* ---- control segments ----------------------------------------------------- */

struct ctl {
	uint32_t seq, ack;
	uint16_t wnd;
	uint8_t flags;
	uint8_t optlen;
	uint8_t opts[TCP_OPT_MAX_LEN];
};

static int send_ctl(struct net *net, struct ep *ep, const struct ep_route *rt,
		    const struct flow *flow, const struct ctl *ctl)
{
	struct pkt *p = pkt_alloc(net, PKT_FOR_TX);
	unsigned room = ip_hdr_room(&flow->laddr);
	struct tcp_seg s;
	uint32_t sum;

	if (unlikely(!p)) {
		NET_DROP(net, no_frame);
		return -ENOBUFS;
	}
	s = (struct tcp_seg){
		.seq = ctl->seq,
		.ack = ctl->ack,
		.sport = flow->lport,
		.dport = flow->rport,
		.wnd = ctl->wnd,
		.flags = ctl->flags,
		.hdr_len = (uint8_t)(TCP_HDR_LEN + ctl->optlen),
	};
	p->l4_off = (uint16_t)(PKT_DATA_OFF + room);
	tcp_put(pkt_l4(p), &s);
	memcpy((uint8_t *)pkt_l4(p) + TCP_HDR_LEN, ctl->opts, ctl->optlen);
	sum = csum_pseudo(&flow->laddr, &flow->raddr, IPPROTO_TCP, s.hdr_len);
	((struct tcp_hdr *)pkt_l4(p))->csum = csum_fold(csum_partial(pkt_l4(p), s.hdr_len, sum));
	p->off = PKT_DATA_OFF;
	p->len = (uint16_t)(room + s.hdr_len);
	p->tot_len = p->len;
	return ip_tx(net, ep, rt, &flow->laddr, &flow->raddr, IPPROTO_TCP, p, true);
}

static int conn_ctl(struct net *net, struct tcp_conn *c, const struct ctl *ctl)
{
	int rc = net_route(net, &c->ep);

	if (unlikely(rc < 0 && rc != -EAGAIN))
		return rc;
	rc = send_ctl(net, &c->ep, &c->ep.route, &c->ep.flow, ctl);
	if (likely(rc == 0)) {
		c->segs_out++;
		NET_STAT(net, tcp_out_segs);
		/* last_tx_ns tells how old cwnd is: ACKs do not count. */
	}
	return rc;
}

static uint8_t put_ts(const struct net *net, const struct tcp_conn *c, uint8_t *buf)
{
	if (!(c->flags & TCP_F_TS))
		return 0;
	return (uint8_t)tcp_opt_put_ts(buf, conn_ts_now(net, c), c->ts_recent);
}

int tcp_send_syn(struct net *net, struct tcp_conn *c)
{
	bool syn_ack = c->state != TCPS_SYN_SENT;
	struct tcp_syn_opts o = {
		.mss = c->mss_adv,
		.wscale = c->rcv_wscale,
		.wscale_ok = c->flags & TCP_F_WSCALE,
		.sack_ok = c->flags & TCP_F_SACK,
		.ts_ok = c->flags & TCP_F_TS,
		.tsval = conn_ts_now(net, c),
		.tsecr = c->ts_recent,
	};
	struct ctl ctl = {
		.seq = c->iss,
		.ack = syn_ack ? c->rcv_nxt : 0,
		.flags = TCP_SYN | (syn_ack ? TCP_ACK : 0),
	};
	uint32_t wnd;
	int rc;

	tcp_mss_update(net, c);
	o.mss = c->mss_adv;
	/* The window of a SYN is never scaled (RFC 7323 section 2.2); in whole
	 * segments, as far as that goes. */
	wnd = min_t(uint32_t, conn_rcv_cap(c), 65535);
	if (wnd > c->mss_adv)
		wnd -= wnd % c->mss_adv;
	ctl.wnd = (uint16_t)wnd;
	c->rcv_wnd = wnd;
	c->rcv_adv = c->rcv_nxt + wnd;
	ctl.optlen = (uint8_t)tcp_opt_put_syn(ctl.opts, &o);

	c->first_retrans_ns = c->retries ? c->first_retrans_ns : net->now;
	rc = conn_ctl(net, c, &ctl);
	if (rc == 0 && syn_ack)
		c->rcv_last_ack = c->rcv_nxt;
	return rc;
}

void tcp_send_ack(struct net *net, struct tcp_conn *c)
{
	struct ctl ctl = { .seq = c->snd_nxt, .ack = c->rcv_nxt, .flags = TCP_ACK };
	int rc;

	ctl.wnd = tcp_window(net, c);
	if (unlikely(c->n_rsack || c->dsack.start != c->dsack.end)) {
		struct tcp_opts o = {
			.ts_ok = c->flags & TCP_F_TS,
			.tsval = conn_ts_now(net, c),
			.tsecr = c->ts_recent,
		};

		o.nsack = (uint8_t)sack_report(c, o.sack);
		ctl.optlen = (uint8_t)tcp_opt_put(ctl.opts, &o);
		c->dsack.start = c->dsack.end = 0;
	} else {
		ctl.optlen = put_ts(net, c, ctl.opts);
	}
	rc = conn_ctl(net, c, &ctl);
	if (unlikely(rc < 0)) {
		c->flags |= TCP_F_ACK_NOW;
		tcp_retry_soon(net, c);
		return;
	}
	ack_sent(c);
}

bool tcp_ack_soft(struct net *net, struct tcp_conn *c)
{
	struct net_shm *sh = net->shm;

	if (!(c->flags & TCP_F_SOFT_ACK)) {
		if (sh->soft_n >= NET_SOFT_ACKS)
			return false;
		if (!sh->soft_n)
			sh->soft_ns = net->now;
		sh->soft_ack[sh->soft_n++] = c->ep.id;
		c->flags |= TCP_F_SOFT_ACK;
	}
	/* Should nobody come by any more. */
	if (!c->delack_deadline)
		delack_set(net, c, net->now + sh->conf.delack_ms * NSEC_PER_MSEC);
	return true;
}

void tcp_flush_acks(struct net *net)
{
	struct net_shm *sh = net->shm;
	uint32_t n = min_t(uint32_t, sh->soft_n, NET_SOFT_ACKS);

	sh->soft_n = 0;
	for (uint32_t i = 0; i < n; i++) {
		struct tcp_conn *c;

		if (sh->soft_ack[i] >= net->n_eps)
			continue;
		/* The slot may be another endpoint's by now. */
		c = tcp_conn(ep_get(net, sh->soft_ack[i]));
		if (c->ep.kind != EP_TCP_CONN || !(c->flags & TCP_F_SOFT_ACK))
			continue;
		c->flags &= ~(uint32_t)TCP_F_SOFT_ACK;
		if (c->delack_deadline)
			tcp_send_ack(net, c);
	}
}

void tcp_ack_now(struct net *net, struct tcp_conn *c)
{
	if (c->delack_deadline || c->flags & TCP_F_ACK_NOW)
		tcp_send_ack(net, c);
}

void tcp_send_challenge(struct net *net, struct tcp_conn *c)
{
	if (c->last_challenge_ns &&
	    net->now - c->last_challenge_ns < CHALLENGE_INTERVAL_MS * NSEC_PER_MSEC)
		return;
	c->last_challenge_ns = net->now;
	NET_STAT(net, tcp_challenge_acks);
	tcp_send_ack(net, c);
}

void tcp_send_probe(struct net *net, struct tcp_conn *c)
{
	struct ctl ctl = { .seq = c->snd_una - 1, .ack = c->rcv_nxt, .flags = TCP_ACK };

	ctl.wnd = tcp_window(net, c);
	ctl.optlen = put_ts(net, c, ctl.opts);
	if (conn_ctl(net, c, &ctl) == 0)
		ack_sent(c);
}

void tcp_send_rst(struct net *net, struct tcp_conn *c)
{
	struct ctl ctl = { .seq = c->snd_nxt, .ack = c->rcv_nxt, .flags = TCP_RST | TCP_ACK };

	/* The peer's accept() gives a connection that was reset, but none whose handshake was. */
	if (c->flags & TCP_F_SOFT_ACK && c->delack_deadline)
		tcp_send_ack(net, c);
	NET_STAT(net, tcp_out_rsts);
	(void)conn_ctl(net, c, &ctl);
}

void tcp_reset_segment(struct net *net, const struct pkt *p, const struct rx_info *ri)
{
	struct ctl ctl = { .wnd = 0 };
	struct ep_route rt;
	struct tcp_seg s;
	struct ep ep;
	int rc;

	if (tcp_parse(pkt_l4(p), ri->l4_len, &s) < 0 || s.flags & TCP_RST)
		return;
	/* An endpoint for the duration of this packet: TOS, TTL. */
	memset(&ep, 0, sizeof(ep));
	ep.id = ID_NONE;
	ep.flow = ri->flow;
	rc = net_route_to(net, &ep, &ri->flow.laddr, &ri->flow.raddr,
			  ipaddr_is_linklocal6(&ri->flow.raddr) ? p->ifindex : 0, &rt);
	if (rc < 0 && rc != -EAGAIN)
		return;

	/* RFC 9293 section 3.10.7.1 */
	if (s.flags & TCP_ACK) {
		ctl.seq = s.ack;
		ctl.flags = TCP_RST;
	} else {
		ctl.ack = s.seq + (ri->l4_len - s.hdr_len) + !!(s.flags & TCP_SYN) +
			  !!(s.flags & TCP_FIN);
		ctl.flags = TCP_RST | TCP_ACK;
	}
	NET_STAT(net, tcp_out_rsts);
	(void)send_ctl(net, &ep, &rt, &ri->flow, &ctl);
}

/* ---- the send queue --------------------------------------------------------- */

int tcp_split(struct net *net, struct tcp_conn *c, struct pkt *p, uint32_t len)
{
	uint32_t rest = p->data_len - len;
	struct pkt *q = pkt_alloc(net, PKT_FOR_TX);

	if (!q)
		return -ENOBUFS;
	q->where = PKT_TXQ;
	q->data_off = c->tx_data_off;
	q->data_len = rest;
	q->user[TXQ_CSUM] = csum_copy(pkt_data(q), (const char *)pkt_data(p) + len, rest, 0);
	q->seq = p->seq + len;
	q->end_seq = p->end_seq;
	q->stamp_ns = p->stamp_ns;
	q->flags = p->flags & (PKT_F_FIN | PKT_F_PSH | PKT_F_RETRANS | PKT_F_SACKED | PKT_F_LOST);

	/* The bytes of @p stay where they are: it may be in a TX ring. */
	p->data_len = len;
	p->end_seq = q->seq;
	p->flags &= ~(uint32_t)(PKT_F_FIN | PKT_F_PSH);
	p->user[TXQ_CSUM] = csum_partial(pkt_data(p), len, 0);
	if (p->flags & PKT_F_SACKED)
		c->sacked_segs++;

	q->next = p->next;
	p->next = pkt_id(net, q);
	if (c->snd_tail == pkt_id(net, p))
		c->snd_tail = pkt_id(net, q);
	c->snd_frames++;
	return 0;
}

/* A copy for the wire of a frame that is still in a TX ring. */
static int xmit_copy(struct net *net, struct tcp_conn *c, const struct pkt *p)
{
	struct pkt *q = pkt_alloc(net, PKT_FOR_TX);

	if (!q)
		return -ENOBUFS;
	q->where = PKT_TXQ;
	q->data_off = c->tx_data_off;
	q->data_len = p->data_len;
	memcpy(pkt_data(q), pkt_data(p), p->data_len);
	q->user[TXQ_CSUM] = p->user[TXQ_CSUM];
	q->seq = p->seq;
	q->end_seq = p->end_seq;
	q->flags = p->flags & (PKT_F_FIN | PKT_F_PSH);
	return tcp_xmit_frame(net, c, q, true);
}

int tcp_retransmit(struct net *net, struct tcp_conn *c, struct pkt *p)
{
	int rc;

	if (unlikely(p->data_len > c->mss)) {
		rc = tcp_split(net, c, p, c->mss);
		if (rc < 0)
			return rc;
	}
	/* Headers go in front of the payload, where trimmed bytes and old headers
	 * were: never while the device may still read them. */
	if (p->flags & PKT_F_IN_TX)
		net_tx_reap(net);
	if (p->flags & PKT_F_IN_TX)
		rc = xmit_copy(net, c, p);
	else
		rc = tcp_xmit_frame(net, c, p, false);
	if (rc < 0)
		return rc;

	if (p->flags & PKT_F_LOST) {
		p->flags &= ~(uint32_t)PKT_F_LOST;
		c->lost_bytes -= pkt_seq_len(p);
	}
	p->flags |= PKT_F_RETRANS;
	p->stamp_ns = net->now;
	c->total_retrans++;
	NET_STAT(net, tcp_retrans_segs);
	return 0;
}

void tcp_queue_fin(struct net *net, struct tcp_conn *c)
{
	struct pkt *p;

	if (c->flags & TCP_F_FIN_QUEUED)
		return;
	if (c->snd_next != ID_NONE) {
		p = pkt_get(net, c->snd_tail);
		p->flags |= PKT_F_FIN;
		p->end_seq++;
	} else {
		p = tcp_tx_frame(net, c);
		if (!p) {
			tcp_retry_soon(net, c);
			return;
		}
		p->flags |= PKT_F_FIN;
		p->end_seq++;
		tcp_tx_enqueue(net, c, p);
	}
	c->snd_end++;
	c->flags |= TCP_F_FIN_QUEUED;
	tcp_output(net, c, TCP_PUSH_NORMAL);
}
