// SPDX-License-Identifier: BSD-2-Clause
/*
 * epoll_wait.c - waiting on an epoll set
 *
 * Takes what is ready from the set's list in each stack, then from nested sets, and asks
 * the kernel for its members; spins and sleeps as wait.c does.  Who sleeps in the
 * kernel's own epoll_wait(), while the set has no member of ours, is counted, so that the first
 * such member can call him back (epoll.c).
 */
#include <errno.h>
#include <pthread.h>

#include "sock/epoll_int.h"

void epoll_set_wait_bits(struct sock_epoll *e)
{
	struct stack *st;

	for (int k = 0; (st = epoll_stack(e, k)); k++)
		atomic_fetch_or(&upper_set(st, e->share[k].set)->wait_mask, stack_wait_bit(st));
}

/* Take what is ready from one stack's list.  Lock held.  Level-triggered members
 * go to the tail, so that all get their turn when @max is small. */
static int collect(struct stack *st, uint32_t set_id, struct epoll_event *ev, int max)
{
	struct epset_shm *set = upper_set(st, set_id);
	void *base = st->net.base;
	struct shm_link *l, *last = NULL;
	int n = 0;

	while (n < max && (l = shm_list_first(base, &set->ready)) && l != last) {
		struct epitem_shm *it = container_of(l, struct epitem_shm, ready);
		uint32_t events = epoll_level(st, it);

		shm_list_del(base, l);
		if (!events || !(it->events & ~(uint32_t)EPOLL_PRIVATE))
			continue;
		ev[n].events = events;
		ev[n++].data.u64 = it->data;
		if (it->events & EPOLLONESHOT) {
			it->events &= EPOLL_PRIVATE;	/* disarmed until EPOLL_CTL_MOD */
		} else if (!(it->events & EPOLLET)) {
			shm_list_add_tail(base, &set->ready, l);
			last = last ? last : l;
		}
	}
	return n;
}

static bool share_ready(struct sock_epoll *e, int k)
{
	struct stack *st = e->share[k].st;

	return !shm_list_empty(st->net.base, &upper_set(st, e->share[k].set)->ready);
}

/* One pass over all stacks; @force also where nothing seems to have come. */
static int look(struct sock_epoll *e, struct epoll_event *ev, int max, uint64_t now, bool force)
{
	struct stack *st;
	int n = 0;

	for (int k = 0; n < max && (st = epoll_stack(e, k)); k++) {
		if (!force && !share_ready(e, k) && !stack_work(st, now))
			continue;
		stack_lock(st);
		stack_poll(st);
		if (unlikely(!shm_list_empty(st->net.base, &st->net.shm->ready))) {
			uint32_t ring = ready_flush(st);

			n += collect(st, e->share[k].set, ev + n, max - n);
			stack_unlock(st);
			stack_ring(st, ring);
		} else {
			n += collect(st, e->share[k].set, ev + n, max - n);
			stack_unlock(st);
		}
		if (stack_wants_resolve(st))
			stack_resolve(st);
	}
	return n;
}

/* Nested sets of ours whose accelerated members are ready: the kernel cannot know. */
static int look_inner(struct sock_epoll *e, struct epoll_event *ev, int max)
{
	int n = 0;

	if (likely(!atomic_load_explicit(&e->n_inner, memory_order_relaxed)))
		return 0;
	pthread_mutex_lock(&e->lock);
	for (uint32_t i = 0; i < e->size && n < max; i++)
		if (e->m[i].kind == MEMBER_KERNEL && e->m[i].inner && e->m[i].ev.events & EPOLLIN &&
		    sock_epoll_ready(e->m[i].inner)) {
			ev[n].events = EPOLLIN;
			ev[n++].data = e->m[i].ev.data;
		}
	pthread_mutex_unlock(&e->lock);
	return n;
}

/* kick()'s event is nobody's. */
static int drop_kick(const struct sock_epoll *e, struct epoll_event *ev, int n)
{
	int left = 0;

	for (int i = 0; i < n; i++)
		if (ev[i].data.u64 != (uintptr_t)e)
			ev[left++] = ev[i];
	return left;
}

static int look_kernel(struct sock_epoll *e, int epfd, struct epoll_event *ev, int max)
{
	struct timespec zero = { 0, 0 };
	int rc;

	if (!max || !atomic_load_explicit(&e->n_kernel, memory_order_relaxed))
		return 0;
	rc = sys_epoll_pwait2(epfd, ev, max, &zero, NULL);
	return rc < 0 ? (rc == -EINTR ? 0 : rc) : drop_kick(e, ev, rc);
}

/* The kernel's and the nested sets' members behind n of our own. */
static int look_rest(struct sock_epoll *e, int epfd, struct epoll_event *ev, int n, int max)
{
	int rc = look_kernel(e, epfd, ev + n, max - n);

	if (rc < 0)
		return n ? n : rc;
	n += rc;
	return n + look_inner(e, ev + n, max - n);
}

enum { CLOCK_EVERY = 8 };

static int spin(struct sock_epoll *e, int epfd, struct epoll_event *ev, int max, uint64_t deadline, uint64_t spin_ns,
		const uint32_t *sig)
{
	uint64_t start = clock_ns(), now = start, every = (uint64_t)sock_opts()->poll_fast_usec * NSEC_PER_USEC;
	uint64_t kernel_next = start + every;
	int n;

	for (uint32_t turn = 1;; turn++) {
		n = look(e, ev, max, now, false);
		if (n)
			return n;
		if (unlikely(*sig != stack_thread.sig_count))
			return -EINTR;
		__builtin_ia32_pause();
		if (turn % CLOCK_EVERY)
			continue;
		now = clock_ns();
		if (now >= kernel_next) {
			n = look_rest(e, epfd, ev, 0, max);
			if (n)
				return n;
			kernel_next = now + every;
		}
		if (deadline && now >= deadline)
			return 0;
		if (now - start >= spin_ns)
			return -EAGAIN;
	}
}

static void inner_wait_bits(struct sock_epoll *e)
{
	if (likely(!atomic_load_explicit(&e->n_inner, memory_order_relaxed)))
		return;
	pthread_mutex_lock(&e->lock);
	for (uint32_t i = 0; i < e->size; i++)
		if (e->m[i].kind == MEMBER_KERNEL && e->m[i].inner)
			epoll_set_wait_bits(e->m[i].inner);
	pthread_mutex_unlock(&e->lock);
}

/* Stacks to sleep on: ours, and those of nested sets. */
static int stacks_of(struct sock_epoll *e, struct stack *sts[WAIT_MAX_STACKS])
{
	struct stack *st;
	int n = 0;

	for (; (st = epoll_stack(e, n)); n++)
		sts[n] = st;
	if (likely(!atomic_load_explicit(&e->n_inner, memory_order_relaxed)))
		return n;
	pthread_mutex_lock(&e->lock);
	for (uint32_t i = 0; i < e->size; i++) {
		if (e->m[i].kind != MEMBER_KERNEL || !e->m[i].inner)
			continue;
		for (int k = 0; n < WAIT_MAX_STACKS && (st = epoll_stack(e->m[i].inner, k)); k++) {
			bool have = false;

			for (int j = 0; j < n; j++)
				have |= sts[j] == st;
			if (!have)
				sts[n++] = st;
		}
	}
	pthread_mutex_unlock(&e->lock);
	return n;
}

/* *kernel: the kernel's set became readable. */
static int sleep_once(struct sock_epoll *e, int epfd, struct epoll_event *ev, int max, uint64_t deadline,
		      const uint32_t *sig, bool *kernel)
{
	struct stack *sts[WAIT_MAX_STACKS];
	struct pollfd k[1 + WAIT_MAX_STACKS] = { { .fd = epfd, .events = POLLIN } };
	int fds[WAIT_MAX_STACKS], n = 0, n_st = stacks_of(e, sts), rc = 0;
	bool kernel_too = atomic_load(&e->n_kernel) != 0;
	bool one = kernel_too && n_st == 1;	/* the thread's own set watches the kernel's */

	for (; n < n_st; n++) {
		fds[n] = stack_sleep_prepare(sts[n], one ? epfd : -1, one ? e->cookie : 0);
		if (fds[n] < 0) {
			rc = fds[n];
			break;
		}
	}
	if (rc == 0) {
		epoll_set_wait_bits(e);
		inner_wait_bits(e);
		rc = look(e, ev, max, 0, true);
	}
	if (rc == 0)
		rc = look_inner(e, ev, max);
	if (rc == 0 && *sig != stack_thread.sig_count)
		rc = -EINTR;
	for (int i = 0; rc == 0 && i < n_st; i++)
		stack_flush_acks(sts[i]);
	if (rc == 0) {
		rc = wait_sleep(sts, fds, n_st, k, kernel_too && !one ? 1 : 0, deadline);
		*kernel = rc > 1;
		if (rc > 0)
			rc = -EAGAIN;
	} else if (unlikely(wait_no_descriptor(rc))) {
		rc = wait_nap(k, 1);
		*kernel = rc > 0;
		if (rc >= 0)
			rc = -EAGAIN;
	}
	while (n-- > 0)
		stack_sleep_done(sts[n]);
	return rc;
}

/* Where the kernel need not be asked each time, it is asked at intervals: its
 * members must not starve behind accelerated ones that are always ready. */
static bool kernel_due(int32_t every_usec)
{
	static __thread uint64_t next __attribute__((tls_model("initial-exec")));

	return wait_due(&next, every_usec);
}

/* The first look of a wait: is the kernel to be asked, @n of ours being ready? */
static bool ask_first(int n, bool may_sleep)
{
	const struct opts *o = sock_opts();

	if (n)
		return !o->poll_fast || kernel_due(o->poll_fast_usec);
	/* A sleep begins with the kernel's own look. */
	if (may_sleep)
		return false;
	/* With time-out 0: each time, unless the user wants to spin. */
	return !o->spin_usec || kernel_due(o->poll_nonblock_fast_usec);
}

static int wait_block(struct sock_epoll *e, int epfd, struct epoll_event *ev, int max, const struct timespec *timeout,
		      uint32_t sig)
{
	uint64_t deadline = wait_deadline(timeout, clock_ns()), spin_ns;
	bool kernel = false;
	int rc;

	spin_ns = deadline != 1 ? wait_spin_ns(SPIN_EPOLL) : 0;
	rc = look(e, ev, max, 0, true);
	if (rc < max && ask_first(rc, deadline != 1 && !spin_ns))
		rc = look_rest(e, epfd, ev, rc, max);
	else if (rc < max)
		rc += look_inner(e, ev + rc, max - rc);
	if (rc == 0 && sig != stack_thread.sig_count)
		return -EINTR;
	if (rc || deadline == 1)
		return rc;
	for (int k = 0; spin_ns && epoll_stack(e, k); k++)
		stack_flush_acks(epoll_stack(e, k));
	rc = spin_ns ? spin(e, epfd, ev, max, deadline, spin_ns, &sig) : -EAGAIN;
	while (rc == -EAGAIN) {
		rc = sleep_once(e, epfd, ev, max, deadline, &sig, &kernel);
		if (rc == 0 || rc == -EAGAIN) {
			bool timed_out = rc == 0;

			rc = look(e, ev, max, 0, true);
			if (rc < max && (kernel || timed_out))
				rc = look_rest(e, epfd, ev, rc, max);
			else if (rc < max)
				rc += look_inner(e, ev + rc, max - rc);
			if (rc == 0 && sig != stack_thread.sig_count)
				rc = -EINTR;
			if (rc == 0 && !timed_out && !(deadline && clock_ns() >= deadline))
				rc = -EAGAIN;
		}
	}
	return rc;
}

int sock_epoll_wait(struct sock_epoll *e, int epfd, struct epoll_event *ev, int max,
		    const struct timespec *timeout, const sigset_t *sigmask)
{
	struct wait_mask mask;
	struct stack *st;
	int rc;

	if (atomic_load_explicit(&e->n_shares, memory_order_acquire) == 0 &&
	    !atomic_load_explicit(&e->n_inner, memory_order_relaxed))
		return SOCK_PASS;
	if (max <= 0)
		return -EINVAL;
	for (int k = 0; (st = epoll_stack(e, k)); k++)
		stack_sync_vis(st);
	wait_mask_enter(&mask, sigmask);
	rc = wait_block(e, epfd, ev, max, timeout, mask.sig);
	wait_mask_leave(&mask);
	return rc;
}

bool sock_epoll_enter_kernel(struct sock_epoll *e)
{
	atomic_fetch_add(&e->in_kernel, 1);
	if (likely(!atomic_load(&e->n_shares) && !atomic_load(&e->n_inner)))
		return true;
	atomic_fetch_sub(&e->in_kernel, 1);
	return false;
}

int sock_epoll_leave_kernel(struct sock_epoll *e, struct epoll_event *ev, int n)
{
	atomic_fetch_sub(&e->in_kernel, 1);
	if (likely(!atomic_load_explicit(&e->n_shares, memory_order_relaxed)) || n <= 0)
		return n;
	n = drop_kick(e, ev, n);
	return n ? n : SOCK_PASS;
}

bool sock_epoll_ready(struct sock_epoll *e)
{
	struct stack *st;

	for (int k = 0; (st = epoll_stack(e, k)); k++) {
		struct epset_shm *set = upper_set(st, e->share[k].set);
		struct shm_link *l;
		bool ready = false;

		stack_lock(st);
		while (!ready && (l = shm_list_first(st->net.base, &set->ready))) {
			struct epitem_shm *it = container_of(l, struct epitem_shm, ready);

			ready = epoll_level(st, it) != 0;
			if (!ready)
				shm_list_del(st->net.base, l);
		}
		stack_unlock(st);
		if (ready)
			return true;
	}
	return false;
}
