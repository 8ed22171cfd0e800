// SPDX-License-Identifier: BSD-2-Clause
/* Ancillary data of UDP: destination address and interface, TTL, TOS, time stamps; sending by IP_PKTINFO. */
#include "posix.h"

#include <net/if.h>

static void show(int fd)
{
	char buf[16], control[512];
	struct iovec v = { buf, sizeof(buf) };
	struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control) };
	ssize_t n = recvmsg(fd, &m, 0);

	out("got %s '%.*s' flags %x", res(n), n > 0 ? (int)n : 0, buf, (unsigned)m.msg_flags);
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
		char text[64] = "", name[IF_NAMESIZE];
		int value;

		if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
			struct in_pktinfo pi;

			memcpy(&pi, CMSG_DATA(c), sizeof(pi));
			out("  pktinfo %s %s", if_indextoname((unsigned)pi.ipi_ifindex, name),
			    inet_ntop(AF_INET, &pi.ipi_addr, text, sizeof(text)));
			out("  local %s", inet_ntop(AF_INET, &pi.ipi_spec_dst, text, sizeof(text)));
		} else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
			struct in6_pktinfo pi;

			memcpy(&pi, CMSG_DATA(c), sizeof(pi));
			out("  pktinfo %s %s", if_indextoname(pi.ipi6_ifindex, name),
			    inet_ntop(AF_INET6, &pi.ipi6_addr, text, sizeof(text)));
		} else if (c->cmsg_level == SOL_SOCKET) {
			struct timespec now, ts = { 0 };
			struct timeval tv;

			clock_gettime(CLOCK_REALTIME, &now);
			if (c->cmsg_type == SCM_TIMESTAMP) {
				memcpy(&tv, CMSG_DATA(c), sizeof(tv));
				ts.tv_sec = tv.tv_sec;
			} else {
				memcpy(&ts, CMSG_DATA(c), sizeof(ts));
			}
			out("  stamp type %d, %s", c->cmsg_type, labs((long)(now.tv_sec - ts.tv_sec)) <= 2 ? "now" : "wrong");
		} else {
			memcpy(&value, CMSG_DATA(c), sizeof(value));
			if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_TOS)
				value &= 0xff;
			out("  level %d type %d value %d, %d bytes", c->cmsg_level, c->cmsg_type, value,
			    (int)(c->cmsg_len - CMSG_LEN(0)));
		}
	}
}

static void opt(int fd, int level, int name, int v)
{
	if (setsockopt(fd, level, name, &v, sizeof(v)) < 0)
		die("setsockopt");
}

static void send_from_address(int fd)
{
	union { struct cmsghdr h; char space[CMSG_SPACE(sizeof(struct in6_pktinfo))]; } c = { 0 };
	struct iovec v = { "pktinfo", 7 };
	struct addr to = peer_addr(0), from = test_addr(0);
	struct msghdr m = { .msg_name = &to.ss, .msg_namelen = to.len, .msg_iov = &v, .msg_iovlen = 1, .msg_control = &c };

	if (family == AF_INET) {
		struct in_pktinfo pi = { .ipi_spec_dst = ((struct sockaddr_in *)&from.ss)->sin_addr };

		c.h.cmsg_level = IPPROTO_IP;
		c.h.cmsg_type = IP_PKTINFO;
		c.h.cmsg_len = CMSG_LEN(sizeof(pi));
		m.msg_controllen = CMSG_SPACE(sizeof(pi));
		memcpy(CMSG_DATA(&c.h), &pi, sizeof(pi));
	} else {
		struct in6_pktinfo pi = { .ipi6_addr = ((struct sockaddr_in6 *)&from.ss)->sin6_addr };

		c.h.cmsg_level = IPPROTO_IPV6;
		c.h.cmsg_type = IPV6_PKTINFO;
		c.h.cmsg_len = CMSG_LEN(sizeof(pi));
		m.msg_controllen = CMSG_SPACE(sizeof(pi));
		memcpy(CMSG_DATA(&c.h), &pi, sizeof(pi));
	}
	out("send with pktinfo %s", res(sendmsg(fd, &m, 0)));
}

void test(void)
{
	int fd = udp_bound(any_addr(1));

	hear();
	accel(fd);
	say();
	show(fd);
	if (family == AF_INET) {
		opt(fd, IPPROTO_IP, IP_PKTINFO, 1);
		say();
		show(fd);
		opt(fd, IPPROTO_IP, IP_PKTINFO, 0);
		opt(fd, IPPROTO_IP, IP_RECVTTL, 1);
		say();
		show(fd);
		opt(fd, IPPROTO_IP, IP_RECVTTL, 0);
		opt(fd, IPPROTO_IP, IP_RECVTOS, 1);
		say();
		show(fd);
		opt(fd, IPPROTO_IP, IP_RECVTOS, 0);
		opt(fd, IPPROTO_IP, IP_TTL, 33);
		opt(fd, IPPROTO_IP, IP_TOS, 0x10);
	} else {
		opt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
		say();
		show(fd);
		opt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 0);
		opt(fd, IPPROTO_IPV6, IPV6_RECVHOPLIMIT, 1);
		say();
		show(fd);
		opt(fd, IPPROTO_IPV6, IPV6_RECVHOPLIMIT, 0);
		opt(fd, IPPROTO_IPV6, IPV6_RECVTCLASS, 1);
		say();
		show(fd);
		opt(fd, IPPROTO_IPV6, IPV6_RECVTCLASS, 0);
		opt(fd, IPPROTO_IPV6, IPV6_UNICAST_HOPS, 33);
		opt(fd, IPPROTO_IPV6, IPV6_TCLASS, 0x10);
	}
	opt(fd, SOL_SOCKET, SO_TIMESTAMPNS, 1);
	say();
	show(fd);
	opt(fd, SOL_SOCKET, SO_TIMESTAMPNS, 0);
	send_from_address(fd);
	close(fd);
}

void peer(void)
{
	int fd = udp_bound(peer_addr(0));
	struct addr to = test_addr(1);

	if (family == AF_INET) {
		opt(fd, IPPROTO_IP, IP_TTL, 77);
		opt(fd, IPPROTO_IP, IP_TOS, 0x20);
		opt(fd, IPPROTO_IP, IP_RECVTTL, 1);
		opt(fd, IPPROTO_IP, IP_RECVTOS, 1);
	} else {
		opt(fd, IPPROTO_IPV6, IPV6_UNICAST_HOPS, 77);
		opt(fd, IPPROTO_IPV6, IPV6_TCLASS, 0x20);
		opt(fd, IPPROTO_IPV6, IPV6_RECVHOPLIMIT, 1);
		opt(fd, IPPROTO_IPV6, IPV6_RECVTCLASS, 1);
	}
	say();
	for (int i = 0; i < 5; i++) {
		hear();
		sendto(fd, "cmsg", 4, 0, SA(to));
	}
	show(fd);
}
