// SPDX-License-Identifier: BSD-2-Clause
/*
 * stack_wait.c - sleeping without lost wake-ups (design 3.6)
 *
 * A stack has a few doorbells: eventfds that are rung by write() and never
 * read.  Each sleeping thread watches one of them edge-triggered from an epoll
 * set of its own, so that any number of sleepers hear every ring.  One sleeper, the
 * leader, watches the AF_XDP sockets too and honours the protocol's next timer;
 * it hands the role on when it leaves.
 *
 * No wake-up is lost because of the order: the sleeper announces itself
 * (stack_sleep_prepare), puts its bit into the wait_mask of what it waits for,
 * polls and looks once more, and only then sleeps.  A waker makes ready and takes
 * the bits out under the lock, then rings where somebody is announced.  So whoever
 * takes a bit out is sure to ring its owner; were the bit put in before the
 * announcement, an event that is not the owner's could take it out unheard.
 */
#include <errno.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/mman.h>

#include "base/clock.h"
#include "base/sys.h"
#include "stack/stack.h"

#define LOST_TURN_NS (200 * NSEC_PER_MSEC)	/* between looks for posternd while it is away */

struct stack_wait {
	struct stack_wait *next;
	struct stack *st;
	int ep_leader;		/* doorbell + AF_XDP sockets */
	int ep_plain;		/* doorbell */
	uint32_t slot;		/* which doorbell */
	uint32_t n_vis;		/* in ep_leader */
	uint32_t ctl_gen;	/* which conversation with posternd is in ep_leader */
	uint32_t pid;		/* that made it */
	int kfd;		/* kernel descriptor watched as well, -1 none */
	uint64_t kcookie;	/* whose: numbers are used again */
	bool kwanted;		/* by this sleep */
	bool leader;
	bool was_leader;	/* in its last sleep */
	bool announced;		/* counted in sleepers[slot] */
	bool rung;		/* by this very thread since then: do not sleep */
};

static pthread_key_t exit_key;
static pthread_once_t exit_once = PTHREAD_ONCE_INIT;
static _Atomic uint32_t next_slot;

static void thread_exit(void *arg)
{
	struct stack_wait *w = arg, *next;

	for (; w; w = next) {
		next = w->next;
		sys_close(w->ep_leader);
		sys_close(w->ep_plain);
		munmap(w, sizeof(*w));
	}
	stack_thread.wait = NULL;
}

static void make_key(void)
{
	/* Without a key a thread's two descriptors stay until exit: no more than that. */
	if (pthread_key_create(&exit_key, thread_exit) == 0)
		return;
	exit_key = 0;
}

static int watch(int ep, int fd, uint32_t events)
{
	struct epoll_event ev = { .events = events | EPOLLET };

	return sys_epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev);
}

static struct stack_wait *wait_new(struct stack *st)
{
	/* Not malloc(): the thread may be anywhere, even in a handler. */
	struct stack_wait *w = mmap(NULL, sizeof(*w), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (w == MAP_FAILED)
		return NULL;
	w->st = st;
	w->kfd = -1;
	w->pid = st->pid;
	w->slot = atomic_fetch_add(&next_slot, 1) % STACK_N_DOORBELLS;
	/* Processes that begin at 0 would all share one doorbell. */
	w->slot = (w->slot + st->proc_slot) % STACK_N_DOORBELLS;
	w->ep_leader = sys_fd_high(sys_epoll_create1(EPOLL_CLOEXEC));
	if (w->ep_leader < 0)
		goto out_unmap;
	w->ep_plain = sys_fd_high(sys_epoll_create1(EPOLL_CLOEXEC));
	if (w->ep_plain < 0)
		goto out_leader;
	if (watch(w->ep_leader, st->doorbell[w->slot], EPOLLIN) < 0 ||
	    watch(w->ep_plain, st->doorbell[w->slot], EPOLLIN) < 0)
		goto out_plain;
	pthread_once(&exit_once, make_key);
	w->next = stack_thread.wait;
	stack_thread.wait = w;
	if (exit_key)
		pthread_setspecific(exit_key, w);
	return w;

out_plain:
	sys_close(w->ep_plain);
out_leader:
	sys_close(w->ep_leader);
out_unmap:
	munmap(w, sizeof(*w));
	return NULL;
}

static struct stack_wait *wait_get(struct stack *st)
{
	for (struct stack_wait *w = stack_thread.wait; w; w = w->next)
		if (w->st == st)
			return w;
	return wait_new(st);
}

uint32_t stack_wait_bit(struct stack *st)
{
	struct stack_wait *w = wait_get(st);

	/* Without descriptors stack_sleep_prepare() will say so. */
	return w ? 1u << w->slot : 0;
}

/* Watch the VIs that have come since. */
static int watch_vis(struct stack *st, struct stack_wait *w)
{
	for (; w->n_vis < st->net.n_vis; w->n_vis++) {
		int rc = watch(w->ep_leader, st->vis[w->n_vis].fd, EPOLLIN);

		if (rc < 0 && rc != -EEXIST)
			return rc;
	}
	return 0;
}

static void unwatch_kernel(struct stack_wait *w)
{
	/* Not there any more when it was closed. */
	(void)sys_epoll_ctl(w->ep_leader, EPOLL_CTL_DEL, w->kfd, NULL);
	(void)sys_epoll_ctl(w->ep_plain, EPOLL_CTL_DEL, w->kfd, NULL);
	w->kfd = -1;
}

/* Have the thread's sets watch @kfd, and no other kernel descriptor.  A thread
 * that waits on the same one again, as most do, costs nothing here; one that waits on
 * none leaves the last one in, until it is heard of (stack_sleep_kernel): a server
 * goes to and fro between its listener and a connection. */
static int watch_kernel(struct stack_wait *w, int kfd, uint64_t cookie)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.u64 = STACK_SLEEP_KERNEL };
	int rc;

	w->kwanted = kfd >= 0;
	if (kfd < 0 || (w->kfd == kfd && w->kcookie == cookie))
		return 0;
	if (w->kfd >= 0)
		unwatch_kernel(w);
	rc = sys_epoll_ctl(w->ep_leader, EPOLL_CTL_ADD, kfd, &ev);
	if (rc == 0)
		rc = sys_epoll_ctl(w->ep_plain, EPOLL_CTL_ADD, kfd, &ev);
	if (rc < 0)
		return rc;
	w->kfd = kfd;
	w->kcookie = cookie;
	return 0;
}

/* The set that the thread did not sleep on has kept the edges of what it heard by the
 * other: a leader that they wake at once hands its role on by a ring, the next one has
 * that ring's edge left over, and so round for ever.  The caller looks afterwards. */
static void take_edges(int set)
{
	struct epoll_event ev[NET_MAX_VIS + 2];
	struct timespec zero = { 0, 0 };

	int n = sys_epoll_pwait2(set, ev, ARRAY_SIZE(ev), &zero, NULL);

	while (n-- > 0)
		stack_ctl_heard |= ev[n].data.u64 == STACK_SLEEP_CTL;
}

/* Hear of posternd's end, which may be that of the filter too. */
static void watch_ctl(struct stack *st, struct stack_wait *w)
{
	struct epoll_event ev = { .events = EPOLLRDHUP | EPOLLET, .data.u64 = STACK_SLEEP_CTL };
	int fd = cp_client_fd(st->client);

	w->ctl_gen = cp_client_gen(st->client);
	if (fd >= 0)
		(void)sys_epoll_ctl(w->ep_leader, EPOLL_CTL_ADD, fd, &ev);
}

int stack_sleep_prepare(struct stack *st, int kfd, uint64_t cookie)
{
	struct stack_wait *w = wait_get(st);
	uint32_t zero = 0;
	int rc;

	if (!w)
		return -EMFILE;
	if (unlikely(w->n_vis < st->net.n_vis)) {
		rc = watch_vis(st, w);
		if (rc < 0)
			return rc;
	}
	rc = watch_kernel(w, kfd, cookie);
	if (rc < 0)
		return rc;
	/* Sequentially consistent: before the last look, pairs with stack_ring(). */
	atomic_fetch_add(&st->shm->procs[st->proc_slot].sleepers[w->slot], 1);
	atomic_fetch_add(&st->shm->sleepers[w->slot], 1);
	atomic_fetch_add(&st->shm->n_sleepers, 1);
	w->announced = true;
	w->rung = false;
	w->leader = atomic_compare_exchange_strong(&st->shm->leader, &zero, stack_thread_tid());
	if (w->leader != w->was_leader) {
		w->was_leader = w->leader;
		take_edges(w->leader ? w->ep_leader : w->ep_plain);
	}
	if (w->leader && unlikely(w->ctl_gen != cp_client_gen(st->client)))
		watch_ctl(st, w);
	return w->leader ? w->ep_leader : w->ep_plain;
}

int64_t stack_sleep_cap(struct stack *st, uint64_t now_ns)
{
	struct stack_wait *w = wait_get(st);
	uint64_t next;

	if (!w)
		return -1;
	if (w->rung)
		return 0;
	if (!w->leader)
		return -1;
	if (stack_wants_resolve(st))
		return (int64_t)NSEC_PER_MSEC;	/* a neighbour's answer comes by the table, silently */
	/* Without the lock: not timer_next_ns().  Too early where a timer was
	 * disarmed, which costs a look; never too late. */
	next = __atomic_load_n(&st->net.shm->wheel.next_ns, __ATOMIC_RELAXED);
	if (unlikely(st->ctl_lost_ns)) {
		if (st->ctl_next_ns > now_ns + LOST_TURN_NS)
			st->ctl_next_ns = now_ns + LOST_TURN_NS;
		if (next > st->ctl_next_ns)
			next = st->ctl_next_ns;
	}
	if (next == UINT64_MAX)
		return -1;
	return next > now_ns ? (int64_t)(next - now_ns) : 0;
}

bool stack_sleep_kernel(struct stack *st)
{
	struct stack_wait *w = wait_get(st);

	if (w && !w->kwanted && w->kfd >= 0)
		unwatch_kernel(w);
	return w && w->kwanted;
}

int stack_sleep_bell(struct stack *st)
{
	struct stack_wait *w = wait_get(st);

	return w ? st->doorbell[w->slot] : -1;
}

void stack_forget_sleepers(struct stack *st, uint32_t slot)
{
	for (uint32_t i = 0; i < STACK_N_DOORBELLS; i++) {
		uint32_t n = atomic_exchange(&st->shm->procs[slot].sleepers[i], 0);

		atomic_fetch_sub(&st->shm->sleepers[i], n);
		atomic_fetch_sub(&st->shm->n_sleepers, n);
	}
}

/* Somebody else must watch the AF_XDP sockets now. */
static void hand_on(struct stack *st)
{
	for (uint32_t i = 0; i < STACK_N_DOORBELLS; i++)
		if (atomic_load(&st->shm->sleepers[i])) {
			stack_ring(st, 1u << i);
			return;
		}
}

void stack_sleep_done(struct stack *st)
{
	struct stack_wait *w = wait_get(st);

	w->announced = false;
	atomic_fetch_sub(&st->shm->procs[st->proc_slot].sleepers[w->slot], 1);
	atomic_fetch_sub(&st->shm->sleepers[w->slot], 1);
	atomic_fetch_sub(&st->shm->n_sleepers, 1);
	if (w->leader) {
		uint32_t self = stack_thread_tid();

		w->leader = false;
		/* Unless the keeper took the role from us while we were stopped. */
		atomic_compare_exchange_strong(&st->shm->leader, &self, 0);
		if (unlikely(atomic_load(&st->shm->n_sleepers)))
			hand_on(st);
	}
}

/*
 * This thread may have announced its own sleep, and be awake to take its last
 * look: it need not wake itself by a system call.  But the ring took its bit out of
 * the wait_mask, for an event that may be another's (data, while it waits for
 * room): a sleep now would hear nothing of the next one.
 */
static uint32_t own_sleepers(const struct stack *st, uint32_t slot)
{
	for (struct stack_wait *w = stack_thread.wait; w; w = w->next)
		if (w->st == st) {
			if (!w->announced || w->slot != slot)
				return 0;
			w->rung = true;
			return 1;
		}
	return 0;
}

void stack_ring(struct stack *st, uint32_t mask)
{
	static const uint64_t one = 1;

	while (mask) {
		uint32_t i = (uint32_t)__builtin_ctz(mask);

		mask &= mask - 1;
		if (atomic_load(&st->shm->sleepers[i]) > own_sleepers(st, i)) {
			st->shm->rings++;
			/* Never read, so it could overflow only after 2^64 rings; EAGAIN cannot be. */
			(void)sys_write(st->doorbell[i], &one, sizeof(one));
		}
	}
}

void stack_after_fork_child(struct stack *st, uint32_t slot)
{
	struct stack_wait **pp = (struct stack_wait **)&stack_thread.wait, *w;

	/* The epoll sets are the parent's too: leave them and make our own. */
	while ((w = *pp)) {
		if (w->st != st) {
			pp = &w->next;
			continue;
		}
		*pp = w->next;
		sys_close(w->ep_leader);
		sys_close(w->ep_plain);
		munmap(w, sizeof(*w));
	}
	if (exit_key)
		pthread_setspecific(exit_key, stack_thread.wait);
	stack_thread.tid = 0;
	st->proc_slot = slot;
	st->pid = (uint32_t)sys_getpid();
}
