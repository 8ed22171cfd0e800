// SPDX-License-Identifier: BSD-2-Clause
/* fork: parent and child share sockets; the last close counts; accept in children; vfork. */
#include "posix.h"

static void both_send(void)
{
	int fd = tcp_pair_test(0), st;
	char buf[8] = "";
	pid_t pid = fork();

	if (pid == 0) {
		accel(fd);
		send_all(fd, "child", 5);
		recv_all(fd, buf, 4);
		_exit(strncmp(buf, "ping", 4) ? 1 : 0);
	}
	waitpid(pid, &st, 0);
	out("child %d", st);
	send_all(fd, "parent", 6);
	recv_all(fd, buf, 4);
	out("parent got %.4s", buf);

	pid = fork();
	if (pid == 0) {
		hear();
		recv_all(fd, buf, 3);
		out("child alone got %.3s", buf);
		send_all(fd, "bye", 3);
		_exit(0);
	}
	close(fd);
	say();
	waitpid(pid, &st, 0);
	out("child %d", st);
}

static void servers(void)
{
	int l = tcp_listen(test_addr(1)), st, sum = 0;
	pid_t pid[2];

	accel(l);
	for (int i = 0; i < 2; i++) {
		pid[i] = fork();
		if (pid[i] == 0) {
			int fd = tcp_accept(l);
			char c;

			recv_all(fd, &c, 1);
			send_all(fd, &c, 1);
			close(fd);
			_exit(1);
		}
	}
	close(l);
	say();
	for (int i = 0; i < 2; i++) {
		waitpid(pid[i], &st, 0);
		sum += WEXITSTATUS(st);
	}
	out("children served %d", sum);
	hear();
}

static void in_child(void)
{
	int st;
	pid_t pid = fork();

	if (pid == 0) {
		int fd;

		hear();
		fd = tcp_connect(peer_addr(2));
		accel(fd);
		send_all(fd, "new", 3);
		/* exits without close: the peer sees the end */
		_exit(0);
	}
	waitpid(pid, &st, 0);
	out("connected in child %d", st);
}

static void vforked(void)
{
	int fd = tcp_pair_test(3), st;
	pid_t pid;

	pid = vfork();
	if (pid == 0) {
		close(fd);
		dup2(2, 100);
		execl("/bin/true", "true", (char *)NULL);
		_exit(1);
	}
	waitpid(pid, &st, 0);
	out("vfork child %d", st);
	accel(fd);
	send_all(fd, "alive", 5);
	out("system %d", system("exit 3") >> 8);
	send_all(fd, "still", 5);
	close(fd);
}

static void udp(void)
{
	int fd = udp_bound(test_addr(4)), st;
	struct addr to = peer_addr(4);
	char buf[8];
	pid_t pid;

	accel(fd);
	pid = fork();
	if (pid == 0) {
		out("child sends %s", res(sendto(fd, "c", 1, 0, SA(to))));
		out("child gets %s", res(recv(fd, buf, 8, 0)));
		_exit(0);
	}
	waitpid(pid, &st, 0);
	out("parent sends %s", res(sendto(fd, "p", 1, 0, SA(to))));
	out("parent gets %s", res(recv(fd, buf, 8, 0)));
	close(fd);
}

void test(void)
{
	both_send();
	servers();
	in_child();
	vforked();
	hear();
	udp();
}

void peer(void)
{
	struct addr from = { .len = sizeof(from.ss) };
	char buf[16] = "";
	int fd = tcp_pair_peer(0), u;

	recv_all(fd, buf, 5);
	out("%.5s", buf);
	send_all(fd, "ping", 4);
	recv_all(fd, buf, 6);
	out("%.6s", buf);
	send_all(fd, "pong", 4);
	hear();
	say();
	nap_ms(50);
	send_all(fd, "orp", 3);
	recv_all(fd, buf, 3);
	out("%.3s, end %s", buf, res(recv(fd, buf, 1, 0)));
	close(fd);

	hear();
	for (int i = 0; i < 2; i++) {
		fd = tcp_connect(test_addr(1));
		send_all(fd, "s", 1);
		out("served %s", res(recv(fd, buf, 8, MSG_WAITALL)));
		close(fd);
	}
	nap_ms(50);
	fd = socket(family, SOCK_STREAM, 0);
	struct addr a = test_addr(1);
	out("closed everywhere %s", res(connect(fd, SA(a))));
	close(fd);
	say();

	fd = tcp_pair_peer(2);
	out("from child %s", res(recv(fd, buf, 16, MSG_WAITALL)));
	close(fd);

	fd = tcp_pair_peer(3);
	out("after vfork %s", res(recv(fd, buf, 16, MSG_WAITALL)));
	close(fd);

	u = udp_bound(peer_addr(4));
	say();
	for (int i = 0; i < 2; i++) {
		recvfrom(u, buf, 8, 0, (void *)&from.ss, &from.len);
		out("datagram %c from %s", buf[0], addr_name(&from.ss, from.len));
		sendto(u, "r", 1, 0, SA(from));
	}
}
