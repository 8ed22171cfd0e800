/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * stack.h - one stack: the shared arena, its lock, its poll loop, its sleepers
 *
 * The only place that sees the whole path of a packet.  Knows nothing of BSD
 * sockets: sock/ (or zf/) owns the "upper" part of the arena and is told of
 * readiness by the list net_shm.ready.
 *
 * Lock order: process-local mutexes before the stack lock; never call the
 * daemon (cp_call) with the stack lock held.
 */
#ifndef POSTERN_STACK_STACK_H
#define POSTERN_STACK_STACK_H

#include <stdatomic.h>

#include "base/opt.h"
#include "cp/cp_client.h"
#include "stack/stack_shm.h"
#include "stack/thread.h"

#define STACK_LOCK_WAITERS 0x80000000u

struct stack {
	struct net net;
	struct stack_shm *shm;
	uint32_t id;
	uint32_t vi_gen;		/* of shm->vi_gen that this process has mapped */
	uint32_t proc_slot;
	uint32_t pid;
	struct vi vis[NET_MAX_VIS];
	int doorbell[STACK_N_DOORBELLS];
	int arena_fd;
	size_t size;
	struct cp cp;			/* control-plane tables */
	struct cp_client *client;	/* NULL in the keeper */
	void *upper;			/* shm + upper_off */
	uint32_t evs_per_poll;
	uint32_t rx_size, tx_size;		/* EF_RXQ_SIZE, EF_TXQ_SIZE; 0 default */
	bool no_zc;			/* EF_AF_XDP_ZEROCOPY=0 */
	bool resumed;			/* the process had its slot as another program, before exec */
	bool ctl_look;			/* stack_ctl_look() is due; set under the lock */
	uint64_t ctl_next_ns;		/* when it is due again */
	uint64_t ctl_lost_ns;		/* since when posternd is away; 0 it is there */
	_Atomic bool retired;		/* stack_retire() has been here */
};

struct stack_attr {
	const char *name;		/* "" default */
	const struct opts *opts;
	struct cp_client *client;
	size_t (*upper_size)(uint32_t n_eps);
	void (*upper_init)(void *upper, uint32_t n_eps, void *arena_base);
};

/* stack_open - create or join the stack of this user and name.  0 or -errno
 * with one line in @why.  stack_attach_id: an existing one, by the daemon's id. */
int stack_open(struct stack **out, const struct stack_attr *attr, char why[96]);
int stack_attach_id(struct stack **out, const struct stack_attr *attr, uint32_t id, char why[96]);
/* From descriptors that the caller has (keeper, tools).  Tools pass writable = false. */
int stack_attach_fds(struct stack **out, int arena_fd, const int *doorbells, int n_doorbells, int cp_fd, bool writable);
void stack_close(struct stack *st);

/* A process died inside: nothing in the arena can be relied on, and it serves
 * nobody any more.  Whoever notices calls stack_retire(): it gives up this process'
 * part of the AF_XDP sockets, so that a successor can have the queues.  Any
 * thread, lock or not; again without effect. */
static inline bool stack_dead(const struct stack *st)
{
	return unlikely(atomic_load_explicit(&st->shm->state, memory_order_relaxed) == STACK_DEAD);
}
void stack_retire(struct stack *st);

/* stack_add_if - make sure that @ifindex has VIs in this stack and that this
 * process has them mapped.  Outside the lock.  0 or -errno, one line in @why. */
int stack_add_if(struct stack *st, uint32_t ifindex, char why[96]);
/* Map VIs that other processes added (vi_gen moved). Outside the lock. */
int stack_sync_vis(struct stack *st);
/* Keeper: take the AF_XDP sockets of an interface as the daemon sends them; the
 * descriptors are the stack's afterwards.  -EAGAIN: no process has entered the
 * interface into the arena yet. */
int stack_map_if(struct stack *st, uint32_t ifindex, const int *xsk_fds, uint32_t n);

/* Register this process (after open, and in the child after fork with the slot
 * that the parent reserved).  -EMFILE: more than STACK_MAX_PROCS. */
int stack_proc_reserve(struct stack *st, uint32_t *slot);	/* under the lock */
int stack_proc_add(struct stack *st, uint32_t slot);
/* After exec: the slot that this process had as another program.  Its announced sleeps
 * are void; what its sockets are is for the layer above (stack.resumed). */
uint32_t stack_proc_ident(void);	/* not under the lock; 0: not known */
bool stack_proc_resume(struct stack *st, uint32_t ident, uint32_t *slot);	/* under the lock */
/* In a fork()'s child: forget what belongs to the parent's threads. */
void stack_after_fork_child(struct stack *st, uint32_t slot);

/* ---- lock (stack_lock.c) ------------------------------------------------- */

void stack_lock_slow(struct stack *st, uint32_t tid);
void stack_unlock_slow(struct stack *st);

static inline bool stack_trylock(struct stack *st)
{
	uint32_t zero = 0;

	stack_thread.in_stack++;
	/* Acquire: pairs with the release in stack_unlock(). */
	if (likely(atomic_compare_exchange_strong_explicit(&st->shm->lock, &zero, stack_thread_tid(),
							   memory_order_acquire, memory_order_relaxed)))
		return true;
	stack_thread.in_stack--;
	if (unlikely(stack_thread.sig_pending && !stack_thread.in_stack))
		stack_thread_signals();
	return false;
}

static inline void stack_lock(struct stack *st)
{
	uint32_t zero = 0, tid = stack_thread_tid();

	stack_thread.in_stack++;
	if (unlikely(!atomic_compare_exchange_strong_explicit(&st->shm->lock, &zero, tid,
							      memory_order_acquire, memory_order_relaxed)))
		stack_lock_slow(st, tid);
}

/* Release the lock, then ring the doorbells of VIs that frames were posted to. */
void stack_kick(struct stack *st, uint64_t mask);
static inline void stack_unlock(struct stack *st)
{
	uint64_t mask = st->net.shm->tx_mask;
	uint32_t tid = stack_thread.tid;

	st->net.shm->tx_mask = 0;
	if (unlikely(!atomic_compare_exchange_strong_explicit(&st->shm->lock, &tid, 0,
							      memory_order_release, memory_order_relaxed)))
		stack_unlock_slow(st);
	if (mask)
		stack_kick(st, mask);
	stack_thread.in_stack--;
	if (unlikely(stack_thread.sig_pending && !stack_thread.in_stack))
		stack_thread_signals();
}

static inline void assert_stack_locked(const struct stack *st)
{
#ifndef NDEBUG
	if ((st->shm->lock & ~STACK_LOCK_WAITERS) != stack_thread.tid)
		__builtin_trap();
#else
	(void)st;
#endif
}

/* ---- poll loop (stack_poll.c) -------------------------------------------- */

/* stack_poll - one pass: frames in, protocol, timers, completions, refill.
 * Lock held.  Returns the number of frames and timers worked off.  Readiness is
 * left on net_shm.ready for the caller. */
int stack_poll(struct stack *st);

/* stack_fill_vi - first fill of a new VI's fill ring.  Lock held. */
void stack_fill_vi(struct stack *st, uint32_t i);

/* stack_work - is there anything for stack_poll()?  Without the lock: rings of
 * this process' VIs and the next timer. For spinning. */
bool stack_work(struct stack *st, uint64_t now_ns);

/* Before a wait, without the lock: send the ACKs that were kept for what the user does next. */
void stack_flush_acks_slow(struct stack *st);
static inline void stack_flush_acks(struct stack *st)
{
	if (unlikely(st->net.shm->soft_n))
		stack_flush_acks_slow(st);
}

/* After the lock was dropped: ask the daemon for next hops that packets wait for. */
static inline bool stack_wants_resolve(const struct stack *st)
{
	return unlikely(st->net.shm->defer_n | st->net.shm->unres_n | st->ctl_look);
}
void stack_resolve(struct stack *st);

/* Are posternd and the keeper there (stack_ctl.c)?  Called by stack_resolve(). */
extern bool stack_ctl_heard;		/* the leader of some stack heard posternd's end: look soon */
void stack_ctl_look(struct stack *st);
/* The filter is gone: connections end with ECONNABORTED.  Lock held. */
void stack_abort_conns(struct stack *st);

/* ---- sleeping and waking (stack_wait.c), design 3.6 ----------------------- */

struct stack_wait;			/* of one thread, one stack; made at first sleep */

/* This thread's doorbell bit: after stack_sleep_prepare(), put it into what you wait for. */
uint32_t stack_wait_bit(struct stack *st);

/**
 * stack_sleep_prepare - announce that this thread is about to sleep
 * @kfd:    a kernel descriptor that shall end the sleep when it is readable (it
 *          is then told by an event with STACK_SLEEP_KERNEL), or -1
 * @cookie: names what @kfd refers to, since numbers are used again
 * Then put stack_wait_bit() where you wait, poll the stack and look once more; then wait on the returned descriptor
 * (an epoll set: readable = look again), alone or in a poll() with more kernel
 * descriptors; then stack_sleep_done().  Negative: -errno.
 */
#define STACK_SLEEP_KERNEL 1	/* epoll_data of @kfd */
#define STACK_SLEEP_CTL    2	/* posternd has gone: set stack_ctl_heard; 0 for everything else */
int stack_sleep_prepare(struct stack *st, int kfd, uint64_t cookie);
void stack_sleep_done(struct stack *st);
/* The sleep was told of a kernel descriptor: the one that it asked for?  Else one of an earlier sleep, watched no longer. */
bool stack_sleep_kernel(struct stack *st);
/* Cap of a sleep in ns from now, -1 none: by the protocol's next timer (the leader's), or 0 when
 * this thread's own last look rang its doorbell. */
int64_t stack_sleep_cap(struct stack *st, uint64_t now_ns);
/* The doorbell that ends this thread's sleep, for a signal handler; -1 none. */
int stack_sleep_bell(struct stack *st);

/* Does anybody sleep at one of these doorbells? */
static inline bool stack_sleeping(const struct stack *st, uint32_t mask)
{
	for (; mask; mask &= mask - 1)
		if (atomic_load(&st->shm->sleepers[__builtin_ctz(mask)]))
			return true;
	return false;
}

/* A process died (or became another program): its announced sleeps are void. */
void stack_forget_sleepers(struct stack *st, uint32_t slot);

/* stack_ring - wake the sleepers of these doorbells (no-op where none sleeps). Any thread, lock or not. */
void stack_ring(struct stack *st, uint32_t mask);

/* ---- leases of TCP ports (stack_lease.c) ---------------------------------- */

/* A leased port of @laddr whose tuple with @raddr:@rport is free, asking the
 * daemon for more when needed.  Outside the lock; takes it inside.  0, -EADDRNOTAVAIL, -errno. */
int stack_port_get(struct stack *st, const struct ipaddr *laddr, const struct ipaddr *raddr, be16_t rport, be16_t *out);

#endif
