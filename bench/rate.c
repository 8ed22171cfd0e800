// SPDX-License-Identifier: BSD-2-Clause
/*
 * rate.c - small UDP datagrams per second, sent and delivered
 *
 *	rate receive ADDRESS PORT [-m recv|recvmmsg] [-T seconds]
 *	rate send    ADDRESS PORT [-m send|sendmmsg] [-s bytes] [-t seconds]
 *	(both: -c core)
 *
 * The receiver counts from the first datagram to the last before half a second of
 * silence, prints one line of key=value words and ends; after -T seconds (10) without
 * any datagram it fails.  The sender sends as fast as it can.
 */
#include <getopt.h>
#include <sys/uio.h>

#include "sockutil.h"

enum { BATCH = 32, MAX_SIZE = 1472 };

static char bufs[BATCH][MAX_SIZE];
static struct iovec iov[BATCH];
static struct mmsghdr mm[BATCH];

static void set_up_batch(size_t size)
{
	for (int i = 0; i < BATCH; i++) {
		iov[i] = (struct iovec){ bufs[i], size };
		mm[i].msg_hdr.msg_iov = &iov[i];
		mm[i].msg_hdr.msg_iovlen = 1;
	}
}

static int receive(const union addr *a, socklen_t len, bool batch, int patience_s)
{
	int fd = socket(a->sa.sa_family, SOCK_DGRAM, 0), size = 4 << 20, n;
	struct timeval tv = { .tv_sec = patience_s };
	uint64_t first = 0, last = 0, count = 0, seen = 0;

	if (fd < 0 || bind(fd, &a->sa, len) < 0)
		err(1, "bind");
	(void)!setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)) < 0)
		err(1, "SO_RCVTIMEO");
	set_up_batch(MAX_SIZE);
	for (;;) {
		if (batch)
			n = recvmmsg(fd, mm, BATCH, MSG_WAITFORONE, NULL);
		else
			n = recv(fd, bufs[0], MAX_SIZE, 0) < 0 ? -1 : 1;
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			break;
		count += (uint64_t)n;
		/* the clock once in about a hundred datagrams */
		if (count - seen >= 100 || !first) {
			seen = count;
			last = now_ns();
			if (!first) {
				first = last;
				tv = (struct timeval){ .tv_usec = 500000 };
				if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)) < 0)
					err(1, "SO_RCVTIMEO");
			}
		}
	}
	if (errno != EAGAIN)
		err(1, "recv");
	if (seen < 100)
		errx(1, "%llu datagrams came", (unsigned long long)count);
	printf("rate mode=%s delivered=%llu per_s=%.0f\n", batch ? "recvmmsg" : "recv",
	       (unsigned long long)count, (double)seen * 1e9 / (double)(last - first + 1));
	return 0;
}

static int flood(const union addr *a, socklen_t len, bool batch, size_t size, double seconds)
{
	int fd = socket(a->sa.sa_family, SOCK_DGRAM, 0), n;
	uint64_t start, t, until, sent = 0, refused = 0;

	if (fd < 0 || connect(fd, &a->sa, len) < 0)
		err(1, "connect");
	set_up_batch(size);
	start = now_ns();
	until = start + (uint64_t)(seconds * 1e9);
	do {
		for (int i = 0; i < 4 * BATCH; i += batch ? BATCH : 1) {
			if (batch)
				n = sendmmsg(fd, mm, BATCH, 0);
			else
				n = send(fd, bufs[0], size, 0) < 0 ? -1 : 1;
			if (n >= 0)
				sent += (uint64_t)n;
			else if (errno == EAGAIN || errno == ENOBUFS || errno == ECONNREFUSED || errno == EINTR)
				refused++;
			else
				err(1, "send");
		}
		t = now_ns();
	} while (t < until);
	printf("rate mode=%s size=%zu sent=%llu refused=%llu per_s=%.0f\n", batch ? "sendmmsg" : "send",
	       size, (unsigned long long)sent, (unsigned long long)refused,
	       (double)sent * 1e9 / (double)(t - start));
	return 0;
}

int main(int argc, char **argv)
{
	double seconds = 2;
	size_t size = 18;	/* a frame of 60 bytes, 64 with its checksum */
	int patience = 10, c;
	bool batch = false;
	union addr a;
	socklen_t len;

	if (argc < 4)
		goto usage;
	len = addr_set(&a, argv[2], atoi(argv[3]));
	optind = 4;
	while ((c = getopt(argc, argv, "m:s:t:T:c:")) != -1) {
		switch (c) {
		case 'm': batch = strstr(optarg, "mmsg") != NULL; break;
		case 's': size = strtoul(optarg, NULL, 0); break;
		case 't': seconds = atof(optarg); break;
		case 'T': patience = atoi(optarg); break;
		case 'c': pin(atoi(optarg)); break;
		default: goto usage;
		}
	}
	if (size > MAX_SIZE)
		goto usage;
	if (!strcmp(argv[1], "receive"))
		return receive(&a, len, batch, patience);
	if (!strcmp(argv[1], "send"))
		return flood(&a, len, batch, size, seconds);
usage:
	fprintf(stderr, "usage: rate receive|send ADDRESS PORT [-m send|sendmmsg|recv|recvmmsg] [-s bytes] "
			"[-t seconds] [-T seconds] [-c core]\n");
	return 2;
}
