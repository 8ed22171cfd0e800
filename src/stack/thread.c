// SPDX-License-Identifier: BSD-2-Clause
/*
 * thread.c - the thread's words; see thread.h
 */
#include "stack/thread.h"

#include "base/sys.h"

__thread struct stack_thread stack_thread __attribute__((tls_model("initial-exec")));

static void no_signals(void)
{
	stack_thread.sig_pending = 0;
}

void (*stack_thread_signals)(void) = no_signals;

__cold uint32_t stack_thread_tid_slow(void)
{
	stack_thread.tid = (uint32_t)sys_gettid();
	return stack_thread.tid;
}
