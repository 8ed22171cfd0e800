// SPDX-License-Identifier: BSD-2-Clause
/* dup, dup2, dup3, F_DUPFD: one socket with several numbers; close_range. */
#include "posix.h"

#include <sys/stat.h>

void test(void)
{
	int fd = tcp_pair_test(0), other = tcp_pair_test(1), a, b, c;
	char buf[8] = "";

	a = dup(fd);
	b = fcntl(fd, F_DUPFD, 50);
	c = fcntl(fd, F_DUPFD_CLOEXEC, 60);
	out("numbers %d %d, cloexec %d %d", b, c, fcntl(b, F_GETFD), fcntl(c, F_GETFD));
	accel(a);
	accel(b);
	accel(c);
	out("close first %s", res(close(fd)));
	out("first is closed %s", res(send(fd, "x", 1, 0)));
	send_all(a, "a", 1);
	send_all(b, "b", 1);
	nonblock(a, true);
	out("non-blocking is shared %d", !!(fcntl(b, F_GETFL) & O_NONBLOCK));
	out("recv %s", res(recv(c, buf, 1, 0)));
	out("FIONBIO %s", res(ioctl(c, FIONBIO, &(int){ 0 })));
	out("blocking again %d", !!(fcntl(a, F_GETFL) & O_NONBLOCK));
	say();
	out("recv %s %s", res(recv(c, buf, 4, MSG_WAITALL)), buf);

	out("dup2 itself %s", res(dup2(a, a) == a ? 0 : -1));
	out("dup2 closed %s", res(dup2(900, 50)));
	out("dup3 itself %s", res(dup3(a, a, 0)));
	/* dup2 over another connection closes that one */
	out("dup2 over %s", res(dup2(a, other) == other ? 0 : -1));
	accel(other);
	hear();
	send_all(other, "c", 1);
	/* a file in place of the socket, and a socket in place of a file */
	fd = open("/dev/zero", O_RDONLY);
	out("file over socket %s", res(dup2(fd, other) == other ? 0 : -1));
	buf[0] = 'x';
	out("reads the file %s %d", res(read(other, buf, 1)), buf[0]);
	out("socket over file %s", res(dup2(a, fd) == fd ? 0 : -1));
	accel(fd);
	send_all(fd, "d", 1);
	out("close_range %s", res(close_range(50, 60, 0)));
	out("closed %s", res(send(b, "x", 1, 0)));
	out("closed %s", res(fcntl(c, F_GETFD)));
	send_all(a, "e", 1);
	close(a);
	say();
	close(fd);
	/* numbers are given out from the lowest, as always */
	a = open("/dev/null", O_RDONLY);
	fd = socket(family, SOCK_STREAM, 0);
	out("lowest free number %s", a < fd ? "yes" : "no");
	out("unknown %s", res(dup(900)));
}

void peer(void)
{
	int fd = tcp_pair_peer(0), other = tcp_pair_peer(1);
	char buf[16] = "";

	recv_all(fd, buf, 2);
	hear();
	send_all(fd, "four", 4);
	out("over: %s", res(recv(other, buf + 8, 1, 0)));
	say();
	recv_all(fd, buf + 2, 3);
	out("got %s", buf);
	hear();
	out("end %s", res(recv(fd, buf, 1, 0)));
}
