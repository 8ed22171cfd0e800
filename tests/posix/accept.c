// SPDX-License-Identifier: BSD-2-Clause
/* accept: bind variants, flags, empty queue, address in use, names, backlog. */
#include "posix.h"

static void show(int fd, const char *what)
{
	struct addr a = { .len = sizeof(a.ss) }, b = { .len = sizeof(b.ss) };

	getsockname(fd, (void *)&a.ss, &a.len);
	getpeername(fd, (void *)&b.ss, &b.len);
	out("%s: %s <- %s, %s %s", what, addr_name(&a.ss, a.len), addr_name(&b.ss, b.len),
	    fcntl(fd, F_GETFL) & O_NONBLOCK ? "non-blocking" : "blocking",
	    fcntl(fd, F_GETFD) & FD_CLOEXEC ? "cloexec" : "kept");
}

static void echo_one(int fd)
{
	char buf[4];

	await(fd, POLLIN);
	recv_all(fd, buf, 4);
	send_all(fd, buf, 4);
	close(fd);
}

static void one_listener(struct addr a, int port, const char *what)
{
	struct addr from = { .len = sizeof(from.ss) }, in_use = test_addr(port);
	int l = socket(family, SOCK_STREAM, 0), other, fd, v = -1;
	socklen_t len = sizeof(v);

	out("%s: bind %s", what, res(bind(l, SA(a))));
	getsockopt(l, SOL_SOCKET, SO_ACCEPTCONN, &v, &len);
	out("acceptconn %d, accept %s", v, res(accept(l, NULL, NULL)));
	out("listen %s", res(listen(l, 4)));
	accel(l);
	getsockopt(l, SOL_SOCKET, SO_ACCEPTCONN, &v, &len);
	out("acceptconn %d, listen again %s", v, res(listen(l, 8)));
	other = socket(family, SOCK_STREAM, 0);
	out("same address: bind %s", res(bind(other, SA(in_use))));
	close(other);
	out("connect %s", res(connect(l, SA(a))));
	out("recv %s", res(recv(l, &v, 1, 0)));
	out("send %s", res(send(l, &v, 1, MSG_NOSIGNAL)));

	nonblock(l, true);
	out("empty accept %s", res(accept(l, NULL, NULL)));
	nonblock(l, false);
	say();
	fd = accept(l, (void *)&from.ss, &from.len);
	out("accept %s %s", fd < 0 ? res(fd) : "ok", addr_name(&from.ss, from.len));
	show(fd, "plain");
	accel(fd);
	echo_one(fd);

	say();
	await(l, POLLIN);
	fd = accept4(l, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	show(fd, "accept4");
	out("empty recv %s", res(recv(fd, &v, 1, 0)));
	say();
	echo_one(fd);

	say();
	from.len = 4;
	fd = accept(l, (void *)&from.ss, &from.len);
	out("short buffer: %s, length %d", fd < 0 ? res(fd) : "ok", (int)from.len);
	echo_one(fd);
	out("bad flags %s", res(accept4(l, NULL, NULL, 0x40)));
	/* a connection that waits when the listener closes is reset */
	say();
	hear();
	await(l, POLLIN);
	out("close %s", res(close(l)));
	say();
	hear();
}

void test(void)
{
	struct addr port0 = any_addr(0);
	int fd;

	one_listener(test_addr(0), 0, "address");
	one_listener(any_addr(1), 1, "any");
	if (family == AF_INET)
		((struct sockaddr_in *)&port0.ss)->sin_port = 0;
	else
		((struct sockaddr_in6 *)&port0.ss)->sin6_port = 0;
	fd = socket(family, SOCK_STREAM, 0);
	out("listen without bind %s", res(listen(fd, 1)));
	port0.len = sizeof(port0.ss);
	getsockname(fd, (void *)&port0.ss, &port0.len);
	out("got %s", addr_name(&port0.ss, port0.len));
	close(fd);
	fd = socket(family, SOCK_DGRAM, 0);
	out("listen on UDP %s", res(listen(fd, 1)));
	out("accept on UDP %s", res(accept(fd, NULL, NULL)));
	close(fd);
}

static void client(struct addr a, bool wait)
{
	int fd = tcp_connect(a);
	char buf[4];

	if (wait)
		hear();
	send_all(fd, "ping", 4);
	recv_all(fd, buf, 4);
	out("echo %.4s, end %s", buf, res(recv(fd, buf, 1, 0)));
	close(fd);
}

void peer(void)
{
	for (int i = 0; i < 2; i++) {
		struct addr a = test_addr(i);
		char c;
		int fd;

		hear();
		client(a, false);
		hear();
		client(a, true);
		hear();
		client(a, false);
		hear();
		fd = tcp_connect(a);
		say();
		hear();
		out("not accepted: %s", res(recv(fd, &c, 1, 0)));
		close(fd);
		fd = socket(family, SOCK_STREAM, 0);
		out("closed listener: %s", res(connect(fd, SA(a))));
		close(fd);
		say();
	}
}
