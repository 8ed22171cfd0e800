// SPDX-License-Identifier: BSD-2-Clause
/*
 * calls_file.c - other roads to a descriptor: streams, dprintf, AIO, io_uring
 *
 * libc's FILE reads and writes past us.  A stream on a socket of ours is
 * therefore a custom one (fopencookie) whose functions are our own calls.  What
 * would hand the socket to the kernel behind our back is refused with ENOSYS,
 * for which programs have a fall-back.
 */
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "preload/fdtab.h"
#include "preload/libc.h"

/* ---- streams ------------------------------------------------------------------------- */

/* The cookie is the descriptor itself. */
static ssize_t file_read(void *cookie, char *buf, size_t n)
{
	return read((int)(intptr_t)cookie, buf, n);
}

/* libc takes a short count for an error, so go on until all is sent; 0 means error here. */
static ssize_t file_write(void *cookie, const char *buf, size_t n)
{
	size_t done = 0;

	while (done < n) {
		ssize_t rc = write((int)(intptr_t)cookie, buf + done, n - done);

		if (rc < 0)
			return (ssize_t)done;
		done += (size_t)rc;
	}
	return (ssize_t)done;
}

static int file_seek(void *cookie, off64_t *off, int whence)
{
	errno = ESPIPE;
	return -1;
}

static int file_close(void *cookie)
{
	return close((int)(intptr_t)cookie);
}

EXPORT FILE *fdopen(int fd, const char *mode)
{
	static const cookie_io_functions_t io = { file_read, file_write, file_seek, file_close };
	int flags;
	FILE *f;

	if (likely(!fdtab_object(fd)))
		return libc.fdopen(fd, mode);
	/* The checks of fdopen(): sockets are open both ways. */
	if (!mode || !strchr("rwa", *mode)) {
		errno = EINVAL;
		return NULL;
	}
	flags = libc.fcntl(fd, F_GETFL, 0);
	if (flags < 0)
		return NULL;
	f = fopencookie((void *)(intptr_t)fd, mode, io);
	/* For fileno().  Custom streams never use the number themselves. */
	if (f)
		f->_fileno = fd;
	return f;
}
FILE *_IO_fdopen(int, const char *);
EXPORT FILE *_IO_fdopen(int, const char *) __attribute__((alias("fdopen")));

static int print(int fd, const char *format, va_list ap)
{
	char *text;
	int n = vasprintf(&text, format, ap);

	if (n < 0)
		return n;
	if (file_write((void *)(intptr_t)fd, text, (size_t)n) < n)
		n = -1;
	free(text);
	return n;
}

EXPORT int vdprintf(int fd, const char *format, va_list ap)
{
	return fdtab_sock(fd) ? print(fd, format, ap) : libc.vdprintf(fd, format, ap);
}

EXPORT int dprintf(int fd, const char *format, ...)
{
	va_list ap;
	int n;

	va_start(ap, format);
	n = vdprintf(fd, format, ap);
	va_end(ap);
	return n;
}

int __vdprintf_chk(int fd, int flag, const char *format, va_list ap);
EXPORT int __vdprintf_chk(int fd, int flag, const char *format, va_list ap)
{
	return vdprintf(fd, format, ap);
}

int __dprintf_chk(int fd, int flag, const char *format, ...);
EXPORT int __dprintf_chk(int fd, int flag, const char *format, ...)
{
	va_list ap;
	int n;

	va_start(ap, format);
	n = vdprintf(fd, format, ap);
	va_end(ap);
	return n;
}

/* ---- asynchronous I/O ------------------------------------------------------------------- */

static __cold int refuse(const char *what)
{
	static _Atomic bool said;

	if (!atomic_exchange(&said, true))
		postern_log(PLOG_USAGE, "%s does not work with accelerated sockets: refused with ENOSYS", what);
	return (int)ret(-ENOSYS);
}

EXPORT int aio_read(struct aiocb *cb)
{
	return fdtab_sock(cb->aio_fildes) ? refuse("aio_read()") : libc.aio_read(cb);
}
EXPORT int aio_read64(struct aiocb64 *) __attribute__((alias("aio_read")));

EXPORT int aio_write(struct aiocb *cb)
{
	return fdtab_sock(cb->aio_fildes) ? refuse("aio_write()") : libc.aio_write(cb);
}
EXPORT int aio_write64(struct aiocb64 *) __attribute__((alias("aio_write")));

EXPORT int lio_listio(int mode, struct aiocb *const v[restrict], int n, struct sigevent *restrict ev)
{
	for (int i = 0; i < n; i++)
		if (v[i] && v[i]->aio_lio_opcode != LIO_NOP && fdtab_sock(v[i]->aio_fildes))
			return refuse("lio_listio()");
	return libc.lio_listio(mode, v, n, ev);
}
EXPORT int lio_listio64(int, struct aiocb64 *const[], int, struct sigevent *) __attribute__((alias("lio_listio")));

/* The kernel would work on the descriptors itself; programs then use epoll.
 * These are liburing's entry points, returning -errno. */
int io_uring_queue_init(unsigned entries, void *ring, unsigned flags);
EXPORT int io_uring_queue_init(unsigned entries, void *ring, unsigned flags)
{
	return -ENOSYS;
}

int io_uring_queue_init_params(unsigned entries, void *ring, void *params);
EXPORT int io_uring_queue_init_params(unsigned entries, void *ring, void *params)
{
	return -ENOSYS;
}

int io_uring_queue_init_mem(unsigned entries, void *ring, void *params, void *buf, size_t size);
EXPORT int io_uring_queue_init_mem(unsigned entries, void *ring, void *params, void *buf, size_t size)
{
	return -ENOSYS;
}

int io_uring_setup(unsigned entries, void *params);
EXPORT int io_uring_setup(unsigned entries, void *params)
{
	return -ENOSYS;
}
