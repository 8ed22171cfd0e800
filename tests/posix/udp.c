// SPDX-License-Identifier: BSD-2-Clause
/* UDP: connected and not, names, truncation, empty datagrams, sizes, refused, disconnect, vectors. */
#include "posix.h"

static void show_from(const char *what, int fd, int flags, size_t room)
{
	struct addr from = { .len = sizeof(from.ss) };
	char buf[64] = "";
	ssize_t n = recvfrom(fd, buf, room, flags, (void *)&from.ss, &from.len);

	out("%s: %s '%.*s' %s", what, res(n), n > 0 ? (int)(n < (ssize_t)room ? n : (ssize_t)room) : 0, buf,
	    n < 0 ? "" : addr_name(&from.ss, from.len));
}

static void show_name(int fd)
{
	struct addr a = { .len = sizeof(a.ss) }, b = { .len = sizeof(b.ss) };
	int ra = getsockname(fd, (void *)&a.ss, &a.len);

	out("  local %s %s", res(ra), addr_name(&a.ss, a.len));
	ra = getpeername(fd, (void *)&b.ss, &b.len);
	out("  remote %s %s", res(ra), ra ? "" : addr_name(&b.ss, b.len));
}

static void unconnected(void)
{
	struct addr to = peer_addr(0);
	struct iovec v[2] = { { "one", 3 }, { "two", 3 } };
	struct msghdr m = { .msg_name = &to.ss, .msg_namelen = to.len, .msg_iov = v, .msg_iovlen = 2 };
	char a[4], b[64];
	int fd = udp_bound(test_addr(1)), size = -1;

	accel(fd);
	show_name(fd);
	out("send without address %s", res(send(fd, "x", 1, 0)));
	out("nothing %s", res(recv(fd, a, 1, MSG_DONTWAIT)));
	out("sendto %s", res(sendto(fd, "hello", 5, 0, SA(to))));
	out("empty %s", res(sendto(fd, "", 0, 0, SA(to))));
	out("sendmsg %s", res(sendmsg(fd, &m, 0)));
	say();
	hear();
	await(fd, POLLIN);
	out("FIONREAD %s", res(ioctl(fd, FIONREAD, &size)));
	out("  %d", size);
	show_from("peek", fd, MSG_PEEK, 64);
	show_from("recvfrom", fd, 0, 64);
	show_from("truncated", fd, 0, 4);
	show_from("MSG_TRUNC", fd, MSG_TRUNC, 4);
	show_from("empty", fd, 0, 64);
	v[0] = (struct iovec){ a, 4 };
	v[1] = (struct iovec){ b, 3 };
	m.msg_namelen = sizeof(to.ss);
	out("recvmsg %s", res(recvmsg(fd, &m, 0)));
	out("  %.4s %.3s flags %x from %s", a, b, (unsigned)m.msg_flags, addr_name(m.msg_name, m.msg_namelen));
	out("read 0 takes nothing %s", res(read(fd, a, 0)));
	out("recv 0 takes one %s", res(recv(fd, a, 0, 0)));
	out("left %s", res(recv(fd, a, 4, MSG_DONTWAIT)));
	close(fd);
}

static void connected(void)
{
	struct addr to = peer_addr(0), other = peer_addr(2), none = { .len = sizeof(struct sockaddr_in6) };
	int fd = socket(family, SOCK_DGRAM, 0);
	char buf[8];

	show_name(fd);
	out("connect %s", res(connect(fd, SA(to))));
	accel(fd);
	show_name(fd);
	out("send %s", res(send(fd, "conn", 4, 0)));
	out("write %s", res(write(fd, "wr", 2)));
	out("sendto elsewhere %s", res(sendto(fd, "else", 4, 0, SA(other))));
	say();
	hear();
	show_from("reply", fd, 0, 64);
	nap_ms(20);
	out("from others nothing %s", res(recv(fd, buf, 8, MSG_DONTWAIT)));
	out("connect again %s", res(connect(fd, SA(other))));
	show_name(fd);
	none.ss.ss_family = AF_UNSPEC;
	out("disconnect %s", res(connect(fd, SA(none))));
	out("send %s", res(send(fd, "x", 1, 0)));
	out("sendto %s", res(sendto(fd, "after", 5, 0, SA(to))));
	close(fd);
}

static void refused(void)
{
	struct addr to = peer_addr(9);
	struct pollfd p;
	int fd = socket(family, SOCK_DGRAM, 0);
	char c;

	connect(fd, SA(to));
	accel(fd);
	out("send to nobody %s", res(send(fd, "x", 1, 0)));
	p = (struct pollfd){ .fd = fd, .events = POLLIN };
	out("poll %s", res(poll(&p, 1, 3000)));
	out("  %s", bits((unsigned)p.revents));
	out("recv %s", res(recv(fd, &c, 1, MSG_DONTWAIT)));
	out("error is gone %s", res(recv(fd, &c, 1, MSG_DONTWAIT)));
	send(fd, "x", 1, 0);
	nap_ms(100);
	out("next send %s", res(send(fd, "x", 1, 0)));
	close(fd);
}

static void sizes(void)
{
	static char big[70000];
	struct addr to = peer_addr(0);
	int fd = udp_bound(test_addr(3));

	memset(big, 'b', sizeof(big));
	out("too long %s", res(sendto(fd, big, sizeof(big), 0, SA(to))));
	out("one packet %s", res(sendto(fd, big, 1400, 0, SA(to))));
	out("fragments %s", res(sendto(fd, big, 9000, 0, SA(to))));
	say();
	hear();
	out("got one packet %s", res(recv(fd, big, sizeof(big), 0)));
	out("got fragments %s", res(recv(fd, big, sizeof(big), 0)));
	out("shutdown %s", res(shutdown(fd, SHUT_RD)));
	close(fd);
	fd = socket(family, SOCK_DGRAM, 0);
	connect(fd, SA(to));
	out("shutdown read %s", res(shutdown(fd, SHUT_RD)));
	out("recv %s", res(recv(fd, big, 1, 0)));
	out("shutdown write %s", res(shutdown(fd, SHUT_WR)));
	out("send %s", res(send(fd, "x", 1, 0)));
	close(fd);
}

static void several(void)
{
	struct addr to = peer_addr(0);
	struct mmsghdr m[4] = { 0 };
	struct iovec v[4];
	char buf[4][8];
	struct timespec ts = { 0, 100000000 };
	int fd = udp_bound(test_addr(4)), n;

	for (int i = 0; i < 4; i++) {
		snprintf(buf[i], sizeof(buf[i]), "m%d", i);
		v[i] = (struct iovec){ buf[i], 2 };
		m[i].msg_hdr = (struct msghdr){ .msg_name = &to.ss, .msg_namelen = to.len, .msg_iov = &v[i], .msg_iovlen = 1 };
	}
	out("sendmmsg %s", res(sendmmsg(fd, m, 4, 0)));
	out("lengths %u %u", m[0].msg_len, m[3].msg_len);
	say();
	hear();
	nap_ms(50);
	for (int i = 0; i < 4; i++) {
		v[i].iov_len = 8;
		m[i].msg_hdr.msg_name = NULL;
	}
	n = recvmmsg(fd, m, 2, 0, NULL);
	out("recvmmsg %s: %.2s %.2s", res(n), buf[0], buf[1]);
	n = recvmmsg(fd, m, 4, MSG_WAITFORONE, NULL);
	out("wait for one %s", res(n));
	out("nothing %s", res(recvmmsg(fd, m, 4, MSG_DONTWAIT, NULL)));
	(void)ts;
	close(fd);
}

void test(void)
{
	hear();
	unconnected();
	connected();
	refused();
	sizes();
	several();
}

static void got(int fd, int count, bool reply)
{
	struct addr from;
	static char buf[70000];

	for (int i = 0; i < count; i++) {
		ssize_t n;

		from.len = sizeof(from.ss);
		n = recvfrom(fd, buf, sizeof(buf), 0, (void *)&from.ss, &from.len);
		out("%zd '%.6s' from %s", n, n > 0 ? (buf[n] = 0, buf) : "", addr_name(&from.ss, from.len));
		if (reply)
			sendto(fd, buf, (size_t)n, 0, SA(from));
	}
}

void peer(void)
{
	int u = udp_bound(peer_addr(0)), other = udp_bound(peer_addr(2));
	struct addr to = test_addr(1), from = { .len = sizeof(from.ss) };
	char buf[16];

	say();
	hear();
	got(u, 3, false);
	sendto(u, "first", 5, 0, SA(to));
	sendto(u, "truncated", 9, 0, SA(to));
	sendto(other, "longer one", 10, 0, SA(to));
	sendto(u, "", 0, 0, SA(to));
	sendto(u, "vectors!", 8, 0, SA(to));
	sendto(u, "zero", 4, 0, SA(to));
	say();

	hear();
	got(u, 1, false);
	recvfrom(u, buf, sizeof(buf), 0, (void *)&from.ss, &from.len);
	got(other, 1, false);
	sendto(other, "stranger", 8, 0, SA(from));
	sendto(u, "reply", 5, 0, SA(from));
	say();
	got(u, 1, false);

	hear();
	got(u, 2, true);
	say();
	hear();
	got(u, 4, true);
	say();
}
