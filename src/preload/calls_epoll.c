// SPDX-License-Identifier: BSD-2-Clause
/*
 * calls_epoll.c - epoll sets
 *
 * Every set is the kernel's, and stays only that until a socket of ours joins:
 * then it gets an object in sock/, which waits for both kinds of members.
 */
#include <fcntl.h>
#include <string.h>

#include "base/clock.h"
#include "base/sys.h"
#include "preload/fdtab.h"
#include "preload/libc.h"

/* A set made before the first socket gets its object when a socket of ours joins. */
static int new_set(int fd)
{
	struct sock_epoll *e;
	int saved = errno;

	if (fd < 0)
		return fd;
	if (preload_started() && sock_opts()->ul_epoll && !fork_shares_memory()) {
		e = sock_epoll_new(fd);
		if (e) {
			fdtab_set_epoll(fd, e);
			errno = saved;
			return fd;
		}
	}
	fdtab_set_pass(fd);
	errno = saved;
	return fd;
}

EXPORT int epoll_create(int size)
{
	return new_set(libc.epoll_create(size));
}

EXPORT int epoll_create1(int flags)
{
	return new_set(libc.epoll_create1(flags));
}

/* Only the name of its file tells an epoll set. */
static bool is_epoll(int fd)
{
	char path[40], name[40];
	long n;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	n = sys4(SYS_readlinkat, AT_FDCWD, path, name, sizeof(name));
	return n >= 10 && memmem(name, (size_t)n, "[eventpoll]", 11);
}

/* A socket of ours joins a set that had none. */
static __cold struct sock_epoll *give_object(int epfd)
{
	struct sock_epoll *e;
	uintptr_t word;

	if ((unsigned)epfd >= FDTAB_SIZE || !sock_opts()->ul_epoll || fork_shares_memory() || !is_epoll(epfd))
		return NULL;
	e = sock_epoll_new(epfd);
	if (!e)
		return NULL;
	fdtab_lock();
	word = fdtab_word(epfd);
	if (word_epoll(word)) {		/* another thread was faster */
		fdtab_unlock();
		sock_epoll_put(e);
		return word_epoll(word);
	}
	fdtab_replace(epfd, (uintptr_t)e | FD_EPOLL);
	fdtab_unlock();
	return e;
}

EXPORT int epoll_ctl(int epfd, int op, int fd, struct epoll_event *ev)
{
	struct sock_epoll *e = fdtab_epoll(epfd);
	struct sock_epoll *inner = fdtab_epoll(fd);
	struct sock *s = fdtab_sock(fd);
	int rc;

	if (!e && (s || inner))
		e = give_object(epfd);
	if (!e)
		return libc.epoll_ctl(epfd, op, fd, ev);
	rc = sock_epoll_ctl(e, epfd, op, fd, s, inner, ev);
	return rc == SOCK_PASS ? libc.epoll_ctl(epfd, op, fd, ev) : (int)ret(rc);
}

/* Time left of *t since @start. */
static void time_left(struct timespec *t, uint64_t start)
{
	uint64_t all = (uint64_t)t->tv_sec * NSEC_PER_SEC + (uint64_t)t->tv_nsec, gone = clock_ns() - start;

	all = gone < all ? all - gone : 0;
	*t = (struct timespec){ (time_t)(all / NSEC_PER_SEC), (long)(all % NSEC_PER_SEC) };
}

/* The kernel's wait, in libc since it is a cancellation point. SOCK_PASS: @t is what is left. */
static int kernel_wait(struct sock_epoll *e, int epfd, struct epoll_event *ev, int max, struct timespec *t,
		       const sigset_t *mask)
{
	uint64_t start = t ? clock_ns() : 0;
	int rc, ms = -1;

	if (!sock_epoll_enter_kernel(e))
		return SOCK_PASS;
	/* epoll_pwait2() is newer than epoll_pwait(): only where a part of a millisecond counts. */
	if (t && (t->tv_nsec % 1000000 || t->tv_sec > 1000000))
		rc = libc.epoll_pwait2(epfd, ev, max, t, mask);
	else {
		if (t)
			ms = (int)(t->tv_sec * 1000 + t->tv_nsec / 1000000);
		rc = libc.epoll_pwait(epfd, ev, max, ms, mask);
	}
	rc = sock_epoll_leave_kernel(e, ev, rc);
	if (unlikely(rc == SOCK_PASS) && t)
		time_left(t, start);
	return rc;
}

/* @e: the set; its wait may sleep.  As libc's. */
static int set_wait(struct sock_epoll *e, int epfd, struct epoll_event *ev, int max, const struct timespec *timeout,
		    const sigset_t *mask)
{
	struct timespec t = timeout ? *timeout : (struct timespec){ 0 };
	int rc;

	for (;;) {
		rc = sock_epoll_wait(e, epfd, ev, max, timeout ? &t : NULL, mask);
		if (rc != SOCK_PASS)
			return (int)ret(rc);
		rc = kernel_wait(e, epfd, ev, max, timeout ? &t : NULL, mask);
		if (rc != SOCK_PASS)
			return rc;
	}
}

EXPORT int epoll_pwait(int epfd, struct epoll_event *ev, int max, int ms, const sigset_t *mask)
{
	struct sock_epoll *e = fdtab_epoll(epfd);
	struct timespec t = { ms / 1000, ms % 1000 * 1000000L };

	if (!e || max <= 0)
		return libc.epoll_pwait(epfd, ev, max, ms, mask);
	return set_wait(e, epfd, ev, max, ms < 0 ? NULL : &t, mask);
}

EXPORT int epoll_wait(int epfd, struct epoll_event *ev, int max, int ms)
{
	if (!fdtab_epoll(epfd))
		return libc.epoll_wait(epfd, ev, max, ms);
	return epoll_pwait(epfd, ev, max, ms, NULL);
}

EXPORT int epoll_pwait2(int epfd, struct epoll_event *ev, int max, const struct timespec *t,
			const sigset_t *mask)
{
	struct sock_epoll *e = fdtab_epoll(epfd);

	if (!e || max <= 0 || (t && (t->tv_sec < 0 || t->tv_nsec < 0 || t->tv_nsec >= (long)NSEC_PER_SEC)))
		return libc.epoll_pwait2(epfd, ev, max, t, mask);
	return set_wait(e, epfd, ev, max, t, mask);
}
