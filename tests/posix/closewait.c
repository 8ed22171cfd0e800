// SPDX-License-Identifier: BSD-2-Clause
/* close() in one thread while another is blocked in recv(): the blocked call keeps the socket. */
#include "posix.h"

#include <pthread.h>

struct waiter {
	int fd;
	ssize_t rc;
	long took;
};

static void *wait_recv(void *arg)
{
	struct waiter *w = arg;
	long start = now_ms();
	char c;

	w->rc = recv(w->fd, &c, 1, 0);
	w->took = now_ms() - start;
	return NULL;
}

void test(void)
{
	struct waiter w = { .fd = tcp_pair_test(0) };
	pthread_t t;

	pthread_create(&t, NULL, wait_recv, &w);
	nap_ms(100);
	out("close under recv %s", res(close(w.fd)));
	say();
	pthread_join(t, NULL);
	out("recv then %zd, waited for the data %s", w.rc, w.took > 200 ? "yes" : "no");
}

void peer(void)
{
	int fd = tcp_pair_peer(0);
	char c;

	hear();
	out("not closed yet: %s", res(recv(fd, &c, 1, MSG_DONTWAIT)));
	nap_ms(200);
	send_all(fd, "x", 1);
	out("closed then: %s", res(recv(fd, &c, 1, 0)));
}
