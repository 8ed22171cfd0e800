/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ip4.h - the IPv4 header (RFC 791)
 *
 * ip4_parse() checks lengths, not the header checksum: ip4_csum_ok() does, so
 * that the two faults can be counted apart.  Options are skipped; whoever cares
 * what they say asks ip4_opts_check().
 */
#ifndef POSTERN_WIRE_IP4_H
#define POSTERN_WIRE_IP4_H

#include <errno.h>
#include <netinet/in.h>

#include "wire/csum.h"
#include "wire/endian.h"

enum {
	IP4_HDR_LEN = 20,
	IP4_HDR_MAX = 60,
	IP4_MTU_MIN = 68,	/* RFC 791: every link carries this much */
};

struct ip4_hdr {
	uint8_t ver_ihl;
	uint8_t tos;
	be16_t tot_len;
	be16_t id;
	be16_t frag;		/* 0, DF, MF, offset in units of 8 bytes */
	uint8_t ttl;
	uint8_t proto;
	be16_t csum;
	be32_t src;
	be32_t dst;
} __attribute__((packed));
_Static_assert(sizeof(struct ip4_hdr) == IP4_HDR_LEN, "wire format");

/* A parsed header. */
struct ip4 {
	be32_t src;
	be32_t dst;
	uint16_t tot_len;	/* header and payload; what follows in the frame is padding */
	uint16_t id;
	uint16_t frag_off;	/* in bytes */
	uint8_t hdr_len;	/* 20 to 60 */
	uint8_t proto;
	uint8_t ttl;
	uint8_t tos;
	bool df;
	bool mf;
};

static inline bool ip4_is_frag(const struct ip4 *h)
{
	return h->mf || h->frag_off;
}

/* All checks but that of the total length against what is there: for headers
 * quoted in ICMP messages. */
static inline int __must_check ip4_parse_cut(const void *buf, size_t len, struct ip4 *out)
{
	struct ip4_hdr h;
	uint16_t frag;

	if (unlikely(len < IP4_HDR_LEN))
		return -EBADMSG;
	memcpy(&h, buf, sizeof(h));
	frag = from_be16(h.frag);
	out->src = h.src;
	out->dst = h.dst;
	out->tot_len = from_be16(h.tot_len);
	out->id = from_be16(h.id);
	out->frag_off = (uint16_t)((frag & 0x1fff) << 3);
	out->hdr_len = (uint8_t)((h.ver_ihl & 15) << 2);
	out->proto = h.proto;
	out->ttl = h.ttl;
	out->tos = h.tos;
	out->df = frag >> 14 & 1;
	out->mf = frag >> 13 & 1;
	if (unlikely(h.ver_ihl >> 4 != 4 || out->hdr_len < IP4_HDR_LEN ||
		     out->hdr_len > len || out->tot_len < out->hdr_len))
		return -EBADMSG;
	return 0;
}

/* @len: bytes of the frame after the Ethernet header; may include padding.
 * Returns 0 or -EBADMSG. */
static inline int __must_check ip4_parse(const void *buf, size_t len, struct ip4 *out)
{
	int rc = ip4_parse_cut(buf, len, out);

	if (unlikely(rc < 0 || out->tot_len > len))
		return -EBADMSG;
	return 0;
}

/* Sum of the first 20 bytes of a header. */
static inline uint32_t ip4_sum20(const void *buf)
{
	uint32_t w[5];

	memcpy(w, buf, sizeof(w));
	return csum_from64((uint64_t)w[0] + w[1] + w[2] + w[3] + w[4]);
}

/* @hdr_len: from ip4_parse(). */
static inline bool ip4_csum_ok(const void *buf, size_t hdr_len)
{
	uint32_t sum = ip4_sum20(buf);

	if (unlikely(hdr_len > IP4_HDR_LEN))
		sum = csum_partial((const uint8_t *)buf + IP4_HDR_LEN,
				   hdr_len - IP4_HDR_LEN, sum);
	return csum_ok(sum);
}

/* Writes a header without options (@h->hdr_len is not read) and with a
 * checksum of 0; ip4_csum_set() follows when the rest is final. */
static inline void ip4_put(void *buf, const struct ip4 *h)
{
	struct ip4_hdr w = {
		.ver_ihl = 0x45,
		.tos = h->tos,
		.tot_len = to_be16(h->tot_len),
		.id = to_be16(h->id),
		.frag = to_be16((uint16_t)(h->df << 14 | h->mf << 13 | h->frag_off >> 3)),
		.ttl = h->ttl,
		.proto = h->proto,
		.src = h->src,
		.dst = h->dst,
	};

	memcpy(buf, &w, sizeof(w));
}

/* Fills the checksum of a header without options. */
static inline void ip4_csum_set(void *buf)
{
	be16_t c = { 0 };

	memcpy((uint8_t *)buf + offsetof(struct ip4_hdr, csum), &c, sizeof(c));
	c = csum_fold(ip4_sum20(buf));
	memcpy((uint8_t *)buf + offsetof(struct ip4_hdr, csum), &c, sizeof(c));
}

/**
 * ip4_opts_check - walk the options of a header
 * @buf:     the header, of @hdr_len bytes
 * @src_rt:  set to whether there is a source route: such packets are best
 *           dropped by hosts (RFC 7126 section 4.3)
 *
 * Returns 0, or -EBADMSG when an option's length is impossible.
 */
int __must_check ip4_opts_check(const void *buf, size_t hdr_len, bool *src_rt);

#endif
