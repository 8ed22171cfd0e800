// SPDX-License-Identifier: BSD-2-Clause
/*
 * epoll.c - epoll sets with accelerated and kernel members
 *
 * The application's epoll descriptor is a real one and holds the kernel's
 * members.  Accelerated members are items in the arena of their stack, on a
 * ready list that ready_flush() feeds, so that a wait costs by what is ready and
 * not by what is watched, and a set shared over fork() stays one set.  What
 * this process knows of a set is struct sock_epoll: the descriptor's members by
 * number, and the set's id in each stack.
 *
 * A merged socket (listener, UDP) has two memberships: the item, and its kernel
 * socket in the kernel's set with the same user data.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>

#include "sock/epoll_int.h"
#include "sock/wait.h"

enum { EPOLL_ALWAYS = EPOLLERR | EPOLLHUP, KICK_TURNS = 400 };
enum { EPOLL_PRIVATE = EPOLLET | EPOLLONESHOT | EPOLLEXCLUSIVE | EPOLLWAKEUP };

enum member_kind { MEMBER_NONE, MEMBER_KERNEL, MEMBER_UNDECIDED, MEMBER_OURS };

struct member {
	int fd;
	uint8_t kind;		/* enum member_kind */
	uint8_t share;		/* index of the stack, MEMBER_OURS */
	uint8_t kernel_too;	/* the kernel socket is in the kernel's set as well */
	uint32_t item;
	struct sock *s;		/* MEMBER_UNDECIDED; else only a hint: the object may have been used again */
	uint32_t sock, gen;	/* MEMBER_OURS: slot and its generation */
	struct sock_epoll *inner;	/* a nested set of ours */
	struct epoll_event ev;	/* MEMBER_UNDECIDED, and for moving */
};

struct sock_epoll {
	_Atomic uint32_t refs;
	int epfd_hint;
	uint64_t cookie;		/* unlike any other set's: stack_sleep_prepare() */
	pthread_mutex_t lock;		/* members, shares */
	struct { struct stack *st; uint32_t set; } share[WAIT_MAX_STACKS];
	_Atomic int n_shares;
	_Atomic uint32_t n_kernel;	/* members and shares in the kernel's set; may count closed ones */
	_Atomic uint32_t n_inner;
	_Atomic uint32_t in_kernel;	/* threads that sleep in the kernel's own epoll_wait() */
	struct member *m;		/* open addressing by fd; power of two */
	uint32_t size, used;
	struct sock_epoll *next;	/* all sets of this process */
};

static pthread_mutex_t all_lock = PTHREAD_MUTEX_INITIALIZER;
static struct sock_epoll *all;
static _Atomic uint64_t next_cookie;

/* ---- members -------------------------------------------------------------------- */

static struct member *member_find(struct sock_epoll *e, int fd)
{
	if (!e->size)
		return NULL;
	for (uint32_t i = (uint32_t)fd * 2654435761u & (e->size - 1);; i = (i + 1) & (e->size - 1)) {
		if (e->m[i].fd == fd && e->m[i].kind)
			return &e->m[i];
		if (e->m[i].fd == -1)
			return NULL;
	}
}

static struct member *member_slot(struct sock_epoll *e, int fd)
{
	uint32_t i = (uint32_t)fd * 2654435761u & (e->size - 1);

	/* Removed members keep fd as a tombstone (kind MEMBER_NONE). */
	while (e->m[i].fd != -1 && e->m[i].fd != fd)
		i = (i + 1) & (e->size - 1);
	return &e->m[i];
}

static int member_grow(struct sock_epoll *e)
{
	uint32_t old_size = e->size, live = 0;
	struct member *old = e->m;

	for (uint32_t i = 0; i < old_size; i++)
		live += old[i].kind != MEMBER_NONE;
	e->size = 16;
	while (e->size < live * 4)
		e->size *= 2;
	e->m = malloc(e->size * sizeof(*e->m));
	if (!e->m) {
		e->m = old;
		e->size = old_size;
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < e->size; i++)
		e->m[i] = (struct member){ .fd = -1 };
	e->used = live;
	for (uint32_t i = 0; i < old_size; i++)
		if (old[i].kind)
			*member_slot(e, old[i].fd) = old[i];
	free(old);
	return 0;
}

static struct member *member_add(struct sock_epoll *e, int fd)
{
	struct member *m;

	if ((e->used + 1) * 2 > e->size && member_grow(e) < 0)
		return NULL;
	m = member_slot(e, fd);
	if (m->fd == -1)
		e->used++;
	*m = (struct member){ .fd = fd };
	return m;
}

/* ---- the set's share in a stack ---------------------------------------------------- */

/* Threads that went to sleep in the kernel while the set had no member of ours do not
 * hear of one.  A descriptor that is always readable joins the kernel's set until all have left. */
static __cold void kick(struct sock_epoll *e, int epfd)
{
	static const struct timespec pause = { .tv_nsec = 50000 };
	struct epoll_event ev = { .events = EPOLLIN, .data.u64 = (uintptr_t)e };
	int fd;

	if (!atomic_load(&e->in_kernel))
		return;
	fd = (int)sys2(SYS_eventfd2, 1, EFD_CLOEXEC | EFD_NONBLOCK);
	if (fd < 0)
		return;
	/* A thread that was cancelled in its wait never leaves: not for ever. */
	if (sys_epoll_ctl(epfd, EPOLL_CTL_ADD, fd, &ev) == 0)
		for (int i = 0; i < KICK_TURNS && atomic_load(&e->in_kernel); i++)
			sys2(SYS_nanosleep, &pause, NULL);
	sys_close(fd);
}

static int share_get(struct sock_epoll *e, struct stack *st)
{
	int n = atomic_load(&e->n_shares);
	uint32_t set;

	for (int i = 0; i < n; i++)
		if (e->share[i].st == st)
			return i;
	if (n == WAIT_MAX_STACKS)
		return -ENOSPC;
	stack_lock(st);
	set = upper_set_take(st);
	stack_unlock(st);
	if (set == ID_NONE)
		return -ENOMEM;
	e->share[n].st = st;
	e->share[n].set = set;
	/* A waiter that sees the number sees the entry; one that does not is seen here. */
	atomic_store(&e->n_shares, n + 1);
	if (n == 0)
		kick(e, e->epfd_hint);
	return n;
}

struct stack *epoll_stack(struct sock_epoll *e, int k)
{
	return k < atomic_load_explicit(&e->n_shares, memory_order_acquire) ? e->share[k].st : NULL;
}

void epoll_set_wait_bits(struct sock_epoll *e)
{
	struct stack *st;

	for (int k = 0; (st = epoll_stack(e, k)); k++)
		atomic_fetch_or(&upper_set(st, e->share[k].set)->wait_mask, stack_wait_bit(st));
}

static uint32_t level(struct stack *st, const struct epitem_shm *it)
{
	struct sock probe = { .st = st, .shm = upper_sock(st, it->sock), .ep = ep_get(&st->net, it->sock) };

	probe.gen = probe.shm->gen;
	return sock_events(&probe) & (it->events | EPOLL_ALWAYS);
}

/* A new or changed item that is ready already counts as an event. Lock held. */
static uint32_t arm(struct stack *st, struct epitem_shm *it)
{
	struct epset_shm *set = upper_set(st, it->set);

	if (!level(st, it))
		return 0;
	if (!shm_link_linked(st->net.base, &it->ready))
		shm_list_add_tail(st->net.base, &set->ready, &it->ready);
	return atomic_exchange(&set->wait_mask, 0);
}

static int item_add(struct sock_epoll *e, struct member *m, struct sock *s, const struct epoll_event *ev)
{
	int k = share_get(e, s->st);
	struct stack *st = s->st;
	struct epitem_shm *it;
	uint32_t ring = 0;

	if (k < 0)
		return k;
	stack_lock(st);
	it = s->gen == s->shm->gen ? upper_item_take(st) : NULL;
	if (it) {
		it->set = e->share[k].set;
		it->sock = s->id;
		it->fd = m->fd;
		it->events = ev->events | EPOLL_ALWAYS;	/* asked for or not */
		it->data = ev->data.u64;
		shm_list_add_tail(st->net.base, &upper_set(st, it->set)->items, &it->of_set);
		shm_list_add_tail(st->net.base, &s->shm->items, &it->of_sock);
		upper_set(st, it->set)->n_items++;
		ring = arm(st, it);
		m->item = upper_item_id(st, it);
	}
	stack_unlock(st);
	stack_ring(st, ring);
	if (!it)
		return -ENOMEM;
	m->kind = MEMBER_OURS;
	m->share = (uint8_t)k;
	m->s = s;
	m->sock = s->id;
	m->gen = s->gen;
	m->ev = *ev;
	return 0;
}

/* The item is still the one that was registered (the socket may be gone). */
static struct epitem_shm *item_of(struct sock_epoll *e, const struct member *m)
{
	struct stack *st = e->share[m->share].st;
	struct epitem_shm *it = upper_item(st, m->item);

	if (!it->in_use || it->sock != m->sock || it->fd != m->fd || it->set != e->share[m->share].set ||
	    upper_sock(st, m->sock)->gen != m->gen)
		return NULL;
	return it;
}

/* Is the member this socket? */
static bool is_of(const struct sock_epoll *e, const struct member *m, const struct sock *s)
{
	return s && s->st == e->share[m->share].st && s->id == m->sock && s->gen == m->gen;
}

static int item_mod(struct sock_epoll *e, struct member *m, const struct epoll_event *ev)
{
	struct stack *st = e->share[m->share].st;
	struct epitem_shm *it;
	uint32_t ring = 0;

	stack_lock(st);
	it = item_of(e, m);
	if (it) {
		it->events = ev->events | EPOLL_ALWAYS;	/* asked for or not */
		it->data = ev->data.u64;
		shm_list_del(st->net.base, &it->ready);
		ring = arm(st, it);
	}
	stack_unlock(st);
	stack_ring(st, ring);
	m->ev = *ev;
	return it ? 0 : -ENOENT;
}

static void item_del(struct sock_epoll *e, struct member *m)
{
	struct stack *st = e->share[m->share].st;
	struct epitem_shm *it;

	stack_lock(st);
	it = item_of(e, m);
	if (it)
		upper_item_release(st, it);
	stack_unlock(st);
}

/* ---- the kernel's members ------------------------------------------------------------- */

/* The kernel's part of a merged socket: readable only, same data. */
static void share_with_kernel(struct sock_epoll *e, struct member *m, int epfd, int op)
{
	struct epoll_event ev = m->ev;
	short events;
	int rc;

	if (!sock_kernel_too(m->s, &events))
		return;
	ev.events = (ev.events & (EPOLL_PRIVATE | (uint32_t)events));
	if (op == EPOLL_CTL_ADD && m->kernel_too)
		op = EPOLL_CTL_MOD;
	if (op == EPOLL_CTL_MOD)
		ev.events &= ~(uint32_t)EPOLLEXCLUSIVE;
	rc = sys_epoll_ctl(epfd, op, m->fd, &ev);
	if (rc == 0 && op == EPOLL_CTL_ADD) {
		m->kernel_too = 1;
		atomic_fetch_add(&e->n_kernel, 1);
	}
}

static int kernel_ctl(struct sock_epoll *e, int epfd, int op, int fd, struct member *m, struct sock *s,
		      struct sock_epoll *inner, struct epoll_event *ev)
{
	int rc = sys_epoll_ctl(epfd, op, fd, ev);

	if (rc < 0)
		return rc;
	if (op == EPOLL_CTL_ADD) {
		m = m ? m : member_add(e, fd);
		if (m) {
			m->kind = s ? MEMBER_UNDECIDED : MEMBER_KERNEL;
			m->s = s;
			m->inner = inner;
			m->ev = *ev;
		}
		if (inner)
			atomic_fetch_add(&e->n_inner, 1);
		atomic_fetch_add(&e->n_kernel, 1);
	} else if (op == EPOLL_CTL_MOD && m) {
		m->ev = *ev;
	} else if (op == EPOLL_CTL_DEL) {
		if (m && m->inner)
			atomic_fetch_sub(&e->n_inner, 1);
		if (m)
			m->kind = MEMBER_NONE;
		atomic_fetch_sub(&e->n_kernel, 1);
	}
	return 0;
}

static int ours_ctl(struct sock_epoll *e, int epfd, int op, int fd, struct member *m, struct sock *s,
		    struct epoll_event *ev)
{
	int rc;

	switch (op) {
	case EPOLL_CTL_ADD:
		if (m && item_of(e, m))
			return -EEXIST;
		m = member_add(e, fd);
		if (!m)
			return -ENOMEM;
		rc = item_add(e, m, s, ev);
		if (rc == 0)
			share_with_kernel(e, m, epfd, EPOLL_CTL_ADD);
		return rc;
	case EPOLL_CTL_MOD:
		if (!m)
			return -ENOENT;
		if (m->ev.events & EPOLLEXCLUSIVE || ev->events & EPOLLEXCLUSIVE)
			return -EINVAL;
		m->s = s;
		rc = item_mod(e, m, ev);
		if (rc == 0 && m->kernel_too)
			share_with_kernel(e, m, epfd, EPOLL_CTL_MOD);
		return rc;
	case EPOLL_CTL_DEL:
		if (!m)
			return -ENOENT;
		item_del(e, m);
		if (m->kernel_too) {
			sys_epoll_ctl(epfd, EPOLL_CTL_DEL, fd, NULL);
			atomic_fetch_sub(&e->n_kernel, 1);
		}
		m->kind = MEMBER_NONE;
		return 0;
	default:
		return -EINVAL;
	}
}

int sock_epoll_ctl(struct sock_epoll *e, int epfd, int op, int fd, struct sock *s, struct sock_epoll *inner,
		   struct epoll_event *ev)
{
	struct member *m;
	int rc;

	if (s && s->mode == SOCK_ACCEL && op != EPOLL_CTL_DEL) {
		const uint32_t exclusive_ok = EPOLLIN | EPOLLOUT | EPOLLERR | EPOLLHUP | EPOLLWAKEUP | EPOLLET | EPOLLEXCLUSIVE;

		if (!ev)
			return -EFAULT;
		if (ev->events & EPOLLEXCLUSIVE && ev->events & ~exclusive_ok)
			return -EINVAL;
	}
	pthread_mutex_lock(&e->lock);
	m = member_find(e, fd);
	/* A number that was closed and opened again is another member: the
	 * kernel forgot the old one by itself. */
	if (m && m->kind == MEMBER_OURS && (!is_of(e, m, s) || !item_of(e, m))) {
		item_del(e, m);
		m->kind = MEMBER_NONE;
		m = NULL;
	}
	if (m && m->kind != MEMBER_OURS && s && s->mode == SOCK_ACCEL) {
		m->kind = MEMBER_NONE;
		m = NULL;
	}
	if (s && s->mode == SOCK_ACCEL)
		rc = ours_ctl(e, epfd, op, fd, m, s, ev);
	else
		rc = kernel_ctl(e, epfd, op, fd, m, s && s->mode == SOCK_UNDECIDED ? s : NULL, inner, ev);
	pthread_mutex_unlock(&e->lock);
	return rc;
}

/* The socket was left to the kernel, or handed over: so is its membership. */
static void to_kernel(struct sock_epoll *e, struct member *m)
{
	struct epoll_event ev = m->ev;

	if (m->kind == MEMBER_OURS) {
		/* The item went with the slot. */
		if (sys_epoll_ctl(e->epfd_hint, m->kernel_too ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, m->fd, &ev) == 0 &&
		    !m->kernel_too)
			atomic_fetch_add(&e->n_kernel, 1);
		m->kernel_too = 0;
	}
	if (m->kind != MEMBER_NONE)
		m->kind = MEMBER_KERNEL;
}

void sock_epoll_decided(struct sock *s, int fd)
{
	pthread_mutex_lock(&all_lock);
	for (struct sock_epoll *e = all; e; e = e->next) {
		struct member *m;

		pthread_mutex_lock(&e->lock);
		m = member_find(e, fd);
		if (m && s->mode == SOCK_KERNEL) {
			if (m->kind == MEMBER_OURS ? is_of(e, m, s) : m->s == s)
				to_kernel(e, m);
		} else if (m && m->kind == MEMBER_UNDECIDED && m->s == s) {
			struct epoll_event ev = m->ev;

			sys_epoll_ctl(e->epfd_hint, EPOLL_CTL_DEL, fd, NULL);
			atomic_fetch_sub(&e->n_kernel, 1);
			if (item_add(e, m, s, &ev) == 0)
				share_with_kernel(e, m, e->epfd_hint, EPOLL_CTL_ADD);
			else
				m->kind = MEMBER_NONE;
		}
		pthread_mutex_unlock(&e->lock);
	}
	pthread_mutex_unlock(&all_lock);
}

void sock_epoll_fd_closed(int fd)
{
	if (!all)
		return;
	pthread_mutex_lock(&all_lock);
	for (struct sock_epoll *e = all; e; e = e->next) {
		struct member *m;

		pthread_mutex_lock(&e->lock);
		m = member_find(e, fd);
		if (m && (m->kind == MEMBER_UNDECIDED || m->kind == MEMBER_KERNEL)) {
			if (m->inner)
				atomic_fetch_sub(&e->n_inner, 1);
			m->kind = MEMBER_NONE;
			if (atomic_load(&e->n_kernel))
				atomic_fetch_sub(&e->n_kernel, 1);
		} else if (m && m->kernel_too) {
			m->kernel_too = 0;
			atomic_fetch_sub(&e->n_kernel, 1);
		}
		pthread_mutex_unlock(&e->lock);
	}
	pthread_mutex_unlock(&all_lock);
}

/* ---- waiting ------------------------------------------------------------------------------ */

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
		uint32_t events = level(st, it);

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

			ready = level(st, it) != 0;
			if (!ready)
				shm_list_del(st->net.base, l);
		}
		stack_unlock(st);
		if (ready)
			return true;
	}
	return false;
}

/* ---- life ------------------------------------------------------------------------------------ */

struct sock_epoll *sock_epoll_new(int epfd)
{
	struct sock_epoll *e = calloc(1, sizeof(*e));

	if (!e)
		return NULL;
	atomic_init(&e->refs, 1);
	e->epfd_hint = epfd;
	e->cookie = (1ull << 63) + atomic_fetch_add(&next_cookie, 1);	/* SO_COOKIEs are small */
	pthread_mutex_init(&e->lock, NULL);
	pthread_mutex_lock(&all_lock);
	e->next = all;
	all = e;
	pthread_mutex_unlock(&all_lock);
	return e;
}

void sock_epoll_get(struct sock_epoll *e)
{
	atomic_fetch_add(&e->refs, 1);
}

void sock_epoll_put(struct sock_epoll *e)
{
	struct stack *st;

	if (atomic_fetch_sub(&e->refs, 1) != 1)
		return;
	pthread_mutex_lock(&all_lock);
	for (struct sock_epoll **pp = &all; *pp; pp = &(*pp)->next)
		if (*pp == e) {
			*pp = e->next;
			break;
		}
	pthread_mutex_unlock(&all_lock);
	for (int k = 0; (st = epoll_stack(e, k)); k++) {
		struct epset_shm *set = upper_set(st, e->share[k].set);

		stack_lock(st);
		set->procs &= ~(1ull << st->proc_slot);
		if (!set->procs)
			upper_set_release(st, e->share[k].set);
		stack_unlock(st);
	}
	pthread_mutex_destroy(&e->lock);
	free(e->m);
	free(e);
}

void sock_epoll_fork_prepare(void)
{
	pthread_mutex_lock(&all_lock);
	for (struct sock_epoll *e = all; e; e = e->next)
		pthread_mutex_lock(&e->lock);
}

void sock_epoll_fork_parent(void)
{
	for (struct sock_epoll *e = all; e; e = e->next)
		pthread_mutex_unlock(&e->lock);
	pthread_mutex_unlock(&all_lock);
}

/* The child has every set too: its bit was the parent's slot, its own is known by now. */
void sock_epoll_fork_child(void)
{
	for (struct sock_epoll *e = all; e; e = e->next) {
		struct stack *st;

		for (int k = 0; (st = epoll_stack(e, k)); k++) {
			stack_lock(st);
			upper_set(st, e->share[k].set)->procs |= 1ull << st->proc_slot;
			stack_unlock(st);
		}
	}
	sock_epoll_fork_parent();
}
