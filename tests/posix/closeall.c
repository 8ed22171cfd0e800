// SPDX-License-Identifier: BSD-2-Clause
/* Programs that close every descriptor they do not know: the sockets that they keep go on working. */
#include "posix.h"

static void ping(int fd, const char *what)
{
	char buf[4];

	send_all(fd, "ping", 4);
	recv_all(fd, buf, 4);
	out("%s: %.4s", what, buf);
}

void test(void)
{
	int keep = tcp_pair_test(0), fd = fcntl(keep, F_DUPFD, 20), low = dup2(keep, 8), n = 0, fresh, u;
	struct addr to = peer_addr(2);

	out("low number %d", low);
	for (int i = 10; i < 6000; i++)
		n += close(i) == 0;
	out("closed something %d", n >= 0);
	ping(low, "after the loop");
	out("close_range %s", res(close_range(10, ~0u, 0)));
	ping(low, "after close_range");
	closefrom(10);
	ping(low, "after closefrom");
	out("gone %s", res(fcntl(fd, F_GETFD)));
	fresh = socket(family, SOCK_STREAM, 0);
	out("connect %s", res(connect(fresh, SA(to))));
	accel(fresh);
	ping(fresh, "new one");
	u = udp_bound(test_addr(3));
	accel(u);
	close(u);
	close(fresh);
	close(low);
	close(keep);
}

static void echo(int fd)
{
	char buf[64];
	ssize_t n;

	while ((n = recv(fd, buf, sizeof(buf), 0)) > 0)
		send_all(fd, buf, (size_t)n);
	out("end %s", res(n));
	close(fd);
}

void peer(void)
{
	int l = tcp_listen(peer_addr(2)), fd = tcp_pair_peer(0);

	if (fork() == 0) {
		echo(tcp_accept(l));
		_exit(0);
	}
	echo(fd);
	wait(NULL);
}
