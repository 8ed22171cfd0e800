// SPDX-License-Identifier: BSD-2-Clause
/*
 * proof.c - questions to the kernel about sockets: whose port is it, who else
 * listens
 *
 * Answers come from getsockopt(), getsockname() and sock_diag only, never from
 * what a request claims.
 */
#include "ctld/proof.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "ctld/ctld.h"

static bool name_to_addr(const struct sockaddr_storage *ss, struct ipaddr *a, be16_t *port,
			 uint32_t *scope)
{
	if (ss->ss_family == AF_INET) {
		const struct sockaddr_in *s = (const struct sockaddr_in *)ss;

		*a = s->sin_addr.s_addr ? ipaddr_from4((be32_t){ s->sin_addr.s_addr }) : IPADDR_ANY;
		port->be = s->sin_port;
		return true;
	}
	if (ss->ss_family == AF_INET6) {
		const struct sockaddr_in6 *s = (const struct sockaddr_in6 *)ss;

		memcpy(a->b, &s->sin6_addr, 16);
		if (ipaddr_is_any(a))
			*a = IPADDR_ANY;
		port->be = s->sin6_port;
		*scope = s->sin6_scope_id;
		return true;
	}
	return false;
}

static int get_int(int fd, int level, int name)
{
	int v = 0;
	socklen_t len = sizeof(v);

	return getsockopt(fd, level, name, &v, &len) < 0 ? -errno : v;
}

int proof_read(struct ctld *ctl, int fd, uint64_t want_cookie, struct proof *p)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(uint64_t);
	uint64_t cookie = 0, netns = 0;

	memset(p, 0, sizeof(*p));
	p->domain = get_int(fd, SOL_SOCKET, SO_DOMAIN);
	p->type = get_int(fd, SOL_SOCKET, SO_TYPE);
	p->proto = get_int(fd, SOL_SOCKET, SO_PROTOCOL);
	if ((p->domain != AF_INET && p->domain != AF_INET6) ||
	    !((p->type == SOCK_STREAM && p->proto == IPPROTO_TCP) ||
	      (p->type == SOCK_DGRAM && p->proto == IPPROTO_UDP)))
		return -EACCES;
	if (getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &len) < 0 || cookie != want_cookie)
		return -EACCES;
	/* A port of another network namespace proves nothing here. */
	len = sizeof(netns);
	if (ctl->netns_cookie && (getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, &netns, &len) < 0 ||
				  netns != ctl->netns_cookie))
		return -EACCES;
	p->v6only = p->domain == AF_INET6 && get_int(fd, IPPROTO_IPV6, IPV6_V6ONLY) > 0;
	p->bound_if = (uint32_t)max_t(int, get_int(fd, SOL_SOCKET, SO_BINDTOIFINDEX), 0);

	memset(&ss, 0, sizeof(ss));
	len = sizeof(ss);
	if (getsockname(fd, (struct sockaddr *)&ss, &len) < 0 ||
	    !name_to_addr(&ss, &p->laddr, &p->lport, &p->scope_id) || !p->lport.be)
		return -EACCES;	/* not bound */
	memset(&ss, 0, sizeof(ss));
	len = sizeof(ss);
	if (getpeername(fd, (struct sockaddr *)&ss, &len) == 0) {
		uint32_t scope = 0;

		name_to_addr(&ss, &p->raddr, &p->rport, &scope);
	}
	return 0;
}

struct search {
	struct stack *st;
	uint64_t self;
	be16_t port;
	bool found;
};

static int one_socket(const struct nlmsghdr *nlh, void *arg)
{
	const struct inet_diag_msg *d = mnl_nlmsg_get_payload(nlh);
	struct search *s = arg;
	struct ipaddr a = IPADDR_ANY;
	uint64_t cookie;

	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(*d) || d->id.idiag_sport != s->port.be)
		return MNL_CB_OK;
	cookie = (uint64_t)d->id.idiag_cookie[1] << 32 | d->id.idiag_cookie[0];
	if (cookie == s->self || filter_knows_cookie(s->st, cookie))
		return MNL_CB_OK;
	/* Bound to one address of the host, it hears no group. */
	if (d->idiag_family == AF_INET)
		a = ipaddr_from4((be32_t){ d->id.idiag_src[0] });
	else
		memcpy(a.b, d->id.idiag_src, 16);
	if (ipaddr_is_any(&a) || ipaddr_is_mcast(&a))
		s->found = true;
	return MNL_CB_OK;
}

static int dump_udp(int fd, uint8_t family, struct search *s)
{
	struct {
		struct nlmsghdr nlh;
		struct inet_diag_req_v2 r;
	} q = {
		.nlh = { .nlmsg_len = sizeof(q), .nlmsg_type = SOCK_DIAG_BY_FAMILY,
			 .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP, .nlmsg_seq = family },
		.r = { .sdiag_family = family, .sdiag_protocol = IPPROTO_UDP, .idiag_states = ~0u },
	};
	char buf[16384];
	int rc = MNL_CB_OK;

	if (send(fd, &q, sizeof(q), MSG_NOSIGNAL) < 0)
		return -errno;
	while (rc > MNL_CB_STOP) {
		ssize_t len = recv(fd, buf, sizeof(buf), 0);

		if (len < 0 && errno == EINTR)
			continue;
		if (len < 0)
			return -errno;
		errno = 0;
		rc = mnl_cb_run(buf, (size_t)len, family, 0, one_socket, s);
		if (rc < 0)
			return errno ? -errno : -EPROTO;
	}
	return 0;
}

int proof_udp_strangers(struct stack *st, be16_t port, uint64_t self)
{
	struct search s = { .st = st, .self = self, .port = port };
	struct timeval tv = { .tv_sec = 1 };
	int fd, rc;

	fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	rc = dump_udp(fd, AF_INET, &s);
	/* An IPv6 socket that is not V6ONLY hears IPv4 groups too. */
	if (rc == 0 && !s.found)
		rc = dump_udp(fd, AF_INET6, &s);
	close(fd);
	/* A kernel without udp_diag cannot tell: leave the group to it. */
	if (rc == -ENOENT)
		return 1;
	return rc < 0 ? rc : s.found;
}
