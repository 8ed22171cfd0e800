// SPDX-License-Identifier: BSD-2-Clause
/*
 * posix.c - see posix.h.  Arguments: test|peer, 4|6, first port; descriptor CTL is
 * a stream socket to the other side.
 */
#include "posix.h"

#include <dlfcn.h>
#include <stdarg.h>

enum { CTL = 9 };

int family;
char **prog_argv;
static int base_port;
static const char *role;

static struct addr make_addr(const char *a4, const char *a6, int port)
{
	struct addr a = { 0 };

	if (family == AF_INET) {
		struct sockaddr_in *in = (void *)&a.ss;

		in->sin_family = AF_INET;
		in->sin_port = htons((uint16_t)(base_port + port));
		inet_pton(AF_INET, a4, &in->sin_addr);
		a.len = sizeof(*in);
	} else {
		struct sockaddr_in6 *in = (void *)&a.ss;

		in->sin6_family = AF_INET6;
		in->sin6_port = htons((uint16_t)(base_port + port));
		inet_pton(AF_INET6, a6, &in->sin6_addr);
		a.len = sizeof(*in);
	}
	return a;
}

struct addr test_addr(int port) { return make_addr("10.88.0.1", "fd00:88::1", port); }
struct addr peer_addr(int port) { return make_addr("10.88.0.2", "fd00:88::2", port); }
struct addr any_addr(int port) { return make_addr("0.0.0.0", "::", port); }

const char *addr_name(const void *sa, socklen_t len)
{
	static char names[4][80];
	static int next;
	char *name = names[next++ % 4], host[64] = "?";
	const struct sockaddr *s = sa;
	int port = 0;

	if (len < sizeof(sa_family_t))
		return "none";
	if (s->sa_family == AF_INET && len >= sizeof(struct sockaddr_in)) {
		const struct sockaddr_in *in = sa;

		inet_ntop(AF_INET, &in->sin_addr, host, sizeof(host));
		port = ntohs(in->sin_port);
	} else if (s->sa_family == AF_INET6 && len >= sizeof(struct sockaddr_in6)) {
		const struct sockaddr_in6 *in = sa;

		inet_ntop(AF_INET6, &in->sin6_addr, host, sizeof(host));
		port = ntohs(in->sin6_port);
	} else {
		snprintf(name, 80, "family %d, %d bytes", s->sa_family, (int)len);
		return name;
	}
	if (!strcmp(host, "10.88.0.1") || !strcmp(host, "fd00:88::1"))
		snprintf(host, sizeof(host), "test");
	else if (!strcmp(host, "10.88.0.2") || !strcmp(host, "fd00:88::2"))
		snprintf(host, sizeof(host), "peer");
	else if (!strcmp(host, "0.0.0.0") || !strcmp(host, "::"))
		snprintf(host, sizeof(host), "any");
	if (port >= base_port && port < base_port + 20)
		snprintf(name, 80, "%s:%d", host, port - base_port);
	else
		snprintf(name, 80, "%s:%s", host, port ? "?" : "none");
	return name;
}

void out(const char *format, ...)
{
	char line[1024];
	va_list ap;
	int n;

	va_start(ap, format);
	n = vsnprintf(line, sizeof(line) - 1, format, ap);
	va_end(ap);
	line[n++] = '\n';
	if (write(1, line, (size_t)n) != n)
		abort();
}

const char *res(long rc)
{
	static char text[8][32];
	static int next;
	char *t = text[next++ % 8];
	const char *name;

	if (rc >= 0) {
		snprintf(t, 32, "%ld", rc);
		return t;
	}
	name = strerrorname_np(errno);
	return name ? name : "unknown errno";
}

const char *bits(unsigned events)
{
	static char text[8][96];
	static int next;
	char *t = text[next++ % 8];
	static const struct { unsigned bit; const char *name; } all[] = {
		{ POLLIN, "IN" }, { POLLPRI, "PRI" }, { POLLOUT, "OUT" }, { POLLERR, "ERR" },
		{ POLLHUP, "HUP" }, { POLLNVAL, "NVAL" }, { POLLRDHUP, "RDHUP" },
	};

	*t = 0;
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (events & all[i].bit)
			snprintf(t + strlen(t), 96 - strlen(t), "%s%s", *t ? "|" : "", all[i].name);
	return *t ? t : "-";
}

void die(const char *what)
{
	fprintf(stderr, "%s %s: %s: %s\n", prog_argv[0], role, what, strerror(errno));
	exit(1);
}

void say(void)
{
	if (write(CTL, "x", 1) != 1)
		die("say");
}

void hear(void)
{
	char c;
	ssize_t n;

	do
		n = read(CTL, &c, 1);
	while (n < 0 && errno == EINTR);
	if (n != 1) {
		fprintf(stderr, "%s %s: the other side is gone\n", prog_argv[0], role);
		exit(1);
	}
}

bool under_library(void)
{
	return dlsym(RTLD_DEFAULT, "onload_is_present") != NULL;
}

void accel(int fd)
{
	struct { int32_t stack; char *name; int32_t ep, state; } st = { 0 };
	int (*stat)(int, void *) = (int (*)(int, void *))dlsym(RTLD_DEFAULT, "onload_fd_stat");

	if (!stat || getenv("POSIX_ANY"))
		return;
	if (stat(fd, &st) != 1) {
		fprintf(stderr, "%s: descriptor %d is not accelerated\n", prog_argv[0], fd);
		exit(1);
	}
	free(st.name);
}

int tcp_listen(struct addr a)
{
	int fd = socket(family, SOCK_STREAM, 0), on = 1;

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
	    bind(fd, SA(a)) < 0 || listen(fd, 8) < 0)
		die("listen");
	return fd;
}

int tcp_connect(struct addr a)
{
	int fd = socket(family, SOCK_STREAM, 0);

	if (fd < 0 || connect(fd, SA(a)) < 0)
		die("connect");
	return fd;
}

int tcp_accept(int listener)
{
	int fd = accept(listener, NULL, NULL);

	if (fd < 0)
		die("accept");
	return fd;
}

int udp_bound(struct addr a)
{
	int fd = socket(family, SOCK_DGRAM, 0);

	if (fd < 0 || bind(fd, SA(a)) < 0)
		die("bind");
	return fd;
}

int tcp_pair_test(int port)
{
	int fd;

	hear();
	fd = tcp_connect(peer_addr(port));
	accel(fd);
	return fd;
}

int tcp_pair_peer(int port)
{
	int l = tcp_listen(peer_addr(port)), fd;

	say();
	fd = tcp_accept(l);
	close(l);
	return fd;
}

void send_all(int fd, const void *buf, size_t n)
{
	for (size_t done = 0; done < n;) {
		ssize_t rc = send(fd, (const char *)buf + done, n - done, 0);

		if (rc <= 0)
			die("send");
		done += (size_t)rc;
	}
}

void recv_all(int fd, void *buf, size_t n)
{
	for (size_t done = 0; done < n;) {
		ssize_t rc = recv(fd, (char *)buf + done, n - done, 0);

		if (rc <= 0)
			die("recv");
		done += (size_t)rc;
	}
}

void nonblock(int fd, bool on)
{
	int flags = fcntl(fd, F_GETFL);

	if (fcntl(fd, F_SETFL, on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK) < 0)
		die("fcntl");
}

void await(int fd, short events)
{
	struct pollfd p = { .fd = fd, .events = events };

	if (poll(&p, 1, 5000) != 1)
		die("await");
}

void nap_ms(int ms)
{
	struct timespec t = { ms / 1000, ms % 1000 * 1000000L };

	while (nanosleep(&t, &t) < 0)
		;
}

long now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int main(int argc, char **argv)
{
	prog_argv = argv;
	if (argc < 4) {
		fprintf(stderr, "run by run.sh: %s test|peer 4|6 PORT\n", argv[0]);
		return 2;
	}
	role = argv[1];
	family = atoi(argv[2]) == 6 ? AF_INET6 : AF_INET;
	base_port = atoi(argv[3]);
	alarm(20);
	if (!strcmp(role, "test"))
		test();
	else
		peer();
	return 0;
}
