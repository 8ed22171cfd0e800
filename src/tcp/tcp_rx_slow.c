// SPDX-License-Identifier: BSD-2-Clause
/*
 * tcp_rx_slow.c - segments arriving that were not predicted
 *
 * RFC 9293 section 3.10.7 as its numbered steps, for all states but LISTEN
 * (tcp_listen.c), with RFC 5961 (blind resets, SYNs and data), RFC 7323 (PAWS),
 * RFC 2883 (D-SACK) and RFC 6191 (TIME_WAIT) where they change a step.  Where the
 * RFCs leave a choice, and in what data after close() cause, Linux decides.
 *
 * Urgent data are ordinary data here (RFC 6093 section 6 advises against more).
 */
#include "tcp/tcp_int.h"

#include "tcp/reasm.h"
#include "tcp/rtt.h"
#include "tcp/sack.h"

/* RFC 7323 section 5.5: a TS.Recent older than 24 days proves nothing.  In units of
 * 2^30 ns. */
enum { PAWS_IDLE = 1931190 };

/* ---- payload ------------------------------------------------------------------ */

struct pkt *tcp_pkt_pull(struct net *net, struct pkt *p, uint32_t n)
{
	while (p->frag != ID_NONE) {
		uint32_t here = pkt_len_in_frame(p);
		struct pkt *q;

		if (n < here || p->data_len <= here)
			break;
		q = pkt_get(net, p->frag);
		q->next = p->next;
		q->where = p->where;
		q->flags |= p->flags & PKT_F_FIN;
		q->data_off = q->off;
		q->data_len = p->data_len - here;
		q->seq = p->seq + here;
		q->end_seq = p->end_seq;
		q->tot_len = p->tot_len - p->len;
		q->stamp_ns = p->stamp_ns;
		n -= here;
		p->frag = ID_NONE;
		pkt_free(net, p);
		p = q;
	}
	p->data_off = (uint16_t)(p->data_off + n);
	p->data_len -= n;
	p->seq += n;
	return p;
}

bool tcp_pkt_merge(struct net *net, struct pkt *to, struct pkt *p)
{
	uint32_t end = to->data_off + to->data_len;

	if ((to->frag & p->frag) != ID_NONE || to->flags & PKT_F_FIN ||
	    PKT_FRAME_SIZE - end < p->data_len)
		return false;
	memcpy(pkt_at(to, (uint16_t)end), pkt_data(p), p->data_len);
	to->data_len += p->data_len;
	to->end_seq = p->end_seq;
	to->flags |= p->flags & PKT_F_FIN;
	pkt_free(net, p);
	return true;
}

void tcp_rxq_append_dense(struct net *net, struct tcp_conn *c, struct pkt *p)
{
	struct pkt *tail = pkt_get(net, c->rxq_tail);

	/* A slow reader of small segments holds few frames this way: each two
	 * neighbours have more than one frame's worth. */
	if (tcp_pkt_merge(net, tail, p))
		return;
	p->where = PKT_RXQ;
	p->next = ID_NONE;
	tail->next = pkt_id(net, p);
	c->rxq_tail = pkt_id(net, p);
	c->rxq_frames++;
}

/* How many segments may wait out of order: what the buffer would hold in frames, and
 * none when frames are short (they were never promised to be kept: RFC 2018 section 8). */
static bool ooo_room(const struct net *net, const struct tcp_conn *c)
{
	return c->ooo_frames < max_t(uint32_t, 64, c->rcvbuf >> PKT_FRAME_SHIFT) &&
	       !net_pressure(net) && !net_rx_scarce(net);
}

/* Frames are short: what comes in order is taken only if it fits behind what is there
 * already.  Returns whether it was. */
static __cold bool squeeze_in(struct net *net, struct tcp_conn *c, struct pkt *p)
{
	struct pkt *tail;
	uint32_t len = p->data_len;

	if (c->rxq_head == ID_NONE || p->flags & PKT_F_FIN)
		return false;
	tail = pkt_get(net, c->rxq_tail);
	if (!tcp_pkt_merge(net, tail, p))
		return false;
	c->rcv_nxt += len;
	c->rcv_wnd -= min_t(uint32_t, c->rcv_wnd, len);
	c->rxq_bytes += len;
	c->bytes_in += len;
	ack_policy(net, c, len);
	conn_ready(net, c, EP_IN);
	return true;
}

static void drain_ooo(struct net *net, struct tcp_conn *c)
{
	struct pkt *p;

	while ((p = reasm_pop(net, c))) {
		bool fin = p->flags & PKT_F_FIN;

		if (p->data_len)
			rxq_append(net, c, p);
		else
			pkt_free(net, p);
		if (fin) {
			tcp_fin_in(net, c);
			break;
		}
	}
	sack_rx_advance(c);
}

static void note_duplicate(struct tcp_conn *c, uint32_t start, uint32_t end)
{
	c->dup_in++;
	if (c->flags & TCP_F_SACK) {
		c->dsack.start = start;
		c->dsack.end = end;
	}
}

/* Seventh and eighth step: payload and FIN.  Consumes. */
static void take_data(struct net *net, struct tcp_conn *c, struct pkt *p, uint8_t flags)
{
	uint32_t edge = c->rcv_nxt + c->rcv_wnd, over, start, end, len = p->data_len;
	bool fin = flags & TCP_FIN, had_ooo = !reasm_empty(c);

	/* Nobody is there to read (RFC 9293 section 3.10.4; Linux: not even when only
	 * shutdown() was called for both sides). */
	if ((c->state == TCPS_FIN_WAIT_1 || c->state == TCPS_FIN_WAIT_2) &&
	    c->flags & TCP_F_SHUT_RD && p->data_len && seq_after(p->seq + p->data_len, c->rcv_nxt)) {
		pkt_free(net, p);
		tcp_send_rst(net, c);
		tcp_done(net, c, ECONNRESET);
		return;
	}

	if (seq_leq(p->end_seq, c->rcv_nxt)) {
		NET_DROP(net, tcp_dup);
		note_duplicate(c, p->seq, p->end_seq);
		c->flags |= TCP_F_ACK_NOW;
		pkt_free(net, p);
		return;
	}
	if (seq_before(p->seq, c->rcv_nxt)) {
		note_duplicate(c, p->seq, c->rcv_nxt);
		p = tcp_pkt_pull(net, p, c->rcv_nxt - p->seq);
	}
	/* Cut at the window: what is beyond was not asked for. */
	if (seq_after(p->end_seq, edge)) {
		over = p->end_seq - edge;
		if (fin) {
			fin = false;
			over--;
		}
		if (!len || over >= p->data_len) {
			NET_DROP(net, tcp_rcvbuf);
			c->zwin_in++;
			c->flags |= TCP_F_ACK_NOW;
			pkt_free(net, p);
			return;
		}
		p->data_len -= over;
		p->end_seq = edge;
	}
	p->flags &= ~(uint32_t)PKT_F_FIN;
	if (fin)
		p->flags |= PKT_F_FIN;

	if (p->seq != c->rcv_nxt) {
		c->ooo_in++;
		NET_STAT(net, tcp_ooo_segs);
		c->flags |= TCP_F_ACK_NOW;
		if (!ooo_room(net, c)) {
			NET_DROP(net, tcp_rcvbuf);
			pkt_free(net, p);
			return;
		}
		start = p->seq;
		end = p->end_seq;
		if (reasm_insert(net, c, p, &start, &end))
			sack_rx_add(c, start, end);
		else
			note_duplicate(c, start, end);
		return;
	}

	len = p->data_len;
	/* A connection always gets one frame, so that none stands still. */
	if (unlikely(net_rx_scarce(net)) && len && c->rxq_head != ID_NONE) {
		if (!had_ooo && squeeze_in(net, c, p))
			return;
		NET_DROP(net, tcp_rcvbuf);
		pkt_free(net, p);
		return;
	}
	if (len) {
		rxq_append(net, c, p);
		ack_policy(net, c, len);
		conn_ready(net, c, EP_IN);
	} else {
		pkt_free(net, p);
	}
	if (had_ooo) {
		/* RFC 5681 section 4.2: fill a gap, answer at once. */
		c->flags |= TCP_F_ACK_NOW;
		if (!fin)
			drain_ooo(net, c);
	}
	if (fin)
		tcp_fin_in(net, c);
}

/* ---- checks ---------------------------------------------------------------------- */

/* RFC 7323 section 5.3 R1. */
static bool paws_rejects(const struct net *net, const struct tcp_conn *c, const struct tcp_in *in)
{
	return c->flags & TCP_F_TS && in->opt.ts_ok && !(in->flags & TCP_RST) &&
	       seq_before(in->opt.tsval, c->ts_recent) &&
	       net_seconds(net) - c->ts_recent_s < PAWS_IDLE;
}

/* First step.  As Linux: what we have not acknowledged yet is still acceptable, and a
 * segment at the edge of a closed window, for the sake of its ACK. */
static bool seq_acceptable(const struct tcp_conn *c, const struct tcp_in *in)
{
	uint32_t end = in->seq + in->len + !!(in->flags & TCP_SYN) + !!(in->flags & TCP_FIN);

	return seq_geq(end, c->rcv_last_ack) && seq_leq(in->seq, c->rcv_nxt + c->rcv_wnd);
}

/* Answer to a segment that is not acceptable. */
static void answer_unacceptable(struct net *net, struct tcp_conn *c, const struct tcp_in *in)
{
	uint32_t end = in->seq + in->len;

	if (in->flags & TCP_RST)
		return;
	if (in->flags & TCP_SYN || !(in->len || in->flags & TCP_FIN)) {
		tcp_send_challenge(net, c);
		return;
	}
	if (seq_leq(end, c->rcv_nxt) && in->len)
		note_duplicate(c, in->seq, end);
	c->quick = TCP_QUICK_SEGS;
	tcp_send_ack(net, c);
}

/* Second step: a reset that is exact. */
static void reset_in(struct net *net, struct tcp_conn *c)
{
	int err = ECONNRESET;

	switch (c->state) {
	case TCPS_SYN_RCVD:
		err = c->flags & TCP_F_PASSIVE ? 0 : ECONNREFUSED;
		break;
	case TCPS_CLOSE_WAIT:
		err = EPIPE;	/* Linux */
		break;
	}
	tcp_done(net, c, err);
}

/* ---- states ------------------------------------------------------------------------ */

/* RTT of the handshake, if it took one try (RFC 6298 section 3). */
static void handshake_rtt(struct net *net, struct tcp_conn *c)
{
	const struct net_conf *conf = &net->shm->conf;

	if (!c->retries && c->first_retrans_ns)
		rtt_sample(c, (uint32_t)((net->now - c->first_retrans_ns) / 1000),
			   conf->rto_min_ms, conf->rto_max_ms);
}

static void peer_syn(struct tcp_conn *c, const struct tcp_in *in)
{
	c->irs = in->seq;
	c->rcv_nxt = in->seq + 1;
	c->rcv_last_ack = c->rcv_nxt;
	c->rcv_adv = c->rcv_nxt + c->rcv_wnd;
	/* The window of a SYN is not scaled. */
	c->snd_wnd = c->snd_wnd_max = in->raw_wnd;
	c->snd_wl1 = in->seq;
}

/* RFC 9293 section 3.10.7.3.  True: go on with the segment's payload. */
static bool syn_sent(struct net *net, struct tcp_conn *c, struct pkt *p, const struct rx_info *ri,
		     struct tcp_in *in)
{
	bool ack = in->flags & TCP_ACK;
	struct tcp_syn_opts o;

	/* First: ACK. */
	if (ack && in->ack != c->iss + 1) {
		NET_DROP(net, tcp_ack);
		tcp_reset_segment(net, p, ri);
		return false;
	}
	/* Second: RST (RFC 5961 section 3.2: only with an acceptable ACK). */
	if (in->flags & TCP_RST) {
		if (ack)
			tcp_done(net, c, ECONNREFUSED);
		else
			NET_DROP(net, tcp_flags);
		return false;
	}
	/* Fourth: SYN. */
	if (!(in->flags & TCP_SYN)) {
		NET_DROP(net, tcp_flags);
		return false;
	}
	if (tcp_opt_parse_syn((const uint8_t *)pkt_l4(p) + TCP_HDR_LEN,
			      (size_t)(p->data_off - p->l4_off - TCP_HDR_LEN), &o) < 0)
		NET_DROP(net, tcp_opt);		/* what stood before the fault counts */
	peer_syn(c, in);
	tcp_take_syn_opts(net, c, &o);

	if (!ack) {
		/* Simultaneous open (RFC 9293 section 3.5, figure 8). */
		c->state = TCPS_SYN_RCVD;
		tcp_send_syn(net, c);
		return false;
	}
	handshake_rtt(net, c);
	c->snd_una = in->ack;
	tcp_established(net, c);
	ack_soon(net, c);
	in->seq++;
	p->seq++;
	p->end_seq++;
	in->flags &= (uint8_t)~TCP_SYN;
	return true;
}

/* RFC 9293 section 3.10.7.4, fifth, SYN_RCVD.  False: drop. */
static bool syn_rcvd(struct net *net, struct tcp_conn *c, struct pkt *p, const struct rx_info *ri,
		     const struct tcp_in *in)
{
	if (in->ack != c->iss + 1) {
		NET_DROP(net, tcp_ack);
		tcp_reset_segment(net, p, ri);
		return false;
	}
	if (c->listener != ID_NONE && tcp_listen_estab(net, c, in->len > 0) < 0)
		return false;
	handshake_rtt(net, c);
	c->snd_una = in->ack;
	c->snd_wnd = in->wnd;
	c->snd_wl1 = in->seq;
	if (in->wnd > c->snd_wnd_max)
		c->snd_wnd_max = in->wnd;
	tcp_mss_update(net, c);
	tcp_established(net, c);
	/* shutdown() may have come before. */
	if (c->flags & TCP_F_SHUT_WR) {
		c->state = TCPS_FIN_WAIT_1;
		c->predict = 0;
	}
	return true;
}

/* RFC 9293 section 3.10.7.4 for TIME_WAIT.  Consumes; true: @c is gone and a listener
 * has the segment. */
static bool time_wait(struct net *net, struct tcp_conn *c, struct pkt *p, const struct rx_info *ri,
		      const struct tcp_in *in)
{
	bool newer;

	/* A new SYN beyond what was received, by number or by time (RFC 9293 section
	 * 3.6.1, RFC 6191 section 2). */
	if ((in->flags & (TCP_SYN | TCP_ACK | TCP_RST)) == TCP_SYN && conn_is_orphan(c)) {
		newer = seq_after(in->seq, c->rcv_nxt);
		if (c->flags & TCP_F_TS && in->opt.ts_ok)
			newer |= seq_after(in->opt.tsval, c->ts_recent);
		if (newer) {
			uint32_t iss = c->snd_nxt + 65535 + 2;
			struct ep *ep;

			tcp_destroy(net, c);
			ep = demux_find(net, &ri->flow, p->ifindex);
			if (ep && ep->kind == EP_TCP_LISTEN) {
				tcp_listen_rx(net, tcp_listener(ep), p, ri, iss ? iss : 1);
			} else {
				tcp_reset_segment(net, p, ri);
				pkt_free(net, p);
			}
			return true;
		}
	}
	/* RFC 1337: a reset does not end TIME_WAIT. */
	if (!(in->flags & TCP_RST)) {
		if (in->flags & TCP_FIN && in->seq + in->len + 1 == c->rcv_nxt) {
			/* Our last ACK was lost: it all begins again. */
			c->last_rx_ns = net->now;
			timer_set(net->base, &net->shm->wheel, &c->t_keep,
				  net->now + 2 * net->shm->conf.msl_ms * NSEC_PER_MSEC);
			tcp_send_ack(net, c);
		} else if (in->len || in->flags & (TCP_SYN | TCP_FIN)) {
			tcp_send_challenge(net, c);
		}
	}
	pkt_free(net, p);
	return false;
}

/* ---- RFC 9293 section 3.10.7.4 --------------------------------------------------------- */

/* Consumes. */
static void segment_in(struct net *net, struct tcp_conn *c, struct pkt *p, const struct rx_info *ri,
		       struct tcp_in *in)
{
	if (c->state == TCPS_SYN_SENT) {
		if (!syn_sent(net, c, p, ri, in))
			goto drop;
		goto payload;
	}

	/* Before the first: PAWS (RFC 7323 section 5.3). */
	if (paws_rejects(net, c, in)) {
		NET_DROP(net, tcp_paws);
		answer_unacceptable(net, c, in);
		goto drop;
	}
	/* First: sequence number. */
	if (!seq_acceptable(c, in)) {
		NET_DROP(net, tcp_seq);
		answer_unacceptable(net, c, in);
		goto drop;
	}
	c->segs_in++;
	/* Second: RST (RFC 5961 section 3.2). */
	if (in->flags & TCP_RST) {
		if (in->seq == c->rcv_nxt) {
			reset_in(net, c);
		} else {
			NET_DROP(net, tcp_flags);
			tcp_send_challenge(net, c);
		}
		goto drop;
	}
	/* RFC 7323 section 4.3: only now, as the segment is in the window. */
	if (c->flags & TCP_F_TS && in->opt.ts_ok && seq_geq(in->opt.tsval, c->ts_recent) &&
	    seq_leq(in->seq, c->rcv_last_ack)) {
		c->ts_recent = in->opt.tsval;
		c->ts_recent_s = net_seconds(net);
	}
	/* Fourth: SYN. */
	if (in->flags & TCP_SYN) {
		if (c->state == TCPS_SYN_RCVD && in->seq == c->irs) {
			if (!(in->flags & TCP_ACK)) {
				/* The SYN again: our answer was lost. */
				tcp_send_syn(net, c);
				goto drop;
			}
			/* Both opened at once: this is what we wait for. */
			in->seq++;
			p->seq++;
			p->end_seq++;
			in->flags &= (uint8_t)~TCP_SYN;
			in->wnd = in->raw_wnd;
		} else {
			/* RFC 5961 section 4.2 */
			NET_DROP(net, tcp_flags);
			tcp_send_challenge(net, c);
			goto drop;
		}
	}
	/* Fifth: ACK. */
	if (!(in->flags & TCP_ACK)) {
		NET_DROP(net, tcp_flags);
		goto drop;
	}
	if (c->state == TCPS_SYN_RCVD) {
		if (!syn_rcvd(net, c, p, ri, in))
			goto drop;
	}
	if (!tcp_ack_in(net, c, in))
		goto drop;
	if (c->flags & TCP_F_FIN_QUEUED && c->snd_una == c->snd_end) {
		tcp_fin_acked(net, c);
		if (c->state == TCPS_CLOSED || c->state == TCPS_TIME_WAIT)
			goto drop;
	}
	c->last_rx_ns = net->now;
	if (c->flags & TCP_F_TS && in->len >= c->rcv_mss && in->opt.ts_ok &&
	    in->opt.tsecr != c->rcv_tsecr)
		tcp_rcv_rtt_sample(net, c, in->opt.tsecr);

payload:
	/* Sixth: URG is not looked at. Seventh and eighth: text and FIN. */
	if (!in->len && !(in->flags & TCP_FIN))
		goto drop;
	if (!conn_in(c, TCPS_SET_RX)) {
		/* Behind the peer's FIN there is nothing. */
		NET_DROP(net, tcp_seq);
		c->flags |= TCP_F_ACK_NOW;
		goto drop;
	}
	take_data(net, c, p, in->flags);
	return;

drop:
	pkt_free(net, p);
}

void tcp_rx_slow(struct net *net, struct tcp_conn *c, struct pkt *p, const struct rx_info *ri)
{
	uint32_t room = (uint32_t)(p->off + p->len - p->l4_off);
	struct tcp_seg s;
	struct tcp_in in;

	if (tcp_parse(pkt_l4(p), min_t(uint32_t, ri->l4_len, room), &s) < 0) {
		NET_DROP(net, l4_short);
		pkt_free(net, p);
		return;
	}
	in.opt.ts_ok = false;
	in.opt.nsack = 0;
	if (tcp_opt_parse((const uint8_t *)pkt_l4(p) + TCP_HDR_LEN, s.hdr_len - TCP_HDR_LEN,
			  &in.opt) < 0)
		NET_DROP(net, tcp_opt);		/* as Linux: what stood before the fault counts */
	in.seq = s.seq;
	in.ack = s.ack;
	in.flags = s.flags;
	in.raw_wnd = s.wnd;
	in.wnd = (uint32_t)s.wnd << (s.flags & TCP_SYN ? 0 : c->snd_wscale);
	in.len = ri->l4_len - s.hdr_len;

	p->data_off = (uint16_t)(p->l4_off + s.hdr_len);
	p->data_len = in.len;
	p->seq = s.seq;
	p->end_seq = s.seq + in.len + !!(s.flags & TCP_FIN);
	p->next = ID_NONE;

	switch (c->state) {
	case TCPS_CLOSED:
		tcp_reset_segment(net, p, ri);
		pkt_free(net, p);
		return;
	case TCPS_TIME_WAIT:
		if (time_wait(net, c, p, ri, &in))
			return;
		tcp_reap(net, c);
		return;
	}
	segment_in(net, c, p, ri, &in);
	tcp_predict_update(c);

	if (conn_in(c, TCPS_SET_TX))
		tcp_output(net, c, TCP_PUSH_NORMAL);
	if (c->flags & TCP_F_ACK_NOW && c->state != TCPS_CLOSED)
		tcp_send_ack(net, c);
	tcp_reap(net, c);
}
