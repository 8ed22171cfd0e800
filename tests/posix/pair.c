// SPDX-License-Identifier: BSD-2-Clause
/*
 * pair.c - starts the two sides of a comparison, joined by a socket pair
 *
 *	pair NS_A NS_B LIBRARY|- LIMIT_S program 4|6 port
 *
 * The test side runs in NS_A with LIBRARY preloaded, the peer on the kernel in NS_B.
 * The peer's output follows the test's.  Status: that of the side that failed.
 */
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CTL = 9 };

static pid_t start(const char *ns, const char *library, const char *role, char **argv, int ctl, int out)
{
	char path[128];
	char *args[] = { argv[0], (char *)role, argv[1], argv[2], NULL };
	pid_t pid = fork();
	int fd;

	if (pid)
		return pid;
	snprintf(path, sizeof(path), "/run/netns/%s", ns);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || setns(fd, CLONE_NEWNET) < 0) {
		perror(path);
		_exit(1);
	}
	if (strcmp(library, "-"))
		setenv("LD_PRELOAD", library, 1);
	dup2(ctl, CTL);
	if (out >= 0)
		dup2(out, 1);
	execv(argv[0], args);
	perror(argv[0]);
	_exit(1);
}

static volatile sig_atomic_t late;

static void on_alarm(int sig)
{
	late = 1;
}

int main(int argc, char **argv)
{
	struct sigaction sa = { .sa_handler = on_alarm };
	int sv[2], status, rc = 0;
	pid_t test, peer;
	FILE *peers;
	char line[4096];

	if (argc != 8) {
		fprintf(stderr, "usage: pair NS_A NS_B LIBRARY|- LIMIT_S program 4|6 port\n");
		return 2;
	}
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv) < 0 || !(peers = tmpfile())) {
		perror("pair");
		return 2;
	}
	test = start(argv[1], argv[3], "test", argv + 5, sv[0], -1);
	peer = start(argv[2], "-", "peer", argv + 5, sv[1], fileno(peers));
	close(sv[0]);
	close(sv[1]);
	sigaction(SIGALRM, &sa, NULL);
	alarm((unsigned)atoi(argv[4]));
	for (int left = 2; left;) {
		pid_t pid = wait(&status);

		if (pid < 0) {		/* too late: end both and take their status */
			fprintf(stderr, "time limit\n");
			rc = 124;
			kill(test, SIGKILL);
			kill(peer, SIGKILL);
			continue;
		}
		left--;
		if (!status || rc)
			continue;
		rc = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
		fprintf(stderr, "%s side: status %d\n", pid == test ? "test" : "peer", rc);
	}
	rewind(peers);
	while (fgets(line, sizeof(line), peers))
		printf("peer| %s", line);
	return rc;
}
