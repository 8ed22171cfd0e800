// SPDX-License-Identifier: BSD-2-Clause
/* Much data both ways at once, with odd sizes: every byte arrives, in order. */
#include "posix.h"

enum { TOTAL = 8000000 };

static unsigned char byte_at(size_t i, int salt)
{
	return (unsigned char)((i * 2654435761u >> 13) + (unsigned)salt);
}

static void both_ways(int fd, int salt_out, int salt_in)
{
	static unsigned char in[40000], o[40000];
	size_t sent = 0, got = 0, sizes[] = { 1, 7, 1447, 1448, 1449, 9000, 40000 };
	int turn = 0;

	nonblock(fd, true);
	while (sent < TOTAL || got < TOTAL) {
		struct pollfd p = { .fd = fd, .events = (short)((sent < TOTAL ? POLLOUT : 0) | (got < TOTAL ? POLLIN : 0)) };
		size_t n = sizes[turn++ % 7];
		ssize_t rc;

		if (poll(&p, 1, 10000) != 1)
			die("poll");
		if (p.revents & POLLOUT && sent < TOTAL) {
			if (n > TOTAL - sent)
				n = TOTAL - sent;
			for (size_t i = 0; i < n; i++)
				o[i] = byte_at(sent + i, salt_out);
			rc = send(fd, o, n, 0);
			if (rc < 0 && errno != EAGAIN)
				die("send");
			sent += rc > 0 ? (size_t)rc : 0;
		}
		if (p.revents & POLLIN) {
			rc = recv(fd, in, sizes[(turn + 3) % 7], 0);
			if (rc == 0 || (rc < 0 && errno != EAGAIN))
				die("recv");
			for (ssize_t i = 0; i < rc; i++)
				if (in[i] != byte_at(got + (size_t)i, salt_in))
					die("data differs");
			got += rc > 0 ? (size_t)rc : 0;
		}
	}
	out("sent %zu, got %zu", sent, got);
	shutdown(fd, SHUT_WR);
	nonblock(fd, false);
	out("end %s", res(recv(fd, in, 1, 0)));
	close(fd);
}

void test(void)
{
	both_ways(tcp_pair_test(0), 1, 2);
}

void peer(void)
{
	both_ways(tcp_pair_peer(0), 2, 1);
}
