// SPDX-License-Identifier: BSD-2-Clause
/*
 * stack_lock.c - the lock of a stack when it is contended
 *
 * The word holds the owner's thread id, so that the death of an owner can be
 * told from a slow one.  A waiter spins for about the length of a poll pass,
 * then sets STACK_LOCK_WAITERS and sleeps on the word with a bound.  Then:
 *
 *   owner dead      the stack is marked dead (its state may be half changed) and
 *                   the lock taken over: every caller gets an error, none hangs
 *   owner stopped   by SIGSTOP or Ctrl-Z, inside a section of microseconds: it is
 *                   let go on until it has left, and stopped again.  An ordinary
 *                   socket's lock is never held by a stopped process either
 *   held by a debugger for longer than GIVE_UP_NS: as dead
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/sys.h"
#include "stack/stack.h"

enum {
	SPIN_TURNS = 2000,		/* of ~40 cycles: longer than a pass, shorter than a sleep */
	WAIT_SLICE_MS = 20,
	NUDGE_TURNS = 100,		/* of 100 us: how long a stopped owner may take to leave */
};
#define NUDGE_NS   (60 * NSEC_PER_MSEC)
#define GIVE_UP_NS (10 * NSEC_PER_SEC)

static inline void relax(void)
{
#if defined(__x86_64__)
	__builtin_ia32_pause();
#else
	__asm__ volatile("yield" ::: "memory");
#endif
}

/* State letter and process of a thread from /proc: 0 when it cannot be read. */
static char thread_state(uint32_t tid, int *tgid)
{
	char path[40], buf[1024], *p;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%u/status", tid);
	fd = (int)sys4(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
	if (fd < 0)
		return 0;
	n = sys_read(fd, buf, sizeof(buf) - 1);
	sys_close(fd);
	buf[n > 0 ? n : 0] = 0;
	p = strstr(buf, "\nTgid:\t");
	*tgid = p ? atoi(p + 7) : 0;
	p = strstr(buf, "\nState:\t");
	return p ? p[8] : 0;
}

/* Does the thread exist?  Within one PID namespace; where /proc or the
 * namespace hides it, EPERM and the like count as alive.  A dead process whose
 * parent has not asked for it yet can still be signalled. */
static bool thread_gone(uint32_t tid)
{
	char state;
	int tgid;

	if (sys2(SYS_tkill, tid, 0) == -ESRCH)
		return true;
	state = thread_state(tid, &tgid);
	return state == 'Z' || state == 'X';
}

/* The owner is stopped: let it leave its critical section, and stop it again. */
static void nudge(struct stack *st, uint32_t owner)
{
	static const struct timespec step = { .tv_nsec = 100000 };
	int tgid = 0;

	if (thread_state(owner, &tgid) != 'T' || !tgid || sys2(SYS_kill, tgid, SIGCONT) < 0)
		return;
	for (int i = 0; i < NUDGE_TURNS; i++) {
		if ((atomic_load(&st->shm->lock) & ~STACK_LOCK_WAITERS) != owner)
			break;
		sys2(SYS_nanosleep, &step, NULL);
	}
	sys2(SYS_kill, tgid, SIGSTOP);
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
	uint32_t seen, owner, last_owner = 0;
	uint64_t since = 0, now;
	bool nudged = false;

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
		if (sys_futex(&st->shm->lock, FUTEX_WAIT, seen, &slice) != -ETIMEDOUT)
			continue;
		owner = seen & ~STACK_LOCK_WAITERS;
		now = clock_ns();
		if (owner != last_owner) {
			last_owner = owner;
			since = now;
			nudged = false;
		}
		if ((thread_gone(owner) || now - since > GIVE_UP_NS) && take_over(st, seen, tid))
			return;
		if (!nudged && now - since > NUDGE_NS) {
			nudge(st, owner);
			nudged = true;
		}
	}
}

__cold void stack_unlock_slow(struct stack *st)
{
	/* Not ours any more: somebody gave us up while a debugger held us. */
	if ((atomic_load(&st->shm->lock) & ~STACK_LOCK_WAITERS) != stack_thread.tid)
		return;
	atomic_store_explicit(&st->shm->lock, 0, memory_order_release);
	sys_futex(&st->shm->lock, FUTEX_WAKE, 1, NULL);
}
