/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bitmap.h - arrays of bits in 64-bit words
 *
 * No atomics: whoever shares a bitmap holds the lock of what it describes.
 * The caller knows the number of bits; those beyond it in the last word stay 0.
 */
#ifndef POSTERN_BASE_BITMAP_H
#define POSTERN_BASE_BITMAP_H

#include <string.h>

#include "base/types.h"

#define BITMAP_WORDS(bits) (((bits) + 63) / 64)

static inline void bitmap_zero(uint64_t *m, size_t bits)
{
	memset(m, 0, BITMAP_WORDS(bits) * sizeof(*m));
}

static inline void bitmap_set(uint64_t *m, size_t i)
{
	m[i / 64] |= 1ull << (i % 64);
}

static inline void bitmap_clear(uint64_t *m, size_t i)
{
	m[i / 64] &= ~(1ull << (i % 64));
}

static inline bool bitmap_test(const uint64_t *m, size_t i)
{
	return m[i / 64] >> (i % 64) & 1;
}

/* Index of the first set bit at or after @from, or @bits. */
static inline size_t bitmap_find_next(const uint64_t *m, size_t bits, size_t from)
{
	uint64_t w;
	size_t i;

	if (from >= bits)
		return bits;
	i = from / 64;
	w = m[i] & ~0ull << (from % 64);
	while (!w) {
		if (++i == BITMAP_WORDS(bits))
			return bits;
		w = m[i];
	}
	i = i * 64 + (size_t)__builtin_ctzll(w);
	return i < bits ? i : bits;
}

static inline size_t bitmap_find_first(const uint64_t *m, size_t bits)
{
	return bitmap_find_next(m, bits, 0);
}

/* Index of the first clear bit at or after @from, or @bits. */
static inline size_t bitmap_find_zero(const uint64_t *m, size_t bits, size_t from)
{
	uint64_t w;
	size_t i;

	if (from >= bits)
		return bits;
	i = from / 64;
	w = ~m[i] & ~0ull << (from % 64);
	while (!w) {
		if (++i == BITMAP_WORDS(bits))
			return bits;
		w = ~m[i];
	}
	i = i * 64 + (size_t)__builtin_ctzll(w);
	return i < bits ? i : bits;
}

static inline size_t bitmap_count(const uint64_t *m, size_t bits)
{
	size_t n = 0;

	for (size_t i = 0; i < BITMAP_WORDS(bits); i++)
		n += (size_t)__builtin_popcountll(m[i]);
	return n;
}

#define bitmap_for_each(i, m, bits)                        \
	for ((i) = bitmap_find_first((m), (bits)); (i) < (bits); \
	     (i) = bitmap_find_next((m), (bits), (i) + 1))

#endif
