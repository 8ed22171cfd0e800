// SPDX-License-Identifier: BSD-2-Clause
/*
 * fork.c - new processes that share or copy our memory
 *
 * fork() runs the handlers registered here: the parent holds the table's lock
 * and lets sock/ take the stacks' locks, so that the child's copy is whole.
 * The child of vfork() or of clone(CLONE_VM) runs in our memory with its own
 * descriptors: fork_shares_memory() knows it by a word of the thread (vfork.c), once a
 * clone(CLONE_VM) was seen by its process id, and a copy by a page that the kernel
 * clears in a copied address space.
 */
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <sys/mman.h>

#include "base/sys.h"
#include "preload/fdtab.h"
#include "preload/libc.h"

#if !PRELOAD_VFORK
__thread uint32_t fork_in_vfork __attribute__((tls_model("initial-exec")));
#endif
static int my_pid;
_Atomic uint32_t *fork_same_memory;
_Atomic bool fork_foreign_seen;
static bool registered;
static bool held;		/* the forking thread holds the locks */

__cold bool fork_shares_memory_slow(void)
{
	int pid = sys_getpid();

	if (likely(pid == my_pid))
		return false;
	if (my_pid && (!fork_same_memory || *fork_same_memory))
		return true;
	/* Copied by a plain system call, so that no handler of ours ran. */
	my_pid = pid;
	if (fork_same_memory)
		*fork_same_memory = 1;
	stack_thread.tid = 0;
	return false;
}

static void prepare(void)
{
	if (!preload_started())
		return;
	if (unlikely(sock_fork_is_full()))
		fdtab_identify();
	fdtab_settle();
	fdtab_lock();
	sock_epoll_fork_prepare();
	sock_fork_prepare();
	held = true;
}

/* @failed: there is no child after all. */
static void parent(bool failed)
{
	if (!held)
		return;
	held = false;
	if (failed)
		sock_fork_failed();
	else
		sock_fork_parent();
	sock_epoll_fork_parent();
	fdtab_unlock();
}

static void child(void)
{
	fork_in_vfork = 0;
	my_pid = sys_getpid();
	if (fork_same_memory)
		*fork_same_memory = 1;
	stack_thread.tid = 0;
	if (!held)
		return;
	held = false;
	sock_fork_child();
	sock_epoll_fork_child();
	fdtab_after_fork();
	if (!--stack_thread.in_stack && stack_thread.sig_pending)
		stack_thread_signals();
}

/* libc calls this after fork() also when that failed, without saying so.  Our
 * fork() knows better and does it itself; other roads (daemon(), forkpty()) lead here. */
static void parent_handler(void)
{
	if (!preload_thread.forking)
		parent(false);
}

void fork_init(void)
{
	long page;

	if (registered)
		return;
	registered = true;
	my_pid = sys_getpid();
	page = sys6_(SYS_mmap, NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (page > 0 && sys3(SYS_madvise, page, 4096, MADV_WIPEONFORK) == 0) {
		*(_Atomic uint32_t *)page = 1;
		fork_same_memory = (_Atomic uint32_t *)page;
	}
	pthread_atfork(prepare, parent_handler, child);
}

EXPORT pid_t fork(void)
{
	pid_t pid;
	int saved;

	preload_thread.forking = true;
	pid = libc.fork();
	preload_thread.forking = false;
	saved = errno;
	if (pid)
		parent(pid < 0);
	errno = saved;
	return pid;
}
pid_t __fork(void);
EXPORT pid_t __fork(void) __attribute__((alias("fork")));

/* fork() without handlers: ours must run all the same. */
EXPORT pid_t _Fork(void)
{
	pid_t pid;
	int saved;

	prepare();
	pid = libc._Fork();
	saved = errno;
	if (pid)
		parent(pid < 0);
	else
		child();
	errno = saved;
	return pid;
}

struct clone_start {
	int (*fn)(void *);
	void *arg;
};

static int clone_child(void *p)
{
	struct clone_start *start = p;

	child();
	return start->fn(start->arg);
}

EXPORT int clone(int (*fn)(void *), void *stack, int flags, void *arg, ...)
{
	struct clone_start start = { fn, arg };
	pid_t *ptid, *ctid;
	void *tls;
	va_list ap;
	int pid, saved;

	va_start(ap, arg);
	ptid = va_arg(ap, pid_t *);
	tls = va_arg(ap, void *);
	ctid = va_arg(ap, pid_t *);
	va_end(ap);
	if ((flags & CLONE_VM) && !(flags & CLONE_THREAD))
		fork_foreign_seen = true;
	if ((flags & CLONE_VM) || !fn || !preload_started())
		return libc.clone(fn, stack, flags, arg, ptid, tls, ctid);
	/* The child has a copy of this frame, also when it runs on another stack. */
	prepare();
	pid = libc.clone(clone_child, stack, flags, &start, ptid, tls, ctid);
	saved = errno;
	parent(pid < 0);
	errno = saved;
	return pid;
}
int __clone(int (*fn)(void *), void *stack, int flags, void *arg, ...);
EXPORT int __clone(int (*fn)(void *), void *stack, int flags, void *arg, ...) __attribute__((alias("clone")));
