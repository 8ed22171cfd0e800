/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * arp.h - the format of ARP for IPv4 over Ethernet (RFC 826)
 *
 * Format only: the kernel does ARP on the interfaces that it owns.
 */
#ifndef POSTERN_WIRE_ARP_H
#define POSTERN_WIRE_ARP_H

#include "base/types.h"

enum {
	ARP_HW_ETH     = 1,
	ARP_OP_REQUEST = 1,
	ARP_OP_REPLY   = 2,
	ARP_LEN        = 28,
};

struct arp_hdr {
	be16_t hw_type;		/* ARP_HW_ETH */
	be16_t proto_type;	/* ETH_T_IP4 */
	uint8_t hw_len;		/* 6 */
	uint8_t proto_len;	/* 4 */
	be16_t op;
	uint8_t sha[6];		/* sender */
	be32_t spa;
	uint8_t tha[6];		/* target */
	be32_t tpa;
} __attribute__((packed));
_Static_assert(sizeof(struct arp_hdr) == ARP_LEN, "wire format");

#endif
