// SPDX-License-Identifier: BSD-2-Clause
/*
 * tcp_timer.c - what happens when nothing happens
 *
 * Three wheel timers a connection.  t_rexmit: SYN and data retransmission (RFC 6298
 * section 5), tail loss probe (RFC 8985 section 7, in its simple form), zero-window
 * probe and the override of Nagle's and the silly-window rule (RFC 9293 section
 * 3.8.6).  t_delack: owed ACKs, and sends that could not be carried out.  t_keep:
 * keepalive, FIN_WAIT_2 of orphans, TIME_WAIT.
 *
 * The first two are lazy: the path of a segment moves a deadline, and the wheel is
 * touched only when it would fire after that.  A handler looks at the deadline and
 * goes back to sleep.
 */
#include "tcp/tcp_int.h"

#include "tcp/cc.h"
#include "tcp/rtt.h"

enum {
	ORPHAN_RETRIES = 8,	/* Linux: what tcp_orphan_retries 0 means */
	OVERRIDE_MS    = 200,	/* Linux: the least time to a zero-window probe, and CORK's ceiling */
	PTO_SLACK_US   = 2000,	/* timer ticks */
	RETRY_NS       = 1000000,
	RETRY_HOP_NS   = 10000000,
};

void tcp_timers_init(struct net *net, struct tcp_conn *c)
{
	timer_init(net->base, &c->t_rexmit, TCP_TIMER_REXMIT, c->ep.id);
	timer_init(net->base, &c->t_delack, TCP_TIMER_DELACK, c->ep.id);
	timer_init(net->base, &c->t_keep, TCP_TIMER_KEEP, c->ep.id);
	c->rexmit_armed = c->delack_armed = UINT64_MAX;
	c->rexmit_deadline = c->delack_deadline = 0;
}

void tcp_timers_stop(struct net *net, struct tcp_conn *c)
{
	struct timer_wheel *w = &net->shm->wheel;

	timer_del(net->base, w, &c->t_rexmit);
	timer_del(net->base, w, &c->t_delack);
	timer_del(net->base, w, &c->t_keep);
	c->rexmit_armed = c->delack_armed = UINT64_MAX;
	c->rexmit_deadline = c->delack_deadline = 0;
	c->flags &= ~(uint32_t)(TCP_F_PERSIST | TCP_F_PTO | TCP_F_TX_WAIT);
}

void tcp_rexmit_arm(struct net *net, struct tcp_conn *c)
{
	timer_set(net->base, &net->shm->wheel, &c->t_rexmit, c->rexmit_deadline);
	c->rexmit_armed = c->rexmit_deadline;
}

void tcp_delack_arm(struct net *net, struct tcp_conn *c)
{
	timer_set(net->base, &net->shm->wheel, &c->t_delack, c->delack_deadline);
	c->delack_armed = c->delack_deadline;
}

void tcp_retry_soon(struct net *net, struct tcp_conn *c)
{
	uint64_t when = net->now + (c->ep.route.valid ? RETRY_NS : RETRY_HOP_NS);

	c->flags |= TCP_F_TX_WAIT;
	if (when < c->delack_armed) {
		timer_set(net->base, &net->shm->wheel, &c->t_delack, when);
		c->delack_armed = when;
	}
}

static bool may_probe_tail(const struct tcp_conn *c)
{
	return (c->flags & (TCP_F_SACK | TCP_F_RECOVERY | TCP_F_RTO_REC | TCP_F_TLP)) == TCP_F_SACK &&
	       c->srtt_us && !c->backoff && !c->sacked_bytes && conn_flight(c) > c->mss;
}

static uint64_t pto_ns(const struct tcp_conn *c)
{
	/* PTO = 2 SRTT. With a single segment in flight the delayed ACK has to be
	 * added, and nothing would be gained over the timeout. */
	return (2ull * rtt_srtt_us(c) + PTO_SLACK_US) * 1000;
}

void tcp_pto_arm(struct net *net, struct tcp_conn *c)
{
	uint64_t when = net->now + pto_ns(c);

	if (may_probe_tail(c) && when < c->rexmit_deadline) {
		c->flags |= TCP_F_PTO;
		rexmit_set(net, c, when);
	}
}

void tcp_rexmit_update(struct net *net, struct tcp_conn *c)
{
	uint64_t d;

	c->flags &= ~(uint32_t)TCP_F_PTO;
	if (conn_flight(c)) {
		c->flags &= ~(uint32_t)TCP_F_PERSIST;
		d = conn_rto_ns(net, c);
		if (may_probe_tail(c) && pto_ns(c) < d) {
			c->flags |= TCP_F_PTO;
			d = pto_ns(c);
		}
		rexmit_set(net, c, net->now + d);
	} else if (c->snd_next != ID_NONE && conn_in(c, TCPS_SET_TX)) {
		/* The window is closed, or too small, or Nagle waits for more. */
		if (c->flags & TCP_F_PERSIST && c->rexmit_deadline)
			return;
		c->flags |= TCP_F_PERSIST;
		tcp_predict_update(c);
		d = conn_rto_ns(net, c);
		rexmit_set(net, c, net->now + max_t(uint64_t, d, OVERRIDE_MS * NSEC_PER_MSEC));
	} else {
		c->flags &= ~(uint32_t)TCP_F_PERSIST;
		c->rexmit_deadline = 0;
	}
}

/* ---- retransmission ---------------------------------------------------------- */

static void time_out(struct net *net, struct tcp_conn *c)
{
	tcp_done(net, c, c->err_soft ? c->err_soft : ETIMEDOUT);
}

/* The user's patience (RFC 9293 section 3.8.3, TCP_USER_TIMEOUT), else so many
 * attempts (R2). */
static bool gives_up(struct net *net, struct tcp_conn *c, uint32_t tries)
{
	const struct net_conf *conf = &net->shm->conf;
	uint32_t max = conf->retries2;

	if (conn_is_orphan(c))
		max = conf->orphan_retries ? conf->orphan_retries : ORPHAN_RETRIES;
	else if (c->user_timeout_ms)
		return c->first_retrans_ns && net->now - c->first_retrans_ns >=
					      c->user_timeout_ms * NSEC_PER_MSEC;
	return tries >= max;
}

static void syn_timer(struct net *net, struct tcp_conn *c)
{
	const struct net_conf *conf = &net->shm->conf;
	uint32_t max = c->state == TCPS_SYN_SENT ? conf->syn_retries : conf->synack_retries;
	int rc;

	if (c->user_timeout_ms && c->state == TCPS_SYN_SENT ?
	    net->now - c->first_retrans_ns >= c->user_timeout_ms * NSEC_PER_MSEC :
	    c->retries >= max) {
		time_out(net, c);
		return;
	}
	c->retries++;
	c->backoff++;
	if (c->listener == ID_NONE || tcp_listen_resend(net, c)) {
		rc = tcp_send_syn(net, c);
		NET_STAT(net, tcp_retrans_segs);
		c->total_retrans++;
		if (rc == -EHOSTUNREACH || rc == -ENETUNREACH) {
			tcp_done(net, c, -rc);
			return;
		}
	}
	rexmit_set(net, c, net->now + conn_rto_ns(net, c));
}

/* RFC 6298 section 5.4 to 5.7. */
static void rto_timer(struct net *net, struct tcp_conn *c)
{
	/* A peer that answers, but with a closed window, is not dead. */
	bool alive = c->snd_wnd == 0 && net->now - c->last_rx_ns < 120 * NSEC_PER_SEC;

	if (!c->retries || !c->first_retrans_ns)
		c->first_retrans_ns = net->now;
	if (!alive && gives_up(net, c, c->retries)) {
		time_out(net, c);
		return;
	}
	if (!alive && c->retries < UINT8_MAX)
		c->retries++;
	if (c->backoff < UINT8_MAX)
		c->backoff++;
	c->rtos++;
	NET_STAT(net, tcp_rtos);
	tcp_enter_loss(net, c);
	tcp_recovery_send(net, c, true);
	rexmit_set(net, c, net->now + conn_rto_ns(net, c));
}

/* RFC 8985 section 7.3: new data if there is some that may be sent, else the last
 * segment again; its ACK brings SACK blocks that tell what is missing. */
static void probe_tail(struct net *net, struct tcp_conn *c)
{
	uint32_t nxt = c->snd_nxt, id, last = ID_NONE;

	c->flags &= ~(uint32_t)TCP_F_PTO;
	c->flags |= TCP_F_TLP | TCP_F_PUSH_NOW;
	c->tlp_seq = c->snd_nxt;
	NET_STAT(net, tcp_tlps);
	tcp_output(net, c, TCP_PUSH_NORMAL);
	if (c->snd_nxt == nxt) {
		for (id = c->snd_head; id != c->snd_next; id = pkt_get(net, id)->next)
			last = id;
		if (last != ID_NONE)
			(void)tcp_retransmit(net, c, pkt_get(net, last));
	}
	rexmit_set(net, c, net->now + conn_rto_ns(net, c));
}

/* Nothing is in flight and something waits. */
static void persist_timer(struct net *net, struct tcp_conn *c)
{
	uint32_t nxt = c->snd_nxt;

	/* What the window takes, whatever Nagle and the silly-window rule say. */
	c->flags |= TCP_F_PUSH_NOW;
	tcp_output(net, c, TCP_PUSH_NORMAL);
	if (c->snd_nxt != nxt || c->state == TCPS_CLOSED)
		return;
	if (!c->probes || !c->first_retrans_ns)
		c->first_retrans_ns = net->now;
	if (gives_up(net, c, c->probes)) {
		time_out(net, c);
		return;
	}
	c->probes++;
	if (c->backoff < UINT8_MAX)
		c->backoff++;
	NET_STAT(net, tcp_zwin_probes);
	tcp_send_probe(net, c);
	c->flags |= TCP_F_PERSIST;
	rexmit_set(net, c, net->now + max_t(uint64_t, conn_rto_ns(net, c),
					    OVERRIDE_MS * NSEC_PER_MSEC));
}

static void rexmit_timer(struct net *net, struct tcp_conn *c)
{
	c->rexmit_armed = UINT64_MAX;
	if (!c->rexmit_deadline)
		return;
	if (net->now < c->rexmit_deadline) {
		tcp_rexmit_arm(net, c);
		return;
	}
	c->rexmit_deadline = 0;
	if (c->state == TCPS_SYN_SENT || c->state == TCPS_SYN_RCVD)
		syn_timer(net, c);
	else if (!conn_in(c, TCPS_SET_TX))
		return;
	else if (!conn_flight(c))
		persist_timer(net, c);
	else if (c->flags & TCP_F_PTO)
		probe_tail(net, c);
	else
		rto_timer(net, c);
}

/* ---- delayed ACK, retries ------------------------------------------------------ */

static void delack_timer(struct net *net, struct tcp_conn *c)
{
	c->delack_armed = UINT64_MAX;
	if (c->flags & TCP_F_TX_WAIT) {
		c->flags &= ~(uint32_t)TCP_F_TX_WAIT;
		if (c->flags & TCP_F_RECOVERY || c->flags & TCP_F_RTO_REC)
			tcp_recovery_send(net, c, false);
		else
			tcp_output(net, c, TCP_PUSH_NORMAL);
		tcp_wake_sender(net, c);
	}
	if (c->flags & TCP_F_ACK_NOW) {
		tcp_send_ack(net, c);
	} else if (c->delack_deadline && net->now >= c->delack_deadline) {
		/* The answer that would have carried it did not come. */
		c->pingpong &= (uint8_t)~1u;
		NET_STAT(net, tcp_delacks);
		tcp_send_ack(net, c);
	} else if (c->delack_deadline && c->delack_deadline < c->delack_armed) {
		tcp_delack_arm(net, c);
	}
}

/* ---- keepalive, FIN_WAIT_2, TIME_WAIT -------------------------------------------- */

void tcp_keepalive_update(struct net *net, struct tcp_conn *c)
{
	if (!(c->flags & TCP_F_KEEPALIVE) || !conn_in(c, TCPS_SET_SYNC) || !c->keep_idle_ms)
		return;
	if (conn_is_orphan(c) && c->state == TCPS_FIN_WAIT_2)
		return;
	timer_set(net->base, &net->shm->wheel, &c->t_keep,
		  c->last_rx_ns + c->keep_idle_ms * NSEC_PER_MSEC);
}

static void keepalive_timer(struct net *net, struct tcp_conn *c)
{
	uint64_t idle = net->now - c->last_rx_ns;
	uint64_t due = c->keep_idle_ms * NSEC_PER_MSEC;
	bool dead;

	if (!(c->flags & TCP_F_KEEPALIVE) || !conn_in(c, TCPS_SET_SYNC))
		return;
	/* Data on the way are a probe of their own. */
	if (conn_flight(c) || c->snd_next != ID_NONE) {
		timer_set(net->base, &net->shm->wheel, &c->t_keep, net->now + due);
		return;
	}
	if (idle < due) {
		c->probes = 0;
		timer_set(net->base, &net->shm->wheel, &c->t_keep, c->last_rx_ns + due);
		return;
	}
	dead = c->user_timeout_ms ? idle >= c->user_timeout_ms * NSEC_PER_MSEC && c->probes :
				    c->probes >= c->keep_cnt;
	if (dead) {
		tcp_send_rst(net, c);
		time_out(net, c);
		return;
	}
	c->probes++;
	NET_STAT(net, tcp_keepalives);
	tcp_send_probe(net, c);
	timer_set(net->base, &net->shm->wheel, &c->t_keep,
		  net->now + c->keep_intvl_ms * NSEC_PER_MSEC);
}

static void keep_timer(struct net *net, struct tcp_conn *c)
{
	if (c->state == TCPS_TIME_WAIT)
		tcp_done(net, c, 0);
	else if (c->state == TCPS_FIN_WAIT_2 && conn_is_orphan(c))
		tcp_done(net, c, 0);
	else
		keepalive_timer(net, c);
}

void tcp_timer(struct net *net, struct timer *tm)
{
	struct tcp_conn *c = tcp_conn(ep_get(net, tm->id));

	if (unlikely(c->ep.kind != EP_TCP_CONN || c->state == TCPS_CLOSED))
		return;
	switch (tm->kind) {
	case TCP_TIMER_REXMIT:
		rexmit_timer(net, c);
		break;
	case TCP_TIMER_DELACK:
		delack_timer(net, c);
		break;
	case TCP_TIMER_KEEP:
		keep_timer(net, c);
		break;
	}
	tcp_predict_update(c);
	tcp_reap(net, c);
}
