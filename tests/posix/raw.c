// SPDX-License-Identifier: BSD-2-Clause
/* System calls by number go the same way; late dlopen finds nothing changed. */
#include "posix.h"

#include <sys/syscall.h>

void test(void)
{
	struct addr a = peer_addr(0);
	struct epoll_event ev = { .events = EPOLLIN, .data.u32 = 7 }, got;
	struct iovec v = { "iov", 3 };
	struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1 };
	char buf[8] = "";
	long fd, ep, other;

	hear();
	fd = syscall(SYS_socket, family, SOCK_STREAM, 0);
	out("connect %s", res(syscall(SYS_connect, fd, SA(a))));
	accel((int)fd);
	out("write %s", res(syscall(SYS_write, fd, "w", 1)));
	out("sendto %s", res(syscall(SYS_sendto, fd, "s", 1, 0, NULL, 0)));
	out("sendmsg %s", res(syscall(SYS_sendmsg, fd, &m, 0)));
	out("writev %s", res(syscall(SYS_writev, fd, &v, 1)));
	ep = syscall(SYS_epoll_create1, 0);
	out("epoll_ctl %s", res(syscall(SYS_epoll_ctl, ep, EPOLL_CTL_ADD, fd, &ev)));
	out("epoll_pwait %s", res(syscall(SYS_epoll_pwait, ep, &got, 1, 5000, NULL, 8)));
	out("read %s", res(syscall(SYS_read, fd, buf, 2)));
	out("recvfrom %s", res(syscall(SYS_recvfrom, fd, buf + 2, 2, 0, NULL, NULL)));
	out("  %s", buf);
	other = syscall(SYS_dup, fd);
	out("close %s", res(syscall(SYS_close, fd)));
	out("other %s", res(syscall(SYS_write, other, "d", 1)));
	out("ioctl %s", res(syscall(SYS_ioctl, other, FIONBIO, &(int){ 1 })));
	out("recv %s", res(syscall(SYS_recvfrom, other, buf, 1, 0, NULL, NULL)));
	out("getpid %s", syscall(SYS_getpid) == getpid() ? "same" : "other");
	out("bad number %s", res(syscall(99999)));
	say();
	close((int)other);
}

void peer(void)
{
	int l = tcp_listen(peer_addr(0)), fd;
	char buf[16] = "";

	say();
	fd = tcp_accept(l);
	recv_all(fd, buf, 8);
	send_all(fd, "back", 4);
	recv_all(fd, buf + 8, 1);
	out("%s", buf);
	hear();
	out("end %s", res(recv(fd, buf, 1, 0)));
}
