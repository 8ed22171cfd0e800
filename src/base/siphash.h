/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * siphash.h - SipHash-2-4, a short-input pseudo-random function
 *
 * For values that an outsider must not be able to predict or force to collide:
 * initial sequence numbers (RFC 6528 section 3, F() of the tuple and a secret),
 * SYN cookies, ephemeral ports (RFC 6056).  The key is 128 secret bits that
 * the creator of a stack fills from getrandom().  After "SipHash: a fast
 * short-input PRF", Aumasson and Bernstein, 2012.
 */
#ifndef POSTERN_BASE_SIPHASH_H
#define POSTERN_BASE_SIPHASH_H

#include <string.h>

#include "base/types.h"

struct siphash_key {
	uint64_t k[2];
};

struct siphash_state {
	uint64_t v0, v1, v2, v3;
};

static inline uint64_t siphash_rotl(uint64_t x, unsigned int b)
{
	return x << b | x >> (64 - b);
}

static inline void siphash_round(struct siphash_state *s)
{
	s->v0 += s->v1;
	s->v2 += s->v3;
	s->v1 = siphash_rotl(s->v1, 13) ^ s->v0;
	s->v3 = siphash_rotl(s->v3, 16) ^ s->v2;
	s->v0 = siphash_rotl(s->v0, 32);
	s->v2 += s->v1;
	s->v0 += s->v3;
	s->v1 = siphash_rotl(s->v1, 17) ^ s->v2;
	s->v3 = siphash_rotl(s->v3, 21) ^ s->v0;
	s->v2 = siphash_rotl(s->v2, 32);
}

static inline void siphash_start(struct siphash_state *s,
				 const struct siphash_key *key)
{
	/* "somepseudorandomlygeneratedbytes" */
	s->v0 = key->k[0] ^ 0x736f6d6570736575ull;
	s->v1 = key->k[1] ^ 0x646f72616e646f6dull;
	s->v2 = key->k[0] ^ 0x6c7967656e657261ull;
	s->v3 = key->k[1] ^ 0x7465646279746573ull;
}

static inline void siphash_word(struct siphash_state *s, uint64_t m)
{
	s->v3 ^= m;
	siphash_round(s);
	siphash_round(s);
	s->v0 ^= m;
}

/* @last: the up to 7 bytes that fill no word, the length mod 256 on top. */
static inline uint64_t siphash_end(struct siphash_state *s, uint64_t last)
{
	siphash_word(s, last);
	s->v2 ^= 0xff;
	siphash_round(s);
	siphash_round(s);
	siphash_round(s);
	siphash_round(s);
	return s->v0 ^ s->v1 ^ s->v2 ^ s->v3;
}

/* SipHash-2-4 of any string of bytes. */
static inline uint64_t siphash24(const struct siphash_key *key,
				 const void *data, size_t len)
{
	const uint8_t *p = data;
	struct siphash_state s;
	uint64_t m;
	size_t i;

	siphash_start(&s, key);
	for (i = 0; i + 8 <= len; i += 8) {
		memcpy(&m, p + i, 8);
		siphash_word(&s, m);
	}
	m = (uint64_t)len << 56;
	for (size_t j = 0; i + j < len; j++)
		m |= (uint64_t)p[i + j] << (8 * j);
	return siphash_end(&s, m);
}

/* The same value as siphash24(key, data, 40), unrolled: for a struct flow. */
static inline uint64_t siphash24_flow(const struct siphash_key *key,
				      const void *flow)
{
	struct siphash_state s;
	uint64_t m[5];

	memcpy(m, flow, sizeof(m));
	siphash_start(&s, key);
	siphash_word(&s, m[0]);
	siphash_word(&s, m[1]);
	siphash_word(&s, m[2]);
	siphash_word(&s, m[3]);
	siphash_word(&s, m[4]);
	return siphash_end(&s, 40ull << 56);
}

#endif
