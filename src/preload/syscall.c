// SPDX-License-Identifier: BSD-2-Clause
/*
 * syscall.c - system calls by number
 *
 * Those that concern descriptors go to our functions of the same name, the rest
 * to the kernel.  Only for x86-64, where programs do this; the build leaves the
 * file out elsewhere.
 *
 * The kernel's signal sets have 8 bytes, libc's 128: our functions only hand
 * such a set on to the kernel, which reads the first 8.
 */
#include <fcntl.h>
#include <stdarg.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/sys.h"
#include "preload/fdtab.h"
#include "preload/libc.h"

int pidfd_getfd(int, int, unsigned);
int close_range(unsigned, unsigned, int);

/* The kernel's own form of ppoll and pselect6 also writes back the time left. */
static long route_ppoll(void *fds, nfds_t n, struct timespec *t, void *mask, long size)
{
	return size && mask && size != SYS_SIGSET_SIZE ? ret(-EINVAL) : ppoll(fds, n, t, mask);
}

static long route_pselect(int n, void *r, void *w, void *x, struct timespec *t, void *packed)
{
	struct { void *mask; size_t size; } *m = packed;

	return pselect(n, r, w, x, t, m ? m->mask : NULL);
}

EXPORT long syscall(long nr, ...)
{
	long a, b, c, d, e, f;
	va_list ap;

	va_start(ap, nr);
	a = va_arg(ap, long);
	b = va_arg(ap, long);
	c = va_arg(ap, long);
	d = va_arg(ap, long);
	e = va_arg(ap, long);
	f = va_arg(ap, long);
	va_end(ap);

	switch (nr) {
	case SYS_read:
		return read((int)a, (void *)b, (size_t)c);
	case SYS_write:
		return write((int)a, (void *)b, (size_t)c);
	case SYS_readv:
		return readv((int)a, (void *)b, (int)c);
	case SYS_writev:
		return writev((int)a, (void *)b, (int)c);
	case SYS_socket:
		return socket((int)a, (int)b, (int)c);
	case SYS_socketpair:
		return socketpair((int)a, (int)b, (int)c, (int *)d);
	case SYS_bind:
		return bind((int)a, (void *)b, (socklen_t)c);
	case SYS_listen:
		return listen((int)a, (int)b);
	case SYS_accept:
		return accept((int)a, (void *)b, (void *)c);
	case SYS_accept4:
		return accept4((int)a, (void *)b, (void *)c, (int)d);
	case SYS_connect:
		return connect((int)a, (void *)b, (socklen_t)c);
	case SYS_shutdown:
		return shutdown((int)a, (int)b);
	case SYS_getsockname:
		return getsockname((int)a, (void *)b, (void *)c);
	case SYS_getpeername:
		return getpeername((int)a, (void *)b, (void *)c);
	case SYS_getsockopt:
		return getsockopt((int)a, (int)b, (int)c, (void *)d, (void *)e);
	case SYS_setsockopt:
		return setsockopt((int)a, (int)b, (int)c, (void *)d, (socklen_t)e);
	case SYS_sendto:
		return sendto((int)a, (void *)b, (size_t)c, (int)d, (void *)e, (socklen_t)f);
	case SYS_sendmsg:
		return sendmsg((int)a, (void *)b, (int)c);
	case SYS_sendmmsg:
		return sendmmsg((int)a, (void *)b, (unsigned)c, (int)d);
	case SYS_recvfrom:
		return recvfrom((int)a, (void *)b, (size_t)c, (int)d, (void *)e, (void *)f);
	case SYS_recvmsg:
		return recvmsg((int)a, (void *)b, (int)c);
	case SYS_recvmmsg:
		return recvmmsg((int)a, (void *)b, (unsigned)c, (int)d, (void *)e);
	case SYS_sendfile:
		return sendfile((int)a, (int)b, (void *)c, (size_t)d);
	case SYS_splice:
		return splice((int)a, (void *)b, (int)c, (void *)d, (size_t)e, (unsigned)f);
	case SYS_poll:
		return poll((void *)a, (nfds_t)b, (int)c);
	case SYS_select:
		return select((int)a, (void *)b, (void *)c, (void *)d, (void *)e);
	case SYS_epoll_create:
		return epoll_create((int)a);
	case SYS_epoll_create1:
		return epoll_create1((int)a);
	case SYS_epoll_ctl:
		return epoll_ctl((int)a, (int)b, (int)c, (void *)d);
	case SYS_epoll_wait:
		return epoll_wait((int)a, (void *)b, (int)c, (int)d);
	case SYS_epoll_pwait:
		return epoll_pwait((int)a, (void *)b, (int)c, (int)d, (void *)e);
	case SYS_epoll_pwait2:
		return epoll_pwait2((int)a, (void *)b, (int)c, (void *)d, (void *)e);
	case SYS_close:
		return close((int)a);
	case SYS_close_range:
		return close_range((unsigned)a, (unsigned)b, (int)c);
	case SYS_dup:
		return dup((int)a);
	case SYS_dup2:
		return dup2((int)a, (int)b);
	case SYS_dup3:
		return dup3((int)a, (int)b, (int)c);
	case SYS_fcntl:
		return fcntl((int)a, (int)b, c);
	case SYS_ioctl:
		return ioctl((int)a, (unsigned long)b, (void *)c);
	case SYS_pidfd_getfd:
		return pidfd_getfd((int)a, (int)b, (unsigned)c);
	case SYS_execve:
		return execve((void *)a, (void *)b, (void *)c);
	case SYS_execveat:
		return execveat((int)a, (void *)b, (void *)c, (void *)d, (int)e);
	case SYS_ppoll:
		return route_ppoll((void *)a, (nfds_t)b, (void *)c, (void *)d, e);
	case SYS_pselect6:
		return route_pselect((int)a, (void *)b, (void *)c, (void *)d, (void *)e, (void *)f);
	case SYS_vfork:
	case SYS_clone:
	case SYS_clone3:
		fork_foreign_seen = true;
		return ret(sys6(nr, a, b, c, d, e, f));
	case SYS_io_uring_setup:
		return uring_refused() ? ret(-ENOSYS) : ret(sys2(nr, a, b));
	case SYS_io_submit:
		return ret(aio_submit((unsigned long)a, b, (void *)c));
	default:
		return ret(sys6(nr, a, b, c, d, e, f));
	}
}
