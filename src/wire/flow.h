/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * flow.h - addresses, ports and the tuples made of them
 *
 * Both address families have one form of 16 bytes: an IPv4 address is stored
 * IPv4-mapped (::ffff:a.b.c.d, RFC 4291 section 2.5.5.2).  One demultiplexer,
 * one connection table and one code path then serve both, and dual-stack
 * sockets need no special case.  The unspecified address is all zeroes for
 * both families: a wildcard bind of an AF_INET socket differs from that of a
 * dual-stack one by flags of the endpoint, not by the address.
 */
#ifndef POSTERN_WIRE_FLOW_H
#define POSTERN_WIRE_FLOW_H

#include <string.h>

#include "base/types.h"

struct ipaddr {
	union {
		uint8_t b[16];
		uint32_t w[4];
		uint64_t d[2];
	};
};

#define IPADDR_ANY ((struct ipaddr){ .d = { 0, 0 } })

/* IPv4 in network order to the common form. */
static inline struct ipaddr ipaddr_from4(be32_t a)
{
	struct ipaddr r = { .w = { 0, 0, 0, a.be } };

	r.b[10] = r.b[11] = 0xff;
	return r;
}

static inline bool ipaddr_is4(const struct ipaddr *a)
{
	return a->d[0] == 0 && a->w[2] == 0xffff0000u;	/* bytes 00 00 ff ff */
}

static inline be32_t ipaddr_to4(const struct ipaddr *a)
{
	return (be32_t){ a->w[3] };
}

static inline bool ipaddr_eq(const struct ipaddr *a, const struct ipaddr *b)
{
	return ((a->d[0] ^ b->d[0]) | (a->d[1] ^ b->d[1])) == 0;
}

/* :: or 0.0.0.0, mapped or not. */
static inline bool ipaddr_is_any(const struct ipaddr *a)
{
	return a->d[0] == 0 && a->w[3] == 0 &&
	       (a->w[2] == 0 || a->w[2] == 0xffff0000u);
}

static inline bool ipaddr_is_mcast(const struct ipaddr *a)
{
	return ipaddr_is4(a) ? (a->b[12] & 0xf0) == 0xe0 : a->b[0] == 0xff;
}

static inline bool ipaddr_is_loopback(const struct ipaddr *a)
{
	if (ipaddr_is4(a))
		return a->b[12] == 127;
	return a->d[0] == 0 && a->d[1] == __builtin_bswap64(1);
}

/* fe80::/10 */
static inline bool ipaddr_is_linklocal6(const struct ipaddr *a)
{
	return a->b[0] == 0xfe && (a->b[1] & 0xc0) == 0x80;
}

/* One end's view of a transport flow.  40 bytes with no hole, so that it can
 * be hashed and compared as words. */
struct flow {
	struct ipaddr laddr;	/* ours */
	struct ipaddr raddr;	/* theirs, zero when unconnected */
	be16_t lport;
	be16_t rport;
	uint8_t proto;		/* IPPROTO_TCP or IPPROTO_UDP */
	uint8_t pad[3];		/* zero */
};
_Static_assert(sizeof(struct flow) == 40, "hashed as words");

#endif
