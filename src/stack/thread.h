/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * thread.h - what a thread carries through the library
 *
 * Small (it lives in the static TLS block, also when the library is dlopen()ed
 * late) and reached without a call (initial-exec).
 *
 * Signals: a handler that arrives while in_stack != 0 may not run, since it
 * could call back into a stack whose lock this thread holds.  preload/ installs
 * its own handler, which then only notes the signal (sig_pending) and leaves;
 * stack_unlock() calls stack_thread_signals when in_stack becomes 0.
 */
#ifndef POSTERN_STACK_THREAD_H
#define POSTERN_STACK_THREAD_H

#include <time.h>

#include "base/types.h"

struct stack_thread {
	uint32_t tid;			/* gettid(), 0: not asked yet; reset in a fork()'s child */
	uint32_t in_stack;		/* > 0: handlers are deferred */
	volatile uint32_t sig_pending;	/* a handler was deferred */
	volatile uint32_t sig_count;	/* handlers run so far in this thread: a waiting call compares */
	volatile uint32_t sig_norestart; /* of those, how many were installed without SA_RESTART */
	/* While asleep, so that a signal between the last look and the system call is
	 * not slept over: the time-out that the kernel is about to read, which a
	 * handler sets to zero, or for a sleep without one this thread's doorbell + 1,
	 * which it rings.  (A time-out that never comes would cost a timer.) */
	struct timespec *volatile sleep_ts;
	volatile int sleep_bell;
	uint32_t spin;			/* per-thread spin switches (onload_thread_set_spin), 0: the process' */
	void *wait;			/* struct stack_wait of stack_wait.c: this thread's epoll descriptors */
};

extern __thread struct stack_thread stack_thread __attribute__((tls_model("initial-exec")));
extern void (*stack_thread_signals)(void);	/* set once by preload/ */

uint32_t stack_thread_tid_slow(void);

static inline uint32_t stack_thread_tid(void)
{
	uint32_t tid = stack_thread.tid;

	return likely(tid) ? tid : stack_thread_tid_slow();
}

#endif
