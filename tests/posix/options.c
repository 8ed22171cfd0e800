// SPDX-License-Identifier: BSD-2-Clause
/* Socket options: defaults, what is set is read back, before and after connecting; ioctls. */
#include "posix.h"

#define O(level, name) { level, name, #name }
static const struct { int level, name; const char *text; } all[] = {
	O(SOL_SOCKET, SO_TYPE), O(SOL_SOCKET, SO_DOMAIN), O(SOL_SOCKET, SO_PROTOCOL), O(SOL_SOCKET, SO_REUSEADDR),
	O(SOL_SOCKET, SO_REUSEPORT), O(SOL_SOCKET, SO_KEEPALIVE), O(SOL_SOCKET, SO_BROADCAST),
	O(SOL_SOCKET, SO_RCVLOWAT), O(SOL_SOCKET, SO_PRIORITY), O(SOL_SOCKET, SO_OOBINLINE), O(SOL_SOCKET, SO_ERROR),
	O(SOL_SOCKET, SO_ACCEPTCONN), O(SOL_SOCKET, SO_DONTROUTE), O(SOL_SOCKET, SO_TIMESTAMP),
	O(IPPROTO_TCP, TCP_NODELAY), O(IPPROTO_TCP, TCP_KEEPIDLE), O(IPPROTO_TCP, TCP_KEEPINTVL),
	O(IPPROTO_TCP, TCP_KEEPCNT), O(IPPROTO_TCP, TCP_CORK), O(IPPROTO_TCP, TCP_SYNCNT),
	O(IPPROTO_TCP, TCP_USER_TIMEOUT), O(IPPROTO_TCP, TCP_DEFER_ACCEPT), O(IPPROTO_IP, IP_TOS), O(IPPROTO_IP, IP_TTL),
	O(IPPROTO_IPV6, IPV6_UNICAST_HOPS), O(IPPROTO_IPV6, IPV6_V6ONLY), O(IPPROTO_IPV6, IPV6_TCLASS),
};
#define N_ALL (sizeof(all) / sizeof(all[0]))

static void show(const char *what, int fd)
{
	char text[900] = "";

	for (size_t i = 0; i < N_ALL; i++) {
		int v = -1;
		socklen_t len = sizeof(v);
		int rc = getsockopt(fd, all[i].level, all[i].name, &v, &len);

		snprintf(text + strlen(text), sizeof(text) - strlen(text), " %s=%s", all[i].text,
			 rc ? res(rc) : res(v < 0 ? 1000000 - v : v));
	}
	out("%s:%s", what, text);
}

static int set(int fd, int level, int name, int v)
{
	return setsockopt(fd, level, name, &v, sizeof(v));
}

static void set_some(int fd)
{
	struct linger l = { 1, 7 };
	struct timeval tv = { 1, 500000 };
	socklen_t len = sizeof(l);

	out("keepalive %s", res(set(fd, SOL_SOCKET, SO_KEEPALIVE, 1)));
	out("priority %s", res(set(fd, SOL_SOCKET, SO_PRIORITY, 3)));
	out("lowat %s", res(set(fd, SOL_SOCKET, SO_RCVLOWAT, 2)));
	out("nodelay %s", res(set(fd, IPPROTO_TCP, TCP_NODELAY, 1)));
	out("keepidle %s", res(set(fd, IPPROTO_TCP, TCP_KEEPIDLE, 100)));
	out("keepintvl %s", res(set(fd, IPPROTO_TCP, TCP_KEEPINTVL, 10)));
	out("keepcnt %s", res(set(fd, IPPROTO_TCP, TCP_KEEPCNT, 4)));
	out("keepidle 0 %s", res(set(fd, IPPROTO_TCP, TCP_KEEPIDLE, 0)));
	out("user timeout %s", res(set(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, 5000)));
	out("ttl %s", res(set(fd, IPPROTO_IP, IP_TTL, 44)));
	out("ttl 256 %s", res(set(fd, IPPROTO_IP, IP_TTL, 256)));
	out("tos %s", res(set(fd, IPPROTO_IP, IP_TOS, 0x10)));
	out("linger %s", res(setsockopt(fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l))));
	l = (struct linger){ 0, 0 };
	getsockopt(fd, SOL_SOCKET, SO_LINGER, &l, &len);
	out("  %d %d", l.l_onoff, l.l_linger);
	l.l_onoff = 0;
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l));
	out("rcvtimeo %s", res(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv))));
	tv = (struct timeval){ 0, 0 };
	len = sizeof(tv);
	getsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, &len);
	out("  %ld.%06ld", (long)tv.tv_sec, (long)tv.tv_usec);
	tv = (struct timeval){ 0, 1000000 };
	out("bad time %s", res(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv))));
	out("unknown option %s", res(set(fd, SOL_SOCKET, 9999, 1)));
	out("unknown level %s", res(set(fd, 9999, 1, 1)));
	out("short value %s", res(setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, "", 1)));
	out("sndbuf %s", res(set(fd, SOL_SOCKET, SO_SNDBUF, 60000)));
	out("rcvbuf %s", res(set(fd, SOL_SOCKET, SO_RCVBUF, 60000)));
	len = sizeof(int);
	{
		int v = 0;

		getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &v, &len);
		out("  sndbuf %d", v);
		getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &v, &len);
		out("  rcvbuf %d", v);
	}
}

void test(void)
{
	struct addr to = peer_addr(0);
	int fd = socket(family, SOCK_STREAM, 0), v;
	socklen_t len;
	struct tcp_info ti;

	show("fresh TCP", fd);
	set_some(fd);
	show("set", fd);
	hear();
	out("connect %s", res(connect(fd, SA(to))));
	accel(fd);
	show("connected", fd);
	close(fd);

	fd = tcp_pair_test(1);
	set_some(fd);
	show("set when connected", fd);
	len = sizeof(ti);
	out("TCP_INFO %s", res(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &ti, &len)));
	out("  state %d", ti.tcpi_state);
	len = sizeof(v);
	getsockopt(fd, IPPROTO_TCP, TCP_MAXSEG, &v, &len);
	out("mss %d", v);
	say();
	await(fd, POLLIN);
	nap_ms(50);
	out("FIONREAD %s", res(ioctl(fd, FIONREAD, &v)));
	out("  %d", v);
	out("SIOCATMARK %s", res(ioctl(fd, 0x8905, &v)));
	out("sockatmark %s", res(sockatmark(fd)));
	out("TIOCOUTQ %s", res(ioctl(fd, TIOCOUTQ, &v)));
	out("  %d", v);
	out("bad ioctl %s", res(ioctl(fd, 0x1234, &v)));
	out("F_GETFL %x", (unsigned)fcntl(fd, F_GETFL));
	close(fd);

	fd = udp_bound(test_addr(2));
	accel(fd);
	show("UDP", fd);
	out("broadcast %s", res(set(fd, SOL_SOCKET, SO_BROADCAST, 1)));
	out("ttl %s", res(set(fd, IPPROTO_IP, IP_TTL, 44)));
	show("UDP set", fd);
	close(fd);
}

void peer(void)
{
	int fd = tcp_pair_peer(0);

	recv(fd, &(char){ 0 }, 1, 0);
	close(fd);
	fd = tcp_pair_peer(1);
	hear();
	send_all(fd, "12345", 5);
	recv(fd, &(char){ 0 }, 1, 0);
}
