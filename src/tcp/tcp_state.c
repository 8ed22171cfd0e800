// SPDX-License-Identifier: BSD-2-Clause
/*
 * tcp_state.c - the life of a connection: open, shut down, close, abort
 *
 * Takes the user's calls (RFC 9293 section 3.10.1 to 3.10.5) and the events of
 * the receive path, and is the only place that moves between states, listeners'
 * embryos apart.  Initial sequence numbers by RFC 6528, reuse of TIME_WAIT by
 * RFC 6191.  Who may call what after the user has gone follows Linux.
 *
 *   tcp_connect()      CLOSED -> SYN_SENT
 *   tcp_established()  SYN_SENT, SYN_RCVD -> ESTABLISHED
 *   shut_wr()          ESTABLISHED -> FIN_WAIT_1; CLOSE_WAIT -> LAST_ACK; SYN_RCVD: once established
 *   tcp_fin_in()       ESTABLISHED -> CLOSE_WAIT; FIN_WAIT_1 -> CLOSING; FIN_WAIT_2 -> TIME_WAIT
 *   tcp_fin_acked()    FIN_WAIT_1 -> FIN_WAIT_2; CLOSING -> TIME_WAIT; LAST_ACK -> CLOSED
 *   tcp_done()         any -> CLOSED
 */
#include "tcp/tcp_int.h"

#include <sys/socket.h>

#include "base/siphash.h"
#include "tcp/cc.h"
#include "tcp/rtt.h"

enum { TIME_WAIT_TRIES = 4 };	/* more than one leaves for each that comes */

uint32_t tcp_rmem_max(const struct net *net)
{
	uint32_t v = net->cp && net->cp->shm ? net->cp->shm->tcp_rmem[2] : 0;

	return v ? v : 6291456;
}

uint32_t tcp_wmem_max(const struct net *net)
{
	uint32_t v = net->cp && net->cp->shm ? net->cp->shm->tcp_wmem[2] : 0;

	return v ? v : 4194304;
}

static uint32_t rmem_default(const struct net *net)
{
	uint32_t v = net->cp && net->cp->shm ? net->cp->shm->tcp_rmem[1] : 0;

	return v ? v : 131072;
}

static uint32_t wmem_default(const struct net *net)
{
	uint32_t v = net->cp && net->cp->shm ? net->cp->shm->tcp_wmem[1] : 0;

	return v ? v : 16384;
}

uint32_t tcp_iss(struct net *net, const struct flow *flow)
{
	struct siphash_key key;

	/* ISN = M + F(flow, secret), M a clock of 64 ns: a tuple that is used again
	 * after a fast transfer still begins beyond its old numbers. */
	memcpy(&key, net->shm->secret, sizeof(key));
	return (uint32_t)siphash24_flow(&key, flow) + (uint32_t)(net->now >> 6);
}

/* By addresses alone, so that a peer sees one clock of us that never goes back,
 * whatever the port (RFC 7323 section 5.5, RFC 6191). */
static uint32_t ts_offset(struct net *net, const struct flow *flow)
{
	struct siphash_key key;
	struct flow f = *flow;

	f.lport = f.rport = to_be16(0);
	f.pad[0] = 1;
	memcpy(&key, net->shm->secret, sizeof(key));
	return (uint32_t)siphash24_flow(&key, &f);
}

void tcp_conn_init(struct net *net, struct tcp_conn *c)
{
	const struct net_conf *conf = &net->shm->conf;

	c->ep.kind = EP_TCP_CONN;
	net->shm->tcp_n_conns++;
	c->state = TCPS_CLOSED;
	c->listener = ID_NONE;
	shm_list_init(net->base, &c->acceptq);
	tcp_relieve_time_wait(net, c);
	tcp_timers_init(net, c);
	c->rxq_head = c->rxq_tail = c->ooo_head = c->ooo_tail = ID_NONE;
	c->snd_head = c->snd_tail = c->snd_next = ID_NONE;
	if (!c->rcvbuf)
		c->rcvbuf = rmem_default(net);
	if (!c->sndbuf)
		c->sndbuf = wmem_default(net);
	c->keep_idle_ms = conf->keepalive_time_ms;
	c->keep_intvl_ms = conf->keepalive_intvl_ms;
	c->keep_cnt = conf->keepalive_probes;
	c->cc = TCP_CC_CUBIC;
	c->mss = TCP_MSS_DEFAULT;
	if (conf->force_nodelay)
		c->flags |= TCP_F_NODELAY;
}

void tcp_conn_start(struct net *net, struct tcp_conn *c, uint32_t iss)
{
	const struct net_conf *conf = &net->shm->conf;

	c->flags &= TCP_F_NODELAY | TCP_F_CORK | TCP_F_KEEPALIVE | TCP_F_QUICKACK |
		    TCP_F_RCVBUF_LOCKED | TCP_F_SNDBUF_LOCKED | TCP_F_OOBINLINE;
	c->iss = c->snd_una = c->snd_nxt = c->snd_end = c->snd_sml = c->snd_up = iss;
	c->rcv_nxt = c->rcv_wnd = c->rcv_adv = c->rcv_last_ack = c->irs = 0;
	c->snd_wnd = c->snd_wl1 = c->snd_wnd_max = 0;
	c->ts_recent = c->ts_recent_s = 0;
	c->snd_wscale = c->rcv_wscale = 0;
	c->dupacks = c->backoff = c->probes = c->retries = 0;
	c->quick = TCP_QUICK_SEGS;
	c->pingpong = 0;
	c->ca_state = 0;
	c->sacked_bytes = c->lost_bytes = c->sacked_segs = 0;
	c->n_rsack = 0;
	c->dsack.start = c->dsack.end = 0;
	c->rack_ns = 0;
	c->recover = c->tlp_seq = c->high_sacked = iss;
	c->err_soft = 0;
	c->rcv_mss = TCP_MSS_DEFAULT;
	c->rcv_rtt_us = c->rcv_copied = c->rcv_space = 0;
	c->first_retrans_ns = 0;
	c->last_rx_ns = c->last_tx_ns = net->now;
	c->last_challenge_ns = 0;
	c->tx_room = (uint8_t)ip_hdr_room(&c->ep.flow.laddr);
	c->tx_hlen = TCP_HDR_LEN;
	c->tx_data_off = (uint16_t)(PKT_DATA_OFF + c->tx_room + c->tx_hlen);
	c->ports = c->ep.flow.lport.be | (uint32_t)c->ep.flow.rport.be << 16;
	c->pseudo = csum_pseudo(&c->ep.flow.laddr, &c->ep.flow.raddr, IPPROTO_TCP, 0);
	c->ts_off = ts_offset(net, &c->ep.flow);
	c->mss_peer = ipaddr_is4(&c->ep.flow.laddr) ? TCP_MSS_DEFAULT : TCP_MSS_DEFAULT6;
	rtt_init(c, conf->rto_initial_ms);

	if (conf->timestamps)
		c->flags |= TCP_F_TS;
	if (conf->sack)
		c->flags |= TCP_F_SACK;
	if (conf->wscale) {
		c->flags |= TCP_F_WSCALE;
		c->rcv_wscale = (uint8_t)tcp_wscale_wanted(net, c);
	}
	tcp_mss_update(net, c);
	tcp_predict_update(c);
}

/* Smallest shift with which the largest buffer that may come can be advertised. */
uint32_t tcp_wscale_wanted(const struct net *net, const struct tcp_conn *c)
{
	uint32_t max = min_t(uint32_t, net->shm->conf.max_wscale, TCP_WSCALE_MAX);
	uint32_t space = c->rcvbuf, shift = 0;

	if (!(c->flags & TCP_F_RCVBUF_LOCKED))
		space = max_t(uint32_t, space, tcp_rmem_max(net));
	while (space > 65535 && shift < max) {
		space >>= 1;
		shift++;
	}
	return shift;
}

void tcp_mss_update(struct net *net, struct tcp_conn *c)
{
	uint32_t mtu = c->ep.route.mtu ? c->ep.route.mtu : 1500;
	uint32_t ip = c->tx_room - 14u, mss, half;

	(void)net;
	/* IPv4 must carry 576 bytes, but paths of 68 exist (RFC 1191). */
	mss = mtu > ip + TCP_HDR_LEN + TCP_MSS_MIN ? mtu - ip - TCP_HDR_LEN : TCP_MSS_MIN;
	if (c->mss_user && c->mss_user < mss)
		mss = c->mss_user;
	c->mss_adv = (uint16_t)mss;

	mss = min_t(uint32_t, mss, c->mss_peer);
	mss = max_t(uint32_t, mss, TCP_MSS_MIN) - (c->tx_hlen - TCP_HDR_LEN);
	mss = min_t(uint32_t, mss, PKT_FRAME_SIZE - c->tx_data_off);
	/* Half of the largest window seen, so that a peer with a tiny window is
	 * sent to at all (RFC 9293 section 3.8.6.2.1). */
	if (c->snd_wnd_max) {
		half = c->snd_wnd_max > TCP_MSS_DEFAULT ? c->snd_wnd_max >> 1 : c->snd_wnd_max;
		mss = min_t(uint32_t, mss, max_t(uint32_t, half, TCP_MSS_MIN));
	}
	c->mss = (uint16_t)mss;
}

void tcp_take_syn_opts(struct net *net, struct tcp_conn *c, const struct tcp_syn_opts *o)
{
	if (o->mss)
		c->mss_peer = (uint16_t)max_t(uint32_t, o->mss, TCP_MSS_MIN);
	if (!o->sack_ok)
		c->flags &= ~(uint32_t)TCP_F_SACK;
	if (!o->wscale_ok || !(c->flags & TCP_F_WSCALE)) {
		c->flags &= ~(uint32_t)TCP_F_WSCALE;
		c->snd_wscale = c->rcv_wscale = 0;
	} else {
		c->snd_wscale = o->wscale;
	}
	if (!o->ts_ok || !(c->flags & TCP_F_TS)) {
		c->flags &= ~(uint32_t)TCP_F_TS;
		c->tx_hlen = TCP_HDR_LEN;
	} else {
		c->ts_recent = o->tsval;
		c->ts_recent_s = net_seconds(net);
		c->tx_hlen = TCP_HDR_LEN + TCP_OPT_TS_LEN;
	}
	c->tx_data_off = (uint16_t)(PKT_DATA_OFF + c->tx_room + c->tx_hlen);
	tcp_mss_update(net, c);
	c->rcv_mss = min_t(uint32_t, c->mss_adv, TCP_MSS_DEFAULT);
}

void tcp_predict_update(struct tcp_conn *c)
{
	c->predict = 0;
	if (c->state == TCPS_ESTABLISHED && !c->ca_state && c->ooo_head == ID_NONE &&
	    !(c->flags & (TCP_F_PERSIST | TCP_F_TLP | TCP_F_URG)))
		c->predict = (uint16_t)(c->tx_hlen >> 2 << 4 | TCP_ACK << 8);
}

static void set_state(struct tcp_conn *c, enum tcp_state s)
{
	c->state = (uint8_t)s;
	tcp_predict_update(c);
}

int tcp_pending_error(struct tcp_conn *c)
{
	int err = c->ep.so_error;

	c->ep.so_error = 0;
	return -err;
}

void tcp_purge_tx(struct net *net, struct tcp_conn *c)
{
	uint32_t id = c->snd_head;

	while (id != ID_NONE) {
		struct pkt *p = pkt_get(net, id);

		id = p->next;
		pkt_free(net, p);
	}
	c->snd_head = c->snd_tail = c->snd_next = ID_NONE;
	c->snd_frames = 0;
	c->sacked_bytes = c->lost_bytes = c->sacked_segs = 0;
}

void tcp_purge_rx(struct net *net, struct tcp_conn *c)
{
	uint32_t id = c->rxq_head;

	while (id != ID_NONE) {
		struct pkt *p = pkt_get(net, id);

		id = p->next;
		pkt_free(net, p);
	}
	c->rxq_head = c->rxq_tail = ID_NONE;
	c->rxq_bytes = c->rxq_frames = 0;
}

static void purge_ooo(struct net *net, struct tcp_conn *c)
{
	uint32_t id = c->ooo_head;

	while (id != ID_NONE) {
		struct pkt *p = pkt_get(net, id);

		id = p->next;
		pkt_free(net, p);
	}
	c->ooo_head = c->ooo_tail = ID_NONE;
	c->ooo_bytes = c->ooo_frames = 0;
	c->n_rsack = 0;
}

/* ---- opening ------------------------------------------------------------- */

bool tcp_time_wait_reusable(const struct net *net, const struct ep *ep)
{
	const struct tcp_conn *c = (const struct tcp_conn *)ep;

	return ep->kind == EP_TCP_CONN && c->state == TCPS_TIME_WAIT && conn_is_orphan(c) &&
	       c->flags & TCP_F_TS && net->now - c->last_rx_ns > NSEC_PER_SEC;
}

static bool reuse_time_wait(struct net *net, struct tcp_conn *c)
{
	struct ep *ep = demux_find_exact(net, &c->ep.flow);
	struct tcp_conn *tw;

	if (!ep || !tcp_time_wait_reusable(net, ep))
		return false;
	tw = tcp_conn(ep);
	tcp_conn_start(net, c, tw->snd_nxt + 65535 + 2);
	tcp_destroy(net, tw);
	return true;
}

int tcp_connect(struct net *net, struct tcp_conn *c)
{
	int rc;

	if (c->state != TCPS_CLOSED)
		return -EISCONN;
	rc = net_route(net, &c->ep);
	if (rc < 0 && rc != -EAGAIN)
		return rc;

	tcp_purge_rx(net, c);
	c->ep.so_error = 0;
	tcp_conn_start(net, c, tcp_iss(net, &c->ep.flow));
	rc = demux_insert(net, &c->ep);
	if (rc == -EADDRINUSE && reuse_time_wait(net, c))
		rc = demux_insert(net, &c->ep);
	if (rc < 0)
		return rc;

	NET_STAT(net, tcp_active_opens);
	set_state(c, TCPS_SYN_SENT);
	c->snd_nxt = c->snd_end = c->snd_sml = c->iss + 1;
	tcp_send_syn(net, c);
	rexmit_set(net, c, net->now + conn_rto_ns(net, c));
	return 0;
}

void tcp_established(struct net *net, struct tcp_conn *c)
{
	const struct net_conf *conf = &net->shm->conf;
	uint32_t segs;

	set_state(c, TCPS_ESTABLISHED);
	c->established_ns = net->now;
	c->rcv_space_ns = net->now;
	c->last_tx_ns = net->now;
	c->rcv_space = min_t(uint32_t, conn_rcv_cap(c), 10u * c->mss_adv);
	cc_init(net, c);
	/* RFC 6928 section 2; a lost SYN means a narrow path. */
	c->cwnd = conf->initial_cwnd_bytes;
	if (!c->cwnd)
		c->cwnd = min_t(uint32_t, 10u * c->mss, max_t(uint32_t, 2u * c->mss, 14600u));
	if (c->retries > 1)
		c->cwnd = c->mss;
	c->retries = c->backoff = c->probes = 0;
	c->first_retrans_ns = 0;
	c->rexmit_deadline = 0;
	if (!(c->flags & TCP_F_SNDBUF_LOCKED)) {
		segs = max_t(uint32_t, 10, c->cwnd / c->mss);
		c->sndbuf = max_t(uint32_t, c->sndbuf,
				  min_t(uint32_t, 2 * segs * TCP_CHARGE, tcp_wmem_max(net)));
	}
	tcp_keepalive_update(net, c);
	conn_ready(net, c, EP_OUT);
}

/* ---- closing ------------------------------------------------------------- */

/* Linux ends TIME_WAIT early when there are too many (tcp_max_tw_buckets).  A server
 * that closes first would else fill all slots within seconds and refuse everybody.
 * What somebody still has a socket for gives no slot back: it goes to the end. */
void tcp_relieve_time_wait(struct net *net, const struct tcp_conn *keep)
{
	struct net_shm *sh = net->shm;

	for (int i = 0; i < TIME_WAIT_TRIES && sh->ep_n_used > net->n_eps - net->n_eps / 8; i++) {
		struct shm_link *first = shm_list_first(net->base, &sh->timewait);
		struct tcp_conn *c;

		if (!first)
			return;
		c = container_of(first, struct tcp_conn, acceptq);
		if (c != keep && conn_is_orphan(c)) {
			NET_STAT(net, tcp_timewait_evicted);
			tcp_destroy(net, c);
			continue;
		}
		shm_list_del(net->base, first);
		shm_list_add_tail(net->base, &sh->timewait, first);
	}
}

void tcp_enter_time_wait(struct net *net, struct tcp_conn *c)
{
	tcp_purge_tx(net, c);
	purge_ooo(net, c);
	if (conn_is_orphan(c))
		tcp_purge_rx(net, c);
	tcp_timers_stop(net, c);
	set_state(c, TCPS_TIME_WAIT);
	c->last_rx_ns = net->now;
	NET_STAT(net, tcp_timewait);
	timer_set(net->base, &net->shm->wheel, &c->t_keep,
		  net->now + 2 * net->shm->conf.msl_ms * NSEC_PER_MSEC);
	if (!shm_link_linked(net->base, &c->acceptq))
		shm_list_add_tail(net->base, &net->shm->timewait, &c->acceptq);
	conn_ready(net, c, EP_IN | EP_OUT | EP_RDHUP | EP_HUP);
	tcp_relieve_time_wait(net, c);
}

/* Nobody will read what a peer that keeps its side open may still say: wait for
 * its FIN only so long (Linux: tcp_fin_timeout, TCP_LINGER2). */
static void orphan_fin_wait_2(struct net *net, struct tcp_conn *c)
{
	uint64_t ms = c->linger2_ms ? c->linger2_ms : net->shm->conf.fin_timeout_ms;

	if (c->linger2_ms == UINT32_MAX) {
		tcp_send_rst(net, c);
		tcp_done(net, c, 0);
		return;
	}
	timer_set(net->base, &net->shm->wheel, &c->t_keep, net->now + ms * NSEC_PER_MSEC);
}

void tcp_fin_acked(struct net *net, struct tcp_conn *c)
{
	switch (c->state) {
	case TCPS_FIN_WAIT_1:
		set_state(c, TCPS_FIN_WAIT_2);
		c->flags |= TCP_F_SHUT_WR;
		if (conn_is_orphan(c))
			orphan_fin_wait_2(net, c);
		break;
	case TCPS_CLOSING:
		tcp_enter_time_wait(net, c);
		break;
	case TCPS_LAST_ACK:
		tcp_done(net, c, 0);
		break;
	}
}

void tcp_fin_in(struct net *net, struct tcp_conn *c)
{
	c->rcv_nxt++;
	if (c->rcv_wnd)
		c->rcv_wnd--;
	c->flags |= TCP_F_FIN_RCVD;
	if (c->state == TCPS_ESTABLISHED)
		ack_soon(net, c);	/* close() is likely to follow */
	else
		c->flags |= TCP_F_ACK_NOW;
	c->pingpong = 1;
	/* Nothing may lie behind a FIN. */
	purge_ooo(net, c);

	switch (c->state) {
	case TCPS_ESTABLISHED:
		set_state(c, TCPS_CLOSE_WAIT);
		break;
	case TCPS_FIN_WAIT_1:
		set_state(c, TCPS_CLOSING);
		break;
	case TCPS_FIN_WAIT_2:
		tcp_send_ack(net, c);
		tcp_enter_time_wait(net, c);
		return;
	}
	conn_ready(net, c, EP_IN | EP_RDHUP | (c->flags & TCP_F_SHUT_WR ? EP_HUP : 0));
}

void tcp_done(struct net *net, struct tcp_conn *c, int err)
{
	if (c->state == TCPS_CLOSED)
		return;
	if (c->state == TCPS_SYN_SENT || c->state == TCPS_SYN_RCVD)
		NET_STAT(net, tcp_attempt_fails);
	else if (err && (c->state == TCPS_ESTABLISHED || c->state == TCPS_CLOSE_WAIT))
		NET_STAT(net, tcp_estab_resets);

	if (c->listener != ID_NONE && !(c->flags & TCP_F_ON_ACCEPTQ))
		tcp_listen_forget(net, c);
	if (c->state == TCPS_TIME_WAIT)
		shm_list_del(net->base, &c->acceptq);
	set_state(c, TCPS_CLOSED);
	c->flags |= TCP_F_SHUT_RD | TCP_F_SHUT_WR;
	c->flags &= ~(uint32_t)TCP_F_ACK_NOW;
	tcp_timers_stop(net, c);
	tcp_purge_tx(net, c);
	purge_ooo(net, c);
	if (conn_is_orphan(c))
		tcp_purge_rx(net, c);
	if (c->ep.flags & EP_F_HASHED)
		demux_remove(net, &c->ep);
	if (err)
		c->ep.so_error = err;
	conn_ready(net, c, EP_IN | EP_OUT | EP_RDHUP | EP_HUP | EP_GONE | (err ? EP_ERR : 0));
}

void tcp_reap(struct net *net, struct tcp_conn *c)
{
	if (likely(c->state != TCPS_CLOSED) || !(c->ep.flags & EP_F_ORPHAN) ||
	    (c->flags & TCP_F_ON_ACCEPTQ))
		return;
	tcp_purge_rx(net, c);
	net->shm->tcp_n_conns--;
	ep_free(net, &c->ep);
}

void tcp_destroy(struct net *net, struct tcp_conn *c)
{
	if (c->listener != ID_NONE)
		tcp_listen_forget(net, c);
	c->ep.flags |= EP_F_ORPHAN;
	tcp_done(net, c, 0);
	tcp_reap(net, c);
}

/* Our side has no more to say. */
static void shut_wr(struct net *net, struct tcp_conn *c)
{
	c->flags |= TCP_F_SHUT_WR;
	switch (c->state) {
	case TCPS_ESTABLISHED:
		set_state(c, TCPS_FIN_WAIT_1);
		break;
	case TCPS_CLOSE_WAIT:
		set_state(c, TCPS_LAST_ACK);
		break;
	default:
		return;
	}
	tcp_queue_fin(net, c);
}

int tcp_shutdown(struct net *net, struct tcp_conn *c, int how)
{
	switch (c->state) {
	case TCPS_CLOSED:
	case TCPS_TIME_WAIT:
		return -ENOTCONN;
	case TCPS_SYN_SENT:
		tcp_done(net, c, 0);
		return 0;
	}
	if (how == SHUT_RD || how == SHUT_RDWR) {
		c->flags |= TCP_F_SHUT_RD;
		conn_ready(net, c, EP_IN | EP_RDHUP);
	}
	if (how == SHUT_WR || how == SHUT_RDWR) {
		shut_wr(net, c);
		conn_ready(net, c, EP_OUT);
	}
	if ((c->flags & (TCP_F_SHUT_RD | TCP_F_SHUT_WR)) == (TCP_F_SHUT_RD | TCP_F_SHUT_WR))
		conn_ready(net, c, EP_HUP);
	return 0;
}

void tcp_close(struct net *net, struct tcp_conn *c, bool linger_zero)
{
	bool unread = c->rxq_bytes > 0;

	c->ep.flags |= EP_F_ORPHAN;
	c->flags |= TCP_F_SHUT_RD;
	c->flags &= ~(uint32_t)TCP_F_SND_WAIT;
	tcp_purge_rx(net, c);

	switch (c->state) {
	case TCPS_CLOSED:
	case TCPS_TIME_WAIT:
		break;
	case TCPS_SYN_SENT:
		tcp_done(net, c, 0);
		break;
	default:
		if (unread || linger_zero) {
			tcp_send_rst(net, c);
			tcp_done(net, c, 0);
		} else if (c->state == TCPS_FIN_WAIT_2) {
			orphan_fin_wait_2(net, c);
		} else {
			shut_wr(net, c);
		}
	}
	tcp_reap(net, c);
}

void tcp_abort(struct net *net, struct tcp_conn *c, int err)
{
	if (c->state == TCPS_CLOSED)
		return;
	if (c->state != TCPS_SYN_SENT && c->state != TCPS_TIME_WAIT)
		tcp_send_rst(net, c);
	tcp_done(net, c, err);
}

/* ---- what the user can ask ----------------------------------------------- */

uint32_t tcp_rcv_avail(const struct tcp_conn *c)
{
	return c->rxq_bytes;
}

static uint32_t fin_octet(const struct tcp_conn *c)
{
	return c->flags & TCP_F_FIN_QUEUED ? 1 : 0;
}

uint32_t tcp_snd_queued(const struct tcp_conn *c)
{
	if (c->snd_head == ID_NONE)
		return 0;
	return c->snd_end - c->snd_una - fin_octet(c);
}

uint32_t tcp_snd_unsent(const struct tcp_conn *c)
{
	if (c->snd_next == ID_NONE)
		return 0;
	return c->snd_end - c->snd_nxt - fin_octet(c);
}

uint32_t tcp_events(const struct ep *ep)
{
	const struct tcp_conn *c = (const struct tcp_conn *)ep;
	uint32_t ev = 0;

	if (ep->kind == EP_TCP_LISTEN) {
		const struct tcp_listen *l = (const struct tcp_listen *)ep;

		return l->n_accept || l->room == TCP_LISTEN_SHORT ? EP_IN : 0;
	}
	if (ep->kind != EP_TCP_CONN)
		return EP_OUT | EP_HUP;

	if (c->state == TCPS_CLOSED || c->state == TCPS_TIME_WAIT ||
	    ((c->flags & (TCP_F_SHUT_RD | TCP_F_FIN_RCVD)) && (c->flags & TCP_F_SHUT_WR)))
		ev |= EP_HUP;
	if (c->flags & (TCP_F_SHUT_RD | TCP_F_FIN_RCVD))
		ev |= EP_IN | EP_RDHUP;
	if (c->state != TCPS_SYN_SENT && c->state != TCPS_SYN_RCVD) {
		if (c->rxq_bytes)
			ev |= EP_IN;
		if ((c->flags & TCP_F_SHUT_WR) || conn_snd_writeable(c))
			ev |= EP_OUT;
		else
			/* Who is told "no" waits for the edge. The bit is a hint
			 * of ours, not state of the caller's object. */
			((struct tcp_conn *)(uintptr_t)c)->flags |= TCP_F_SND_WAIT;
	}
	if (ep->so_error)
		ev |= EP_ERR;
	return ev;
}
