// SPDX-License-Identifier: BSD-2-Clause
/*
 * dgram_name.c - UDP sockets get their names: bind, connect, the first send,
 * multicast groups
 *
 * The kernel socket is bound and connected first: it chooses port and source
 * address, checks rights, and goes on to receive what does not come by an
 * accelerated interface (loopback, fragments, other NICs).  Then the endpoint
 * gets the same name and the daemon a filter for it.
 */
#include <string.h>

#include "sock/sock_priv.h"

/* Interfaces by which datagrams for @laddr arrive are in the stack; a group
 * address has its own filters. */
static int local_ifs(struct stack *st, const struct ipaddr *laddr, uint32_t ifindex, enum sock_reason *why)
{
	struct cp_link l;

	if (!ifindex && (ipaddr_is_any(laddr) || ipaddr_is_mcast(laddr)))
		return proc_add_all_ifs(st, why) > 0 ? 0 : -ENODEV;
	if (!ifindex)
		ifindex = cp_addr_owner(&st->cp, laddr);
	if (!ifindex || cp_link_get(&st->cp, ifindex, &l) < 0) {
		*why = SOCK_REASON_no_interface;
		return -ENODEV;
	}
	*why = proc_link_reason(&l);
	return *why == SOCK_REASON_none ? proc_add_if(st, ifindex, why) : -ENODEV;
}

static struct ep *make_ep(struct sock *s, struct stack *st, const struct addr *local, const struct addr *remote,
			  const struct sock_conf *cf)
{
	struct ep *ep;

	sock_lock(st);
	ep = ep_alloc(&st->net);
	if (ep) {
		sock_shm_start(st, ep, s, s->cookie, cf, SOCK_SF_BOUND | SOCK_SF_KERNEL_TOO);
		udp_init(&st->net, udp_ep(ep), cf->rcvbuf);
		conf_to_ep(cf, ep);
		conf_to_udp(cf, udp_ep(ep));
		ep->flow.laddr = local->ip;
		ep->flow.lport = local->port;
		ep->flow.proto = IPPROTO_UDP;
		if (local->scope)
			ep->bound_if = local->scope;
		if (remote) {
			ep->flow.raddr = remote->ip;
			ep->flow.rport = remote->port;
			ep->flags |= EP_F_CONNECTED;
			upper_sock(st, ep->id)->flags |= SOCK_SF_CONNECTED;
		}
		(void)demux_insert(&st->net, ep);	/* UDP: duplicates are allowed */
	}
	sock_unlock(st);
	return ep;
}

/* The kernel socket has its name; make the endpoint and have packets steered to it. */
static int accelerate(struct sock *s, int fd, const struct addr *local, const struct addr *remote)
{
	enum sock_reason why = SOCK_REASON_none;
	struct sock_conf cf;
	const struct cp *cp;
	struct stack *st;
	struct ep *ep;

	if (ipaddr_is_loopback(&local->ip))
		return sock_stay_kernel(s, fd, SOCK_REASON_loopback);
	if (s->n_joins > SOCK_MAX_JOINS)
		return sock_stay_kernel(s, fd, SOCK_REASON_sockopt);
	if (proc_cp(&cp, &why) < 0)
		return sock_stay_kernel(s, fd, why);
	conf_read(s, fd, cp, &cf);
	if (proc_stack(&st, &why) < 0 ||
	    local_ifs(st, &local->ip, cf.bound_if ? cf.bound_if : local->scope, &why) < 0)
		return sock_stay_kernel(s, fd, why);
	s->cookie = sock_cookie(fd);
	ep = make_ep(s, st, local, remote, &cf);
	if (!ep)
		return sock_stay_kernel(s, fd, SOCK_REASON_no_endpoint);
	/* A socket bound to a group receives by the filters of its joins only. */
	if (!ipaddr_is_mcast(&local->ip) &&
	    filter_add(st, fd, s->cookie, remote ? CP_FILTER_CONNECTED : CP_FILTER_SOCKET, 0, &ep->flow, &why) < 0) {
		sock_lock(st);
		sock_slot_close(st, ep->id, false);
		sock_unlock(st);
		return sock_stay_kernel(s, fd, why);
	}
	sock_lock(st);
	upper_sock(st, ep->id)->flags |= SOCK_SF_FILTER;
	sock_unlock(st);
	sock_publish(s, st, ep);
	for (uint32_t i = 0; i < s->n_joins; i++)
		dgram_group(s, fd, true, &s->joins[i].group, s->joins[i].ifindex);
	sock_epoll_decided(s, fd);
	return 0;
}

int dgram_bind(struct sock *s, int fd)
{
	struct addr local;

	if (addr_kernel_local(fd, s->family, &local) < 0 || !local.port.be)
		return sock_stay_kernel(s, fd, SOCK_REASON_daemon_error);
	return accelerate(s, fd, &local, NULL);
}

/* ---- the first send ------------------------------------------------------------ */

/* Would a datagram to @to leave by an interface that can be accelerated? */
static enum sock_reason dest_reason(const struct cp *cp, const struct addr *to)
{
	struct cp_fwd f;
	struct cp_link l;
	int rc;

	rc = cp_route(cp, &to->ip, NULL, to->scope, &f);
	if (rc < 0)
		return rc == -EOPNOTSUPP ? SOCK_REASON_policy_route : SOCK_REASON_no_route;
	if (f.type == CP_RT_LOCAL || f.link_flags & CP_LINK_LOOPBACK)
		return SOCK_REASON_local_dest;
	if (cp_link_get(cp, f.ifindex, &l) < 0)
		return SOCK_REASON_no_interface;
	return proc_link_reason(&l);
}

static int autobind(int fd, uint16_t family)
{
	struct sockaddr_storage ss;
	socklen_t len = addr_to_storage(&ss, family, &IPADDR_ANY, to_be16(0), 0);

	return sys_bind(fd, &ss, len);
}

int dgram_first_send(struct sock *s, int fd, const struct addr *to)
{
	enum sock_reason why = SOCK_REASON_none;
	const struct cp *cp;
	struct addr local;
	int rc;

	/* A datagram for the host itself decides nothing: the socket may go on to
	 * speak with others. */
	if (ipaddr_is_any(&to->ip) || ipaddr_is_loopback(&to->ip))
		why = SOCK_REASON_loopback;
	else if (proc_cp(&cp, &why) == 0)
		why = dest_reason(cp, to);
	if (why != SOCK_REASON_none) {
		s->reason = (uint16_t)why;
		return SOCK_PASS;
	}
	if (!sock_decide_begin(s))
		return 0;
	rc = addr_kernel_local(fd, s->family, &local);
	if (rc == 0 && !local.port.be) {
		rc = autobind(fd, s->family);
		if (rc == 0)
			rc = addr_kernel_local(fd, s->family, &local);
	}
	rc = rc < 0 ? SOCK_PASS : accelerate(s, fd, &local, NULL);
	sock_decide_end(s);
	return rc;
}

/* ---- connect ------------------------------------------------------------------------ */

/* Give an endpoint another name; the filter follows. */
static void rename_ep(struct sock *s, int fd, const struct addr *local, const struct addr *remote)
{
	enum sock_reason why;
	struct stack *st = s->st;
	struct filter_list old;
	struct ep *ep = s->ep;
	struct flow before;
	bool group;
	int rc = 0;

	sock_lock(st);
	if (!sock_alive(s)) {
		sock_unlock(st);
		return;
	}
	filter_list_of(&old, st, ep);
	old.n = 1;			/* memberships stay */
	before = ep->flow;
	group = ipaddr_is_mcast(&ep->flow.laddr);
	demux_remove(&st->net, ep);
	ep->flow.laddr = local->ip;
	ep->flow.lport = local->port;
	ep->flow.raddr = remote ? remote->ip : IPADDR_ANY;
	ep->flow.rport = remote ? remote->port : to_be16(0);
	ep->flags &= ~(uint32_t)EP_F_CONNECTED;
	s->shm->flags &= ~(uint32_t)SOCK_SF_CONNECTED;
	if (remote) {
		ep->flags |= EP_F_CONNECTED;
		s->shm->flags |= SOCK_SF_CONNECTED;
	}
	ep->route.gen = 0;
	ep->pmtu = 0;
	ep->so_error = 0;
	if (local->port.be)
		(void)demux_insert(&st->net, ep);
	sock_unlock(st);

	if (local->port.be && !ipaddr_is_mcast(&local->ip))
		rc = filter_add(st, fd, s->cookie, remote ? CP_FILTER_CONNECTED : CP_FILTER_SOCKET, 0, &ep->flow, &why);
	/* Without a filter the kernel socket receives: it has the same name. */
	if (rc < 0)
		s->reason = (uint16_t)why;
	/* A filter of the connected form has taken the place of the plain one. */
	if (!group && before.lport.be && !(remote && old.f[0].kind == CP_FILTER_SOCKET) && memcmp(&before, &ep->flow, sizeof(before)) != 0)
		filter_list_del(st, &old);
}

static int connect_accel(struct sock *s, int fd, const struct sockaddr *addr, socklen_t len)
{
	struct addr local, remote;
	int rc = sys_connect(fd, addr, len);

	if (rc < 0)
		return rc;
	if (addr_kernel_local(fd, s->family, &local) < 0)
		return 0;
	if (addr->sa_family == AF_UNSPEC || addr_kernel_remote(fd, s->family, &remote) < 0)
		rename_ep(s, fd, &local, NULL);
	else
		rename_ep(s, fd, &local, &remote);
	return 0;
}

static int connect_undecided(struct sock *s, int fd, const struct sockaddr *addr, socklen_t len)
{
	enum sock_reason why = SOCK_REASON_none;
	struct addr local, remote;
	const struct cp *cp;
	int rc = sys_connect(fd, addr, len);

	if (rc < 0 || addr->sa_family == AF_UNSPEC)
		return rc;
	if (addr_kernel_local(fd, s->family, &local) < 0 || addr_kernel_remote(fd, s->family, &remote) < 0)
		return 0;
	if (ipaddr_is_loopback(&remote.ip))
		why = SOCK_REASON_loopback;
	else if (proc_cp(&cp, &why) == 0)
		why = dest_reason(cp, &remote);
	rc = why != SOCK_REASON_none ? sock_stay_kernel(s, fd, why) : accelerate(s, fd, &local, &remote);
	return rc == SOCK_PASS ? 0 : rc;
}

int dgram_connect(struct sock *s, int fd, const struct sockaddr *addr, socklen_t len)
{
	int rc;

	if (!addr || len < sizeof(addr->sa_family))
		return SOCK_PASS;
	if (s->mode == SOCK_ACCEL)
		return connect_accel(s, fd, addr, len);
	if (!sock_decide_begin(s))
		return sock_connect(s, fd, addr, len);
	rc = connect_undecided(s, fd, addr, len);
	sock_decide_end(s);
	return rc;
}

/* After connect(AF_UNSPEC) an automatic port is gone: the next send takes a new one. */
int dgram_rebind(struct sock *s, int fd)
{
	struct addr local;
	int rc = addr_kernel_local(fd, s->family, &local);

	if (rc == 0 && !local.port.be) {
		rc = autobind(fd, s->family);
		if (rc == 0)
			rc = addr_kernel_local(fd, s->family, &local);
	}
	if (rc == 0)
		rename_ep(s, fd, &local, NULL);
	return rc;
}

/* The path's MTU is ours to know, since the network's messages come to us.  IPv6 has an
 * option for it; IPv4 packets may then be fragmented by the router that complained. */
void dgram_kernel_pmtu(struct sock *s, int fd)
{
	int mtu = s->ep->pmtu, dont = PMTUDISC_DONT;

	if (s->ep->pmtudisc != PMTUDISC_WANT && s->ep->pmtudisc != PMTUDISC_DONT)
		return;
	if (s->family == AF_INET6)
		(void)sys_setsockopt(fd, IPPROTO_IPV6, IPV6_MTU, &mtu, sizeof(mtu));
	if (s->ep->flags & EP_F_NODF || s->shm->flags & SOCK_SF_KERNEL_NODF)
		return;
	if (sys_setsockopt(fd, IPPROTO_IP, IP_MTU_DISCOVER, &dont, sizeof(dont)) < 0)
		return;
	stack_lock(s->st);
	if (sock_alive(s))
		s->shm->flags |= SOCK_SF_KERNEL_NODF;
	stack_unlock(s->st);
}

/* ---- groups --------------------------------------------------------------------------- */

static void join(struct sock *s, int fd, const struct ipaddr *group, uint32_t ifindex)
{
	enum sock_reason why = SOCK_REASON_mcast_if;
	struct stack *st = s->st;
	struct cp_link l;
	struct flow f;
	int rc;

	if (!sock_opts()->mcast_recv || !ifindex || cp_link_get(&st->cp, ifindex, &l) < 0)
		goto kernels;
	why = proc_link_reason(&l);
	if (why != SOCK_REASON_none || proc_add_if(st, ifindex, &why) < 0)
		goto kernels;
	sock_lock(st);
	rc = sock_alive(s) ? udp_join(&st->net, udp_ep(s->ep), group, ifindex) : -EBADF;
	f = (struct flow){ .laddr = *group, .lport = s->ep->flow.lport, .proto = IPPROTO_UDP };
	sock_unlock(st);
	if (rc < 0)
		return;		/* more groups than an endpoint has room for: the kernel's share */
	rc = filter_add(st, fd, s->cookie, CP_FILTER_MCAST, ifindex, &f, &why);
	if (rc == 0)
		return;
	why = SOCK_REASON_mcast_shared;
	sock_lock(st);
	if (sock_alive(s))
		(void)udp_leave(&st->net, udp_ep(s->ep), group, ifindex);
	sock_unlock(st);
kernels:
	/* The kernel socket has joined too and receives the group. */
	s->reason = (uint16_t)why;
}

static void leave(struct sock *s, const struct ipaddr *group, uint32_t ifindex)
{
	struct stack *st = s->st;
	struct flow f;
	int rc;

	sock_lock(st);
	rc = sock_alive(s) ? udp_leave(&st->net, udp_ep(s->ep), group, ifindex) : -EBADF;
	f = (struct flow){ .laddr = *group, .lport = s->ep->flow.lport, .proto = IPPROTO_UDP };
	sock_unlock(st);
	if (rc == 0)
		filter_del(st, s->cookie, CP_FILTER_MCAST, ifindex, &f);
}

void dgram_group(struct sock *s, int fd, bool joining, const struct ipaddr *group, uint32_t ifindex)
{
	if (joining)
		join(s, fd, group, ifindex);
	else
		leave(s, group, ifindex);
}
