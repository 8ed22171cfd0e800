// SPDX-License-Identifier: BSD-2-Clause
/*
 * cmsg.c - ancillary data of datagrams, both directions
 *
 * Order, types and sizes as the kernel writes them: sock_recv_cmsgs(), then
 * ip_cmsg_recv() or ip6_datagram_recv_ctl().  What is not understood on sending is
 * left to the kernel, datagram by datagram.
 */
#include <linux/errqueue.h>
#include <string.h>
#include <sys/time.h>

#include "sock/sock_priv.h"

/* put_cmsg(): a header that does not fit is left out, data that do not are cut. */
static void put(struct msghdr *msg, size_t room, int level, int type, const void *data, size_t len)
{
	size_t used = msg->msg_controllen, left = room - used;
	struct cmsghdr h = { .cmsg_level = level, .cmsg_type = type };
	char *at = (char *)msg->msg_control + used;
	size_t n = CMSG_LEN(len);

	if (!msg->msg_control || left < sizeof(h)) {
		msg->msg_flags |= MSG_CTRUNC;
		return;
	}
	if (left < n) {
		msg->msg_flags |= MSG_CTRUNC;
		n = left;
	}
	h.cmsg_len = n;
	memcpy(at, &h, sizeof(h));
	memcpy(at + CMSG_LEN(0), data, n - CMSG_LEN(0));
	msg->msg_controllen = used + (CMSG_SPACE(len) < left ? CMSG_SPACE(len) : left);
}

static void put_int(struct msghdr *msg, size_t room, int level, int type, int v)
{
	put(msg, room, level, type, &v, sizeof(v));
}

static void put_stamps(struct msghdr *msg, size_t room, uint32_t flags, uint64_t ns)
{
	struct timespec ts[3] = { { .tv_sec = (time_t)(ns / NSEC_PER_SEC), .tv_nsec = (long)(ns % NSEC_PER_SEC) } };
	struct timeval tv = { .tv_sec = ts[0].tv_sec, .tv_usec = ts[0].tv_nsec / 1000 };

	if (flags & SOCK_SF_STAMPNS)
		put(msg, room, SOL_SOCKET, SCM_TIMESTAMPNS, &ts[0], sizeof(ts[0]));
	else if (flags & SOCK_SF_STAMP)
		put(msg, room, SOL_SOCKET, SCM_TIMESTAMP, &tv, sizeof(tv));
	if (flags & SOCK_SF_TSTAMPING)
		put(msg, room, SOL_SOCKET, SCM_TIMESTAMPING, ts, sizeof(ts));
}

static void put_v4(struct msghdr *msg, size_t room, const struct sock *s, const struct pkt *p,
		   const struct ipaddr *dst)
{
	uint32_t flags = s->shm->flags;
	uint8_t tos = p->tos;

	if (flags & SOCK_SF_PKTINFO) {
		struct in_pktinfo pi = { .ipi_ifindex = (int)p->ifindex, .ipi_addr.s_addr = dst->w[3] };

		/* ipi_spec_dst is the address that an answer would leave from. */
		pi.ipi_spec_dst.s_addr = dst->w[3];
		if (p->flags & PKT_F_MCAST) {
			struct cp_fwd f;

			pi.ipi_spec_dst.s_addr = 0;
			if (cp_route(&s->st->cp, dst, NULL, p->ifindex, &f) == 0)
				memcpy(&pi.ipi_spec_dst.s_addr, (const char *)&f.src + 12, 4);
		}
		put(msg, room, IPPROTO_IP, IP_PKTINFO, &pi, sizeof(pi));
	}
	if (flags & SOCK_SF_RECVTTL)
		put_int(msg, room, IPPROTO_IP, IP_TTL, p->ttl);
	if (flags & SOCK_SF_RECVTOS)
		put(msg, room, IPPROTO_IP, IP_TOS, &tos, sizeof(tos));
}

static void put_v6(struct msghdr *msg, size_t room, const struct sock *s, const struct pkt *p,
		   const struct ipaddr *dst)
{
	uint32_t flags = s->shm->flags;

	if (flags & SOCK_SF_PKTINFO6) {
		struct in6_pktinfo pi = { .ipi6_ifindex = p->ifindex };

		memcpy(&pi.ipi6_addr, dst->b, 16);
		put(msg, room, IPPROTO_IPV6, IPV6_PKTINFO, &pi, sizeof(pi));
	}
	if (ipaddr_is4(dst))
		return;
	if (flags & SOCK_SF_HOPLIMIT)
		put_int(msg, room, IPPROTO_IPV6, IPV6_HOPLIMIT, p->ttl);
	if (flags & SOCK_SF_TCLASS)
		put_int(msg, room, IPPROTO_IPV6, IPV6_TCLASS, p->tos);
}

void cmsg_recv(const struct sock *s, const struct pkt *p, struct msghdr *msg)
{
	size_t room = msg->msg_controllen;
	uint32_t flags = s->shm->flags;
	struct ipaddr src, dst;
	be16_t sport;

	msg->msg_controllen = 0;
	if (likely(!(flags & CMSG_FLAGS)))
		return;
	udp_addrs(p, &src, &sport, &dst);
	if (flags & (SOCK_SF_STAMP | SOCK_SF_STAMPNS | SOCK_SF_TSTAMPING))
		put_stamps(msg, room, flags, p->stamp_ns ? p->stamp_ns : clock_real_ns());
	if (flags & SOCK_SF_RXQ_OVFL && udp_ep(s->ep)->drops) {
		uint32_t drops = (uint32_t)udp_ep(s->ep)->drops;

		put(msg, room, SOL_SOCKET, SO_RXQ_OVFL, &drops, sizeof(drops));
	}
	if (s->family == AF_INET6)
		put_v6(msg, room, s, p, &dst);
	if (ipaddr_is4(&dst))
		put_v4(msg, room, s, p, &dst);
}

/* As ip_recv_error() and ipv6_recv_error(): ancillary data of the message, then the error. */
void cmsg_recv_err(const struct sock *s, const struct udp_err *e, struct msghdr *msg)
{
	struct {
		struct sock_extended_err ee;
		struct sockaddr_in6 offender;
	} err = {
		.ee = { .ee_errno = (uint32_t)e->err, .ee_type = e->type, .ee_code = e->code, .ee_info = e->info },
	};
	size_t room = msg->msg_controllen;
	bool four = s->family == AF_INET;

	if (e->local) {
		err.ee.ee_origin = SO_EE_ORIGIN_LOCAL;
		msg->msg_controllen = 0;
	} else {
		struct sockaddr_storage ss;
		socklen_t len = addr_to_storage(&ss, s->family, &e->offender, to_be16(0), e->pkt->ifindex);

		err.ee.ee_origin = e->pkt->flags & PKT_F_IP6 ? SO_EE_ORIGIN_ICMP6 : SO_EE_ORIGIN_ICMP;
		memcpy(&err.offender, &ss, len);
		cmsg_recv(s, e->pkt, msg);
	}
	put(msg, room, four ? IPPROTO_IP : IPPROTO_IPV6, four ? IP_RECVERR : IPV6_RECVERR, &err,
	    sizeof(err.ee) + (four ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6)));
}

/* ---- sending ---------------------------------------------------------------------- */

static bool own_address(const struct sock *s, const struct ipaddr *a)
{
	return cp_addr_owner(&s->st->cp, a) != 0;
}

static int one_v4(const struct sock *s, const struct cmsghdr *c, size_t n, struct cmsg_send *out)
{
	const void *d = CMSG_DATA(c);
	struct in_pktinfo pi;
	uint8_t b;
	int v;

	switch (c->cmsg_type) {
	case IP_PKTINFO:
		if (n != sizeof(pi))
			return SOCK_PASS;
		memcpy(&pi, d, sizeof(pi));
		out->oif = (uint32_t)pi.ipi_ifindex;
		if (pi.ipi_spec_dst.s_addr)
			out->src = ipaddr_from4((be32_t){ pi.ipi_spec_dst.s_addr });
		break;
	case IP_TTL:
		if (n != sizeof(v))
			return SOCK_PASS;
		memcpy(&v, d, sizeof(v));
		if (v < 1 || v > 255)
			return SOCK_PASS;
		out->ttl = (int16_t)v;
		break;
	case IP_TOS:
		if (n == sizeof(v)) {
			memcpy(&v, d, sizeof(v));
		} else if (n == sizeof(b)) {
			memcpy(&b, d, sizeof(b));
			v = b;
		} else {
			return SOCK_PASS;
		}
		if (v < 0 || v > 255)
			return SOCK_PASS;
		out->tos = (int16_t)v;
		break;
	default:
		return SOCK_PASS;
	}
	return 0;
}

static int one_v6(const struct cmsghdr *c, size_t n, struct cmsg_send *out)
{
	const void *d = CMSG_DATA(c);
	struct in6_pktinfo pi;
	int v;

	switch (c->cmsg_type) {
	case IPV6_PKTINFO:
		if (n < sizeof(pi))
			return SOCK_PASS;
		memcpy(&pi, d, sizeof(pi));
		out->oif = pi.ipi6_ifindex;
		memcpy(out->src.b, &pi.ipi6_addr, 16);
		if (ipaddr_is_any(&out->src))
			out->src = IPADDR_ANY;
		return 0;
	case IPV6_HOPLIMIT:
	case IPV6_TCLASS:
		if (n != sizeof(v))
			return SOCK_PASS;
		memcpy(&v, d, sizeof(v));
		if (v < -1 || v > 255)
			return SOCK_PASS;
		if (c->cmsg_type == IPV6_HOPLIMIT)
			out->ttl = (int16_t)v;
		else
			out->tos = (int16_t)v;
		return 0;
	default:
		return SOCK_PASS;
	}
}

int cmsg_parse_send(const struct sock *s, const struct msghdr *msg, struct cmsg_send *out)
{
	struct cmsghdr *c;
	int rc;

	*out = (struct cmsg_send){ .ttl = -1, .tos = -1 };
	if (!msg->msg_control || !msg->msg_controllen)
		return 0;
	for (c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR((struct msghdr *)msg, c)) {
		size_t n;

		if (c->cmsg_len < CMSG_LEN(0) ||
		    c->cmsg_len > msg->msg_controllen - (size_t)((char *)c - (char *)msg->msg_control))
			return SOCK_PASS;	/* the kernel's EINVAL */
		n = c->cmsg_len - CMSG_LEN(0);
		if (c->cmsg_level == IPPROTO_IP)
			rc = one_v4(s, c, n, out);
		else if (c->cmsg_level == IPPROTO_IPV6 && s->family == AF_INET6)
			rc = one_v6(c, n, out);
		else
			rc = SOCK_PASS;
		if (rc)
			return rc;
	}
	if (!ipaddr_is_any(&out->src) && !own_address(s, &out->src))
		return SOCK_PASS;
	return 0;
}
