// SPDX-License-Identifier: BSD-2-Clause
/*
 * sock_name.c - bind, listen, getsockname, getpeername, shutdown
 *
 * The kernel socket is bound and put to listen first: its errors are exact, it
 * reserves the port, and it goes on to take what arrives by loopback and by
 * interfaces that are not accelerated.
 */
#include <string.h>

#include "sock/sock_priv.h"

/* bind() of a connection: its kernel socket would take the name.  inet_bind()
 * looks at the address before the state, inet6_bind() after it. */
static int bind_conn(const struct sock *s, const struct sockaddr *addr, socklen_t len)
{
	struct addr a;

	if (!addr_from_user(&a, s->family, addr, len) || addr->sa_family != s->family)
		return SOCK_PASS;
	if (s->family == AF_INET && !ipaddr_is_any(&a.ip) && !ipaddr_is_loopback(&a.ip) &&
	    !ipaddr_is_mcast(&a.ip) && !cp_addr_owner(&s->st->cp, &a.ip))
		return -EADDRNOTAVAIL;
	return -EINVAL;
}

static bool same_name(const struct ep *ep, const struct addr *a, uint32_t ep_flags)
{
	if (ep->kind != EP_TCP_CONN || !(ep->flags & EP_F_HASHED) || ep->flow.lport.be != a->port.be)
		return false;
	if (!ipaddr_is_any(&a->ip))
		return ipaddr_eq(&ep->flow.laddr, &a->ip);
	if (ipaddr_is4(&ep->flow.laddr))
		return !(ep_flags & EP_F_V6ONLY);
	/* To the kernel a socket that may take IPv4 does, whatever its address. */
	return !(ep_flags & EP_F_V4) || !(ep->flags & EP_F_V6ONLY);
}

/* The kernel knows nothing of our connections that have ended (TIME_WAIT and the like) and of
 * accepted ones, whose names it would refuse (inet_csk_bind_conflict()).  With SO_REUSEADDR or
 * SO_REUSEPORT, which only matter when the connection has it too, it is taken that it has. */
static bool name_taken(struct sock *s, int fd, const struct sockaddr *addr, socklen_t len)
{
	enum { BATCH = 256 };
	enum sock_reason why;
	struct stack *st;
	struct addr a, own;
	uint32_t ep_flags;
	bool taken = false;

	if (!addr_from_user(&a, s->family, addr, len) || addr->sa_family != s->family || !a.port.be ||
	    ipaddr_is_loopback(&a.ip) || conf_reuse(s, fd, &ep_flags))
		return false;
	if (proc_stack(&st, &why) < 0)
		return false;
	for (uint32_t i = 0; i < ep_top(&st->net) && !taken;) {
		stack_lock(st);
		for (uint32_t end = i + BATCH; i < end && i < ep_top(&st->net) && !taken; i++)
			taken = same_name(ep_get(&st->net, i), &a, ep_flags);
		stack_unlock(st);
	}
	/* A second bind() is another error. */
	return taken && addr_kernel_local(fd, s->family, &own) == 0 && !own.port.be;
}

int sock_bind(struct sock *s, int fd, const struct sockaddr *addr, socklen_t len)
{
	int rc;

	if (s->mode == SOCK_ACCEL && s->ep->kind == EP_TCP_CONN)
		return bind_conn(s, addr, len);
	if (s->mode != SOCK_UNDECIDED)
		return SOCK_PASS;
	if (s->type == SOCK_STREAM && name_taken(s, fd, addr, len))
		return -EADDRINUSE;
	s->unbound = 0;
	rc = sys_bind(fd, addr, len);
	if (rc < 0 || s->type == SOCK_STREAM)
		return rc;
	if (!sock_decide_begin(s))
		return 0;
	rc = dgram_bind(s, fd);
	sock_decide_end(s);
	return rc == SOCK_PASS ? 0 : rc;
}

/* ---- listen ---------------------------------------------------------------------- */

/* The interfaces by which connections to @laddr arrive are in the stack. */
static int listen_ifs(struct stack *st, const struct cp *cp, const struct ipaddr *laddr, uint32_t bound_if,
		      enum sock_reason *why)
{
	uint32_t ifindex = bound_if;
	struct cp_link l;

	if (ipaddr_is_any(laddr) && !ifindex)
		return proc_add_all_ifs(st, why) > 0 ? 0 : -ENODEV;
	if (!ifindex)
		ifindex = cp_addr_owner(cp, laddr);
	if (!ifindex || cp_link_get(cp, ifindex, &l) < 0) {
		*why = SOCK_REASON_no_interface;
		return -ENODEV;
	}
	*why = proc_link_reason(&l);
	return *why == SOCK_REASON_none ? proc_add_if(st, ifindex, why) : -ENODEV;
}

static uint32_t clamp_backlog(const struct net *net, int backlog)
{
	uint32_t max = net->shm->conf.somaxconn, n = (uint32_t)backlog;
	uint32_t min = (uint32_t)max_t(int32_t, sock_opts()->acceptq_min_backlog, 0);

	n = n > max ? max : n;
	return n < min ? min : n;
}

static struct ep *start_listener(struct sock *s, struct stack *st, const struct addr *local,
				 uint64_t cookie, const struct sock_conf *cf, int backlog, enum sock_reason *why)
{
	struct ep *ep;
	int rc;

	sock_lock(st);
	ep = ep_alloc(&st->net);
	if (!ep) {
		sock_unlock(st);
		*why = SOCK_REASON_no_endpoint;
		return NULL;
	}
	sock_shm_start(st, ep, s, cookie, cf, SOCK_SF_BOUND | SOCK_SF_FILTER | SOCK_SF_KERNEL_TOO);
	ep->flow.laddr = local->ip;
	ep->flow.lport = local->port;
	ep->flow.proto = IPPROTO_TCP;
	if (local->scope)
		ep->bound_if = local->scope;
	conf_to_listen(cf, tcp_listener(ep));
	rc = tcp_listen_start(&st->net, tcp_listener(ep), clamp_backlog(&st->net, backlog));
	if (rc < 0) {
		upper_sock_release(st, ep->id);
		ep_free(&st->net, ep);
		*why = SOCK_REASON_filter_taken;
		ep = NULL;
	}
	sock_unlock(st);
	return ep;
}

static int accelerate_listen(struct sock *s, int fd, int backlog)
{
	enum sock_reason why = SOCK_REASON_none;
	struct sock_conf cf;
	const struct cp *cp;
	struct stack *st;
	struct filter_list fl;
	struct addr local;
	struct ep *ep;
	int rc;

	rc = addr_kernel_local(fd, s->family, &local);
	if (rc == 0 && !local.port.be) {
		/* Not bound: listen() chooses a port, which nobody knows yet. */
		rc = sys_listen(fd, backlog);
		if (rc < 0)
			return rc;
		rc = addr_kernel_local(fd, s->family, &local);
	}
	if (rc < 0 || !local.port.be)
		return sock_stay_kernel(s, fd, SOCK_REASON_daemon_error);
	if (ipaddr_is_loopback(&local.ip))
		return sock_stay_kernel(s, fd, SOCK_REASON_loopback);
	if (proc_cp(&cp, &why) < 0)
		return sock_stay_kernel(s, fd, why);
	conf_read(s, fd, cp, &cf);
	if (proc_stack(&st, &why) < 0 || listen_ifs(st, cp, &local.ip, cf.bound_if, &why) < 0)
		return sock_stay_kernel(s, fd, why);

	/* The endpoint before the filter: a SYN that finds no endpoint is reset. */
	s->cookie = sock_cookie(fd);
	ep = start_listener(s, st, &local, s->cookie, &cf, backlog, &why);
	if (!ep)
		return sock_stay_kernel(s, fd, why);
	rc = filter_add(st, fd, s->cookie, CP_FILTER_SOCKET, 0, &ep->flow, &why);
	if (rc < 0) {
		sock_lock(st);
		sock_slot_close(st, ep->id, false);
		sock_unlock(st);
		return sock_stay_kernel(s, fd, why);
	}
	/* The kernel last: had it listened before the filter was there, it could
	 * have accepted a connection whose later segments then came to us. */
	rc = sys_listen(fd, backlog);
	if (rc < 0) {
		sock_lock(st);
		filter_list_of(&fl, st, ep);
		sock_slot_close(st, ep->id, false);
		sock_unlock(st);
		filter_list_del(st, &fl);
		return rc;
	}
	sock_publish(s, st, ep);
	sock_epoll_decided(s, fd);
	return 0;
}

/* listen() on what is accelerated already: another backlog. */
static int listen_again(struct sock *s, int fd, int backlog)
{
	struct stack *st = s->st;
	int rc = -EINVAL;

	if (s->ep->kind != EP_TCP_LISTEN)
		return s->type == SOCK_STREAM ? -EINVAL : SOCK_PASS;
	rc = sys_listen(fd, backlog);
	if (rc < 0)
		return rc;
	sock_lock(st);
	if (sock_alive(s) && s->ep->kind == EP_TCP_LISTEN)
		rc = tcp_listen_start(&st->net, tcp_listener(s->ep), clamp_backlog(&st->net, backlog));
	sock_unlock(st);
	return rc;
}

int sock_listen(struct sock *s, int fd, int backlog)
{
	int rc;

	s->unbound = 0;		/* the kernel gives a port when there is none */
	if (s->mode == SOCK_ACCEL)
		return listen_again(s, fd, backlog);
	if (s->mode == SOCK_KERNEL || s->type != SOCK_STREAM)
		return SOCK_PASS;
	if (!sock_decide_begin(s))
		return s->mode == SOCK_ACCEL ? listen_again(s, fd, backlog) : SOCK_PASS;
	rc = accelerate_listen(s, fd, backlog);
	sock_decide_end(s);
	return rc;
}

/* ---- names ------------------------------------------------------------------------ */

int sock_getsockname(struct sock *s, int fd, struct sockaddr *addr, socklen_t *len)
{
	struct flow f;
	uint32_t scope;

	if (s->mode != SOCK_ACCEL || s->ep->kind != EP_TCP_CONN)
		return SOCK_PASS;
	stack_lock(s->st);
	f = s->ep->flow;
	scope = s->ep->bound_if;
	stack_unlock(s->st);
	return addr_to_user(addr, len, s->family, &f.laddr, f.lport, scope);
}

int sock_getpeername(struct sock *s, int fd, struct sockaddr *addr, socklen_t *len)
{
	uint32_t scope, state;
	struct flow f;

	if (s->mode != SOCK_ACCEL || s->ep->kind != EP_TCP_CONN)
		return SOCK_PASS;
	stack_lock(s->st);
	f = s->ep->flow;
	scope = s->ep->bound_if;
	state = tcp_conn(s->ep)->state;
	stack_unlock(s->st);
	if (state == TCPS_CLOSED || state == TCPS_SYN_SENT)
		return -ENOTCONN;
	return addr_to_user(addr, len, s->family, &f.raddr, f.rport, scope);
}

/* ---- shutdown ------------------------------------------------------------------------ */

/* A listener that is shut stops listening: inet_csk_listen_stop(). */
static int shutdown_listener(struct sock *s, int fd, int how)
{
	struct stack *st = s->st;
	struct filter_list fl;
	int rc;

	rc = sys_shutdown(fd, how);
	if (rc < 0 || how == SHUT_WR)
		return rc;
	stack_lock(st);
	filter_list_of(&fl, st, s->ep);
	stack_unlock(st);
	(void)filter_keep_conns(st, &s->ep->flow);
	sock_lock(st);
	if (sock_alive(s))
		sock_slot_close(st, s->id, false);
	else
		fl.n = 0;
	sock_unlock(st);
	filter_list_del(st, &fl);
	/* What is asked of it from now on, the kernel answers. */
	__atomic_store_n(&s->mode, SOCK_KERNEL, __ATOMIC_RELEASE);
	sock_epoll_decided(s, fd);
	return 0;
}

static int shutdown_conn(struct sock *s, int how)
{
	struct tcp_conn *c = tcp_conn(s->ep);
	struct stack *st = s->st;
	int rc;

	sock_lock(st);
	if (!sock_alive(s))
		rc = -ENOTCONN;
	else
		rc = tcp_shutdown(&st->net, c, how);
	sock_unlock(st);
	return rc;
}

static int shutdown_dgram(struct sock *s, int fd, int how)
{
	int rc = sys_shutdown(fd, how);

	if (rc < 0 && rc != -ENOTCONN)
		return rc;
	/* As inet_shutdown(): marked shut and woken although not connected. */
	sock_lock(s->st);
	if (sock_alive(s)) {
		if (how != SHUT_WR)
			udp_ep(s->ep)->flags |= UDP_F_SHUT_RD;
		if (how != SHUT_RD)
			s->shm->flags |= SOCK_SF_SHUT_WR;
		ep_ready(&s->st->net, s->ep, EP_IN | EP_OUT | EP_HUP);
	}
	sock_unlock(s->st);
	return rc;
}

int sock_shutdown(struct sock *s, int fd, int how)
{
	if (s->mode != SOCK_ACCEL)
		return SOCK_PASS;
	if (how != SHUT_RD && how != SHUT_WR && how != SHUT_RDWR)
		return -EINVAL;
	switch (s->ep->kind) {
	case EP_TCP_LISTEN:
		return shutdown_listener(s, fd, how);
	case EP_TCP_CONN:
		return shutdown_conn(s, how);
	case EP_UDP:
		return shutdown_dgram(s, fd, how);
	default:
		return SOCK_PASS;
	}
}
