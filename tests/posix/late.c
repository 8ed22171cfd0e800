// SPDX-License-Identifier: BSD-2-Clause
/*
 * Threads that wait before it is decided whose socket it is: another thread
 * binds, sends or connects, and what comes then must still wake them.
 */
#include "posix.h"

#include <pthread.h>
#include <sys/select.h>

enum { SETTLE_MS = 60 };

struct waiter {
	int fd, fd2;
	long rc;
	int error;
	short revents;
	char buf[2][16];
};

static void *by_recvmmsg(void *arg)
{
	struct waiter *w = arg;
	struct iovec v[2] = { { w->buf[0], 16 }, { w->buf[1], 16 } };
	struct mmsghdr m[2] = { { .msg_hdr = { .msg_iov = &v[0], .msg_iovlen = 1 } },
				{ .msg_hdr = { .msg_iov = &v[1], .msg_iovlen = 1 } } };

	w->rc = recvmmsg(w->fd, m, 2, 0, NULL);
	w->error = errno;
	return NULL;
}

static void *by_recvfrom(void *arg)
{
	struct waiter *w = arg;
	struct addr from = { .len = sizeof(from.ss) };

	w->rc = recvfrom(w->fd, w->buf[0], 16, 0, (void *)&from.ss, &from.len);
	w->error = errno;
	return NULL;
}

static void *by_read(void *arg)
{
	struct waiter *w = arg;

	w->rc = read(w->fd, w->buf[0], 16);
	w->error = errno;
	return NULL;
}

static void *by_readv(void *arg)
{
	struct waiter *w = arg;
	struct iovec v = { w->buf[0], 16 };

	w->rc = readv(w->fd, &v, 1);
	w->error = errno;
	return NULL;
}

static void *by_poll(void *arg)
{
	struct waiter *w = arg;
	struct pollfd p = { .fd = w->fd, .events = POLLIN };

	w->rc = poll(&p, 1, 5000);
	w->error = errno;
	w->revents = p.revents;
	return NULL;
}

static void *by_select(void *arg)
{
	struct waiter *w = arg;
	struct timeval tv = { 5, 0 };
	fd_set r;

	FD_ZERO(&r);
	FD_SET(w->fd, &r);
	w->rc = select(w->fd + 1, &r, NULL, NULL, &tv);
	w->error = errno;
	return NULL;
}

static void *by_epoll(void *arg)
{
	struct waiter *w = arg;
	struct epoll_event ev;

	w->rc = epoll_wait(w->fd2, &ev, 1, 5000);
	w->error = errno;
	w->revents = (short)ev.events;
	return NULL;
}

/* @fn waits on a fresh socket; then its port is bound, and the peer sends @n. */
static void wait_then_bind(const char *name, void *(*fn)(void *), int port, int n, int timeo_s)
{
	struct waiter w = { .fd = socket(family, SOCK_DGRAM, 0) };
	struct timeval tv = { timeo_s, 0 };
	struct addr a = test_addr(port);
	pthread_t t;

	if (timeo_s)
		setsockopt(w.fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	pthread_create(&t, NULL, fn, &w);
	nap_ms(SETTLE_MS);
	if (bind(w.fd, SA(a)) < 0)
		die("bind");
	accel(w.fd);
	nap_ms(SETTLE_MS);
	say();
	pthread_join(t, NULL);
	errno = w.error;
	out("%s: %s '%s' %s", name, res(w.rc), w.buf[0], bits((unsigned short)w.revents));
	(void)n;
	close(w.fd);
}

static void two_waiters(int port)
{
	struct waiter w[2] = { { .fd = socket(family, SOCK_DGRAM, 0) } };
	struct addr to = peer_addr(port);
	pthread_t t[2];

	w[1] = w[0];
	for (int i = 0; i < 2; i++)
		pthread_create(&t[i], NULL, by_recvfrom, &w[i]);
	nap_ms(SETTLE_MS);
	out("first send decides %s", res(sendto(w[0].fd, "two", 3, 0, SA(to))));
	accel(w[0].fd);
	for (int i = 0; i < 2; i++)
		pthread_join(t[i], NULL);
	out("two: %ld %ld", w[0].rc, w[1].rc);
	close(w[0].fd);
}

static void timeouts(void)
{
	struct timeval tv = { 0, 200000 };
	int fd = socket(family, SOCK_DGRAM, 0);
	struct mmsghdr m = { 0 };
	long start = now_ms(), took;
	char c;

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	out("time-out %s", res(recv(fd, &c, 1, 0)));
	took = now_ms() - start;
	out("  after 200 ms: %d", took >= 190 && took < 300);
	start = now_ms();
	out("recvmmsg time-out %s", res(recvmmsg(fd, &m, 1, 0, NULL)));
	took = now_ms() - start;
	out("  after 200 ms: %d", took >= 190 && took < 300);
	close(fd);
}

/* A set that has the kernel's members only, until another thread adds one of ours. */
static void epoll_joins(int port)
{
	struct epoll_event ev = { .events = EPOLLIN };
	int pipes[2], ep = epoll_create1(0);
	struct waiter w[2] = { { .fd2 = ep } };
	pthread_t t[2];
	char c;

	if (pipe(pipes) < 0)
		die("pipe");
	epoll_ctl(ep, EPOLL_CTL_ADD, pipes[0], &ev);
	w[1] = w[0];
	for (int i = 0; i < 2; i++)
		pthread_create(&t[i], NULL, by_epoll, &w[i]);
	nap_ms(SETTLE_MS);
	w[0].fd = tcp_connect(peer_addr(port));
	accel(w[0].fd);
	out("add %s", res(epoll_ctl(ep, EPOLL_CTL_ADD, w[0].fd, &ev)));
	nap_ms(SETTLE_MS);
	send_all(w[0].fd, "e", 1);
	for (int i = 0; i < 2; i++) {
		pthread_join(t[i], NULL);
		out("woken %ld %s", w[i].rc, bits((unsigned short)w[i].revents));
	}
	recv_all(w[0].fd, &c, 1);
	out("the kernel's member too %s", res(write(pipes[1], "x", 1)));
	out("  %s", res(epoll_wait(ep, &ev, 1, 1000)));
	out("  %s", res(read(pipes[0], &c, 1)));
	out("nothing else %s", res(epoll_wait(ep, &ev, 1, 30)));
	close(ep);
	close(w[0].fd);
	close(pipes[0]);
	close(pipes[1]);
}

/* The same with a datagram socket that is decided while the thread waits. */
static void epoll_decides(int port)
{
	struct epoll_event ev = { .events = EPOLLIN };
	struct waiter w = { .fd = socket(family, SOCK_DGRAM, 0), .fd2 = epoll_create1(0) };
	struct addr a = test_addr(port);
	pthread_t t;

	epoll_ctl(w.fd2, EPOLL_CTL_ADD, w.fd, &ev);
	pthread_create(&t, NULL, by_epoll, &w);
	nap_ms(SETTLE_MS);
	if (bind(w.fd, SA(a)) < 0)
		die("bind");
	accel(w.fd);
	nap_ms(SETTLE_MS);
	say();
	pthread_join(t, NULL);
	out("epoll: %ld %s", w.rc, bits((unsigned short)w.revents));
	close(w.fd);
	close(w.fd2);
}

void test(void)
{
	hear();
	wait_then_bind("recvmmsg", by_recvmmsg, 1, 2, 0);
	wait_then_bind("recvfrom", by_recvfrom, 2, 1, 0);
	wait_then_bind("read", by_read, 3, 1, 0);
	wait_then_bind("readv", by_readv, 4, 1, 0);
	wait_then_bind("recvfrom with a time-out", by_recvfrom, 5, 1, 4);
	wait_then_bind("poll", by_poll, 6, 1, 0);
	wait_then_bind("select", by_select, 7, 1, 0);
	epoll_decides(8);
	two_waiters(9);
	epoll_joins(10);
	timeouts();
}

void peer(void)
{
	int u = udp_bound(peer_addr(9)), l = tcp_listen(peer_addr(10)), fd;
	struct addr to;
	char c;

	say();
	for (int port = 1; port <= 8; port++) {
		hear();
		to = test_addr(port);
		sendto(u, "late", 4, 0, SA(to));
		sendto(u, "late", 4, 0, SA(to));
	}
	to.len = sizeof(to.ss);
	recvfrom(u, &c, 1, 0, (void *)&to.ss, &to.len);
	sendto(u, "late", 4, 0, SA(to));
	sendto(u, "late", 4, 0, SA(to));
	fd = tcp_accept(l);
	recv_all(fd, &c, 1);
	send_all(fd, &c, 1);
	recv(fd, &c, 1, 0);
}
