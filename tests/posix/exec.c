// SPDX-License-Identifier: BSD-2-Clause
/* exec: an inherited socket works in the new program; close-on-exec; spawn; the environment. */
#include "posix.h"

#include <spawn.h>

extern char **environ;

/* The program again, as "resume": uses the descriptors that it inherited. */
static void resumed(void)
{
	int fd = atoi(getenv("RESUME_FD")), gone = atoi(getenv("RESUME_GONE"));
	char buf[8] = "";
	struct addr a = { .len = sizeof(a.ss) };

	unsetenv("RESUME_FD");
	out("library %s", under_library() == !!getenv("RESUME_LIB") ? "kept" : "lost");
	out("marked close-on-exec %s", res(send(gone, "x", 1, MSG_NOSIGNAL)));
	if (getpeername(fd, (void *)&a.ss, &a.len) < 0)
		die("getpeername");
	out("peer %s", addr_name(&a.ss, a.len));
	out("send %s", res(send(fd, "exec", 4, 0)));
	recv_all(fd, buf, 4);
	out("got %s", buf);
	accel(fd);
	close(fd);
	exit(0);
}

static char *args[5];

static void set(const char *name, int v)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", v);
	setenv(name, text, 1);
}

static void prepare(int fd, int gone)
{
	set("RESUME_FD", fd);
	set("RESUME_GONE", gone);
	if (under_library())
		setenv("RESUME_LIB", "1", 1);
	for (int i = 0; i < 4; i++)
		args[i] = prog_argv[i];
}

static void report(pid_t pid)
{
	int st;

	waitpid(pid, &st, 0);
	out("status %d", st);
}

void test(void)
{
	static char *bare[6];
	char fd_text[40], gone_text[40];
	int fd, gone, rc;
	pid_t pid;

	if (getenv("RESUME_FD"))
		resumed();
	/* fork and exec; the parent closes first */
	fd = tcp_pair_test(0);
	gone = tcp_pair_test(1);
	fcntl(gone, F_SETFD, FD_CLOEXEC);
	prepare(fd, gone);
	pid = fork();
	if (pid == 0) {
		execv(prog_argv[0], args);
		_exit(9);
	}
	close(fd);
	close(gone);
	report(pid);

	/* a cleaned environment */
	fd = tcp_pair_test(2);
	snprintf(fd_text, sizeof(fd_text), "RESUME_FD=%d", fd);
	snprintf(gone_text, sizeof(gone_text), "RESUME_GONE=%d", 900);
	bare[0] = fd_text;
	bare[1] = gone_text;
	bare[2] = (char *)"PATH=/bin";
	bare[3] = under_library() ? (char *)"RESUME_LIB=1" : NULL;
	pid = fork();
	if (pid == 0) {
		execve(prog_argv[0], args, bare);
		_exit(9);
	}
	report(pid);
	close(fd);

	/* posix_spawn, and the same program in place of this one */
	fd = tcp_pair_test(3);
	gone = tcp_pair_test(4);
	fcntl(gone, F_SETFD, FD_CLOEXEC);
	prepare(fd, gone);
	rc = posix_spawn(&pid, prog_argv[0], NULL, NULL, args, environ);
	report(pid);
	out("spawn %d", rc);
	close(fd);
	close(gone);

	fd = tcp_pair_test(5);
	prepare(fd, 900);
	execvp(prog_argv[0], args);
}

static void serve(int fd, const char *what)
{
	char buf[8] = "";

	recv_all(fd, buf, 4);
	send_all(fd, "back", 4);
	out("%s: %s, end %s", what, buf, res(recv(fd, buf, 1, 0)));
	close(fd);
}

void peer(void)
{
	int fd, gone;
	char c;

	fd = tcp_pair_peer(0);
	gone = tcp_pair_peer(1);
	serve(fd, "exec");
	out("close-on-exec: end %s", res(recv(gone, &c, 1, 0)));
	serve(tcp_pair_peer(2), "bare environment");
	fd = tcp_pair_peer(3);
	gone = tcp_pair_peer(4);
	serve(fd, "spawn");
	out("close-on-exec: end %s", res(recv(gone, &c, 1, 0)));
	serve(tcp_pair_peer(5), "in place");
}
