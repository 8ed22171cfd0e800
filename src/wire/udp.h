/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * udp.h - the UDP header (RFC 768)
 *
 * The checksum is not verified here: csum.h, with the pseudo-header; a value of
 * 0 means that the sender made none, which is an error over IPv6 (RFC 8200
 * section 8.1).
 */
#ifndef POSTERN_WIRE_UDP_H
#define POSTERN_WIRE_UDP_H

#include <errno.h>
#include <netinet/in.h>

#include "wire/endian.h"

enum {
	UDP_HDR_LEN = 8,
};

struct udp_hdr {
	be16_t sport;
	be16_t dport;
	be16_t len;
	be16_t csum;
} __attribute__((packed));
_Static_assert(sizeof(struct udp_hdr) == UDP_HDR_LEN, "wire format");

/* A parsed header. */
struct udp {
	be16_t sport;
	be16_t dport;
	uint16_t len;		/* header and payload; 8 to what the packet holds */
	be16_t csum;		/* 0: none */
};

/* @len: what the IP payload holds; it may hold more than the datagram.
 * Returns 0 or -EBADMSG (also for the length 0 of a jumbogram). */
static inline int __must_check udp_parse(const void *buf, size_t len, struct udp *out)
{
	struct udp_hdr h;

	if (unlikely(len < UDP_HDR_LEN))
		return -EBADMSG;
	memcpy(&h, buf, sizeof(h));
	out->sport = h.sport;
	out->dport = h.dport;
	out->len = from_be16(h.len);
	out->csum = h.csum;
	if (unlikely(out->len < UDP_HDR_LEN || out->len > len))
		return -EBADMSG;
	return 0;
}

static inline void udp_put(void *buf, const struct udp *u)
{
	struct udp_hdr h = {
		.sport = u->sport,
		.dport = u->dport,
		.len = to_be16(u->len),
		.csum = u->csum,
	};

	memcpy(buf, &h, sizeof(h));
}

#endif
