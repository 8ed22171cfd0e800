// SPDX-License-Identifier: BSD-2-Clause
/* SIGIO, by fcntl() and by ioctl(), on sockets that are accelerated otherwise. */
#include "posix.h"

static volatile sig_atomic_t count;

static void on_sigio(int sig)
{
	(void)sig;
	count++;
}

static void wait_signal(const char *what)
{
	for (int i = 0; i < 100 && !count; i++)
		nap_ms(10);
	out("%s: %s", what, count ? "signal" : "none");
	count = 0;
}

static void own(int fd)
{
	out("owner %s", res(fcntl(fd, F_SETOWN, getpid())));
}

void test(void)
{
	struct sigaction sa = { .sa_handler = on_sigio, .sa_flags = SA_RESTART };
	struct addr to = peer_addr(0);
	int fd = socket(family, SOCK_STREAM, 0), on = 1;
	char buf[8];

	sigaction(SIGIO, &sa, NULL);
	hear();
	own(fd);
	out("O_ASYNC %s", res(fcntl(fd, F_SETFL, O_ASYNC)));
	out("connect %s", res(connect(fd, SA(to))));
	wait_signal("connected");
	say();
	wait_signal("data");
	out("recv %s", res(recv(fd, buf, 8, 0)));
	close(fd);

	fd = udp_bound(test_addr(1));
	accel(fd);
	own(fd);
	out("FIOASYNC %s", res(ioctl(fd, FIOASYNC, &on)));
	count = 0;
	say();
	wait_signal("datagram");
	out("recv %s", res(recv(fd, buf, 8, 0)));
	close(fd);
}

void peer(void)
{
	int l = tcp_listen(peer_addr(0)), u = udp_bound(peer_addr(0)), fd;
	struct addr to = test_addr(1);

	say();
	fd = tcp_accept(l);
	hear();
	nap_ms(50);
	send_all(fd, "x", 1);
	hear();
	sendto(u, "u", 1, 0, SA(to));
	close(fd);
}
