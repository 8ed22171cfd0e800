/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * timer.c - a hierarchical timing wheel in shared memory
 *
 * The layout and the promises are in timer.h.  The invariant on which all of
 * this rests: a timer in the wheel lies where place() would put it now.  Moving
 * the wheel's tick to any value before the start of the first used slot keeps
 * it true, because that value has the same digits as the old tick at every
 * level above the slot's, and a smaller one at its level.
 */
#include "base/timer.h"

/* First slot of a level in the array of slots. */
static unsigned int level_base(unsigned int level)
{
	return level * 64;
}

static uint64_t full_tick(const struct timer_wheel *w, const struct timer *t)
{
	/* Timers in the wheel are ahead of its tick by less than 2^32. */
	return w->tick + (uint32_t)(t->expires - (uint32_t)w->tick);
}

static void push_due(void *base, struct timer_wheel *w, struct timer *t)
{
	shm_list_add_tail(base, &w->due, &t->link);
	w->next_ns = 0;
}

/* Puts an unlinked timer with expires != tick where it belongs. */
static void place(void *base, struct timer_wheel *w, struct timer *t)
{
	uint32_t diff = t->expires ^ (uint32_t)w->tick;
	unsigned int level = (31u - (unsigned int)__builtin_clz(diff)) / TIMER_LEVEL_BITS;
	unsigned int slot = t->expires >> (level * TIMER_LEVEL_BITS) & 63;

	shm_list_add_tail(base, &w->slot[level_base(level) + slot], &t->link);
	w->used[level] |= 1ull << slot;
}

/* Takes a linked timer out, and its slot's mark with it if it was the last. */
static void unlink_timer(void *base, struct timer_wheel *w, struct timer *t)
{
	struct shm_link *head = NULL;

	if (t->link.next == t->link.prev)
		head = shm_ptr(base, t->link.next);
	shm_list_del(base, &t->link);

	/* The same neighbour on both sides is the head: a list of two timers
	 * has three links.  The head may also be that of the due list. */
	if (head && head >= w->slot && head < w->slot + TIMER_SLOTS) {
		unsigned int i = (unsigned int)(head - w->slot);

		w->used[i / 64] &= ~(1ull << (i % 64));
	}
}

/*
 * The first used slot and the tick at which it begins; false if none is used.
 * Lower levels come first: their timers share the higher digits of the tick.
 */
static bool first_slot(const struct timer_wheel *w, unsigned int *idx,
		       uint64_t *start)
{
	for (unsigned int level = 0; level < TIMER_LEVELS; level++) {
		unsigned int shift = level * TIMER_LEVEL_BITS;
		uint64_t used = w->used[level];
		unsigned int slot;

		if (!used)
			continue;
		if (level < TIMER_LEVELS - 1) {
			/* Used slots are ahead of the tick's own digit, or the
			 * next digit would differ too. */
			slot = (unsigned int)__builtin_ctzll(used);
			*start = (w->tick >> shift & ~63ull) + slot;
		} else {
			/* The top digit has two bits and wraps with them. */
			unsigned int cur = w->tick >> shift & 3;
			unsigned int ahead;

			used = (used | used << 4) >> cur;
			ahead = (unsigned int)__builtin_ctzll(used);
			slot = (cur + ahead) & 3;
			*start = (w->tick >> shift) + ahead;
		}
		*start <<= shift;
		*idx = level_base(level) + slot;
		return true;
	}
	return false;
}

/* Empties a slot at which the wheel has arrived. */
static void cascade(void *base, struct timer_wheel *w, unsigned int idx)
{
	struct shm_link *head = &w->slot[idx], *l;

	w->used[idx / 64] &= ~(1ull << (idx % 64));
	while ((l = shm_list_first(base, head))) {
		struct timer *t = container_of(l, struct timer, link);

		shm_list_del(base, l);
		if (t->expires == (uint32_t)w->tick)
			push_due(base, w, t);
		else
			place(base, w, t);
	}
}

/* Moves the wheel to @tick and everything up to there to the due list. */
static void advance(void *base, struct timer_wheel *w, uint64_t tick)
{
	unsigned int idx;
	uint64_t start;

	while (first_slot(w, &idx, &start) && start <= tick) {
		w->tick = start;
		cascade(base, w, idx);
	}
	w->tick = tick;
}

static void update_next(void *base, struct timer_wheel *w)
{
	unsigned int idx;
	uint64_t start;

	if (!shm_list_empty(base, &w->due)) {
		w->next_ns = 0;
		return;
	}
	if (!first_slot(w, &idx, &start)) {
		w->next_ns = UINT64_MAX;
		return;
	}
	/* A lone timer is the common case of an idle stack: spare the sleeper
	 * the wake-ups that would only move it down. */
	if (w->slot[idx].next == w->slot[idx].prev) {
		struct shm_link *l = shm_list_first(base, &w->slot[idx]);

		start = full_tick(w, container_of(l, struct timer, link));
	}
	w->next_ns = start << TIMER_TICK_SHIFT;
}

void timer_wheel_init(void *base, struct timer_wheel *w, uint64_t now_ns)
{
	w->next_ns = UINT64_MAX;
	w->tick = now_ns >> TIMER_TICK_SHIFT;
	for (unsigned int i = 0; i < TIMER_LEVELS; i++)
		w->used[i] = 0;
	shm_list_init(base, &w->due);
	for (unsigned int i = 0; i < TIMER_SLOTS; i++)
		shm_list_init(base, &w->slot[i]);
}

void timer_set(void *base, struct timer_wheel *w, struct timer *t,
	       uint64_t deadline_ns)
{
	/* Rounded up: fires when the tick that contains "now" has begun after
	 * the deadline. */
	uint64_t tick = (deadline_ns >> TIMER_TICK_SHIFT) +
			((deadline_ns & (TIMER_TICK_NS - 1)) != 0);

	if (tick <= w->tick)
		tick = w->tick + 1;
	else if (tick - w->tick > TIMER_MAX_TICKS)
		tick = w->tick + TIMER_MAX_TICKS;

	if (shm_link_linked(base, &t->link))
		unlink_timer(base, w, t);
	t->expires = (uint32_t)tick;
	place(base, w, t);
	if (tick << TIMER_TICK_SHIFT < w->next_ns)
		w->next_ns = tick << TIMER_TICK_SHIFT;
}

void timer_del(void *base, struct timer_wheel *w, struct timer *t)
{
	if (shm_link_linked(base, &t->link))
		unlink_timer(base, w, t);
}

struct timer *timer_expire(void *base, struct timer_wheel *w, uint64_t now_ns)
{
	uint64_t tick = now_ns >> TIMER_TICK_SHIFT;
	struct shm_link *l;

	if (tick > w->tick)
		advance(base, w, tick);
	l = shm_list_first(base, &w->due);
	if (!l) {
		update_next(base, w);
		return NULL;
	}
	shm_list_del(base, l);
	return container_of(l, struct timer, link);
}

uint64_t timer_next_ns(void *base, struct timer_wheel *w)
{
	update_next(base, w);
	return w->next_ns;
}
