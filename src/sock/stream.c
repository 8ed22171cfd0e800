// SPDX-License-Identifier: BSD-2-Clause
/*
 * stream.c - data of TCP sockets
 *
 * Copies under the stack lock, at most CHUNK bytes at a time; polls the stack when
 * nothing is there, and waits when it may.  Semantics as tcp_recvmsg() and
 * tcp_sendmsg() of Linux: partial results win over errors, an error that could
 * not be reported is kept for the next call.  -EPIPE is returned as such: raising
 * SIGPIPE is the caller's.
 */
#include <string.h>

#include "sock/sock_priv.h"

enum { CHUNK = 65536, PEEK_STEP_NS = 1000000 };

/* ---- receiving --------------------------------------------------------------- */

static inline bool is_conn(const struct sock *s)
{
	return likely(s->ep->kind == EP_TCP_CONN);
}

/* How much a call wants before it returns (sock_rcvlowat()). */
static size_t target_of(const struct sock *s, size_t len, int flags)
{
	size_t low = s->shm->rcvlowat;

	if (flags & MSG_WAITALL)
		return len;
	low = low ? low : 1;
	return low < len ? low : len ? len : 1;
}

/* One hold of the lock.  @got: bytes so far. Returns what tcp_recv() does. */
static inline ssize_t recv_locked(struct sock *s, const struct iovec *iov, int n, size_t got, size_t len,
				  uint32_t tflags, bool poll)
{
	struct net *net = &s->st->net;
	struct tcp_conn *c = tcp_conn(s->ep);
	size_t want = len - got, peek = tflags & TCP_RECV_PEEK ? got : 0;
	ssize_t r;

	if (unlikely(!sock_alive(s)))
		return -EBADF;
	if (unlikely(!is_conn(s)))
		return -ENOTCONN;
	if (want > CHUNK)
		want = CHUNK;
	r = tcp_recv(net, c, iov, n, got, want, peek, tflags);
	if (r == -EAGAIN && poll) {
		stack_poll(s->st);
		r = tcp_recv(net, c, iov, n, got, want, peek, tflags);
	}
	return r;
}

/* Wait for more than there is.  While peeking what is there does not count: look
 * again at short intervals. */
static int wait_in(struct sock *s, bool peeked, uint64_t deadline)
{
	uint64_t step;
	int rc;

	if (likely(!peeked))
		return sock_wait(s, POLLIN | POLLRDHUP, -1, 0, deadline, SPIN_TCP_RECV);
	step = clock_ns() + PEEK_STEP_NS;
	rc = sock_wait(s, POLLRDHUP, -1, 0, deadline && deadline < step ? deadline : step, SPIN_TCP_RECV);
	return rc == 0 && (!deadline || clock_ns() < deadline) ? 1 : rc;
}

static __attribute__((noinline)) ssize_t
recv_slow(struct sock *s, const struct iovec *iov, int n, size_t got, size_t len, int flags, uint32_t tflags)
{
	size_t target = target_of(s, len, flags);
	uint64_t deadline = sock_deadline(s->shm->rcvtimeo_ns);
	ssize_t r;
	int rc;

	for (;;) {
		sock_lock(s->st);
		r = recv_locked(s, iov, n, got, len, tflags, got < target);
		sock_unlock(s->st);
		if (r > 0) {
			got += (size_t)r;
			if (got == len)
				return (ssize_t)got;
			continue;
		}
		if (r != -EAGAIN)
			break;
		if (got >= target || sock_nonblock(s, flags))
			break;
		rc = wait_in(s, got && tflags & TCP_RECV_PEEK, deadline);
		if (rc == 1)
			continue;
		r = rc == 0 ? -EAGAIN : rc;
		break;
	}
	if (!got)
		return r;
	/* tcp_recv() has taken an error that this call does not report. */
	if (r < 0 && r != -EAGAIN && r != -EINTR && r != -EBADF && r != -ENOTCONN) {
		sock_lock(s->st);
		if (sock_alive(s))
			s->ep->so_error = (int32_t)-r;
		sock_unlock(s->st);
	}
	return (ssize_t)got;
}

/* As the kernel's calls hold the file: a close() in another thread takes effect
 * when the blocked call is done. */
static ssize_t recv_held(struct sock *s, const struct iovec *iov, int n, size_t got, size_t len, int flags,
			 uint32_t tflags)
{
	ssize_t r;

	sock_get(s);
	r = recv_slow(s, iov, n, got, len, flags, tflags);
	sock_put(s, -1);
	return r;
}

ssize_t stream_recv(struct sock *s, const struct iovec *iov, int n, size_t len, int flags)
{
	uint32_t tflags = (flags & MSG_PEEK ? TCP_RECV_PEEK : 0) | (flags & MSG_TRUNC ? TCP_RECV_TRUNC : 0);
	struct stack *st = s->st;
	ssize_t r;

	/* Urgent data are not kept apart from the stream: there are never any. */
	if (unlikely(flags & (MSG_OOB | MSG_ERRQUEUE)))
		return flags & MSG_OOB ? -EINVAL : -EAGAIN;
	sock_lock(st);
	r = recv_locked(s, iov, n, 0, len, tflags, true);
	sock_unlock(st);
	if (likely(r > 0)) {
		if (likely((size_t)r == len || !(len > CHUNK || flags & MSG_WAITALL || s->shm->rcvlowat > (size_t)r)))
			return r;
		return recv_held(s, iov, n, (size_t)r, len, flags, tflags);
	}
	if (r != -EAGAIN || sock_nonblock(s, flags))
		return r;
	return recv_held(s, iov, n, 0, len, flags, tflags);
}

/* ---- sending ------------------------------------------------------------------------ */

static inline ssize_t send_locked(struct sock *s, const struct iovec *iov, int n, size_t done, size_t len,
				  uint32_t tflags)
{
	struct stack *st = s->st;
	struct tcp_conn *c = tcp_conn(s->ep);
	size_t want = len - done;

	if (unlikely(!sock_alive(s)))
		return -EBADF;
	if (unlikely(!is_conn(s)))
		return -EPIPE;
	/* A program that only sends must see its ACKs. */
	if (stack_work(st, st->net.now))
		stack_poll(st);
	if (unlikely(c->state == TCPS_SYN_SENT || c->state == TCPS_SYN_RCVD))
		return -EAGAIN;
	if (want > CHUNK) {
		want = CHUNK;
		tflags |= TCP_SEND_MORE;
	}
	return tcp_send(&st->net, c, iov, n, done, want, tflags);
}

static __attribute__((noinline)) ssize_t
send_slow(struct sock *s, const struct iovec *iov, int n, size_t done, size_t len, int flags, uint32_t tflags)
{
	uint64_t deadline = sock_deadline(s->shm->sndtimeo_ns);
	ssize_t r;
	int rc;

	for (;;) {
		sock_lock(s->st);
		r = send_locked(s, iov, n, done, len, tflags);
		sock_unlock(s->st);
		sock_resolve(s->st);
		if (r > 0) {
			done += (size_t)r;
			if (done == len)
				return (ssize_t)done;
			continue;
		}
		if (r != -EAGAIN || sock_nonblock(s, flags))
			break;
		rc = sock_wait(s, POLLOUT, -1, 0, deadline, SPIN_TCP_SEND);
		if (rc == 1)
			continue;
		r = rc == 0 ? -EAGAIN : rc;
		break;
	}
	if (!done)
		return r;
	if (r != -EAGAIN && r != -EPIPE && r != -EINTR && r != -EBADF) {
		sock_lock(s->st);
		if (sock_alive(s))
			s->ep->so_error = (int32_t)-r;
		sock_unlock(s->st);
	}
	return (ssize_t)done;
}

static ssize_t send_held(struct sock *s, const struct iovec *iov, int n, size_t done, size_t len, int flags,
			 uint32_t tflags)
{
	ssize_t r;

	sock_get(s);
	r = send_slow(s, iov, n, done, len, flags, tflags);
	sock_put(s, -1);
	return r;
}

ssize_t stream_send(struct sock *s, const struct iovec *iov, int n, size_t len, int flags)
{
	uint32_t tflags = (flags & MSG_MORE ? TCP_SEND_MORE : 0) | (flags & MSG_OOB ? TCP_SEND_OOB : 0);
	struct stack *st = s->st;
	ssize_t r;

	if (unlikely(len == 0)) {
		/* Errors are reported by an empty send too. */
		return s->ep->kind == EP_TCP_CONN && tcp_conn(s->ep)->state != TCPS_CLOSED ? 0 : -EPIPE;
	}
	sock_lock(st);
	r = send_locked(s, iov, n, 0, len, tflags);
	sock_unlock(st);
	sock_resolve(st);
	if (likely(r == (ssize_t)len))
		return r;
	if (r > 0)
		return send_held(s, iov, n, (size_t)r, len, flags, tflags);
	if (r != -EAGAIN || sock_nonblock(s, flags))
		return r;
	return send_held(s, iov, n, 0, len, flags, tflags);
}
