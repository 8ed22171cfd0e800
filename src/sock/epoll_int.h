/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * epoll_int.h - an epoll set, for the files that keep one and wait on it
 */
#ifndef POSTERN_SOCK_EPOLL_INT_H
#define POSTERN_SOCK_EPOLL_INT_H

#include "sock/sock.h"
#include "sock/wait.h"

enum { EPOLL_ALWAYS = EPOLLERR | EPOLLHUP };
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

/* k-th stack that the set has members in; NULL after the last. */
static inline struct stack *epoll_stack(struct sock_epoll *e, int k)
{
	return k < atomic_load_explicit(&e->n_shares, memory_order_acquire) ? e->share[k].st : NULL;
}

/* What is ready now of what the item asks for.  Lock held. */
static inline uint32_t epoll_level(struct stack *st, const struct epitem_shm *it)
{
	struct sock probe = { .st = st, .shm = upper_sock(st, it->sock), .ep = ep_get(&st->net, it->sock) };

	probe.gen = probe.shm->gen;
	return sock_events(&probe) & (it->events | EPOLL_ALWAYS);
}

/* This thread is about to sleep until the set has something. */
void epoll_set_wait_bits(struct sock_epoll *e);

#endif
