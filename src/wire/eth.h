/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * eth.h - Ethernet II with at most one 802.1Q tag
 *
 * A second tag (802.1ad, Q-in-Q) is left as the type: nobody above handles it.
 */
#ifndef POSTERN_WIRE_ETH_H
#define POSTERN_WIRE_ETH_H

#include <errno.h>

#include "wire/endian.h"

enum {
	ETH_ADDR_LEN = 6,
	ETH_HDR_LEN  = 14,
	ETH_VLAN_LEN = 4,	/* TPID is where the type was, so 4 more bytes */
	ETH_MIN_LEN  = 60,	/* shorter frames are padded (without FCS) */
};

enum eth_type {
	ETH_T_IP4  = 0x0800,
	ETH_T_ARP  = 0x0806,
	ETH_T_VLAN = 0x8100,
	ETH_T_IP6  = 0x86dd,
};

struct eth_hdr {
	uint8_t dst[6];
	uint8_t src[6];
	be16_t type;
} __attribute__((packed));
_Static_assert(sizeof(struct eth_hdr) == ETH_HDR_LEN, "wire format");

/* A parsed header. */
struct eth {
	uint8_t dst[6];
	uint8_t src[6];
	uint16_t type;		/* enum eth_type, of what follows the tag; below 1536 an 802.3 length */
	uint16_t vid;		/* VLAN 1..4095; 0 when untagged, or tagged for priority only */
	uint8_t pcp;		/* 802.1p priority, 0 when untagged */
	uint8_t hdr_len;	/* 14, or 18 with a tag */
};

static inline bool eth_is_mcast(const uint8_t addr[6])
{
	return addr[0] & 1;
}

static inline bool eth_is_bcast(const uint8_t addr[6])
{
	return (addr[0] & addr[1] & addr[2] & addr[3] & addr[4] & addr[5]) == 0xff;
}

static inline bool eth_addr_eq(const uint8_t a[6], const uint8_t b[6])
{
	return memcmp(a, b, 6) == 0;
}

/* Returns 0, or -EBADMSG when @len ends inside the header. */
static inline int __must_check eth_parse(const void *buf, size_t len, struct eth *out)
{
	const uint8_t *p = buf;
	uint16_t tci;

	if (unlikely(len < ETH_HDR_LEN))
		return -EBADMSG;
	memcpy(out->dst, p, 6);
	memcpy(out->src, p + 6, 6);
	out->type = get_be16(p + 12);
	out->vid = 0;
	out->pcp = 0;
	out->hdr_len = ETH_HDR_LEN;
	if (out->type == ETH_T_VLAN) {
		if (unlikely(len < ETH_HDR_LEN + ETH_VLAN_LEN))
			return -EBADMSG;
		tci = get_be16(p + 14);
		out->vid = tci & 0xfff;
		out->pcp = tci >> 13;
		out->type = get_be16(p + 16);
		out->hdr_len = ETH_HDR_LEN + ETH_VLAN_LEN;
	}
	return 0;
}

/* Writes the header, with a tag if vid or pcp is set; returns its length
 * (@h->hdr_len is not read). */
static inline size_t eth_put(void *buf, const struct eth *h)
{
	uint8_t *p = buf;

	memcpy(p, h->dst, 6);
	memcpy(p + 6, h->src, 6);
	if (h->vid | h->pcp) {
		put_be16(p + 12, ETH_T_VLAN);
		put_be16(p + 14, (uint16_t)(h->pcp << 13 | (h->vid & 0xfff)));
		put_be16(p + 16, h->type);
		return ETH_HDR_LEN + ETH_VLAN_LEN;
	}
	put_be16(p + 12, h->type);
	return ETH_HDR_LEN;
}

#endif
