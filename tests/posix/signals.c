// SPDX-License-Identifier: BSD-2-Clause
/* Signals: EINTR, SA_RESTART, time-outs, ppoll masks, sigaction tells the program's own handler. */
#include "posix.h"

static volatile sig_atomic_t count, last_sig, last_value;

static void plain(int sig)
{
	count++;
	last_sig = sig;
}

static void with_info(int sig, siginfo_t *info, void *context)
{
	count++;
	last_sig = info->si_signo;
	last_value = info->si_value.sival_int;
}

static void install(int sig, int flags)
{
	struct sigaction sa = { .sa_handler = plain, .sa_flags = flags };

	sigaction(sig, &sa, NULL);
}

static pid_t kill_in(int ms, int sig)
{
	pid_t pid = fork(), parent = getppid();

	if (pid == 0) {
		nap_ms(ms);
		kill(getppid(), sig);
		_exit(parent == 0);
	}
	return pid;
}

static void reap(pid_t pid)
{
	while (waitpid(pid, NULL, 0) < 0)
		;
}

static void counted(const char *what, long rc)
{
	out("%s: %s, handled %d", what, res(rc), (int)count);
}

static void interrupted(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	struct timeval tv = { 5, 0 };
	struct epoll_event ev = { .events = EPOLLIN };
	int ep = epoll_create1(0);
	char c;
	pid_t pid;

	install(SIGUSR1, 0);
	pid = kill_in(100, SIGUSR1);
	counted("recv, no restart", recv(fd, &c, 1, 0));
	reap(pid);
	install(SIGUSR1, SA_RESTART);
	pid = kill_in(100, SIGUSR1);
	counted("poll, restart", poll(&p, 1, 5000));
	reap(pid);
	epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev);
	pid = kill_in(100, SIGUSR1);
	counted("epoll_wait, restart", epoll_wait(ep, &ev, 1, 5000));
	reap(pid);
	close(ep);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	pid = kill_in(100, SIGUSR1);
	counted("recv with time-out, restart", recv(fd, &c, 1, 0));
	reap(pid);
	tv = (struct timeval){ 0, 0 };
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	pid = kill_in(100, SIGUSR1);
	say();			/* data after 300 ms */
	counted("recv, restart", recv(fd, &c, 1, 0));
	reap(pid);
	signal(SIGUSR1, SIG_IGN);
	pid = kill_in(50, SIGUSR1);
	say();
	out("recv, ignored: %s", res(recv(fd, &c, 1, 0)));
	reap(pid);
}

static void timeouts(int fd)
{
	struct timeval tv = { 0, 200000 };
	long start = now_ms(), took;
	char c;

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	out("recv times out %s", res(recv(fd, &c, 1, 0)));
	took = now_ms() - start;
	out("after 200 ms: %s", took >= 199 && took < 1000 ? "yes" : "no");
	tv.tv_usec = 0;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
}

static void masks(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	struct timespec ts = { 5, 0 };
	sigset_t block, none, now;

	install(SIGUSR2, 0);
	sigemptyset(&none);
	sigemptyset(&block);
	sigaddset(&block, SIGUSR2);
	sigprocmask(SIG_BLOCK, &block, NULL);
	count = 0;
	kill(getpid(), SIGUSR2);
	counted("blocked: poll", poll(&p, 1, 50));
	counted("ppoll unblocks", ppoll(&p, 1, &ts, &none));
	sigprocmask(SIG_BLOCK, NULL, &now);
	out("mask restored %d", sigismember(&now, SIGUSR2));
	sigprocmask(SIG_UNBLOCK, &block, NULL);
}

static void actions(void)
{
	struct sigaction sa = { .sa_sigaction = with_info, .sa_flags = SA_SIGINFO | SA_NODEFER }, old;
	union sigval v = { .sival_int = 42 };

	sigaddset(&sa.sa_mask, SIGHUP);
	sigaction(SIGRTMIN, &sa, NULL);
	sigaction(SIGRTMIN, NULL, &old);
	out("own handler %d, flags %d, mask %d", old.sa_sigaction == with_info,
	    (old.sa_flags & (SA_SIGINFO | SA_NODEFER | SA_RESTART)) == (SA_SIGINFO | SA_NODEFER),
	    sigismember(&old.sa_mask, SIGHUP));
	sigqueue(getpid(), SIGRTMIN, v);
	out("queued value %d, signal is SIGRTMIN %d", (int)last_value, last_sig == SIGRTMIN);
	out("signal() returns the old one %d", signal(SIGUSR1, plain) == SIG_IGN);
	out("and again %d", signal(SIGUSR1, SIG_DFL) == plain);
	sa = (struct sigaction){ .sa_handler = plain, .sa_flags = (int)SA_RESETHAND };
	sigaction(SIGUSR1, &sa, NULL);
	raise(SIGUSR1);
	sigaction(SIGUSR1, NULL, &old);
	out("reset after the first %d", old.sa_handler == SIG_DFL);
	out("bad signal %s", res(sigaction(99, NULL, &old)));
	install(SIGUSR1, SA_RESTART);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
	siginterrupt(SIGUSR1, 1);
#pragma GCC diagnostic pop
	sigaction(SIGUSR1, NULL, &old);
	out("siginterrupt %d", !(old.sa_flags & SA_RESTART));
}

/* Handlers that use sockets themselves while the program does. */
static int ticking_fd;
static volatile sig_atomic_t ticks;

static void on_tick(int sig)
{
	int saved = errno;

	if (send(ticking_fd, "t", 1, MSG_DONTWAIT) == 1)
		ticks++;
	errno = saved;
}

static void busy(int fd)
{
	struct sigaction sa = { .sa_handler = on_tick, .sa_flags = SA_RESTART };
	struct timespec period = { 0, 300000 };
	struct itimerspec it = { period, period };
	timer_t timer;
	char c = 'd';
	int n = 0;

	ticking_fd = fd;
	sigaction(SIGALRM, &sa, NULL);
	if (timer_create(CLOCK_MONOTONIC, NULL, &timer) < 0)
		die("timer_create");
	alarm(0);
	timer_settime(timer, 0, &it, NULL);
	while (n < 20000)
		if (send(fd, &c, 1, 0) == 1)
			n++;
	timer_delete(timer);
	signal(SIGALRM, SIG_DFL);
	alarm(20);
	shutdown(fd, SHUT_WR);
	recv_all(fd, &n, sizeof(n));
	out("nothing lost %d, ticked %d", n == 20000 + (int)ticks, ticks > 3);
}

void test(void)
{
	int fd = tcp_pair_test(0);

	interrupted(fd);
	timeouts(fd);
	masks(fd);
	actions();
	busy(fd);
	close(fd);
}

void peer(void)
{
	int fd = tcp_pair_peer(0), n = 0;
	char buf[4096];
	ssize_t rc;

	hear();
	nap_ms(300);
	send_all(fd, "x", 1);
	hear();
	nap_ms(200);
	send_all(fd, "x", 1);
	while ((rc = recv(fd, buf, sizeof(buf), 0)) > 0)
		n += (int)rc;
	send_all(fd, &n, sizeof(n));
}
