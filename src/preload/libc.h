/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * libc.h - the functions that we hide, as libc has them
 *
 * Each name that libonload.so takes over is reached through the table `libc`.
 * An entry finds its function (dlsym RTLD_NEXT) when it is first used, so the
 * table works before any constructor has run.  While a thread is inside dlsym(),
 * which may call an allocator that calls us, and where libc lacks the function,
 * the plain system call is made instead.
 */
#ifndef POSTERN_PRELOAD_LIBC_H
#define POSTERN_PRELOAD_LIBC_H

#include <aio.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>

#include "base/types.h"

/* X(return type, name, parameters, arguments): those that are one system call;
 * libc.c has raw_<name>() for each. */
#define LIBC_CALLS(X)                                                                                \
	X(ssize_t, read, (int fd, void *p, size_t n), (fd, p, n))                                     \
	X(ssize_t, write, (int fd, const void *p, size_t n), (fd, p, n))                              \
	X(ssize_t, readv, (int fd, const struct iovec *v, int n), (fd, v, n))                         \
	X(ssize_t, writev, (int fd, const struct iovec *v, int n), (fd, v, n))                        \
	X(ssize_t, preadv2, (int fd, const struct iovec *v, int n, off_t o, int fl), (fd, v, n, o, fl)) \
	X(ssize_t, pwritev2, (int fd, const struct iovec *v, int n, off_t o, int fl), (fd, v, n, o, fl)) \
	X(ssize_t, recv, (int fd, void *p, size_t n, int fl), (fd, p, n, fl))                         \
	X(ssize_t, recvfrom, (int fd, void *p, size_t n, int fl, struct sockaddr *a, socklen_t *l),   \
	  (fd, p, n, fl, a, l))                                                                       \
	X(ssize_t, recvmsg, (int fd, struct msghdr *m, int fl), (fd, m, fl))                          \
	X(int, recvmmsg, (int fd, struct mmsghdr *v, unsigned n, int fl, struct timespec *t),         \
	  (fd, v, n, fl, t))                                                                          \
	X(ssize_t, send, (int fd, const void *p, size_t n, int fl), (fd, p, n, fl))                   \
	X(ssize_t, sendto,                                                                            \
	  (int fd, const void *p, size_t n, int fl, const struct sockaddr *a, socklen_t l),           \
	  (fd, p, n, fl, a, l))                                                                       \
	X(ssize_t, sendmsg, (int fd, const struct msghdr *m, int fl), (fd, m, fl))                    \
	X(int, sendmmsg, (int fd, struct mmsghdr *v, unsigned n, int fl), (fd, v, n, fl))             \
	X(ssize_t, sendfile, (int out, int in, off_t *o, size_t n), (out, in, o, n))                  \
	X(ssize_t, splice, (int in, loff_t *oi, int out, loff_t *oo, size_t n, unsigned fl),          \
	  (in, oi, out, oo, n, fl))                                                                   \
	X(int, socket, (int d, int t, int p), (d, t, p))                                              \
	X(int, socketpair, (int d, int t, int p, int *sv), (d, t, p, sv))                             \
	X(int, bind, (int fd, const struct sockaddr *a, socklen_t l), (fd, a, l))                     \
	X(int, listen, (int fd, int n), (fd, n))                                                      \
	X(int, accept, (int fd, struct sockaddr *a, socklen_t *l), (fd, a, l))                        \
	X(int, accept4, (int fd, struct sockaddr *a, socklen_t *l, int fl), (fd, a, l, fl))           \
	X(int, connect, (int fd, const struct sockaddr *a, socklen_t l), (fd, a, l))                  \
	X(int, shutdown, (int fd, int how), (fd, how))                                                \
	X(int, getsockname, (int fd, struct sockaddr *a, socklen_t *l), (fd, a, l))                   \
	X(int, getpeername, (int fd, struct sockaddr *a, socklen_t *l), (fd, a, l))                   \
	X(int, getsockopt, (int fd, int lv, int o, void *v, socklen_t *l), (fd, lv, o, v, l))         \
	X(int, setsockopt, (int fd, int lv, int o, const void *v, socklen_t l), (fd, lv, o, v, l))    \
	X(int, poll, (struct pollfd *p, nfds_t n, int ms), (p, n, ms))                                \
	X(int, ppoll, (struct pollfd *p, nfds_t n, const struct timespec *t, const sigset_t *s),      \
	  (p, n, t, s))                                                                               \
	X(int, select, (int n, fd_set *r, fd_set *w, fd_set *x, struct timeval *t), (n, r, w, x, t))  \
	X(int, pselect,                                                                               \
	  (int n, fd_set *r, fd_set *w, fd_set *x, const struct timespec *t, const sigset_t *s),      \
	  (n, r, w, x, t, s))                                                                         \
	X(int, epoll_create, (int n), (n))                                                            \
	X(int, epoll_create1, (int fl), (fl))                                                         \
	X(int, epoll_ctl, (int e, int op, int fd, struct epoll_event *ev), (e, op, fd, ev))           \
	X(int, epoll_wait, (int e, struct epoll_event *ev, int n, int ms), (e, ev, n, ms))            \
	X(int, epoll_pwait, (int e, struct epoll_event *ev, int n, int ms, const sigset_t *s),        \
	  (e, ev, n, ms, s))                                                                          \
	X(int, epoll_pwait2,                                                                          \
	  (int e, struct epoll_event *ev, int n, const struct timespec *t, const sigset_t *s),        \
	  (e, ev, n, t, s))                                                                           \
	X(int, close, (int fd), (fd))                                                                 \
	X(int, close_range, (unsigned a, unsigned b, int fl), (a, b, fl))                             \
	X(int, dup, (int fd), (fd))                                                                   \
	X(int, dup2, (int fd, int to), (fd, to))                                                      \
	X(int, dup3, (int fd, int to, int fl), (fd, to, fl))                                          \
	X(int, fcntl, (int fd, int cmd, long a), (fd, cmd, a))                                        \
	X(int, ioctl, (int fd, unsigned long req, void *a), (fd, req, a))                             \
	X(int, pidfd_getfd, (int pfd, int fd, unsigned fl), (pfd, fd, fl))                            \
	X(int, execve, (const char *p, char *const *v, char *const *e), (p, v, e))                    \
	X(int, execveat, (int fd, const char *p, char *const *v, char *const *e, int fl),             \
	  (fd, p, v, e, fl))                                                                          \
	X(int, sigaction, (int sig, const struct sigaction *a, struct sigaction *o), (sig, a, o))

/* X(return type, name, parameters, arguments, value when libc has none, version or NULL) */
#define LIBC_OTHERS(X)                                                                               \
	X(int, fexecve, (int fd, char *const *v, char *const *e), (fd, v, e), -1, NULL)               \
	X(int, execvpe, (const char *f, char *const *v, char *const *e), (f, v, e), -1, NULL)         \
	X(int, posix_spawn,                                                                           \
	  (pid_t *pid, const char *p, const posix_spawn_file_actions_t *fa,                           \
	   const posix_spawnattr_t *at, char *const *v, char *const *e),                              \
	  (pid, p, fa, at, v, e), ENOSYS, SPAWN_VERSION)                                              \
	X(int, posix_spawnp,                                                                          \
	  (pid_t *pid, const char *p, const posix_spawn_file_actions_t *fa,                           \
	   const posix_spawnattr_t *at, char *const *v, char *const *e),                              \
	  (pid, p, fa, at, v, e), ENOSYS, SPAWN_VERSION)                                              \
	X(int, clone,                                                                                 \
	  (int (*fn)(void *), void *stack, int fl, void *arg, pid_t *ptid, void *tls, pid_t *ctid),   \
	  (fn, stack, fl, arg, ptid, tls, ctid), -1, NULL)                                            \
	X(pid_t, fork, (void), (), -1, NULL)                                                          \
	X(pid_t, _Fork, (void), (), -1, NULL)                                                         \
	X(FILE *, fdopen, (int fd, const char *m), (fd, m), NULL, NULL)                               \
	X(int, vdprintf, (int fd, const char *f, va_list ap), (fd, f, ap), -1, NULL)                  \
	X(int, aio_read, (struct aiocb *cb), (cb), -1, NULL)                                          \
	X(int, aio_write, (struct aiocb *cb), (cb), -1, NULL)                                         \
	X(int, lio_listio, (int mode, struct aiocb *const *v, int n, struct sigevent *ev),            \
	  (mode, v, n, ev), -1, NULL)                                                                 \
	X(int, getaddrinfo,                                                                           \
	  (const char *n, const char *s, const struct addrinfo *h, struct addrinfo **r),              \
	  (n, s, h, r), EAI_SYSTEM, NULL)                                                             \
	X(int, getnameinfo,                                                                           \
	  (const struct sockaddr *a, socklen_t l, char *h, socklen_t hl, char *s, socklen_t sl, int fl), \
	  (a, l, h, hl, s, sl, fl), EAI_SYSTEM, NULL)                                                 \
	X(struct hostent *, gethostbyname, (const char *n), (n), NULL, NULL)                          \
	X(struct hostent *, gethostbyname2, (const char *n, int af), (n, af), NULL, NULL)             \
	X(struct hostent *, gethostbyaddr, (const void *a, socklen_t l, int t), (a, l, t), NULL, NULL) \
	X(int, gethostbyname_r,                                                                       \
	  (const char *n, struct hostent *h, char *b, size_t bl, struct hostent **r, int *e),         \
	  (n, h, b, bl, r, e), ENOSYS, NULL)                                                          \
	X(int, gethostbyname2_r,                                                                      \
	  (const char *n, int af, struct hostent *h, char *b, size_t bl, struct hostent **r, int *e), \
	  (n, af, h, b, bl, r, e), ENOSYS, NULL)                                                      \
	X(int, gethostbyaddr_r,                                                                       \
	  (const void *a, socklen_t l, int t, struct hostent *h, char *b, size_t bl,                  \
	   struct hostent **r, int *e),                                                               \
	  (a, l, t, h, b, bl, r, e), ENOSYS, NULL)

struct libc {
#define X(ret, name, params, ...) ret(*name) params;
	LIBC_CALLS(X)
	LIBC_OTHERS(X)
#undef X
};

extern struct libc libc;

/* Find all of them now, so that no dlsym() happens in a signal handler or after fork(). */
void libc_resolve(void);

#endif
