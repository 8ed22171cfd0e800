// SPDX-License-Identifier: BSD-2-Clause
/*
 * stack_lock.c - the lock of a stack when it is contended
 *
 * The word holds the owner's thread id, so that the death of an owner can be
 * told from a slow one.  A waiter spins for about the length of a poll pass,
 * then sets STACK_LOCK_WAITERS and sleeps on the word with a bound: when the
 * owner has died meanwhile the stack is marked dead (its state may be half
 * changed) and the lock is taken over, so that every caller finds SOCK_SF_DEAD
 * instead of hanging.  An owner that is merely stopped is waited for: it is
 * inside a critical section of microseconds, so the keeper's clock tells when
 * to give up (STOPPED_LIMIT).
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>

#include "base/clock.h"
#include "base/sys.h"
#include "stack/stack.h"

enum {
	SPIN_TURNS = 2000,		/* of ~40 cycles: longer than a pass, shorter than a sleep */
	WAIT_SLICE_MS = 20,
};

static inline void relax(void)
{
#if defined(__x86_64__)
	__builtin_ia32_pause();
#else
	__asm__ volatile("yield" ::: "memory");
#endif
}

/* Does the thread exist?  Within one PID namespace; where /proc or the
 * namespace hides it, EPERM and the like count as alive. */
static bool thread_gone(uint32_t tid)
{
	return sys2(SYS_tkill, tid, 0) == -ESRCH;
}

static bool try_take(struct stack *st, uint32_t want)
{
	uint32_t zero = 0;

	return atomic_compare_exchange_strong_explicit(&st->shm->lock, &zero, want,
						       memory_order_acquire, memory_order_relaxed);
}

/* The owner is dead: the one who replaces its word by his own repairs. */
static bool take_over(struct stack *st, uint32_t seen, uint32_t tid)
{
	if (!atomic_compare_exchange_strong_explicit(&st->shm->lock, &seen, tid | STACK_LOCK_WAITERS,
						     memory_order_acquire, memory_order_relaxed))
		return false;
	atomic_store_explicit(&st->shm->state, STACK_DEAD, memory_order_release);
	return true;
}

__cold void stack_lock_slow(struct stack *st, uint32_t tid)
{
	static const struct timespec slice = { .tv_nsec = WAIT_SLICE_MS * 1000000l };
	uint32_t seen;

	for (int i = 0; i < SPIN_TURNS; i++) {
		if (atomic_load_explicit(&st->shm->lock, memory_order_relaxed) == 0 && try_take(st, tid))
			return;
		relax();
	}
	st->shm->lock_waits++;		/* approximate: no lock held */
	for (;;) {
		/* Whoever slept takes the lock with the flag set: others may still sleep. */
		if (try_take(st, tid | STACK_LOCK_WAITERS))
			return;
		seen = atomic_load_explicit(&st->shm->lock, memory_order_relaxed);
		if (!seen)
			continue;
		if (!(seen & STACK_LOCK_WAITERS)) {
			uint32_t flagged = seen | STACK_LOCK_WAITERS;

			if (!atomic_compare_exchange_strong(&st->shm->lock, &seen, flagged))
				continue;
			seen = flagged;
		}
		if (sys_futex(&st->shm->lock, FUTEX_WAIT, seen, &slice) == -ETIMEDOUT &&
		    thread_gone(seen & ~STACK_LOCK_WAITERS) && take_over(st, seen, tid))
			return;
	}
}

__cold void stack_unlock_slow(struct stack *st)
{
	atomic_store_explicit(&st->shm->lock, 0, memory_order_release);
	sys_futex(&st->shm->lock, FUTEX_WAKE, 1, NULL);
}
