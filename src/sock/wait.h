/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * wait.h - spinning and sleeping, shared by the blocking calls, poll and epoll
 */
#ifndef POSTERN_SOCK_WAIT_H
#define POSTERN_SOCK_WAIT_H

#include <errno.h>

#include "base/clock.h"
#include "base/sys.h"
#include "sock/sock.h"

/* glibc's, since 2.32; where it is missing there may be threads. */
extern char __libc_single_threaded __attribute__((weak));

/* May another thread change what this one waits for? */
static inline bool wait_others(void)
{
	return !&__libc_single_threaded || !__libc_single_threaded;
}

/* How long this call may spin: 0 not at all, UINT64_MAX without end. */
uint64_t wait_spin_ns(enum sock_spin spin);

/* One look at the rings while spinning: polls when there is work and the lock is free. */
static inline void wait_spin_once(struct stack *st, uint64_t now)
{
	if (!stack_work(st, now)) {
		__builtin_ia32_pause();
		return;
	}
	if (stack_trylock(st)) {
		stack_poll(st);
		sock_unlock(st);
	}
}

/* A pass that does not care whether there is work. */
static inline void wait_poll(struct stack *st)
{
	stack_lock(st);
	stack_poll(st);
	sock_unlock(st);
	if (stack_wants_resolve(st))
		stack_resolve(st);
}

/* Has a handler run since @count that must end the call? */
static inline bool wait_interrupted(uint32_t *count, uint32_t *norestart, bool always)
{
	if (likely(*count == stack_thread.sig_count))
		return false;
	if (always || *norestart != stack_thread.sig_norestart)
		return true;
	*count = stack_thread.sig_count;
	return false;
}

/* The call's own signal mask for as long as it runs (ppoll, epoll_pwait). */
struct wait_mask {
	const sigset_t *mask;
	uint64_t saved;
	uint32_t sig;		/* handlers before the mask was changed: one that it let through ends the call */
};
void wait_mask_enter(struct wait_mask *m, const sigset_t *mask);
void wait_mask_leave(struct wait_mask *m);

/* Something that is done every @every_usec at most: now?  @next is the caller's thread's. */
static inline bool wait_due(uint64_t *next, int32_t every_usec)
{
	uint64_t now;

	if (!every_usec)
		return true;
	now = clock_ns();
	if (now < *next)
		return false;
	*next = now + (uint64_t)every_usec * NSEC_PER_USEC;
	return true;
}

/* Absolute deadline of a relative time-out: 0 for ever; past or zero: 1. */
uint64_t wait_deadline(const struct timespec *timeout, uint64_t now);

/**
 * wait_sleep - sleep on up to a few stacks and kernel descriptors
 * @sts/@n_st: stacks that stack_sleep_prepare() was called for
 * @kfds/@n_k: kernel descriptors to watch as well; revents are filled
 * Returns > 0 when something may have happened (kernel descriptors ready:
 * their number + 1; 2 for the one of stack_sleep_prepare()), 0 timed out, -EINTR.
 */
int wait_sleep(struct stack *const *sts, const int *st_fds, int n_st, struct pollfd *kfds, unsigned n_k,
	       uint64_t deadline);

/* A process out of descriptors cannot make the set that a sleep needs.  The kernel's own
 * calls need none: look again every millisecond.  wait_nap() returns as ppoll(). */
static inline bool wait_no_descriptor(int rc)
{
	return rc == -EMFILE || rc == -ENFILE || rc == -ENOMEM || rc == -ENOSPC;
}
int wait_nap(struct pollfd *kfds, unsigned n_k);

enum { WAIT_MAX_STACKS = 8 };

#endif
