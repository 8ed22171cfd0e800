// SPDX-License-Identifier: BSD-2-Clause
/* connect: blocking, non-blocking, refused, bound before, names, repeated. */
#include "posix.h"

static void show_names(int fd)
{
	struct addr a = { .len = sizeof(a.ss) }, b = { .len = sizeof(b.ss) };
	int ra = getsockname(fd, (void *)&a.ss, &a.len);
	int rb;

	out("  local %s %s", res(ra), ra ? "" : addr_name(&a.ss, a.len));
	rb = getpeername(fd, (void *)&b.ss, &b.len);
	out("  remote %s %s", res(rb), rb ? "" : addr_name(&b.ss, b.len));
}

static int so_error(int fd)
{
	int e = -1;
	socklen_t len = sizeof(e);

	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &e, &len) < 0)
		die("SO_ERROR");
	return e;
}

static void blocking(void)
{
	struct addr a = peer_addr(0);
	char buf[8] = "";
	int fd = socket(family, SOCK_STREAM, 0);

	show_names(fd);
	out("recv before connect %s", res(recv(fd, buf, 1, 0)));
	out("send before connect %s", res(send(fd, "x", 1, MSG_NOSIGNAL)));
	out("shutdown before connect %s", res(shutdown(fd, SHUT_RDWR)));
	close(fd);

	fd = socket(family, SOCK_STREAM, 0);
	out("connect %s", res(connect(fd, SA(a))));
	accel(fd);
	show_names(fd);
	out("again %s", res(connect(fd, SA(a))));
	out("bind now %s", res(bind(fd, SA(a))));
	out("listen now %s", res(listen(fd, 1)));
	out("accept %s", res(accept(fd, NULL, NULL)));
	out("send %s", res(send(fd, "hello", 5, 0)));
	recv_all(fd, buf, 5);
	out("got %.5s", buf);
	out("close %s", res(close(fd)));
	out("send after close %s", res(send(fd, "x", 1, 0)));
}

static void bound(void)
{
	struct addr a = peer_addr(0), me = test_addr(5), none = any_addr(0);
	int fd = socket(family, SOCK_STREAM, 0), on = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	out("bind %s", res(bind(fd, SA(me))));
	show_names(fd);
	out("bind twice %s", res(bind(fd, SA(me))));
	out("connect %s", res(connect(fd, SA(a))));
	accel(fd);
	show_names(fd);
	close(fd);

	fd = socket(family, SOCK_STREAM, 0);
	if (family == AF_INET)
		((struct sockaddr_in *)&none.ss)->sin_port = 0;
	else
		((struct sockaddr_in6 *)&none.ss)->sin6_port = 0;
	out("bind any %s", res(bind(fd, SA(none))));
	out("connect %s", res(connect(fd, SA(a))));
	accel(fd);
	show_names(fd);
	close(fd);
}

static void refused(void)
{
	struct addr a = peer_addr(9);
	struct pollfd p;
	int fd = socket(family, SOCK_STREAM, 0);

	out("connect %s", res(connect(fd, SA(a))));
	out("so_error %d", so_error(fd));
	out("again %s", res(connect(fd, SA(a))));
	close(fd);

	fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK, 0);
	out("non-blocking %s", res(connect(fd, SA(a))));
	p = (struct pollfd){ .fd = fd, .events = POLLIN | POLLOUT };
	out("poll %s", res(poll(&p, 1, 5000)));
	out("bits %s", bits(p.revents));
	out("so_error %s", strerrorname_np(so_error(fd)));
	out("so_error then %d", so_error(fd));
	close(fd);
}

static void nonblocking(void)
{
	struct addr a = peer_addr(0);
	struct pollfd p;
	int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK, 0);

	out("connect %s", res(connect(fd, SA(a))));
	p = (struct pollfd){ .fd = fd, .events = POLLIN | POLLOUT };
	out("poll %s", res(poll(&p, 1, 5000)));
	out("bits %s", bits(p.revents));
	out("so_error %d", so_error(fd));
	accel(fd);
	out("connect again %s", res(connect(fd, SA(a))));
	show_names(fd);
	close(fd);
}

static void odd(void)
{
	struct addr a = peer_addr(0);
	int fd = socket(family, SOCK_STREAM, 0);

	out("short address %s", res(connect(fd, (void *)&a.ss, 4)));
	a.ss.ss_family = AF_UNIX;
	out("wrong family %s", res(connect(fd, SA(a))));
	close(fd);
	out("closed %s", res(connect(fd, SA(a))));
	out("not a socket %s", res(connect(1, SA(a))));
}

void test(void)
{
	hear();
	blocking();
	bound();
	refused();
	nonblocking();
	odd();
	say();
}

void peer(void)
{
	int l = tcp_listen(any_addr(0));

	say();
	for (int i = 0; i < 4; i++) {
		int fd = tcp_accept(l);
		char buf[64];
		ssize_t n;

		while ((n = recv(fd, buf, sizeof(buf), 0)) > 0)
			send_all(fd, buf, (size_t)n);
		close(fd);
	}
	hear();
}
