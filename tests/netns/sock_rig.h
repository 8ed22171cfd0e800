/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sock_rig.h - the stage of the tests of sock/: a stack against the kernel
 *
 *      namespace A (host under test)              namespace B (peer)
 *      pt-sock-a 10.77.0.1 fd77::1  ------------  pt-sock-b 10.77.0.2 fd77::2
 *      posternd, sock_*() in this process         the kernel's sockets
 *
 * The namespaces have no name and go with the process; so does the daemon, which
 * leaves when its last user has gone.
 */
#ifndef POSTERN_TESTS_SOCK_RIG_H
#define POSTERN_TESTS_SOCK_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sock/sock_priv.h"

#define IP_A "10.77.0.1"
#define IP_B "10.77.0.2"
#define IP6_A "fd77::1"
#define IP6_B "fd77::2"

static struct {
	int ns_a, ns_b;
} t;

static inline void sh(const char *cmd)
{
	if (system(cmd) != 0)
		fail_msg("%s", cmd);
}

static inline void ms(int n)
{
	nanosleep(&(struct timespec){ n / 1000, n % 1000 * 1000000l }, NULL);
}

static inline int rig_up(void **state)
{
	char cmd[512], path[512];
	const char *build = getenv("POSTERN_BUILD");

	if (geteuid() != 0) {
		puts("needs root");
		exit(77);
	}
	snprintf(path, sizeof(path), "%s/src/ctld/posternd", build ? build : ".");
	setenv("POSTERN_POSTERND", path, 1);
	if (unshare(CLONE_NEWNET) < 0)
		exit(77);
	t.ns_b = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	sh("ip link set lo up");
	assert_int_equal(unshare(CLONE_NEWNET), 0);
	t.ns_a = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	snprintf(cmd, sizeof(cmd), "ip link add pt-sock-a type veth peer name pt-sock-b netns /proc/%d/fd/%d",
		 getpid(), t.ns_b);
	sh(cmd);
	sh("ip link set lo up; sysctl -qw net.ipv6.conf.pt-sock-a.accept_dad=0;"
	   "ip addr add " IP_A "/24 dev pt-sock-a; ip addr add " IP6_A "/64 dev pt-sock-a nodad;"
	   "ip link set pt-sock-a up");
	assert_int_equal(setns(t.ns_b, CLONE_NEWNET), 0);
	sh("ip addr add " IP_B "/24 dev pt-sock-b; ip addr add " IP6_B "/64 dev pt-sock-b nodad;"
	   "ip link set pt-sock-b up");
	assert_int_equal(setns(t.ns_a, CLONE_NEWNET), 0);
	ms(300);
	sock_proc_init();
	return 0;
}

static inline socklen_t mkaddr(struct sockaddr_storage *ss, const char *ip, uint16_t port)
{
	struct sockaddr_in6 *s6 = (void *)ss;
	struct sockaddr_in *s4 = (void *)ss;

	memset(ss, 0, sizeof(*ss));
	if (strchr(ip, ':')) {
		s6->sin6_family = AF_INET6;
		s6->sin6_port = htons(port);
		inet_pton(AF_INET6, ip, &s6->sin6_addr);
		return sizeof(*s6);
	}
	s4->sin_family = AF_INET;
	s4->sin_port = htons(port);
	inet_pton(AF_INET, ip, &s4->sin_addr);
	return sizeof(*s4);
}

/* A kernel socket of the peer's namespace, with a time-out. */
static inline int peer_socket(int family, int type)
{
	struct timeval tv = { 3, 0 };
	int fd;

	assert_int_equal(setns(t.ns_b, CLONE_NEWNET), 0);
	fd = socket(family, type | SOCK_CLOEXEC, 0);
	assert_int_equal(setns(t.ns_a, CLONE_NEWNET), 0);
	assert_true(fd >= 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
	return fd;
}

static inline int peer_bound(int type, const char *ip, uint16_t port)
{
	struct sockaddr_storage ss;
	socklen_t len = mkaddr(&ss, ip, port);
	int fd = peer_socket(ss.ss_family, type), one = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	assert_int_equal(bind(fd, (struct sockaddr *)&ss, len), 0);
	if (type == SOCK_STREAM)
		assert_int_equal(listen(fd, 128), 0);
	return fd;
}

/* A socket under test. */
struct ut {
	int fd;
	struct sock *s;
};

static inline struct ut ut_socket(int family, int type)
{
	enum sock_reason why;
	struct timeval tv = { 3, 0 };
	struct ut u;

	u.fd = socket(family, type | SOCK_CLOEXEC, 0);
	assert_true(u.fd >= 0);
	u.s = sock_new(u.fd, family, type, 0, &why);
	assert_non_null(u.s);
	assert_int_equal(sock_setsockopt(u.s, u.fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)), 0);
	return u;
}

static inline void ut_close(struct ut u)
{
	sock_put(u.s, u.fd);
	close(u.fd);
}

static inline void assert_accel(struct ut u)
{
	if (u.s->mode != SOCK_ACCEL)
		fail_msg("not accelerated: %s", sock_reason_name(u.s->reason));
}

#endif
