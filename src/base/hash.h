/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * hash.h - fast seeded hash of a few words, for hash tables
 *
 * Multiplies pairs of words to 128 bits and folds the halves together: three
 * multiplications for a struct flow.  Not a cryptographic function; the seed
 * (random per stack) enters both factors, so that nobody outside can choose
 * addresses and ports that zero a product or collide on purpose without
 * knowing it.  What must be unpredictable to outsiders uses siphash.h.
 */
#ifndef POSTERN_BASE_HASH_H
#define POSTERN_BASE_HASH_H

#include <string.h>

#include "base/types.h"

/* 128-bit product of two words, folded. */
static inline uint64_t hash_mul(uint64_t a, uint64_t b)
{
	unsigned __int128 m = (unsigned __int128)a * b;

	return (uint64_t)m ^ (uint64_t)(m >> 64);
}

/* Two words into a running value.  The constants are odd and have balanced
 * bits (fractions of sqrt(2), sqrt(3)): they keep a zero seed usable. */
static inline uint64_t hash_pair(uint64_t h, uint64_t seed, uint64_t a, uint64_t b)
{
	return hash_mul(a ^ h ^ 0x6a09e667f3bcc909ull,
			b ^ (seed << 32 | seed >> 32) ^ 0xbb67ae8584caa73bull) ^ h;
}

static inline uint64_t hash_u64(uint64_t x, uint64_t seed)
{
	return hash_pair(seed, seed, x, 0);
}

static inline uint64_t hash_u32(uint32_t x, uint64_t seed)
{
	return hash_u64(x, seed);
}

/* @n 64-bit words at @p, of any alignment. */
static inline uint64_t hash_words(const void *p, size_t n, uint64_t seed)
{
	const uint8_t *b = p;
	uint64_t h = seed, w[2];

	for (; n >= 2; n -= 2, b += 16) {
		memcpy(w, b, 16);
		h = hash_pair(h, seed, w[0], w[1]);
	}
	w[0] = 0;
	if (n)
		memcpy(w, b, 8);
	return hash_pair(h, seed, w[0], n);
}

/* The 40 bytes of a struct flow; the low bits and the high bits are equally
 * good, so mask or shift at will. */
static inline uint64_t hash_flow(const void *flow, uint64_t seed)
{
	return hash_words(flow, 5, seed);
}

#endif
