// SPDX-License-Identifier: BSD-2-Clause
/* shutdown, half-close, EPIPE and SIGPIPE, reset, SO_LINGER 0, unread data at close. */
#include "posix.h"

static volatile sig_atomic_t pipes;

static void on_pipe(int sig)
{
	pipes++;
}

static void show_poll(int fd, const char *what)
{
	struct pollfd p = { .fd = fd, .events = POLLIN | POLLOUT | POLLRDHUP };

	poll(&p, 1, 0);
	out("%s: %s", what, bits(p.revents));
}

static void await_bits(int fd, short events)
{
	struct pollfd p = { .fd = fd, .events = events };

	poll(&p, 1, 2000);
}

static void half_close(int port)
{
	int fd = tcp_pair_test(port);
	char buf[16];

	show_poll(fd, "fresh");
	out("shutdown write %s", res(shutdown(fd, SHUT_WR)));
	/* The peer answers with its own FIN, in its own time. */
	await_bits(fd, POLLRDHUP);
	show_poll(fd, "write shut");
	out("send %s", res(send(fd, "x", 1, 0)));
	out("SIGPIPE %d", (int)pipes);
	out("nosignal %s", res(send(fd, "x", 1, MSG_NOSIGNAL)));
	out("write %s", res(write(fd, "x", 1)));
	out("SIGPIPE %d", (int)pipes);
	out("recv %s", res(recv(fd, buf, sizeof(buf), MSG_WAITALL)));
	show_poll(fd, "both shut");
	out("end %s", res(recv(fd, buf, 1, 0)));
	out("shutdown again %s", res(shutdown(fd, SHUT_RDWR)));
	out("bad how %s", res(shutdown(fd, 5)));
	close(fd);
}

static void shut_read(int port)
{
	int fd = tcp_pair_test(port);
	char buf[4];

	out("shutdown read %s", res(shutdown(fd, SHUT_RD)));
	out("recv %s", res(recv(fd, buf, 1, 0)));
	show_poll(fd, "read shut");
	out("send %s", res(send(fd, "y", 1, 0)));
	say();
	close(fd);
}

static void peer_closed(int port)
{
	int fd = tcp_pair_test(port);
	char buf[16];

	hear();
	await_bits(fd, POLLRDHUP);
	show_poll(fd, "peer closed");
	out("recv %s", res(recv(fd, buf, sizeof(buf), 0)));
	out("recv %s", res(recv(fd, buf, sizeof(buf), 0)));
	show_poll(fd, "read all");
	out("send %s", res(send(fd, "x", 1, MSG_NOSIGNAL)));
	await(fd, POLLHUP);
	nap_ms(50);
	show_poll(fd, "after reset");
	out("send %s", res(send(fd, "x", 1, MSG_NOSIGNAL)));
	out("recv %s", res(recv(fd, buf, sizeof(buf), 0)));
	close(fd);
}

static void peer_reset(int port)
{
	int fd = tcp_pair_test(port), e = -1;
	socklen_t len = sizeof(e);
	char buf[16];

	hear();
	await(fd, POLLHUP);
	show_poll(fd, "reset");
	out("recv %s", res(recv(fd, buf, sizeof(buf), 0)));
	out("recv %s", res(recv(fd, buf, sizeof(buf), 0)));
	getsockopt(fd, SOL_SOCKET, SO_ERROR, &e, &len);
	out("so_error %d", e);
	out("send %s", res(send(fd, "x", 1, MSG_NOSIGNAL)));
	close(fd);
}

static void we_reset(int port)
{
	struct linger l = { 1, 0 };
	int fd = tcp_pair_test(port);

	out("linger %s", res(setsockopt(fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l))));
	out("close %s", res(close(fd)));
	say();
}

static void unread(int port)
{
	int fd = tcp_pair_test(port);

	await(fd, POLLIN);
	close(fd);
	say();
}

static void lingering(int port)
{
	struct linger l = { 1, 5 };
	int fd = tcp_pair_test(port);
	static char big[300000];

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l));
	nonblock(fd, true);
	while (send(fd, big, sizeof(big), 0) > 0)
		;
	nonblock(fd, false);
	say();
	out("lingering close %s", res(close(fd)));
}

void test(void)
{
	struct sigaction sa = { .sa_handler = on_pipe };

	sigaction(SIGPIPE, &sa, NULL);
	half_close(0);
	shut_read(1);
	peer_closed(2);
	peer_reset(3);
	we_reset(4);
	unread(5);
	lingering(6);
	hear();
}

void peer(void)
{
	struct linger l = { 1, 0 };
	static char buf[65536];
	size_t total = 0;
	ssize_t n;
	int fd;

	fd = tcp_pair_peer(0);
	out("end %s", res(recv(fd, buf, 1, 0)));
	send_all(fd, "still here", 10);
	close(fd);

	fd = tcp_pair_peer(1);
	hear();
	out("got %s", res(recv(fd, buf, 1, 0)));
	out("end %s", res(recv(fd, buf, 1, 0)));
	close(fd);

	fd = tcp_pair_peer(2);
	send_all(fd, "last", 4);
	close(fd);
	say();

	fd = tcp_pair_peer(3);
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l));
	close(fd);
	say();

	fd = tcp_pair_peer(4);
	hear();
	out("we see %s", res(recv(fd, buf, 1, 0)));
	close(fd);

	fd = tcp_pair_peer(5);
	send_all(fd, "unread", 6);
	hear();
	out("we see %s", res(recv(fd, buf, 1, 0)));
	close(fd);

	fd = tcp_pair_peer(6);
	hear();
	while ((n = recv(fd, buf, sizeof(buf), 0)) > 0)
		total += (size_t)n;
	out("all came: %s, end %s", total > 0 ? "yes" : "no", res(n));
	close(fd);
	say();
}
