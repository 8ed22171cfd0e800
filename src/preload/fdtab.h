/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fdtab.h - what each descriptor number of this process is
 *
 * One word for each number: the kernel's, an object of sock/, or not looked at
 * yet.  Reading takes no lock; changes are made under a mutex (fdtab_lock()),
 * during which signal handlers are deferred, since close() may be called in one.
 *
 * close() sets a number to "the kernel's" before the kernel can give it to
 * another thread, and leaves it so: a number becomes ours only by a call that
 * we see.
 */
#ifndef POSTERN_PRELOAD_FDTAB_H
#define POSTERN_PRELOAD_FDTAB_H

#include "preload/fdtab_shm.h"
#include "preload/preload.h"
#include "sock/sock.h"

/* Demand-zero memory: only the pages of numbers in use exist. */
enum { FDTAB_SIZE = 1 << 20 };

/* The low two bits of a word; a pointer to struct sock has none of them set. */
enum {
	FD_UNKNOWN  = 0,	/* whole word 0: ask the kernel at first use */
	FD_PASS     = 1,	/* whole word 1: the kernel's */
	FD_EPOLL    = 2,	/* | struct sock_epoll * */
	FD_INTERNAL = 3,	/* whole word 3: the library's own: the program cannot close it */
	FD_TAGS     = 3
};

extern _Atomic uintptr_t fdtab[FDTAB_SIZE];

struct sock *fdtab_probe(int fd);

static inline uintptr_t fdtab_word(int fd)
{
	if (unlikely((unsigned)fd >= FDTAB_SIZE))
		return FD_PASS;
	return atomic_load_explicit(&fdtab[fd], memory_order_acquire);
}

static inline struct sock *word_sock(uintptr_t word)
{
	return word & FD_TAGS ? NULL : (struct sock *)word;
}

static inline struct sock_epoll *word_epoll(uintptr_t word)
{
	return (word & FD_TAGS) == FD_EPOLL ? (struct sock_epoll *)(word & ~(uintptr_t)FD_TAGS) : NULL;
}

/* The socket of a number, also one that is the kernel's by now; NULL: none. */
static inline struct sock *fdtab_object(int fd)
{
	uintptr_t word = fdtab_word(fd);

	if (likely(word & FD_TAGS))
		return NULL;
	return likely(word) ? (struct sock *)word : fdtab_probe(fd);
}

/* fdtab_sock - the socket that a call on @fd concerns; NULL: the kernel's */
static inline struct sock *fdtab_sock(int fd)
{
	struct sock *s = fdtab_object(fd);

	return s && likely(s->mode != SOCK_KERNEL) ? s : NULL;
}

static inline struct sock_epoll *fdtab_epoll(int fd)
{
	return word_epoll(fdtab_word(fd));
}

void fdtab_lock(void);
void fdtab_unlock(void);

/* All of these: lock not held.  The table takes over the caller's reference. */
void fdtab_set_sock(int fd, struct sock *s);
void fdtab_set_epoll(int fd, struct sock_epoll *e);
/* An Internet socket that is the kernel's; @reason is for the tools. */
void fdtab_set_kernel(int fd, int family, int type, enum sock_reason reason);
void fdtab_set_pass(int fd);
/* Came from another process: ask at first use. */
void fdtab_set_unknown(int fd);

/* With the lock held: set the word of @fd, and the tools' copy; returns the old word. */
uintptr_t fdtab_replace(int fd, uintptr_t word);
/* Take a reference on what a word names, and drop it. */
void fdtab_get(uintptr_t word);
void fdtab_put(uintptr_t word, int fd);

/* The socket was undecided before the call that has just returned: tell the tools. */
void fdtab_decided(int fd, struct sock *s);

/* Highest number that was ever an object, or internal; -1 none. */
int fdtab_max(void);
int fdtab_max_internal(void);
/* Before other processes ask for our sockets by the kernel's names. Lock not held. */
void fdtab_identify(void);
/* Nothing that this process alone knows about kernel sockets may be left open: before fork(). */
void fdtab_settle(void);
/* In the child of fork(). */
void fdtab_after_fork(void);

/* fdtab_mirror.c: the tools' copy; the lock is held. */
void mirror_update(int fd, uintptr_t word);
void mirror_kernel(int fd, int family, int type, enum sock_reason reason);
void mirror_after_fork(void);
/* No lock: the process asked for something that was refused, FDTAB_REFUSED_*. */
void mirror_refused(uint32_t bit);

#endif
