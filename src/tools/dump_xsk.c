// SPDX-License-Identifier: BSD-2-Clause
/*
 * dump_xsk.c - kernel counters of a stack's AF_XDP sockets
 *
 * XDP_STATISTICS needs the socket itself: a duplicate of the keeper's descriptor,
 * or of a process', is taken with pidfd_getfd(2), which needs the right to trace
 * it.  The kernel does not tell which queue a socket is bound to; but every holder
 * of a stack receives its sockets in the order of the VIs, so with exactly one for
 * each VI the order of descriptors is that of the VIs.  With any other number
 * nothing is said rather than something false.
 */
#include "tools/dump.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <linux/if_xdp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { MAX_SOCKETS = 4096 };

static int by_number(const void *a, const void *b)
{
	int x = *(const int *)a, y = *(const int *)b;

	return x < y ? -1 : x > y;
}

/* Numbers of a process' sockets of any kind, sorted. */
static int sockets_of(uint32_t pid, int *fds, int max)
{
	char path[320], to[32];
	struct dirent *e;
	int n = 0;
	DIR *d;

	snprintf(path, sizeof(path), "/proc/%u/fd", pid);
	d = opendir(path);
	if (!d)
		return -errno;
	while (n < max && (e = readdir(d))) {
		if (!isdigit((unsigned char)e->d_name[0]))
			continue;
		snprintf(path, sizeof(path), "/proc/%u/fd/%s", pid, e->d_name);
		if (readlink(path, to, sizeof(to)) > 8 && !strncmp(to, "socket:[", 8))
			fds[n++] = atoi(e->d_name);
	}
	closedir(d);
	qsort(fds, (size_t)n, sizeof(*fds), by_number);
	return n;
}

/* 1: an AF_XDP socket, counters taken; 0: another socket. */
static int ask(int fd, struct xsk_stats *out)
{
	struct xdp_statistics k = { 0 };
	socklen_t len = sizeof(int);
	int domain;

	if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) < 0 || domain != AF_XDP)
		return 0;
	/* Older kernels fill only the front of the struct. */
	len = sizeof(k);
	if (getsockopt(fd, SOL_XDP, XDP_STATISTICS, &k, &len) < 0)
		return -errno;
	*out = (struct xsk_stats){
		.rx_dropped = k.rx_dropped,
		.rx_fill_ring_empty_descs = k.rx_fill_ring_empty_descs,
		.rx_ring_full = k.rx_ring_full,
		.rx_invalid_descs = k.rx_invalid_descs,
		.tx_invalid_descs = k.tx_invalid_descs,
		.tx_ring_empty_descs = k.tx_ring_empty_descs,
	};
	return 1;
}

/* Counters of all AF_XDP sockets of one process: their number, or -errno. */
static int ask_process(uint32_t pid, struct xsk_stats *st, uint32_t max)
{
	int *fds = malloc(MAX_SOCKETS * sizeof(*fds));
	int n, pidfd = -1, rc = -ENOMEM;
	uint32_t got = 0;

	if (!fds)
		return -ENOMEM;
	n = rc = sockets_of(pid, fds, MAX_SOCKETS);
	if (rc < 0)
		goto out;
	pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (pidfd < 0) {
		rc = -errno;
		goto out;
	}
	rc = 0;
	for (int i = 0; i < n; i++) {
		struct xsk_stats one;
		int fd = (int)syscall(SYS_pidfd_getfd, pidfd, fds[i], 0), r;

		if (fd < 0) {
			/* Closed since is no matter; a right that lacks is. */
			if (errno != EBADF)
				rc = -errno;
			continue;
		}
		r = ask(fd, &one);
		close(fd);
		if (r < 0)
			rc = r;
		if (r > 0 && got++ < max)
			st[got - 1] = one;
	}
	if (rc == 0 || got)
		rc = (int)min_t(uint32_t, got, INT32_MAX);
out:
	if (pidfd >= 0)
		close(pidfd);
	free(fds);
	return rc;
}

int dump_xsk(const struct arena *a, struct xsk_stats *st, uint32_t max, char why[96])
{
	static const uint8_t order[] = { HOLDER_KEEPER, HOLDER_APP };
	int rc = -ESRCH, got;

	for (size_t r = 0; r < ARRAY_SIZE(order); r++) {
		for (size_t i = 0; i < a->n_holders; i++) {
			if (a->holders[i].role != order[r])
				continue;
			got = ask_process(a->holders[i].pid, st, max);
			if (got == (int)max)
				return got;
			if (got < 0)
				rc = got;
			else if (rc == -ESRCH)
				rc = -ENOENT;
		}
	}
	if (rc == -EPERM || rc == -EACCES)
		snprintf(why, 96, "not permitted (they need root, or the right to trace the process)");
	else if (rc == -ENOENT)
		snprintf(why, 96, "no process has exactly one AF_XDP socket for each VI");
	else if (rc == -ESRCH)
		snprintf(why, 96, "no process that has the AF_XDP sockets can be seen (try as root)");
	else
		snprintf(why, 96, "%s", strerror(-rc));
	return rc;
}
