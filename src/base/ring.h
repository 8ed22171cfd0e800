/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ring.h - single-producer, single-consumer ring in shared memory
 *
 *   line 0  producer writes   head, cached_tail
 *   line 1  consumer writes   tail, cached_head
 *   line 2  set at creation   mask
 *   line 3  slots of 64 bits
 *
 * One thread (or one lock's holder) on each side, in one process or in two.
 * Each side keeps a copy of the other's index and looks at the shared one only
 * when the copy says full or empty, so an active ring moves few cache lines.
 * A producer that dies between ring_set() and ring_publish() leaves the ring
 * as if it had not begun.
 *
 * A side that does not trust the other must range-check what it pops, and pass
 * its own copy of the size to ring_attach_ok() first: mask is shared memory.
 */
#ifndef POSTERN_BASE_RING_H
#define POSTERN_BASE_RING_H

#include <stdatomic.h>

#include "base/types.h"

/* Indices run free and are masked on use, so head - tail is the number of full
 * slots. */
struct ring_hdr {
	/* producer writes */
	_Alignas(CACHE_LINE) _Atomic uint32_t head;
	uint32_t cached_tail;

	/* consumer writes */
	_Alignas(CACHE_LINE) _Atomic uint32_t tail;
	uint32_t cached_head;

	/* set at creation, then read-only */
	_Alignas(CACHE_LINE) uint32_t mask;
};
_Static_assert(sizeof(struct ring_hdr) == 3 * CACHE_LINE, "layout is shared");

struct ring {
	struct ring_hdr h;
	uint64_t slot[];
};
_Static_assert(offsetof(struct ring, slot) == 3 * CACHE_LINE, "layout is shared");

/* Bytes that a ring of @slots (a power of two) takes. */
static inline size_t ring_bytes(uint32_t slots)
{
	return sizeof(struct ring) + (size_t)slots * sizeof(uint64_t);
}

/* @slots: a power of two, at most 2^31. */
static inline void ring_init(struct ring *r, uint32_t slots)
{
	atomic_store_explicit(&r->h.head, 0, memory_order_relaxed);
	atomic_store_explicit(&r->h.tail, 0, memory_order_relaxed);
	r->h.cached_tail = r->h.cached_head = 0;
	r->h.mask = slots - 1;
}

static inline bool ring_attach_ok(const struct ring *r, uint32_t slots)
{
	return r->h.mask == slots - 1;
}

/* --- producer --- */

/* Free slots; looks at the consumer's index only when fewer than @want are
 * known to be free. */
static inline uint32_t ring_room(struct ring *r, uint32_t want)
{
	uint32_t head = atomic_load_explicit(&r->h.head, memory_order_relaxed);
	uint32_t room = r->h.mask + 1 - (head - r->h.cached_tail);

	if (room < want) {
		/* Pairs with the release in ring_release(): the consumer has
		 * read the slots that we are about to overwrite. */
		r->h.cached_tail = atomic_load_explicit(&r->h.tail,
							memory_order_acquire);
		room = r->h.mask + 1 - (head - r->h.cached_tail);
	}
	return room;
}

/* Writes the @i-th slot after the last published one; @i < ring_room(). */
static inline void ring_set(struct ring *r, uint32_t i, uint64_t v)
{
	uint32_t head = atomic_load_explicit(&r->h.head, memory_order_relaxed);

	r->slot[(head + i) & r->h.mask] = v;
}

/* Hands @n written slots to the consumer. */
static inline void ring_publish(struct ring *r, uint32_t n)
{
	uint32_t head = atomic_load_explicit(&r->h.head, memory_order_relaxed);

	/* Pairs with the acquire in ring_avail(). */
	atomic_store_explicit(&r->h.head, head + n, memory_order_release);
}

/* False when full. */
static inline bool __must_check ring_push(struct ring *r, uint64_t v)
{
	if (unlikely(ring_room(r, 1) == 0))
		return false;
	ring_set(r, 0, v);
	ring_publish(r, 1);
	return true;
}

/* --- consumer --- */

/* Full slots; looks at the producer's index only when fewer than @want are
 * known to be full. */
static inline uint32_t ring_avail(struct ring *r, uint32_t want)
{
	uint32_t tail = atomic_load_explicit(&r->h.tail, memory_order_relaxed);
	uint32_t n = r->h.cached_head - tail;

	if (n < want) {
		/* Pairs with the release in ring_publish(). */
		r->h.cached_head = atomic_load_explicit(&r->h.head,
							memory_order_acquire);
		n = r->h.cached_head - tail;
	}
	return n;
}

/* The @i-th full slot; @i < ring_avail(). */
static inline uint64_t ring_get(const struct ring *r, uint32_t i)
{
	uint32_t tail = atomic_load_explicit(&r->h.tail, memory_order_relaxed);

	return r->slot[(tail + i) & r->h.mask];
}

/* Gives @n slots back to the producer. */
static inline void ring_release(struct ring *r, uint32_t n)
{
	uint32_t tail = atomic_load_explicit(&r->h.tail, memory_order_relaxed);

	/* Pairs with the acquire in ring_room(). */
	atomic_store_explicit(&r->h.tail, tail + n, memory_order_release);
}

/* False when empty. */
static inline bool __must_check ring_pop(struct ring *r, uint64_t *v)
{
	if (ring_avail(r, 1) == 0)
		return false;
	*v = ring_get(r, 0);
	ring_release(r, 1);
	return true;
}

/* A look from the side (tools, a sleeper's last check); may be out of date. */
static inline bool ring_empty(const struct ring *r)
{
	return atomic_load_explicit(&r->h.head, memory_order_acquire) ==
	       atomic_load_explicit(&r->h.tail, memory_order_acquire);
}

#endif
