// SPDX-License-Identifier: BSD-2-Clause
/*
 * crr.c - connect, request, response, close: connections per second
 *
 *	crr server ADDRESS PORT				until it is ended
 *	crr client ADDRESS PORT [-n connections] [-C core]	prints one line of key=value words
 *
 * One connection at a time; a request and a response of one byte; the client closes
 * first, so the TIME_WAIT state and the port are its own.  -s: the server closes first
 * (give it to both ends).
 */
#include <getopt.h>

#include "sockutil.h"

static void serve(const union addr *a, socklen_t len, bool close_first)
{
	int lfd = tcp_listen(a, len, 1024);
	char c;

	for (;;) {
		int fd = accept(lfd, NULL, NULL);

		if (fd < 0) {
			if (errno == EINTR || errno == ECONNABORTED)
				continue;
			err(1, "accept");
		}
		if (recv(fd, &c, 1, 0) == 1) {
			(void)!send(fd, &c, 1, MSG_NOSIGNAL);
			if (!close_first)
				(void)!recv(fd, &c, 1, 0);
		}
		close(fd);
	}
}

static int measure(const union addr *a, socklen_t len, long n, bool server_first)
{
	uint32_t *each = malloc((size_t)n * sizeof(*each));
	uint64_t start = now_ns(), t0, t1 = start;
	long done = 0, failed = 0;
	int why = 0;
	char c = 'x';

	if (!each)
		err(1, "malloc");
	for (long i = 0; i < n; i++) {
		int fd;

		t0 = now_ns();
		fd = socket(a->sa.sa_family, SOCK_STREAM, 0);
		if (fd < 0)
			err(1, "socket");
		if (connect(fd, &a->sa, len) < 0 || send(fd, &c, 1, MSG_NOSIGNAL) != 1 ||
		    recv(fd, &c, 1, 0) != 1 || (server_first && recv(fd, &c, 1, 0) != 0)) {
			failed++;
			why = errno;
			close(fd);
			if (failed > 100)
				break;
			continue;
		}
		close(fd);
		t1 = now_ns();
		each[done++] = (uint32_t)(t1 - t0);
	}
	printf("crr unit=connection_ns ip=%d failed=%ld per_s=%.0f", a->sa.sa_family == AF_INET6 ? 6 : 4,
	       failed, (double)done * 1e9 / (double)(t1 - start + 1));
	print_percentiles(each, (size_t)done);
	printf("\n");
	if (failed)
		fprintf(stderr, "crr: %ld of %ld failed, the last with: %s\n", failed, n, strerror(why));
	free(each);
	return failed > 0;
}

int main(int argc, char **argv)
{
	bool server_first = false;
	union addr a;
	socklen_t len;
	long n = 10000;
	int c;

	if (argc < 4)
		goto usage;
	len = addr_set(&a, argv[2], atoi(argv[3]));
	optind = 4;
	while ((c = getopt(argc, argv, "n:C:s")) != -1) {
		if (c == 'n')
			n = atol(optarg);
		else if (c == 'C')
			pin(atoi(optarg));
		else if (c == 's')
			server_first = true;
		else
			goto usage;
	}
	if (n < 1)
		goto usage;
	if (!strcmp(argv[1], "client"))
		return measure(&a, len, n, server_first);
	if (!strcmp(argv[1], "server")) {
		serve(&a, len, server_first);
		return 0;
	}
usage:
	fprintf(stderr, "usage: crr server|client ADDRESS PORT [-n connections] [-C core] [-s]\n");
	return 2;
}
