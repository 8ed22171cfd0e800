// SPDX-License-Identifier: BSD-2-Clause
/* bind() where connections had the name: TIME_WAIT, accepted ones, with and without SO_REUSEADDR. */
#include "posix.h"

static int listener(int port, int reuse, bool any)
{
	int fd = socket(family, SOCK_STREAM, 0);
	struct addr a = any ? any_addr(port) : test_addr(port);

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &reuse, sizeof(reuse));
	if (bind(fd, SA(a)) < 0 || listen(fd, 4) < 0)
		die("listener");
	return fd;
}

static void try_bind(const char *what, int port, int reuse, bool any, bool other_family)
{
	int saved = family, on = 1, fd;
	struct addr a;

	if (other_family)
		family = family == AF_INET ? AF_INET6 : AF_INET;
	a = any ? any_addr(port) : test_addr(port);
	fd = socket(family, SOCK_STREAM, 0);
	if (reuse)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (other_family && family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	out("%s: bind %s", what, res(bind(fd, SA(a))));
	close(fd);
	family = saved;
}

static void all_binds(const char *what, int port)
{
	out("%s", what);
	try_bind("  plain", port, 0, false, false);
	try_bind("  plain, any", port, 0, true, false);
	try_bind("  other port", port + 1, 0, false, false);
	try_bind("  other family, any", port, 0, true, true);
	try_bind("  reuse", port, 1, false, false);
	try_bind("  reuse, any", port, 1, true, false);
}

static void after_listener(int port, bool any)
{
	int l = listener(port, 1, any), fd;
	char c;

	accel(l);
	say();
	fd = tcp_accept(l);
	accel(fd);
	try_bind("in use", port, 0, false, false);
	close(l);
	all_binds("accepted, listener closed", port);
	send_all(fd, "x", 1);
	shutdown(fd, SHUT_WR);
	recv(fd, &c, 1, 0);
	close(fd);
	nap_ms(50);
	all_binds("TIME_WAIT", port);
}

static void bound_client(int port)
{
	struct addr a = test_addr(port), to = peer_addr(0);
	int fd = socket(family, SOCK_STREAM, 0), on = 1;
	char c;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	out("bind %s", res(bind(fd, SA(a))));
	out("connect %s", res(connect(fd, SA(to))));
	accel(fd);
	shutdown(fd, SHUT_WR);
	recv(fd, &c, 1, 0);
	close(fd);
	nap_ms(50);
	all_binds("bound client in TIME_WAIT", port);
}

void test(void)
{
	after_listener(2, false);
	after_listener(4, true);
	hear();
	bound_client(6);
}

static void client(int port)
{
	struct addr to = test_addr(port);
	char c;
	int fd;

	hear();
	fd = tcp_connect(to);
	while (recv(fd, &c, 1, 0) > 0)
		;
	close(fd);
}

void peer(void)
{
	int l, fd;
	char c;

	client(2);
	client(4);
	l = tcp_listen(peer_addr(0));
	say();
	fd = tcp_accept(l);
	recv(fd, &c, 1, 0);
	close(fd);
}
