// SPDX-License-Identifier: BSD-2-Clause
/*
 * calls_fd.c - close, dup and what else changes descriptors
 *
 * The table is changed before the kernel closes a number, since another thread
 * may get it at once; duplicates are made under the table's lock.  In the child
 * of vfork(), whose memory is its parent's, only the kernel's table changes.
 */
#include <fcntl.h>
#include <linux/close_range.h>
#include <stdarg.h>
#include <sys/ioctl.h>

#include "base/log.h"
#include "base/sys.h"
#include "preload/fdtab.h"
#include "preload/libc.h"

static bool is_object(uintptr_t word)
{
	return word_sock(word) || word_epoll(word);
}

/* ---- close -------------------------------------------------------------------------- */

static __cold int close_object(int fd)
{
	uintptr_t word;

	if (fork_shares_memory())
		return libc.close(fd);
	fdtab_lock();
	word = fdtab_replace(fd, FD_PASS);
	fdtab_unlock();
	sock_epoll_fd_closed(fd);
	fdtab_put(word, fd);
	return libc.close(fd);
}

EXPORT int close(int fd)
{
	uintptr_t word = fdtab_word(fd);

	if (likely(word == FD_PASS || word == FD_UNKNOWN))
		return libc.close(fd);
	if (word == FD_INTERNAL)
		return (int)ret(-EBADF);
	return close_object(fd);
}
EXPORT int __close(int) __attribute__((alias("close")));

/* Close [first, last] but what is the library's own. */
static int close_between(unsigned first, unsigned last)
{
	int top = max_t(int, fdtab_max(), fdtab_max_internal()), rc = 0;

	for (unsigned fd = first; top >= 0 && fd <= last && fd <= (unsigned)top; fd++) {
		uintptr_t word = fdtab_word((int)fd);

		if (is_object(word)) {
			close_object((int)fd);
		} else if (word == FD_INTERNAL) {
			if (fd > first)
				rc = libc.close_range(first, fd - 1, 0);
			first = fd + 1;
		}
	}
	return first <= last ? libc.close_range(first, last, 0) : rc;
}

EXPORT int close_range(unsigned first, unsigned last, int flags)
{
	if (!preload_started() || first > last || (flags & ~CLOSE_RANGE_UNSHARE) || fork_shares_memory())
		return libc.close_range(first, last, flags);
	if (flags & CLOSE_RANGE_UNSHARE)
		libc.close_range(~0u, ~0u, CLOSE_RANGE_UNSHARE);
	return close_between(first, last);
}

EXPORT void closefrom(int low)
{
	close_range(low < 0 ? 0 : (unsigned)low, ~0u, 0);
}

/* ---- dup ---------------------------------------------------------------------------- */

/* @cmd: F_DUPFD, F_DUPFD_CLOEXEC, or -1 for dup() */
static int dup_kernel(int fd, int cmd, long min)
{
	return cmd < 0 ? libc.dup(fd) : libc.fcntl(fd, cmd, min);
}

static __cold int dup_object(int fd, int cmd, long min)
{
	uintptr_t word, stale = FD_PASS;
	int new;

	fdtab_lock();
	word = fdtab_word(fd);
	fdtab_get(word);
	new = dup_kernel(fd, cmd, min);
	if (new >= 0 && (unsigned)new < FDTAB_SIZE)
		stale = fdtab_replace(new, word);
	fdtab_unlock();
	if (new < 0 || (unsigned)new >= FDTAB_SIZE)
		fdtab_put(word, -1);
	fdtab_put(stale, -1);
	return new;
}

static int dup_any(int fd, int cmd, long min)
{
	uintptr_t word = fdtab_word(fd);
	int new;

	if (unlikely(is_object(word)) && !fork_shares_memory())
		return dup_object(fd, cmd, min);
	new = dup_kernel(fd, cmd, min);
	if (new < 0)
		return new;
	if (word == FD_UNKNOWN)
		fdtab_set_unknown(new);
	else if (!is_object(word))
		fdtab_set_pass(new);
	return new;
}

EXPORT int dup(int fd)
{
	return dup_any(fd, -1, 0);
}

/* @flags: -1 for dup2() */
static int dup_to_kernel(int fd, int to, int flags)
{
	return flags < 0 ? libc.dup2(fd, to) : libc.dup3(fd, to, flags);
}

static __cold int dup_object_to(int fd, int to, int flags)
{
	uintptr_t word, old;
	int rc, keep = -1;

	fdtab_lock();
	word = fdtab_word(fd);
	old = fdtab_word(to);
	/* sock/ may still need the kernel socket that dup2() is about to close. */
	if (word_sock(old))
		keep = sys_fd_high(sys_fcntl(to, F_DUPFD_CLOEXEC, 0));
	fdtab_get(word);
	rc = dup_to_kernel(fd, to, flags);
	if (rc >= 0)
		old = fdtab_replace(to, word);
	fdtab_unlock();
	if (rc >= 0 && is_object(old))
		sock_epoll_fd_closed(to);
	fdtab_put(rc < 0 || (unsigned)to >= FDTAB_SIZE ? word : old, rc < 0 ? -1 : keep);
	if (keep >= 0)
		sys_close(keep);
	return rc;
}

static int dup_to(int fd, int to, int flags)
{
	uintptr_t word = fdtab_word(fd), old = fdtab_word(to);
	int rc;

	if (unlikely(old == FD_INTERNAL && fd != to))
		return (int)ret(-EBUSY);
	if (fd == to || (likely(!is_object(word) && !is_object(old))) || fork_shares_memory()) {
		rc = dup_to_kernel(fd, to, flags);
		if (rc >= 0 && word == FD_UNKNOWN && old == FD_PASS)
			fdtab_set_unknown(to);
		else if (rc >= 0 && word == FD_PASS && old == FD_UNKNOWN)
			fdtab_set_pass(to);
		return rc;
	}
	return dup_object_to(fd, to, flags);
}

EXPORT int dup2(int fd, int to)
{
	return dup_to(fd, to, -1);
}
int __dup2(int, int);
EXPORT int __dup2(int, int) __attribute__((alias("dup2")));

EXPORT int dup3(int fd, int to, int flags)
{
	return dup_to(fd, to, flags);
}

int pidfd_getfd(int, int, unsigned);	/* <sys/pidfd.h> of newer libcs */
EXPORT int pidfd_getfd(int pidfd, int fd, unsigned flags)
{
	int new = libc.pidfd_getfd(pidfd, fd, flags);

	if (new >= 0)
		fdtab_set_unknown(new);
	return new;
}

/* ---- fcntl, ioctl ------------------------------------------------------------------- */

/* Only the kernel sends SIGIO, about what it receives itself. */
static __cold void want_sigio(struct sock *s, int fd)
{
	if (sock_handover(s, fd, SOCK_REASON_sockopt) == 0)
		fdtab_decided(fd, s);
	else
		postern_log(PLOG_USAGE, "O_ASYNC on an accelerated connection: there will be no signal; "
					"set it before connect()");
}

static int set_flags(int fd, long flags)
{
	struct sock *s = fdtab_sock(fd);
	int rc = libc.fcntl(fd, F_SETFL, flags);

	if (rc >= 0 && s)
		sock_set_nonblock(s, flags & O_NONBLOCK);
	if (unlikely(rc >= 0 && s && flags & O_ASYNC))
		want_sigio(s, fd);
	return rc;
}

EXPORT int fcntl(int fd, int cmd, ...)
{
	va_list ap;
	long arg;

	va_start(ap, cmd);
	arg = va_arg(ap, long);
	va_end(ap);
	switch (cmd) {
	case F_DUPFD:
	case F_DUPFD_CLOEXEC:
		return dup_any(fd, cmd, arg);
	case F_SETFL:
		return set_flags(fd, arg);
	default:
		return libc.fcntl(fd, cmd, arg);
	}
}
EXPORT int fcntl64(int, int, ...) __attribute__((alias("fcntl")));
EXPORT int __fcntl(int, int, ...) __attribute__((alias("fcntl")));

EXPORT int ioctl(int fd, unsigned long req, ...)
{
	struct sock *s = fdtab_sock(fd);
	va_list ap;
	void *arg;
	int rc;

	va_start(ap, req);
	arg = va_arg(ap, void *);
	va_end(ap);
	if (likely(!s))
		return libc.ioctl(fd, req, arg);
	if (req == FIONBIO) {
		rc = libc.ioctl(fd, req, arg);
		if (rc >= 0)
			sock_set_nonblock(s, *(int *)arg);
		return rc;
	}
	if (unlikely(req == FIOASYNC)) {
		rc = libc.ioctl(fd, req, arg);
		if (rc >= 0 && *(int *)arg)
			want_sigio(s, fd);
		return rc;
	}
	rc = sock_ioctl(s, fd, req, arg);
	return rc == SOCK_PASS ? libc.ioctl(fd, req, arg) : (int)ret(rc);
}
