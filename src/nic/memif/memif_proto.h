/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * memif_proto.h - the formats of memif 2.0, as VPP, libmemif and DPDK speak it
 *
 * Two halves.  Messages on a UNIX SOCK_SEQPACKET socket set a connection up; each is
 * 128 bytes, some with one descriptor (SCM_RIGHTS).  The slave owns all memory:
 *
 *	slave                      master
 *	connect()       ------->
 *	                <-------   HELLO       versions, limits
 *	INIT            ------->               interface id, secret
 *	ADD_REGION + fd ------->               each answered by ACK before the next
 *	ADD_RING + fd   ------->               eventfd of that ring
 *	CONNECT         ------->
 *	                <-------   CONNECTED
 *
 * Rings lie in a region:
 *
 *	  0  cookie, flags, head   written by the slave (flags by the receiver)
 *	 64  tail                  written by the master
 *	128  descriptors
 *
 * Indices are 16 bits, run free and are masked on use.  On both rings the slave
 * moves head and the master tail: in S2M head counts packets and tail returned
 * buffers, in M2S head counts empty buffers and tail packets.
 *
 * Fields are in host order.
 */
#ifndef POSTERN_NIC_MEMIF_PROTO_H
#define POSTERN_NIC_MEMIF_PROTO_H

#include "base/types.h"

enum {
	MEMIF_COOKIE        = 0x3e31f20,
	MEMIF_VERSION       = 2 << 8,
	MEMIF_MODE_ETHERNET = 0,
	MEMIF_MAX_LOG2_RING = 14,
	MEMIF_RING_HDR      = 128,
};

enum memif_msg_type {
	MEMIF_MSG_NONE,
	MEMIF_MSG_ACK,
	MEMIF_MSG_HELLO,
	MEMIF_MSG_INIT,
	MEMIF_MSG_ADD_REGION,
	MEMIF_MSG_ADD_RING,
	MEMIF_MSG_CONNECT,
	MEMIF_MSG_CONNECTED,
	MEMIF_MSG_DISCONNECT,
};

enum { MEMIF_ADD_RING_S2M = 1 };

struct memif_msg_hello {
	char name[32];
	uint16_t min_version, max_version;
	uint16_t max_region;
	uint16_t max_m2s_ring, max_s2m_ring;	/* highest index, so 0 is one ring */
	uint8_t max_log2_ring_size;
} __attribute__((packed));

struct memif_msg_init {
	uint16_t version;
	uint32_t id;
	uint8_t mode;
	char secret[24];
	char name[32];
} __attribute__((packed));

struct memif_msg_add_region {
	uint16_t index;
	uint64_t size;
} __attribute__((packed));

struct memif_msg_add_ring {
	uint16_t flags;		/* MEMIF_ADD_RING_* */
	uint16_t index;
	uint16_t region;
	uint32_t offset;
	uint8_t log2_ring_size;
	uint16_t private_hdr_size;
} __attribute__((packed));

struct memif_msg_connect {	/* CONNECTED is the same */
	char if_name[32];
} __attribute__((packed));

struct memif_msg_disconnect {
	uint32_t code;
	char string[96];
} __attribute__((packed));

struct memif_msg {
	uint16_t type;		/* enum memif_msg_type */
	union {
		struct memif_msg_hello hello;
		struct memif_msg_init init;
		struct memif_msg_add_region add_region;
		struct memif_msg_add_ring add_ring;
		struct memif_msg_connect connect;
		struct memif_msg_disconnect disconnect;
		uint8_t room[126];
	};
} __attribute__((packed));
_Static_assert(sizeof(struct memif_msg) == 128, "wire format");

enum { MEMIF_DESC_NEXT = 1 };
struct memif_desc {
	uint16_t flags;		/* MEMIF_DESC_* */
	uint16_t region;
	uint32_t length;
	uint32_t offset;
	uint32_t metadata;
};
_Static_assert(sizeof(struct memif_desc) == 16, "wire format");

enum { MEMIF_RING_MASK_INT = 1 };
struct memif_ring {
	uint32_t cookie;
	uint16_t flags;		/* MEMIF_RING_* */
	uint16_t head;
	uint8_t pad0[56];
	uint16_t tail;
	uint8_t pad1[62];
	struct memif_desc desc[];
};
_Static_assert(sizeof(struct memif_ring) == MEMIF_RING_HDR, "wire format");
_Static_assert(offsetof(struct memif_ring, tail) == 64, "wire format");

#endif
