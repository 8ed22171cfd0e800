// SPDX-License-Identifier: BSD-2-Clause
/* Calls in unusual states and orders: what they answer, and how long they take. */
#include "posix.h"

#include <sys/time.h>

#define O(level, name) { level, name, #name }
static const struct { int level, name; const char *text; } options[] = {
	O(SOL_SOCKET, SO_ACCEPTCONN), O(SOL_SOCKET, SO_BUSY_POLL), O(SOL_SOCKET, SO_DEBUG), O(SOL_SOCKET, SO_ERROR),
	O(SOL_SOCKET, SO_INCOMING_CPU), O(SOL_SOCKET, SO_LOCK_FILTER), O(SOL_SOCKET, SO_MARK), O(SOL_SOCKET, SO_NO_CHECK),
	O(SOL_SOCKET, SO_PASSCRED), O(SOL_SOCKET, SO_PEEK_OFF), O(SOL_SOCKET, SO_RXQ_OVFL), O(SOL_SOCKET, SO_SELECT_ERR_QUEUE),
	O(SOL_SOCKET, SO_SNDLOWAT), O(SOL_SOCKET, SO_TIMESTAMPNS), O(SOL_SOCKET, SO_ZEROCOPY),
	O(IPPROTO_TCP, TCP_DEFER_ACCEPT), O(IPPROTO_TCP, TCP_FASTOPEN), O(IPPROTO_TCP, TCP_LINGER2),
	O(IPPROTO_TCP, TCP_NOTSENT_LOWAT), O(IPPROTO_TCP, TCP_THIN_LINEAR_TIMEOUTS), O(IPPROTO_TCP, TCP_TIMESTAMP),
	O(IPPROTO_TCP, TCP_WINDOW_CLAMP), O(IPPROTO_TCP, TCP_QUICKACK), O(IPPROTO_TCP, TCP_SAVE_SYN),
	O(IPPROTO_IP, IP_MTU_DISCOVER), O(IPPROTO_IP, IP_MTU), O(IPPROTO_IP, IP_RECVERR), O(IPPROTO_IP, IP_FREEBIND),
	O(IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT), O(IPPROTO_IP, IP_MULTICAST_TTL), O(IPPROTO_IP, IP_MINTTL),
	O(IPPROTO_IPV6, IPV6_MTU_DISCOVER), O(IPPROTO_IPV6, IPV6_MTU), O(IPPROTO_IPV6, IPV6_RECVERR),
	O(IPPROTO_IPV6, IPV6_MULTICAST_HOPS), O(IPPROTO_IPV6, IPV6_ADDRFORM),
};

static void show_options(const char *what, int fd)
{
	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
		int v = -1;
		socklen_t len = sizeof(v);
		int rc = getsockopt(fd, options[i].level, options[i].name, &v, &len);

		/* Numbers that depend on the moment are not compared. */
		if (options[i].name == SO_INCOMING_CPU && options[i].level == SOL_SOCKET)
			v = 0;
		if ((options[i].name == TCP_TIMESTAMP || options[i].name == TCP_WINDOW_CLAMP ||
		     options[i].name == TCP_QUICKACK) && options[i].level == IPPROTO_TCP)
			v = 0;
		out("%s %s %s %d %u", what, options[i].text, res(rc), rc ? 0 : v, (unsigned)len);
	}
}

static void show_poll(const char *what, int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN | POLLOUT | POLLPRI | POLLRDHUP | POLLRDNORM | POLLWRNORM };
	int rc = poll(&p, 1, 0);

	out("%s: poll %s %s", what, res(rc), bits((unsigned)p.revents));
}

static void show_error(const char *what, int fd)
{
	int err = -1;
	socklen_t len = sizeof(err);

	getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len);
	out("%s: SO_ERROR %s", what, err ? strerrorname_np(err) : "0");
}

static void all_calls(const char *what, int fd)
{
	struct addr a = { .len = sizeof(a.ss) }, to = peer_addr(0);
	char c[4];
	int v = -1;

	show_poll(what, fd);
	show_error(what, fd);
	out("%s: recv %s", what, res(recv(fd, c, 1, MSG_DONTWAIT)));
	out("%s: peek %s", what, res(recv(fd, c, 1, MSG_DONTWAIT | MSG_PEEK)));
	out("%s: oob %s", what, res(recv(fd, c, 1, MSG_DONTWAIT | MSG_OOB)));
	out("%s: errqueue %s", what, res(recv(fd, c, 1, MSG_DONTWAIT | MSG_ERRQUEUE)));
	out("%s: send %s", what, res(send(fd, "x", 1, MSG_DONTWAIT | MSG_NOSIGNAL)));
	out("%s: send 0 %s", what, res(send(fd, "x", 0, MSG_DONTWAIT | MSG_NOSIGNAL)));
	out("%s: sendto %s", what, res(sendto(fd, "x", 1, MSG_DONTWAIT | MSG_NOSIGNAL, SA(to))));
	out("%s: getpeername %s", what, res(getpeername(fd, (void *)&a.ss, &a.len)));
	out("%s: FIONREAD %s", what, res(ioctl(fd, FIONREAD, &v)));
	out("%s: TIOCOUTQ %s", what, res(ioctl(fd, TIOCOUTQ, &v)));
	out("%s: SIOCATMARK %s", what, res(ioctl(fd, 0x8905, &v)));
	out("%s: listen %s", what, res(listen(fd, 3)));
	out("%s: accept %s", what, res(accept(fd, NULL, NULL)));
	out("%s: shutdown bad %s", what, res(shutdown(fd, 7)));
	show_error(what, fd);
}

static void states(void)
{
	struct addr to = peer_addr(9);		/* nobody */
	int fd = socket(family, SOCK_STREAM, 0);
	char c;

	out("refused %s", res(connect(fd, SA(to))));
	show_error("refused", fd);
	show_poll("refused", fd);
	out("  recv %s", res(recv(fd, &c, 1, MSG_DONTWAIT)));
	out("  send %s", res(send(fd, "x", 1, MSG_NOSIGNAL)));
	out("  shutdown %s", res(shutdown(fd, SHUT_RDWR)));
	out("refused again %s", res(connect(fd, SA(to))));
	close(fd);

	fd = socket(family, SOCK_STREAM, 0);
	nonblock(fd, true);
	out("non-blocking %s", res(connect(fd, SA(to))));
	nap_ms(50);
	show_poll("refused unseen", fd);
	out("  recv %s", res(recv(fd, &c, 1, 0)));
	show_error("  then", fd);
	show_poll("  then", fd);
	out("  connect %s", res(connect(fd, SA(to))));
	close(fd);

	fd = tcp_pair_test(0);			/* the peer resets */
	say();
	nap_ms(50);
	show_poll("reset", fd);
	out("  peek %s", res(recv(fd, &c, 1, MSG_PEEK | MSG_DONTWAIT)));
	all_calls("reset", fd);
	close(fd);

	fd = tcp_pair_test(1);			/* the peer half-closes */
	say();
	nap_ms(50);
	all_calls("half-closed", fd);
	out("shutdown %s", res(shutdown(fd, SHUT_WR)));
	nap_ms(30);
	show_poll("both closed", fd);
	out("  send %s", res(send(fd, "x", 1, MSG_NOSIGNAL)));
	out("  shutdown again %s", res(shutdown(fd, SHUT_WR)));
	out("  shutdown both %s", res(shutdown(fd, SHUT_RDWR)));
	all_calls("both closed", fd);
	close(fd);

	fd = tcp_pair_test(2);
	out("shutdown read %s", res(shutdown(fd, SHUT_RD)));
	all_calls("read shut", fd);
	say();					/* the peer sends all the same */
	hear();
	nap_ms(30);
	show_poll("data after shutdown", fd);
	out("  recv %s", res(recv(fd, &c, 1, MSG_DONTWAIT)));
	out("  recv %s", res(recv(fd, &c, 1, MSG_DONTWAIT)));
	out("  connect %s", res(connect(fd, SA(to))));
	close(fd);
}

static void listeners(void)
{
	int l = tcp_listen(test_addr(3));
	struct addr to = peer_addr(4);
	char c;

	accel(l);
	show_options("listener", l);
	show_poll("listener", l);
	out("recv %s", res(recv(l, &c, 1, MSG_DONTWAIT)));
	out("send %s", res(send(l, "x", 1, MSG_NOSIGNAL)));
	out("connect %s", res(connect(l, SA(to))));
	out("listen again %s", res(listen(l, 1)));
	out("listen -1 %s", res(listen(l, -1)));
	nonblock(l, true);
	out("accept %s", res(accept(l, NULL, NULL)));
	out("accept bad flags %s", res(accept4(l, NULL, NULL, 0x4000)));
	out("shutdown write %s", res(shutdown(l, SHUT_WR)));
	show_poll("write shut", l);
	out("shutdown read %s", res(shutdown(l, SHUT_RD)));
	show_poll("read shut", l);
	out("accept %s", res(accept(l, NULL, NULL)));
	out("listen anew %s", res(listen(l, 2)));
	show_poll("anew", l);
	close(l);
}

static void took(const char *what, long start, long min)
{
	long ms = now_ms() - start;

	out("%s after %ld ms: %s", what, min, ms >= min - 5 && ms < min + 60 ? "yes" : "no");
}

static void times(void)
{
	struct timeval tv = { 0, 150000 };
	int fd = tcp_pair_test(5), l = tcp_listen(test_addr(6));
	char buf[100];
	long start;

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
	setsockopt(l, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	start = now_ms();
	out("recv %s", res(recv(fd, buf, 1, 0)));
	took("recv", start, 150);
	start = now_ms();
	out("accept %s", res(accept(l, NULL, NULL)));
	took("accept", start, 150);
	say();					/* the peer sends three bytes */
	start = now_ms();
	out("wait for all %s", res(recv(fd, buf, sizeof(buf), MSG_WAITALL)));
	took("wait for all", start, 150);
	{
		static char big[1 << 20];
		ssize_t n;

		start = now_ms();
		while ((n = send(fd, big, sizeof(big), 0)) == (ssize_t)sizeof(big))
			start = now_ms();
		out("send %s", n > 0 ? "some" : res(n));
		took("send", start, 150);
		start = now_ms();
		took("send", start, 150);
	}
	close(fd);
	close(l);
}

static void on_alarm(int sig)
{
	(void)sig;
}

static void signals(void)
{
	struct sigaction sa = { .sa_handler = on_alarm };
	struct itimerval it = { .it_value = { 0, 100000 } };
	int fd = tcp_pair_test(7);
	char buf[8];

	sigaction(SIGALRM, &sa, NULL);
	say();					/* three bytes */
	await(fd, POLLIN);
	setitimer(ITIMER_REAL, &it, NULL);
	out("wait for all, interrupted %s", res(recv(fd, buf, 8, MSG_WAITALL)));
	setitimer(ITIMER_REAL, &it, NULL);
	out("nothing there, interrupted %s", res(recv(fd, buf, 8, MSG_WAITALL)));
	say();					/* three bytes and the end */
	out("wait for all, end %s", res(recv(fd, buf, 8, MSG_WAITALL)));
	out("end %s", res(recv(fd, buf, 8, MSG_WAITALL)));
	sa.sa_handler = SIG_DFL;
	sigaction(SIGALRM, &sa, NULL);
	alarm(20);
	close(fd);
}

static void twice(void)
{
	struct addr to = peer_addr(8), other = peer_addr(9), bad = to;
	int fd = socket(family, SOCK_STREAM, 0);
	struct addr none = { .len = sizeof(struct sockaddr_in6) };

	hear();
	bad.ss.ss_family = AF_UNIX;
	out("bad family %s", res(connect(fd, SA(bad))));
	out("short %s", res(connect(fd, (void *)&to.ss, 4)));
	out("connect %s", res(connect(fd, SA(to))));
	accel(fd);
	show_options("connected", fd);
	out("again %s", res(connect(fd, SA(to))));
	out("elsewhere %s", res(connect(fd, SA(other))));
	out("bad family %s", res(connect(fd, SA(bad))));
	out("short %s", res(connect(fd, (void *)&to.ss, 4)));
	out("bind %s", res(bind(fd, SA(to))));
	none.ss.ss_family = AF_UNSPEC;
	out("disconnect %s", res(connect(fd, SA(none))));
	show_poll("disconnected", fd);
	show_error("disconnected", fd);
	close(fd);
}

static void datagrams(void)
{
	int fd = udp_bound(test_addr(11));
	struct addr to = peer_addr(9);

	accel(fd);
	show_options("UDP", fd);
	show_poll("UDP", fd);
	out("listen %s", res(listen(fd, 1)));
	out("accept %s", res(accept(fd, NULL, NULL)));
	out("connect %s", res(connect(fd, SA(to))));
	show_options("UDP connected", fd);
	out("shutdown read %s", res(shutdown(fd, SHUT_RD)));
	show_poll("UDP read shut", fd);
	out("shutdown write %s", res(shutdown(fd, SHUT_WR)));
	show_poll("UDP shut", fd);
	close(fd);
}

void test(void)
{
	states();
	listeners();
	times();
	signals();
	twice();
	datagrams();
}

void peer(void)
{
	struct linger l = { 1, 0 };
	int fd = tcp_pair_peer(0), ln;
	char c;

	hear();
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l));
	close(fd);

	fd = tcp_pair_peer(1);
	hear();
	shutdown(fd, SHUT_WR);
	while (recv(fd, &c, 1, 0) > 0)
		;
	close(fd);

	fd = tcp_pair_peer(2);
	hear();
	send(fd, "late", 4, MSG_NOSIGNAL);
	say();
	while (recv(fd, &c, 1, 0) > 0)
		;
	close(fd);

	fd = tcp_pair_peer(5);
	hear();
	send_all(fd, "abc", 3);
	ln = tcp_pair_peer(7);
	close(fd);
	hear();
	send_all(ln, "abc", 3);
	hear();
	send_all(ln, "def", 3);
	close(ln);

	ln = tcp_listen(peer_addr(8));
	say();
	fd = tcp_accept(ln);
	recv(fd, &c, 1, 0);
}
