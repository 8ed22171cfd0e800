/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * udp_shm.h - a UDP socket's protocol state as it lies in the arena
 *
 * Guarded by the stack lock; tools read it without.
 */
#ifndef POSTERN_UDP_UDP_SHM_H
#define POSTERN_UDP_UDP_SHM_H

#include "net/ep.h"

struct udp_ep {
	struct ep ep;			/* kind EP_UDP */
	uint32_t rxq_head, rxq_tail;	/* frames by pkt.next */
	uint32_t rxq_pkts;
	uint32_t rxq_bytes;		/* payload + overhead, as charged against rcvbuf */
	uint32_t rcvbuf;		/* bytes, as SO_RCVBUF says (doubled already) */
	uint32_t rxq_max_pkts;		/* high-water mark */
	uint64_t rx_dgrams, rx_bytes, tx_dgrams, tx_bytes;
	uint64_t drops;			/* receive buffer full */
	uint32_t flags;			/* UDP_F_* */
	uint32_t n_groups;
	/* of the last datagram sent with a udp_dst */
	struct ep_route dst_route;
	struct ipaddr dst_addr, dst_src;
	uint32_t dst_oif;
	struct ipaddr pmtu_dst;		/* whose path ep.pmtu is */
	/* error queue (IP_RECVERR): ICMP messages as they came, see udp_err.c */
	uint32_t errq_head, errq_tail;
	uint32_t errq_n;
	uint32_t errq_pad;
	/* headers of a datagram to the connected IPv4 peer, ready but for lengths, id and
	 * checksums; what they were made from is compared before each use (udp_tx.c) */
	uint32_t hdr_gen;		/* cp_gen(), 0: none */
	uint32_t hdr_key;		/* kind, ttl, tos, mcast_ttl of ep */
	uint16_t hdr_ip_sum, hdr_udp_sum;	/* folded sums of what does not change */
	uint8_t hdr[48];		/* 14 + 20 + 8 and 6 of nothing: copied as three vectors */
	struct { struct ipaddr group; uint32_t ifindex; uint32_t pad; } groups[16];	/* joined */
};
_Static_assert(sizeof(struct udp_ep) <= EP_SLOT_SIZE, "one slot");

enum { UDP_F_SHUT_RD = 1u << 0, UDP_F_STAMP = 1u << 1 /* wants pkt.stamp_ns */ };

#endif
