// SPDX-License-Identifier: BSD-2-Clause
/*
 * libc.c - finding libc's functions, see libc.h
 *
 * Each slot of the table starts with first_<name>(), which looks the function
 * up, stores it and calls it.  dlsym() may allocate, and an allocator that is
 * itself preloaded may read files through us: such a nested call finds
 * `looking` set and makes the plain system call.
 */
#include "preload/libc.h"

#include <dlfcn.h>
#include <errno.h>
#include <sched.h>
#include <stdarg.h>

#include "base/sys.h"
#include "preload/preload.h"

#if defined(__x86_64__)
#define SPAWN_VERSION "GLIBC_2.15"	/* the older one runs scripts without #! */
#else
#define SPAWN_VERSION NULL
#endif

static __thread unsigned looking;

/* ---- plain system calls ----------------------------------------------------- */

static ssize_t raw_read(int fd, void *p, size_t n) { return ret(sys_read(fd, p, n)); }
static ssize_t raw_write(int fd, const void *p, size_t n) { return ret(sys_write(fd, p, n)); }
static ssize_t raw_readv(int fd, const struct iovec *v, int n) { return ret(sys3(SYS_readv, fd, v, n)); }
static ssize_t raw_writev(int fd, const struct iovec *v, int n) { return ret(sys3(SYS_writev, fd, v, n)); }

/* The kernel takes the offset in two longs, of which 64-bit machines use the first. */
static ssize_t raw_preadv2(int fd, const struct iovec *v, int n, off_t o, int fl)
{
	return ret(sys6_(SYS_preadv2, fd, v, n, o, 0, fl));
}

static ssize_t raw_pwritev2(int fd, const struct iovec *v, int n, off_t o, int fl)
{
	return ret(sys6_(SYS_pwritev2, fd, v, n, o, 0, fl));
}

static ssize_t raw_recv(int fd, void *p, size_t n, int fl) { return ret(sys_recvfrom(fd, p, n, fl, NULL, NULL)); }

static ssize_t raw_recvfrom(int fd, void *p, size_t n, int fl, struct sockaddr *a, socklen_t *l)
{
	return ret(sys_recvfrom(fd, p, n, fl, a, l));
}

static ssize_t raw_recvmsg(int fd, struct msghdr *m, int fl) { return ret(sys_recvmsg(fd, m, fl)); }

static int raw_recvmmsg(int fd, struct mmsghdr *v, unsigned n, int fl, struct timespec *t)
{
	return (int)ret(sys5(SYS_recvmmsg, fd, v, n, fl, t));
}

static ssize_t raw_send(int fd, const void *p, size_t n, int fl) { return ret(sys_sendto(fd, p, n, fl, NULL, 0)); }

static ssize_t raw_sendto(int fd, const void *p, size_t n, int fl, const struct sockaddr *a, socklen_t l)
{
	return ret(sys_sendto(fd, p, n, fl, a, l));
}

static ssize_t raw_sendmsg(int fd, const struct msghdr *m, int fl) { return ret(sys_sendmsg(fd, m, fl)); }

static int raw_sendmmsg(int fd, struct mmsghdr *v, unsigned n, int fl)
{
	return (int)ret(sys4(SYS_sendmmsg, fd, v, n, fl));
}

static ssize_t raw_sendfile(int out, int in, off_t *o, size_t n) { return ret(sys4(SYS_sendfile, out, in, o, n)); }

static ssize_t raw_splice(int in, loff_t *oi, int out, loff_t *oo, size_t n, unsigned fl)
{
	return ret(sys6_(SYS_splice, in, oi, out, oo, n, fl));
}

static int raw_socket(int d, int t, int p) { return (int)ret(sys_socket(d, t, p)); }
static int raw_socketpair(int d, int t, int p, int *sv) { return (int)ret(sys4(SYS_socketpair, d, t, p, sv)); }
static int raw_bind(int fd, const struct sockaddr *a, socklen_t l) { return (int)ret(sys_bind(fd, a, l)); }
static int raw_listen(int fd, int n) { return (int)ret(sys_listen(fd, n)); }
static int raw_accept(int fd, struct sockaddr *a, socklen_t *l) { return (int)ret(sys_accept4(fd, a, l, 0)); }

static int raw_accept4(int fd, struct sockaddr *a, socklen_t *l, int fl)
{
	return (int)ret(sys_accept4(fd, a, l, fl));
}

static int raw_connect(int fd, const struct sockaddr *a, socklen_t l) { return (int)ret(sys_connect(fd, a, l)); }
static int raw_shutdown(int fd, int how) { return (int)ret(sys_shutdown(fd, how)); }
static int raw_getsockname(int fd, struct sockaddr *a, socklen_t *l) { return (int)ret(sys_getsockname(fd, a, l)); }
static int raw_getpeername(int fd, struct sockaddr *a, socklen_t *l) { return (int)ret(sys_getpeername(fd, a, l)); }

static int raw_getsockopt(int fd, int lv, int o, void *v, socklen_t *l)
{
	return (int)ret(sys_getsockopt(fd, lv, o, v, l));
}

static int raw_setsockopt(int fd, int lv, int o, const void *v, socklen_t l)
{
	return (int)ret(sys_setsockopt(fd, lv, o, v, l));
}

static int raw_ppoll(struct pollfd *p, nfds_t n, const struct timespec *t, const sigset_t *s)
{
	struct timespec left = t ? *t : (struct timespec){ 0 };

	return (int)ret(sys_ppoll(p, (unsigned)n, t ? &left : NULL, s));
}

static int raw_poll(struct pollfd *p, nfds_t n, int ms)
{
	struct timespec t = { ms / 1000, ms % 1000 * 1000000L };

	return raw_ppoll(p, n, ms < 0 ? NULL : &t, NULL);
}

static int raw_pselect(int n, fd_set *r, fd_set *w, fd_set *x, const struct timespec *t, const sigset_t *s)
{
	struct timespec left = t ? *t : (struct timespec){ 0 };
	struct { const sigset_t *set; size_t size; } mask = { s, SYS_SIGSET_SIZE };

	return (int)ret(sys6_(SYS_pselect6, n, r, w, x, t ? &left : NULL, &mask));
}

static int raw_select(int n, fd_set *r, fd_set *w, fd_set *x, struct timeval *tv)
{
	struct timespec t = tv ? (struct timespec){ tv->tv_sec, tv->tv_usec * 1000 } : (struct timespec){ 0 };
	struct { const sigset_t *set; size_t size; } mask = { NULL, SYS_SIGSET_SIZE };
	long rc = sys6_(SYS_pselect6, n, r, w, x, tv ? &t : NULL, &mask);

	if (tv)
		*tv = (struct timeval){ t.tv_sec, t.tv_nsec / 1000 };
	return (int)ret(rc);
}

static int raw_epoll_create1(int fl) { return (int)ret(sys_epoll_create1(fl)); }
static int raw_epoll_create(int n) { return n > 0 ? raw_epoll_create1(0) : (int)ret(-EINVAL); }

static int raw_epoll_ctl(int e, int op, int fd, struct epoll_event *ev)
{
	return (int)ret(sys_epoll_ctl(e, op, fd, ev));
}

static int raw_epoll_pwait(int e, struct epoll_event *ev, int n, int ms, const sigset_t *s)
{
	return (int)ret(sys6_(SYS_epoll_pwait, e, ev, n, ms, s, SYS_SIGSET_SIZE));
}

static int raw_epoll_wait(int e, struct epoll_event *ev, int n, int ms)
{
	return raw_epoll_pwait(e, ev, n, ms, NULL);
}

static int raw_epoll_pwait2(int e, struct epoll_event *ev, int n, const struct timespec *t, const sigset_t *s)
{
	return (int)ret(sys_epoll_pwait2(e, ev, n, t, s));
}

static int raw_close(int fd) { return (int)ret(sys_close(fd)); }
static int raw_close_range(unsigned a, unsigned b, int fl) { return (int)ret(sys3(SYS_close_range, a, b, fl)); }
static int raw_dup(int fd) { return (int)ret(sys1(SYS_dup, fd)); }
static int raw_dup3(int fd, int to, int fl) { return (int)ret(sys3(SYS_dup3, fd, to, fl)); }

static int raw_dup2(int fd, int to)
{
	if (fd != to)
		return raw_dup3(fd, to, 0);
	return ret(sys_fcntl(fd, F_GETFD, 0)) < 0 ? -1 : to;
}

static int raw_fcntl(int fd, int cmd, long a) { return (int)ret(sys_fcntl(fd, cmd, a)); }
static int raw_ioctl(int fd, unsigned long req, void *a) { return (int)ret(sys_ioctl(fd, req, a)); }
static int raw_pidfd_getfd(int p, int fd, unsigned fl) { return (int)ret(sys3(SYS_pidfd_getfd, p, fd, fl)); }

static int raw_execve(const char *p, char *const *v, char *const *e)
{
	return (int)ret(sys3(SYS_execve, p, v, e));
}

static int raw_execveat(int fd, const char *p, char *const *v, char *const *e, int fl)
{
	return (int)ret(sys5(SYS_execveat, fd, p, v, e, fl));
}

/* Needs libc's restorer trampoline: without libc there is no such call. */
static int raw_sigaction(int sig, const struct sigaction *a, struct sigaction *o)
{
	return (int)ret(-ENOSYS);
}

/* ---- the table --------------------------------------------------------------- */

static void *look_up(const char *name, const char *version)
{
	void *p = NULL;

	looking++;
	if (version)
		p = dlvsym(RTLD_NEXT, name, version);
	if (!p)
		p = dlsym(RTLD_NEXT, name);
	if (!p) {
		/* Loaded by dlopen() into a scope of its own, libc may not come "next". */
		void *so = dlopen("libc.so.6", RTLD_LAZY | RTLD_NOLOAD);

		if (so)
			p = dlsym(so, name);
	}
	looking--;
	return p;
}

#define X(ret_t, name, params, args)                                           \
	static ret_t first_##name params                                       \
	{                                                                      \
		ret_t(*found_) params;                                              \
		int saved_ = errno;                                             \
									       \
		if (looking)                                                   \
			return raw_##name args;                                \
		found_ = (ret_t(*) params)look_up(#name, NULL);                     \
		__atomic_store_n(&libc.name, found_ ? found_ : raw_##name, __ATOMIC_RELAXED); \
		errno = saved_;                                                 \
		return libc.name args;                                         \
	}
LIBC_CALLS(X)
#undef X

#define X(ret_t, name, params, args, none, version)                            \
	static ret_t none_##name params                                        \
	{                                                                      \
		errno = ENOSYS;                                                \
		return none;                                                   \
	}                                                                      \
	static ret_t first_##name params                                       \
	{                                                                      \
		ret_t(*found_) params = (ret_t(*) params)look_up(#name, version);   \
									       \
		__atomic_store_n(&libc.name, found_ ? found_ : none_##name, __ATOMIC_RELAXED); \
		return libc.name args;                                         \
	}
LIBC_OTHERS(X)
#undef X

struct libc libc = {
#define X(ret_t, name, ...) .name = first_##name,
	LIBC_CALLS(X)
	LIBC_OTHERS(X)
#undef X
};

void libc_resolve(void)
{
	int saved = errno;
	void *p;

#define X(ret_t, name, params, args)                                            \
	p = look_up(#name, NULL);                                               \
	__atomic_store_n(&libc.name, p ? (ret_t(*) params)p : raw_##name, __ATOMIC_RELAXED);
	LIBC_CALLS(X)
#undef X
#define X(ret_t, name, params, args, none, version)                             \
	p = look_up(#name, version);                                            \
	__atomic_store_n(&libc.name, p ? (ret_t(*) params)p : none_##name, __ATOMIC_RELAXED);
	LIBC_OTHERS(X)
#undef X
	errno = saved;
}
