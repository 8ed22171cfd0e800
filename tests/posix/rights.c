// SPDX-License-Identifier: BSD-2-Clause
/* SCM_RIGHTS: sockets travel to another process, which works with them after we closed. */
#include "posix.h"

static void send_fds(int u, const int *fds, int n)
{
	union { struct cmsghdr h; char space[CMSG_SPACE(4 * sizeof(int))]; } c = { 0 };
	struct iovec v = { "f", 1 };
	struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1, .msg_control = &c,
			    .msg_controllen = CMSG_SPACE((size_t)n * sizeof(int)) };

	c.h.cmsg_level = SOL_SOCKET;
	c.h.cmsg_type = SCM_RIGHTS;
	c.h.cmsg_len = CMSG_LEN((size_t)n * sizeof(int));
	memcpy(CMSG_DATA(&c.h), fds, (size_t)n * sizeof(int));
	if (sendmsg(u, &m, 0) != 1)
		die("sendmsg");
}

static void recv_fds(int u, int *fds, int n)
{
	union { struct cmsghdr h; char space[CMSG_SPACE(4 * sizeof(int))]; } c = { 0 };
	struct iovec v = { &(char){ 0 }, 1 };
	struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1, .msg_control = &c, .msg_controllen = sizeof(c) };

	if (recvmsg(u, &m, 0) != 1 || m.msg_controllen < CMSG_LEN((size_t)n * sizeof(int)))
		die("recvmsg");
	memcpy(fds, CMSG_DATA(&c.h), (size_t)n * sizeof(int));
}

static void receiver(int u)
{
	char buf[8] = "";
	int fds[2], conn;

	recv_fds(u, fds, 2);
	accel(fds[0]);
	out("send %s", res(send(fds[0], "passed", 6, 0)));
	recv_all(fds[0], buf, 2);
	out("got %.2s", buf);
	say();
	conn = tcp_accept(fds[1]);
	accel(conn);
	out("accepted %s", res(send(conn, "hi", 2, 0)));
	close(conn);
	close(fds[0]);
	close(fds[1]);
}

void test(void)
{
	int sv[2], fds[2], st;
	pid_t pid;

	/* the child exists before the sockets: nothing is inherited */
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, sv) < 0)
		die("socketpair");
	pid = fork();
	if (pid == 0) {
		close(sv[0]);
		receiver(sv[1]);
		_exit(0);
	}
	close(sv[1]);
	fds[0] = tcp_pair_test(0);
	fds[1] = tcp_listen(test_addr(1));
	accel(fds[1]);
	send_fds(sv[0], fds, 2);
	close(fds[0]);
	close(fds[1]);
	waitpid(pid, &st, 0);
	out("status %d", st);

	/* to ourselves: the new number is the same socket */
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, sv) < 0)
		die("socketpair");
	fds[0] = tcp_pair_test(2);
	send_fds(sv[0], fds, 1);
	close(fds[0]);
	recv_fds(sv[1], fds, 1);
	accel(fds[0]);
	out("send %s", res(send(fds[0], "self", 4, 0)));
	close(fds[0]);
}

void peer(void)
{
	char buf[8] = "";
	int fd = tcp_pair_peer(0), c;

	recv_all(fd, buf, 6);
	out("%.6s", buf);
	send_all(fd, "ok", 2);
	hear();
	c = tcp_connect(test_addr(1));
	out("accepted by the receiver %s", res(recv(c, buf, 8, MSG_WAITALL)));
	close(c);
	out("end %s", res(recv(fd, buf, 1, 0)));
	close(fd);
	fd = tcp_pair_peer(2);
	out("self %s", res(recv(fd, buf, 8, MSG_WAITALL)));
}
