// SPDX-License-Identifier: BSD-2-Clause
/*
 * poll.c - poll() over accelerated sockets, epoll sets and kernel descriptors
 *
 * Accelerated entries are asked without a system call; the kernel is asked
 * about the others, and about the kernel's share of merged sockets.  While
 * spinning that happens every EF_POLL_FAST_USEC, and with EF_POLL_FAST not at all where
 * one of ours is ready.  A poll() with time-out 0 asks the kernel each time, unless
 * the user chose spinning: then EF_POLL_NONBLOCK_FAST_USEC rules.  EF_SELECT_ for select().
 */
#include <errno.h>
#include <stdlib.h>

#include "sock/epoll_int.h"
#include "sock/wait.h"

enum { SMALL_SET = 32, CLOCK_EVERY = 8, UNDECIDED_TURN_NS = 10000000 };

struct polling {
	struct pollfd *fds;
	const struct sock_pollee *who;
	nfds_t n;
	struct pollfd *k;		/* kernel's: entries below, then room for stacks */
	nfds_t *k_of;			/* index in fds of each */
	unsigned n_k;
	struct stack *sts[WAIT_MAX_STACKS];
	int n_st;
	bool select;			/* a select() made into this */
	bool merged;			/* some of k are shares of accelerated sockets */
	unsigned undecided;		/* UDP sockets that another thread may yet decide */
};

static bool ours(const struct sock_pollee *w)
{
	return w->s && w->s->mode == SOCK_ACCEL;
}

static int add_stack(struct polling *p, struct stack *st)
{
	for (int i = 0; i < p->n_st; i++)
		if (p->sts[i] == st)
			return 0;
	if (p->n_st == WAIT_MAX_STACKS)
		return -EMFILE;
	p->sts[p->n_st++] = st;
	return 0;
}

static void add_kernel(struct polling *p, nfds_t i, int fd, short events)
{
	p->k[p->n_k] = (struct pollfd){ .fd = fd, .events = events };
	p->k_of[p->n_k++] = i;
}

static bool undecided(const struct sock_pollee *w)
{
	return w->s && w->s->mode == SOCK_UNDECIDED && w->s->type == SOCK_DGRAM && wait_others();
}

static int sort_out(struct polling *p)
{
	p->n_k = 0;
	p->n_st = 0;
	p->merged = false;
	p->undecided = 0;
	for (nfds_t i = 0; i < p->n; i++) {
		short events;
		int rc = 0;

		p->fds[i].revents = 0;
		if (p->fds[i].fd < 0)
			continue;
		if (ours(&p->who[i])) {
			rc = add_stack(p, p->who[i].s->st);
			if (rc == 0 && sock_kernel_too(p->who[i].s, &events) && p->fds[i].events & events) {
				add_kernel(p, i, p->fds[i].fd, events);
				p->merged = true;
			}
		} else if (p->who[i].e) {
			struct stack *st;

			for (int k = 0; rc == 0 && (st = epoll_stack(p->who[i].e, k)); k++)
				rc = add_stack(p, st);
			add_kernel(p, i, p->fds[i].fd, p->fds[i].events);
		} else {
			p->undecided += undecided(&p->who[i]);
			add_kernel(p, i, p->fds[i].fd, p->fds[i].events);
		}
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* Ask the protocols; revents are set anew for ours. */
static int scan_ours(struct polling *p)
{
	int ready = 0;

	for (nfds_t i = 0; i < p->n; i++) {
		uint32_t ev;

		if (p->fds[i].fd < 0)
			continue;
		if (ours(&p->who[i])) {
			ev = sock_events(p->who[i].s);
			p->fds[i].revents = (short)(ev & ((uint32_t)(uint16_t)p->fds[i].events | POLLERR | POLLHUP | POLLNVAL));
		} else if (p->who[i].e && p->n_st) {
			p->fds[i].revents = sock_epoll_ready(p->who[i].e) ? (POLLIN | POLLRDNORM) & p->fds[i].events : 0;
		}
		ready += p->fds[i].revents != 0 && (ours(&p->who[i]) || p->who[i].e);
	}
	return ready;
}

/* Merge what the kernel said; returns the number of entries with revents. */
static int merge_kernel(struct polling *p)
{
	int ready = 0;

	for (unsigned i = 0; i < p->n_k; i++) {
		p->fds[p->k_of[i]].revents |= p->k[i].revents;
		/* A recv() that follows must look there. */
		if (p->k[i].revents && ours(&p->who[p->k_of[i]]))
			atomic_store_explicit(&p->who[p->k_of[i]].s->kernel_hint, 1, memory_order_relaxed);
	}
	for (nfds_t i = 0; i < p->n; i++)
		ready += p->fds[i].revents != 0;
	return ready;
}

static int ask_kernel(struct polling *p, int ready)
{
	struct timespec zero = { 0, 0 };
	int rc;

	if (!p->n_k)
		return ready;
	rc = sys_ppoll(p->k, p->n_k, &zero, NULL);
	if (rc < 0)
		return rc == -EINTR ? ready : rc;
	return merge_kernel(p);
}

static void set_wait_bits(struct polling *p)
{
	for (nfds_t i = 0; i < p->n; i++) {
		if (ours(&p->who[i]))
			atomic_fetch_or(&p->who[i].s->shm->wait_mask, stack_wait_bit(p->who[i].s->st));
		else if (p->who[i].e)
			epoll_set_wait_bits(p->who[i].e);
	}
}

static void poll_stacks(struct polling *p)
{
	for (int i = 0; i < p->n_st; i++)
		wait_poll(p->sts[i]);
}

/* A socket was decided since sort_out(). */
static bool decided(const struct polling *p)
{
	unsigned n = 0;

	if (likely(!p->undecided))
		return false;
	for (nfds_t i = 0; i < p->n; i++)
		n += p->fds[i].fd >= 0 && undecided(&p->who[i]);
	return n != p->undecided;
}

/* > 0 ready, 0 timed out, -EAGAIN spun long enough, -errno. */
static int spin(struct polling *p, uint64_t deadline, uint64_t spin_ns, const uint32_t *sig)
{
	const struct opts *o = sock_opts();
	uint64_t every = (uint64_t)(p->select ? o->select_fast_usec : o->poll_fast_usec) * NSEC_PER_USEC;
	bool fast = p->select ? o->select_fast : o->poll_fast;
	uint64_t start = clock_ns(), now = start, kernel_next = start;
	int rc;

	for (int i = 0; i < p->n_st; i++)
		stack_flush_acks(p->sts[i]);
	for (uint32_t turn = 1;; turn++) {
		rc = scan_ours(p);
		if (rc)
			return fast ? rc : ask_kernel(p, rc);
		if (unlikely(*sig != stack_thread.sig_count))
			return -EINTR;
		for (int i = 0; i < p->n_st; i++)
			wait_spin_once(p->sts[i], now);
		if (turn % CLOCK_EVERY)
			continue;
		now = clock_ns();
		if (p->n_k && now >= kernel_next) {
			rc = ask_kernel(p, 0);
			if (rc)
				return rc;
			kernel_next = now + every;
		}
		if (unlikely(decided(p)))
			return -ESTALE;
		if (deadline && now >= deadline)
			return 0;
		if (now - start >= spin_ns)
			return -EAGAIN;
	}
}

/* What another thread decides wakes nobody who sleeps on the kernel socket: in short turns. */
static int sleep_turns(struct polling *p, const int *fds, uint64_t deadline)
{
	uint64_t turn;
	int rc;

	if (likely(!p->undecided))
		return wait_sleep(p->sts, fds, p->n_st, p->k, p->n_k, deadline);
	turn = clock_ns() + UNDECIDED_TURN_NS;
	rc = wait_sleep(p->sts, fds, p->n_st, p->k, p->n_k, deadline && deadline < turn ? deadline : turn);
	return rc == 0 && (!deadline || clock_ns() < deadline) ? 1 : rc;
}

static int sleep_once(struct polling *p, uint64_t deadline, const uint32_t *sig)
{
	int fds[WAIT_MAX_STACKS], n = 0, rc = 0;

	for (; n < p->n_st; n++) {
		fds[n] = stack_sleep_prepare(p->sts[n], -1, 0);
		if (fds[n] < 0) {
			rc = fds[n];
			break;
		}
	}
	if (rc == 0) {
		set_wait_bits(p);
		poll_stacks(p);
		rc = scan_ours(p);
	}
	if (rc > 0) {
		rc = ask_kernel(p, rc);
	} else if (unlikely(wait_no_descriptor(rc))) {
		rc = wait_nap(p->k, p->n_k);
		if (rc > 0)
			rc = merge_kernel(p);
		else if (rc == 0 || rc == -EINTR)
			rc = -EAGAIN;
	} else if (rc == 0 && *sig != stack_thread.sig_count) {
		rc = -EINTR;
	} else if (rc == 0) {
		for (int i = 0; i < n; i++)
			stack_flush_acks(p->sts[i]);
		rc = sleep_turns(p, fds, deadline);
		if (rc > 1)
			rc = merge_kernel(p);
		else if (rc == 1)
			rc = -EAGAIN;
	}
	while (n-- > 0)
		stack_sleep_done(p->sts[n]);
	return rc;
}

/* With time-out 0 and spinning wanted, the kernel is asked now and then only. */
static bool kernel_due(const struct polling *p)
{
	static __thread uint64_t next_poll __attribute__((tls_model("initial-exec")));
	static __thread uint64_t next_select __attribute__((tls_model("initial-exec")));
	const struct opts *o = sock_opts();

	if (!o->spin_usec)
		return true;
	return p->select ? wait_due(&next_select, o->select_nonblock_fast_usec) :
			   wait_due(&next_poll, o->poll_nonblock_fast_usec);
}

static int poll_now(struct polling *p)
{
	int rc;

	for (int i = 0; i < p->n_st; i++) {
		stack_sync_vis(p->sts[i]);
		wait_poll(p->sts[i]);
	}
	rc = scan_ours(p);
	return p->n_k && kernel_due(p) ? ask_kernel(p, rc) : rc;
}

/* -ESTALE: sort_out() again. */
static int poll_block(struct polling *p, uint64_t deadline, uint64_t spin_ns, uint32_t sig)
{
	int rc = poll_now(p);

	if (rc == 0 && sig != stack_thread.sig_count)
		return -EINTR;
	if (rc || deadline == 1)
		return rc;
	rc = spin_ns ? spin(p, deadline, spin_ns, &sig) : -EAGAIN;
	while (rc == -EAGAIN) {
		rc = sleep_once(p, deadline, &sig);
		if (rc == -EAGAIN) {
			if (unlikely(decided(p)))
				return -ESTALE;
			poll_stacks(p);
			rc = scan_ours(p);
			if (rc > 0)
				return ask_kernel(p, rc);
			rc = sig != stack_thread.sig_count ? -EINTR : -EAGAIN;
			if (rc == -EAGAIN && deadline && clock_ns() >= deadline)
				rc = 0;
		}
	}
	if (rc == 0)
		rc = ask_kernel(p, 0);
	return rc;
}

int sock_poll(struct pollfd *fds, const struct sock_pollee *who, nfds_t n, const struct timespec *timeout,
	      const sigset_t *sigmask, enum sock_spin spin_kind)
{
	struct pollfd small[SMALL_SET + WAIT_MAX_STACKS];
	nfds_t small_of[SMALL_SET];
	struct polling p = { .fds = fds, .who = who, .n = n, .k = small, .k_of = small_of,
			     .select = spin_kind == SPIN_SELECT };
	uint64_t deadline = wait_deadline(timeout, clock_ns());
	struct wait_mask mask;
	void *big = NULL;
	int rc;

	if (n > SMALL_SET) {
		big = malloc((n + WAIT_MAX_STACKS) * sizeof(*p.k) + n * sizeof(*p.k_of));
		if (!big)
			return -ENOMEM;
		p.k = big;
		p.k_of = (nfds_t *)(p.k + n + WAIT_MAX_STACKS);
	}
	rc = sort_out(&p);
	if (rc == 0 && p.n_st == 0 && (!p.undecided || deadline == 1)) {
		rc = SOCK_PASS;
	} else if (rc == 0) {
		wait_mask_enter(&mask, sigmask);
		do
			rc = poll_block(&p, deadline, wait_spin_ns(spin_kind), mask.sig);
		while (rc == -ESTALE && (rc = sort_out(&p)) == 0);
		wait_mask_leave(&mask);
	}
	free(big);
	return rc;
}
