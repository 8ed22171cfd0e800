// SPDX-License-Identifier: BSD-2-Clause
/*
 * UDP errors from the network: IP_RECVERR and MSG_ERRQUEUE, soft and hard, path MTUs.
 * The peer answers with messages of its own making.
 */
#include "posix.h"

#include <linux/errqueue.h>

enum { T_UNREACH4 = 3, T_TIME4 = 11, T_UNREACH6 = 1, T_BIG6 = 2, T_TIME6 = 3 };

static int on = 1;

static int opt_level(void)  { return family == AF_INET ? IPPROTO_IP : IPPROTO_IPV6; }
static int opt_recverr(void) { return family == AF_INET ? IP_RECVERR : IPV6_RECVERR; }
static int opt_disc(void)   { return family == AF_INET ? IP_MTU_DISCOVER : IPV6_MTU_DISCOVER; }
static int opt_mtu(void)    { return family == AF_INET ? IP_MTU : IPV6_MTU; }

static void show_queue(const char *what, int fd, size_t room)
{
	char data[64] = "";
	union { char b[512]; struct cmsghdr h; } c;
	struct addr name = { .len = sizeof(name.ss) };
	struct iovec v = { data, room };
	struct msghdr m = { .msg_name = &name.ss, .msg_namelen = sizeof(name.ss), .msg_iov = &v, .msg_iovlen = 1,
			    .msg_control = c.b, .msg_controllen = sizeof(c) };
	ssize_t n = recvmsg(fd, &m, MSG_ERRQUEUE);

	if (n < 0) {
		out("%s: queue %s", what, res(n));
		return;
	}
	out("%s: queue %s '%.*s' flags %x to %s", what, res(n), (int)n, data, (unsigned)m.msg_flags,
	    addr_name(&name.ss, m.msg_namelen));
	for (struct cmsghdr *h = CMSG_FIRSTHDR(&m); h; h = CMSG_NXTHDR(&m, h)) {
		struct sock_extended_err e;
		struct sockaddr_storage off;
		size_t left = h->cmsg_len - CMSG_LEN(sizeof(e));

		if (h->cmsg_level != opt_level() || h->cmsg_type != opt_recverr()) {
			out("  cmsg %d %d, %zu", h->cmsg_level, h->cmsg_type, (size_t)h->cmsg_len);
			continue;
		}
		memcpy(&e, CMSG_DATA(h), sizeof(e));
		memset(&off, 0, sizeof(off));
		memcpy(&off, CMSG_DATA(h) + sizeof(e), left < sizeof(off) ? left : sizeof(off));
		out("  %s origin %d type %d code %d info %u data %u, offender %s, %zu",
		    strerrorname_np((int)e.ee_errno), e.ee_origin, e.ee_type, e.ee_code, e.ee_info, e.ee_data,
		    off.ss_family ? addr_name(&off, (socklen_t)left) : "none", (size_t)h->cmsg_len);
	}
}

static void show_poll(const char *what, int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN | POLLOUT };

	out("%s: poll %s", what, res(poll(&p, 1, 0)));
	out("  %s", bits((unsigned)p.revents));
}

static void show_error(const char *what, int fd)
{
	int err = -1;
	socklen_t len = sizeof(err);

	getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len);
	out("%s: %s", what, err ? strerrorname_np(err) : "0");
}

static void await_error(int fd)
{
	struct pollfd p = { .fd = fd };

	if (poll(&p, 1, 3000) != 1)
		die("no error came");
}

static void refused(void)
{
	struct addr to = peer_addr(15);
	int fd = udp_bound(test_addr(0));
	char c;

	accel(fd);
	out("recverr %s", res(setsockopt(fd, opt_level(), opt_recverr(), &on, sizeof(on))));
	show_queue("nothing", fd, 64);
	out("sendto %s", res(sendto(fd, "payload", 7, 0, SA(to))));
	await_error(fd);
	show_poll("refused", fd);
	show_queue("refused", fd, 64);
	show_error("no error is left", fd);
	show_poll("afterwards", fd);

	sendto(fd, "payload", 7, 0, SA(to));
	await_error(fd);
	out("recv %s", res(recv(fd, &c, 1, MSG_DONTWAIT)));
	out("recv again %s", res(recv(fd, &c, 1, MSG_DONTWAIT)));
	show_poll("queue only", fd);
	show_queue("truncated", fd, 3);
	show_queue("empty", fd, 64);
	close(fd);
}

/* The peer's number @n of answers to one datagram. */
static void provoke(int fd, int n)
{
	struct addr to = peer_addr(1);

	if (sendto(fd, "provoked", 8, 0, SA(to)) != 8)
		die("provoke");
	hear();
	nap_ms(30);
	(void)n;
}

static void soft(void)
{
	struct addr to = peer_addr(1);
	int fd = socket(family, SOCK_DGRAM, 0), ttl = family == AF_INET ? IP_RECVTTL : IPV6_RECVHOPLIMIT;

	connect(fd, SA(to));
	accel(fd);
	provoke(fd, 1);
	show_error("soft without recverr", fd);
	setsockopt(fd, opt_level(), opt_recverr(), &on, sizeof(on));
	setsockopt(fd, opt_level(), ttl, &on, sizeof(on));
	provoke(fd, 1);
	show_poll("soft", fd);
	show_error("soft", fd);
	show_queue("soft", fd, 64);
	provoke(fd, 2);
	show_queue("first of two", fd, 64);
	show_error("the next's", fd);
	show_queue("second", fd, 64);
	show_queue("none", fd, 64);
	close(fd);
}

static void show_mtu(const char *what, int fd)
{
	int mtu = -1;
	socklen_t len = sizeof(mtu);
	int rc = getsockopt(fd, opt_level(), opt_mtu(), &mtu, &len);

	out("%s: mtu %s %d", what, res(rc), mtu);
}

static void path_mtu(int disc)
{
	static char big[1400];
	struct addr to = peer_addr(1);
	int fd = socket(family, SOCK_DGRAM, 0), v = -1;
	socklen_t len = sizeof(v);
	char c;

	/* The kernel remembers for all sockets. */
	if (system(family == AF_INET ? "ip route flush cache" : "ip -6 route flush cache"))
		die("flush");
	out("-- discovery %d", disc);
	out("set %s", res(setsockopt(fd, opt_level(), opt_disc(), &disc, sizeof(disc))));
	connect(fd, SA(to));
	accel(fd);
	show_mtu("fresh", fd);
	out("fits %s", res(send(fd, big, sizeof(big), 0)));
	hear();			/* the peer has said "too big" */
	nap_ms(30);
	show_error("after it", fd);
	show_mtu("learnt", fd);
	out("too long now %s", res(send(fd, big, sizeof(big), 0)));
	hear();
	out("error %s", res(recv(fd, &c, 1, MSG_DONTWAIT)));
	out("short %s", res(send(fd, big, 1000, 0)));
	hear();
	out("recverr %s", res(setsockopt(fd, opt_level(), opt_recverr(), &on, sizeof(on))));
	out("too long %s", res(send(fd, big, sizeof(big), 0)));
	hear();
	show_queue("ours", fd, 64);
	show_queue("none", fd, 64);
	getsockopt(fd, opt_level(), opt_disc(), &v, &len);
	out("discovery is %d", v);
	say();
	close(fd);
}

void test(void)
{
	hear();
	refused();
	soft();
	path_mtu(IP_PMTUDISC_WANT);
	path_mtu(IP_PMTUDISC_DO);
	path_mtu(IP_PMTUDISC_DONT);
	path_mtu(IP_PMTUDISC_PROBE);
}

/* ---- the peer ---------------------------------------------------------------------- */

static uint16_t sum16(const uint8_t *p, size_t n)
{
	uint32_t s = 0;

	for (size_t i = 0; i < n; i += 2)
		s += (uint32_t)p[i] << 8 | (i + 1 < n ? p[i + 1] : 0);
	while (s >> 16)
		s = (s & 0xffff) + (s >> 16);
	return (uint16_t)~s;
}

static void put16(uint8_t *p, unsigned v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

/* An ICMP error about the datagram @data that came from @from to our port @port. */
static void complain(int raw, const struct addr *from, int port, const char *data, size_t n, int type, int code,
		     unsigned info)
{
	struct addr us = peer_addr(port), to = *from;
	uint8_t m[200] = { (uint8_t)type, (uint8_t)code }, *ip = m + 8, *udp;

	n = n > 40 ? 40 : n;
	put16(m + 6, info & 0xffff);
	if (family == AF_INET) {
		const struct sockaddr_in *f = (const void *)&from->ss, *t = (const void *)&us.ss;

		ip[0] = 0x45;
		put16(ip + 2, (unsigned)(28 + n));
		ip[8] = 64;
		ip[9] = IPPROTO_UDP;
		memcpy(ip + 12, &f->sin_addr, 4);
		memcpy(ip + 16, &t->sin_addr, 4);
		put16(ip + 10, sum16(ip, 20));
		udp = ip + 20;
		memcpy(udp, &f->sin_port, 2);
		memcpy(udp + 2, &t->sin_port, 2);
		((struct sockaddr_in *)&to.ss)->sin_port = 0;
	} else {
		const struct sockaddr_in6 *f = (const void *)&from->ss, *t = (const void *)&us.ss;

		ip[0] = 0x60;
		put16(ip + 4, (unsigned)(8 + n));
		ip[6] = IPPROTO_UDP;
		ip[7] = 64;
		memcpy(ip + 8, &f->sin6_addr, 16);
		memcpy(ip + 24, &t->sin6_addr, 16);
		udp = ip + 40;
		memcpy(udp, &f->sin6_port, 2);
		memcpy(udp + 2, &t->sin6_port, 2);
		((struct sockaddr_in6 *)&to.ss)->sin6_port = 0;
	}
	put16(udp + 4, (unsigned)(8 + n));
	memcpy(udp + 8, data, n);
	n = (size_t)(udp + 8 - m) + n;
	if (family == AF_INET)
		put16(m + 2, sum16(m, n));
	if (sendto(raw, m, n, 0, SA(to)) != (ssize_t)n)
		die("icmp");
}

static ssize_t next(int u, struct addr *from, char *buf, size_t room)
{
	from->len = sizeof(from->ss);
	return recvfrom(u, buf, room, 0, (void *)&from->ss, &from->len);
}

void peer(void)
{
	int u = udp_bound(peer_addr(1)), raw = socket(family, SOCK_RAW, family == AF_INET ? IPPROTO_ICMP : IPPROTO_ICMPV6);
	bool four = family == AF_INET;
	struct timeval tv = { 0, 200000 };
	char buf[2000];
	struct addr from;
	ssize_t n;

	if (raw < 0)
		die("raw socket");
	say();
	for (int i = 0; i < 3; i++) {
		n = next(u, &from, buf, sizeof(buf));
		complain(raw, &from, 1, buf, (size_t)n, four ? T_TIME4 : T_TIME6, 0, 0);
		if (i == 2)
			complain(raw, &from, 1, buf, (size_t)n, four ? T_UNREACH4 : T_UNREACH6, four ? 1 : 3, 0);
		say();
	}
	for (int i = 0; i < 4; i++) {
		setsockopt(u, SOL_SOCKET, SO_RCVTIMEO, &(struct timeval){ 0 }, sizeof(tv));
		n = next(u, &from, buf, sizeof(buf));
		complain(raw, &from, 1, buf, (size_t)n, four ? T_UNREACH4 : T_BIG6, four ? 4 : 0, 1300);
		say();
		setsockopt(u, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
		for (int k = 0; k < 3; k++) {
			out("%d.%d: %s", i, k, res(next(u, &from, buf, sizeof(buf))));
			say();
		}
		hear();
	}
}
