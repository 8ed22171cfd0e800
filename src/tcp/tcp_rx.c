// SPDX-License-Identifier: BSD-2-Clause
/*
 * tcp_rx.c - segments arriving on an existing connection, predicted case
 *
 * Takes a packet that ip_rx() validated and demux_find() matched.  Leaves it on the
 * receive queue and marks the endpoint readable, or hands it to tcp_rx_slow() having
 * changed nothing.  RFC 9293 section 3.10.7.4 for the segment that comes next in
 * order on an established connection without loss; header prediction as in
 * Jacobson, RFC 1323 appendix E.  Verifies the checksum, which no layer below does.
 */
#include "tcp/tcp_int.h"

#include "tcp/rtt.h"

/* A chain of frames; its TCP header is in the first one. */
static __cold uint32_t sum_chain(const struct net *net, const struct pkt *p, uint32_t len,
				 uint32_t sum)
{
	uint32_t done = 0, off = p->l4_off;

	for (;;) {
		uint32_t n = min_t(uint32_t, len - done, (uint32_t)(p->off + p->len) - off);

		sum = csum_add_at(sum, csum_partial(pkt_at(p, (uint16_t)off), n, 0), done);
		done += n;
		if (done == len || p->frag == ID_NONE)
			return sum;
		p = pkt_get(net, p->frag);
		off = p->off;
	}
}

static inline bool csum_good(const struct net *net, const struct pkt *p, const struct rx_info *ri)
{
	uint32_t pseudo, sum;

	if (p->flags & PKT_F_CSUM_OK)
		return true;
	pseudo = csum_pseudo(&ri->flow.raddr, &ri->flow.laddr, IPPROTO_TCP, ri->l4_len);
	if (likely(p->frag == ID_NONE))
		sum = csum_partial(pkt_l4(p), ri->l4_len, pseudo);
	else
		sum = sum_chain(net, p, ri->l4_len, pseudo);
	if (likely(csum_ok(sum)))
		return true;
	/* From a virtual link the sender may have left it to hardware. */
	return p->flags & PKT_F_PARTIAL_OK &&
	       csum_is_pseudo(((const struct tcp_hdr *)pkt_l4(p))->csum, pseudo);
}

static __cold void csum_drop(struct net *net, struct pkt *p)
{
	NET_DROP(net, l4_csum);
	pkt_free(net, p);
}

/* @ack covers new bytes and all is well: frames leave the queue. */
static inline void ack_predicted(struct net *net, struct tcp_conn *c, uint32_t ack)
{
	const struct net_conf *conf = &net->shm->conf;
	struct pkt *p = pkt_get(net, c->snd_head);
	uint32_t acked = ack - c->snd_una, flight = conn_flight(c), id;

	rtt_sample(c, (uint32_t)((net->now - p->stamp_ns) / 1000), conf->rto_min_ms,
		   conf->rto_max_ms);
	do {
		id = p->next;
		pkt_free(net, p);
		c->snd_frames--;
		if (id == ID_NONE) {
			c->snd_tail = ID_NONE;
			break;
		}
		p = pkt_get(net, id);
	} while (seq_leq(p->end_seq, ack));
	c->snd_head = id;
	c->snd_una = ack;
	c->bytes_acked += acked;
	if (c->cwnd <= flight + (c->cwnd < c->ssthresh ? flight : 2u * c->mss))
		tcp_cc_acked(net, c, acked);
	if (id == ID_NONE)
		c->rexmit_deadline = 0;
	else
		tcp_rexmit_update(net, c);
	if (unlikely(c->flags & TCP_F_SND_WAIT))
		tcp_wake_sender(net, c);
}

/*
 * One ACK for all segments of a batch that was in the ring at once, as a kernel
 * that aggregates before TCP sends (GRO): what ACKs cost is most of what a bulk
 * receiver sends.  RFC 9293 section 3.8.6.3 allows it (SHLD-58 is for
 * segments, and a batch is one arrival); a segment out of order does not come here.
 */
static inline bool ack_later(struct net *net, const struct tcp_conn *c)
{
	if (!net->rx_more)
		return false;
	if (net->n_acks && net->acks[net->n_acks - 1] == c->ep.id)
		return true;
	if (net->n_acks == NET_ACK_BATCH)
		return false;
	net->acks[net->n_acks++] = c->ep.id;
	return true;
}

void tcp_rx(struct net *net, struct ep *ep, struct pkt *p, const struct rx_info *ri)
{
	struct tcp_conn *c = tcp_conn(ep);
	const uint8_t *h = pkt_l4(p);
	uint32_t seq, ack, acked, wnd, len, ts = 0, tsecr = 0;
	uint16_t word;
	bool slow;

	NET_STAT(net, tcp_in_segs);
	if (unlikely(!csum_good(net, p, ri))) {
		csum_drop(net, p);
		return;
	}
	if (unlikely(ep->kind != EP_TCP_CONN)) {
		tcp_listen_rx(net, tcp_listener(ep), p, ri, 0);
		return;
	}

	/* Ask everything first; nothing below changes state until all say no. */
	memcpy(&word, h + 12, sizeof(word));	/* data offset, flags */
	seq = get_be32(h + 4);
	ack = get_be32(h + 8);
	wnd = (uint32_t)get_be16(h + 14) << c->snd_wscale;
	len = ri->l4_len - c->tx_hlen;
	acked = ack - c->snd_una;
	/* tcp_predict_update(): 0 unless established, with nothing lost, out of order or
	 * urgent; the bits of SYN, FIN, RST and URG must not be there. */
	slow  = (word & ~(TCP_PSH << 8)) ^ c->predict;
	slow |= (seq ^ c->rcv_nxt) != 0;
	slow |= len > c->rcv_wnd;			/* also when it would be negative */
	slow |= acked > c->snd_nxt - c->snd_una;
	slow |= (acked | len) == 0;			/* duplicate, probe or window update */
	slow |= wnd == 0;
	slow |= net_rx_scarce(net);
	if (likely(c->flags & TCP_F_TS)) {
		/* Only once `word` is right are there 12 bytes of options to look at. */
		if (unlikely(slow)) {
			tcp_rx_slow(net, c, p, ri);
			return;
		}
		ts = get_be32(h + 24);
		tsecr = get_be32(h + 28);
		slow |= get_be32(h + 20) != 0x0101080a;
		slow |= seq_before(ts, c->ts_recent);
	}
	/* Part of a frame stays: the slow path trims it. */
	if (acked && likely(!slow)) {
		const struct pkt *first = pkt_get(net, c->snd_head);

		slow |= seq_after(first->end_seq, ack) || first->flags & PKT_F_RETRANS;
	}
	if (unlikely(slow)) {
		tcp_rx_slow(net, c, p, ri);
		return;
	}

	/* --- point of no return --- */
	c->segs_in++;
	if (c->flags & TCP_F_TS && seq_leq(seq, c->rcv_last_ack)) {
		/* RFC 7323 section 4.3 */
		c->ts_recent = ts;
		c->ts_recent_s = net_seconds(net);
	}
	if (acked || seq != c->snd_wl1 || wnd > c->snd_wnd) {
		c->snd_wnd = wnd;
		c->snd_wl1 = seq;
		if (unlikely(wnd > c->snd_wnd_max)) {
			c->snd_wnd_max = wnd;
			tcp_mss_update(net, c);
		}
	}
	if (acked)
		ack_predicted(net, c, ack);

	if (len) {
		if (unlikely(net->now - c->last_rx_ns > (uint64_t)c->rto_us * 1000))
			c->quick = TCP_QUICK_SEGS;
		if (unlikely(tsecr != c->rcv_tsecr && len >= c->rcv_mss))
			tcp_rcv_rtt_sample(net, c, tsecr);
		p->data_off = (uint16_t)(p->l4_off + c->tx_hlen);
		p->data_len = len;
		p->seq = seq;
		p->end_seq = seq + len;
		rxq_append(net, c, p);
		ack_policy(net, c, len);
		conn_ready(net, c, EP_IN);
	} else {
		pkt_free(net, p);
	}
	c->last_rx_ns = net->now;

	if (c->snd_next != ID_NONE)
		tcp_output(net, c, TCP_PUSH_NORMAL);
	if (c->flags & TCP_F_ACK_NOW && !ack_later(net, c))
		tcp_send_ack(net, c);
}

void tcp_flush_burst(struct net *net)
{
	for (uint32_t i = 0; i < net->n_acks; i++) {
		struct ep *ep = ep_get(net, net->acks[i]);

		/* Acknowledged by data or gone meanwhile: the endpoint may be another's. */
		if (ep->kind == EP_TCP_CONN && tcp_conn(ep)->flags & TCP_F_ACK_NOW)
			tcp_send_ack(net, tcp_conn(ep));
	}
	net->n_acks = 0;
}

void tcp_rx_nobody(struct net *net, struct pkt *p, const struct rx_info *ri)
{
	NET_STAT(net, tcp_in_segs);
	if (unlikely(!csum_good(net, p, ri))) {
		csum_drop(net, p);
		return;
	}
	NET_DROP(net, no_socket);
	tcp_reset_segment(net, p, ri);
	pkt_free(net, p);
}
