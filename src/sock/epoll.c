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
 *
 * Here are members and the life of a set; epoll_wait.c waits on it.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>

#include "sock/epoll_int.h"

enum { KICK_TURNS = 400 };

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

/* A new or changed item that is ready already counts as an event. Lock held. */
static uint32_t arm(struct stack *st, struct epitem_shm *it)
{
	struct epset_shm *set = upper_set(st, it->set);

	if (!epoll_level(st, it))
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
