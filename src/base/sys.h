/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sys.h - system calls that return -errno
 *
 * libonload.so interposes socket(), close(), epoll_wait() and the like, so a
 * call by libc's name from inside the library would come back to it.  These go
 * straight to the kernel, never touch errno, and are safe in a signal handler
 * and in the child of vfork().
 */
#ifndef POSTERN_BASE_SYS_H
#define POSTERN_BASE_SYS_H

#include <signal.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/types.h"

#if !defined(__x86_64__) && !defined(__aarch64__)
#error "sys.h: add the system call convention of this machine"
#endif

static inline long sys6(long nr, long a, long b, long c, long d, long e, long f)
{
#if defined(__x86_64__)
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;
	long rc;

	__asm__ volatile("syscall"
			 : "=a"(rc)
			 : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return rc;
#else
	register long x8 __asm__("x8") = nr;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d;
	register long x4 __asm__("x4") = e;
	register long x5 __asm__("x5") = f;

	__asm__ volatile("svc 0"
			 : "+r"(x0)
			 : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
			 : "memory");
	return x0;
#endif
}

#define SYS_ARG(x) ((long)(x))
#define sys0(nr) sys6(nr, 0, 0, 0, 0, 0, 0)
#define sys1(nr, a) sys6(nr, SYS_ARG(a), 0, 0, 0, 0, 0)
#define sys2(nr, a, b) sys6(nr, SYS_ARG(a), SYS_ARG(b), 0, 0, 0, 0)
#define sys3(nr, a, b, c) sys6(nr, SYS_ARG(a), SYS_ARG(b), SYS_ARG(c), 0, 0, 0)
#define sys4(nr, a, b, c, d) sys6(nr, SYS_ARG(a), SYS_ARG(b), SYS_ARG(c), SYS_ARG(d), 0, 0)
#define sys5(nr, a, b, c, d, e) \
	sys6(nr, SYS_ARG(a), SYS_ARG(b), SYS_ARG(c), SYS_ARG(d), SYS_ARG(e), 0)
#define sys6_(nr, a, b, c, d, e, f) \
	sys6(nr, SYS_ARG(a), SYS_ARG(b), SYS_ARG(c), SYS_ARG(d), SYS_ARG(e), SYS_ARG(f))

/* Defined in libonload.so alone: keeps the program from closing or replacing
 * descriptors that are the library's own. */
void sys_fd_private(int fd, bool ours) __attribute__((weak));

static inline int sys_close(int fd)
{
	if (sys_fd_private)
		sys_fd_private(fd, false);
	return (int)sys1(SYS_close, fd);
}
static inline long sys_read(int fd, void *p, size_t n) { return sys3(SYS_read, fd, p, n); }
static inline long sys_write(int fd, const void *p, size_t n) { return sys3(SYS_write, fd, p, n); }
static inline int sys_fcntl(int fd, int cmd, long arg) { return (int)sys3(SYS_fcntl, fd, cmd, arg); }
static inline int sys_socket(int d, int t, int p) { return (int)sys3(SYS_socket, d, t, p); }
static inline long sys_sendto(int fd, const void *p, size_t n, int flags, const void *a, unsigned l)
{
	return sys6_(SYS_sendto, fd, p, n, flags, a, l);
}
static inline long sys_recvfrom(int fd, void *p, size_t n, int flags, void *a, void *l)
{
	return sys6_(SYS_recvfrom, fd, p, n, flags, a, l);
}
static inline long sys_sendmsg(int fd, const void *m, int flags) { return sys3(SYS_sendmsg, fd, m, flags); }
static inline long sys_recvmsg(int fd, void *m, int flags) { return sys3(SYS_recvmsg, fd, m, flags); }
static inline int sys_connect(int fd, const void *a, unsigned l) { return (int)sys3(SYS_connect, fd, a, l); }
static inline int sys_bind(int fd, const void *a, unsigned l) { return (int)sys3(SYS_bind, fd, a, l); }
static inline int sys_listen(int fd, int n) { return (int)sys2(SYS_listen, fd, n); }
static inline int sys_accept4(int fd, void *a, void *l, int flags) { return (int)sys4(SYS_accept4, fd, a, l, flags); }
static inline int sys_getsockname(int fd, void *a, void *l) { return (int)sys3(SYS_getsockname, fd, a, l); }
static inline int sys_getpeername(int fd, void *a, void *l) { return (int)sys3(SYS_getpeername, fd, a, l); }
static inline int sys_getsockopt(int fd, int lev, int opt, void *v, void *l)
{
	return (int)sys5(SYS_getsockopt, fd, lev, opt, v, l);
}
static inline int sys_setsockopt(int fd, int lev, int opt, const void *v, unsigned l)
{
	return (int)sys5(SYS_setsockopt, fd, lev, opt, v, l);
}
static inline int sys_shutdown(int fd, int how) { return (int)sys2(SYS_shutdown, fd, how); }
static inline int sys_ioctl(int fd, unsigned long req, void *arg) { return (int)sys3(SYS_ioctl, fd, req, arg); }
static inline int sys_epoll_create1(int flags) { return (int)sys1(SYS_epoll_create1, flags); }
static inline int sys_epoll_ctl(int ep, int op, int fd, const void *ev) { return (int)sys4(SYS_epoll_ctl, ep, op, fd, ev); }

/* Signal sets of the kernel are 8 bytes. */
#define SYS_SIGSET_SIZE 8

static inline int sys_epoll_pwait2(int ep, void *ev, int max, const struct timespec *ts, const void *mask)
{
	return (int)sys6_(SYS_epoll_pwait2, ep, ev, max, ts, mask, SYS_SIGSET_SIZE);
}
/* Unlike libc's wrapper the kernel writes the time left into @ts. */
static inline int sys_ppoll(void *fds, unsigned n, struct timespec *ts, const void *mask)
{
	return (int)sys5(SYS_ppoll, fds, n, ts, mask, SYS_SIGSET_SIZE);
}
static inline int sys_gettid(void) { return (int)sys0(SYS_gettid); }
static inline int sys_getpid(void) { return (int)sys0(SYS_getpid); }
static inline int sys_tgkill(int pid, int tid, int sig) { return (int)sys3(SYS_tgkill, pid, tid, sig); }
static inline long sys_futex(void *addr, int op, uint32_t val, const struct timespec *ts)
{
	return sys4(SYS_futex, addr, op, val, ts);
}
static inline int sys_sigprocmask(int how, const void *set, void *old)
{
	return (int)sys4(SYS_rt_sigprocmask, how, set, old, SYS_SIGSET_SIZE);
}

/* A descriptor out of the way of the application's low numbers, and private;
 * closes the old one.  Where the limit does not allow it the old one is returned. */
static inline int sys_fd_high(int fd)
{
	static const int bases[] = { 4096, 512, 64 };

	for (size_t i = 0; fd >= 0 && i < ARRAY_SIZE(bases); i++) {
		int high = sys_fcntl(fd, 1030 /* F_DUPFD_CLOEXEC */, bases[i]);

		if (high >= 0) {
			sys_close(fd);
			fd = high;
			break;
		}
	}
	if (fd >= 0 && sys_fd_private)
		sys_fd_private(fd, true);
	return fd;
}

#endif
