// SPDX-License-Identifier: BSD-2-Clause
/*
 * dead_stack_test.c - a process is killed inside the stack, with its lock held
 *
 * Who shared the stack gets errors at once, and no call of his hangs; the next
 * program has a new stack and the queues of the interface, while those processes
 * still live.
 */
#include <poll.h>

#include "sock_rig.h"

static struct ut bound_udp(uint16_t port)
{
	struct sockaddr_storage a;
	struct ut u = ut_socket(AF_INET, SOCK_DGRAM);
	socklen_t len = mkaddr(&a, IP_A, port);

	assert_int_equal(sock_bind(u.s, u.fd, (struct sockaddr *)&a, len), 0);
	return u;
}

static void say(int fd, int value)
{
	assert_int_equal(write(fd, &value, sizeof(value)), sizeof(value));
}

static int hear(int fd, int limit_ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	int value = 0;

	if (poll(&p, 1, limit_ms) != 1)
		fail_msg("no answer within %d ms", limit_ms);
	assert_int_equal(read(fd, &value, sizeof(value)), sizeof(value));
	return value;
}

/* A process of its own, not a child of anybody who has a stack. */
static pid_t start(void (*fn)(int fd), int *fd)
{
	int p[2];
	pid_t pid;

	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	pid = fork();
	if (pid == 0) {
		fn(p[1]);
		_exit(0);
	}
	close(p[1]);
	*fd = p[0];
	return pid;
}

/* Blocks in a receive without limit; says what came of it; a send fails as well. */
static void sharer(int fd)
{
	struct ut u = bound_udp(5100);
	struct timeval never = { 0, 0 };
	struct sockaddr_storage b;
	socklen_t len = mkaddr(&b, IP_B, 5101);
	struct iovec iov = { (char[]){ "x" }, 1 };
	struct msghdr m = { .msg_name = &b, .msg_namelen = len, .msg_iov = &iov, .msg_iovlen = 1 };
	char buf[16];

	sock_setsockopt(u.s, u.fd, SOL_SOCKET, SO_RCVTIMEO, &never, sizeof(never));
	say(fd, u.s->mode == SOCK_ACCEL);
	say(fd, (int)sock_recv(u.s, u.fd, buf, sizeof(buf), 0));
	say(fd, (int)sock_sendmsg(u.s, u.fd, &m, 0));
	ut_close(u);
	say(fd, 1);
	pause();
}

static void victim(int fd)
{
	struct ut u = bound_udp(5102);

	say(fd, u.s->mode == SOCK_ACCEL);
	ms(200);		/* the sharer sleeps */
	stack_lock(u.s->st);
	say(fd, 1);
	pause();
}

static void successor(int fd)
{
	struct ut u = bound_udp(5103);
	struct sockaddr_storage b;
	socklen_t len = mkaddr(&b, IP_B, 5101);

	say(fd, u.s->mode == SOCK_ACCEL);
	say(fd, sock_connect(u.s, u.fd, (struct sockaddr *)&b, len));
	say(fd, (int)sock_send(u.s, u.fd, "hello", 5, 0));
	ut_close(u);
}

static void end(pid_t pid, int fd)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	close(fd);
}

/* @soon: the next program comes before anybody can have noticed. */
static void killed_inside(bool soon)
{
	int peer = peer_bound(SOCK_DGRAM, IP_B, 5101), s_fd, v_fd, n_fd;
	pid_t s = start(sharer, &s_fd), v, n;
	char buf[16];

	assert_int_equal(hear(s_fd, 3000), 1);
	v = start(victim, &v_fd);
	assert_int_equal(hear(v_fd, 3000), 1);
	assert_int_equal(hear(v_fd, 3000), 1);
	kill(v, SIGKILL);	/* and left a zombie: its thread can still be signalled */

	if (!soon) {
		assert_true(hear(s_fd, 3000) < 0);
		assert_true(hear(s_fd, 3000) < 0);
		assert_int_equal(hear(s_fd, 3000), 1);
	}
	n = start(successor, &n_fd);
	assert_int_equal(hear(n_fd, 5000), 1);
	assert_int_equal(hear(n_fd, 3000), 0);
	assert_int_equal(hear(n_fd, 3000), 5);
	assert_int_equal(recv(peer, buf, sizeof(buf), 0), 5);
	if (soon) {
		assert_true(hear(s_fd, 3000) < 0);
		assert_true(hear(s_fd, 3000) < 0);
		assert_int_equal(hear(s_fd, 3000), 1);
	}
	end(s, s_fd);
	end(v, v_fd);
	end(n, n_fd);
	close(peer);
}

static void sharers_get_errors_and_the_next_is_accelerated(void **state)
{
	killed_inside(false);
}

static void the_next_may_come_at_once(void **state)
{
	killed_inside(true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sharers_get_errors_and_the_next_is_accelerated),
		cmocka_unit_test(the_next_may_come_at_once),
	};

	setvbuf(stdout, NULL, _IONBF, 0);
	return cmocka_run_group_tests_name("dead_stack", tests, rig_up, NULL);
}
