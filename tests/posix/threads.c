// SPDX-License-Identifier: BSD-2-Clause
/* Threads: reader and writer on one socket; shutdown under a blocked call; many at once. */
#include "posix.h"

#include <pthread.h>

enum { TOTAL = 3000000, THREADS = 4 };

static void *writer(void *arg)
{
	int fd = *(int *)arg;
	static char buf[10000];

	for (int i = 0; i < TOTAL; i += (int)sizeof(buf))
		send_all(fd, buf, sizeof(buf));
	shutdown(fd, SHUT_WR);
	return NULL;
}

static void both_ways(void)
{
	int fd = tcp_pair_test(0), n = 0;
	static char buf[65536];
	pthread_t t;
	ssize_t rc;

	pthread_create(&t, NULL, writer, &fd);
	while ((rc = recv(fd, buf, sizeof(buf), 0)) > 0)
		n += (int)rc;
	pthread_join(t, NULL);
	out("echoed %d, end %s", n, res(rc));
	close(fd);
}

struct waiter {
	int fd;
	ssize_t rc;
	int error;
};

static void *wait_recv(void *arg)
{
	struct waiter *w = arg;
	char c;

	w->rc = recv(w->fd, &c, 1, 0);
	w->error = errno;
	return NULL;
}

static void *wait_accept(void *arg)
{
	struct waiter *w = arg;

	w->rc = accept(w->fd, NULL, NULL);
	w->error = errno;
	return NULL;
}

static void woken(void)
{
	struct waiter w = { .fd = tcp_pair_test(2) };
	pthread_t t;

	pthread_create(&t, NULL, wait_recv, &w);
	nap_ms(100);
	out("shutdown under recv %s", res(shutdown(w.fd, SHUT_RDWR)));
	pthread_join(t, NULL);
	out("recv then %zd", w.rc);
	close(w.fd);

	w.fd = tcp_listen(test_addr(3));
	accel(w.fd);
	pthread_create(&t, NULL, wait_accept, &w);
	nap_ms(100);
	out("shutdown under accept %s", res(shutdown(w.fd, SHUT_RDWR)));
	pthread_join(t, NULL);
	errno = w.error;
	out("accept then %s", res(w.rc));
	close(w.fd);
}

static void *ping(void *arg)
{
	int fd = *(int *)arg;
	char c = 'p';

	for (int i = 0; i < 200; i++) {
		send_all(fd, &c, 1);
		recv_all(fd, &c, 1);
	}
	close(fd);
	return NULL;
}

static void many(void)
{
	pthread_t t[THREADS];
	int fd[THREADS];

	hear();
	for (int i = 0; i < THREADS; i++) {
		fd[i] = tcp_connect(peer_addr(4));
		accel(fd[i]);
	}
	for (int i = 0; i < THREADS; i++)
		pthread_create(&t[i], NULL, ping, &fd[i]);
	for (int i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
	out("%d threads done", THREADS);
}

static void *open_close(void *arg)
{
	for (int i = 0; i < 300; i++) {
		int s = socket(family, SOCK_DGRAM, 0), d = dup(s);

		if (s < 0 || d < 0 || close(s) < 0 || close(d) < 0)
			return (void *)1;
	}
	return NULL;
}

static void churn(void)
{
	pthread_t t[THREADS];
	void *bad, *any = NULL;

	for (int i = 0; i < THREADS; i++)
		pthread_create(&t[i], NULL, open_close, NULL);
	for (int i = 0; i < THREADS; i++) {
		pthread_join(t[i], &bad);
		any = bad ? bad : any;
	}
	out("open, dup, close: %s", any ? "failed" : "fine");
}

void test(void)
{
	both_ways();
	woken();
	many();
	churn();
}

void peer(void)
{
	static char buf[65536];
	struct pollfd p[THREADS];
	int fd = tcp_pair_peer(0), l, open_fds = THREADS;
	ssize_t n;

	while ((n = recv(fd, buf, sizeof(buf), 0)) > 0)
		send_all(fd, buf, (size_t)n);
	close(fd);

	fd = tcp_pair_peer(2);
	out("end %s", res(recv(fd, buf, 1, 0)));
	close(fd);

	l = tcp_listen(peer_addr(4));
	say();
	for (int i = 0; i < THREADS; i++)
		p[i] = (struct pollfd){ .fd = tcp_accept(l), .events = POLLIN };
	while (open_fds && poll(p, THREADS, 5000) > 0)
		for (int i = 0; i < THREADS; i++) {
			if (!p[i].revents)
				continue;
			n = recv(p[i].fd, buf, sizeof(buf), 0);
			if (n > 0) {
				send_all(p[i].fd, buf, (size_t)n);
			} else {
				close(p[i].fd);
				p[i].fd = -1;
				open_fds--;
			}
		}
	out("left %d", open_fds);
}
