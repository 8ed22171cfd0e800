// SPDX-License-Identifier: BSD-2-Clause
/* epoll: level, edge, one shot, exclusive, half-close, mixed and nested sets, errors. */
#include "posix.h"

static void show_wait(const char *what, int ep, int ms)
{
	struct epoll_event ev[8];
	int n = epoll_wait(ep, ev, 8, ms);
	char text[200] = "";

	/* order within a wait is not promised: sort by data */
	for (int i = 0; i < n; i++)
		for (int k = i + 1; k < n; k++)
			if (ev[k].data.u32 < ev[i].data.u32) {
				struct epoll_event t = ev[i];

				ev[i] = ev[k];
				ev[k] = t;
			}
	for (int i = 0; i < n; i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), " %c:%s", (int)ev[i].data.u32,
			 bits(ev[i].events));
	out("%s: %s%s", what, res(n), text);
}

static int ctl(int ep, int op, int fd, unsigned events, char name)
{
	struct epoll_event ev = { .events = events, .data.u32 = (unsigned char)name };

	return epoll_ctl(ep, op, fd, &ev);
}

static void level(void)
{
	int ep = epoll_create1(EPOLL_CLOEXEC), fd = tcp_pair_test(0);
	char buf[8];

	out("add %s", res(ctl(ep, EPOLL_CTL_ADD, fd, EPOLLIN, 'a')));
	out("add again %s", res(ctl(ep, EPOLL_CTL_ADD, fd, EPOLLIN, 'a')));
	show_wait("nothing", ep, 0);
	show_wait("nothing in 50 ms", ep, 50);
	out("mod %s", res(ctl(ep, EPOLL_CTL_MOD, fd, EPOLLIN | EPOLLOUT, 'b')));
	show_wait("writable", ep, 1000);
	show_wait("still", ep, 1000);
	ctl(ep, EPOLL_CTL_MOD, fd, EPOLLIN | EPOLLRDHUP, 'c');
	say();
	show_wait("data", ep, 5000);
	show_wait("level again", ep, 0);
	recv(fd, buf, 1, 0);
	show_wait("part read", ep, 0);
	recv(fd, buf, 8, 0);
	show_wait("all read", ep, 0);
	say();
	show_wait("peer shut", ep, 5000);
	out("del %s", res(epoll_ctl(ep, EPOLL_CTL_DEL, fd, NULL)));
	out("del again %s", res(epoll_ctl(ep, EPOLL_CTL_DEL, fd, NULL)));
	out("mod %s", res(ctl(ep, EPOLL_CTL_MOD, fd, EPOLLIN, 'a')));
	show_wait("gone", ep, 0);
	ctl(ep, EPOLL_CTL_ADD, fd, 0, 'h');
	show_wait("no events asked", ep, 0);
	shutdown(fd, SHUT_WR);
	show_wait("hang-up comes anyway", ep, 2000);
	close(fd);
	show_wait("closed", ep, 0);
	close(ep);
}

static void edge(void)
{
	int ep = epoll_create1(0), fd = tcp_pair_test(1);
	char buf[8];

	ctl(ep, EPOLL_CTL_ADD, fd, EPOLLIN | EPOLLOUT | EPOLLET | EPOLLRDHUP, 'e');
	show_wait("first", ep, 1000);
	show_wait("no edge", ep, 20);
	say();
	await(fd, POLLIN);
	show_wait("data", ep, 1000);
	show_wait("not again", ep, 20);
	recv(fd, buf, 1, 0);
	show_wait("not after a partial read", ep, 20);
	say();
	hear();
	nap_ms(50);
	show_wait("more data", ep, 1000);
	ctl(ep, EPOLL_CTL_MOD, fd, EPOLLIN | EPOLLET, 'f');
	show_wait("mod reports again", ep, 1000);
	show_wait("once", ep, 20);
	ctl(ep, EPOLL_CTL_MOD, fd, EPOLLIN | EPOLLONESHOT, 'o');
	show_wait("one shot", ep, 1000);
	show_wait("disarmed", ep, 20);
	ctl(ep, EPOLL_CTL_MOD, fd, EPOLLIN | EPOLLONESHOT, 'p');
	show_wait("armed again", ep, 1000);
	recv(fd, buf, 8, 0);
	ctl(ep, EPOLL_CTL_MOD, fd, EPOLLIN | EPOLLRDHUP | EPOLLET, 'q');
	show_wait("empty", ep, 20);
	say();
	hear();
	await(fd, POLLRDHUP);
	show_wait("peer closed", ep, 1000);
	show_wait("once", ep, 20);
	close(fd);
	close(ep);
}

static void mixed(void)
{
	int ep = epoll_create(5), fd = tcp_pair_test(2), p[2], dup_fd;
	struct addr a = test_addr(3);
	int u = udp_bound(a);

	if (pipe(p) < 0)
		die("pipe");
	accel(u);
	ctl(ep, EPOLL_CTL_ADD, fd, EPOLLIN, 't');
	ctl(ep, EPOLL_CTL_ADD, p[0], EPOLLIN, 'k');
	ctl(ep, EPOLL_CTL_ADD, u, EPOLLIN, 'u');
	show_wait("nothing", ep, 20);
	if (write(p[1], "x", 1) != 1)
		die("pipe");
	show_wait("pipe", ep, 1000);
	say();
	await(fd, POLLIN);
	await(u, POLLIN);
	show_wait("all", ep, 1000);
	/* a duplicate keeps the registration of the closed number alive */
	dup_fd = dup(u);
	close(u);
	show_wait("duplicated", ep, 100);
	close(dup_fd);
	show_wait("last duplicate closed", ep, 100);
	close(fd);
	close(p[0]);
	show_wait("all closed", ep, 20);
	close(ep);
}

static void nested(void)
{
	int in = epoll_create1(0), outer = epoll_create1(0), fd = tcp_pair_test(4);
	struct pollfd p = { .fd = in, .events = POLLIN };

	ctl(in, EPOLL_CTL_ADD, fd, EPOLLIN, 'i');
	out("nest %s", res(ctl(outer, EPOLL_CTL_ADD, in, EPOLLIN, 'n')));
	show_wait("nothing", outer, 20);
	out("poll on a set %s", res(poll(&p, 1, 20)));
	say();
	show_wait("nested ready", outer, 5000);
	show_wait("inner", in, 1000);
	out("poll on a set %s", res(poll(&p, 1, 1000)));
	out("  %s", bits((unsigned)p.revents));
	close(outer);
	close(in);
	close(fd);
}

static void early(void)
{
	/* registered before it is connected, as event loops do */
	int ep = epoll_create1(0), fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK, 0);
	struct addr a = peer_addr(5);

	hear();
	ctl(ep, EPOLL_CTL_ADD, fd, EPOLLIN | EPOLLOUT | EPOLLET, 'c');
	show_wait("not connected", ep, 0);
	out("connect %s", res(connect(fd, SA(a))));
	show_wait("connected", ep, 5000);
	say();
	show_wait("data", ep, 5000);
	accel(fd);
	close(fd);
	close(ep);
}

static void errors(void)
{
	int ep = epoll_create1(0), fd = socket(family, SOCK_DGRAM, 0);
	struct epoll_event ev[2];

	out("create(0) %s", res(epoll_create(0)));
	out("create1(bad) %s", res(epoll_create1(1)));
	out("itself %s", res(ctl(ep, EPOLL_CTL_ADD, ep, EPOLLIN, 'x')));
	out("not open %s", res(ctl(ep, EPOLL_CTL_ADD, 900, EPOLLIN, 'x')));
	out("not a set %s", res(ctl(fd, EPOLL_CTL_ADD, ep, EPOLLIN, 'x')));
	out("bad op %s", res(ctl(ep, 99, fd, EPOLLIN, 'x')));
	out("max 0 %s", res(epoll_wait(ep, ev, 0, 0)));
	out("wait on a socket %s", res(epoll_wait(fd, ev, 1, 0)));
	out("wait on nothing %s", res(epoll_wait(900, ev, 1, 0)));
	close(fd);
	fd = tcp_listen(test_addr(6));
	accel(fd);
	out("exclusive %s", res(ctl(ep, EPOLL_CTL_ADD, fd, EPOLLIN | EPOLLEXCLUSIVE, 'x')));
	out("exclusive mod %s", res(ctl(ep, EPOLL_CTL_MOD, fd, EPOLLIN, 'x')));
	out("exclusive one shot %s", res(ctl(ep, EPOLL_CTL_ADD, fd, EPOLLIN | EPOLLEXCLUSIVE | EPOLLONESHOT, 'x')));
	say();
	show_wait("exclusive listener", ep, 5000);
	close(fd);
	close(ep);
}

void test(void)
{
	level();
	edge();
	mixed();
	nested();
	early();
	errors();
	hear();
}

void peer(void)
{
	struct addr a = test_addr(3);
	int fd, u;

	fd = tcp_pair_peer(0);
	hear();
	send_all(fd, "abc", 3);
	hear();
	shutdown(fd, SHUT_WR);
	recv(fd, &(char){ 0 }, 1, 0);
	close(fd);

	fd = tcp_pair_peer(1);
	hear();
	send_all(fd, "ab", 2);
	hear();
	send_all(fd, "cd", 2);
	say();
	hear();
	close(fd);
	say();

	fd = tcp_pair_peer(2);
	hear();
	send_all(fd, "t", 1);
	u = socket(family, SOCK_DGRAM, 0);
	sendto(u, "u", 1, 0, SA(a));
	recv(fd, &(char){ 0 }, 1, 0);
	close(u);
	close(fd);

	fd = tcp_pair_peer(4);
	hear();
	nap_ms(50);
	send_all(fd, "n", 1);
	recv(fd, &(char){ 0 }, 1, 0);
	close(fd);

	fd = tcp_pair_peer(5);
	hear();
	nap_ms(50);
	send_all(fd, "e", 1);
	recv(fd, &(char){ 0 }, 1, 0);
	close(fd);

	hear();
	fd = tcp_connect(test_addr(6));
	recv(fd, &(char){ 0 }, 1, 0);
	close(fd);
	say();
}
