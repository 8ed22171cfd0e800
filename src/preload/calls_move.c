// SPDX-License-Identifier: BSD-2-Clause
/*
 * calls_move.c - sendfile and splice with a socket of ours at one end
 *
 * The kernel cannot move bytes into or out of our sockets, so they are copied
 * here.  Nothing may be lost when the taking end takes less than was read: a file is
 * read at an offset (pread), a socket is first peeked at, a pipe is first
 * duplicated with tee().
 */
#include <fcntl.h>
#include <limits.h>
#include <sys/sendfile.h>

#include "base/sys.h"
#include "preload/fdtab.h"
#include "preload/libc.h"

enum { CHUNK = 16384, MOVE_LIMIT = 0x7ffff000 };

static ssize_t send_all(int fd, const char *buf, size_t n, int flags)
{
	ssize_t rc = send(fd, buf, n, flags);

	return rc < 0 ? -errno : rc;
}

static ssize_t file_to_sock(int out, int in, off_t pos, size_t count)
{
	char buf[CHUNK];
	size_t done = 0;
	ssize_t n, rc;

	while (done < count) {
		n = sys4(SYS_pread64, in, buf, min_t(size_t, count - done, sizeof(buf)), pos + (off_t)done);
		if (n <= 0)
			return done ? (ssize_t)done : n;
		rc = send_all(out, buf, (size_t)n, done + (size_t)n < count ? MSG_MORE : 0);
		if (rc < 0)
			return done ? (ssize_t)done : rc;
		done += (size_t)rc;
		if (rc < n)
			break;
	}
	return (ssize_t)done;
}

/* Write what fits.  With @nonblock a blocking pipe is asked first: one that
 * polls writable has room for PIPE_BUF bytes. */
static ssize_t to_pipe(int fd, const char *buf, size_t n, bool nonblock)
{
	struct pollfd p = { .fd = fd, .events = POLLOUT };
	struct timespec zero = { 0, 0 };
	size_t done = 0;
	ssize_t rc;

	while (done < n) {
		size_t part = n - done;

		if (nonblock) {
			if (sys_ppoll(&p, 1, &zero, NULL) != 1)
				return done ? (ssize_t)done : -EAGAIN;
			part = min_t(size_t, part, PIPE_BUF);
		}
		rc = sys_write(fd, buf + done, part);
		if (rc < 0)
			return done ? (ssize_t)done : rc;
		done += (size_t)rc;
	}
	return (ssize_t)done;
}

static ssize_t sock_to_pipe(struct sock *s, int in, int out, size_t count, unsigned flags)
{
	char buf[CHUNK];
	size_t done = 0;

	while (done < count) {
		size_t want = min_t(size_t, count - done, sizeof(buf));
		ssize_t n, rc;

		/* Only the first look may wait. */
		n = sock_recv(s, in, buf, want, MSG_PEEK | (done ? MSG_DONTWAIT : 0));
		if (n <= 0)
			return done ? (ssize_t)done : n;
		rc = to_pipe(out, buf, (size_t)n, flags & SPLICE_F_NONBLOCK);
		if (rc < 0)
			return done ? (ssize_t)done : rc;
		rc = sock_recv(s, in, buf, (size_t)rc, MSG_DONTWAIT);
		if (rc <= 0)
			return done ? (ssize_t)done : rc;
		done += (size_t)rc;
		if (rc < n || s->type != SOCK_STREAM)
			break;
	}
	return (ssize_t)done;
}

/* One chunk: what the pipe has, as far as the socket takes it. */
static ssize_t pipe_chunk(int in, int out, int tee[2], size_t count, unsigned flags)
{
	char buf[CHUNK];
	ssize_t n, rc, got = 0;

	n = sys4(SYS_tee, in, tee[1], min_t(size_t, count, sizeof(buf)), flags & SPLICE_F_NONBLOCK);
	if (n <= 0)
		return n;
	while (got < n) {
		rc = sys_read(tee[0], buf + got, (size_t)(n - got));
		if (rc <= 0)
			return rc;
		got += rc;
	}
	rc = send_all(out, buf, (size_t)n, flags & SPLICE_F_MORE ? MSG_MORE : 0);
	for (ssize_t left = rc; left > 0; left -= n) {
		n = sys_read(in, buf, (size_t)left);
		if (n <= 0)
			break;
	}
	return rc;
}

static ssize_t pipe_to_sock(int in, int out, size_t count, unsigned flags)
{
	size_t done = 0;
	ssize_t rc = 0;
	int tee[2];

	rc = sys2(SYS_pipe2, tee, O_CLOEXEC);
	if (rc < 0)
		return rc;
	while (done < count) {
		rc = pipe_chunk(in, out, tee, count - done, done ? flags | SPLICE_F_NONBLOCK : flags);
		if (rc <= 0)
			break;
		done += (size_t)rc;
	}
	sys_close(tee[0]);
	sys_close(tee[1]);
	return done ? (ssize_t)done : rc;
}

EXPORT ssize_t splice(int in, off64_t *off_in, int out, off64_t *off_out, size_t count, unsigned flags)
{
	struct sock *from = fdtab_sock(in), *to = fdtab_sock(out);
	ssize_t rc;

	if (from && from->mode != SOCK_ACCEL)
		from = NULL;
	if (to && to->mode != SOCK_ACCEL)
		to = NULL;
	if (likely(!from && !to))
		return libc.splice(in, off_in, out, off_out, count, flags);
	if (!count)
		return 0;
	if (from && to)
		return ret(-EINVAL);
	/* The other end must be a pipe, and open at all: one answer for both. */
	if (sys_fcntl(from ? out : in, F_GETPIPE_SZ, 0) < 0)
		return ret(sys_fcntl(from ? out : in, F_GETFD, 0) < 0 ? -EBADF : -EINVAL);
	if (from ? off_out : off_in)
		return ret(-ESPIPE);
	if (off_in || off_out)
		return ret(-EINVAL);
	count = min_t(size_t, count, MOVE_LIMIT);
	rc = from ? sock_to_pipe(from, in, out, count, flags) : pipe_to_sock(in, out, count, flags);
	if (rc == -EPIPE && from)
		signal_sigpipe();
	return ret(rc);
}

EXPORT ssize_t sendfile(int out, int in, off_t *off, size_t count)
{
	struct sock *s = fdtab_sock(out);
	ssize_t rc;
	off_t pos;

	if (!s || s->mode != SOCK_ACCEL) {
		s = fdtab_sock(in);
		if (!s || s->mode != SOCK_ACCEL)
			return libc.sendfile(out, in, off, count);
		/* From a socket it works into pipes only, as splice() does. */
		return off ? ret(-ESPIPE) : splice(in, NULL, out, NULL, count, 0);
	}
	count = min_t(size_t, count, MOVE_LIMIT);
	pos = off ? *off : (off_t)sys3(SYS_lseek, in, 0, SEEK_CUR);
	if (!off && pos < 0)
		return ret(pos == -ESPIPE ? -EINVAL : pos);
	if (pos < 0)
		return ret(-EINVAL);
	rc = file_to_sock(out, in, pos, count);
	if (rc > 0 && off)
		*off = pos + rc;
	else if (rc > 0)
		sys3(SYS_lseek, in, pos + rc, SEEK_SET);
	return ret(rc);
}
EXPORT ssize_t sendfile64(int, int, off64_t *, size_t) __attribute__((alias("sendfile")));
