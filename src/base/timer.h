/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * timer.h - a hierarchical timing wheel in shared memory
 *
 * Time is cut into ticks of 2^20 ns (1.05 ms).  A tick is read as six digits:
 *
 *     bits  31 30 | 29..24 | 23..18 | 17..12 | 11..6 | 5..0
 *   level    5        4        3        2        1      0
 *   slots    4       64       64       64       64     64
 *
 * A pending timer lies at the level of the highest digit in which its expiry
 * differs from the wheel's tick, in the slot which that digit names.  When the
 * wheel arrives at a slot of a level above 0, its timers move down.  So set and
 * del are O(1), and each timer moves at most five times.  One word per level
 * says which slots are in use: the next one is found without scanning, however
 * far the time jumps.
 *
 * A timer never fires early, and late by less than a tick after the first call
 * of timer_expire() that could have fired it.  A deadline that is already past
 * fires on the tick after the wheel's: a handler that arms its timer for "now"
 * does not run twice in one round.  Deadlines are kept up to TIMER_MAX_TICKS
 * (26 days) ahead; later ones fire there.
 *
 * Everything here runs with the lock of the region held.
 */
#ifndef POSTERN_BASE_TIMER_H
#define POSTERN_BASE_TIMER_H

#include "base/shm.h"

enum {
	TIMER_TICK_SHIFT = 20,
	TIMER_LEVEL_BITS = 6,
	TIMER_LEVELS     = 6,
	TIMER_SLOTS      = 5 * 64 + 4,
};
#define TIMER_MAX_TICKS 0x7fffffffull
#define TIMER_TICK_NS   (1ull << TIMER_TICK_SHIFT)

struct timer {
	struct shm_link link;
	uint32_t expires;	/* tick, low 32 bits */
	uint16_t kind;		/* the owner's: which of its timers this is */
	uint16_t spare;
	uint32_t id;		/* the owner's: of the object that the timer is in */
};
_Static_assert(sizeof(struct timer) == 24, "layout is shared");

struct timer_wheel {
	/* No timer fires before this time; 0 while `due` holds some,
	 * UINT64_MAX when the wheel is empty.  May be too early after a
	 * timer_del(), never too late.  The only word that is read without the lock. */
	uint64_t next_ns;
	uint64_t tick;			/* everything up to here has been sorted out */
	uint64_t used[TIMER_LEVELS];	/* slots with timers in them */
	struct shm_link due;		/* expired, not yet handed out */
	struct shm_link slot[TIMER_SLOTS];	/* level 0 first */
};

/**
 * timer_wheel_init - an empty wheel
 * @base:   start of the region that holds wheel and timers
 * @now_ns: the time, of the clock that all later calls use
 */
void timer_wheel_init(void *base, struct timer_wheel *w, uint64_t now_ns);

/* Not pending; call once before anything else is done with @t. */
static inline void timer_init(void *base, struct timer *t, uint16_t kind,
			      uint32_t id)
{
	shm_list_init(base, &t->link);
	t->expires = 0;
	t->kind = kind;
	t->spare = 0;
	t->id = id;
}

/**
 * timer_set - arm a timer, or arm it anew
 * @deadline_ns: when to fire, at the earliest
 */
void timer_set(void *base, struct timer_wheel *w, struct timer *t,
	       uint64_t deadline_ns);

/* Disarm; harmless when not pending. */
void timer_del(void *base, struct timer_wheel *w, struct timer *t);

/* Armed, or expired and not yet handed out by timer_expire(). */
static inline bool timer_pending(void *base, const struct timer *t)
{
	return shm_link_linked(base, &t->link);
}

/**
 * timer_expire - the next timer whose time has come
 *
 * Returns it unlinked (the caller may set it again at once), or NULL when none
 * is left.  Call until NULL; timers come out in order of their ticks.
 */
struct timer *timer_expire(void *base, struct timer_wheel *w, uint64_t now_ns);

/* Whether timer_expire() is worth calling: one comparison per poll. */
static inline bool timer_due(const struct timer_wheel *w, uint64_t now_ns)
{
	return unlikely(now_ns >= w->next_ns);
}

/**
 * timer_next_ns - how long a sleeper may sleep
 *
 * Returns a time not later than the earliest deadline, rounded up to its tick,
 * or UINT64_MAX when nothing is armed.  It may be earlier, where timers would
 * only move down a level.
 */
uint64_t timer_next_ns(void *base, struct timer_wheel *w);

#endif
