/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sockutil.h - what the measuring programs share: addresses, the clock, percentiles
 *
 * The programs are ordinary socket programs and link to nothing of this tree, so
 * that they can be run on the kernel and under onload alike.
 */
#ifndef POSTERN_BENCH_SOCKUTIL_H
#define POSTERN_BENCH_SOCKUTIL_H

#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

union addr {
	struct sockaddr sa;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

static inline uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* A numeric address of either family; the programs end on a bad one. */
static inline socklen_t addr_set(union addr *a, const char *host, int port)
{
	memset(a, 0, sizeof(*a));
	if (inet_pton(AF_INET, host, &a->v4.sin_addr) == 1) {
		a->v4.sin_family = AF_INET;
		a->v4.sin_port = htons((uint16_t)port);
		return sizeof(a->v4);
	}
	if (inet_pton(AF_INET6, host, &a->v6.sin6_addr) == 1) {
		a->v6.sin6_family = AF_INET6;
		a->v6.sin6_port = htons((uint16_t)port);
		return sizeof(a->v6);
	}
	errx(2, "not an IPv4 or IPv6 address: %s", host);
}

static inline void pin(int core)
{
	cpu_set_t set;

	if (core < 0)
		return;
	CPU_ZERO(&set);
	CPU_SET(core, &set);
	if (sched_setaffinity(0, sizeof(set), &set) < 0)
		warn("not pinned to core %d", core);
}

static inline int tcp_listen(const union addr *a, socklen_t len, int backlog)
{
	int fd = socket(a->sa.sa_family, SOCK_STREAM, 0), one = 1;

	if (fd < 0)
		err(1, "socket");
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0)
		err(1, "SO_REUSEADDR");
	if (bind(fd, &a->sa, len) < 0)
		err(1, "bind");
	if (listen(fd, backlog) < 0)
		err(1, "listen");
	return fd;
}

static inline void tcp_nodelay(int fd)
{
	int one = 1;

	if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) < 0)
		err(1, "TCP_NODELAY");
}

static inline int by_u32(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

/* Sorts @v and prints " n= min= p50= p90= p99= p99.9= max= mean=". */
static inline void print_percentiles(uint32_t *v, size_t n)
{
	double sum = 0;

	if (!n)
		return;
	qsort(v, n, sizeof(*v), by_u32);
	for (size_t i = 0; i < n; i++)
		sum += v[i];
	printf(" n=%zu min=%u p50=%u p90=%u p99=%u p99.9=%u max=%u mean=%.0f", n, v[0], v[n / 2],
	       v[n * 9 / 10], v[n * 99 / 100], v[n * 999 / 1000], v[n - 1], sum / (double)n);
}

#endif
