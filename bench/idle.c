// SPDX-License-Identifier: BSD-2-Clause
/*
 * idle.c - many idle TCP connections and one that is busy
 *
 *	idle server ADDRESS PORT [-c core]
 *	idle client ADDRESS PORT [-n connections] [-t trips] [-c core]
 *
 * The client measures one connection alone, opens the others (10,000), sends a byte
 * over each, and measures the one again: each time the half round trip of 32 bytes.
 * Prints one line of key=value words, with memory that each idle connection took: of
 * the client process, and of the machine (both ends, kernel included).  The server
 * serves all from one epoll set.
 */
#include <getopt.h>
#include <sys/epoll.h>
#include <sys/resource.h>

#include "sockutil.h"

enum { SIZE = 32 };

static void raise_nofile(void)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r) < 0)
		err(1, "RLIMIT_NOFILE");
	r.rlim_cur = r.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &r) < 0)
		err(1, "RLIMIT_NOFILE");
}

/* A value in KiB from a file of "name: value kB" lines. */
static long kib_of(const char *file, const char *name)
{
	FILE *f = fopen(file, "r");
	size_t len = strlen(name);
	char line[256];
	long v = 0;

	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, name, len) && line[len] == ':')
			v = atol(line + len + 1);
	if (f)
		fclose(f);
	return v;
}

static void serve(const union addr *a, socklen_t len)
{
	int lfd = tcp_listen(a, len, 4096), ep = epoll_create1(0);
	struct epoll_event ev = { .events = EPOLLIN, .data.fd = lfd }, evs[64];
	char buf[4096];

	if (ep < 0 || epoll_ctl(ep, EPOLL_CTL_ADD, lfd, &ev) < 0)
		err(1, "epoll");
	for (;;) {
		int n = epoll_wait(ep, evs, 64, -1);

		if (n < 0 && errno != EINTR)
			err(1, "epoll_wait");
		for (int i = 0; i < n; i++) {
			int fd = evs[i].data.fd;
			ssize_t got;

			if (fd == lfd) {
				fd = accept(lfd, NULL, NULL);
				if (fd < 0)
					err(1, "accept");
				tcp_nodelay(fd);
				ev.data.fd = fd;
				if (epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev) < 0)
					err(1, "epoll_ctl");
				continue;
			}
			got = recv(fd, buf, sizeof(buf), MSG_DONTWAIT);
			if (got > 0)
				(void)!send(fd, buf, (size_t)got, MSG_NOSIGNAL);
			else if (got == 0 || errno != EAGAIN)
				close(fd);
		}
	}
}

static int open_one(const union addr *a, socklen_t len)
{
	int fd = socket(a->sa.sa_family, SOCK_STREAM, 0);

	if (fd < 0)
		err(1, "socket");
	if (connect(fd, &a->sa, len) < 0)
		err(1, "connect");
	tcp_nodelay(fd);
	return fd;
}

static void trip(int fd, size_t size)
{
	char buf[SIZE] = "";
	size_t got = 0;

	if (send(fd, buf, size, MSG_NOSIGNAL) != (ssize_t)size)
		err(1, "send");
	while (got < size) {
		ssize_t n = recv(fd, buf + got, size - got, 0);

		if (n <= 0)
			err(1, "recv");
		got += (size_t)n;
	}
}

static uint32_t *ping(int fd, size_t trips)
{
	uint32_t *half = malloc(trips * sizeof(*half));

	if (!half)
		err(1, "malloc");
	for (size_t i = 0; i < trips / 10; i++)
		trip(fd, SIZE);
	for (size_t i = 0; i < trips; i++) {
		uint64_t t = now_ns();

		trip(fd, SIZE);
		half[i] = (uint32_t)((now_ns() - t) / 2);
	}
	qsort(half, trips, sizeof(*half), by_u32);
	return half;
}

static int measure(const union addr *a, socklen_t len, long n, size_t trips)
{
	int *fds = calloc((size_t)n, sizeof(*fds)), busy = open_one(a, len);
	long rss, avail;
	uint32_t *alone, *among;
	uint64_t t;

	if (!fds)
		err(1, "calloc");
	alone = ping(busy, trips);
	rss = kib_of("/proc/self/status", "VmRSS");
	avail = kib_of("/proc/meminfo", "MemAvailable");
	t = now_ns();
	for (long i = 0; i < n; i++) {
		fds[i] = open_one(a, len);
		trip(fds[i], 1);
	}
	t = now_ns() - t;
	rss = kib_of("/proc/self/status", "VmRSS") - rss;
	avail -= kib_of("/proc/meminfo", "MemAvailable");
	among = ping(busy, trips);
	for (long i = 0; i < n; i++)	/* still alive? */
		trip(fds[i], 1);
	printf("idle connections=%ld opened_per_s=%.0f unit=half_rtt_ns alone_p50=%u alone_p99=%u among_p50=%u "
	       "among_p99=%u process_bytes=%.0f machine_bytes=%.0f\n", n, (double)n * 1e9 / (double)t,
	       alone[trips / 2], alone[trips * 99 / 100], among[trips / 2], among[trips * 99 / 100],
	       (double)rss * 1024 / (double)n, (double)avail * 1024 / (double)n);
	return 0;
}

int main(int argc, char **argv)
{
	size_t trips = 20000;
	union addr a;
	socklen_t len;
	long n = 10000;
	int c;

	if (argc < 4)
		goto usage;
	len = addr_set(&a, argv[2], atoi(argv[3]));
	optind = 4;
	while ((c = getopt(argc, argv, "n:t:c:")) != -1) {
		if (c == 'n')
			n = atol(optarg);
		else if (c == 't')
			trips = strtoul(optarg, NULL, 0);
		else if (c == 'c')
			pin(atoi(optarg));
		else
			goto usage;
	}
	if (n < 1 || trips < 100)
		goto usage;
	raise_nofile();
	if (!strcmp(argv[1], "client"))
		return measure(&a, len, n, trips);
	if (!strcmp(argv[1], "server")) {
		serve(&a, len);
		return 0;
	}
usage:
	fprintf(stderr, "usage: idle server|client ADDRESS PORT [-n connections] [-t trips] [-c core]\n");
	return 2;
}
