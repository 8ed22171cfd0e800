// SPDX-License-Identifier: BSD-2-Clause
/*
 * dgram.c - data of UDP sockets
 *
 * Receiving merges two queues: the endpoint's and that of the kernel socket,
 * which gets loopback traffic, fragments and other interfaces' datagrams.  The
 * kernel is asked when our queue is empty, at intervals while a program polls, at
 * once when somebody saw its socket readable, and always before sleeping.
 * Sending goes by the stack where route, size and options allow it and by the kernel
 * socket (SOCK_PASS) otherwise, datagram by datagram.
 */
#include <string.h>

#include "sock/sock_priv.h"

enum {
	FULL_SPINS = 64,		/* tries while the TX ring is full, before sleeping between them */
	MMSG_MAX = 1024,
};

/* ---- receiving ------------------------------------------------------------------- */

static ssize_t take_error(struct sock *s)
{
	int err = s->ep->so_error;

	s->ep->so_error = 0;
	return -err;
}

/* First datagram to the user.  Lock held, @p is the head of the queue. */
static inline ssize_t deliver(struct sock *s, struct pkt *p, const struct iovec *iov, int n,
			      struct msghdr *msg, int flags)
{
	struct net *net = &s->st->net;
	size_t full = p->data_len, copied;

	copied = udp_copy_out(net, p, 0, iov, n);
	if (msg) {
		msg->msg_flags = copied < full ? MSG_TRUNC : 0;
		if (msg->msg_name) {
			struct sockaddr_storage ss;
			struct ipaddr src, dst;
			be16_t sport;
			socklen_t len;

			udp_addrs(p, &src, &sport, &dst);
			len = addr_to_storage(&ss, s->family, &src, sport, p->ifindex);
			memcpy(msg->msg_name, &ss, msg->msg_namelen < len ? msg->msg_namelen : len);
			msg->msg_namelen = len;
		} else {
			msg->msg_namelen = 0;
		}
		cmsg_recv(s, p, msg);
	}
	if (likely(!(flags & MSG_PEEK)))
		pkt_free(net, udp_pop(net, udp_ep(s->ep)));
	return (ssize_t)(flags & MSG_TRUNC ? full : copied);
}

/* From our queue; -EAGAIN when it is empty. */
static inline ssize_t recv_ours(struct sock *s, const struct iovec *iov, int n, struct msghdr *msg, int flags)
{
	struct stack *st = s->st;
	struct udp_ep *u = udp_ep(s->ep);
	ssize_t r = -EAGAIN;
	struct pkt *p;

	stack_lock(st);
	if (unlikely(!sock_alive(s))) {
		r = -EBADF;
	} else if (unlikely(s->ep->so_error)) {
		r = take_error(s);
	} else {
		p = udp_peek(&st->net, u);
		if (!p) {
			stack_poll(st);
			p = udp_peek(&st->net, u);
		}
		if (p)
			r = deliver(s, p, iov, n, msg, flags);
		else if (unlikely(s->ep->so_error))
			r = take_error(s);
		else if (unlikely(u->flags & UDP_F_SHUT_RD))
			r = 0;
	}
	sock_unlock(st);
	return r;
}

/* From the error queue; -EAGAIN when ours is empty. */
static __cold ssize_t recv_error(struct sock *s, struct msghdr *msg)
{
	struct stack *st = s->st;
	struct udp_err e;
	ssize_t r = -EAGAIN;

	if (msg->msg_iovlen > UIO_MAXIOV)
		return -EMSGSIZE;
	sock_lock(st);
	stack_poll(st);
	if (!sock_alive(s)) {
		r = -EBADF;
	} else if (udp_err_pop(&st->net, udp_ep(s->ep), &e)) {
		r = (ssize_t)udp_copy_out(&st->net, e.pkt, 0, msg->msg_iov, (int)msg->msg_iovlen);
		msg->msg_flags = MSG_ERRQUEUE | ((size_t)r < e.pkt->data_len ? MSG_TRUNC : 0);
		if (msg->msg_name) {
			struct sockaddr_storage ss;
			socklen_t len = addr_to_storage(&ss, s->family, &e.dst, e.dport, e.pkt->ifindex);

			memcpy(msg->msg_name, &ss, msg->msg_namelen < len ? msg->msg_namelen : len);
			msg->msg_namelen = len;
		} else {
			msg->msg_namelen = 0;
		}
		cmsg_recv_err(s, &e, msg);
		pkt_free(&st->net, e.pkt);
	}
	sock_unlock(st);
	return r;
}

static ssize_t recv_kernels(struct sock *s, int fd, struct msghdr *msg, int flags)
{
	ssize_t r;

	atomic_store_explicit(&s->kernel_hint, 0, memory_order_relaxed);
	r = sys_recvmsg(fd, msg, flags | MSG_DONTWAIT);
	if (r >= 0)
		s->shm->os_rx++;
	if (r == -EAGAIN)
		s->kernel_asked_ns = clock_ns();
	else
		/* There may be more. */
		atomic_store_explicit(&s->kernel_hint, 1, memory_order_relaxed);
	return r;
}

/* Is it time to ask the kernel socket?  Each time, unless the user wants to spin. */
static bool kernel_due(const struct sock *s)
{
	uint64_t every = (uint64_t)sock_opts()->poll_fast_usec * NSEC_PER_USEC;

	return !sock_opts()->spin_usec || atomic_load_explicit(&s->kernel_hint, memory_order_relaxed) ||
	       clock_ns() - s->kernel_asked_ns >= every;
}

static ssize_t recv_blocking(struct sock *s, int fd, struct msghdr *msg, int flags)
{
	uint64_t deadline = sock_deadline(s->shm->rcvtimeo_ns);
	ssize_t r;
	int rc;

	for (;;) {
		rc = sock_wait(s, POLLIN, fd, POLLIN, deadline, SPIN_UDP_RECV);
		if (rc <= 0)
			return rc == 0 ? -EAGAIN : rc;
		if (sock_orphaned(s))
			fd = -1;	/* closed meanwhile: the number may be another file's */
		r = recv_ours(s, msg->msg_iov, (int)msg->msg_iovlen, msg, flags);
		if (r == -EAGAIN && fd >= 0)
			r = recv_kernels(s, fd, msg, flags);
		if (r != -EAGAIN)
			return r;
	}
}

ssize_t dgram_recvmsg(struct sock *s, int fd, struct msghdr *msg, int flags)
{
	ssize_t r;

	if (unlikely(flags & MSG_ERRQUEUE)) {
		r = recv_error(s, msg);
		return r == -EAGAIN ? SOCK_PASS : r;
	}
	if (msg->msg_iovlen > UIO_MAXIOV)
		return -EMSGSIZE;
	r = recv_ours(s, msg->msg_iov, (int)msg->msg_iovlen, msg, flags);
	if (likely(r != -EAGAIN))
		return r;
	if (sock_nonblock(s, flags))
		return kernel_due(s) ? recv_kernels(s, fd, msg, flags) : -EAGAIN;
	/* As the kernel's calls hold the file: a close() in another thread
	 * takes effect when the blocked call is done. */
	sock_get(s);
	r = recv_blocking(s, fd, msg, flags);
	sock_put(s, -1);
	return r;
}

ssize_t dgram_recv(struct sock *s, int fd, void *buf, size_t len, int flags)
{
	struct iovec iov = { buf, len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t r;

	if (likely(!(flags & MSG_ERRQUEUE))) {
		r = recv_ours(s, &iov, 1, NULL, flags);
		if (likely(r != -EAGAIN))
			return r;
		if (flags & MSG_DONTWAIT || s->shm->flags & SOCK_SF_NONBLOCK)
			return kernel_due(s) ? recv_kernels(s, fd, &msg, flags) : -EAGAIN;
	}
	return dgram_recvmsg(s, fd, &msg, flags);
}

/* As many as are queued, under one lock. */
static unsigned recv_batch(struct sock *s, struct mmsghdr *v, unsigned n, int flags)
{
	struct udp_ep *u = udp_ep(s->ep);
	struct stack *st = s->st;
	unsigned got = 0;
	struct pkt *p;

	stack_lock(st);
	if (sock_alive(s) && !s->ep->so_error) {
		if (u->rxq_pkts < n)
			stack_poll(st);
		for (; got < n && (p = udp_peek(&st->net, u)); got++) {
			struct msghdr *m = &v[got].msg_hdr;

			if (m->msg_iovlen > UIO_MAXIOV)
				break;
			v[got].msg_len = (unsigned)deliver(s, p, m->msg_iov, (int)m->msg_iovlen, m, flags);
			if (flags & MSG_PEEK) {
				got++;
				break;
			}
		}
	}
	sock_unlock(st);
	return got;
}

/* As do_recvmmsg(): the timeout is looked at after each datagram; an error after
 * the first datagram is for the next call. */
int dgram_recvmmsg(struct sock *s, int fd, struct mmsghdr *v, unsigned n, int flags, struct timespec *timeout)
{
	bool wait_one = flags & MSG_WAITFORONE;
	uint64_t end = 0, now;
	unsigned got = 0;
	ssize_t r = 0;

	flags &= ~MSG_WAITFORONE;
	if (timeout) {
		if (timeout->tv_sec < 0 || timeout->tv_nsec < 0 || timeout->tv_nsec >= (long)NSEC_PER_SEC)
			return -EINVAL;
		end = clock_ns() + (uint64_t)timeout->tv_sec * NSEC_PER_SEC + (uint64_t)timeout->tv_nsec;
	}
	if (n > MMSG_MAX)
		n = MMSG_MAX;
	while (got < n) {
		if (likely(s->mode == SOCK_ACCEL && !(flags & MSG_ERRQUEUE)))
			got += recv_batch(s, v + got, n - got, flags);
		if (got == n || (got && flags & MSG_PEEK))
			break;
		if (got && wait_one)
			flags |= MSG_DONTWAIT;
		r = sock_recvmsg(s, fd, &v[got].msg_hdr, flags);
		if (r == SOCK_PASS)
			r = sys_recvmsg(fd, &v[got].msg_hdr, flags);
		if (r < 0)
			break;
		v[got++].msg_len = (unsigned)r;
		if (end) {
			now = clock_ns();
			timeout->tv_sec = now < end ? (time_t)((end - now) / NSEC_PER_SEC) : 0;
			timeout->tv_nsec = now < end ? (long)((end - now) % NSEC_PER_SEC) : 0;
			if (now >= end)
				break;
		}
	}
	if (!got)
		return (int)r;
	if (r < 0 && r != -EAGAIN && r != -EINTR && r != -EBADF && s->mode == SOCK_ACCEL) {
		sock_lock(s->st);
		if (sock_alive(s))
			s->ep->so_error = (int32_t)-r;
		sock_unlock(s->st);
	}
	return (int)got;
}

/* ---- sending -------------------------------------------------------------------------- */

static size_t iov_len(const struct iovec *iov, size_t n)
{
	size_t len = 0;

	for (size_t i = 0; i < n; i++)
		len += iov[i].iov_len;
	return len;
}

/* May a datagram to @to leave by the stack?  Broadcast, ourselves and what has no
 * plain route are the kernel's.  The last answer is kept. Lock held. */
static bool dest_ok(struct sock *s, const struct ipaddr *to, uint32_t oif)
{
	struct stack *st = s->st;
	uint32_t gen = cp_gen(&st->cp);
	struct cp_fwd f;

	if (likely(s->dst_gen == gen && ipaddr_eq(&s->dst, to)))
		return s->dst_ok;
	s->dst = *to;
	s->dst_gen = gen;
	if (ipaddr_is_mcast(to)) {	/* decided by group_ok() */
		s->dst_ok = true;
		return true;
	}
	s->dst_ok = !ipaddr_is_any(to) && !ipaddr_is_loopback(to) &&
		    cp_route(&st->cp, to, NULL, oif, &f) == 0 && f.type == CP_RT_UNICAST;
	return s->dst_ok;
}

/* A group: the kernel must send when somebody on this host may listen, since it
 * makes the copy for him. No lock. */
static bool group_ok(const struct sock *s, const struct ipaddr *group)
{
	const struct opts *o = sock_opts();

	if (s->ep->mcast_ttl == 0)
		return false;
	if (!(s->shm->flags & SOCK_SF_MCAST_LOOP))
		return true;
	if (opt_is_set(o, OPT_MCAST_SEND) && o->mcast_send == 0)
		return true;
	return !mcast_members(group);
}

struct outgoing {
	const struct iovec *iov;
	int n;
	size_t len;
	bool has_dst;
	struct udp_dst dst;
};

/* Where @msg is to go.  0, SOCK_PASS or -errno.  No lock. */
static int plan_send(struct sock *s, const struct msghdr *msg, struct outgoing *o)
{
	struct cmsg_send c;
	struct addr to;
	int rc;

	o->iov = msg->msg_iov;
	o->n = (int)msg->msg_iovlen;
	o->has_dst = false;
	if (unlikely(msg->msg_iovlen > UIO_MAXIOV))
		return SOCK_PASS;
	o->len = iov_len(msg->msg_iov, msg->msg_iovlen);
	rc = cmsg_parse_send(s, msg, &c);
	if (rc)
		return rc;
	if (msg->msg_name) {
		if (!addr_from_user(&to, s->family, msg->msg_name, msg->msg_namelen) || !to.port.be)
			return SOCK_PASS;
	} else {
		if (!(s->ep->flags & EP_F_CONNECTED))
			return SOCK_PASS;	/* EDESTADDRREQ */
		to = (struct addr){ .ip = s->ep->flow.raddr, .port = s->ep->flow.rport };
		if (!msg->msg_controllen && !ipaddr_is_mcast(&to.ip))
			return 0;
	}
	if (unlikely(s->ep->flags & EP_F_V6ONLY && ipaddr_is4(&to.ip)))
		return SOCK_PASS;
	o->has_dst = true;
	o->dst = (struct udp_dst){
		.addr = to.ip, .port = to.port, .src = c.src, .oif = c.oif ? c.oif : to.scope,
		.ttl = c.ttl, .tos = c.tos,
	};
	if (unlikely(ipaddr_is_mcast(&to.ip))) {
		if (!group_ok(s, &to.ip))
			return SOCK_PASS;
		if (!o->dst.oif)
			o->dst.oif = s->shm->mcast_if;
		if (ipaddr_is_any(&o->dst.src) && ipaddr_is_any(&s->ep->flow.laddr))
			o->dst.src = s->mcast_if_addr;
	}
	return 0;
}

/* Longer than a frame, the interface's MTU or the path's, which only we know.  Lock held. */
static __cold int too_long(struct sock *s, const struct outgoing *o, const struct ipaddr *to)
{
	struct net *net = &s->st->net;
	struct udp_ep *u = udp_ep(s->ep);
	bool known = s->ep->pmtu != 0;
	uint32_t mtu;
	int rc;

	net->now = clock_ns();
	mtu = udp_pmtu(net, u, to);
	if (known && !mtu) {		/* what we knew is out of date, or another's */
		rc = udp_send(net, u, o->has_dst ? &o->dst : NULL, o->iov, o->n, o->len);
		return rc == 0 || rc == -EAGAIN ? rc : SOCK_PASS;
	}
	if (!mtu || s->ep->pmtudisc != PMTUDISC_DO || o->len + (ipaddr_is4(to) ? 20 : 40) + 8 <= mtu)
		return SOCK_PASS;
	udp_err_local(net, u, to, o->has_dst ? o->dst.port : s->ep->flow.rport, mtu);
	return -EMSGSIZE;
}

/* One try.  Lock held.  0, -EAGAIN (ring full), SOCK_PASS or the pending error. */
static inline int send_once(struct sock *s, const struct outgoing *o)
{
	const struct ipaddr *to = o->has_dst ? &o->dst.addr : &s->ep->flow.raddr;
	struct net *net = &s->st->net;
	const struct ep_route *rt;
	int rc;

	if (unlikely(!sock_alive(s)))
		return -EBADF;
	if (unlikely(s->ep->so_error))
		return (int)take_error(s);
	if (unlikely(s->shm->flags & (SOCK_SF_SHUT_WR | SOCK_SF_CORKED)))
		return SOCK_PASS;
	if (!dest_ok(s, to, o->has_dst ? o->dst.oif : s->ep->bound_if))
		return SOCK_PASS;
	/* The engine looks at the time only when it must hold a datagram back. */
	rt = o->has_dst ? &udp_ep(s->ep)->dst_route : &s->ep->route;
	if (unlikely(!rt->valid || rt->gen != s->dst_gen))
		net->now = clock_ns();
	rc = udp_send(net, udp_ep(s->ep), o->has_dst ? &o->dst : NULL, o->iov, o->n, o->len);
	/* Too long, no route, unresolved for good: the kernel fragments, or has the exact error. */
	return likely(rc == 0 || rc == -EAGAIN) ? rc : rc == -EMSGSIZE ? too_long(s, o, to) : SOCK_PASS;
}

/* The ring is full, or the frames are used up: wait for completions. */
static __cold int send_full(struct sock *s, const struct outgoing *o, int flags)
{
	static const struct timespec pause = { .tv_nsec = 50000 };
	uint64_t deadline = sock_deadline(s->shm->sndtimeo_ns);
	struct stack *st = s->st;
	int rc = -EAGAIN;

	for (int i = 0; rc == -EAGAIN; i++) {
		uint32_t sigs = stack_thread.sig_count;

		if (i >= FULL_SPINS)
			sys2(SYS_nanosleep, &pause, NULL);
		if (sigs != stack_thread.sig_count)
			return -EINTR;
		sock_lock(st);
		stack_poll(st);
		rc = send_once(s, o);
		sock_unlock(st);
		if (sock_nonblock(s, flags) || (deadline && clock_ns() >= deadline))
			break;
	}
	return rc;
}

static ssize_t passed(struct sock *s)
{
	s->shm->os_tx++;
	/* It may come back to us by the kernel's loopback. */
	atomic_store_explicit(&s->kernel_hint, 1, memory_order_relaxed);
	return SOCK_PASS;
}

/* Flags that change where a datagram goes.  True: the kernel's. */
static __cold bool odd_flags(struct sock *s, int flags)
{
	if (flags & MSG_MORE) {
		/* The kernel corks; what follows must be appended there. */
		stack_lock(s->st);
		if (sock_alive(s))
			s->shm->flags |= SOCK_SF_CORKED;
		stack_unlock(s->st);
	}
	return true;
}

#define ODD_FLAGS (MSG_MORE | MSG_OOB | MSG_ZEROCOPY | MSG_DONTROUTE)

static ssize_t send_planned(struct sock *s, int fd, const struct outgoing *o, int flags)
{
	struct stack *st = s->st;
	int rc;

	if (unlikely(!s->ep->flow.lport.be)) {
		rc = dgram_rebind(s, fd);
		if (rc < 0)
			return rc;
	}
	stack_lock(st);
	rc = send_once(s, o);
	sock_unlock(st);
	sock_resolve(st);
	if (unlikely(rc == -EAGAIN))
		rc = send_full(s, o, flags);
	if (likely(rc == 0))
		return (ssize_t)o->len;
	if (rc == SOCK_PASS && unlikely(s->ep->pmtu))
		dgram_kernel_pmtu(s, fd);
	return rc == SOCK_PASS ? passed(s) : rc;
}

ssize_t dgram_send(struct sock *s, int fd, const void *buf, size_t len, int flags)
{
	struct iovec iov = { (void *)buf, len };
	struct outgoing o = { .iov = &iov, .n = 1, .len = len };
	struct msghdr msg;

	if (unlikely(flags & ODD_FLAGS) && odd_flags(s, flags))
		return passed(s);
	if (likely(s->ep->flags & EP_F_CONNECTED && !ipaddr_is_mcast(&s->ep->flow.raddr)))
		return send_planned(s, fd, &o, flags);
	memset(&msg, 0, sizeof(msg));
	msg.msg_iov = &iov;
	msg.msg_iovlen = 1;
	return dgram_sendmsg(s, fd, &msg, flags);
}

ssize_t dgram_sendmsg(struct sock *s, int fd, const struct msghdr *msg, int flags)
{
	struct outgoing o;
	int rc;

	if (unlikely(flags & ODD_FLAGS) && odd_flags(s, flags))
		return passed(s);
	rc = plan_send(s, msg, &o);
	if (unlikely(rc))
		return rc == SOCK_PASS ? passed(s) : rc;
	return send_planned(s, fd, &o, flags);
}

/* Multicast may ask the kernel who listens: not under the lock. */
static bool to_group(const struct sock *s, const struct msghdr *msg)
{
	struct addr to;

	if (!msg->msg_name)
		return ipaddr_is_mcast(&s->ep->flow.raddr);
	return addr_from_user(&to, s->family, msg->msg_name, msg->msg_namelen) && ipaddr_is_mcast(&to.ip);
}

/* As many as go out plainly, under one lock and with one doorbell. */
static unsigned send_batch(struct sock *s, struct mmsghdr *v, unsigned n)
{
	struct stack *st = s->st;
	struct outgoing o;
	unsigned done = 0;

	if (unlikely(!s->ep->flow.lport.be))
		return 0;
	stack_lock(st);
	for (; done < n && !s->ep->so_error; done++) {
		if (to_group(s, &v[done].msg_hdr) || plan_send(s, &v[done].msg_hdr, &o) || send_once(s, &o) < 0)
			break;
		v[done].msg_len = (unsigned)o.len;
	}
	sock_unlock(st);
	sock_resolve(st);
	return done;
}

int dgram_sendmmsg(struct sock *s, int fd, struct mmsghdr *v, unsigned n, int flags)
{
	unsigned done = 0;
	ssize_t r = 0;

	if (n > MMSG_MAX)
		n = MMSG_MAX;
	while (done < n) {
		if (likely(!(flags & ODD_FLAGS)))
			done += send_batch(s, v + done, n - done);
		if (done == n)
			break;
		/* The one that the batch stopped at: errors, the kernel's, a full ring. */
		r = dgram_sendmsg(s, fd, &v[done].msg_hdr, flags);
		if (r == SOCK_PASS)
			r = sys_sendmsg(fd, &v[done].msg_hdr, flags);
		if (r < 0)
			break;
		v[done++].msg_len = (unsigned)r;
	}
	return done ? (int)done : (int)r;
}
