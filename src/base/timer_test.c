/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * timer_test.c - the timing wheel against a list that is searched from end to end
 *
 * Checks that no timer is early, that none is late, that none is lost or fires
 * twice, over random work, large jumps, and the wrap of the 32-bit tick.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/timer.h"

enum {
	NTIMERS = 200,
};

/* The region: the first 8 bytes are its header, offset 0 names nothing. */
struct region {
	uint64_t header;
	struct timer_wheel w;
	struct timer t[NTIMERS];
};

struct model {
	bool armed;
	uint64_t tick;		/* that it must fire at */
};

static uint64_t rnd_state;

static uint64_t rnd(void)
{
	rnd_state ^= rnd_state << 13;
	rnd_state ^= rnd_state >> 7;
	rnd_state ^= rnd_state << 17;
	return rnd_state;
}

static uint64_t tick_of(uint64_t ns)
{
	return ns >> TIMER_TICK_SHIFT;
}

static uint64_t tick_up(uint64_t ns)
{
	return tick_of(ns + TIMER_TICK_NS - 1);
}

static struct region *region_new(uint64_t now)
{
	struct region *r = aligned_alloc(64, ROUND_UP(sizeof(*r), 64));

	assert_non_null(r);
	timer_wheel_init(r, &r->w, now);
	for (uint32_t i = 0; i < NTIMERS; i++)
		timer_init(r, &r->t[i], (uint16_t)(i & 7), i);
	return r;
}

/* A random span that visits every level of the wheel. */
static uint64_t rnd_span(void)
{
	return rnd() >> (rnd() % 50 + 12);
}

static uint64_t model_next(const struct model *m)
{
	uint64_t best = UINT64_MAX;

	for (int i = 0; i < NTIMERS; i++)
		if (m[i].armed && m[i].tick < best)
			best = m[i].tick;
	return best;
}

static void expire_all(struct region *r, struct model *m, uint64_t now)
{
	uint64_t last = 0;
	struct timer *t;

	while ((t = timer_expire(r, &r->w, now))) {
		uint32_t i = (uint32_t)(t - r->t);

		assert_int_equal(t->id, i);
		assert_int_equal(t->kind, i & 7);
		assert_false(timer_pending(r, t));
		assert_true(m[i].armed);
		assert_true(m[i].tick <= tick_of(now));		/* not early */
		assert_true(m[i].tick >= last);			/* in order */
		last = m[i].tick;
		m[i].armed = false;
	}
	for (int i = 0; i < NTIMERS; i++)			/* not late */
		assert_true(!m[i].armed || m[i].tick > tick_of(now));
}

static void random_work(uint64_t start, unsigned int steps)
{
	struct region *r = region_new(start);
	struct model m[NTIMERS] = { 0 };
	uint64_t now = start;

	for (unsigned int s = 0; s < steps; s++) {
		uint32_t i = (uint32_t)(rnd() % NTIMERS);
		uint64_t deadline, next;

		switch (rnd() % 8) {
		case 0: case 1: case 2:
			deadline = now + rnd_span();
			timer_set(r, &r->w, &r->t[i], deadline);
			m[i].armed = true;
			m[i].tick = tick_up(deadline);
			if (m[i].tick <= r->w.tick)
				m[i].tick = r->w.tick + 1;
			if (m[i].tick > r->w.tick + TIMER_MAX_TICKS)
				m[i].tick = r->w.tick + TIMER_MAX_TICKS;
			break;
		case 3:
			timer_del(r, &r->w, &r->t[i]);
			m[i].armed = false;
			break;
		case 4: case 5:
			now += rnd() % (4 * TIMER_TICK_NS);
			break;
		case 6:
			now += rnd_span();
			break;
		case 7:
			/* Sleep as told: never past a deadline. */
			next = timer_next_ns(r, &r->w);
			if (model_next(m) == UINT64_MAX) {
				assert_true(next == UINT64_MAX);
			} else {
				assert_true(next <= model_next(m) << TIMER_TICK_SHIFT);
				if (next > now)
					now = next;
			}
			break;
		}
		assert_int_equal(timer_pending(r, &r->t[i]), m[i].armed);
		if (timer_due(&r->w, now))
			expire_all(r, m, now);
		else
			for (int j = 0; j < NTIMERS; j++)
				assert_true(!m[j].armed || m[j].tick > tick_of(now));
	}
	free(r);
}

static void agrees_with_the_model(void **state)
{
	(void)state;
	rnd_state = 0x1234567;
	for (int i = 0; i < 20; i++)
		random_work(rnd() >> 8, 5000);
}

static void survives_the_wrap_of_the_tick(void **state)
{
	(void)state;
	rnd_state = 0x7654321;
	for (int i = 0; i < 20; i++)
		random_work(((1ull << 32) << TIMER_TICK_SHIFT) - (rnd() >> (i + 20)), 5000);
}

static void past_deadline_fires_once_per_round(void **state)
{
	struct region *r = region_new(0);
	uint64_t now = 1000 * TIMER_TICK_NS;
	struct timer *t;

	(void)state;
	timer_set(r, &r->w, &r->t[0], 0);
	assert_true(timer_due(&r->w, now));
	t = timer_expire(r, &r->w, now);
	assert_ptr_equal(t, &r->t[0]);
	timer_set(r, &r->w, t, now);
	assert_null(timer_expire(r, &r->w, now));
	assert_false(timer_due(&r->w, now));
	assert_ptr_equal(timer_expire(r, &r->w, now + TIMER_TICK_NS), t);
	free(r);
}

static void due_timer_can_be_deleted_and_rearmed(void **state)
{
	struct region *r = region_new(0);
	uint64_t now = 50 * TIMER_TICK_NS;

	(void)state;
	for (int i = 0; i < 4; i++)
		timer_set(r, &r->w, &r->t[i], TIMER_TICK_NS * 7);
	assert_ptr_equal(timer_expire(r, &r->w, now), &r->t[0]);
	timer_del(r, &r->w, &r->t[1]);
	timer_set(r, &r->w, &r->t[2], now + 5 * TIMER_TICK_NS);
	assert_true(timer_pending(r, &r->t[3]));
	assert_true(timer_due(&r->w, now));
	assert_ptr_equal(timer_expire(r, &r->w, now), &r->t[3]);
	assert_null(timer_expire(r, &r->w, now));
	assert_true(timer_next_ns(r, &r->w) == now + 5 * TIMER_TICK_NS);
	assert_ptr_equal(timer_expire(r, &r->w, now + 5 * TIMER_TICK_NS), &r->t[2]);
	assert_null(timer_expire(r, &r->w, now + 5 * TIMER_TICK_NS));
	assert_true(timer_next_ns(r, &r->w) == UINT64_MAX);
	free(r);
}

static void idle_wheel_is_not_due(void **state)
{
	struct region *r = region_new(123456789);

	(void)state;
	assert_false(timer_due(&r->w, UINT64_MAX - 1));
	timer_set(r, &r->w, &r->t[0], 24ull * 3600 * NSEC_PER_SEC);
	timer_del(r, &r->w, &r->t[0]);
	timer_del(r, &r->w, &r->t[0]);
	assert_true(timer_next_ns(r, &r->w) == UINT64_MAX);
	free(r);
}

static void lone_far_timer_needs_no_wakeup_before(void **state)
{
	struct region *r = region_new(0);
	uint64_t d = 24ull * 3600 * NSEC_PER_SEC;

	(void)state;
	timer_set(r, &r->w, &r->t[0], d);
	assert_true(timer_next_ns(r, &r->w) >= d);
	assert_true(timer_next_ns(r, &r->w) < d + TIMER_TICK_NS);
	timer_set(r, &r->w, &r->t[0], UINT64_MAX);
	assert_null(timer_expire(r, &r->w, d));
	assert_true(timer_pending(r, &r->t[0]));
	free(r);
}

/* Offsets, not addresses: a copy elsewhere must work by itself. */
static void works_at_another_address(void **state)
{
	struct region *a = region_new(0), *b = region_new(0);

	(void)state;
	for (int i = 0; i < NTIMERS; i++)
		timer_set(a, &a->w, &a->t[i], (uint64_t)(i + 1) << 30);
	memcpy(b, a, sizeof(*b));
	memset(a, 0xee, sizeof(*a));
	free(a);
	for (int i = 0; i < NTIMERS; i++) {
		uint64_t now = (uint64_t)(i + 1) << 30;

		assert_null(timer_expire(b, &b->w, now - 1));
		assert_ptr_equal(timer_expire(b, &b->w, now), &b->t[i]);
	}
	free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(agrees_with_the_model),
		cmocka_unit_test(survives_the_wrap_of_the_tick),
		cmocka_unit_test(past_deadline_fires_once_per_round),
		cmocka_unit_test(due_timer_can_be_deleted_and_rearmed),
		cmocka_unit_test(idle_wheel_is_not_due),
		cmocka_unit_test(lone_far_timer_needs_no_wakeup_before),
		cmocka_unit_test(works_at_another_address),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
