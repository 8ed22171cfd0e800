/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * csum.c - summing bytes for the Internet checksum (RFC 1071)
 *
 * The sum of 16-bit words modulo 65535 is also that of 32-bit and of 64-bit
 * words, so any width will do as long as no carry is lost.  Long pieces go
 * through vector registers, in lanes of 64 bits.  One accumulator adds the upper
 * halves, which cannot overflow before 2^32 additions; another adds the whole
 * lanes modulo 2^64.  Taking the first, shifted up, from the second leaves the
 * sum of the lower halves, exactly: so no carry is needed, and nothing waits for
 * the flags of the addition before.
 * The compiler's generic vectors become SSE2 or NEON; both are part of their
 * architecture's baseline, so no choice is made at run time.
 *
 * Alignment does not matter: what matters is parity from the start of the
 * piece, and all loads are unaligned ones.
 */
#include "wire/csum.h"

typedef uint64_t v2u64 __attribute__((vector_size(16)));

enum {
	STEP = 64,	/* bytes a turn: four vectors, two pairs of accumulators */
};

static inline v2u64 load(const uint8_t *p)
{
	v2u64 v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static inline void store(uint8_t *p, v2u64 v)
{
	memcpy(p, &v, sizeof(v));
}

/*
 * One function for both jobs; @copy is a constant at each call.  Returns a sum
 * of less than 2^64 (a packet has less than 2^32 bytes).
 */
static inline __attribute__((always_inline)) uint64_t
sum_bytes(uint8_t *dst, const uint8_t *p, size_t len, bool copy)
{
	uint64_t s = 0, w;
	uint32_t h;
	uint16_t q;

	if (len >= STEP) {
		v2u64 a = { 0, 0 }, b = { 0, 0 }, c = { 0, 0 }, d = { 0, 0 };

		do {
			v2u64 v0 = load(p), v1 = load(p + 16);
			v2u64 v2 = load(p + 32), v3 = load(p + 48);

			if (copy) {
				store(dst, v0);
				store(dst + 16, v1);
				store(dst + 32, v2);
				store(dst + 48, v3);
				dst += STEP;
			}
			a += v0;
			b += v0 >> 32;
			c += v1;
			d += v1 >> 32;
			a += v2;
			b += v2 >> 32;
			c += v3;
			d += v3 >> 32;
			p += STEP;
			len -= STEP;
		} while (len >= STEP);
		b += d;
		a += c;
		a -= b << 32;
		a += b;
		s = a[0] + a[1];
	}

	for (; len >= 8; len -= 8, p += 8) {
		memcpy(&w, p, 8);
		if (copy) {
			memcpy(dst, &w, 8);
			dst += 8;
		}
		s += (w & 0xffffffff) + (w >> 32);
	}
	if (len & 4) {
		memcpy(&h, p, 4);
		if (copy) {
			memcpy(dst, &h, 4);
			dst += 4;
		}
		s += h;
		p += 4;
	}
	if (len & 2) {
		memcpy(&q, p, 2);
		if (copy) {
			memcpy(dst, &q, 2);
			dst += 2;
		}
		s += q;
		p += 2;
	}
	if (len & 1) {
		/* The low byte of a little-endian word: its partner is 0. */
		s += *p;
		if (copy)
			*dst = *p;
	}
	return s;
}

uint32_t csum_partial(const void *buf, size_t len, uint32_t sum)
{
	return csum_from64(sum + sum_bytes(NULL, buf, len, false));
}

uint32_t csum_copy(void *restrict dst, const void *restrict src, size_t len,
		   uint32_t sum)
{
	return csum_from64(sum + sum_bytes(dst, src, len, true));
}
