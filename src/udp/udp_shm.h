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
	uint32_t pad;
	struct { struct ipaddr group; uint32_t ifindex; uint32_t pad; } groups[16];	/* joined */
};
_Static_assert(sizeof(struct udp_ep) <= EP_SLOT_SIZE, "one slot");

enum { UDP_F_SHUT_RD = 1u << 0, UDP_F_STAMP = 1u << 1 /* wants pkt.stamp_ns */ };

#endif
