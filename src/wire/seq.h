/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * seq.h - comparing TCP sequence numbers
 *
 * Modulo 2^32 (RFC 9293 section 3.4): of two numbers less than 2^31 apart, the
 * one that is reached by counting up from the other is "after" it.
 */
#ifndef POSTERN_WIRE_SEQ_H
#define POSTERN_WIRE_SEQ_H

#include "base/types.h"

static inline bool seq_before(uint32_t a, uint32_t b) { return (int32_t)(a - b) < 0; }
static inline bool seq_after(uint32_t a, uint32_t b)  { return (int32_t)(b - a) < 0; }
static inline bool seq_leq(uint32_t a, uint32_t b)    { return (int32_t)(b - a) >= 0; }
static inline bool seq_geq(uint32_t a, uint32_t b)    { return (int32_t)(a - b) >= 0; }

/* lo <= x <= hi, counting up from lo: right for any distance of lo and hi. */
static inline bool seq_between(uint32_t x, uint32_t lo, uint32_t hi)
{
	return x - lo <= hi - lo;
}

static inline uint32_t seq_max(uint32_t a, uint32_t b) { return seq_after(a, b) ? a : b; }
static inline uint32_t seq_min(uint32_t a, uint32_t b) { return seq_before(a, b) ? a : b; }

#endif
