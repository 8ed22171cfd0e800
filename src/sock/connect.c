// SPDX-License-Identifier: BSD-2-Clause
/*
 * connect.c - connect() of TCP sockets
 *
 * Decides by the mirrored routes whether the connection is ours.  The local port
 * is that of the kernel socket when it is bound, else a leased one; then no
 * system call is made.  States and errors as in Linux'
 * __inet_stream_connect(): "connecting" lasts until a call has reported the
 * outcome.
 */
#include <string.h>

#include "sock/sock_priv.h"

/* Where to, from where. */
struct plan {
	struct addr to, local;
	struct cp_fwd fwd;
	struct sock_conf cf;
	struct stack *st;
	bool bound;		/* the kernel socket has our port */
};

static enum sock_reason route_reason(int rc)
{
	return rc == -EOPNOTSUPP ? SOCK_REASON_policy_route : SOCK_REASON_no_route;
}

/* SOCK_REASON_none: ours. */
static enum sock_reason decide(struct sock *s, int fd, struct plan *p)
{
	enum sock_reason why = SOCK_REASON_none;
	const struct cp *cp;
	struct cp_link l;
	int rc;

	if (ipaddr_is_any(&p->to.ip) || ipaddr_is_loopback(&p->to.ip))
		return SOCK_REASON_loopback;
	if (ipaddr_is_mcast(&p->to.ip) || !p->to.port.be)
		return SOCK_REASON_no_route;
	if (proc_cp(&cp, &why) < 0)
		return why;
	if (s->unbound)
		p->local = (struct addr){ .ip = IPADDR_ANY };
	else if (addr_kernel_local(fd, s->family, &p->local) < 0)
		return SOCK_REASON_daemon_error;
	if (ipaddr_is_loopback(&p->local.ip))
		return SOCK_REASON_loopback;
	conf_read(s, fd, cp, &p->cf);
	/* The kernel has the error for a mapped address on an IPv6-only socket. */
	if (s->family == AF_INET6 && ipaddr_is4(&p->to.ip) &&
	    (p->cf.ep_flags & EP_F_V6ONLY || (!ipaddr_is_any(&p->local.ip) && !ipaddr_is4(&p->local.ip))))
		return SOCK_REASON_no_route;
	if (!p->cf.bound_if)
		p->cf.bound_if = p->to.scope ? p->to.scope : p->local.scope;
	rc = cp_route(cp, &p->to.ip, &p->local.ip, p->cf.bound_if, &p->fwd);
	if (rc < 0)
		return route_reason(rc);
	if (p->fwd.type == CP_RT_LOCAL || p->fwd.link_flags & CP_LINK_LOOPBACK)
		return SOCK_REASON_local_dest;
	if (p->fwd.type != CP_RT_UNICAST)
		return SOCK_REASON_no_route;
	if (cp_link_get(cp, p->fwd.ifindex, &l) < 0)
		return SOCK_REASON_no_interface;
	why = proc_link_reason(&l);
	if (why != SOCK_REASON_none)
		return why;
	if (proc_stack(&p->st, &why) < 0 || proc_add_if(p->st, p->fwd.ifindex, &why) < 0)
		return why;
	p->bound = p->local.port.be != 0;
	if (ipaddr_is_any(&p->local.ip))
		memcpy(&p->local.ip, &p->fwd.src, sizeof(p->local.ip));
	return SOCK_REASON_none;
}

static void set_flow(struct ep *ep, const struct plan *p, be16_t lport)
{
	ep->flow.laddr = p->local.ip;
	ep->flow.lport = lport;
	ep->flow.raddr = p->to.ip;
	ep->flow.rport = p->to.port;
	ep->flow.proto = IPPROTO_TCP;
	ep->route.gen = 0;
}

/* A connection endpoint with everything but its local port. */
static struct ep *reserve(struct sock *s, const struct plan *p)
{
	struct stack *st = p->st;
	struct ep *ep;

	sock_lock(st);
	ep = ep_alloc(&st->net);
	if (ep) {
		sock_shm_start(st, ep, s, s->cookie, &p->cf, p->bound ? SOCK_SF_BOUND : SOCK_SF_LEASED);
		tcp_conn(ep)->rcvbuf = p->cf.rcvbuf;
		tcp_conn(ep)->sndbuf = p->cf.sndbuf;
		tcp_conn_init(&st->net, tcp_conn(ep));
		conf_to_conn(&st->net, &p->cf, tcp_conn(ep));
	}
	sock_unlock(st);
	return ep;
}

/* Send the SYN.  The 4-tuple may have been taken since the lease was looked up. */
static int start(struct sock *s, int fd, struct plan *p, struct ep *ep)
{
	struct sock_shm *sh = upper_sock(p->st, ep->id);
	struct stack *st = p->st;
	be16_t lport = p->local.port;
	int rc;

	for (int tries = 0;; tries++) {
		if (!p->bound) {
			rc = stack_port_get(st, &p->local.ip, &p->to.ip, p->to.port, &lport);
			if (rc < 0)
				return rc;
		}
		sock_lock(st);
		set_flow(ep, p, lport);
		rc = tcp_connect(&st->net, tcp_conn(ep));
		if (rc == 0)
			sh->flags |= SOCK_SF_CONNECTING;
		sock_unlock(st);
		if (rc != -EADDRINUSE || p->bound || tries == 8)
			break;
	}
	sock_resolve(st);
	/* Linux: EADDRNOTAVAIL when a bound port has this peer already. */
	return rc == -EADDRINUSE ? -EADDRNOTAVAIL : rc;
}

/* The outcome of a connection attempt; __inet_stream_connect() from "if ((1 << state) ..." on. */
static int outcome(struct sock *s, int busy)
{
	struct stack *st = s->st;
	struct tcp_conn *c = tcp_conn(s->ep);
	uint64_t deadline = 0;
	bool first = true;
	int rc;

	for (;;) {
		sock_lock(st);
		if (!sock_alive(s)) {
			sock_unlock(st);
			return -EBADF;
		}
		if (c->state == TCPS_SYN_SENT || c->state == TCPS_SYN_RCVD) {
			rc = busy;
		} else {
			rc = 0;
			s->shm->flags &= ~(uint32_t)SOCK_SF_CONNECTING;
			if (c->state == TCPS_CLOSED) {
				rc = c->ep.so_error ? -c->ep.so_error : -ECONNABORTED;
				c->ep.so_error = 0;
				/* As new: the kernel's tcp_disconnect() */
				c->flags &= ~(uint32_t)(TCP_F_SHUT_RD | TCP_F_SHUT_WR);
			}
		}
		sock_unlock(st);
		if (rc != busy || s->shm->flags & SOCK_SF_NONBLOCK)
			return rc;
		if (first) {
			deadline = sock_deadline(s->shm->sndtimeo_ns);
			first = false;
		}
		rc = sock_wait(s, POLLOUT, -1, 0, deadline, SPIN_TCP_CONNECT);
		if (rc <= 0)
			return rc == 0 ? busy : rc;
	}
}

static int finish(struct sock *s, int busy)
{
	int rc;

	sock_get(s);		/* against close() in another thread */
	rc = outcome(s, busy);
	sock_put(s, -1);
	return rc;
}

/* After the SYN.  The answer of a near peer may be here already: a non-blocking
 * call says EINPROGRESS all the same, as everybody expects it of a network. */
static int first_finish(struct sock *s)
{
	return s->shm->flags & SOCK_SF_NONBLOCK ? -EINPROGRESS : finish(s, -EINPROGRESS);
}

/* A new attempt on a socket whose last one failed. */
static int connect_anew(struct sock *s, int fd, const struct addr *to)
{
	struct plan p = { .to = *to };
	struct stack *st = s->st;
	int rc;

	if (decide(s, fd, &p) != SOCK_REASON_none || p.st != st)
		return -EHOSTUNREACH;
	sock_lock(st);
	demux_remove(&st->net, s->ep);
	s->ep->so_error = 0;
	sock_unlock(st);
	rc = start(s, fd, &p, s->ep);
	return rc < 0 ? rc : first_finish(s);
}

/* connect(AF_UNSPEC): tcp_disconnect(). */
static int disconnect(struct sock *s)
{
	const uint32_t reset = 1u << TCPS_SYN_SENT | 1u << TCPS_SYN_RCVD | 1u << TCPS_ESTABLISHED | 1u << TCPS_CLOSE_WAIT |
			       1u << TCPS_FIN_WAIT_1 | 1u << TCPS_FIN_WAIT_2;
	struct tcp_conn *c = tcp_conn(s->ep);
	struct stack *st = s->st;

	sock_lock(st);
	if (sock_alive(s)) {
		int err = 1u << c->state & reset ? ECONNRESET : 0;

		if (c->state != TCPS_CLOSED)
			tcp_abort(&st->net, c, ECONNRESET);
		if (tcp_rcv_avail(c))
			(void)tcp_recv(&st->net, c, NULL, 0, 0, tcp_rcv_avail(c), 0, TCP_RECV_TRUNC);
		c->ep.so_error = err;
		c->flags &= ~(uint32_t)(TCP_F_SHUT_RD | TCP_F_SHUT_WR);
		s->shm->flags &= ~(uint32_t)SOCK_SF_CONNECTING;
	}
	sock_unlock(st);
	return 0;
}

static int connect_accel(struct sock *s, int fd, const struct sockaddr *addr, socklen_t len)
{
	struct tcp_conn *c = tcp_conn(s->ep);
	struct addr to;

	if (s->ep->kind != EP_TCP_CONN)
		return -EISCONN;
	if (!addr || len < sizeof(addr->sa_family))
		return -EINVAL;
	if (addr->sa_family == AF_UNSPEC)
		return disconnect(s);
	if (s->shm->flags & SOCK_SF_CONNECTING)
		return finish(s, -EALREADY);
	if (c->state != TCPS_CLOSED || s->shm->flags & SOCK_SF_ACCEPTED)
		return -EISCONN;
	if (!addr_from_user(&to, s->family, addr, len))
		return len < sizeof(struct sockaddr_in) ? -EINVAL : -EAFNOSUPPORT;
	return connect_anew(s, fd, &to);
}

static int connect_undecided(struct sock *s, int fd, const struct addr *to)
{
	struct plan p = { .to = *to };
	enum sock_reason why = decide(s, fd, &p);
	struct flow local;
	struct ep *ep;
	int rc;

	if (why != SOCK_REASON_none)
		return sock_stay_kernel(s, fd, why);
	if (p.bound)
		s->cookie = sock_cookie(fd);	/* names its filter */
	ep = reserve(s, &p);
	if (!ep)
		return sock_stay_kernel(s, fd, SOCK_REASON_no_endpoint);
	if (p.bound) {
		/* Before the SYN: the kernel would reset the answer. */
		local = (struct flow){ .laddr = p.local.ip, .lport = p.local.port, .proto = IPPROTO_TCP };
		rc = filter_add(p.st, fd, s->cookie, CP_FILTER_SOCKET, 0, &local, &why);
		if (rc < 0)
			goto out_kernel;
		upper_sock(p.st, ep->id)->flags |= SOCK_SF_FILTER;
	}
	rc = start(s, fd, &p, ep);
	if (rc < 0) {
		if (p.bound)
			filter_del(p.st, s->cookie, CP_FILTER_SOCKET, 0, &local);
		why = rc == -EADDRNOTAVAIL ? SOCK_REASON_filter_full : SOCK_REASON_no_interface;
		goto out_kernel;
	}
	sock_publish(s, p.st, ep);
	sock_epoll_decided(s, fd);
	return 0;

out_kernel:
	sock_lock(p.st);
	sock_slot_close(p.st, ep->id, false);
	sock_unlock(p.st);
	return sock_stay_kernel(s, fd, why);
}

int stream_connect(struct sock *s, int fd, const struct sockaddr *addr, socklen_t len)
{
	struct addr to;
	int rc;

	if (s->mode == SOCK_ACCEL)
		return connect_accel(s, fd, addr, len);
	if (!addr_from_user(&to, s->family, addr, len) || addr->sa_family == AF_UNSPEC)
		return SOCK_PASS;
	if (!sock_decide_begin(s))
		return sock_connect(s, fd, addr, len);
	rc = connect_undecided(s, fd, &to);
	sock_decide_end(s);
	return rc < 0 ? rc : first_finish(s);
}

int sock_connect(struct sock *s, int fd, const struct sockaddr *addr, socklen_t len)
{
	if (s->mode == SOCK_KERNEL)
		return SOCK_PASS;
	return s->type == SOCK_STREAM ? stream_connect(s, fd, addr, len) : dgram_connect(s, fd, addr, len);
}
