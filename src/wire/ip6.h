/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ip6.h - the IPv6 header and its extension headers (RFC 8200)
 *
 * ip6_parse() ends at the transport header.  The usual packet, TCP, UDP or
 * ICMPv6 directly behind the 40 bytes, is settled inline.
 */
#ifndef POSTERN_WIRE_IP6_H
#define POSTERN_WIRE_IP6_H

#include <errno.h>
#include <netinet/in.h>

#include "wire/endian.h"
#include "wire/flow.h"

enum {
	IP6_HDR_LEN     = 40,
	IP6_MTU_MIN     = 1280,	/* RFC 8200 section 5 */
	IP6_EXT_MAX     = 8,	/* headers that we walk before we call it an attack */
	IP6_NEXT_HBH    = 0,
	IP6_NEXT_ROUTE  = 43,
	IP6_NEXT_FRAG   = 44,
	IP6_NEXT_ICMP   = 58,
	IP6_NEXT_NONE   = 59,
	IP6_NEXT_DSTOPT = 60,
};

/* Not together with <netinet/ip6.h>, which has the name for itself. */
struct ip6_hdr {
	be32_t vtf;		/* version 4, traffic class 8, flow label 20 bits */
	be16_t payload_len;
	uint8_t next;
	uint8_t hop_limit;
	uint8_t src[16];
	uint8_t dst[16];
} __attribute__((packed));
_Static_assert(sizeof(struct ip6_hdr) == IP6_HDR_LEN, "wire format");

/* A parsed header. */
struct ip6 {
	struct ipaddr src;
	struct ipaddr dst;
	uint32_t flowlabel;	/* 20 bits */
	uint32_t tot_len;	/* header and payload; what follows in the frame is padding */
	uint16_t l4_off;	/* of the transport header, from the IPv6 header's start */
	uint8_t next;		/* of the IPv6 header itself */
	uint8_t proto;		/* of what is at l4_off: a transport, IP6_NEXT_NONE, or
				 * a header that we do not know */
	uint8_t hop_limit;
	uint8_t tclass;
	/* From a fragment header; the walk ends behind it unless it says that
	 * this is the whole packet (RFC 6946). */
	bool frag;
	bool mf;
	uint16_t frag_off;	/* in bytes */
	uint32_t frag_id;
};

/**
 * ip6_walk - from the IPv6 header over the extension headers
 * @buf: the packet, of which @len bytes may be looked at
 * @h:   next is set; sets l4_off, proto and the fragment fields
 *
 * Returns 0, or -EBADMSG: cut off, too many headers, hop-by-hop options not in
 * first place, an option that says "discard me", a source route not yet
 * finished.
 */
int __must_check ip6_walk(const void *buf, size_t len, struct ip6 *h);

static inline int __must_check ip6_parse_cut(const void *buf, size_t len, struct ip6 *out)
{
	struct ip6_hdr h;
	uint32_t vtf;

	if (unlikely(len < IP6_HDR_LEN))
		return -EBADMSG;
	memcpy(&h, buf, sizeof(h));
	vtf = from_be32(h.vtf);
	memcpy(&out->src, h.src, 16);
	memcpy(&out->dst, h.dst, 16);
	out->flowlabel = vtf & 0xfffff;
	out->tclass = vtf >> 20 & 0xff;
	out->tot_len = IP6_HDR_LEN + (uint32_t)from_be16(h.payload_len);
	out->next = out->proto = h.next;
	out->hop_limit = h.hop_limit;
	out->l4_off = IP6_HDR_LEN;
	out->frag = out->mf = false;
	out->frag_off = 0;
	out->frag_id = 0;
	if (unlikely(vtf >> 28 != 6))
		return -EBADMSG;
	if (likely(h.next == IPPROTO_TCP || h.next == IPPROTO_UDP ||
		   h.next == IP6_NEXT_ICMP))
		return 0;
	return ip6_walk(buf, len < out->tot_len ? len : out->tot_len, out);
}

/* @len: bytes of the frame after the Ethernet header; may include padding.
 * Returns 0 or -EBADMSG.  On success l4_off <= tot_len <= len. */
static inline int __must_check ip6_parse(const void *buf, size_t len, struct ip6 *out)
{
	int rc = ip6_parse_cut(buf, len, out);

	if (unlikely(rc < 0 || out->tot_len > len))
		return -EBADMSG;
	return 0;
}

/* Writes a header without extensions: tot_len, next, hop_limit, tclass,
 * flowlabel, src and dst of @h are read. */
static inline void ip6_put(void *buf, const struct ip6 *h)
{
	struct ip6_hdr w = {
		.vtf = to_be32(6u << 28 | (uint32_t)h->tclass << 20 |
			       (h->flowlabel & 0xfffff)),
		.payload_len = to_be16((uint16_t)(h->tot_len - IP6_HDR_LEN)),
		.next = h->next,
		.hop_limit = h->hop_limit,
	};

	memcpy(w.src, &h->src, 16);
	memcpy(w.dst, &h->dst, 16);
	memcpy(buf, &w, sizeof(w));
}

#endif
