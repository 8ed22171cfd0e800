/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * base_test.c - the small headers: SipHash vectors, hash spread, bitmaps, the ring
 */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/bitmap.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/ring.h"
#include "base/siphash.h"

/* From the paper (appendix A) and its reference vectors: key 00..0f, message
 * 00, 01, 02 ... of the given length. */
static void siphash_matches_published_vectors(void **state)
{
	static const struct {
		size_t len;
		uint64_t want;
	} v[] = {
		{ 0, 0x726fdb47dd0e0e31ull },
		{ 1, 0x74f839c593dc67fdull },
		{ 15, 0xa129ca6149be45e5ull },
	};
	struct siphash_key key;
	uint8_t k[16], msg[64];

	(void)state;
	for (unsigned int i = 0; i < 64; i++)
		msg[i] = (uint8_t)i;
	memcpy(k, msg, 16);
	memcpy(&key, k, 16);
	for (unsigned int i = 0; i < ARRAY_SIZE(v); i++)
		assert_true(siphash24(&key, msg, v[i].len) == v[i].want);
	assert_true(siphash24_flow(&key, msg) == siphash24(&key, msg, 40));
}

/* Ports counting up behind one address must fill a table evenly, by low and by
 * high bits. */
static void hash_spreads_neighbouring_flows(void **state)
{
	unsigned int low[1024] = { 0 }, high[1024] = { 0 };
	uint64_t flow[5] = { 0, 0x0100000affff0000ull, 0, 0x0200000affff0000ull, 6 };

	(void)state;
	for (unsigned int i = 0; i < 16384; i++) {
		uint16_t port = (uint16_t)(i + 20000);
		uint64_t h;

		memcpy(flow + 4, &port, 2);
		h = hash_flow(flow, 0x5eed);
		low[h & 1023]++;
		high[h >> 54]++;
	}
	/* The mean is 16; 60 is eleven standard deviations away. */
	for (unsigned int i = 0; i < 1024; i++) {
		assert_true(low[i] < 60);
		assert_true(high[i] < 60);
	}
	assert_true(hash_flow(flow, 1) != hash_flow(flow, 2));
	assert_true(hash_words(flow, 4, 1) != hash_words(flow, 5, 1));
	assert_true(hash_u32(1, 0) != hash_u32(2, 0));
}

static void bitmap_agrees_with_array(void **state)
{
	enum { BITS = 203 };
	uint64_t m[BITMAP_WORDS(BITS)];
	bool model[BITS] = { false };
	uint32_t seed = 7;

	(void)state;
	bitmap_zero(m, BITS);
	assert_int_equal(bitmap_find_first(m, BITS), BITS);
	for (int n = 0; n < 4000; n++) {
		size_t i, next, zero, count = 0;

		seed = seed * 1103515245 + 12345;
		i = (seed >> 8) % BITS;
		/* Long runs of both kinds. */
		if ((n / 400) & 1) {
			bitmap_clear(m, i);
			model[i] = false;
		} else {
			bitmap_set(m, i);
			model[i] = true;
		}
		assert_int_equal(bitmap_test(m, i), model[i]);
		i = (seed >> 16) % BITS;
		for (next = i; next < BITS && !model[next]; next++)
			;
		for (zero = i; zero < BITS && model[zero]; zero++)
			;
		assert_int_equal(bitmap_find_next(m, BITS, i), next);
		assert_int_equal(bitmap_find_zero(m, BITS, i), zero);
		for (size_t j = 0; j < BITS; j++)
			count += model[j];
		assert_int_equal(bitmap_count(m, BITS), count);
	}
	assert_int_equal(bitmap_find_next(m, BITS, BITS), BITS);
}

static struct ring *ring_new(uint32_t slots)
{
	struct ring *r = aligned_alloc(CACHE_LINE, ROUND_UP(ring_bytes(slots), CACHE_LINE));

	assert_non_null(r);
	ring_init(r, slots);
	return r;
}

static void ring_is_full_and_empty_when_it_says(void **state)
{
	struct ring *r = ring_new(4);
	uint64_t v;

	(void)state;
	/* Indices near their wrap. */
	atomic_store(&r->h.head, UINT32_MAX - 1);
	atomic_store(&r->h.tail, UINT32_MAX - 1);
	r->h.cached_head = r->h.cached_tail = UINT32_MAX - 1;
	for (int round = 0; round < 5; round++) {
		assert_true(ring_empty(r));
		assert_false(ring_pop(r, &v));
		for (uint64_t i = 0; i < 4; i++)
			assert_true(ring_push(r, i + 10));
		assert_false(ring_push(r, 99));
		assert_int_equal(ring_avail(r, 4), 4);
		for (uint64_t i = 0; i < 4; i++) {
			assert_true(ring_pop(r, &v));
			assert_true(v == i + 10);
		}
	}
	assert_true(ring_attach_ok(r, 4));
	assert_false(ring_attach_ok(r, 8));
	free(r);
}

static void ring_shows_only_what_is_published(void **state)
{
	struct ring *r = ring_new(8);

	(void)state;
	assert_int_equal(ring_room(r, 8), 8);
	for (uint32_t i = 0; i < 5; i++)
		ring_set(r, i, i);
	assert_int_equal(ring_avail(r, 1), 0);
	ring_publish(r, 5);
	assert_int_equal(ring_avail(r, 5), 5);
	assert_true(ring_get(r, 4) == 4);
	ring_release(r, 5);
	assert_int_equal(ring_room(r, 8), 8);
	free(r);
}

enum {
	PASSED = 200000,
};

static void *produce(void *arg)
{
	struct ring *r = arg;

	for (uint64_t i = 0; i < PASSED; i++)
		while (!ring_push(r, i * 3))
			sched_yield();
	return NULL;
}

static void ring_passes_everything_in_order(void **state)
{
	struct ring *r = ring_new(64);
	pthread_t th;
	uint64_t v;

	(void)state;
	assert_int_equal(pthread_create(&th, NULL, produce, r), 0);
	for (uint64_t i = 0; i < PASSED; i++) {
		while (!ring_pop(r, &v))
			sched_yield();
		assert_true(v == i * 3);
	}
	pthread_join(th, NULL);
	assert_true(ring_empty(r));
	free(r);
}

static void clock_goes_forward(void **state)
{
	uint64_t a = clock_ns(), b = clock_ns();

	(void)state;
	assert_true(b >= a);
	/* After 2020, before 2500. */
	assert_true(clock_real_ns() > 1577836800ull * NSEC_PER_SEC);
	assert_true(clock_real_ns() < 16725225600ull * NSEC_PER_SEC);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(siphash_matches_published_vectors),
		cmocka_unit_test(hash_spreads_neighbouring_flows),
		cmocka_unit_test(bitmap_agrees_with_array),
		cmocka_unit_test(ring_is_full_and_empty_when_it_says),
		cmocka_unit_test(ring_shows_only_what_is_published),
		cmocka_unit_test(ring_passes_everything_in_order),
		cmocka_unit_test(clock_goes_forward),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
