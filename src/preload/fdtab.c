// SPDX-License-Identifier: BSD-2-Clause
/*
 * fdtab.c - changing the table of descriptors, and probing unknown ones
 *
 * See fdtab.h.  An unknown descriptor was inherited over exec or came from
 * another process: its kind is asked of the kernel once; only an Internet
 * socket costs more than one system call.
 */
#include "preload/fdtab.h"

#include <linux/futex.h>
#include <netinet/in.h>
#include <string.h>

#include "base/sys.h"

_Atomic uintptr_t fdtab[FDTAB_SIZE];

static _Atomic uint32_t lock_word;	/* 0 free, 1 taken, 2 taken and waited for */
static int max_fd = -1;
static _Atomic int max_internal = -1;

void fdtab_lock(void)
{
	uint32_t free_ = 0;

	stack_thread.in_stack++;
	/* Acquire: pairs with the release in fdtab_unlock(). */
	if (likely(atomic_compare_exchange_strong_explicit(&lock_word, &free_, 1, memory_order_acquire,
							   memory_order_relaxed)))
		return;
	while (atomic_exchange_explicit(&lock_word, 2, memory_order_acquire))
		sys_futex(&lock_word, FUTEX_WAIT_PRIVATE, 2, NULL);
}

void fdtab_unlock(void)
{
	if (unlikely(atomic_exchange_explicit(&lock_word, 0, memory_order_release) == 2))
		sys_futex(&lock_word, FUTEX_WAKE_PRIVATE, 1, NULL);
	if (!--stack_thread.in_stack && unlikely(stack_thread.sig_pending))
		stack_thread_signals();
}

/* ---- words --------------------------------------------------------------------- */

uintptr_t fdtab_replace(int fd, uintptr_t word)
{
	uintptr_t old;

	if ((unsigned)fd >= FDTAB_SIZE)
		return FD_PASS;
	/* Release: pairs with the acquire in fdtab_word(). */
	old = atomic_exchange_explicit(&fdtab[fd], word, memory_order_acq_rel);
	if (word != FD_PASS && word != FD_UNKNOWN)
		max_fd = max_t(int, max_fd, fd);
	if (word != old || word_sock(word))
		mirror_update(fd, word);
	return old;
}

void fdtab_get(uintptr_t word)
{
	if (word_sock(word))
		sock_get(word_sock(word));
	else if (word_epoll(word))
		sock_epoll_get(word_epoll(word));
}

void fdtab_put(uintptr_t word, int fd)
{
	if (word_sock(word))
		sock_put(word_sock(word), fd);
	else if (word_epoll(word))
		sock_epoll_put(word_epoll(word));
}

/* A number that the kernel has just given out cannot be ours still: whatever is
 * there was closed behind our back, for instance by a plain system call. */
static void set(int fd, uintptr_t word)
{
	uintptr_t stale;

	if ((unsigned)fd >= FDTAB_SIZE)
		return;
	if (fork_shares_memory())
		return;
	fdtab_lock();
	stale = fdtab_replace(fd, word);
	fdtab_unlock();
	fdtab_put(stale, -1);
}

void fdtab_set_sock(int fd, struct sock *s)
{
	if ((unsigned)fd >= FDTAB_SIZE)
		sock_put(s, fd);
	else
		set(fd, (uintptr_t)s);
}

void fdtab_set_epoll(int fd, struct sock_epoll *e)
{
	if ((unsigned)fd >= FDTAB_SIZE)
		sock_epoll_put(e);
	else
		set(fd, (uintptr_t)e | FD_EPOLL);
}

void fdtab_set_kernel(int fd, int family, int type, enum sock_reason reason)
{
	uintptr_t stale;

	if ((unsigned)fd >= FDTAB_SIZE || fork_shares_memory())
		return;
	fdtab_lock();
	stale = fdtab_replace(fd, FD_PASS);
	mirror_kernel(fd, family, type, reason);
	fdtab_unlock();
	fdtab_put(stale, -1);
}

void fdtab_set_pass(int fd)
{
	uintptr_t unknown = FD_UNKNOWN;

	if ((unsigned)fd >= FDTAB_SIZE || fdtab_word(fd) == FD_PASS)
		return;
	if (!atomic_compare_exchange_strong(&fdtab[fd], &unknown, FD_PASS))
		set(fd, FD_PASS);
}

/* Called wherever the library opens and closes descriptors of its own, under any lock. */
void sys_fd_private(int fd, bool ours)
{
	uintptr_t internal = FD_INTERNAL;
	int top = atomic_load_explicit(&max_internal, memory_order_relaxed);

	if ((unsigned)fd >= FDTAB_SIZE)
		return;
	if (!ours) {
		atomic_compare_exchange_strong(&fdtab[fd], &internal, FD_PASS);
		return;
	}
	atomic_store_explicit(&fdtab[fd], FD_INTERNAL, memory_order_release);
	while (fd > top && !atomic_compare_exchange_weak(&max_internal, &top, fd))
		;
}

int fdtab_max_internal(void)
{
	return atomic_load_explicit(&max_internal, memory_order_relaxed);
}

void fdtab_set_unknown(int fd)
{
	if (fdtab_word(fd) != FD_UNKNOWN)
		set(fd, FD_UNKNOWN);
}

void fdtab_decided(int fd, struct sock *s)
{
	if (fork_shares_memory())
		return;
	fdtab_lock();
	mirror_update(fd, fdtab_word(fd));
	/* Duplicates are rare, and the whole table is long. */
	for (int i = 0; atomic_load(&s->refs) > 1 && i <= max_fd; i++)
		if (i != fd && fdtab_word(i) == (uintptr_t)s)
			mirror_update(i, (uintptr_t)s);
	fdtab_unlock();
}

int fdtab_max(void)
{
	return max_fd;
}

void fdtab_identify(void)
{
	for (int fd = 0; fd <= max_fd; fd++)
		if (word_sock(fdtab_word(fd)))
			sock_identify(word_sock(fdtab_word(fd)), fd);
}

void fdtab_settle(void)
{
	for (int fd = 0; fd <= max_fd; fd++)
		if (word_sock(fdtab_word(fd)))
			sock_settle(word_sock(fdtab_word(fd)), fd);
}

void fdtab_after_fork(void)
{
	/* The forking thread is the only one left; fork.c held the lock over fork(). */
	atomic_store_explicit(&lock_word, 0, memory_order_relaxed);
	mirror_after_fork();
}

/* ---- probing --------------------------------------------------------------------- */

static int option(int fd, int name)
{
	socklen_t len = sizeof(int);
	int v = -1, rc;

	rc = sys_getsockopt(fd, SOL_SOCKET, name, &v, &len);
	return rc < 0 ? rc : v;
}

/* A socket on which nothing has been done yet can still become ours. */
static bool fresh(int fd, int domain)
{
	struct sockaddr_storage a = { 0 };
	socklen_t len = sizeof(a);
	uint16_t port;

	if (sys_getsockname(fd, &a, &len) < 0)
		return false;
	memcpy(&port, (char *)&a + offsetof(struct sockaddr_in, sin_port), sizeof(port));
	if (port)
		return false;
	len = sizeof(a);
	return sys_getpeername(fd, &a, &len) == -ENOTCONN && option(fd, SO_ACCEPTCONN) == 0;
}

static struct sock *look_at(int fd, int domain, enum sock_reason *reason, int *type)
{
	struct sock *s;
	int protocol;

	*type = option(fd, SO_TYPE);
	protocol = option(fd, SO_PROTOCOL);
	preload_start();
	if (!sock_opts()->probe)
		return NULL;
	s = sock_probe(fd, reason);
	if (!s && fresh(fd, domain))
		s = sock_new(fd, domain, *type, protocol, reason);
	return s;
}

/* The socket of a number that nobody has looked at, or NULL: the kernel's. */
__cold struct sock *fdtab_probe(int fd)
{
	enum sock_reason reason = SOCK_REASON_foreign_use;
	struct sock *s = NULL;
	uintptr_t expected = FD_UNKNOWN;
	int domain, type = 0, saved = errno;
	bool inet, known;

	domain = option(fd, SO_DOMAIN);
	if (domain == -EBADF)
		return NULL;		/* not open: look again when it is */
	inet = domain == AF_INET || domain == AF_INET6;
	if (fork_shares_memory()) {
		errno = saved;
		return NULL;
	}
	if (inet)
		s = look_at(fd, domain, &reason, &type);

	fdtab_lock();
	known = !atomic_compare_exchange_strong(&fdtab[fd], &expected, s ? (uintptr_t)s : FD_PASS);
	if (!known && s) {
		max_fd = max_t(int, max_fd, fd);
		mirror_update(fd, (uintptr_t)s);
	} else if (!known && inet) {
		mirror_kernel(fd, domain, type, reason);
	}
	fdtab_unlock();
	if (known) {			/* another thread was faster */
		if (s)
			sock_put(s, -1);
		s = word_sock(expected);
	}
	errno = saved;
	return s;
}
