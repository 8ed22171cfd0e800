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
	TCP_F_TLP       = 1u << 18,	/* a tail loss probe left and is not yet acknowledged */
	TCP_F_SND_WAIT  = 1u << 19,	/* a sender was refused: EP_OUT when there is room */
	TCP_F_PASSIVE   = 1u << 20,	/* came from a listener */
	TCP_F_ON_ACCEPTQ = 1u << 21,
	TCP_F_TX_WAIT   = 1u << 22,	/* TX ring full or no neighbour: t_delack tries again */
	TCP_F_URG       = 1u << 23,	/* urgent data up to snd_up is not yet acknowledged */
	TCP_F_SYN_ACKED = 1u << 24,	/* the peer's final ACK came, accept was deferred */
	TCP_F_PUSH_NOW  = 1u << 25,	/* override of Nagle and CORK is due: send what there is */
	TCP_F_UNDO      = 1u << 26,	/* prior_cwnd may still prove right */
	TCP_F_PTO       = 1u << 27,	/* the REXMIT timer is to send a tail loss probe */
	TCP_F_SOFT_ACK  = 1u << 28,	/* on net_shm.soft_ack */
};

/* Congestion control algorithms, values of tcp_conn.cc. */
enum tcp_cc { TCP_CC_CUBIC, TCP_CC_RENO };

struct tcp_range {
	uint32_t start, end;		/* [start, end) */
};

struct tcp_conn {
	struct ep ep;

	/* predicted receive path */
	uint32_t rcv_nxt, rcv_wnd;	/* rcv_wnd: bytes we advertised beyond rcv_nxt */
	uint32_t snd_una, snd_nxt;
	uint32_t snd_wnd, snd_wl1;
	uint32_t flags;			/* TCP_F_* */
	uint32_t ts_recent;
	uint16_t predict;		/* third header word of the predicted segment, 0: none is */
	uint8_t state;			/* enum tcp_state */
	uint8_t snd_wscale;
	uint32_t rxq_head, rxq_tail;	/* in-order frames, unread */
	uint32_t rxq_bytes, rxq_frames;
	uint32_t rcv_last_ack;		/* rcv_nxt when we last sent an ACK */

	uint64_t delack_deadline;	/* 0: no ACK is owed; the timer may fire earlier */
	uint64_t delack_armed;		/* when t_delack fires; UINT64_MAX: it is not pending */
	uint64_t rexmit_deadline;	/* 0: nothing to wait for */
	uint64_t rexmit_armed;
	uint64_t last_rx_ns;
	uint32_t rcv_mss;		/* payload of the peer's full segments, as seen */
	uint32_t rcv_tsecr;		/* last echo that gave a receiver's RTT sample */
	uint32_t ooo_head;		/* reassembly queue, sorted by seq */
	uint8_t rcv_wscale, dupacks;
	uint8_t quick;			/* segments still to be acknowledged at once */
	uint8_t pingpong;		/* the user answers what it reads: ACKs ride on data */
	uint32_t rcvbuf, sndbuf;	/* bytes, as SO_RCVBUF/SO_SNDBUF say (doubled already) */

	/* predicted send path */
	uint32_t snd_head, snd_tail;	/* frames: sent and unacknowledged, then unsent */
	uint32_t snd_next;		/* first unsent frame, or ID_NONE */
	uint32_t snd_frames;
	uint32_t snd_end;		/* sequence number behind the last queued byte (and FIN) */
	uint32_t snd_sml;		/* end of the last segment sent that was not full (Minshall) */
	uint16_t mss;			/* payload of a full segment now, options deducted */
	uint16_t tx_data_off;		/* of payload in a fresh frame */
	uint8_t tx_hlen;		/* TCP header of a data segment: 20 or 32 */
	uint8_t tx_room;		/* Ethernet and IP header in front of it */
	uint8_t ca_state;		/* numbered as TCP_INFO's: open, disorder, cwr, recovery, loss */
	uint8_t cc;			/* enum tcp_cc */
	uint32_t pseudo;		/* pseudo-header's sum without the length */
	uint32_t ports;			/* first header word, as on the wire */
	uint32_t cwnd, ssthresh;	/* bytes */
	uint32_t ts_off;		/* our timestamp clock minus now / 2^20 ns */
	uint64_t last_tx_ns;

	/* RTT (RFC 6298); loss recovery (RFC 6675) */
	uint32_t srtt_us, rttvar_us, rto_us, rtt_min_us;
	uint32_t sacked_bytes, lost_bytes;	/* of frames marked so, in the flight */
	uint32_t sacked_segs;
	uint32_t recover;		/* recovery point */
	uint64_t rack_ns;		/* latest transmission that is known to have arrived */
	uint32_t high_sacked;		/* end of the highest SACKed frame */
	uint32_t undo_ts;		/* timestamp of the first retransmission, for undo */
	uint32_t prior_cwnd, prior_ssthresh;
	uint32_t tlp_seq;		/* snd_nxt when the tail loss probe left */
	uint8_t backoff;		/* doublings of rto */
	uint8_t probes;			/* keepalive or zero-window probes unanswered */
	uint8_t retries;		/* SYN, SYN-ACK or data retransmissions in a row */
	uint8_t n_rsack;
	uint32_t snd_wnd_max;		/* largest window seen */
	uint32_t snd_up;		/* behind our urgent byte, with TCP_F_URG */
	uint32_t iss, irs;

	/* receiver's side of SACK (RFC 2018), most recent first; D-SACK (RFC 2883) */
	uint32_t ooo_tail, ooo_bytes, ooo_frames;
	struct tcp_range rsack[4];
	struct tcp_range dsack;		/* start == end: none */
	uint32_t rcv_adv;		/* highest right window edge promised */
	uint32_t ts_recent_s;		/* now / 2^30 ns when ts_recent was set */
	/* receive buffer tuning */
	uint32_t rcv_rtt_us;
	uint32_t rcv_copied;		/* bytes read in this interval */
	uint32_t rcv_space;		/* bytes read in the best interval so far */
	uint64_t rcv_space_ns;		/* when it began */

	struct timer t_rexmit, t_delack, t_keep;
	uint64_t first_retrans_ns, last_challenge_ns;
	uint32_t user_timeout_ms;
	uint32_t keep_idle_ms, keep_intvl_ms, keep_cnt;
	uint32_t linger2_ms;		/* 0: host default; UINT32_MAX: none */
	int32_t err_soft;		/* ICMP said so, reported when the connection times out */
	uint16_t mss_peer;		/* from the SYN */
	uint16_t mss_user;		/* TCP_MAXSEG, 0 none */
	uint16_t mss_adv;		/* what we advertised */
	uint16_t pmtu;			/* from ICMP, 0 none */

	/* congestion control (RFC 9438) */
	uint64_t cc_epoch_ns;
	uint32_t cc_w_max, cc_k_ms, cc_w_est, cc_acked;
	uint32_t cc_origin;

	/* listener's queues */
	uint32_t listener;		/* id of the listener, while embryonic or unaccepted */
	struct shm_link acceptq;	/* or on net_shm.timewait */

	/* numbers for TCP_INFO and tools */
	uint64_t bytes_in, bytes_out, bytes_acked;
	uint32_t segs_in, segs_out, total_retrans, rtos, fast_recs, ooo_in, dup_in;
	uint32_t zwin_in;
	uint64_t established_ns;
};
_Static_assert(sizeof(struct tcp_conn) <= EP_SLOT_SIZE, "one slot");

enum tcp_listen_room {
	TCP_LISTEN_ROOM,
	TCP_LISTEN_SHORT,	/* a SYN found no endpoint: the owner is asked in by EP_IN */
	TCP_LISTEN_SHUT,	/* the owner has SYNs go elsewhere: none makes a connection here */
};

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
	uint8_t room;			/* enum tcp_listen_room */
	uint8_t pad;
	uint32_t keep_idle_ms, keep_intvl_ms, keep_cnt;
	uint32_t user_timeout_ms, linger2_ms, defer_accept_ms;
	uint64_t accepted, overflows, syns;
};
_Static_assert(sizeof(struct tcp_listen) <= EP_SLOT_SIZE, "one slot");

#endif
