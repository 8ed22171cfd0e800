// SPDX-License-Identifier: BSD-2-Clause
/*
 * tcp_ack.c - acknowledgements that are not the predicted one; loss recovery
 *
 * Takes an acceptable segment's ACK, window and SACK blocks; frees what is
 * acknowledged, decides what is lost, sets cwnd and sends what that allows.
 * RFC 9293 section 3.10.7.4 (fifth), RFC 5681, RFC 6675, RFC 6582 for peers without
 * SACK, RFC 5961 section 5, RFC 3522 (Eifel) with the response of taking back.
 *
 *   open -> disorder -> recovery -> open        (duplicate ACKs, SACK)
 *   any  -> loss -> open                        (timeout)
 */
#include "tcp/tcp_int.h"

#include "tcp/cc.h"
#include "tcp/rtt.h"
#include "tcp/sack.h"

/* Numbered as TCP_INFO's tcpi_ca_state. */
enum { CA_OPEN, CA_DISORDER, CA_CWR, CA_RECOVERY, CA_LOSS };

void tcp_wake_sender(struct net *net, struct tcp_conn *c)
{
	uint32_t want;

	if (!(c->flags & TCP_F_SND_WAIT))
		return;
	/* As much again as the network holds, so that the user can refill in time. */
	if (!(c->flags & TCP_F_SNDBUF_LOCKED) && !net_pressure(net)) {
		want = c->cwnd / c->mss * 2 * TCP_CHARGE;
		want = min_t(uint32_t, want, tcp_wmem_max(net));
		if (want > c->sndbuf)
			c->sndbuf = want;
	}
	if (net_tx_scarce(net)) {
		if (c->snd_head == ID_NONE)
			tcp_retry_soon(net, c);
		return;
	}
	if (conn_snd_writeable(c)) {
		c->flags &= ~(uint32_t)TCP_F_SND_WAIT;
		conn_ready(net, c, EP_OUT);
	}
}

/* ---- the send queue ------------------------------------------------------- */

static void uncount(struct tcp_conn *c, const struct pkt *p, uint32_t bytes, bool whole)
{
	if (p->flags & PKT_F_SACKED) {
		c->sacked_bytes -= bytes;
		c->sacked_segs -= whole;
	}
	if (p->flags & PKT_F_LOST)
		c->lost_bytes -= bytes;
}

/* The first @n octets of the head are acknowledged. */
static void trim_head(struct tcp_conn *c, struct pkt *p, uint32_t n)
{
	uncount(c, p, n, false);
	p->data_off = (uint16_t)(p->data_off + n);
	p->data_len -= n;
	p->seq += n;
	p->user[TXQ_CSUM] = csum_partial(pkt_data(p), p->data_len, 0);
}

/* RTT of what an ACK covers: the oldest segment's that was sent once (RFC 6298
 * section 3), else by its echoed timestamp if it has one. */
static void sample_rtt(struct net *net, struct tcp_conn *c, uint64_t sent_ns, bool retrans,
		       const struct tcp_in *in)
{
	const struct net_conf *conf = &net->shm->conf;
	uint32_t ticks;

	if (!retrans && sent_ns) {
		rtt_sample(c, (uint32_t)min_t(uint64_t, (net->now - sent_ns) / 1000, UINT32_MAX),
			   conf->rto_min_ms, conf->rto_max_ms);
	} else if (c->flags & TCP_F_TS && in->opt.ts_ok && in->opt.tsecr) {
		ticks = conn_ts_now(net, c) - in->opt.tsecr;
		if (ticks < 120000)
			rtt_sample(c, max_t(uint32_t, ticks, 1) * TCP_TS_TICK_US,
				   conf->rto_min_ms, conf->rto_max_ms);
	}
}

struct cleaned {
	bool retrans;		/* some of it had been sent more than once */
	bool any;
};

static struct cleaned clean(struct net *net, struct tcp_conn *c, const struct tcp_in *in)
{
	struct cleaned r = { false, false };
	uint64_t first_ns = 0;
	uint32_t ack = in->ack;

	while (c->snd_head != c->snd_next) {
		struct pkt *p = pkt_get(net, c->snd_head);

		if (seq_leq(ack, p->seq))
			break;
		if (!(p->flags & PKT_F_SACKED)) {
			r.retrans |= (p->flags & PKT_F_RETRANS) != 0;
			if (!first_ns)
				first_ns = p->stamp_ns;
			if (!(p->flags & PKT_F_RETRANS) && p->stamp_ns > c->rack_ns)
				c->rack_ns = p->stamp_ns;
		}
		r.any = true;
		if (seq_before(ack, p->end_seq)) {
			trim_head(c, p, ack - p->seq);
			break;
		}
		uncount(c, p, pkt_seq_len(p), true);
		c->snd_head = p->next;
		c->snd_frames--;
		pkt_free(net, p);
	}
	if (c->snd_head == ID_NONE)
		c->snd_tail = ID_NONE;
	if (r.any)
		sample_rtt(net, c, first_ns, r.retrans, in);
	return r;
}

/* ---- loss ------------------------------------------------------------------- */

static void mark_lost(struct tcp_conn *c, struct pkt *p)
{
	if (p->flags & (PKT_F_SACKED | PKT_F_LOST))
		return;
	p->flags |= PKT_F_LOST;
	c->lost_bytes += pkt_seq_len(p);
}

static void mark_head_lost(struct net *net, struct tcp_conn *c)
{
	if (c->snd_head != c->snd_next)
		mark_lost(c, pkt_get(net, c->snd_head));
}

static void clear_lost(struct net *net, struct tcp_conn *c)
{
	for (uint32_t id = c->snd_head; id != c->snd_next; ) {
		struct pkt *p = pkt_get(net, id);

		id = p->next;
		p->flags &= ~(uint32_t)PKT_F_LOST;
	}
	c->lost_bytes = 0;
}

/* What may turn out to have been needless. */
static void remember(struct net *net, struct tcp_conn *c)
{
	c->prior_cwnd = c->cwnd;
	c->prior_ssthresh = c->ssthresh;
	c->undo_ts = conn_ts_now(net, c);
	c->flags |= TCP_F_UNDO;
}

static void undo(struct net *net, struct tcp_conn *c)
{
	c->cwnd = max_t(uint32_t, c->cwnd, c->prior_cwnd);
	c->ssthresh = max_t(uint32_t, c->ssthresh, c->prior_ssthresh);
	c->flags &= ~(uint32_t)(TCP_F_UNDO | TCP_F_RECOVERY | TCP_F_RTO_REC);
	c->ca_state = c->sacked_bytes ? CA_DISORDER : CA_OPEN;
	clear_lost(net, c);
	cc_restart(c);
}

static void enter_recovery(struct net *net, struct tcp_conn *c)
{
	remember(net, c);
	c->ssthresh = cc_loss(c);
	c->cwnd = c->ssthresh;
	c->recover = c->snd_nxt;
	c->flags |= TCP_F_RECOVERY;
	c->ca_state = CA_RECOVERY;
	c->fast_recs++;
	NET_STAT(net, tcp_fast_recoveries);
	if (!c->lost_bytes)
		mark_head_lost(net, c);
}

void tcp_enter_loss(struct net *net, struct tcp_conn *c)
{
	if (!(c->flags & TCP_F_RTO_REC)) {
		if (!(c->flags & TCP_F_RECOVERY)) {
			remember(net, c);
			c->ssthresh = cc_loss(c);
		}
		c->recover = c->snd_nxt;
	}
	c->flags &= ~(uint32_t)(TCP_F_RECOVERY | TCP_F_TLP | TCP_F_PTO);
	c->flags |= TCP_F_RTO_REC;
	c->ca_state = CA_LOSS;
	c->cwnd = c->mss;
	c->dupacks = 0;
	c->rack_ns = 0;
	cc_restart(c);
	/* A receiver that reported the segment which it still waits for has taken
	 * its reports back (RFC 2018 section 8). */
	if (c->snd_head != c->snd_next && pkt_get(net, c->snd_head)->flags & PKT_F_SACKED)
		sack_forget(net, c);
	if (!(c->flags & TCP_F_SACK))
		c->sacked_bytes = c->sacked_segs = 0;
	for (uint32_t id = c->snd_head; id != c->snd_next; ) {
		struct pkt *p = pkt_get(net, id);

		id = p->next;
		mark_lost(c, p);
	}
}

/* Retransmit what is lost, oldest first, as far as cwnd goes; @first: the first one
 * in any case (RFC 6675 section 5 (4.3)). */
static void send_lost(struct net *net, struct tcp_conn *c, bool first)
{
	uint32_t id;

	for (id = c->snd_head; id != c->snd_next; ) {
		struct pkt *p = pkt_get(net, id);
		uint32_t pipe;

		if (!(p->flags & PKT_F_LOST)) {
			id = p->next;
			continue;
		}
		pipe = conn_pipe(c);
		if (!first && pipe && pipe + p->data_len > c->cwnd)
			return;
		if (tcp_retransmit(net, c, p) < 0) {
			tcp_retry_soon(net, c);
			return;
		}
		first = false;
		id = p->next;
	}
}

void tcp_recovery_send(struct net *net, struct tcp_conn *c, bool first)
{
	send_lost(net, c, first);
	tcp_output(net, c, TCP_PUSH_NORMAL);
}

/* ---- segments' ACKs ----------------------------------------------------------- */

/* RFC 9293 section 3.10.7.4, fifth; Linux' condition, which does not need SND.WL2. */
static bool update_window(struct net *net, struct tcp_conn *c, const struct tcp_in *in)
{
	bool changed;

	if (!(seq_after(in->ack, c->snd_una) || seq_after(in->seq, c->snd_wl1) ||
	      (in->seq == c->snd_wl1 && in->wnd > c->snd_wnd)))
		return false;
	changed = in->wnd != c->snd_wnd;
	c->snd_wl1 = in->seq;
	c->snd_wnd = in->wnd;
	if (in->wnd > c->snd_wnd_max) {
		c->snd_wnd_max = in->wnd;
		tcp_mss_update(net, c);
	}
	return changed;
}

static bool cwnd_limited(const struct tcp_conn *c, uint32_t flight)
{
	if (c->cwnd < c->ssthresh)
		return c->cwnd < 2 * flight;
	return c->cwnd <= flight + 2u * c->mss;
}

/* The ACK was caused by a segment that left before we retransmitted: it, and not the
 * retransmission, had arrived (RFC 3522). */
static bool was_spurious(const struct tcp_conn *c, const struct tcp_in *in, bool retrans)
{
	return retrans && c->flags & TCP_F_UNDO && c->flags & TCP_F_TS && in->opt.ts_ok &&
	       in->opt.tsecr && seq_before(in->opt.tsecr, c->undo_ts);
}

/* Without SACK a duplicate ACK says that some segment has left the network. */
static void reno_dupack(struct tcp_conn *c)
{
	uint32_t flight = conn_flight(c);

	c->sacked_bytes = min_t(uint32_t, c->sacked_bytes + c->mss,
				flight > c->mss ? flight - c->mss : 0);
}

static void on_loss_state(struct net *net, struct tcp_conn *c, uint32_t acked, uint32_t sacked)
{
	(void)sack_mark_lost(net, c);
	if (seq_geq(c->snd_una, c->recover)) {
		c->flags &= ~(uint32_t)(TCP_F_RTO_REC | TCP_F_UNDO);
		c->ca_state = c->sacked_bytes ? CA_DISORDER : CA_OPEN;
	}
	/* Slow start, as the scoreboard empties. */
	if (acked + sacked && c->cwnd < c->ssthresh)
		(void)cc_slow_start(c, min_t(uint32_t, acked + sacked, 2u * c->mss));
}

static void on_recovery_state(struct net *net, struct tcp_conn *c, uint32_t acked)
{
	if (seq_geq(c->snd_una, c->recover)) {
		/* All that was in flight has arrived. */
		c->flags &= ~(uint32_t)(TCP_F_RECOVERY | TCP_F_UNDO);
		c->cwnd = max_t(uint32_t, min_t(uint32_t, c->ssthresh, conn_pipe(c) + 3u * c->mss),
				2u * c->mss);
		c->dupacks = 0;
		if (!(c->flags & TCP_F_SACK))
			c->sacked_bytes = 0;
		c->ca_state = c->sacked_bytes ? CA_DISORDER : CA_OPEN;
		return;
	}
	if (c->flags & TCP_F_SACK) {
		(void)sack_mark_lost(net, c);
	} else if (acked) {
		/* RFC 6582 section 3.2 step 3: a partial ACK names the next hole. */
		c->sacked_bytes = c->sacked_bytes > acked ? c->sacked_bytes - acked : 0;
		mark_head_lost(net, c);
	}
}

static void on_open_state(struct net *net, struct tcp_conn *c, uint32_t acked, uint32_t flight)
{
	bool lost;

	if (c->flags & TCP_F_SACK)
		lost = c->sacked_segs && sack_mark_lost(net, c);
	else
		lost = c->dupacks >= TCP_DUPTHRESH && conn_flight(c);
	if (lost) {
		enter_recovery(net, c);
		send_lost(net, c, true);
		return;
	}
	if (acked) {
		if (!(c->flags & TCP_F_SACK))
			c->sacked_bytes = 0;
		if (!c->sacked_segs)
			c->dupacks = 0;
		if (cwnd_limited(c, flight))
			cc_ack(net, c, acked);
	}
	c->ca_state = c->sacked_segs || c->dupacks ? CA_DISORDER : CA_OPEN;
}

bool tcp_ack_in(struct net *net, struct tcp_conn *c, const struct tcp_in *in)
{
	uint32_t una = c->snd_una, flight = conn_flight(c), acked = in->ack - una, sacked = 0;
	struct cleaned cl = { false, false };
	bool wnd_changed, blocks;

	if (seq_after(in->ack, c->snd_nxt)) {
		NET_DROP(net, tcp_ack);
		tcp_send_challenge(net, c);
		return false;
	}
	if (seq_before(in->ack, una)) {
		/* RFC 5961 section 5.2 */
		if (seq_before(in->ack, una - c->snd_wnd_max)) {
			NET_DROP(net, tcp_ack);
			tcp_send_challenge(net, c);
			return false;
		}
		acked = 0;
	}
	c->probes = 0;
	blocks = in->opt.nsack && c->flags & TCP_F_SACK;
	wnd_changed = !seq_before(in->ack, una) && update_window(net, c, in);

	if (acked) {
		c->snd_una = in->ack;
		c->bytes_acked += acked;
		cl = clean(net, c, in);
		c->retries = 0;
		c->backoff = 0;
		if (c->flags & TCP_F_URG && seq_geq(c->snd_una, c->snd_up))
			c->flags &= ~(uint32_t)TCP_F_URG;
		if (c->flags & TCP_F_TLP && seq_geq(c->snd_una, c->tlp_seq))
			c->flags &= ~(uint32_t)TCP_F_TLP;
	}
	if (blocks && flight)
		sacked = sack_tx_mark(net, c, in);

	/* RFC 5681 section 2, definition of a duplicate; with SACK only one that tells
	 * something new (RFC 6675 section 2). */
	if (!acked && in->ack == una && flight &&
	    (c->flags & TCP_F_SACK ? sacked > 0 :
	     !in->len && !wnd_changed && !(in->flags & (TCP_FIN | TCP_SYN)))) {
		if (c->dupacks < UINT8_MAX)
			c->dupacks++;
		if (!(c->flags & TCP_F_SACK))
			reno_dupack(c);
	}

	if (c->flags & (TCP_F_RTO_REC | TCP_F_RECOVERY) && was_spurious(c, in, cl.retrans))
		undo(net, c);
	if (c->flags & TCP_F_RTO_REC)
		on_loss_state(net, c, acked, sacked);
	else if (c->flags & TCP_F_RECOVERY)
		on_recovery_state(net, c, acked);
	else
		on_open_state(net, c, acked, flight);

	if (c->flags & TCP_F_PERSIST && (conn_flight(c) || c->snd_next == ID_NONE ||
					 seq_after(c->snd_una + c->snd_wnd, c->snd_nxt))) {
		/* The window has opened: its timer's doublings are history. */
		c->flags &= ~(uint32_t)TCP_F_PERSIST;
		c->backoff = 0;
		c->rexmit_deadline = 0;
	}
	if (acked || (sacked && c->flags & (TCP_F_RECOVERY | TCP_F_RTO_REC)))
		tcp_rexmit_update(net, c);
	if (c->lost_bytes)
		send_lost(net, c, false);
	if (acked)
		tcp_wake_sender(net, c);
	return true;
}

void tcp_cc_acked(struct net *net, struct tcp_conn *c, uint32_t acked)
{
	cc_ack(net, c, acked);
}
