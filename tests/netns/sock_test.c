// SPDX-License-Identifier: BSD-2-Clause
/*
 * sock/ over a real stack behaves as the kernel's sockets do: names, data,
 * errors, options and the end of connections, against a kernel peer.
 */
#include "sock_rig.h"

/* ---- UDP -------------------------------------------------------------------------- */

static void udp_bound_socket_echoes(void **state)
{
	struct sockaddr_storage a, from;
	struct ut u = ut_socket(AF_INET, SOCK_DGRAM);
	int peer = peer_bound(SOCK_DGRAM, IP_B, 5001);
	struct iovec iov;
	char buf[2048];
	struct msghdr m = { .msg_name = &from, .msg_namelen = sizeof(from), .msg_iov = &iov, .msg_iovlen = 1 };
	socklen_t len = mkaddr(&a, IP_A, 5000);

	assert_int_equal(sock_bind(u.s, u.fd, (struct sockaddr *)&a, len), 0);
	assert_accel(u);
	for (int i = 0; i < 100; i++) {
		int n = snprintf(buf, sizeof(buf), "hello %d", i);

		assert_int_equal(sendto(peer, buf, n, 0, (struct sockaddr *)&a, len), n);
		iov = (struct iovec){ buf, sizeof(buf) };
		m.msg_namelen = sizeof(from);
		assert_int_equal(sock_recvmsg(u.s, u.fd, &m, 0), n);
		assert_int_equal(m.msg_namelen, sizeof(struct sockaddr_in));
		assert_int_equal(ntohs(((struct sockaddr_in *)&from)->sin_port), 5001);
		iov.iov_len = n;
		assert_int_equal(sock_sendmsg(u.s, u.fd, &m, 0), n);
		memset(buf, 0, sizeof(buf));
		assert_int_equal(recv(peer, buf, sizeof(buf), 0), n);
		assert_int_equal(atoi(buf + 6), i);
	}
	/* All by the stack. */
	assert_int_equal(udp_ep(u.s->ep)->rx_dgrams, 100);
	assert_int_equal(u.s->shm->os_rx + u.s->shm->os_tx, 0);
	ut_close(u);
	close(peer);
}

static void udp_connected_socket_sends_and_receives(void **state)
{
	struct sockaddr_storage b, me;
	struct ut u = ut_socket(AF_INET, SOCK_DGRAM);
	int peer = peer_bound(SOCK_DGRAM, IP_B, 5002);
	socklen_t len = mkaddr(&b, IP_B, 5002), n = sizeof(me);
	char buf[64];

	assert_int_equal(sock_connect(u.s, u.fd, (struct sockaddr *)&b, len), 0);
	assert_accel(u);
	assert_int_equal(sock_send(u.s, u.fd, "abc", 3, 0), 3);
	assert_int_equal(recvfrom(peer, buf, sizeof(buf), 0, (struct sockaddr *)&me, &n), 3);
	assert_int_equal(sendto(peer, "defg", 4, 0, (struct sockaddr *)&me, n), 4);
	assert_int_equal(sock_recv(u.s, u.fd, buf, sizeof(buf), 0), 4);
	/* Truncation. */
	sendto(peer, "0123456789", 10, 0, (struct sockaddr *)&me, n);
	assert_int_equal(sock_recv(u.s, u.fd, buf, 4, MSG_PEEK | MSG_TRUNC), 10);
	assert_int_equal(sock_recv(u.s, u.fd, buf, 4, 0), 4);
	assert_int_equal(sock_recv(u.s, u.fd, buf, 4, MSG_DONTWAIT), -EAGAIN);
	assert_int_equal(u.s->shm->os_rx, 0);
	/* The peer's port closes: ICMP comes back as ECONNREFUSED. */
	close(peer);
	assert_int_equal(sock_send(u.s, u.fd, "x", 1, 0), 1);
	assert_int_equal(sock_recv(u.s, u.fd, buf, 4, 0), -ECONNREFUSED);
	ut_close(u);
}

static void udp_first_send_decides_and_binds(void **state)
{
	struct sockaddr_storage b, me;
	struct ut u = ut_socket(AF_INET, SOCK_DGRAM);
	int peer = peer_bound(SOCK_DGRAM, IP_B, 5003);
	struct iovec iov = { "abc", 3 };
	struct msghdr m = { .msg_name = &b, .msg_namelen = mkaddr(&b, IP_B, 5003), .msg_iov = &iov, .msg_iovlen = 1 };
	socklen_t n = sizeof(me);
	char buf[64];

	assert_int_equal(sock_sendmsg(u.s, u.fd, &m, 0), 3);
	assert_accel(u);
	assert_int_equal(recvfrom(peer, buf, sizeof(buf), 0, (struct sockaddr *)&me, &n), 3);
	sendto(peer, "de", 2, 0, (struct sockaddr *)&me, n);
	assert_int_equal(sock_recv(u.s, u.fd, buf, sizeof(buf), 0), 2);
	ut_close(u);
	close(peer);
}

/* A thread's own last poll may take its bit out for an event that is not its own. */
static void a_ring_by_oneself_is_not_slept_over(void **state)
{
	struct sockaddr_storage any;
	struct ut u = ut_socket(AF_INET, SOCK_DGRAM);
	struct stack *st;

	assert_int_equal(sock_bind(u.s, u.fd, (struct sockaddr *)&any, mkaddr(&any, "0.0.0.0", 5010)), 0);
	assert_accel(u);
	st = u.s->st;
	assert_true(stack_sleep_prepare(st, -1, 0) >= 0);
	assert_int_not_equal(stack_sleep_cap(st, clock_ns()), 0);
	stack_ring(st, stack_wait_bit(st));
	assert_int_equal(stack_sleep_cap(st, clock_ns()), 0);
	stack_sleep_done(st);
	assert_true(stack_sleep_prepare(st, -1, 0) >= 0);
	assert_int_not_equal(stack_sleep_cap(st, clock_ns()), 0);
	stack_sleep_done(st);
	ut_close(u);
}

static void udp_loopback_is_merged(void **state)
{
	struct sockaddr_storage any, lo;
	struct ut u = ut_socket(AF_INET, SOCK_DGRAM);
	int local = socket(AF_INET, SOCK_DGRAM, 0);
	socklen_t len = mkaddr(&any, "0.0.0.0", 5004);
	char buf[64];

	assert_int_equal(sock_bind(u.s, u.fd, (struct sockaddr *)&any, len), 0);
	assert_accel(u);
	mkaddr(&lo, "127.0.0.1", 5004);
	assert_int_equal(sendto(local, "loop", 4, 0, (struct sockaddr *)&lo, len), 4);
	assert_int_equal(sock_recv(u.s, u.fd, buf, sizeof(buf), 0), 4);
	assert_int_equal(u.s->shm->os_rx, 1);
	close(local);
	ut_close(u);
}

static void udp_fragments_go_by_the_kernel(void **state)
{
	static char big[4000];
	struct sockaddr_storage a, b;
	struct ut u = ut_socket(AF_INET, SOCK_DGRAM);
	int peer = peer_bound(SOCK_DGRAM, IP_B, 5006);
	socklen_t len = mkaddr(&a, IP_A, 5005);
	struct iovec iov = { big, sizeof(big) };
	struct msghdr m = { .msg_name = &b, .msg_namelen = mkaddr(&b, IP_B, 5006), .msg_iov = &iov, .msg_iovlen = 1 };

	assert_int_equal(sock_bind(u.s, u.fd, (struct sockaddr *)&a, len), 0);
	assert_accel(u);
	assert_int_equal(sendto(peer, big, sizeof(big), 0, (struct sockaddr *)&a, len), sizeof(big));
	assert_int_equal(sock_recv(u.s, u.fd, big, sizeof(big), 0), sizeof(big));
	assert_int_equal(u.s->shm->os_rx, 1);
	assert_int_equal(sock_sendmsg(u.s, u.fd, &m, 0), SOCK_PASS);
	assert_int_equal(sendmsg(u.fd, &m, 0), sizeof(big));
	assert_int_equal(recv(peer, big, sizeof(big), 0), sizeof(big));
	close(peer);
	ut_close(u);
}

static void udp_ancillary_data(void **state)
{
	struct sockaddr_storage a, b;
	struct ut u = ut_socket(AF_INET, SOCK_DGRAM);
	int peer = peer_bound(SOCK_DGRAM, IP_B, 5008), one = 1, seen = 0, ttl = 0;
	socklen_t len = mkaddr(&a, "0.0.0.0", 5007);
	char buf[64], ctl[256];
	struct iovec iov = { buf, sizeof(buf) };
	struct msghdr m = { .msg_name = &b, .msg_namelen = sizeof(b), .msg_iov = &iov, .msg_iovlen = 1,
			    .msg_control = ctl, .msg_controllen = sizeof(ctl) };

	assert_int_equal(sock_setsockopt(u.s, u.fd, SOL_SOCKET, SO_TIMESTAMPNS, &one, sizeof(one)), 0);
	assert_int_equal(sock_bind(u.s, u.fd, (struct sockaddr *)&a, len), 0);
	assert_accel(u);
	assert_int_equal(sock_setsockopt(u.s, u.fd, IPPROTO_IP, IP_PKTINFO, &one, sizeof(one)), 0);
	assert_int_equal(sock_setsockopt(u.s, u.fd, IPPROTO_IP, IP_RECVTTL, &one, sizeof(one)), 0);
	mkaddr(&a, IP_A, 5007);
	sendto(peer, "x", 1, 0, (struct sockaddr *)&a, len);
	assert_int_equal(sock_recvmsg(u.s, u.fd, &m, 0), 1);
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_TIMESTAMPNS)
			seen |= 1;
		if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
			struct in_pktinfo pi;

			memcpy(&pi, CMSG_DATA(c), sizeof(pi));
			assert_int_equal(pi.ipi_addr.s_addr, inet_addr(IP_A));
			assert_int_equal(pi.ipi_ifindex, if_nametoindex("pt-sock-a"));
			seen |= 2;
		}
		if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_TTL) {
			memcpy(&ttl, CMSG_DATA(c), sizeof(ttl));
			seen |= 4;
		}
	}
	assert_int_equal(seen, 7);
	assert_int_equal(ttl, 64);
	assert_int_equal(u.s->shm->os_rx, 0);
	/* IP_PKTINFO chooses the source of the answer. */
	struct { struct cmsghdr h; struct in_pktinfo pi; } c = {
		.h = { CMSG_LEN(sizeof(c.pi)), IPPROTO_IP, IP_PKTINFO },
		.pi = { .ipi_spec_dst.s_addr = inet_addr(IP_A) },
	};
	m.msg_control = &c;
	m.msg_controllen = sizeof(c);
	iov.iov_len = 1;
	assert_int_equal(sock_sendmsg(u.s, u.fd, &m, 0), 1);
	len = sizeof(a);
	assert_int_equal(recvfrom(peer, buf, sizeof(buf), 0, (struct sockaddr *)&a, &len), 1);
	assert_int_equal(((struct sockaddr_in *)&a)->sin_addr.s_addr, inet_addr(IP_A));
	close(peer);
	ut_close(u);
}

static void udp_multicast_is_received(void **state)
{
	struct ip_mreqn mr = { .imr_multiaddr.s_addr = inet_addr("239.1.2.3"), .imr_ifindex = (int)if_nametoindex("pt-sock-a") };
	struct ip_mreqn out = { .imr_ifindex = 0 };
	struct sockaddr_storage a, g;
	struct ut u = ut_socket(AF_INET, SOCK_DGRAM);
	int peer = peer_bound(SOCK_DGRAM, IP_B, 5010);
	socklen_t len = mkaddr(&a, "0.0.0.0", 5009);
	char buf[64];

	out.imr_address.s_addr = inet_addr(IP_B);
	assert_int_equal(setsockopt(peer, IPPROTO_IP, IP_MULTICAST_IF, &out, sizeof(out)), 0);
	assert_int_equal(sock_bind(u.s, u.fd, (struct sockaddr *)&a, len), 0);
	assert_accel(u);
	assert_int_equal(sock_setsockopt(u.s, u.fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &mr, sizeof(mr)), 0);
	mkaddr(&g, "239.1.2.3", 5009);
	assert_int_equal(sendto(peer, "mc", 2, 0, (struct sockaddr *)&g, len), 2);
	assert_int_equal(sock_recv(u.s, u.fd, buf, sizeof(buf), 0), 2);
	assert_int_equal(u.s->shm->os_rx, 0);
	assert_int_equal(sock_setsockopt(u.s, u.fd, IPPROTO_IP, IP_DROP_MEMBERSHIP, &mr, sizeof(mr)), 0);
	close(peer);
	ut_close(u);
}

/* Sent by the stack while nobody here listens, by the kernel once somebody does. */
static void udp_multicast_loops_to_local_members(void **state)
{
	struct ip_mreqn mr = { .imr_multiaddr.s_addr = inet_addr("239.1.2.4"), .imr_ifindex = (int)if_nametoindex("pt-sock-a") };
	struct ip_mreqn out = { .imr_ifindex = mr.imr_ifindex };
	struct sockaddr_storage a, g;
	struct ut u = ut_socket(AF_INET, SOCK_DGRAM);
	int peer = peer_bound(SOCK_DGRAM, "0.0.0.0", 5014), local = socket(AF_INET, SOCK_DGRAM, 0);
	socklen_t len = mkaddr(&a, "0.0.0.0", 5014);
	struct iovec iov = { "mc", 2 };
	struct msghdr m = { .msg_name = &g, .msg_namelen = len, .msg_iov = &iov, .msg_iovlen = 1 };
	struct ip_mreqn pm = mr;
	char buf[64];

	mkaddr(&g, "239.1.2.4", 5014);
	assert_int_equal(setns(t.ns_b, CLONE_NEWNET), 0);
	pm.imr_ifindex = (int)if_nametoindex("pt-sock-b");
	assert_int_equal(setns(t.ns_a, CLONE_NEWNET), 0);
	assert_int_equal(setsockopt(peer, IPPROTO_IP, IP_ADD_MEMBERSHIP, &pm, sizeof(pm)), 0);
	assert_int_equal(sock_setsockopt(u.s, u.fd, IPPROTO_IP, IP_MULTICAST_IF, &out, sizeof(out)), 0);
	mkaddr(&a, IP_A, 5015);
	assert_int_equal(sock_bind(u.s, u.fd, (struct sockaddr *)&a, len), 0);
	assert_accel(u);
	assert_int_equal(sock_sendmsg(u.s, u.fd, &m, 0), 2);
	assert_int_equal(recv(peer, buf, sizeof(buf), 0), 2);
	mkaddr(&a, "0.0.0.0", 5014);
	assert_int_equal(bind(local, (struct sockaddr *)&a, len), 0);
	assert_int_equal(setsockopt(local, IPPROTO_IP, IP_ADD_MEMBERSHIP, &mr, sizeof(mr)), 0);
	ms(150);
	assert_int_equal(sock_sendmsg(u.s, u.fd, &m, 0), SOCK_PASS);
	assert_int_equal(sendmsg(u.fd, &m, 0), 2);
	assert_int_equal(recv(peer, buf, sizeof(buf), 0), 2);
	assert_int_equal(recv(local, buf, sizeof(buf), MSG_DONTWAIT), 2);
	close(peer);
	close(local);
	ut_close(u);
}

static void udp_many_messages_at_once(void **state)
{
	struct sockaddr_storage b, me;
	struct ut u = ut_socket(AF_INET, SOCK_DGRAM);
	int peer = peer_bound(SOCK_DGRAM, IP_B, 5011);
	socklen_t n = sizeof(me), len = mkaddr(&b, IP_B, 5011);
	char bufs[32][16];
	struct iovec iov[32];
	struct mmsghdr v[32];

	assert_int_equal(sock_connect(u.s, u.fd, (struct sockaddr *)&b, len), 0);
	memset(v, 0, sizeof(v));
	for (int i = 0; i < 32; i++) {
		iov[i] = (struct iovec){ bufs[i], (size_t)snprintf(bufs[i], 16, "m%d", i) };
		v[i].msg_hdr.msg_iov = &iov[i];
		v[i].msg_hdr.msg_iovlen = 1;
	}
	assert_int_equal(sock_sendmmsg(u.s, u.fd, v, 32, 0), 32);
	for (int i = 0; i < 32; i++) {
		n = sizeof(me);
		assert_true(recvfrom(peer, bufs[0], 16, 0, (struct sockaddr *)&me, &n) >= 2);
		sendto(peer, bufs[0], 4, 0, (struct sockaddr *)&me, n);
	}
	for (int i = 0; i < 32; i++)
		iov[i].iov_len = 16;
	assert_int_equal(sock_recvmmsg(u.s, u.fd, v, 32, 0, NULL), 32);
	assert_int_equal(v[31].msg_len, 4);
	close(peer);
	ut_close(u);
}

static void udp6_echoes(void **state)
{
	struct sockaddr_storage a, b;
	struct ut u = ut_socket(AF_INET6, SOCK_DGRAM);
	int peer = peer_bound(SOCK_DGRAM, IP6_B, 5013), peer4 = peer_bound(SOCK_DGRAM, IP_B, 5013);
	socklen_t len = mkaddr(&a, "::", 5012);
	char buf[64];
	struct iovec iov = { buf, sizeof(buf) };
	struct msghdr m = { .msg_name = &b, .msg_namelen = sizeof(b), .msg_iov = &iov, .msg_iovlen = 1 };

	assert_int_equal(sock_bind(u.s, u.fd, (struct sockaddr *)&a, len), 0);
	assert_accel(u);
	mkaddr(&a, IP6_A, 5012);
	sendto(peer, "six", 3, 0, (struct sockaddr *)&a, len);
	assert_int_equal(sock_recvmsg(u.s, u.fd, &m, 0), 3);
	iov.iov_len = 3;
	assert_int_equal(sock_sendmsg(u.s, u.fd, &m, 0), 3);
	assert_int_equal(recv(peer, buf, sizeof(buf), 0), 3);
	/* IPv4 by the same socket, mapped. */
	len = mkaddr(&a, IP_A, 5012);
	sendto(peer4, "four", 4, 0, (struct sockaddr *)&a, len);
	iov.iov_len = sizeof(buf);
	m.msg_namelen = sizeof(b);
	assert_int_equal(sock_recvmsg(u.s, u.fd, &m, 0), 4);
	assert_true(IN6_IS_ADDR_V4MAPPED(&((struct sockaddr_in6 *)&b)->sin6_addr));
	iov.iov_len = 4;
	assert_int_equal(sock_sendmsg(u.s, u.fd, &m, 0), 4);
	assert_int_equal(recv(peer4, buf, sizeof(buf), 0), 4);
	assert_int_equal(u.s->shm->os_rx + u.s->shm->os_tx, 0);
	close(peer);
	close(peer4);
	ut_close(u);
}

/* ---- TCP ------------------------------------------------------------------------------ */

struct server {
	pthread_t th;
	int lfd;
	long echoed;
};

/* Echo on the kernel's side until end of file. */
static void *echo(void *arg)
{
	struct server *sv = arg;
	int fd = accept(sv->lfd, NULL, NULL);
	char buf[16384];
	ssize_t n;

	while (fd >= 0 && (n = recv(fd, buf, sizeof(buf), 0)) > 0) {
		if (send(fd, buf, (size_t)n, MSG_NOSIGNAL) != n)
			break;
		sv->echoed += n;
	}
	close(fd);
	return NULL;
}

static void server_start(struct server *sv, const char *ip, uint16_t port)
{
	*sv = (struct server){ .lfd = peer_bound(SOCK_STREAM, ip, port) };
	assert_int_equal(pthread_create(&sv->th, NULL, echo, sv), 0);
}

static void server_stop(struct server *sv)
{
	pthread_join(sv->th, NULL);
	close(sv->lfd);
}

static void tcp_connect_echo_close(const char *ip, uint16_t port)
{
	struct sockaddr_storage b, name;
	struct server sv;
	struct ut u;
	socklen_t len = mkaddr(&b, ip, port), n = sizeof(name);
	static char out[100000], in[100000];

	server_start(&sv, ip, port);
	u = ut_socket(b.ss_family, SOCK_STREAM);
	assert_int_equal(sock_connect(u.s, u.fd, (struct sockaddr *)&b, len), 0);
	assert_accel(u);
	assert_int_equal(sock_connect(u.s, u.fd, (struct sockaddr *)&b, len), -EISCONN);
	assert_int_equal(sock_getpeername(u.s, u.fd, (struct sockaddr *)&name, &n), 0);
	assert_memory_equal(&name, &b, n);
	for (size_t i = 0; i < sizeof(out); i++)
		out[i] = (char)(i * 7);
	for (int i = 0; i < 50; i++) {
		assert_int_equal(sock_send(u.s, u.fd, out, 100, 0), 100);
		assert_int_equal(sock_recv(u.s, u.fd, in, 100, MSG_WAITALL), 100);
		assert_memory_equal(in, out, 100);
	}
	assert_int_equal(sock_send(u.s, u.fd, out, sizeof(out), 0), sizeof(out));
	assert_int_equal(sock_recv(u.s, u.fd, in, sizeof(in), MSG_WAITALL), sizeof(in));
	assert_memory_equal(in, out, sizeof(out));
	assert_int_equal(sock_shutdown(u.s, u.fd, SHUT_WR), 0);
	assert_int_equal(sock_recv(u.s, u.fd, in, sizeof(in), 0), 0);
	assert_int_equal(sock_send(u.s, u.fd, out, 1, 0), -EPIPE);
	ut_close(u);
	server_stop(&sv);
	assert_int_equal(sv.echoed, 5000 + sizeof(out));
}

static void tcp_connects_and_exchanges_data(void **state)
{
	tcp_connect_echo_close(IP_B, 6000);
}

static void tcp6_connects_and_exchanges_data(void **state)
{
	tcp_connect_echo_close(IP6_B, 6001);
}

static void tcp_refused(void **state)
{
	struct sockaddr_storage b;
	struct ut u = ut_socket(AF_INET, SOCK_STREAM);
	socklen_t len = mkaddr(&b, IP_B, 6999);
	struct server sv;

	assert_int_equal(sock_connect(u.s, u.fd, (struct sockaddr *)&b, len), -ECONNREFUSED);
	assert_accel(u);
	/* The socket may try again. */
	server_start(&sv, IP_B, 6998);
	len = mkaddr(&b, IP_B, 6998);
	assert_int_equal(sock_connect(u.s, u.fd, (struct sockaddr *)&b, len), 0);
	ut_close(u);
	server_stop(&sv);
}

static void tcp_nonblocking_connect(void **state)
{
	struct sockaddr_storage b;
	struct ut u = ut_socket(AF_INET, SOCK_STREAM);
	socklen_t len = mkaddr(&b, IP_B, 6002), n = sizeof(int);
	struct server sv;
	int err = -1;

	server_start(&sv, IP_B, 6002);
	sock_set_nonblock(u.s, true);
	assert_int_equal(sock_connect(u.s, u.fd, (struct sockaddr *)&b, len), -EINPROGRESS);
	assert_int_equal(sock_wait(u.s, POLLOUT, -1, 0, clock_ns() + 3 * NSEC_PER_SEC, SPIN_POLL), 1);
	assert_int_equal(sock_getsockopt(u.s, u.fd, SOL_SOCKET, SO_ERROR, &err, &n), 0);
	assert_int_equal(err, 0);
	assert_int_equal(sock_connect(u.s, u.fd, (struct sockaddr *)&b, len), 0);
	assert_int_equal(sock_connect(u.s, u.fd, (struct sockaddr *)&b, len), -EISCONN);
	assert_int_equal(sock_recv(u.s, u.fd, &err, sizeof(err), 0), -EAGAIN);
	ut_close(u);
	server_stop(&sv);
}

static void *peer_client(void *arg)
{
	struct sockaddr_storage a;
	int fd = *(int *)arg;
	socklen_t len = mkaddr(&a, IP_A, 6003);
	char buf[8] = "";

	if (connect(fd, (struct sockaddr *)&a, len) == 0 && send(fd, "ping", 4, MSG_NOSIGNAL) == 4 &&
	    recv(fd, buf, 4, MSG_WAITALL) == 4 && memcmp(buf, "pong", 4) == 0)
		return arg;
	return NULL;
}

static void tcp_accepts(void **state)
{
	struct sockaddr_storage a, from;
	struct ut l = ut_socket(AF_INET, SOCK_STREAM), c;
	socklen_t len = mkaddr(&a, "0.0.0.0", 6003), n;
	int one = 1, peer, local, v = 0;
	pthread_t th;
	void *ok;
	char buf[8];

	assert_int_equal(sock_setsockopt(l.s, l.fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)), 0);
	assert_int_equal(sock_bind(l.s, l.fd, (struct sockaddr *)&a, len), 0);
	assert_int_equal(sock_listen(l.s, l.fd, 16), 0);
	assert_accel(l);
	for (int i = 0; i < 20; i++) {
		peer = peer_socket(AF_INET, SOCK_STREAM);
		assert_int_equal(pthread_create(&th, NULL, peer_client, &peer), 0);
		n = sizeof(from);
		c.fd = sock_accept(l.s, l.fd, (struct sockaddr *)&from, &n, 0, &c.s);
		assert_true(c.fd >= 0);
		assert_non_null(c.s);
		assert_int_equal(((struct sockaddr_in *)&from)->sin_addr.s_addr, inet_addr(IP_B));
		/* From the second on the kernel socket is told when somebody looks. */
		sock_settle(c.s, c.fd);
		n = sizeof(v);
		assert_int_equal(getsockopt(c.fd, IPPROTO_TCP, TCP_NODELAY, &v, &n), 0);
		assert_int_equal(v, 1);
		assert_true(tcp_conn(c.s->ep)->flags & TCP_F_NODELAY);
		assert_int_equal(sock_recv(c.s, c.fd, buf, 4, MSG_WAITALL), 4);
		assert_int_equal(sock_send(c.s, c.fd, "pong", 4, 0), 4);
		pthread_join(th, &ok);
		assert_non_null(ok);
		close(peer);
		assert_int_equal(sock_recv(c.s, c.fd, buf, 4, 0), 0);
		ut_close(c);
	}
	/* By loopback the kernel's listener takes it. */
	local = socket(AF_INET, SOCK_STREAM, 0);
	mkaddr(&a, "127.0.0.1", 6003);
	assert_int_equal(connect(local, (struct sockaddr *)&a, len), 0);
	n = sizeof(from);
	c.fd = sock_accept(l.s, l.fd, (struct sockaddr *)&from, &n, 0, &c.s);
	assert_true(c.fd >= 0);
	assert_null(c.s);
	close(c.fd);
	close(local);
	sock_set_nonblock(l.s, true);
	assert_int_equal(sock_accept(l.s, l.fd, NULL, NULL, 0, &c.s), -EAGAIN);
	ut_close(l);
}

static void tcp_connection_outlives_its_listener(void **state)
{
	struct sockaddr_storage a, from;
	struct ut l = ut_socket(AF_INET, SOCK_STREAM), c;
	socklen_t len = mkaddr(&a, IP_A, 6003), n = sizeof(from);
	int peer = peer_socket(AF_INET, SOCK_STREAM);
	pthread_t th;
	void *ok;
	char buf[8];

	assert_int_equal(sock_bind(l.s, l.fd, (struct sockaddr *)&a, len), 0);
	assert_int_equal(sock_listen(l.s, l.fd, 16), 0);
	assert_accel(l);
	pthread_create(&th, NULL, peer_client, &peer);
	c.fd = sock_accept(l.s, l.fd, (struct sockaddr *)&from, &n, 0, &c.s);
	assert_true(c.fd >= 0);
	ut_close(l);
	assert_int_equal(sock_recv(c.s, c.fd, buf, 4, MSG_WAITALL), 4);
	assert_int_equal(sock_send(c.s, c.fd, "pong", 4, 0), 4);
	pthread_join(th, &ok);
	assert_non_null(ok);
	ut_close(c);
	close(peer);
}

static void tcp_unread_data_reset_the_peer(void **state)
{
	struct sockaddr_storage b;
	struct ut u = ut_socket(AF_INET, SOCK_STREAM);
	int lfd = peer_bound(SOCK_STREAM, IP_B, 6004), fd;
	socklen_t len = mkaddr(&b, IP_B, 6004);
	char buf[8];

	assert_int_equal(sock_connect(u.s, u.fd, (struct sockaddr *)&b, len), 0);
	fd = accept(lfd, NULL, NULL);
	assert_int_equal(send(fd, "data", 4, 0), 4);
	assert_int_equal(sock_recv(u.s, u.fd, buf, 2, 0), 2);
	ut_close(u);
	assert_int_equal(recv(fd, buf, sizeof(buf), 0), -1);
	assert_int_equal(errno, ECONNRESET);
	close(fd);
	close(lfd);
}

static void tcp_linger_waits_for_the_peer(void **state)
{
	struct linger l = { 1, 2 };
	struct sockaddr_storage b;
	struct ut u = ut_socket(AF_INET, SOCK_STREAM);
	int lfd = peer_bound(SOCK_STREAM, IP_B, 6005), fd;
	socklen_t len = mkaddr(&b, IP_B, 6005);
	char buf[8];

	assert_int_equal(sock_setsockopt(u.s, u.fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l)), 0);
	assert_int_equal(sock_connect(u.s, u.fd, (struct sockaddr *)&b, len), 0);
	fd = accept(lfd, NULL, NULL);
	assert_int_equal(sock_send(u.s, u.fd, "bye", 3, 0), 3);
	uint64_t t0 = clock_ns();
	ut_close(u);
	assert_true(clock_ns() - t0 < NSEC_PER_SEC);
	assert_int_equal(recv(fd, buf, sizeof(buf), MSG_DONTWAIT), 3);
	assert_int_equal(recv(fd, buf, sizeof(buf), MSG_DONTWAIT), 0);
	close(fd);
	close(lfd);
}

static void loopback_stays_with_the_kernel(void **state)
{
	struct sockaddr_storage b;
	struct ut u = ut_socket(AF_INET, SOCK_STREAM), v = ut_socket(AF_INET, SOCK_STREAM);
	socklen_t len = mkaddr(&b, "127.0.0.1", 1);

	assert_int_equal(sock_connect(u.s, u.fd, (struct sockaddr *)&b, len), SOCK_PASS);
	assert_int_equal(u.s->reason, SOCK_REASON_loopback);
	len = mkaddr(&b, IP_A, 1);
	assert_int_equal(sock_connect(v.s, v.fd, (struct sockaddr *)&b, len), SOCK_PASS);
	assert_int_equal(v.s->reason, SOCK_REASON_local_dest);
	ut_close(u);
	ut_close(v);
}

static void tcp_many_connections(void **state)
{
	struct sockaddr_storage b;
	socklen_t len = mkaddr(&b, IP_B, 6006);
	int lfd = peer_bound(SOCK_STREAM, IP_B, 6006);
	uint64_t t0 = clock_ns();

	for (int i = 0; i < 500; i++) {
		struct ut u = ut_socket(AF_INET, SOCK_STREAM);
		int fd;

		assert_int_equal(sock_connect(u.s, u.fd, (struct sockaddr *)&b, len), 0);
		fd = accept(lfd, NULL, NULL);
		ut_close(u);
		close(fd);
	}
	print_message("%.0f connections a second\n", 500e9 / (double)(clock_ns() - t0));
	close(lfd);
}

/* ---- processes ------------------------------------------------------------------------- */

static pid_t forked(void)
{
	pid_t pid;

	sock_fork_prepare();
	pid = fork();
	if (pid == 0)
		sock_fork_child();
	else if (pid > 0)
		sock_fork_parent();
	else
		sock_fork_failed();
	return pid;
}

static void wait_ok(pid_t pid)
{
	int st = -1;

	assert_int_equal(waitpid(pid, &st, 0), pid);
	assert_true(WIFEXITED(st));
	assert_int_equal(WEXITSTATUS(st), 0);
}

static void fork_shares_a_connection(void **state)
{
	struct sockaddr_storage b;
	struct ut u = ut_socket(AF_INET, SOCK_STREAM);
	int lfd = peer_bound(SOCK_STREAM, IP_B, 6010), fd;
	socklen_t len = mkaddr(&b, IP_B, 6010);
	char buf[16];
	pid_t pid;

	assert_int_equal(sock_connect(u.s, u.fd, (struct sockaddr *)&b, len), 0);
	fd = accept(lfd, NULL, NULL);
	pid = forked();
	if (pid == 0) {
		bool ok = sock_send(u.s, u.fd, "child", 5, 0) == 5 && sock_recv(u.s, u.fd, buf, 2, MSG_WAITALL) == 2;

		sock_put(u.s, u.fd);
		close(u.fd);
		_exit(!ok);
	}
	assert_int_equal(recv(fd, buf, 5, MSG_WAITALL), 5);
	assert_int_equal(send(fd, "go", 2, 0), 2);
	wait_ok(pid);
	/* The child has closed its descriptor: the connection lives on. */
	assert_int_equal(sock_send(u.s, u.fd, "parent", 6, 0), 6);
	assert_int_equal(recv(fd, buf, 6, MSG_WAITALL), 6);
	ut_close(u);
	assert_int_equal(recv(fd, buf, 6, 0), 0);
	close(fd);
	close(lfd);
}

static void children_accept_from_one_listener(void **state)
{
	struct sockaddr_storage a;
	struct ut l = ut_socket(AF_INET, SOCK_STREAM), c;
	socklen_t len = mkaddr(&a, IP_A, 6003);
	int one = 1;
	pid_t pid[2];

	/* Connections of an earlier listener are in TIME_WAIT. */
	assert_int_equal(sock_setsockopt(l.s, l.fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)), 0);
	assert_int_equal(sock_bind(l.s, l.fd, (struct sockaddr *)&a, len), 0);
	assert_int_equal(sock_listen(l.s, l.fd, 16), 0);
	assert_accel(l);
	for (int k = 0; k < 2; k++) {
		pid[k] = forked();
		if (pid[k])
			continue;
		for (int i = 0; i < 4; i++) {
			char buf[4];

			c.fd = sock_accept(l.s, l.fd, NULL, NULL, 0, &c.s);
			if (c.fd < 0 || !c.s || sock_recv(c.s, c.fd, buf, 4, MSG_WAITALL) != 4 ||
			    sock_send(c.s, c.fd, "pong", 4, 0) != 4)
				_exit(1);
			sock_put(c.s, c.fd);
			close(c.fd);
		}
		sock_put(l.s, l.fd);
		_exit(0);
	}
	for (int i = 0; i < 8; i++) {
		int peer = peer_socket(AF_INET, SOCK_STREAM);

		assert_non_null(peer_client(&peer));
		close(peer);
	}
	wait_ok(pid[0]);
	wait_ok(pid[1]);
	ut_close(l);
}

/* What a program after exec, or the receiver of SCM_RIGHTS, has: the descriptor only. */
static void a_descriptor_is_found_by_its_cookie(void **state)
{
	struct sockaddr_storage b;
	struct ut u = ut_socket(AF_INET, SOCK_STREAM);
	int lfd = peer_bound(SOCK_STREAM, IP_B, 6011), fd;
	socklen_t len = mkaddr(&b, IP_B, 6011);
	enum sock_reason why;
	struct sock *s;
	char buf[16];

	assert_int_equal(sock_connect(u.s, u.fd, (struct sockaddr *)&b, len), 0);
	fd = accept(lfd, NULL, NULL);
	sock_identify(u.s, u.fd);
	sock_exec_prepare();
	s = sock_probe(u.fd, &why);
	assert_non_null(s);
	assert_ptr_not_equal(s, u.s);
	assert_int_equal(s->mode, SOCK_ACCEL);
	assert_int_equal(s->id, u.s->id);
	assert_int_equal(sock_send(s, u.fd, "probe", 5, 0), 5);
	assert_int_equal(recv(fd, buf, 5, MSG_WAITALL), 5);
	sock_put(s, u.fd);
	ut_close(u);
	close(fd);
	close(lfd);
}

/* ---- ports ------------------------------------------------------------------------------- */

static void ports_serve_several_destinations(void **state)
{
	enum { N = 250 };
	static struct ut u[2][N];
	int lfd[2] = { peer_bound(SOCK_STREAM, IP_B, 6021), peer_bound(SOCK_STREAM, IP_B, 6022) }, fd[2][N];
	struct stack *st;
	uint32_t ports = 0, shared = 0;

	for (int i = 0; i < N; i++) {
		for (int d = 0; d < 2; d++) {
			struct sockaddr_storage b;
			socklen_t len = mkaddr(&b, IP_B, (uint16_t)(6021 + d));

			u[d][i] = ut_socket(AF_INET, SOCK_STREAM);
			assert_int_equal(sock_connect(u[d][i].s, u[d][i].fd, (struct sockaddr *)&b, len), 0);
			assert_accel(u[d][i]);
			/* The handshake's ACK may still wait for what we do next. */
			assert_int_equal(sock_send(u[d][i].s, u[d][i].fd, "x", 1, 0), 1);
			fd[d][i] = accept(lfd[d], NULL, NULL);
			assert_true(fd[d][i] >= 0);
		}
	}
	st = u[0][0].s->st;
	for (int i = 0; i < N; i++)
		for (int k = 0; k < N; k++)
			shared += u[0][i].s->ep->flow.lport.be == u[1][k].s->ep->flow.lport.be;
	/* Another port is leased only when all of them have a connection to the destination. */
	for (uint32_t i = 0; i < st->shm->n_leases; i++)
		ports += ipaddr_eq(&st->shm->lease[i].laddr, &u[0][0].s->ep->flow.laddr);
	assert_true(ports < 2 * N);
	assert_true(shared >= 2 * N - ports);
	/* No port of ours is anybody's else. */
	for (int i = 0; i < N; i++) {
		int other = socket(AF_INET, SOCK_STREAM, 0);
		struct sockaddr_storage a;
		socklen_t len = mkaddr(&a, IP_A, from_be16(u[0][i].s->ep->flow.lport));

		assert_int_equal(bind(other, (struct sockaddr *)&a, len), -1);
		assert_int_equal(errno, EADDRINUSE);
		close(other);
	}
	for (int i = 0; i < N; i++)
		for (int d = 0; d < 2; d++) {
			ut_close(u[d][i]);
			close(fd[d][i]);
		}
	close(lfd[0]);
	close(lfd[1]);
}

/* ---- changes of mind -------------------------------------------------------------------- */

static void udp_disconnects_and_connects_again(void **state)
{
	struct sockaddr un = { .sa_family = AF_UNSPEC };
	struct sockaddr_storage b, me;
	struct ut u = ut_socket(AF_INET, SOCK_DGRAM);
	int p1 = peer_bound(SOCK_DGRAM, IP_B, 5020), p2 = peer_bound(SOCK_DGRAM, IP_B, 5021);
	socklen_t len = mkaddr(&b, IP_B, 5020), n = sizeof(me);
	struct iovec iov = { "z", 1 };
	struct msghdr m = { .msg_name = &b, .msg_iov = &iov, .msg_iovlen = 1 };
	char buf[8];

	assert_int_equal(sock_connect(u.s, u.fd, (struct sockaddr *)&b, len), 0);
	assert_accel(u);
	assert_int_equal(sock_send(u.s, u.fd, "a", 1, 0), 1);
	assert_int_equal(recvfrom(p1, buf, 8, 0, (struct sockaddr *)&me, &n), 1);
	/* Another peer: the first one's datagrams do not arrive any more. */
	mkaddr(&b, IP_B, 5021);
	assert_int_equal(sock_connect(u.s, u.fd, (struct sockaddr *)&b, len), 0);
	assert_int_equal(sendto(p1, "no", 2, 0, (struct sockaddr *)&me, n), 2);
	assert_int_equal(sendto(p2, "yes", 3, 0, (struct sockaddr *)&me, n), 3);
	assert_int_equal(sock_recv(u.s, u.fd, buf, 8, 0), 3);
	assert_int_equal(sock_connect(u.s, u.fd, &un, sizeof(un)), 0);
	assert_int_equal(sock_send(u.s, u.fd, "x", 1, 0), SOCK_PASS);	/* EDESTADDRREQ */
	m.msg_namelen = mkaddr(&b, IP_B, 5020);
	assert_int_equal(sock_sendmsg(u.s, u.fd, &m, 0), 1);
	n = sizeof(me);
	assert_int_equal(recvfrom(p1, buf, 8, 0, (struct sockaddr *)&me, &n), 1);
	assert_int_equal(sendto(p1, "back", 4, 0, (struct sockaddr *)&me, n), 4);
	assert_int_equal(sock_recv(u.s, u.fd, buf, 8, 0), 4);
	assert_int_equal(u.s->shm->os_rx, 0);
	close(p1);
	close(p2);
	ut_close(u);
}

static void udp_handed_over_goes_on_in_the_kernel(void **state)
{
	struct sockaddr_storage a;
	struct ut u = ut_socket(AF_INET, SOCK_DGRAM);
	int peer = peer_bound(SOCK_DGRAM, IP_B, 5022);
	socklen_t len = mkaddr(&a, IP_A, 5023);
	char buf[8];

	assert_int_equal(sock_bind(u.s, u.fd, (struct sockaddr *)&a, len), 0);
	assert_accel(u);
	assert_int_equal(sock_handover(u.s, u.fd, SOCK_REASON_sockopt), 0);
	assert_int_equal(u.s->mode, SOCK_KERNEL);
	sendto(peer, "k", 1, 0, (struct sockaddr *)&a, len);
	assert_int_equal(sock_recv(u.s, u.fd, buf, 8, 0), SOCK_PASS);
	ms(20);
	assert_int_equal(recv(u.fd, buf, 8, MSG_DONTWAIT), 1);
	close(peer);
	ut_close(u);
}

static void reuseport_listeners_share(void **state)
{
	struct sockaddr_storage a;
	struct ut l[2];
	socklen_t len = mkaddr(&a, IP_A, 6003);
	int one = 1, got[2] = { 0, 0 };

	for (int k = 0; k < 2; k++) {
		l[k] = ut_socket(AF_INET, SOCK_STREAM);
		assert_int_equal(sock_setsockopt(l[k].s, l[k].fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)), 0);
		assert_int_equal(sock_bind(l[k].s, l[k].fd, (struct sockaddr *)&a, len), 0);
		assert_int_equal(sock_listen(l[k].s, l[k].fd, 16), 0);
		assert_accel(l[k]);
		sock_set_nonblock(l[k].s, true);
	}
	for (int i = 0; i < 20; i++) {
		int peer = peer_socket(AF_INET, SOCK_STREAM);
		struct ut c = { .fd = -EAGAIN };
		pthread_t th;

		pthread_create(&th, NULL, peer_client, &peer);
		for (int k = 0; c.fd == -EAGAIN; k ^= 1, ms(1)) {
			c.fd = sock_accept(l[k].s, l[k].fd, NULL, NULL, 0, &c.s);
			got[k] += c.fd >= 0;
		}
		assert_int_equal(sock_send(c.s, c.fd, "pong", 4, 0), 4);
		pthread_join(th, NULL);
		ut_close(c);
		close(peer);
	}
	assert_int_equal(got[0] + got[1], 20);
	assert_true(got[0] && got[1]);
	ut_close(l[0]);
	/* The other one still has its filter. */
	for (int i = 0; i < 4; i++) {
		int peer = peer_socket(AF_INET, SOCK_STREAM);
		struct ut c = { .fd = -EAGAIN };
		pthread_t th;

		pthread_create(&th, NULL, peer_client, &peer);
		for (; c.fd == -EAGAIN; ms(1))
			c.fd = sock_accept(l[1].s, l[1].fd, NULL, NULL, 0, &c.s);
		assert_int_equal(sock_send(c.s, c.fd, "pong", 4, 0), 4);
		pthread_join(th, NULL);
		ut_close(c);
		close(peer);
	}
	ut_close(l[1]);
}

static void bound_connection_takes_its_port(void **state)
{
	struct sockaddr_storage a, b, from;
	struct ut u = ut_socket(AF_INET, SOCK_STREAM);
	int lfd = peer_bound(SOCK_STREAM, IP_B, 6012), fd;
	socklen_t len = mkaddr(&a, "0.0.0.0", 6100), n = sizeof(from);
	char buf[4];

	assert_int_equal(sock_bind(u.s, u.fd, (struct sockaddr *)&a, len), 0);
	mkaddr(&b, IP_B, 6012);
	assert_int_equal(sock_connect(u.s, u.fd, (struct sockaddr *)&b, len), 0);
	assert_accel(u);
	fd = accept(lfd, (struct sockaddr *)&from, &n);
	assert_int_equal(ntohs(((struct sockaddr_in *)&from)->sin_port), 6100);
	assert_int_equal(send(fd, "hey", 3, 0), 3);
	assert_int_equal(sock_recv(u.s, u.fd, buf, 3, MSG_WAITALL), 3);
	ut_close(u);
	assert_int_equal(recv(fd, buf, 4, 0), 0);
	close(fd);
	close(lfd);
}

static void options_answer_as_the_kernel(void **state)
{
	struct sockaddr_storage b;
	struct ut u = ut_socket(AF_INET, SOCK_STREAM);
	int lfd = peer_bound(SOCK_STREAM, IP_B, 6013), v = 65536, fd;
	socklen_t len = mkaddr(&b, IP_B, 6013), n;
	struct tcp_info ti;
	char cc[16];

	assert_int_equal(sock_setsockopt(u.s, u.fd, SOL_SOCKET, SO_RCVBUF, &v, sizeof(v)), 0);
	assert_int_equal(sock_connect(u.s, u.fd, (struct sockaddr *)&b, len), 0);
	assert_accel(u);
	fd = accept(lfd, NULL, NULL);
	n = sizeof(v);
	assert_int_equal(sock_getsockopt(u.s, u.fd, SOL_SOCKET, SO_RCVBUF, &v, &n), 0);
	assert_int_equal(v, 131072);
	n = sizeof(v);
	assert_int_equal(sock_getsockopt(u.s, u.fd, IPPROTO_TCP, TCP_MAXSEG, &v, &n), 0);
	assert_int_equal(v, 1448);
	n = sizeof(ti);
	assert_int_equal(sock_getsockopt(u.s, u.fd, IPPROTO_TCP, TCP_INFO, &ti, &n), 0);
	assert_int_equal(ti.tcpi_state, TCP_ESTABLISHED);
	n = sizeof(cc);
	assert_int_equal(sock_setsockopt(u.s, u.fd, IPPROTO_TCP, TCP_CONGESTION, "reno", 4), 0);
	assert_int_equal(sock_getsockopt(u.s, u.fd, IPPROTO_TCP, TCP_CONGESTION, cc, &n), 0);
	assert_string_equal(cc, "reno");
	assert_int_equal(sock_setsockopt(u.s, u.fd, IPPROTO_TCP, TCP_CONGESTION, "none", 4), -ENOENT);
	assert_int_equal(send(fd, "12345", 5, 0), 5);
	ms(20);
	assert_int_equal(sock_ioctl(u.s, u.fd, 0x541B /* FIONREAD */, &v), 0);
	assert_int_equal(v, 5);
	assert_int_equal(sock_setsockopt(u.s, u.fd, SOL_SOCKET, 9999, &v, sizeof(v)), -ENOPROTOOPT);
	ut_close(u);
	close(fd);
	close(lfd);
}

static void receive_times_out(void **state)
{
	struct timeval tv = { 0, 50000 };
	struct sockaddr_storage a;
	struct ut u = ut_socket(AF_INET, SOCK_DGRAM);
	socklen_t len = mkaddr(&a, IP_A, 5030);
	uint64_t t0;
	char c;

	assert_int_equal(sock_bind(u.s, u.fd, (struct sockaddr *)&a, len), 0);
	assert_accel(u);
	assert_int_equal(sock_setsockopt(u.s, u.fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)), 0);
	t0 = clock_ns();
	assert_int_equal(sock_recv(u.s, u.fd, &c, 1, 0), -EAGAIN);
	assert_true(clock_ns() - t0 >= 50 * NSEC_PER_MSEC && clock_ns() - t0 < 500 * NSEC_PER_MSEC);
	ut_close(u);
}

/* A sender faster than the peer reads: blocks, goes on, loses nothing. */
static void *slow_reader(void *arg)
{
	static char buf[30000];
	long n, total = 0;

	while ((n = recv(*(int *)arg, buf, sizeof(buf), 0)) > 0) {
		total += n;
		if (total < 1000000)
			ms(2);
	}
	return (void *)total;
}

static void tcp_bulk_to_a_slow_reader(void **state)
{
	static char out[4 << 20];
	struct sockaddr_storage b;
	struct ut u = ut_socket(AF_INET, SOCK_STREAM);
	int lfd = peer_bound(SOCK_STREAM, IP_B, 6014), fd;
	socklen_t len = mkaddr(&b, IP_B, 6014);
	pthread_t th;
	void *total;

	assert_int_equal(sock_connect(u.s, u.fd, (struct sockaddr *)&b, len), 0);
	fd = accept(lfd, NULL, NULL);
	pthread_create(&th, NULL, slow_reader, &fd);
	assert_int_equal(sock_send(u.s, u.fd, out, sizeof(out), 0), sizeof(out));
	ut_close(u);
	pthread_join(th, &total);
	assert_int_equal((long)total, sizeof(out));
	close(fd);
	close(lfd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(udp_bound_socket_echoes),
		cmocka_unit_test(udp_connected_socket_sends_and_receives),
		cmocka_unit_test(udp_first_send_decides_and_binds),
		cmocka_unit_test(a_ring_by_oneself_is_not_slept_over),
		cmocka_unit_test(udp_loopback_is_merged),
		cmocka_unit_test(udp_fragments_go_by_the_kernel),
		cmocka_unit_test(udp_ancillary_data),
		cmocka_unit_test(udp_multicast_is_received),
		cmocka_unit_test(udp_multicast_loops_to_local_members),
		cmocka_unit_test(udp_many_messages_at_once),
		cmocka_unit_test(udp6_echoes),
		cmocka_unit_test(tcp_connects_and_exchanges_data),
		cmocka_unit_test(tcp6_connects_and_exchanges_data),
		cmocka_unit_test(tcp_refused),
		cmocka_unit_test(tcp_nonblocking_connect),
		cmocka_unit_test(tcp_accepts),
		cmocka_unit_test(tcp_connection_outlives_its_listener),
		cmocka_unit_test(tcp_unread_data_reset_the_peer),
		cmocka_unit_test(tcp_linger_waits_for_the_peer),
		cmocka_unit_test(loopback_stays_with_the_kernel),
		cmocka_unit_test(tcp_many_connections),
		cmocka_unit_test(fork_shares_a_connection),
		cmocka_unit_test(children_accept_from_one_listener),
		cmocka_unit_test(a_descriptor_is_found_by_its_cookie),
		cmocka_unit_test(ports_serve_several_destinations),
		cmocka_unit_test(udp_disconnects_and_connects_again),
		cmocka_unit_test(udp_handed_over_goes_on_in_the_kernel),
		cmocka_unit_test(reuseport_listeners_share),
		cmocka_unit_test(bound_connection_takes_its_port),
		cmocka_unit_test(options_answer_as_the_kernel),
		cmocka_unit_test(receive_times_out),
		cmocka_unit_test(tcp_bulk_to_a_slow_reader),
	};

	return cmocka_run_group_tests_name("sock", tests, rig_up, NULL);
}
