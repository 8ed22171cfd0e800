// SPDX-License-Identifier: BSD-2-Clause
/* Stream receive flags: PEEK, WAITALL, TRUNC, DONTWAIT; vectors; zero lengths; low-water mark. */
#include "posix.h"

static volatile int bad_count = -1;

void test(void)
{
	int fd = tcp_pair_test(0), v = 4;
	char a[16] = "", b[16] = "";
	struct addr to = peer_addr(1);
	struct iovec iov[3] = { { a, 3 }, { NULL, 0 }, { b, 16 } };
	struct msghdr m = { .msg_iov = iov, .msg_iovlen = 3 };

	out("nothing: %s", res(recv(fd, a, 1, MSG_DONTWAIT)));
	out("read 0: %s", res(read(fd, a, 0)));
	out("recv 0: %s", res(recv(fd, a, 0, MSG_DONTWAIT)));
	out("write 0: %s", res(write(fd, a, 0)));
	say();
	await(fd, POLLIN);
	out("peek %s", res(recv(fd, a, 4, MSG_PEEK)));
	out("  %.4s", a);
	out("peek again %s", res(recv(fd, a, 16, MSG_PEEK | MSG_DONTWAIT)));
	out("recv 2 %s", res(recv(fd, a, 2, 0)));
	out("  %.2s", a);
	out("readv %s", res(readv(fd, iov, 3)));
	out("  %.3s %.5s", a, b);
	say();
	out("waitall %s", res(recv(fd, a, 12, MSG_WAITALL)));
	out("  %.12s", a);
	say();
	await(fd, POLLIN);
	out("trunc %s", res(recv(fd, NULL, 6, MSG_TRUNC)));
	memset(b, 0, sizeof(b));
	out("recvmsg %s", res(recvmsg(fd, &m, MSG_DONTWAIT)));
	out("  %.3s %.5s flags %x name %d", a, b, m.msg_flags, (int)m.msg_namelen);
	out("waitall, nothing: %s", res(recv(fd, a, 5, MSG_WAITALL | MSG_DONTWAIT)));
	out("lowat %s", res(setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &v, sizeof(v))));
	say();
	out("recv with low-water mark %s", res(recv(fd, a, 16, 0)));
	out("iov count %s", res(readv(fd, iov, bad_count)));
	out("iov count %s", res(writev(fd, iov, bad_count)));
	iov[0] = (struct iovec){ "ab", 2 };
	iov[1] = (struct iovec){ "", 0 };
	iov[2] = (struct iovec){ "cde", 3 };
	out("writev %s", res(writev(fd, iov, 3)));
	out("sendmsg %s", res(sendmsg(fd, &(struct msghdr){ .msg_iov = iov, .msg_iovlen = 3 }, 0)));
	out("more %s", res(send(fd, "m1", 2, MSG_MORE)));
	out("last %s", res(send(fd, "m2", 2, 0)));
	out("sendto with address %s", res(sendto(fd, "x", 1, 0, SA(to))));
	say();
	out("waitall, end: %s", res(recv(fd, a, 16, MSG_WAITALL)));
	out("end: %s", res(recv(fd, a, 16, 0)));
	out("end again: %s", res(recv(fd, a, 16, MSG_PEEK)));
	close(fd);
}

void peer(void)
{
	int fd = tcp_pair_peer(0);
	char buf[16] = "";

	hear();
	send_all(fd, "0123456789", 10);
	hear();
	send_all(fd, "wait", 4);
	nap_ms(50);
	send_all(fd, "for", 3);
	nap_ms(50);
	send_all(fd, "all12", 5);
	hear();
	send_all(fd, "droppedkept", 14 - 3);
	hear();
	send_all(fd, "l", 1);
	nap_ms(100);
	send_all(fd, "owat", 4);
	recv_all(fd, buf, 15);
	out("%.15s", buf);
	hear();
	send_all(fd, "fin", 3);
	nap_ms(50);
	close(fd);
}
