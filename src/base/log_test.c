// SPDX-License-Identifier: BSD-2-Clause
/*
 * log_test.c - lines reach a human and nothing else
 */
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static void classes_by_name(void **state)
{
	assert_int_equal(log_classes("banner"), PLOG_BIT(PLOG_ERROR) | PLOG_BIT(PLOG_BANNER));
	assert_int_equal(log_classes("-banner"), PLOG_DEFAULT & ~PLOG_BIT(PLOG_BANNER));
	assert_int_equal(log_classes("conn_drop,banner,-conn_drop,nonsense"),
			 PLOG_BIT(PLOG_ERROR) | PLOG_BIT(PLOG_BANNER));
	assert_int_equal(log_classes(""), PLOG_BIT(PLOG_ERROR));
}

/* Runs @fn in a child whose standard error is a pipe; gives what it wrote. */
static int in_child(void (*fn)(void), char *buf, size_t size)
{
	ssize_t n, got = 0;
	int p[2], status;
	pid_t pid;

	assert_int_equal(pipe(p), 0);
	pid = fork();
	if (pid == 0) {
		dup2(p[1], 2);
		close(p[0]);
		close(p[1]);
		fn();
		_exit(0);
	}
	close(p[1]);
	while ((n = read(p[0], buf + got, size - 1 - got)) > 0)
		got += n;
	buf[got] = 0;
	close(p[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void say_two(void)
{
	errno = 77;
	log_init(PLOG_DEFAULT, NULL, false);
	postern_log(PLOG_CONFIG, "first %d\n", 1);
	postern_log(PLOG_DEBUG, "hidden");
	if (errno != 77)
		_exit(1);
}

static void prefix_and_class(void **state)
{
	char buf[512];

	assert_int_equal(in_child(say_two, buf, sizeof(buf)), 0);
	assert_int_equal(strncmp(buf, "oo:", 3), 0);
	assert_non_null(strstr(buf, "]: first 1\n"));
	assert_null(strstr(buf, "hidden"));
}

static void reuse_fd_2(void)
{
	char file[] = "/tmp/postern-log-XXXXXX";
	int fd;

	log_init(PLOG_DEFAULT, NULL, false);
	close(2);
	postern_log(PLOG_ERROR, "nowhere");
	fd = mkstemp(file);
	unlink(file);
	if (fd != 2)
		_exit(1);
	postern_log(PLOG_ERROR, "into a file of the program");
	if (lseek(fd, 0, SEEK_END) != 0)
		_exit(2);
}

static void spares_a_reused_descriptor(void **state)
{
	char buf[512];

	assert_int_equal(in_child(reuse_fd_2, buf, sizeof(buf)), 0);
	assert_string_equal(buf, "");
}

static void broken_pipe(void)
{
	int p[2];

	if (pipe(p))
		_exit(1);
	dup2(p[1], 2);
	close(p[0]);
	close(p[1]);
	signal(SIGPIPE, SIG_DFL);
	log_init(PLOG_DEFAULT, NULL, false);
	postern_log(PLOG_ERROR, "nobody reads this");
}

static void survives_a_broken_pipe(void **state)
{
	char buf[512];

	assert_int_equal(in_child(broken_pipe, buf, sizeof(buf)), 0);
}

static void long_lines_are_cut(void **state)
{
	char file[] = "/tmp/postern-log-XXXXXX";
	char big[5000], buf[6000];
	ssize_t n;
	int fd = mkstemp(file);

	assert_true(fd >= 0);
	memset(big, 'x', sizeof(big));
	big[sizeof(big) - 1] = 0;
	log_init(PLOG_DEFAULT, file, true);
	postern_log(PLOG_ERROR, "%s", big);
	postern_log(PLOG_ERROR, "second");
	n = read(fd, buf, sizeof(buf) - 1);
	close(fd);
	unlink(file);
	assert_in_range(n, 1000, 1200);
	buf[n] = 0;
	assert_non_null(strstr(buf, "x\n"));
	assert_non_null(strstr(buf, "]: second\n"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(classes_by_name),
		cmocka_unit_test(prefix_and_class),
		cmocka_unit_test(spares_a_reused_descriptor),
		cmocka_unit_test(survives_a_broken_pipe),
		cmocka_unit_test(long_lines_are_cut),
	};

	return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
