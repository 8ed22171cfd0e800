// SPDX-License-Identifier: BSD-2-Clause
/* SO_REUSEADDR and SO_REUSEPORT: who may share a port, and that all traffic arrives somewhere. */
#include "posix.h"

static int sock_with(int type, int opt, struct addr a, const char *what)
{
	int fd = socket(family, type, 0), on = 1;

	if (opt)
		setsockopt(fd, SOL_SOCKET, opt, &on, sizeof(on));
	out("%s: %s", what, res(bind(fd, SA(a))));
	return fd;
}

void test(void)
{
	struct addr a = test_addr(0), t = test_addr(1);
	int u[3], l[2], n = 0, conns = 0;
	struct pollfd p[3];
	char c;

	u[0] = sock_with(SOCK_DGRAM, SO_REUSEPORT, a, "first");
	u[1] = sock_with(SOCK_DGRAM, SO_REUSEPORT, a, "second");
	u[2] = sock_with(SOCK_DGRAM, 0, a, "without the option");
	close(u[2]);
	say();
	hear();
	nap_ms(100);
	for (int i = 0; i < 2; i++)
		while (recv(u[i], &c, 1, MSG_DONTWAIT) == 1)
			n++;
	out("datagrams %d", n);
	close(u[0]);
	close(u[1]);

	l[0] = sock_with(SOCK_STREAM, SO_REUSEPORT, t, "listener");
	l[1] = sock_with(SOCK_STREAM, SO_REUSEPORT, t, "second listener");
	out("listen %s %s", res(listen(l[0], 16)), res(listen(l[1], 16)));
	u[2] = sock_with(SOCK_STREAM, SO_REUSEADDR, t, "only reuseaddr");
	close(u[2]);
	say();
	for (int i = 0; i < 2; i++)
		p[i] = (struct pollfd){ .fd = l[i], .events = POLLIN };
	while (conns < 16 && poll(p, 2, 3000) > 0)
		for (int i = 0; i < 2; i++)
			if (p[i].revents) {
				int fd = tcp_accept(l[i]);

				send_all(fd, "x", 1);
				close(fd);
				conns++;
			}
	out("connections %d", conns);
	close(l[0]);
	close(l[1]);
	hear();
}

void peer(void)
{
	struct addr to = test_addr(0);
	int served = 0;
	char c;

	hear();
	for (int i = 0; i < 20; i++) {
		int fd = socket(family, SOCK_DGRAM, 0);

		sendto(fd, "d", 1, 0, SA(to));
		close(fd);
	}
	say();
	hear();
	for (int i = 0; i < 16; i++) {
		int fd = tcp_connect(test_addr(1));

		served += recv(fd, &c, 1, 0) == 1;
		close(fd);
	}
	out("served %d", served);
	say();
}
