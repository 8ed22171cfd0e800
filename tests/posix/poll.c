// SPDX-License-Identifier: BSD-2-Clause
/* poll and select: states of sockets, time-outs, mixed sets, bad descriptors. */
#include "posix.h"

static void show(const char *what, int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN | POLLOUT | POLLPRI | POLLRDHUP };
	struct timeval zero = { 0, 0 };
	fd_set r, w, x;
	int rc;

	poll(&p, 1, 0);
	FD_ZERO(&r);
	FD_ZERO(&w);
	FD_ZERO(&x);
	FD_SET(fd, &r);
	FD_SET(fd, &w);
	FD_SET(fd, &x);
	rc = select(fd + 1, &r, &w, &x, &zero);
	out("%s: poll %s, select %s %s%s%s", what, bits(p.revents), res(rc), FD_ISSET(fd, &r) ? "r" : "-",
	    FD_ISSET(fd, &w) ? "w" : "-", FD_ISSET(fd, &x) ? "x" : "-");
}

static void states(void)
{
	int fd = socket(family, SOCK_STREAM, 0), l, u;
	char c;

	show("fresh TCP", fd);
	close(fd);
	u = socket(family, SOCK_DGRAM, 0);
	show("fresh UDP", u);
	close(u);
	l = tcp_listen(test_addr(0));
	accel(l);
	show("listener", l);
	say();
	await(l, POLLIN);
	show("connection waits", l);
	fd = tcp_accept(l);
	show("accepted", fd);
	say();
	await(fd, POLLIN);
	show("data", fd);
	recv(fd, &c, 1, 0);
	show("read", fd);
	say();
	await(fd, POLLRDHUP);
	show("peer shut", fd);
	shutdown(fd, SHUT_WR);
	nap_ms(20);
	show("both shut", fd);
	close(fd);
	close(l);
	u = udp_bound(test_addr(1));
	accel(u);
	show("UDP bound", u);
	say();
	await(u, POLLIN);
	show("UDP datagram", u);
	close(u);
}

static void timeouts(void)
{
	int fd = tcp_pair_test(2), p[2], bad = dup(1);
	struct pollfd v[4];
	struct timeval tv = { 0, 100000 };
	struct timespec ts = { 0, 100000000 };
	fd_set r;
	long start = now_ms(), took;

	if (pipe(p) < 0)
		die("pipe");
	v[0] = (struct pollfd){ .fd = fd, .events = POLLIN };
	v[1] = (struct pollfd){ .fd = p[0], .events = POLLIN };
	v[2] = (struct pollfd){ .fd = -1, .events = POLLIN, .revents = POLLIN };
	v[3] = (struct pollfd){ .fd = 900, .events = POLLIN };
	out("poll %s", res(poll(v, 3, 100)));
	took = now_ms() - start;
	out("waited %s, ignored entry %s", took >= 99 && took < 1000 ? "100 ms" : "wrong", bits((unsigned)v[2].revents));
	out("ppoll %s", res(ppoll(v, 2, &ts, NULL)));
	out("time unchanged %s", ts.tv_nsec == 100000000 ? "yes" : "no");
	out("with a bad descriptor %s", res(poll(v, 4, 1000)));
	out("  %s", bits((unsigned)v[3].revents));
	FD_ZERO(&r);
	FD_SET(fd, &r);
	out("select %s", res(select(fd + 1, &r, NULL, NULL, &tv)));
	out("left %ld %ld, set %d", (long)tv.tv_sec, (long)tv.tv_usec, FD_ISSET(fd, &r));
	FD_SET(fd, &r);
	close(bad);
	FD_SET(bad, &r);
	tv.tv_usec = 1000;
	out("select, bad descriptor %s", res(select(bad + 1, &r, NULL, NULL, &tv)));
	tv.tv_sec = -1;
	out("select, negative time %s", res(select(fd + 1, &r, NULL, NULL, &tv)));
	ts.tv_nsec = -1;
	out("ppoll, bad time %s", res(ppoll(v, 1, &ts, NULL)));

	if (write(p[1], "x", 1) != 1)
		die("pipe");
	out("pipe ready %s", res(poll(v, 2, 1000)));
	out("  %s %s", bits((unsigned)v[0].revents), bits((unsigned)v[1].revents));
	say();
	await(fd, POLLIN);
	out("both ready %s", res(poll(v, 2, 1000)));
	out("  %s %s", bits((unsigned)v[0].revents), bits((unsigned)v[1].revents));
	FD_ZERO(&r);
	FD_SET(fd, &r);
	FD_SET(p[0], &r);
	tv = (struct timeval){ 5, 0 };
	out("select both %s", res(select((fd > p[0] ? fd : p[0]) + 1, &r, NULL, NULL, &tv)));
	out("time left over 4 s: %s", tv.tv_sec == 4 ? "yes" : "no");
	out("nfds leaves out %s", res(select(fd < p[0] ? fd : p[0], &r, NULL, NULL, &(struct timeval){ 0, 0 })));
	close(fd);
}

static void wakes(void)
{
	int fd = tcp_pair_test(3), p[2];
	struct pollfd v[2];

	if (pipe(p) < 0)
		die("pipe");
	v[0] = (struct pollfd){ .fd = fd, .events = POLLIN };
	v[1] = (struct pollfd){ .fd = p[0], .events = POLLIN };
	say();		/* the peer sends in 100 ms */
	out("sleep until data %s", res(poll(v, 2, -1)));
	out("  %s %s", bits((unsigned)v[0].revents), bits((unsigned)v[1].revents));
	recv(fd, &(char){ 0 }, 1, 0);
	if (fork() == 0) {
		nap_ms(100);
		if (write(p[1], "y", 1) != 1)
			_exit(1);
		_exit(0);
	}
	out("sleep until pipe %s", res(poll(v, 2, -1)));
	out("  %s %s", bits((unsigned)v[0].revents), bits((unsigned)v[1].revents));
	wait(NULL);
	say();
	close(fd);
}

void test(void)
{
	states();
	timeouts();
	wakes();
}

void peer(void)
{
	struct addr a = test_addr(1);
	char c;
	int fd;

	hear();
	fd = tcp_connect(test_addr(0));
	hear();
	send_all(fd, "d", 1);
	hear();
	shutdown(fd, SHUT_WR);
	out("end %s", res(recv(fd, &c, 1, 0)));
	close(fd);
	hear();
	fd = socket(family, SOCK_DGRAM, 0);
	sendto(fd, "u", 1, 0, SA(a));
	close(fd);
	fd = tcp_pair_peer(2);
	hear();
	send_all(fd, "d", 1);
	recv(fd, &c, 1, 0);
	close(fd);
	fd = tcp_pair_peer(3);
	hear();
	nap_ms(100);
	send_all(fd, "d", 1);
	hear();
	close(fd);
}
