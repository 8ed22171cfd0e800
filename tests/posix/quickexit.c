// SPDX-License-Identifier: BSD-2-Clause
/* A program that connects, sends and is gone at once, without close(): the peer sees data and end. */
#include "posix.h"

void test(void)
{
	int fd = tcp_pair_test(0);

	send_all(fd, "brief", 5);
	_exit(0);
}

void peer(void)
{
	char buf[8] = "";
	int fd = tcp_pair_peer(0);

	recv_all(fd, buf, 5);
	out("%s, end %s", buf, res(recv(fd, buf, 1, 0)));
}
