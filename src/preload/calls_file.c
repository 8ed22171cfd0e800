// SPDX-License-Identifier: BSD-2-Clause
/*
 * calls_file.c - other roads to a descriptor: streams, dprintf
 *
 * libc's FILE reads and writes past us.  A stream on a socket of ours is
 * therefore a custom one (fopencookie) whose functions are our own calls.
 */
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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
