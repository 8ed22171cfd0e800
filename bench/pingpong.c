// SPDX-License-Identifier: BSD-2-Clause
/*
 * pingpong.c - half round trip of a small message, over UDP or TCP
 *
 * An ordinary socket program; run it on the kernel and under onload alike:
 *
 *	pingpong server ADDRESS PORT [options]		echoes until it is ended
 *	pingpong client ADDRESS PORT [options]		prints one line of key=value words
 *
 *	-t		TCP instead of UDP
 *	-m MODE		how an end waits: block, spin (non-blocking calls in a loop),
 *			poll, epoll, select
 *	-s BYTES	size of the message (8 to 65000; default 32)
 *	-n TRIPS	round trips that count (default 100000)
 *	-w TRIPS	round trips before those (default 5000)
 *	-i MICROSECONDS	pause before each round trip
 *	-c CORE		pin this end
 *	-b ADDRESS	the client's own address
 *
 * A UDP message that does not come back within a second is counted as lost.
 */
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/select.h>

#include "sockutil.h"

enum mode { BLOCK, SPIN, POLL, EPOLL, SELECT };
static const char *const mode_names[] = { "block", "spin", "poll", "epoll", "select" };

enum { TIMEOUT_MS = 1000, MAX_SIZE = 65000 };

struct options {
	bool tcp;
	enum mode mode;
	size_t size;
	long n, warm_up;
	long pause_us;
	int core;
	const char *own;
	int timeout_ms;		/* a server waits for ever: it must not wake up when idle */
	union addr addr;
	socklen_t addr_len;
};

static char msg[MAX_SIZE];

/* Waits until @fd is readable, as the mode says; false when the second is over. */
static bool wait_readable(const struct options *o, int fd, int epfd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	struct timeval tv = { .tv_sec = TIMEOUT_MS / 1000 };
	struct epoll_event ev;
	fd_set set;
	int rc;

	do {
		if (o->mode == POLL) {
			rc = poll(&p, 1, o->timeout_ms);
		} else if (o->mode == EPOLL) {
			rc = epoll_wait(epfd, &ev, 1, o->timeout_ms);
		} else {
			FD_ZERO(&set);
			FD_SET(fd, &set);
			rc = select(fd + 1, &set, NULL, NULL, o->timeout_ms < 0 ? NULL : &tv);
		}
	} while (rc < 0 && errno == EINTR);
	if (rc < 0)
		err(1, "%s", mode_names[o->mode]);
	return rc > 0;
}

/* One receive call's worth.  Returns bytes, 0 at the end of the stream, -1 when
 * the second is over.  @from as in recvfrom. */
static ssize_t take(const struct options *o, int fd, int epfd, char *buf, size_t len,
		    union addr *from, socklen_t *from_len)
{
	uint64_t until = 0;
	unsigned int turns = 0;
	ssize_t n;

	for (;;) {
		if (o->mode >= POLL && !wait_readable(o, fd, epfd))
			return -1;
		if (from)
			n = recvfrom(fd, buf, len, 0, &from->sa, from_len);
		else
			n = recv(fd, buf, len, 0);
		if (n >= 0)
			return n;
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN && errno != ECONNREFUSED)
			err(1, "recv");
		if (o->mode == BLOCK)
			return -1;
		/* the clock costs more than the call: ask it seldom */
		if (++turns % 4096 == 0) {
			if (!until)
				until = now_ns() + TIMEOUT_MS * 1000000ull;
			else if (now_ns() > until)
				return -1;
		}
	}
}

static void give(int fd, const char *buf, size_t len, const union addr *to, socklen_t to_len)
{
	ssize_t n;

	while (len) {
		n = to ? sendto(fd, buf, len, 0, &to->sa, to_len) : send(fd, buf, len, MSG_NOSIGNAL);
		if (n < 0 && (errno == EAGAIN || errno == EINTR || errno == ENOBUFS))
			continue;
		if (n < 0 && errno == ECONNREFUSED)
			return;
		if (n < 0)
			err(1, "send");
		buf += n;
		len -= (size_t)n;
	}
}

/* Gets an end ready for its mode: options, time limit, epoll set. */
static int prepare(const struct options *o, int fd)
{
	struct timeval tv = { .tv_sec = TIMEOUT_MS / 1000 };
	struct epoll_event ev = { .events = EPOLLIN };
	int epfd = -1;

	if (o->tcp)
		tcp_nodelay(fd);
	if (o->mode == SPIN && fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
		err(1, "O_NONBLOCK");
	if (o->mode == BLOCK && o->timeout_ms > 0 && setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)) < 0)
		err(1, "SO_RCVTIMEO");
	if (o->mode == EPOLL) {
		epfd = epoll_create1(0);
		if (epfd < 0 || epoll_ctl(epfd, EPOLL_CTL_ADD, fd, &ev) < 0)
			err(1, "epoll");
	}
	return epfd;
}

/* A whole message of a stream; false at its end. */
static bool take_message(const struct options *o, int fd, int epfd, bool patient)
{
	size_t got = 0;

	while (got < o->size) {
		ssize_t n = take(o, fd, epfd, msg + got, o->size - got, NULL, NULL);

		if (n == 0)
			return false;
		if (n < 0 && !patient)
			return false;
		if (n > 0)
			got += (size_t)n;
	}
	return true;
}

static void serve_udp(const struct options *o)
{
	int fd = socket(o->addr.sa.sa_family, SOCK_DGRAM, 0), epfd;

	if (fd < 0 || bind(fd, &o->addr.sa, o->addr_len) < 0)
		err(1, "bind");
	epfd = prepare(o, fd);
	for (;;) {
		union addr from;
		socklen_t len = sizeof(from);
		ssize_t n = take(o, fd, epfd, msg, sizeof(msg), &from, &len);

		if (n > 0)
			give(fd, msg, (size_t)n, &from, len);
	}
}

static void serve_tcp(const struct options *o)
{
	int lfd = tcp_listen(&o->addr, o->addr_len, 8);

	for (;;) {
		int fd = accept(lfd, NULL, NULL), epfd;

		if (fd < 0) {
			if (errno == EINTR || errno == ECONNABORTED)
				continue;
			err(1, "accept");
		}
		epfd = prepare(o, fd);
		while (take_message(o, fd, epfd, true))
			give(fd, msg, o->size, NULL, 0);
		if (epfd >= 0)
			close(epfd);
		close(fd);
	}
}

/* One round trip; false when the message was lost. */
static bool trip(const struct options *o, int fd, int epfd, uint64_t seq)
{
	uint64_t back;
	ssize_t n;

	memcpy(msg, &seq, sizeof(seq));
	give(fd, msg, o->size, NULL, 0);
	if (o->tcp) {
		if (!take_message(o, fd, epfd, false))
			errx(1, "the connection ended or stalled at message %llu",
			     (unsigned long long)seq);
		return true;
	}
	do {	/* what comes late belongs to a message that was given up */
		n = take(o, fd, epfd, msg, sizeof(msg), NULL, NULL);
		if (n < 0)
			return false;
		memcpy(&back, msg, sizeof(back));
	} while (back != seq);
	return true;
}

static int measure(const struct options *o)
{
	int fd = socket(o->addr.sa.sa_family, o->tcp ? SOCK_STREAM : SOCK_DGRAM, 0), epfd;
	uint32_t *half = malloc((size_t)o->n * sizeof(*half));
	struct rusage ru0, ru1;
	uint64_t t0, t1, start = 0;
	size_t got = 0;
	long lost = 0;
	double cpu;

	if (!half)
		err(1, "malloc");
	if (fd < 0)
		err(1, "socket");
	if (o->own) {
		union addr own;
		socklen_t len = addr_set(&own, o->own, 0);

		if (bind(fd, &own.sa, len) < 0)
			err(1, "bind %s", o->own);
	}
	if (connect(fd, &o->addr.sa, o->addr_len) < 0)
		err(1, "connect");
	epfd = prepare(o, fd);
	for (long i = -o->warm_up; i < o->n; i++) {
		if (o->pause_us) {
			struct timespec ts = { o->pause_us / 1000000, o->pause_us % 1000000 * 1000 };

			nanosleep(&ts, NULL);
		}
		if (i == 0) {
			start = now_ns();
			getrusage(RUSAGE_SELF, &ru0);
		}
		t0 = now_ns();
		if (!trip(o, fd, epfd, (uint64_t)(i + o->warm_up))) {
			if (++lost > 20)
				errx(1, "%ld messages lost", lost);
			continue;
		}
		t1 = now_ns();
		if (i >= 0)
			half[got++] = (uint32_t)((t1 - t0) / 2);
	}
	t1 = now_ns();
	getrusage(RUSAGE_SELF, &ru1);
	cpu = (double)(ru1.ru_utime.tv_sec - ru0.ru_utime.tv_sec + ru1.ru_stime.tv_sec - ru0.ru_stime.tv_sec) +
	      (double)(ru1.ru_utime.tv_usec - ru0.ru_utime.tv_usec + ru1.ru_stime.tv_usec -
		       ru0.ru_stime.tv_usec) / 1e6;
	printf("pingpong proto=%s ip=%d mode=%s size=%zu unit=half_rtt_ns lost=%ld", o->tcp ? "tcp" : "udp",
	       o->addr.sa.sa_family == AF_INET6 ? 6 : 4, mode_names[o->mode], o->size, lost);
	print_percentiles(half, got);
	printf(" cpu=%.3f\n", cpu * 1e9 / (double)(t1 - start));
	free(half);
	return 0;
}

static void usage(void)
{
	fprintf(stderr, "usage: pingpong server|client ADDRESS PORT [-t] [-m block|spin|poll|epoll|select] [-s bytes] "
			"[-n trips] [-w trips] [-i microseconds] [-c core] [-b address]\n");
	exit(2);
}

int main(int argc, char **argv)
{
	struct options o = { .size = 32, .n = 100000, .warm_up = 5000, .core = -1 };
	size_t m;
	int c;

	if (argc < 4)
		usage();
	o.addr_len = addr_set(&o.addr, argv[2], atoi(argv[3]));
	optind = 4;
	while ((c = getopt(argc, argv, "tm:s:n:w:i:c:b:")) != -1) {
		switch (c) {
		case 't': o.tcp = true; break;
		case 's': o.size = strtoul(optarg, NULL, 0); break;
		case 'n': o.n = atol(optarg); break;
		case 'w': o.warm_up = atol(optarg); break;
		case 'i': o.pause_us = atol(optarg); break;
		case 'c': o.core = atoi(optarg); break;
		case 'b': o.own = optarg; break;
		case 'm':
			for (m = 0; m < 5 && strcmp(optarg, mode_names[m]); m++)
				;
			if (m == 5)
				usage();
			o.mode = (enum mode)m;
			break;
		default:
			usage();
		}
	}
	if (o.size < 8 || o.size > MAX_SIZE || o.n < 1 || o.warm_up < 0)
		usage();
	pin(o.core);
	o.timeout_ms = strcmp(argv[1], "client") ? -1 : TIMEOUT_MS;
	if (o.timeout_ms > 0)
		return measure(&o);
	if (strcmp(argv[1], "server"))
		usage();
	if (o.tcp)
		serve_tcp(&o);
	else
		serve_udp(&o);
	return 0;
}
