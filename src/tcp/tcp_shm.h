/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tcp_shm.h - a TCP connection and a listener as they lie in the arena
 *
 * Names are the RFCs': RFC 9293 section 3.3.1 (snd_una ...), RFC 5681 (cwnd,
 * ssthresh), RFC 6298 (srtt, rttvar, rto), RFC 7323 (ts_recent), RFC 6675
 * (high_rxt, recovery point).  Sequence numbers are host order, modulo 2^32.
 * The order of fields is the order of use on the predicted path.
 *
 *   CLOSED -> SYN_SENT -> ESTABLISHED -> FIN_WAIT_1 -> FIN_WAIT_2 -> TIME_WAIT
 *   LISTEN -> SYN_RCVD ->      |      -> CLOSE_WAIT -> LAST_ACK -> CLOSED
 */
#ifndef POSTERN_TCP_TCP_SHM_H
#define POSTERN_TCP_TCP_SHM_H

#include "base/timer.h"
#include "net/ep.h"

/* Numbered as Linux' TCP_ESTABLISHED ... of <linux/tcp_states.h>: TCP_INFO shows them. */
enum tcp_state {
	TCPS_ESTABLISHED = 1, TCPS_SYN_SENT, TCPS_SYN_RCVD, TCPS_FIN_WAIT_1, TCPS_FIN_WAIT_2,
	TCPS_TIME_WAIT, TCPS_CLOSED, TCPS_CLOSE_WAIT, TCPS_LAST_ACK, TCPS_LISTEN, TCPS_CLOSING,
};

/* Timer kinds of struct timer.kind: the whole engine shares one wheel. */
enum { TCP_TIMER_REXMIT = 1, TCP_TIMER_DELACK, TCP_TIMER_KEEP };

enum {
	/* options agreed */
	TCP_F_TS        = 1u << 0,
	TCP_F_SACK      = 1u << 1,
	TCP_F_WSCALE    = 1u << 2,
	/* set by the user */
	TCP_F_NODELAY   = 1u << 3,
	TCP_F_CORK      = 1u << 4,
	TCP_F_KEEPALIVE = 1u << 5,
	TCP_F_QUICKACK  = 1u << 6,
	TCP_F_RCVBUF_LOCKED = 1u << 7,
	TCP_F_SNDBUF_LOCKED = 1u << 8,
	TCP_F_OOBINLINE = 1u << 9,
	/* state */
	TCP_F_ACK_NOW   = 1u << 10,
	TCP_F_FIN_QUEUED = 1u << 11,	/* our FIN is on the send queue or sent */
	TCP_F_FIN_RCVD  = 1u << 12,	/* rcv_nxt is past the peer's FIN */
	TCP_F_SHUT_RD   = 1u << 13,
	TCP_F_SHUT_WR   = 1u << 14,
	TCP_F_RECOVERY  = 1u << 15,	/* fast recovery (RFC 6675) */
	TCP_F_RTO_REC   = 1u << 16,	/* recovery after a timeout */
	TCP_F_PERSIST   = 1u << 17,	/* the REXMIT timer is the persist timer */
	TCP_F_TLP       = 1u << 18,	/* the REXMIT timer is a tail loss probe */
	TCP_F_SND_WAIT  = 1u << 19,	/* a sender was refused: EP_OUT when there is room */
	TCP_F_PASSIVE   = 1u << 20,	/* came from a listener */
	TCP_F_ON_ACCEPTQ = 1u << 21,
	TCP_F_TX_WAIT   = 1u << 22,	/* TX ring full or no neighbour: on the engine's retry by timer */
};

struct tcp_conn {
	struct ep ep;

	/* predicted receive path */
	_Alignas(CACHE_LINE)
	uint32_t rcv_nxt, rcv_wnd;	/* rcv_wnd: bytes we advertised beyond rcv_nxt */
	uint32_t snd_una, snd_nxt;
	uint32_t snd_wnd, snd_wl1, snd_wl2;
	uint32_t flags;			/* TCP_F_* */
	uint32_t ts_recent, ts_recent_age_ms;
	uint8_t state;			/* enum tcp_state */
	uint8_t snd_wscale, rcv_wscale;
	uint8_t dupacks;
	uint32_t rxq_head, rxq_tail;	/* in-order frames, unread */
	uint32_t rxq_bytes, rxq_frames;
	uint32_t ooo_head, ooo_bytes, ooo_frames;	/* reassembly queue, sorted by seq */

	/* predicted send path */
	_Alignas(CACHE_LINE)
	uint32_t snd_head, snd_tail;	/* frames: sent and unacknowledged, then unsent */
	uint32_t snd_next;		/* first unsent frame, or ID_NONE */
	uint32_t snd_frames;
	uint32_t snd_end;		/* sequence number behind the last queued byte (and FIN) */
	uint32_t snd_bytes;		/* payload bytes on the queue */
	uint32_t sndbuf, rcvbuf;	/* bytes, as SO_SNDBUF/SO_RCVBUF say (doubled already) */
	uint16_t mss;			/* payload of a full segment now, options deducted */
	uint16_t mss_peer;		/* from the SYN */
	uint16_t mss_user;		/* TCP_MAXSEG, 0 none */
	uint16_t mss_adv;		/* what we advertised */
	uint32_t cwnd, ssthresh;	/* bytes */
	uint32_t pipe;			/* RFC 6675 */
	uint32_t recover;		/* recovery point */
	uint32_t high_rxt;
	uint32_t sacked_bytes, lost_bytes, retrans_bytes;
	uint32_t rcv_adv;		/* highest right window edge promised */
	uint32_t rcv_last_ack;		/* rcv_nxt when we last sent an ACK */
	uint32_t unacked_segs;		/* full segments since the last ACK */

	/* RTT and timers */
	_Alignas(CACHE_LINE)
	uint32_t srtt_us, rttvar_us, rto_us, rtt_min_us;
	uint8_t backoff;		/* doublings of rto */
	uint8_t probes;			/* keepalive or zero-window probes unanswered */
	uint8_t retries;		/* SYN, SYN-ACK or data retransmissions in a row */
	uint8_t ca_state;
	uint32_t iss, irs;
	struct timer t_rexmit, t_delack, t_keep;
	uint64_t rexmit_deadline, last_rx_ns, last_tx_ns, first_retrans_ns;
	uint32_t user_timeout_ms;
	uint32_t keep_idle_ms, keep_intvl_ms, keep_cnt;
	uint32_t linger2_ms;
	uint32_t snd_up;

	/* congestion control (RFC 9438) */
	uint64_t cc_epoch_ns;
	uint32_t cc_w_max, cc_k_ms, cc_w_est, cc_acked;
	uint32_t cc_origin, cc_hystart;
	uint32_t prior_cwnd, prior_ssthresh;

	/* listener's queues */
	uint32_t listener;		/* id of the listener, while embryonic or unaccepted */
	struct shm_link acceptq;

	/* numbers for TCP_INFO and tools */
	uint64_t bytes_in, bytes_out, bytes_acked;
	uint32_t segs_in, segs_out, total_retrans, rtos, fast_recs, ooo_in, dup_in;
	uint32_t zwin_in;
	uint64_t established_ns;
	uint32_t spare[16];
};
_Static_assert(sizeof(struct tcp_conn) <= EP_SLOT_SIZE, "one slot");

struct tcp_listen {
	struct ep ep;
	_Alignas(CACHE_LINE)
	uint32_t backlog;
	uint32_t n_embryonic, n_accept;
	struct shm_link acceptq;	/* established, unaccepted */
	struct shm_link embryos;	/* SYN_RCVD: by tcp_conn.acceptq too */
	/* inherited by connections */
	uint32_t conn_flags;		/* TCP_F_NODELAY ... */
	uint32_t sndbuf, rcvbuf;
	uint16_t mss_user;
	uint8_t pad[2];
	uint32_t keep_idle_ms, keep_intvl_ms, keep_cnt;
	uint32_t user_timeout_ms, linger2_ms, defer_accept_ms;
	uint64_t accepted, overflows, syns;
};
_Static_assert(sizeof(struct tcp_listen) <= EP_SLOT_SIZE, "one slot");

#endif
