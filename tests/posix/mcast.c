// SPDX-License-Identifier: BSD-2-Clause
/* Multicast: join, receive, several sockets, leave, send with TTL and interface; options. */
#include "posix.h"

#include <net/if.h>

static struct addr group(int n, int port)
{
	struct addr a = any_addr(port);

	if (family == AF_INET)
		((struct sockaddr_in *)&a.ss)->sin_addr.s_addr = htonl(0xef010100u + (unsigned)n);
	else
		inet_pton(AF_INET6, n == 1 ? "ff05::101" : "ff05::102", &((struct sockaddr_in6 *)&a.ss)->sin6_addr);
	return a;
}

static int membership(int fd, bool join, int n)
{
	struct addr g = group(n, 0);

	if (family == AF_INET) {
		struct ip_mreqn m = { .imr_multiaddr = ((struct sockaddr_in *)&g.ss)->sin_addr,
				      .imr_ifindex = (int)if_nametoindex("veth0") };

		return setsockopt(fd, IPPROTO_IP, join ? IP_ADD_MEMBERSHIP : IP_DROP_MEMBERSHIP, &m, sizeof(m));
	} else {
		struct ipv6_mreq m = { .ipv6mr_multiaddr = ((struct sockaddr_in6 *)&g.ss)->sin6_addr,
				       .ipv6mr_interface = if_nametoindex("veth0") };

		return setsockopt(fd, IPPROTO_IPV6, join ? IPV6_ADD_MEMBERSHIP : IPV6_DROP_MEMBERSHIP, &m, sizeof(m));
	}
}

static int bound(int port)
{
	int fd = socket(family, SOCK_DGRAM, 0), on = 1;
	struct addr a = any_addr(port);

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, SA(a)) < 0)
		die("bind");
	return fd;
}

static void show(const char *what, int fd)
{
	struct addr from = { .len = sizeof(from.ss) };
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char buf[16] = "";
	ssize_t n;

	if (poll(&p, 1, 300) < 1) {
		out("%s: nothing", what);
		return;
	}
	n = recvfrom(fd, buf, sizeof(buf), 0, (void *)&from.ss, &from.len);
	out("%s: %s '%s' from %s", what, res(n), buf, addr_name(&from.ss, from.len));
}

void test(void)
{
	int a = bound(0), b = bound(0), other = bound(1), on = 0, v = -1;
	struct addr to = group(1, 3);
	socklen_t len = sizeof(v);
	int level = family == AF_INET ? IPPROTO_IP : IPPROTO_IPV6;

	out("join %s", res(membership(a, true, 1)));
	out("join twice %s", res(membership(a, true, 1)));
	out("second socket %s", res(membership(b, true, 1)));
	out("leave what was not joined %s", res(membership(a, false, 2)));
	out("other group, other port %s", res(membership(other, true, 2)));
	say();
	hear();
	show("first", a);
	show("second", b);
	show("other", other);
	show("other again", other);
	out("leave %s", res(membership(a, false, 1)));
	out("leave %s", res(membership(b, false, 1)));
	say();
	hear();
	show("after leaving", b);

	getsockopt(other, level, family == AF_INET ? IP_MULTICAST_TTL : IPV6_MULTICAST_HOPS, &v, &len);
	out("TTL %d", v);
	len = sizeof(v);
	getsockopt(other, level, family == AF_INET ? IP_MULTICAST_LOOP : IPV6_MULTICAST_LOOP, &v, &len);
	out("loop %d", v);
	out("loop off %s", res(setsockopt(other, level, family == AF_INET ? IP_MULTICAST_LOOP : IPV6_MULTICAST_LOOP, &on, sizeof(on))));
	on = (int)if_nametoindex("veth0");
	if (family == AF_INET6) {
		out("interface %s", res(setsockopt(other, level, IPV6_MULTICAST_IF, &on, sizeof(on))));
	} else {
		struct ip_mreqn m = { .imr_ifindex = on };

		out("interface %s", res(setsockopt(other, level, IP_MULTICAST_IF, &m, sizeof(m))));
	}
	out("send %s", res(sendto(other, "to group", 8, 0, SA(to))));
	say();
	hear();
	close(a);
	close(b);
	close(other);
}

void peer(void)
{
	int fd = udp_bound(peer_addr(2)), in = bound(3), on = (int)if_nametoindex("veth0");
	struct addr g1 = group(1, 0), g2 = group(2, 1), g3 = group(2, 0);

	if (family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_MULTICAST_IF, &on, sizeof(on));
	membership(in, true, 1);
	hear();
	sendto(fd, "group one", 9, 0, SA(g1));
	sendto(fd, "group two", 9, 0, SA(g2));
	sendto(fd, "wrong port", 10, 0, SA(g3));
	say();
	hear();
	sendto(fd, "gone", 4, 0, SA(g1));
	say();
	hear();
	show("from the test", in);
	say();
}
