// SPDX-License-Identifier: BSD-2-Clause
/*
 * calls_sock.c - making, naming, connecting and setting sockets
 *
 * The kernel makes every socket; Internet sockets then get an object in sock/,
 * which stays undecided until a call that decides.
 */
#include <sys/ioctl.h>

#include "preload/fdtab.h"
#include "preload/libc.h"

static int new_socket(int fd, int domain, int type, int protocol)
{
	enum sock_reason reason = SOCK_REASON_none;
	struct sock *s = NULL;
	int saved = errno;

	if (fork_shares_memory())
		return fd;
	if (unlikely(preload_thread.resolver)) {
		if (preload_started())
			fdtab_set_kernel(fd, domain, type & 0xf, SOCK_REASON_resolver);
		else
			fdtab_set_pass(fd);
		return fd;
	}
	preload_start();
	s = sock_new(fd, domain, type, protocol, &reason);
	if (s) {
		sock_is_fresh(s);
		fdtab_set_sock(fd, s);
	} else {
		fdtab_set_kernel(fd, domain, type & 0xf, reason);
	}
	errno = saved;
	return fd;
}

EXPORT int socket(int domain, int type, int protocol)
{
	int fd = libc.socket(domain, type, protocol);

	if (fd >= 0 && (domain == AF_INET || domain == AF_INET6))
		return new_socket(fd, domain, type, protocol);
	if (fd >= 0)
		fdtab_set_pass(fd);
	return fd;
}

EXPORT int socketpair(int domain, int type, int protocol, int sv[2])
{
	int rc = libc.socketpair(domain, type, protocol, sv);

	if (rc == 0) {
		fdtab_set_pass(sv[0]);
		fdtab_set_pass(sv[1]);
	}
	return rc;
}

/* A call that may decide where the socket lives: tell the tools when it did. */
static int ret_decided(int rc, struct sock *s, int fd, uint8_t mode)
{
	if (s && unlikely(s->mode != mode))
		fdtab_decided(fd, s);
	return rc == SOCK_PASS ? rc : (int)ret(rc);
}

EXPORT int bind(int fd, const struct sockaddr *addr, socklen_t len)
{
	struct sock *s = fdtab_sock(fd);
	uint8_t mode = s ? s->mode : 0;
	int rc = s ? ret_decided(sock_bind(s, fd, addr, len), s, fd, mode) : SOCK_PASS;

	return rc == SOCK_PASS ? libc.bind(fd, addr, len) : rc;
}

EXPORT int connect(int fd, const struct sockaddr *addr, socklen_t len)
{
	struct sock *s = fdtab_sock(fd);
	uint8_t mode = s ? s->mode : 0;
	int rc = s ? ret_decided(sock_connect(s, fd, addr, len), s, fd, mode) : SOCK_PASS;

	return rc == SOCK_PASS ? libc.connect(fd, addr, len) : rc;
}
EXPORT int __connect(int, const struct sockaddr *, socklen_t) __attribute__((alias("connect")));

EXPORT int listen(int fd, int backlog)
{
	struct sock *s = fdtab_sock(fd);
	uint8_t mode = s ? s->mode : 0;
	int rc = s ? ret_decided(sock_listen(s, fd, backlog), s, fd, mode) : SOCK_PASS;

	return rc == SOCK_PASS ? libc.listen(fd, backlog) : rc;
}

/* A connection that the kernel accepted, on a listener that we know or not. */
static int accepted_by_kernel(int fd, struct sock *listener, enum sock_reason reason)
{
	int saved = errno;

	if (fd < 0)
		return fd;
	if (listener)
		fdtab_set_kernel(fd, listener->family, listener->type, reason);
	else
		fdtab_set_pass(fd);
	errno = saved;
	return fd;
}

/* SOCK_PASS: the kernel's accept() is to be called. */
static int accept_ours(struct sock *s, int fd, struct sockaddr *addr, socklen_t *len, int flags)
{
	struct sock *conn = NULL;
	int rc;

	if (!s || s->mode == SOCK_KERNEL)
		return SOCK_PASS;
	rc = sock_accept(s, fd, addr, len, flags, &conn);
	if (rc < 0)
		return rc == SOCK_PASS ? rc : (int)ret(rc);
	if (conn)
		fdtab_set_sock(rc, conn);
	else
		accepted_by_kernel(rc, s, sock_accept_reason(s));
	return rc;
}

EXPORT int accept(int fd, struct sockaddr *restrict addr, socklen_t *restrict len)
{
	struct sock *s = fdtab_object(fd);
	int rc = accept_ours(s, fd, addr, len, 0);

	if (rc != SOCK_PASS)
		return rc;
	return accepted_by_kernel(libc.accept(fd, addr, len), s, s ? s->reason : 0);
}

EXPORT int accept4(int fd, struct sockaddr *restrict addr, socklen_t *restrict len, int flags)
{
	struct sock *s = fdtab_object(fd);
	int rc = accept_ours(s, fd, addr, len, flags);

	if (rc != SOCK_PASS)
		return rc;
	return accepted_by_kernel(libc.accept4(fd, addr, len, flags), s, s ? s->reason : 0);
}

EXPORT int shutdown(int fd, int how)
{
	struct sock *s = fdtab_sock(fd);
	int rc = s ? sock_shutdown(s, fd, how) : SOCK_PASS;

	return rc == SOCK_PASS ? libc.shutdown(fd, how) : (int)ret(rc);
}

EXPORT int getsockname(int fd, struct sockaddr *restrict addr, socklen_t *restrict len)
{
	struct sock *s = fdtab_sock(fd);
	int rc = s ? sock_getsockname(s, fd, addr, len) : SOCK_PASS;

	return rc == SOCK_PASS ? libc.getsockname(fd, addr, len) : (int)ret(rc);
}

EXPORT int getpeername(int fd, struct sockaddr *restrict addr, socklen_t *restrict len)
{
	struct sock *s = fdtab_sock(fd);
	int rc = s ? sock_getpeername(s, fd, addr, len) : SOCK_PASS;

	return rc == SOCK_PASS ? libc.getpeername(fd, addr, len) : (int)ret(rc);
}

EXPORT int getsockopt(int fd, int level, int name, void *restrict val, socklen_t *restrict len)
{
	struct sock *s = fdtab_sock(fd);
	int rc = s ? sock_getsockopt(s, fd, level, name, val, len) : SOCK_PASS;

	return rc == SOCK_PASS ? libc.getsockopt(fd, level, name, val, len) : (int)ret(rc);
}

EXPORT int setsockopt(int fd, int level, int name, const void *val, socklen_t len)
{
	struct sock *s = fdtab_sock(fd);
	uint8_t mode = s ? s->mode : 0;
	int rc = s ? ret_decided(sock_setsockopt(s, fd, level, name, val, len), s, fd, mode) : SOCK_PASS;

	return rc == SOCK_PASS ? libc.setsockopt(fd, level, name, val, len) : rc;
}

/* libc's own asks the kernel past us. */
EXPORT int sockatmark(int fd)
{
	int at;

	return ioctl(fd, 0x8905 /* SIOCATMARK */, &at) < 0 ? -1 : at;
}
