/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tcp_int.h - what the files of this folder know of each other
 *
 * A connection may end inside any of these calls.  It is then TCPS_CLOSED and
 * its slot is still there: only the entry points (tcp_rx, tcp_timer, tcp_icmp,
 * tcp_close, listener) call tcp_reap(), as their last act.
 */
#ifndef POSTERN_TCP_TCP_INT_H
#define POSTERN_TCP_TCP_INT_H

#include <errno.h>
#include <netinet/in.h>

#include "tcp/tcp.h"
#include "wire/csum.h"
#include "wire/seq.h"
#include "wire/tcp.h"
#include "wire/tcp_opt.h"

enum {
	TCP_MSS_DEFAULT  = 536,		/* RFC 9293 section 3.7.1 */
	TCP_MSS_DEFAULT6 = 1220,
	TCP_MSS_MIN      = 48,		/* below this a peer's MSS is an attack, not a path */
	TCP_DUPTHRESH    = 3,		/* RFC 5681 section 3.2 */
	TCP_QUICK_SEGS   = 16,
	TCP_RXQ_DENSE    = 16,		/* queue length from which frames are filled up */
	TCP_CHARGE       = 4352,	/* what Linux charges a full segment with in SO_SNDBUF */
};

/* pkt.user[] of a frame on the send queue. */
enum { TXQ_CSUM = 0 };			/* sum of the payload, not folded */

/* A segment as the slow path sees it. */
struct tcp_in {
	uint32_t seq, ack;
	uint32_t wnd;			/* scaled */
	uint32_t len;			/* payload */
	uint32_t raw_wnd;
	uint8_t flags;
	struct tcp_opts opt;
};

/* States as sets: 1u << TCPS_x. */
#define TCPS_SET_CAN_SEND  (1u << TCPS_ESTABLISHED | 1u << TCPS_CLOSE_WAIT)
#define TCPS_SET_SYNC      (1u << TCPS_ESTABLISHED | 1u << TCPS_FIN_WAIT_1 | 1u << TCPS_FIN_WAIT_2 | \
			    1u << TCPS_CLOSE_WAIT | 1u << TCPS_CLOSING | 1u << TCPS_LAST_ACK)
/* Data or FIN may be on the way to the peer. */
#define TCPS_SET_TX        (1u << TCPS_ESTABLISHED | 1u << TCPS_CLOSE_WAIT | 1u << TCPS_FIN_WAIT_1 | \
			    1u << TCPS_CLOSING | 1u << TCPS_LAST_ACK)
/* Data may arrive. */
#define TCPS_SET_RX        (1u << TCPS_ESTABLISHED | 1u << TCPS_FIN_WAIT_1 | 1u << TCPS_FIN_WAIT_2)

static inline bool conn_in(const struct tcp_conn *c, uint32_t set)
{
	return set >> c->state & 1;
}

/* Nobody has a socket for it. */
static inline bool conn_is_orphan(const struct tcp_conn *c)
{
	return (c->ep.flags & EP_F_ORPHAN) && c->listener == ID_NONE;
}

/* Readiness of what nobody owns is nobody's business. */
static inline void conn_ready(struct net *net, struct tcp_conn *c, uint32_t events)
{
	if (likely(!(c->ep.flags & EP_F_ORPHAN)))
		ep_ready(net, &c->ep, events);
}

/* Our clock of RFC 7323: ticks of 2^20 ns (1.05 ms). */
static inline uint32_t conn_ts_now(const struct net *net, const struct tcp_conn *c)
{
	return (uint32_t)(net->now >> 20) + c->ts_off;
}
#define TCP_TS_TICK_US 1049u

/* Nearly seconds: 2^30 ns. */
static inline uint32_t net_seconds(const struct net *net)
{
	return (uint32_t)(net->now >> 30);
}

static inline uint32_t conn_flight(const struct tcp_conn *c)
{
	return c->snd_nxt - c->snd_una;
}

/* Bytes thought to be in the network (RFC 6675 section 4, pipe). */
static inline uint32_t conn_pipe(const struct tcp_conn *c)
{
	uint32_t gone = c->sacked_bytes + c->lost_bytes, flight = conn_flight(c);

	return flight > gone ? flight - gone : 0;
}

/* Payload that a user can be promised: half of the buffer, the rest is overhead. */
static inline uint32_t conn_rcv_cap(const struct tcp_conn *c)
{
	return c->rcvbuf >> 1;
}

/* SO_SNDBUF is charged with frames, as the kernel charges it with theirs. */
static inline bool conn_snd_room(const struct tcp_conn *c)
{
	return (c->snd_frames << PKT_FRAME_SHIFT) < c->sndbuf;
}
/* A third is free: the level at which the kernel says EPOLLOUT. */
static inline bool conn_snd_writeable(const struct tcp_conn *c)
{
	uint32_t used = c->snd_frames << PKT_FRAME_SHIFT;

	return used + (used >> 1) <= c->sndbuf;
}

/* Memory is getting short: nobody's buffers grow. */
static inline bool net_pressure(const struct net *net)
{
	return net->shm->pkt_n_free < net->shm->n_frames >> 3;
}

/* Received frames fill their share but for what the devices must have to receive at
 * all, ACKs included: queues take no more. */
static inline bool net_rx_scarce(const struct net *net)
{
	return net->shm->pkt_n_rx >= net->n_frames / 16 * 11;
}

/* No more data to send than this share of all frames: ACKs and SYNs must find some. */
static inline bool net_tx_scarce(const struct net *net)
{
	return net->shm->pkt_n_tx >= net->n_frames / 16 * 11;
}

/* Sequence space of a frame on the send queue: a FIN counts. */
static inline uint32_t pkt_seq_len(const struct pkt *p)
{
	return p->end_seq - p->seq;
}

static inline uint32_t pkt_len_in_frame(const struct pkt *p)
{
	if (likely(p->frag == ID_NONE))
		return p->data_len;
	return min_t(uint32_t, p->data_len, (uint32_t)(p->off + p->len - p->data_off));
}

/* ---- tcp_state.c ---------------------------------------------------------- */

/* All that a new incarnation of a connection begins with, from iss on. */
void tcp_conn_start(struct net *net, struct tcp_conn *c, uint32_t iss);
/* RFC 6528. */
uint32_t tcp_iss(struct net *net, const struct flow *flow);
/* Options of the peer's SYN; fixes MSS and header sizes. */
void tcp_take_syn_opts(struct net *net, struct tcp_conn *c, const struct tcp_syn_opts *o);
void tcp_mss_update(struct net *net, struct tcp_conn *c);
void tcp_established(struct net *net, struct tcp_conn *c);
/* The peer's FIN is in order: rcv_nxt moves over it. */
void tcp_fin_in(struct net *net, struct tcp_conn *c);
/* Our FIN is acknowledged. */
void tcp_fin_acked(struct net *net, struct tcp_conn *c);
void tcp_enter_time_wait(struct net *net, struct tcp_conn *c);
/* End the oldest in TIME_WAIT where endpoints are short, but not @keep. */
void tcp_relieve_time_wait(struct net *net, const struct tcp_conn *keep);
/* The end: no timers, no frames but unread data, not in the demultiplexer. */
void tcp_done(struct net *net, struct tcp_conn *c, int err);
/* Free the slot of a connection that is done and that nobody holds. */
void tcp_reap(struct net *net, struct tcp_conn *c);
/* tcp_done() and tcp_reap(), whoever may hold it. */
void tcp_destroy(struct net *net, struct tcp_conn *c);
void tcp_purge_tx(struct net *net, struct tcp_conn *c);
void tcp_purge_rx(struct net *net, struct tcp_conn *c);
/* Recompute c->predict: after any change of state, of header options, of recovery, of the
 * reassembly queue, and of TCP_F_PERSIST, TLP and URG. */
void tcp_predict_update(struct tcp_conn *c);
int tcp_pending_error(struct tcp_conn *c);
uint32_t tcp_wscale_wanted(const struct net *net, const struct tcp_conn *c);
uint32_t tcp_rmem_max(const struct net *net);
uint32_t tcp_wmem_max(const struct net *net);

/* ---- tcp_listen.c ---------------------------------------------------------- */

/* Consumes a segment for a listener.  @iss: of a connection that follows one in
 * TIME_WAIT, or 0. */
void tcp_listen_rx(struct net *net, struct tcp_listen *l, struct pkt *p, const struct rx_info *ri,
		   uint32_t iss);
/* The handshake of an embryo is complete: 0, or -EAGAIN when there is no room
 * (or accept is deferred) and the ACK counts as not received. */
int tcp_listen_estab(struct net *net, struct tcp_conn *c, bool has_data);
/* Take it off its listener's queues. */
void tcp_listen_forget(struct net *net, struct tcp_conn *c);
/* Embryo's timer: whether its SYN-ACK should be sent (deferred accept). */
bool tcp_listen_resend(struct net *net, struct tcp_conn *c);

/* ---- tcp_rx.c, tcp_rx_slow.c, tcp_ack.c, tcp_recv.c ------------------------- */

bool tcp_csum_bad(struct pkt *p, const struct rx_info *ri);
/* Consumes. */
void tcp_rx_slow(struct net *net, struct tcp_conn *c, struct pkt *p, const struct rx_info *ri);
/* What an acceptable ACK does. False: the segment is to be dropped (answered). */
bool tcp_ack_in(struct net *net, struct tcp_conn *c, const struct tcp_in *in);
/* Timeout: everything unacknowledged is deemed lost. */
void tcp_enter_loss(struct net *net, struct tcp_conn *c);
/* Retransmit what is marked lost, then new data, as cwnd allows; @first: one segment
 * in any case. */
void tcp_recovery_send(struct net *net, struct tcp_conn *c, bool first);
void tcp_wake_sender(struct net *net, struct tcp_conn *c);
/* An ACK that covers frames, while nothing is lost or reordered. */
void tcp_cc_acked(struct net *net, struct tcp_conn *c, uint32_t acked);
void tcp_rxq_append_dense(struct net *net, struct tcp_conn *c, struct pkt *p);
void tcp_rcv_rtt_sample(struct net *net, struct tcp_conn *c, uint32_t tsecr);
/* Remove @n bytes from the front of a packet, freeing frames of a chain; returns its first frame. */
struct pkt *tcp_pkt_pull(struct net *net, struct pkt *p, uint32_t n);
/* Copy @p's payload behind that of @to if its frame has room; true: @p has been freed. */
bool tcp_pkt_merge(struct net *net, struct pkt *to, struct pkt *p);

/* ---- tcp_tx.c, tcp_tx_slow.c ------------------------------------------------ */

enum tcp_push_how { TCP_PUSH_NORMAL, TCP_PUSH_MORE /* the last frame may wait for more */ };
void tcp_output(struct net *net, struct tcp_conn *c, enum tcp_push_how how);
/* Headers in front of a queued frame, and onto the wire. */
int tcp_xmit_frame(struct net *net, struct tcp_conn *c, struct pkt *p, bool consume);
/* Window field of the segment that is being made; the promise is noted. */
uint16_t tcp_window(struct net *net, struct tcp_conn *c);
int tcp_retransmit(struct net *net, struct tcp_conn *c, struct pkt *p);
/* Cut a frame of the send queue after @len bytes. 0 or -ENOBUFS. */
int tcp_split(struct net *net, struct tcp_conn *c, struct pkt *p, uint32_t len);
struct pkt *tcp_tx_frame(struct net *net, struct tcp_conn *c);
void tcp_tx_enqueue(struct net *net, struct tcp_conn *c, struct pkt *p);
/* Queue our FIN; without a frame for it now, t_delack tries again. */
void tcp_queue_fin(struct net *net, struct tcp_conn *c);
void tcp_send_ack(struct net *net, struct tcp_conn *c);
/* At most one in a while: answers to segments that are not acceptable. */
void tcp_send_challenge(struct net *net, struct tcp_conn *c);
int tcp_send_syn(struct net *net, struct tcp_conn *c);	/* or SYN-ACK, by state */
void tcp_send_rst(struct net *net, struct tcp_conn *c);
/* RST for a segment without connection (RFC 9293 section 3.10.7.1); borrows @p. */
void tcp_reset_segment(struct net *net, const struct pkt *p, const struct rx_info *ri);
/* Old sequence number, no data: the peer must answer (keepalive, zero window). */
void tcp_send_probe(struct net *net, struct tcp_conn *c);

/* ---- tcp_timer.c ------------------------------------------------------------- */

void tcp_timers_init(struct net *net, struct tcp_conn *c);
void tcp_timers_stop(struct net *net, struct tcp_conn *c);
void tcp_rexmit_arm(struct net *net, struct tcp_conn *c);
void tcp_delack_arm(struct net *net, struct tcp_conn *c);
/* Restart, start or stop after something was sent or acknowledged. */
void tcp_rexmit_update(struct net *net, struct tcp_conn *c);
/* More than one segment is in flight: probe for the tail before the timeout. */
void tcp_pto_arm(struct net *net, struct tcp_conn *c);
/* Try to send again soon (no frame, ring full, next hop unknown). */
void tcp_retry_soon(struct net *net, struct tcp_conn *c);
void tcp_keepalive_update(struct net *net, struct tcp_conn *c);

static inline uint64_t conn_rto_ns(const struct net *net, const struct tcp_conn *c)
{
	uint64_t us = (uint64_t)c->rto_us << min_t(unsigned, c->backoff, 20u);
	uint64_t max = (uint64_t)net->shm->conf.rto_max_ms * 1000;

	return (us < max ? us : max) * 1000;
}

/* The wheel is touched only when it would fire too late; handlers look at the
 * deadline again. */
static inline void rexmit_set(struct net *net, struct tcp_conn *c, uint64_t deadline)
{
	c->rexmit_deadline = deadline;
	if (unlikely(deadline < c->rexmit_armed))
		tcp_rexmit_arm(net, c);
}

static inline void delack_set(struct net *net, struct tcp_conn *c, uint64_t deadline)
{
	c->delack_deadline = deadline;
	if (unlikely(deadline < c->delack_armed))
		tcp_delack_arm(net, c);
}

/* In-order payload at the end of the receive queue. */
static inline void rxq_append(struct net *net, struct tcp_conn *c, struct pkt *p)
{
	uint32_t id = pkt_id(net, p);

	c->rcv_nxt += p->data_len;
	c->rcv_wnd = c->rcv_wnd > p->data_len ? c->rcv_wnd - p->data_len : 0;
	c->rxq_bytes += p->data_len;
	c->bytes_in += p->data_len;
	if (unlikely(c->rxq_frames >= TCP_RXQ_DENSE)) {
		tcp_rxq_append_dense(net, c, p);
		return;
	}
	p->where = PKT_RXQ;
	p->next = ID_NONE;
	if (c->rxq_head == ID_NONE)
		c->rxq_head = id;
	else
		pkt_get(net, c->rxq_tail)->next = id;
	c->rxq_tail = id;
	c->rxq_frames++;
}

/* An ACK is due now, but what the user does next is likely to carry it: a request
 * right after connect(), an answer, a FIN.  False: it must go by itself. */
bool tcp_ack_soft(struct net *net, struct tcp_conn *c);
static inline void ack_soon(struct net *net, struct tcp_conn *c)
{
	if (!net->shm->conf.soft_ack_ns || c->flags & TCP_F_QUICKACK || !tcp_ack_soft(net, c))
		c->flags |= TCP_F_ACK_NOW;
}

/* What acknowledgement @len bytes in order ask for: at once for every second full
 * segment (RFC 9293 section 3.8.6.3, MUST-59), and as long as the peer probably
 * is in slow start; else later. */
static inline void ack_policy(struct net *net, struct tcp_conn *c, uint32_t len)
{
	const struct net_conf *conf = &net->shm->conf;

	if (unlikely(len > c->rcv_mss))
		c->rcv_mss = min_t(uint32_t, len, c->mss_adv);
	if (c->rcv_nxt - c->rcv_last_ack > c->rcv_mss * conf->delack_segs ||
	    unlikely(c->flags & TCP_F_QUICKACK)) {
		c->quick -= c->quick != 0;
		c->flags |= TCP_F_ACK_NOW;
	} else if (c->quick && !(c->pingpong & 1)) {
		c->quick--;
		ack_soon(net, c);
	} else if (!c->delack_deadline) {
		delack_set(net, c, net->now + conf->delack_ms * NSEC_PER_MSEC);
	}
	c->pingpong |= 2;
}

/* A segment with our current rcv_nxt has left. */
static inline void ack_sent(struct tcp_conn *c)
{
	c->rcv_last_ack = c->rcv_nxt;
	c->delack_deadline = 0;
	c->flags &= ~(uint32_t)TCP_F_ACK_NOW;
}

#endif
