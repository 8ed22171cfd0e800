// SPDX-License-Identifier: BSD-2-Clause
/*
 * calls_aio.c - asynchronous I/O, which works on the kernel's descriptors past us
 *
 * POSIX AIO and Linux AIO name descriptors: a socket of ours is handed to the kernel
 * where it still can be, with the reason recorded, else the request is refused.
 * io_uring names them in shared memory, too late to look: a ring is refused with ENOSYS,
 * for which programs and libraries have a fall-back, unless nothing is accelerated
 * anyway.  What was refused stands in the tools' table of the process.
 *
 * Programs that make these system calls by instructions of their own (static liburing)
 * are not seen here.
 */
#include <dlfcn.h>
#include <linux/aio_abi.h>

#include "base/log.h"
#include "base/sys.h"
#include "preload/fdtab.h"
#include "preload/libc.h"

static __cold void refused(const char *what, uint32_t bit)
{
	static _Atomic uint32_t said;

	mirror_refused(bit);
	if (!(atomic_fetch_or(&said, bit) & bit))
		postern_log(PLOG_USAGE, "%s bypasses the library: refused, see onload_stackdump why", what);
}

/* Is the descriptor the kernel's, or can it be made so? */
static bool is_kernels(int fd)
{
	struct sock *s = fdtab_sock(fd);

	if (likely(!s))
		return true;
	if (sock_handover(s, fd, SOCK_REASON_raw_syscall) < 0)
		return false;
	fdtab_decided(fd, s);
	return true;
}

/* ---- POSIX: libc's threads ------------------------------------------------------------ */

EXPORT int aio_read(struct aiocb *cb)
{
	if (likely(is_kernels(cb->aio_fildes)))
		return libc.aio_read(cb);
	refused("aio_read()", FDTAB_REFUSED_AIO);
	return (int)ret(-ENOSYS);
}
EXPORT int aio_read64(struct aiocb64 *) __attribute__((alias("aio_read")));

EXPORT int aio_write(struct aiocb *cb)
{
	if (likely(is_kernels(cb->aio_fildes)))
		return libc.aio_write(cb);
	refused("aio_write()", FDTAB_REFUSED_AIO);
	return (int)ret(-ENOSYS);
}
EXPORT int aio_write64(struct aiocb64 *) __attribute__((alias("aio_write")));

EXPORT int lio_listio(int mode, struct aiocb *const v[restrict], int n, struct sigevent *restrict ev)
{
	for (int i = 0; i < n; i++)
		if (v[i] && v[i]->aio_lio_opcode != LIO_NOP && !is_kernels(v[i]->aio_fildes)) {
			refused("lio_listio()", FDTAB_REFUSED_AIO);
			return (int)ret(-ENOSYS);
		}
	return libc.lio_listio(mode, v, n, ev);
}
EXPORT int lio_listio64(int, struct aiocb64 *const[], int, struct sigevent *) __attribute__((alias("lio_listio")));

/* ---- Linux: the system call, and libaio's function, which returns -errno ---------------- */

long aio_submit(unsigned long ctx, long n, void *iocbs)
{
	struct iocb **v = iocbs;
	long ok = 0;

	while (v && ok < n && v[ok] && is_kernels((int)v[ok]->aio_fildes))
		ok++;
	if (v && ok < n && v[ok]) {
		refused("io_submit()", FDTAB_REFUSED_AIO);
		/* As the kernel: those before it are submitted, EINVAL where it is the first. */
		if (!ok)
			return -EINVAL;
		n = ok;
	}
	return sys3(SYS_io_submit, ctx, n, iocbs);
}

int io_submit(void *ctx, long n, void *iocbs);
EXPORT int io_submit(void *ctx, long n, void *iocbs)
{
	return (int)aio_submit((unsigned long)ctx, n, iocbs);
}

/* ---- io_uring, and liburing's functions, which return -errno ------------------------------ */

bool uring_refused(void)
{
	preload_start();
	if (!sock_opts()->tcp && !sock_opts()->udp)
		return false;
	refused("io_uring", FDTAB_REFUSED_URING);
	return true;
}

/* The library's own: looked up at the call, since few programs have it. */
#define NEXT(name, ...)                                                    \
	do {                                                               \
		void *next;                                                \
		if (uring_refused() || !(next = dlsym(RTLD_NEXT, #name)))  \
			return -ENOSYS;                                    \
		return ((__typeof__(&name))next)(__VA_ARGS__);             \
	} while (0)

int io_uring_queue_init(unsigned entries, void *ring, unsigned flags);
EXPORT int io_uring_queue_init(unsigned entries, void *ring, unsigned flags)
{
	NEXT(io_uring_queue_init, entries, ring, flags);
}

int io_uring_queue_init_params(unsigned entries, void *ring, void *params);
EXPORT int io_uring_queue_init_params(unsigned entries, void *ring, void *params)
{
	NEXT(io_uring_queue_init_params, entries, ring, params);
}

int io_uring_queue_init_mem(unsigned entries, void *ring, void *params, void *buf, size_t size);
EXPORT int io_uring_queue_init_mem(unsigned entries, void *ring, void *params, void *buf, size_t size)
{
	NEXT(io_uring_queue_init_mem, entries, ring, params, buf, size);
}

int io_uring_setup(unsigned entries, void *params);
EXPORT int io_uring_setup(unsigned entries, void *params)
{
	NEXT(io_uring_setup, entries, params);
}
