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
	    recv(fd, buf, sizeof(buf), MSG_WAITALL) == 4 && memcmp(buf, "pong", 4) == 0)
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(udp_bound_socket_echoes),
		cmocka_unit_test(udp_connected_socket_sends_and_receives),
		cmocka_unit_test(udp_first_send_decides_and_binds),
		cmocka_unit_test(udp_loopback_is_merged),
		cmocka_unit_test(udp_fragments_go_by_the_kernel),
		cmocka_unit_test(udp_ancillary_data),
		cmocka_unit_test(udp_multicast_is_received),
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
	};

	return cmocka_run_group_tests_name("sock", tests, rig_up, NULL);
}
