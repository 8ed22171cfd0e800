// SPDX-License-Identifier: BSD-2-Clause
/*
 * signal.c - signal handlers of the program wait while a thread is in a stack
 *
 * A handler may call us again, for a stack whose lock its thread holds.  So
 * handlers are installed behind enter().  While the thread is in a stack it puts
 * the signal back into the kernel's queue, siginfo and all, and returns with
 * the signal blocked; leaving the stack unblocks it, and the kernel delivers it
 * again: masks, alternate stacks and order remain the kernel's work.
 *
 * enter() also counts handlers, for calls that sleep in the stack and must
 * return EINTR as signal(7) says.  Handlers of faults are left alone.
 */
#include "base/sys.h"
#include "preload/fdtab.h"
#include "preload/libc.h"
#include "stack/thread.h"

#include <string.h>
#include <ucontext.h>

#define N_SIGNALS 65
#define BIT(sig) (1ull << ((sig) - 1))

typedef void (*handler_fn)(int, siginfo_t *, void *);

/* The program's own handler.  Guarded by lock_actions(); read in handlers by seq. */
struct action {
	_Atomic uint32_t seq;	/* odd while it changes */
	handler_fn fn;
	int flags;
	sigset_t mask;
};
static struct action actions[N_SIGNALS];
static _Atomic uint32_t actions_lock;
static _Atomic bool on;
static uint64_t untouched = BIT(SIGSEGV) | BIT(SIGBUS) | BIT(SIGFPE) | BIT(SIGILL) | BIT(SIGABRT) |
			    BIT(SIGTRAP) | BIT(SIGSYS) | BIT(SIGKILL) | BIT(SIGSTOP) | BIT(32) | BIT(33);
static uint64_t at_once = BIT(SIGPROF);
static uint64_t interrupting;	/* siginterrupt(sig, 1) */

static uint64_t lock_actions(void)
{
	uint64_t all = ~0ull, old = 0;

	sys_sigprocmask(SIG_SETMASK, &all, &old);
	while (atomic_exchange_explicit(&actions_lock, 1, memory_order_acquire))
		sys0(SYS_sched_yield);
	return old;
}

static void unlock_actions(uint64_t old)
{
	atomic_store_explicit(&actions_lock, 0, memory_order_release);
	sys_sigprocmask(SIG_SETMASK, &old, NULL);
}

static void set_action(int sig, handler_fn fn, int flags, const sigset_t *mask)
{
	struct action *a = &actions[sig];

	atomic_fetch_add_explicit(&a->seq, 1, memory_order_relaxed);
	atomic_thread_fence(memory_order_release);
	a->fn = fn;
	a->flags = flags;
	a->mask = *mask;
	atomic_fetch_add_explicit(&a->seq, 1, memory_order_release);
}

static void get_action(int sig, handler_fn *fn, int *flags)
{
	struct action *a = &actions[sig];
	uint32_t seq;

	do {
		/* Pairs with the release in set_action(). */
		while ((seq = atomic_load_explicit(&a->seq, memory_order_acquire)) & 1)
			sys0(SYS_sched_yield);
		*fn = a->fn;
		*flags = a->flags;
		atomic_thread_fence(memory_order_acquire);
	} while (atomic_load_explicit(&a->seq, memory_order_relaxed) != seq);
}

/* ---- arrival -------------------------------------------------------------------- */

static __cold void defer(int sig, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;
	uint64_t bit = BIT(sig), mask;
	int pid = sys_getpid(), tid = sys_gettid();

	/* With SA_NODEFER it would come back right here. */
	sys_sigprocmask(SIG_BLOCK, &bit, NULL);
	if (sys4(SYS_rt_tgsigqueueinfo, pid, tid, sig, info) < 0)
		sys_tgkill(pid, tid, sig);
	preload_thread.deferred |= bit;
	stack_thread.sig_pending = 1;
	/* The kernel's mask is the first word of libc's. */
	memcpy(&mask, &uc->uc_sigmask, sizeof(mask));
	mask |= preload_thread.deferred;
	memcpy(&uc->uc_sigmask, &mask, sizeof(mask));
}

static void enter(int sig, siginfo_t *info, void *context)
{
	struct timespec *asleep;
	handler_fn fn;
	int flags;

	if (unlikely(stack_thread.in_stack) && !(at_once & BIT(sig))) {
		defer(sig, info, context);
		return;
	}
	get_action(sig, &fn, &flags);
	if (flags & SA_RESETHAND) {
		struct sigaction dfl = { .sa_handler = SIG_DFL };

		libc.sigaction(sig, &dfl, NULL);
	}
	stack_thread.sig_count++;
	if (!(flags & SA_RESTART))
		stack_thread.sig_norestart++;
	/* Not slept over when it came between the last look and the sleep.  Taken
	 * away as well: the handler may leave by longjmp(). */
	asleep = stack_thread.sleep_ts;
	if (asleep) {
		*asleep = (struct timespec){ 0, 0 };
		stack_thread.sleep_ts = NULL;
	} else if (stack_thread.sleep_bell) {
		static const uint64_t one = 1;

		(void)sys_write(stack_thread.sleep_bell - 1, &one, sizeof(one));
		stack_thread.sleep_bell = 0;
	}
	if (fn)
		fn(sig, info, context);
}

/* The thread has left its stack: let the kernel deliver what was put back. */
static void deliver(void)
{
	uint64_t mask = preload_thread.deferred;

	preload_thread.deferred = 0;
	stack_thread.sig_pending = 0;
	sys_sigprocmask(SIG_UNBLOCK, &mask, NULL);
}

void signal_sigpipe(void)
{
	sys_tgkill(sys_getpid(), sys_gettid(), SIGPIPE);
}

/* ---- installation ----------------------------------------------------------------- */

static bool is_handler(const struct sigaction *a)
{
	return a->sa_handler != SIG_DFL && a->sa_handler != SIG_IGN;
}

static struct sigaction wrapped(const struct sigaction *a)
{
	struct sigaction w = *a;

	/* enter() resets: the kernel would do so on an arrival that is put back. */
	w.sa_sigaction = enter;
	w.sa_flags = (a->sa_flags & ~SA_RESETHAND) | SA_SIGINFO;
	return w;
}

static void read_list(const char *list)
{
	for (const char *p = list; *p; p++) {
		unsigned sig = 0;

		while (*p >= '0' && *p <= '9' && sig < N_SIGNALS)
			sig = sig * 10 + (unsigned)(*p++ - '0');
		if (sig > 0 && sig < N_SIGNALS)
			at_once |= BIT(sig);
		if (!*p)
			break;
	}
}

void signal_start(void)
{
	uint64_t old;

	if (atomic_load_explicit(&on, memory_order_relaxed))
		return;
	stack_thread_signals = deliver;
	read_list(sock_opts()->signals_nopostpone);
	old = lock_actions();
	for (int sig = 1; sig < N_SIGNALS; sig++) {
		struct sigaction a, w;

		if ((untouched & BIT(sig)) || libc.sigaction(sig, NULL, &a) < 0 || !is_handler(&a))
			continue;
		set_action(sig, a.sa_sigaction, a.sa_flags, &a.sa_mask);
		w = wrapped(&a);
		libc.sigaction(sig, &w, NULL);
	}
	atomic_store_explicit(&on, true, memory_order_release);
	unlock_actions(old);
}

EXPORT int sigaction(int sig, const struct sigaction *act, struct sigaction *old)
{
	struct action before;
	struct sigaction w, was;
	uint64_t mask;
	bool wrap, foreign;
	int rc;

	if (!atomic_load_explicit(&on, memory_order_acquire) || sig <= 0 || sig >= N_SIGNALS ||
	    (untouched & BIT(sig)))
		return libc.sigaction(sig, act, old);

	foreign = fork_shares_memory();
	mask = lock_actions();
	before = actions[sig];
	wrap = act && is_handler(act) && !foreign;
	if (wrap) {
		w = wrapped(act);
		set_action(sig, act->sa_sigaction, act->sa_flags, &act->sa_mask);
	}
	rc = libc.sigaction(sig, wrap ? &w : act, &was);
	if (rc < 0 && wrap)
		set_action(sig, before.fn, before.flags, &before.mask);
	unlock_actions(mask);
	if (rc < 0 || !old)
		return rc;
	if (was.sa_sigaction == enter) {
		was.sa_sigaction = before.fn;
		was.sa_flags = before.flags | (was.sa_flags & 0x04000000 /* SA_RESTORER */);
		was.sa_mask = before.mask;
	}
	*old = was;
	return rc;
}
EXPORT int __sigaction(int, const struct sigaction *, struct sigaction *) __attribute__((alias("sigaction")));

static sighandler_t install(int sig, sighandler_t handler, int flags, bool mask_self)
{
	struct sigaction a = { .sa_handler = handler, .sa_flags = flags }, old;

	if (handler == SIG_ERR || sig <= 0 || sig >= N_SIGNALS) {
		errno = EINVAL;
		return SIG_ERR;
	}
	sigemptyset(&a.sa_mask);
	if (mask_self)
		sigaddset(&a.sa_mask, sig);
	return sigaction(sig, &a, &old) < 0 ? SIG_ERR : old.sa_handler;
}

EXPORT sighandler_t signal(int sig, sighandler_t handler)
{
	bool no_restart = sig > 0 && sig < N_SIGNALS && (interrupting & BIT(sig));

	return install(sig, handler, no_restart ? 0 : SA_RESTART, true);
}
EXPORT sighandler_t bsd_signal(int, sighandler_t) __attribute__((alias("signal")));
EXPORT sighandler_t ssignal(int, sighandler_t) __attribute__((alias("signal")));

EXPORT sighandler_t sysv_signal(int sig, sighandler_t handler)
{
	return install(sig, handler, SA_RESETHAND | SA_NODEFER, false);
}
EXPORT sighandler_t __sysv_signal(int, sighandler_t) __attribute__((alias("sysv_signal")));

EXPORT int siginterrupt(int sig, int flag)
{
	struct sigaction a;

	if (sigaction(sig, NULL, &a) < 0)
		return -1;
	if (flag) {
		__atomic_fetch_or(&interrupting, BIT(sig), __ATOMIC_RELAXED);
		a.sa_flags &= ~SA_RESTART;
	} else {
		__atomic_fetch_and(&interrupting, ~BIT(sig), __ATOMIC_RELAXED);
		a.sa_flags |= SA_RESTART;
	}
	return sigaction(sig, &a, NULL);
}

/* The System V pair of handler and mask: SIG_HOLD blocks, anything else unblocks. */
EXPORT sighandler_t sigset(int sig, sighandler_t handler)
{
	struct sigaction now;
	sigset_t set, old;
	sighandler_t before;

	if (handler == SIG_ERR || sig <= 0 || sig >= N_SIGNALS) {
		errno = EINVAL;
		return SIG_ERR;
	}
	sigemptyset(&set);
	sigaddset(&set, sig);
	if (handler == SIG_HOLD) {
		if (sigaction(sig, NULL, &now) < 0 || sigprocmask(SIG_BLOCK, &set, &old) < 0)
			return SIG_ERR;
		before = now.sa_handler;
	} else {
		before = install(sig, handler, 0, false);
		if (before == SIG_ERR || sigprocmask(SIG_UNBLOCK, &set, &old) < 0)
			return SIG_ERR;
	}
	return sigismember(&old, sig) ? SIG_HOLD : before;
}
