/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * net_shm.h - the engine's shared state: pools, tables, lists, counters,
 * configuration.  Guarded by the stack lock; tools read counters without it.
 */
#ifndef POSTERN_NET_NET_SHM_H
#define POSTERN_NET_NET_SHM_H

#include "base/shm.h"
#include "base/timer.h"
#include "wire/flow.h"

/* Why a packet was dropped: name, sentence.  Makes the enum, the counters, the
 * tools' output and the manual. */
#define NET_DROPS(X)                                                          \
	X(eth_short,    "frame shorter than an Ethernet header")              \
	X(eth_type,     "neither IPv4 nor IPv6")                              \
	X(ip_short,     "IP packet shorter than its header says")             \
	X(ip_version,   "IP version or header length wrong")                  \
	X(ip_csum,      "IPv4 header checksum wrong")                         \
	X(ip_frag,      "fragment: fragments belong to the kernel")           \
	X(ip_ext,       "IPv6 extension header malformed or unknown")         \
	X(ip_proto,     "transport protocol that the stack does not speak")   \
	X(l4_short,     "transport header truncated")                         \
	X(l4_csum,      "transport checksum wrong")                           \
	X(no_socket,    "no socket for this address and port")                \
	X(src_bad,      "source address is multicast, broadcast or our own")  \
	X(dst_bad,      "TCP segment to a multicast or broadcast address")    \
	X(tcp_opt,      "TCP option list malformed")                          \
	X(tcp_seq,      "TCP segment outside the window")                     \
	X(tcp_paws,     "TCP timestamp older than the last (PAWS)")           \
	X(tcp_ack,      "TCP acknowledges what was never sent")               \
	X(tcp_flags,    "TCP flags make no sense in this state")              \
	X(tcp_backlog,  "listen queue full")                                  \
	X(tcp_dup,      "TCP segment received twice")                         \
	X(tcp_rcvbuf,   "TCP receive buffer full")                            \
	X(udp_len,      "UDP length wrong")                                   \
	X(udp_rcvbuf,   "UDP receive buffer full: reader too slow; raise EF_UDP_RCVBUF") \
	X(icmp_bad,     "ICMP message malformed or not about us")             \
	X(no_frame,     "out of packet frames: raise EF_MAX_PACKETS")         \
	X(no_ep,        "out of endpoints: raise EF_MAX_ENDPOINTS")           \
	X(neigh_wait,   "next hop was not resolved in time")                  \
	X(neigh_queue,  "too many packets wait for a next hop")               \
	X(tx_ring,      "transmit ring full")                                 \
	X(tx_down,      "interface down")

enum net_drop {
#define X(name, text) NET_DROP_##name,
	NET_DROPS(X)
#undef X
	NET_N_DROPS
};

/* Other counters. */
#define NET_STATS(X)                                                   \
	X(rx_pkts, "frames received")                                  \
	X(tx_pkts, "frames sent")                                      \
	X(tcp_active_opens, "connections opened by connect()")         \
	X(tcp_passive_opens, "connections accepted from a listener")   \
	X(tcp_estab_resets, "connections ended by a reset")            \
	X(tcp_attempt_fails, "connection attempts that failed")        \
	X(tcp_in_segs, "TCP segments received")                        \
	X(tcp_out_segs, "TCP segments sent, retransmissions not counted") \
	X(tcp_retrans_segs, "TCP segments retransmitted")              \
	X(tcp_out_rsts, "TCP resets sent")                             \
	X(tcp_rtos, "retransmission timeouts")                         \
	X(tcp_fast_recoveries, "fast recoveries entered")              \
	X(tcp_tlps, "tail loss probes sent")                           \
	X(tcp_ooo_segs, "segments received out of order")              \
	X(tcp_delacks, "delayed acknowledgements sent")                \
	X(tcp_challenge_acks, "challenge ACKs sent (RFC 5961)")        \
	X(tcp_keepalives, "keepalive probes sent")                     \
	X(tcp_zwin_probes, "zero-window probes sent")                  \
	X(tcp_timewait, "connections that entered TIME_WAIT")          \
	X(tcp_timewait_evicted, "connections in TIME_WAIT ended early: endpoints were short; raise EF_MAX_ENDPOINTS") \
	X(tcp_listen_overflows, "connections refused: accept queue full") \
	X(udp_in_dgrams, "UDP datagrams delivered")                    \
	X(udp_out_dgrams, "UDP datagrams sent")                        \
	X(icmp_in_errors, "ICMP errors about our flows")               \
	X(pkt_pressure, "frame allocations refused")                   \
	X(polls, "poll passes")                                        \
	X(polls_rx, "poll passes that found frames")

enum net_stat {
#define X(name, text) NET_STAT_##name,
	NET_STATS(X)
#undef X
	NET_N_STATS
};

/* Host and EF_ settings, written by the creator of the stack.  Times in ms. */
struct net_conf {
	uint32_t rto_initial_ms, rto_min_ms, rto_max_ms;
	uint32_t syn_retries, synack_retries, retries2, orphan_retries;
	uint32_t keepalive_time_ms, keepalive_intvl_ms, keepalive_probes;
	uint32_t fin_timeout_ms, msl_ms;
	uint32_t delack_ms;		/* delayed ACK timer; 40 */
	uint32_t delack_segs;		/* EF_DELACK_THRESH */
	uint32_t initial_cwnd_bytes;	/* 0: RFC 6928 */
	uint32_t max_wscale;
	uint8_t timestamps, sack, wscale, force_nodelay;
	uint8_t ttl4, ttl6;
	uint8_t pad[2];
	uint32_t defer_max_pkts, defer_max_ms;
	uint32_t somaxconn;
	uint32_t soft_ack_ns;		/* how long an ACK that nobody waits for may wait for company; 0: not at all */
	uint32_t conf_pad;
};

/* A next hop whose MAC is wanted. */
struct net_unres {
	struct ipaddr nexthop;
	uint32_t ifindex;
	uint32_t asked;			/* times that the owner was told */
	uint64_t wanted_ns;		/* last time that a packet needed it */
	uint64_t asked_ns;		/* last told */
};
enum { NET_MAX_UNRES = 32, NET_SOFT_ACKS = 16 };

struct net_shm {
	/* set at creation, then read-only (offsets from the arena's base, bytes) */
	_Alignas(CACHE_LINE)
	uint64_t eps_off, frames_off;
	uint64_t conn_table_off, local_table_off;	/* uint32_t[] of endpoint ids */
	uint32_t n_eps, n_frames;
	uint32_t conn_mask, local_mask;
	uint8_t secret[16];			/* RFC 6528; hash key */
	struct net_conf conf;

	/* pools; writer: lock holder */
	_Alignas(CACHE_LINE)
	uint32_t pkt_free_head;			/* given back; frames from pkt_fresh on were never used */
	uint32_t pkt_fresh;
	uint32_t pkt_n_free;
	uint32_t pkt_n_rx;			/* frames in fill rings, receive and reassembly queues */
	uint32_t pkt_n_tx;			/* frames in send queues and TX rings */
	uint32_t ep_free_head;			/* likewise */
	uint32_t ep_fresh;
	uint32_t ep_n_used;
	uint32_t tcp_n_conns;			/* endpoints of kind EP_TCP_CONN, all states */
	uint32_t pkt_low_water;			/* least pkt_n_free seen */
	uint64_t rng[2];
	uint16_t ip_id;
	uint16_t pad[3];

	/* lists and timers; writer: lock holder */
	_Alignas(CACHE_LINE)
	struct shm_link ready;			/* endpoints with events */
	struct shm_link timewait;		/* tcp_conn.acceptq in TIME_WAIT, oldest first */
	uint32_t defer_head, defer_tail, defer_n;	/* packets that wait for a neighbour */
	uint32_t defer_gen;			/* cp_gen when last retried */
	uint64_t tx_mask;			/* VIs with frames posted and no doorbell rung: ip_tx() sets, the owner takes */
	uint64_t defer_retry_ns;		/* look again then, though cp_gen did not move */
	struct net_unres unres[NET_MAX_UNRES];
	uint32_t unres_n;
	uint32_t soft_n;			/* of soft_ack[] */
	uint32_t soft_ack[NET_SOFT_ACKS];	/* connections that owe an ACK which may ride on what their user does next */
	uint64_t soft_ns;			/* since when the first of them waits */
	struct timer_wheel wheel;

	/* counters; writer: lock holder; tools read */
	_Alignas(CACHE_LINE)
	uint64_t drops[NET_N_DROPS];
	uint64_t stats[NET_N_STATS];
};

#define NET_DROP(net, why) ((net)->shm->drops[NET_DROP_##why]++)
#define NET_STAT(net, what) ((net)->shm->stats[NET_STAT_##what]++)

#endif
