// SPDX-License-Identifier: BSD-2-Clause
/*
 * log.c - lines for a human, written inside other people's programs
 *
 * The program owns its descriptors, so none is kept: a log file is opened for
 * each line (lines are rare), and descriptor 2 is written to only while it is
 * what it was at the start, or evidently a log.  System calls are made directly,
 * past our own interposed write() and close().  Keeps errno.
 */
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { LINE_LEN = 1024 };

static struct {
	bool ready;
	bool stamp;
	uint32_t classes;
	char file[PATH_MAX];
	/* what descriptor 2 was; dev 0 when it was closed */
	dev_t err_dev;
	ino_t err_ino;
} cfg = { .classes = PLOG_DEFAULT };

static const char *const class_names[PLOG_COUNT] = {
	[PLOG_BANNER] = "banner",
	[PLOG_RESOURCE] = "resource_warnings",
	[PLOG_CONFIG] = "config_warnings",
	[PLOG_USAGE] = "usage_warnings",
	[PLOG_CONN_DROP] = "conn_drop",
	[PLOG_MORE_CONFIG] = "more_config_warnings",
};

uint32_t log_classes(const char *list)
{
	uint32_t bits = 0;
	bool first = true;

	while (list && *list) {
		size_t len = strcspn(list, ", ");
		const char *word = list;
		bool off = *word == '-';

		list += len + strspn(list + len, ", ");
		if (off) {
			word++;
			len--;
		}
		for (int c = 0; c < PLOG_COUNT; c++) {
			const char *name = class_names[c];

			if (!name || strlen(name) != len || strncmp(name, word, len))
				continue;
			if (first && off)
				bits = PLOG_DEFAULT;
			first = false;
			bits = off ? bits & ~PLOG_BIT(c) : bits | PLOG_BIT(c);
		}
	}
	return bits | PLOG_BIT(PLOG_ERROR);
}

static int sys_fstat(int fd, struct stat *st)
{
	return fstat(fd, st) < 0 ? -errno : 0;
}

void log_init(uint32_t classes, const char *file, bool stamp)
{
	int saved = errno;
	struct stat st;

	cfg.classes = classes | PLOG_BIT(PLOG_ERROR);
	cfg.stamp = stamp;
	cfg.file[0] = 0;
	if (file && strlen(file) < sizeof(cfg.file))
		memcpy(cfg.file, file, strlen(file) + 1);
	if (!cfg.ready && !sys_fstat(STDERR_FILENO, &st)) {
		cfg.err_dev = st.st_dev;
		cfg.err_ino = st.st_ino;
	}
	cfg.ready = true;
	errno = saved;
}

/* Would a line on descriptor 2 reach a human, or damage a file or a connection
 * that the program opened after it closed its standard error? */
static bool stderr_is_ours(struct stat *st)
{
	int flags;

	if (sys_fstat(STDERR_FILENO, st) < 0)
		return false;
	if (st->st_dev == cfg.err_dev && st->st_ino == cfg.err_ino)
		return true;
	if (S_ISCHR(st->st_mode))
		return isatty(STDERR_FILENO);
	flags = (int)syscall(SYS_fcntl, STDERR_FILENO, F_GETFL);
	return S_ISREG(st->st_mode) && flags >= 0 && (flags & O_APPEND) &&
	       (flags & O_ACCMODE) == O_WRONLY;
}

/* A pipe whose reader has gone would kill the program by SIGPIPE for a line that
 * it did not write; a full one would block it. */
static void write_pipe(const char *line, size_t len)
{
	struct pollfd p = { .fd = STDERR_FILENO, .events = POLLOUT };
	struct timespec zero = { 0, 0 };
	sigset_t pipe_set, old, pending;
	bool was_pending;

	if (syscall(SYS_ppoll, &p, 1, &zero, NULL, 0) != 1 || !(p.revents & POLLOUT))
		return;
	sigemptyset(&pipe_set);
	sigaddset(&pipe_set, SIGPIPE);
	sigpending(&pending);
	was_pending = sigismember(&pending, SIGPIPE);
	/* raw: sigset_t of the C library is larger than the kernel's 8 bytes */
	syscall(SYS_rt_sigprocmask, SIG_BLOCK, &pipe_set, &old, 8);
	if (syscall(SYS_write, STDERR_FILENO, line, len) < 0 && errno == EPIPE && !was_pending)
		syscall(SYS_rt_sigtimedwait, &pipe_set, NULL, &zero, 8);
	syscall(SYS_rt_sigprocmask, SIG_SETMASK, &old, NULL, 8);
}

static void write_line(const char *line, size_t len)
{
	struct stat st;
	int fd;

	if (cfg.file[0]) {
		fd = (int)syscall(SYS_openat, AT_FDCWD, cfg.file,
				  O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0644);
		if (fd >= 0) {
			syscall(SYS_write, fd, line, len);
			syscall(SYS_close, fd);
			return;
		}
	}
	if (!cfg.ready)
		log_init(cfg.classes, NULL, false);
	if (!stderr_is_ours(&st))
		return;
	if (S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode))
		write_pipe(line, len);
	else
		syscall(SYS_write, STDERR_FILENO, line, len);
}

void postern_log(enum log_class class, const char *fmt, ...)
{
	int saved = errno;
	char line[LINE_LEN];
	size_t n = 0;
	va_list ap;
	int rc;

	if (!(cfg.classes & PLOG_BIT(class)))
		return;
	if (cfg.stamp) {
		struct timespec ts;

		clock_gettime(CLOCK_REALTIME, &ts);
		n += snprintf(line, sizeof(line), "%lld.%06ld ", (long long)ts.tv_sec,
			      ts.tv_nsec / 1000);
	}
	n += snprintf(line + n, sizeof(line) - n, "oo:%.32s[%d]: ", program_invocation_short_name,
		      (int)getpid());

	va_start(ap, fmt);
	errno = saved;	/* for %m */
	rc = vsnprintf(line + n, sizeof(line) - n - 1, fmt, ap);
	va_end(ap);
	if (rc > 0)
		n += min_t(size_t, rc, sizeof(line) - n - 2);
	while (n && line[n - 1] == '\n')
		n--;
	line[n++] = '\n';
	write_line(line, n);
	errno = saved;
}
