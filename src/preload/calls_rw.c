// SPDX-License-Identifier: BSD-2-Clause
/*
 * calls_rw.c - read, write, recv, send and their families
 *
 * One pattern: a descriptor of the kernel costs a load and a branch more than
 * without us; a socket goes to sock/, and back to libc when sock/ says SOCK_PASS.
 * Descriptors inside SCM_RIGHTS messages are looked at on the way, both ways.
 */
#include <limits.h>
#include <string.h>
#include <sys/uio.h>

#include "preload/fdtab.h"
#include "preload/libc.h"

extern void __chk_fail(void) __attribute__((noreturn));

enum { IOV_LIMIT = 1024 };	/* UIO_MAXIOV of the kernel */

/* Translate what a send returned.  A stream that cannot be written raises
 * SIGPIPE in the calling thread; datagram sockets only say EPIPE. */
static inline ssize_t ret_send(ssize_t rc, struct sock *s, int fd, int flags, uint8_t mode)
{
	if (unlikely(s->mode != mode))
		fdtab_decided(fd, s);
	if (likely(rc >= 0))
		return rc;
	if (rc == -EPIPE && s->type == SOCK_STREAM && !(flags & MSG_NOSIGNAL))
		signal_sigpipe();
	errno = (int)-rc;
	return -1;
}

static ssize_t iov_total(const struct iovec *v, int n)
{
	size_t total = 0;

	if (n < 0 || n > IOV_LIMIT)
		return -EINVAL;
	for (int i = 0; i < n; i++) {
		if ((ssize_t)v[i].iov_len < 0 || __builtin_add_overflow(total, v[i].iov_len, &total))
			return -EINVAL;
	}
	return (ssize_t)min_t(size_t, total, SSIZE_MAX);
}

/* ---- SCM_RIGHTS ----------------------------------------------------------------- */

static __cold void rights_sent(const struct msghdr *m)
{
	if (!preload_started())
		return;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR((struct msghdr *)m, c)) {
		size_t n = c->cmsg_len > CMSG_LEN(0) ? (c->cmsg_len - CMSG_LEN(0)) / sizeof(int) : 0;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < n; i++) {
			struct sock *s;
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(fd), sizeof(fd));
			s = fdtab_sock(fd);
			if (s)
				sock_passing(s, fd);
		}
	}
}

static __cold void rights_received(struct msghdr *m)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		size_t n = c->cmsg_len > CMSG_LEN(0) ? (c->cmsg_len - CMSG_LEN(0)) / sizeof(int) : 0;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < n; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(fd), sizeof(fd));
			fdtab_set_unknown(fd);
		}
	}
}

/* ---- receive ---------------------------------------------------------------------- */

EXPORT ssize_t recv(int fd, void *buf, size_t len, int flags)
{
	struct sock *s = fdtab_sock(fd);
	ssize_t rc = s ? sock_recv(s, fd, buf, len, flags) : SOCK_PASS;

	return rc == SOCK_PASS ? libc.recv(fd, buf, len, flags) : ret(rc);
}

EXPORT ssize_t read(int fd, void *buf, size_t len)
{
	struct sock *s = fdtab_sock(fd);
	ssize_t rc;

	if (likely(!s))
		return libc.read(fd, buf, len);
	if (!len)
		return 0;		/* takes no datagram, unlike recv() */
	rc = sock_recv(s, fd, buf, len, 0);
	return rc == SOCK_PASS ? libc.read(fd, buf, len) : ret(rc);
}
EXPORT ssize_t __read(int, void *, size_t) __attribute__((alias("read")));

static ssize_t recv_iov(struct sock *s, int fd, const struct iovec *v, int n, int flags)
{
	struct msghdr m = { .msg_iov = (struct iovec *)v, .msg_iovlen = (size_t)n };
	ssize_t rc = iov_total(v, n);

	return rc <= 0 ? rc : sock_recvmsg(s, fd, &m, flags);
}

EXPORT ssize_t readv(int fd, const struct iovec *v, int n)
{
	struct sock *s = fdtab_sock(fd);
	ssize_t rc = s ? recv_iov(s, fd, v, n, 0) : SOCK_PASS;

	return rc == SOCK_PASS ? libc.readv(fd, v, n) : ret(rc);
}

EXPORT ssize_t preadv2(int fd, const struct iovec *v, int n, off_t off, int flags)
{
	struct sock *s = off == -1 ? fdtab_sock(fd) : NULL;
	ssize_t rc = SOCK_PASS;

	if (s)
		rc = recv_iov(s, fd, v, n, flags & RWF_NOWAIT ? MSG_DONTWAIT : 0);
	return rc == SOCK_PASS ? libc.preadv2(fd, v, n, off, flags) : ret(rc);
}
EXPORT ssize_t preadv64v2(int, const struct iovec *, int, off64_t, int) __attribute__((alias("preadv2")));

EXPORT ssize_t recvfrom(int fd, void *restrict buf, size_t len, int flags, struct sockaddr *restrict addr,
			socklen_t *restrict alen)
{
	struct sock *s = fdtab_sock(fd);
	struct iovec v = { buf, len };
	struct msghdr m = { .msg_name = addr, .msg_iov = &v, .msg_iovlen = 1 };
	ssize_t rc;

	if (!s)
		return libc.recvfrom(fd, buf, len, flags, addr, alen);
	if (!addr) {
		rc = sock_recv(s, fd, buf, len, flags);
	} else {
		/* A missing or negative length is found out after the receipt. */
		m.msg_namelen = alen && (int)*alen > 0 ? *alen : 0;
		rc = sock_recvmsg(s, fd, &m, flags);
		if (rc >= 0 && !alen)
			rc = -EFAULT;
		else if (rc >= 0 && (int)*alen < 0)
			rc = -EINVAL;
		else if (rc >= 0)
			*alen = m.msg_namelen;
	}
	return rc == SOCK_PASS ? libc.recvfrom(fd, buf, len, flags, addr, alen) : ret(rc);
}

EXPORT ssize_t recvmsg(int fd, struct msghdr *m, int flags)
{
	struct sock *s = fdtab_sock(fd);
	ssize_t rc = s ? sock_recvmsg(s, fd, m, flags) : SOCK_PASS;

	if (rc != SOCK_PASS)
		return ret(rc);
	rc = libc.recvmsg(fd, m, flags);
	if (unlikely(rc >= 0 && m->msg_controllen))
		rights_received(m);
	return rc;
}

EXPORT int recvmmsg(int fd, struct mmsghdr *v, unsigned n, int flags, struct timespec *timeout)
{
	struct sock *s = fdtab_sock(fd);
	int rc = s ? sock_recvmmsg(s, fd, v, n, flags, timeout) : SOCK_PASS;

	if (rc != SOCK_PASS)
		return (int)ret(rc);
	rc = libc.recvmmsg(fd, v, n, flags, timeout);
	for (int i = 0; i < rc; i++)
		if (unlikely(v[i].msg_hdr.msg_controllen))
			rights_received(&v[i].msg_hdr);
	return rc;
}

/* What programs built with _FORTIFY_SOURCE call. */

ssize_t __read_chk(int fd, void *buf, size_t len, size_t room);
EXPORT ssize_t __read_chk(int fd, void *buf, size_t len, size_t room)
{
	if (len > room)
		__chk_fail();
	return read(fd, buf, len);
}

ssize_t __recv_chk(int fd, void *buf, size_t len, size_t room, int flags);
EXPORT ssize_t __recv_chk(int fd, void *buf, size_t len, size_t room, int flags)
{
	if (len > room)
		__chk_fail();
	return recv(fd, buf, len, flags);
}

ssize_t __recvfrom_chk(int fd, void *buf, size_t len, size_t room, int flags, struct sockaddr *addr,
		       socklen_t *alen);
EXPORT ssize_t __recvfrom_chk(int fd, void *buf, size_t len, size_t room, int flags, struct sockaddr *addr,
			      socklen_t *alen)
{
	if (len > room)
		__chk_fail();
	return recvfrom(fd, buf, len, flags, addr, alen);
}

/* ---- send ----------------------------------------------------------------------------- */

EXPORT ssize_t send(int fd, const void *buf, size_t len, int flags)
{
	struct sock *s = fdtab_sock(fd);
	uint8_t mode;
	ssize_t rc;

	if (!s)
		return libc.send(fd, buf, len, flags);
	mode = s->mode;
	rc = sock_send(s, fd, buf, len, flags);
	if (rc == SOCK_PASS)
		return libc.send(fd, buf, len, flags);
	return ret_send(rc, s, fd, flags, mode);
}
EXPORT ssize_t __send(int, const void *, size_t, int) __attribute__((alias("send")));

EXPORT ssize_t write(int fd, const void *buf, size_t len)
{
	struct sock *s = fdtab_sock(fd);
	uint8_t mode;
	ssize_t rc;

	if (likely(!s))
		return libc.write(fd, buf, len);
	mode = s->mode;
	rc = sock_send(s, fd, buf, len, 0);
	if (rc == SOCK_PASS)
		return libc.write(fd, buf, len);
	return ret_send(rc, s, fd, 0, mode);
}
EXPORT ssize_t __write(int, const void *, size_t) __attribute__((alias("write")));

/* SOCK_PASS, or what the caller returns (errno set). */
static ssize_t send_msg(struct sock *s, int fd, const struct msghdr *m, int flags)
{
	uint8_t mode = s->mode;
	ssize_t rc = sock_sendmsg(s, fd, m, flags);

	return rc == SOCK_PASS ? rc : ret_send(rc, s, fd, flags, mode);
}

static ssize_t send_iov(struct sock *s, int fd, const struct iovec *v, int n, int flags)
{
	struct msghdr m = { .msg_iov = (struct iovec *)v, .msg_iovlen = (size_t)n };
	ssize_t rc = iov_total(v, n);

	return rc < 0 ? ret(rc) : send_msg(s, fd, &m, flags);
}

EXPORT ssize_t writev(int fd, const struct iovec *v, int n)
{
	struct sock *s = fdtab_sock(fd);
	ssize_t rc = s ? send_iov(s, fd, v, n, 0) : SOCK_PASS;

	return rc == SOCK_PASS ? libc.writev(fd, v, n) : rc;
}

EXPORT ssize_t pwritev2(int fd, const struct iovec *v, int n, off_t off, int flags)
{
	struct sock *s = off == -1 ? fdtab_sock(fd) : NULL;
	ssize_t rc = SOCK_PASS;

	if (s)
		rc = send_iov(s, fd, v, n, flags & RWF_NOWAIT ? MSG_DONTWAIT : 0);
	return rc == SOCK_PASS ? libc.pwritev2(fd, v, n, off, flags) : rc;
}
EXPORT ssize_t pwritev64v2(int, const struct iovec *, int, off64_t, int) __attribute__((alias("pwritev2")));

EXPORT ssize_t sendto(int fd, const void *buf, size_t len, int flags, const struct sockaddr *addr,
		      socklen_t alen)
{
	struct sock *s = fdtab_sock(fd);
	struct iovec v = { (void *)buf, len };
	struct msghdr m = { .msg_name = (void *)addr, .msg_namelen = addr ? alen : 0,
			    .msg_iov = &v, .msg_iovlen = 1 };
	ssize_t rc = SOCK_PASS;

	if (s && !addr)
		return send(fd, buf, len, flags);
	if (s)
		rc = send_msg(s, fd, &m, flags);
	return rc == SOCK_PASS ? libc.sendto(fd, buf, len, flags, addr, alen) : rc;
}

EXPORT ssize_t sendmsg(int fd, const struct msghdr *m, int flags)
{
	struct sock *s = fdtab_sock(fd);
	ssize_t rc = s ? send_msg(s, fd, m, flags) : SOCK_PASS;

	if (rc != SOCK_PASS)
		return rc;
	if (unlikely(m && m->msg_controllen))
		rights_sent(m);
	return libc.sendmsg(fd, m, flags);
}

EXPORT int sendmmsg(int fd, struct mmsghdr *v, unsigned n, int flags)
{
	struct sock *s = fdtab_sock(fd);
	uint8_t mode;
	int rc;

	if (s) {
		mode = s->mode;
		rc = sock_sendmmsg(s, fd, v, n, flags);
		if (rc != SOCK_PASS)
			return (int)ret_send(rc, s, fd, flags, mode);
	} else {
		for (unsigned i = 0; v && i < n && i < IOV_LIMIT; i++)
			if (unlikely(v[i].msg_hdr.msg_controllen))
				rights_sent(&v[i].msg_hdr);
	}
	return libc.sendmmsg(fd, v, n, flags);
}
int __sendmmsg(int, struct mmsghdr *, unsigned, int);
EXPORT int __sendmmsg(int, struct mmsghdr *, unsigned, int) __attribute__((alias("sendmmsg")));
