/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * csum.h - the Internet checksum (RFC 1071)
 *
 * A "sum" is a 32-bit ones' complement sum of 16-bit words as they lie in
 * memory, not yet folded: sums of consecutive pieces of even length are simply
 * chained through the @sum argument.  The ones' complement sum is the same in
 * either byte order but for a swap, so nothing is swapped on the way and the
 * folded result is in network order.
 *
 * To send: store 0, sum the pseudo-header and the segment, store csum_fold().
 * To check: sum the same with the checksum in place; csum_ok() tells.
 */
#ifndef POSTERN_WIRE_CSUM_H
#define POSTERN_WIRE_CSUM_H

#include <string.h>

#include "wire/flow.h"

/* @sum plus the sum of @len bytes.  A trailing odd byte counts as if a zero
 * byte followed (RFC 1071), so only the last piece may be odd; for others use
 * csum_add_at(). */
uint32_t csum_partial(const void *buf, size_t len, uint32_t sum);

/* The same, copying the bytes on the way; the areas do not overlap. */
uint32_t csum_copy(void *restrict dst, const void *restrict src, size_t len,
		   uint32_t sum);

static inline uint32_t csum_add(uint32_t a, uint32_t b)
{
	uint64_t s = (uint64_t)a + b;

	return (uint32_t)s + (uint32_t)(s >> 32);
}

/* A 64-bit ones' complement sum to 32 bits. */
static inline uint32_t csum_from64(uint64_t s)
{
	s = (s & 0xffffffff) + (s >> 32);
	return (uint32_t)s + (uint32_t)(s >> 32);
}

/* @sum plus @piece, the sum of bytes that begin at @offset of the whole: from
 * an odd offset on, high and low bytes have changed places (RFC 1071
 * section 2 (B)). */
static inline uint32_t csum_add_at(uint32_t sum, uint32_t piece, size_t offset)
{
	if (offset & 1)
		piece = piece << 8 | piece >> 24;
	return csum_add(sum, piece);
}

/* Folded to 16 bits, not complemented. */
static inline uint16_t csum_fold_raw(uint32_t sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)(sum + (sum >> 16));
}

/* What goes into the header field. */
static inline be16_t csum_fold(uint32_t sum)
{
	return (be16_t){ (uint16_t)~csum_fold_raw(sum) };
}

/* As csum_fold(), for UDP, where 0 means "no checksum": sent as all ones
 * (RFC 768; RFC 8200 section 8.1). */
static inline be16_t csum_fold_udp(uint32_t sum)
{
	be16_t c = csum_fold(sum);

	return c.be ? c : (be16_t){ 0xffff };
}

/* Whether a sum that includes the checksum field says "undamaged". */
static inline bool csum_ok(uint32_t sum)
{
	return csum_fold_raw(sum) == 0xffff;
}

/*
 * The pseudo-header of TCP, UDP and ICMPv6 (RFC 9293 section 3.1, RFC 8200
 * section 8.1); @len counts the transport header and its payload.  IPv4 needs
 * no case of its own: the prefix of a mapped address sums to 0xffff, which is
 * minus zero in ones' complement, and the upper half of the length is 0.
 */
static inline uint32_t csum_pseudo(const struct ipaddr *src, const struct ipaddr *dst,
				   uint8_t proto, uint32_t len)
{
	uint64_t s;

	s = (uint64_t)src->w[0] + src->w[1] + src->w[2] + src->w[3];
	s += (uint64_t)dst->w[0] + dst->w[1] + dst->w[2] + dst->w[3];
	s += to_be32(len).be;
	s += to_be32(proto).be;
	return csum_from64(s);
}

/* Whether @check is the bare sum of the pseudo-header: the sender left the rest
 * to hardware that was not there (virtual links). */
static inline bool csum_is_pseudo(be16_t check, uint32_t pseudo)
{
	return check.be == csum_fold_raw(pseudo);
}

/* The checksum after one 16-bit word of what it covers went from @from to @to:
 * HC' = ~(~HC + ~m + m'), RFC 1624 section 3, equation 3. */
static inline be16_t csum_update(be16_t check, be16_t from, be16_t to)
{
	return csum_fold((uint32_t)(uint16_t)~check.be + (uint16_t)~from.be + to.be);
}

static inline be16_t csum_update32(be16_t check, be32_t from, be32_t to)
{
	return csum_fold(csum_add(csum_add((uint16_t)~check.be, ~from.be), to.be));
}

#endif
