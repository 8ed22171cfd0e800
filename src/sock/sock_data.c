// SPDX-License-Identifier: BSD-2-Clause
/*
 * sock_data.c - the data calls of sock.h, by protocol
 *
 * Undecided TCP sockets are the kernel's to refuse; an undecided UDP socket is
 * decided by its first datagram.
 */
#include <errno.h>
#include <string.h>
#include <sys/time.h>

#include "sock/sock_priv.h"
#include "sock/wait.h"

enum { MMSG_MAX = 1024, UNDECIDED_TURN_NS = 10000000 };

static int iov_total(const struct iovec *iov, size_t n, size_t *out)
{
	size_t len = 0;

	if (n > UIO_MAXIOV)
		return -EMSGSIZE;
	for (size_t i = 0; i < n; i++) {
		if ((ssize_t)iov[i].iov_len < 0)
			return -EINVAL;
		len += iov[i].iov_len;
	}
	/* MAX_RW_COUNT */
	*out = len < 0x7ffff000 ? len : 0x7ffff000;
	return 0;
}

/* The first datagram decides. True: the stack's now. */
static bool first_send(struct sock *s, int fd, const void *name, socklen_t len, ssize_t *rc)
{
	struct addr to;

	*rc = SOCK_PASS;
	if (s->mode != SOCK_UNDECIDED || s->type != SOCK_DGRAM || !name ||
	    !addr_from_user(&to, s->family, name, len) || !to.port.be)
		return false;
	*rc = dgram_first_send(s, fd, &to);
	return *rc == 0 && s->mode == SOCK_ACCEL;
}

/*
 * A blocking receive on a UDP socket that is not decided yet: another thread may
 * decide, and then nothing comes to the kernel socket any more.  So sleep in short
 * turns, and never inside the kernel's receive: of several threads one gets the datagram.
 * True: *@rc is what the call returns; false: the socket is the stack's now.
 */
static __cold bool undecided_recv(struct sock *s, int fd, struct msghdr *msg, int flags, ssize_t *rc)
{
	uint32_t count = stack_thread.sig_count, norestart = stack_thread.sig_norestart;
	struct timeval tv = { 0, 0 };
	socklen_t len = sizeof(tv);
	uint64_t deadline = 0, now;

	*rc = SOCK_PASS;
	if (s->mode != SOCK_UNDECIDED || s->type != SOCK_DGRAM || s->nonblock || flags & (MSG_DONTWAIT | MSG_ERRQUEUE) ||
	    !wait_others())
		return s->mode != SOCK_ACCEL;
	if (sys_getsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, &len) == 0)
		deadline = sock_deadline((uint64_t)tv.tv_sec * NSEC_PER_SEC + (uint64_t)tv.tv_usec * NSEC_PER_USEC);
	for (;;) {
		struct timespec turn = { .tv_nsec = UNDECIDED_TURN_NS };
		struct pollfd p = { .fd = fd, .events = POLLIN };
		int n;

		*rc = sys_recvmsg(fd, msg, flags | MSG_DONTWAIT);
		if (*rc != -EAGAIN || s->mode != SOCK_UNDECIDED)
			break;
		now = deadline ? clock_ns() : 0;
		if (deadline && now >= deadline)
			return true;
		if (deadline && deadline - now < UNDECIDED_TURN_NS)
			turn.tv_nsec = (long)(deadline - now);
		n = sys_ppoll(&p, 1, &turn, NULL);
		if (n == -EINTR && wait_interrupted(&count, &norestart, deadline != 0)) {
			*rc = n;
			return true;
		}
	}
	if (*rc != -EAGAIN)
		return true;
	*rc = SOCK_PASS;
	return s->mode != SOCK_ACCEL;
}

ssize_t sock_recv(struct sock *s, int fd, void *buf, size_t len, int flags)
{
	struct iovec iov = { buf, len };
	ssize_t r;

	if (unlikely(s->mode != SOCK_ACCEL)) {
		struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

		if (undecided_recv(s, fd, &msg, flags, &r))
			return r;
	}
	if (s->type == SOCK_STREAM)
		return stream_recv(s, &iov, 1, len, flags);
	return dgram_recv(s, fd, buf, len, flags);
}

ssize_t sock_send(struct sock *s, int fd, const void *buf, size_t len, int flags)
{
	struct iovec iov = { (void *)buf, len };

	if (unlikely(s->mode != SOCK_ACCEL))
		return SOCK_PASS;
	if (s->type == SOCK_STREAM)
		return stream_send(s, &iov, 1, len, flags);
	return dgram_send(s, fd, buf, len, flags);
}

ssize_t sock_recvmsg(struct sock *s, int fd, struct msghdr *msg, int flags)
{
	size_t len;
	ssize_t r;

	if (unlikely(s->mode != SOCK_ACCEL) && undecided_recv(s, fd, msg, flags, &r))
		return r;
	if (s->type == SOCK_DGRAM)
		return dgram_recvmsg(s, fd, msg, flags);
	r = iov_total(msg->msg_iov, msg->msg_iovlen, &len);
	if (r < 0)
		return r;
	r = stream_recv(s, msg->msg_iov, (int)msg->msg_iovlen, len, flags);
	if (r >= 0) {
		msg->msg_namelen = 0;
		msg->msg_controllen = 0;
		msg->msg_flags = 0;
	}
	return r;
}

ssize_t sock_sendmsg(struct sock *s, int fd, const struct msghdr *msg, int flags)
{
	size_t len;
	ssize_t r;

	if (unlikely(s->mode != SOCK_ACCEL) && !first_send(s, fd, msg->msg_name, msg->msg_namelen, &r))
		return r;
	if (s->type == SOCK_DGRAM)
		return dgram_sendmsg(s, fd, msg, flags);
	r = iov_total(msg->msg_iov, msg->msg_iovlen, &len);
	if (r < 0)
		return r;
	return stream_send(s, msg->msg_iov, (int)msg->msg_iovlen, len, flags);
}

int sock_recvmmsg(struct sock *s, int fd, struct mmsghdr *v, unsigned n, int flags, struct timespec *timeout)
{
	unsigned got = 0;
	ssize_t r = 0;

	if (s->mode == SOCK_KERNEL || (s->mode == SOCK_UNDECIDED && (s->type != SOCK_DGRAM || s->nonblock)))
		return SOCK_PASS;
	if (s->type == SOCK_DGRAM)
		return dgram_recvmmsg(s, fd, v, n, flags, timeout);
	while (got < n && got < MMSG_MAX) {
		r = sock_recvmsg(s, fd, &v[got].msg_hdr, flags & ~MSG_WAITFORONE);
		if (r < 0)
			break;
		v[got++].msg_len = (unsigned)r;
		if (flags & MSG_WAITFORONE)
			flags |= MSG_DONTWAIT;
	}
	return got ? (int)got : (int)r;
}

int sock_sendmmsg(struct sock *s, int fd, struct mmsghdr *v, unsigned n, int flags)
{
	unsigned done = 0;
	ssize_t r = 0;

	if (n && s->mode != SOCK_ACCEL &&
	    !first_send(s, fd, v->msg_hdr.msg_name, v->msg_hdr.msg_namelen, &r))
		return (int)r;
	if (s->type == SOCK_DGRAM && s->mode == SOCK_ACCEL)
		return dgram_sendmmsg(s, fd, v, n, flags);
	if (s->mode != SOCK_ACCEL)
		return SOCK_PASS;
	while (done < n && done < MMSG_MAX) {
		r = sock_sendmsg(s, fd, &v[done].msg_hdr, flags);
		if (r < 0)
			break;
		v[done++].msg_len = (unsigned)r;
	}
	return done ? (int)done : (int)r;
}
