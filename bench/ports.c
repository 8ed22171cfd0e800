// SPDX-License-Identifier: BSD-2-Clause
/*
 * ports.c - as many outgoing connections as there are ports, to two destinations
 *
 *	ports server PORT ADDRESS ADDRESS [-k processes]
 *	ports client PORT ADDRESS ADDRESS [-k processes] [-n connections]
 *
 * From one address, n connections (28,000) to each of two destinations: more than one
 * port range in all, so ports must be shared between destinations.  All stay open until
 * the last one is there, and a byte goes over each and back.  Several processes (4)
 * share them, because the limit on open files is often below 56,000.
 */
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "sockutil.h"

enum { MAX_PROCS = 64 };

/* What the client's processes tell their parent. */
struct report {
	long open, answered, failed;
	int why;
};

static long raise_nofile(void)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r) < 0)
		err(1, "RLIMIT_NOFILE");
	r.rlim_cur = r.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &r) < 0)
		err(1, "RLIMIT_NOFILE");
	return (long)r.rlim_cur;
}

static void serve_part(const int lfd[2], long room)
{
	struct epoll_event ev = { .events = EPOLLIN }, evs[64];
	int ep = epoll_create1(0);
	char c;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (int d = 0; d < 2; d++) {
		ev.data.fd = lfd[d];
		if (epoll_ctl(ep, EPOLL_CTL_ADD, lfd[d], &ev) < 0)
			err(1, "epoll_ctl");
	}
	for (;;) {
		int n = epoll_wait(ep, evs, 64, -1);

		for (int i = 0; i < n; i++) {
			int fd = evs[i].data.fd;

			if (fd != lfd[0] && fd != lfd[1]) {
				ssize_t got = recv(fd, &c, 1, MSG_DONTWAIT);

				if (got == 1)
					(void)!send(fd, &c, 1, MSG_NOSIGNAL);
				else if (got == 0 || errno != EAGAIN) {
					close(fd);
					room++;
				}
				continue;
			}
			if (room <= 0)
				continue;
			fd = accept4(fd, NULL, NULL, SOCK_NONBLOCK);
			if (fd < 0)
				continue;	/* another process was faster */
			if (--room == 0) {	/* full: the others take the rest */
				epoll_ctl(ep, EPOLL_CTL_DEL, lfd[0], NULL);
				epoll_ctl(ep, EPOLL_CTL_DEL, lfd[1], NULL);
			}
			ev.data.fd = fd;
			if (epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev) < 0)
				err(1, "epoll_ctl");
		}
	}
}

static int serve(union addr a[2], socklen_t len, int procs)
{
	long limit = raise_nofile();
	int lfd[2];

	for (int d = 0; d < 2; d++) {
		lfd[d] = tcp_listen(&a[d], len, 4096);
		if (fcntl(lfd[d], F_SETFL, O_NONBLOCK) < 0)
			err(1, "O_NONBLOCK");
	}
	for (int i = 0; i < procs; i++) {
		pid_t pid = fork();

		if (pid < 0)
			err(1, "fork");
		if (!pid)
			serve_part(lfd, limit - 100);
	}
	for (;;)
		pause();
}

static void client_part(union addr a[2], socklen_t len, long n, struct report *r, int go, int done)
{
	int *fds = calloc((size_t)n * 2, sizeof(*fds));
	char c = 'x';

	if (!fds)
		err(1, "calloc");
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (long i = 0; i < 2 * n; i++) {
		int fd = socket(a->sa.sa_family, SOCK_STREAM, 0);

		if (fd < 0)
			err(1, "socket");
		if (connect(fd, &a[i & 1].sa, len) < 0) {
			r->why = errno;
			close(fd);
			if (++r->failed > 20)
				break;
			continue;
		}
		fds[r->open++] = fd;
	}
	(void)!write(done, &c, 1);
	(void)!read(go, &c, 1);		/* all are open now */
	for (long i = 0; i < r->open; i++)
		if (send(fds[i], &c, 1, MSG_NOSIGNAL) == 1 && recv(fds[i], &c, 1, 0) == 1)
			r->answered++;
		else
			r->why = errno;
	_exit(0);
}

static int connect_all(union addr a[2], socklen_t len, long n, int procs)
{
	struct report *r = mmap(NULL, sizeof(*r) * MAX_PROCS, PROT_READ | PROT_WRITE,
				MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int go[2], done[2];
	long open = 0, answered = 0, failed = 0;
	int why = 0;
	uint64_t t;
	char c;

	raise_nofile();
	if (r == MAP_FAILED || pipe(go) < 0 || pipe(done) < 0)
		err(1, "pipe");
	t = now_ns();
	for (int i = 0; i < procs; i++) {
		pid_t pid = fork();

		if (pid < 0)
			err(1, "fork");
		if (!pid)
			client_part(a, len, n / procs, &r[i], go[0], done[1]);
	}
	close(done[1]);
	for (int i = 0; i < procs; i++)
		(void)!read(done[0], &c, 1);
	t = now_ns() - t;
	for (int i = 0; i < procs; i++)
		(void)!write(go[1], &c, 1);
	while (wait(NULL) > 0)
		;
	for (int i = 0; i < procs; i++) {
		open += r[i].open;
		answered += r[i].answered;
		failed += r[i].failed;
		why = r[i].why ? r[i].why : why;
	}
	printf("ports wanted=%ld open=%ld answered=%ld failed=%ld per_s=%.0f\n", n / procs * procs * 2, open,
	       answered, failed, (double)open * 1e9 / (double)t);
	if (failed || answered != open || open != n / procs * procs * 2) {
		fprintf(stderr, "ports: the last failure: %s\n", strerror(why));
		return 1;
	}
	return 0;
}

int main(int argc, char **argv)
{
	union addr a[2];
	socklen_t len;
	int procs = 4, c;
	long n = 28000;

	if (argc < 5)
		goto usage;
	for (int d = 0; d < 2; d++)
		len = addr_set(&a[d], argv[3 + d], atoi(argv[2]));
	optind = 5;
	while ((c = getopt(argc, argv, "k:n:")) != -1) {
		if (c == 'k')
			procs = atoi(optarg);
		else if (c == 'n')
			n = atol(optarg);
		else
			goto usage;
	}
	if (procs < 1 || procs > MAX_PROCS || n < procs)
		goto usage;
	if (!strcmp(argv[1], "server"))
		return serve(a, len, procs);
	if (!strcmp(argv[1], "client"))
		return connect_all(a, len, n, procs);
usage:
	fprintf(stderr, "usage: ports server|client PORT ADDRESS ADDRESS [-k processes] [-n connections]\n");
	return 2;
}
