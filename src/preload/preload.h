/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * preload.h - what the files of libonload.so share
 *
 * This folder is the only one that sets the application's errno, here in ret().
 */
#ifndef POSTERN_PRELOAD_PRELOAD_H
#define POSTERN_PRELOAD_PRELOAD_H

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/types.h>

#include "base/types.h"

/* A name that programs see; exports.map has the same list. */
#define EXPORT __attribute__((visibility("default")))

/* ret - from -errno to libc's convention */
static inline ssize_t ret(ssize_t rc)
{
	if (likely(rc >= 0))
		return rc;
	errno = (int)-rc;
	return -1;
}

struct preload_thread {
	uint32_t resolver;	/* > 0: inside the name resolver, sockets stay the kernel's */
	bool forking;		/* inside our fork() */
	uint64_t deferred;	/* signals that wait for the stack to be left, bit (signal - 1) */
};
extern __thread struct preload_thread preload_thread __attribute__((tls_model("initial-exec")));

/* init.c */

/* Options read, sock/ ready: before the first object of sock/ is made. */
void preload_start(void);
bool preload_started(void);

/* fork.c */

/* True in the child of vfork() or another process that runs in our memory: it
 * may change the kernel's descriptors, but not our tables. */
bool fork_shares_memory_slow(void);
extern __thread uint32_t fork_in_vfork __attribute__((tls_model("initial-exec")));	/* vfork.c */
/* 1; reads as 0 in an address space that was copied. NULL: always ask. */
extern _Atomic uint32_t *fork_same_memory;
/* Somebody runs, or has run, in our memory who is no thread and no child of vfork(): always ask. */
extern _Atomic bool fork_foreign_seen;
/* Called for each socket() and close(): no system call. */
static inline bool fork_shares_memory(void)
{
	_Atomic uint32_t *same = fork_same_memory;

	if (likely(PRELOAD_VFORK && same && atomic_load_explicit(same, memory_order_relaxed) && !fork_in_vfork &&
		   !atomic_load_explicit(&fork_foreign_seen, memory_order_relaxed)))
		return false;
	return fork_shares_memory_slow();
}
void fork_init(void);

/* exec.c */
void exec_init(char **env);

/* calls_aio.c */

/* io_submit(2): what it did, or -errno. */
long aio_submit(unsigned long ctx, long n, void *iocbs);
/* True, and recorded: no ring for this process. */
bool uring_refused(void);

/* signal.c */

/* From the first socket on, handlers are wrapped, also those already installed. */
void signal_start(void);
/* raise SIGPIPE in this thread, as the kernel does when a stream cannot be written */
void signal_sigpipe(void);

#endif
