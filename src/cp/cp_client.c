// SPDX-License-Identifier: BSD-2-Clause
/*
 * cp_client.c - the application's side of the conversation with posternd
 *
 * Runs inside programs that know nothing of us.  Therefore: system calls are made
 * directly (base/sys.h), since the libc names may be our own interposed ones; descriptors are close-on-exec and live above the numbers that
 * the program expects for itself; a daemon is started by clone() without an exit
 * signal, so that no SIGCHLD reaches the program, its wait() finds no unknown
 * child and its atfork handlers do not run.
 */
#include "cp/cp_client.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/sys.h"

#include "base/sys.h"

enum {
	REPLY_MS = 10000,	/* opening many queues takes a while */
	START_MS = 10000,
	RESTART_MS = 1000,	/* how long a daemon that was there may be away */
};

struct cp_client {
	pthread_mutex_t lock;
	int fd;			/* -1: not connected */
	int tables_fd;
	_Atomic uint32_t gen;	/* of fd */
	_Atomic bool stale;	/* see the header */
	char start[];		/* "" never start a daemon */
};

static void close_fd(int fd)
{
	if (fd >= 0)
		(void)sys1(SYS_close, fd);
}

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static void sleep_ms(unsigned int ms)
{
	struct timespec ts = { .tv_nsec = (long)ms * 1000000 };

	(void)sys2(SYS_nanosleep, &ts, NULL);
}

/* Waits for @events until @deadline: 0, -ETIMEDOUT or -errno. */
static int wait_fd(int fd, short events, uint64_t deadline)
{
	for (;;) {
		struct pollfd p = { .fd = fd, .events = events };
		uint64_t now = now_ms();
		long left = now < deadline ? (long)(deadline - now) : 0;
		struct timespec ts = { left / 1000, left % 1000 * 1000000 };
		long rc = sys5(SYS_ppoll, &p, 1, &ts, NULL, 0);

		if (rc > 0)
			return 0;
		if (rc == 0)
			return -ETIMEDOUT;
		if (rc != -EINTR)
			return (int)rc;
	}
}

static int send_msg(int fd, const void *req, size_t len, const int *fds, int n)
{
	union {
		struct cmsghdr h;
		char room[CMSG_SPACE(CP_MAX_FDS * sizeof(int))];
	} c;
	struct iovec iov = { (void *)req, len };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
	long rc;

	if (n > 0) {
		memset(&c, 0, sizeof(c.h));
		c.h.cmsg_level = SOL_SOCKET;
		c.h.cmsg_type = SCM_RIGHTS;
		c.h.cmsg_len = CMSG_LEN((size_t)n * sizeof(int));
		memcpy(CMSG_DATA(&c.h), fds, (size_t)n * sizeof(int));
		m.msg_control = &c;
		m.msg_controllen = CMSG_SPACE((size_t)n * sizeof(int));
	}
	do
		rc = sys3(SYS_sendmsg, fd, &m, MSG_NOSIGNAL);
	while (rc == -EINTR);
	return rc < 0 ? (int)rc : 0;
}

/* One message of at least @min bytes.  Descriptors for which there is no room are
 * closed.  Returns the length or -errno; -EPIPE at end of file. */
static int recv_msg(int fd, void *buf, size_t room, int *fds, int *n_fds, uint64_t deadline)
{
	union {
		struct cmsghdr h;
		char room[CMSG_SPACE(CP_MAX_FDS * sizeof(int))];
	} c;
	struct iovec iov = { buf, room };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1,
			    .msg_control = &c, .msg_controllen = sizeof(c) };
	int want = n_fds ? *n_fds : 0, got = 0, rc;
	struct cmsghdr *h;
	long len;

	do {
		rc = wait_fd(fd, POLLIN, deadline);
		if (rc < 0)
			return rc;
		m.msg_controllen = sizeof(c);
		len = sys3(SYS_recvmsg, fd, &m, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	} while (len == -EINTR || len == -EAGAIN);

	for (h = len >= 0 ? CMSG_FIRSTHDR(&m) : NULL; h; h = CMSG_NXTHDR(&m, h)) {
		size_t n = (h->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		int f;

		if (h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < n; i++) {
			memcpy(&f, CMSG_DATA(h) + i * sizeof(int), sizeof(f));
			if (got < want)
				fds[got++] = sys_fd_high(f);
			else
				close_fd(f);
		}
	}
	if (n_fds)
		*n_fds = got;
	if (len == 0)
		return -EPIPE;
	if (len > 0 && (m.msg_flags & (MSG_TRUNC | MSG_CTRUNC)))
		len = -EMSGSIZE;
	if (len < 0 && n_fds) {
		while (got > 0)
			close_fd(fds[--got]);
		*n_fds = 0;
	}
	return (int)len;
}

/* Abstract names are per network namespace and first come, first served: an
 * impostor must not get our descriptors. */
static bool peer_trusted(int fd)
{
	struct ucred cr;
	socklen_t len = sizeof(cr);

	if (sys5(SYS_getsockopt, fd, SOL_SOCKET, SO_PEERCRED, &cr, &len) < 0)
		return false;
	return cr.uid == 0 || cr.uid == geteuid();
}

static int connect_daemon(int *out)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	socklen_t len = offsetof(struct sockaddr_un, sun_path) + sizeof(CP_SOCK_NAME);
	long rc;
	int fd;

	memcpy(sa.sun_path + 1, CP_SOCK_NAME, sizeof(CP_SOCK_NAME) - 1);
	rc = sys3(SYS_socket, AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (rc < 0)
		return (int)rc;
	fd = sys_fd_high((int)rc);
	do
		rc = sys3(SYS_connect, fd, &sa, len);
	while (rc == -EINTR);
	if (rc == 0 && !peer_trusted(fd))
		rc = -EPERM;
	if (rc < 0) {
		close_fd(fd);
		return (int)rc;
	}
	*out = fd;
	return 0;
}

/* The grandchild: the daemon's first moments.  Only system calls: the memory is a
 * copy in which other threads' locks may be held. */
static void __attribute__((noreturn)) exec_daemon(const char *path, int ready_fd,
						  char *const *env)
{
	char *argv[] = { (char *)path, "--auto", "--ready-fd", "3", NULL };
	long null;

	(void)sys0(SYS_setsid);
	(void)sys1(SYS_chdir, "/");
	if (ready_fd != 3)
		(void)sys3(SYS_dup3, ready_fd, 3, 0);
	else
		(void)sys3(SYS_fcntl, 3, F_SETFD, 0);
	(void)sys3(SYS_close_range, 4u, ~0u, 0u);
	/* Not the program's terminal or pipes: who reads them waits for their end. */
	null = sys4(SYS_openat, AT_FDCWD, "/dev/null", O_RDWR, 0);
	if (null >= 0)
		for (int i = 0; i < 3; i++)
			(void)sys3(SYS_dup3, (int)null, i, 0);
	if (null > 3)
		close_fd((int)null);
	(void)sys3(SYS_execve, path, argv, env);
	(void)sys1(SYS_exit_group, 127);
	for (;;)
		;
}

/* An environment that owes nothing to the program's: LD_PRELOAD above all would
 * put ourselves into the daemon. */
static void daemon_env(char *env[], size_t room)
{
	extern char **environ;
	char **e = environ;
	size_t n = 0;

	env[n++] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
	/* Nor, in a set-user-ID program, to whoever called it. */
	if (getauxval(AT_SECURE))
		e = NULL;
	for (; e && *e && n + 1 < room; e++)
		if (strncmp(*e, "POSTERN_", 8) == 0)
			env[n++] = *e;
	env[n] = NULL;
}

/* Starts the daemon and waits for its word; what it says on failure goes to @why. */
static int start_daemon(const char *path, char why[96])
{
	char *env[16];
	sigset_t all, old;
	char text[96];
	long pid, got;
	int p[2], st, rc;

	if (geteuid() != 0) {
		snprintf(why, 96, "posternd is not running and only root may start it");
		return -EACCES;
	}
	daemon_env(env, ARRAY_SIZE(env));
	rc = (int)sys2(SYS_pipe2, p, O_CLOEXEC);
	if (rc < 0)
		return rc;
	p[0] = sys_fd_high(p[0]);
	p[1] = sys_fd_high(p[1]);

	/* A handler of the program must not run in the copy. */
	sigfillset(&all);
	(void)sys4(SYS_rt_sigprocmask, SIG_SETMASK, &all, &old, _NSIG / 8);
	pid = sys5(SYS_clone, 0, 0, 0, 0, 0);
	if (pid == 0) {
		if (sys5(SYS_clone, 0, 0, 0, 0, 0) == 0)
			exec_daemon(path, p[1], env);
		(void)sys1(SYS_exit_group, 0);
	}
	(void)sys4(SYS_rt_sigprocmask, SIG_SETMASK, &old, NULL, _NSIG / 8);
	close_fd(p[1]);
	if (pid < 0) {
		close_fd(p[0]);
		return (int)pid;
	}
	while (sys4(SYS_wait4, (int)pid, &st, __WCLONE, NULL) == -EINTR)
		;

	/* "ok", or a line that says why not; or just its end. */
	rc = wait_fd(p[0], POLLIN, now_ms() + START_MS);
	got = rc == 0 ? sys3(SYS_read, p[0], text, sizeof(text) - 1) : 0;
	close_fd(p[0]);
	if (got >= 2 && memcmp(text, "ok", 2) == 0)
		return 0;
	if (got > 0) {
		text[got] = 0;
		text[strcspn(text, "\n")] = 0;
		snprintf(why, 96, "%s", text);
	} else {
		snprintf(why, 96, "posternd did not start (%.60s)", path);
	}
	return rc < 0 ? rc : -ECONNREFUSED;
}

static bool same_file(int a, int b)
{
	struct stat x, y;

	return sys2(SYS_fstat, a, &x) == 0 && sys2(SYS_fstat, b, &y) == 0 &&
	       x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

static int hello(struct cp_client *c, char why[96])
{
	struct cp_hello_req req = {
		.h = { .type = CP_REQ_HELLO, .len = sizeof(req) },
		.version = CP_PROTO_VERSION,
	};
	struct cp_hello_rep rep;
	int fd = -1, n = 1, rc;

	rc = send_msg(c->fd, &req, sizeof(req), NULL, 0);
	if (rc == 0)
		rc = recv_msg(c->fd, &rep, sizeof(rep), &fd, &n, now_ms() + REPLY_MS);
	if (rc < 0)
		return rc;
	if (rc < (int)sizeof(rep.h) || (rep.h.rc == 0 && (rc < (int)sizeof(rep) || n != 1))) {
		if (n)
			close_fd(fd);
		return -EPROTO;
	}
	if (rep.h.rc < 0) {
		rep.h.why[sizeof(rep.h.why) - 1] = 0;
		snprintf(why, 96, "%s", rep.h.why);
		if (n)
			close_fd(fd);
		return rep.h.rc;
	}
	/* The tables outlive the daemon: the holder keeps the same memory.  A
	 * mapping of the first stays good, only the number is renewed. */
	if (c->tables_fd >= 0) {
		bool same = same_file(c->tables_fd, fd);

		close_fd(fd);
		if (!same)
			atomic_store(&c->stale, true);
		return same ? 0 : -ESTALE;
	}
	c->tables_fd = fd;
	return 0;
}

static int reach(struct cp_client *c, bool again, char why[96])
{
	uint64_t deadline = now_ms() + RESTART_MS;
	bool started = false;
	int rc;

	for (;;) {
		rc = connect_daemon(&c->fd);
		if (rc == 0) {
			rc = hello(c, why);
			if (rc == 0)
				return 0;
			close_fd(c->fd);
			c->fd = -1;
			/* Caught a daemon that was about to leave: once more. */
			if (rc != -EPIPE && rc != -ECONNRESET)
				return rc;
		} else if (rc == -EPERM) {
			snprintf(why, 96, "the address @postern is taken by a process that is neither root nor ours");
			return rc;
		} else if (rc != -ECONNREFUSED) {
			snprintf(why, 96, "cannot connect to posternd");
			return rc;
		}
		if (c->start[0] && !started && geteuid() == 0) {
			started = true;
			rc = start_daemon(c->start, why);
			if (rc < 0)
				return rc;
			deadline = now_ms() + RESTART_MS;
			continue;
		}
		if ((!again && !started) || now_ms() >= deadline)
			break;
		sleep_ms(20);
	}
	if (!why[0])
		snprintf(why, 96, "posternd is not running in this network namespace%s",
			 c->start[0] ? ", and only root may start it" : "");
	return -ECONNREFUSED;
}

int cp_client_open(struct cp_client **out, const char *start, char why[96])
{
	size_t len = start ? strlen(start) : 0;
	int saved = errno, rc;
	struct cp_client *c;

	why[0] = 0;
	c = calloc(1, sizeof(*c) + len + 1);
	if (!c)
		return -ENOMEM;
	if (start)
		memcpy(c->start, start, len);
	c->fd = c->tables_fd = -1;
	pthread_mutex_init(&c->lock, NULL);
	c->gen = 1;
	rc = reach(c, false, why);
	if (rc < 0)
		cp_client_close(c);
	else
		*out = c;
	errno = saved;
	return rc;
}

void cp_client_close(struct cp_client *c)
{
	int saved = errno;

	close_fd(c->fd);
	close_fd(c->tables_fd);
	pthread_mutex_destroy(&c->lock);
	free(c);
	errno = saved;
}

void cp_client_reset(struct cp_client *c)
{
	int saved = errno;

	/* The lock may have been held by a thread that fork() did not copy. */
	pthread_mutex_init(&c->lock, NULL);
	close_fd(c->fd);
	c->fd = -1;
	errno = saved;
}

int cp_client_fd(const struct cp_client *c)
{
	return c->fd;
}

uint32_t cp_client_gen(const struct cp_client *c)
{
	return atomic_load_explicit(&c->gen, memory_order_relaxed);
}

bool cp_client_stale(const struct cp_client *c)
{
	return atomic_load_explicit(&c->stale, memory_order_relaxed);
}

bool cp_client_alive(struct cp_client *c)
{
	struct pollfd p = { .events = POLLRDHUP };
	struct timespec zero = { 0, 0 };
	bool alive = true;

	if (cp_client_stale(c))
		return false;
	if (pthread_mutex_trylock(&c->lock) != 0)
		return true;
	p.fd = c->fd;
	alive = c->fd >= 0 && sys5(SYS_ppoll, &p, 1, &zero, NULL, 0) == 0;
	pthread_mutex_unlock(&c->lock);
	return alive;
}

int cp_client_tables_fd(const struct cp_client *c)
{
	return c->tables_fd;
}

static int exchange(struct cp_client *c, const void *req, size_t req_len, const int *fds_in,
		    int n_in, void *rep, size_t rep_room, int *fds_out, int *n_out)
{
	char why[96] = "";
	int rc, room = n_out ? *n_out : 0;

	for (int attempt = 0;; attempt++) {
		if (atomic_load(&c->stale))
			return -ESTALE;
		if (c->fd < 0) {
			rc = reach(c, true, why);
			if (rc < 0)
				return rc;
			c->gen++;
		}
		if (n_out)
			*n_out = room;
		rc = send_msg(c->fd, req, req_len, fds_in, n_in);
		if (rc == 0)
			rc = recv_msg(c->fd, rep, rep_room, fds_out, n_out, now_ms() + REPLY_MS);
		if (rc >= 0)
			return rc;
		/* After any failure the next reply would be the last one's. */
		close_fd(c->fd);
		c->fd = -1;
		if (attempt > 0 || (rc != -EPIPE && rc != -ECONNRESET && rc != -ENOTCONN))
			return rc;
	}
}

int cp_call(struct cp_client *c, const void *req, size_t req_len, const int *fds_in, int n_in,
	    void *rep, size_t rep_room, int *fds_out, int *n_out)
{
	struct cp_rep *h = rep;
	int saved = errno, rc;

	if (n_in > CP_MAX_FDS || rep_room < sizeof(*h))
		return -EINVAL;
	pthread_mutex_lock(&c->lock);
	rc = exchange(c, req, req_len, fds_in, n_in, rep, rep_room, fds_out, n_out);
	pthread_mutex_unlock(&c->lock);
	if (rc >= 0) {
		if (rc < (int)sizeof(*h) || h->len != (uint32_t)rc) {
			for (int i = 0; n_out && i < *n_out; i++)
				close_fd(fds_out[i]);
			rc = -EPROTO;
		} else {
			h->why[sizeof(h->why) - 1] = 0;
			rc = h->rc;
		}
	}
	if (rc < 0 && n_out && (rc == -EPROTO))
		*n_out = 0;
	errno = saved;
	return rc;
}
