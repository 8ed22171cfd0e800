/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fdtab_shm.h - what a process' descriptors are, for the tools to read
 *
 * A memfd named "postern-fds" in each process that has made an Internet socket:
 * found as /proc/PID/fd/N, mapped read-only.
 *
 *   0     struct fdtab_shm
 *   64    struct fdtab_shm_fd [n_fds], by descriptor number
 *
 * Only this process writes.  A child of fork() inherits the descriptor, but
 * makes its own copy when it first changes something: `pid` tells whose it is.
 * An entry is written without a lock; a reader that finds an odd `seq`, or a
 * changed one afterwards, reads again.
 */
#ifndef POSTERN_PRELOAD_FDTAB_SHM_H
#define POSTERN_PRELOAD_FDTAB_SHM_H

#include <stdint.h>

#define FDTAB_SHM_NAME  "postern-fds"
#define FDTAB_SHM_MAGIC 0x5064734674736f50ull	/* "PostFsdP" */
enum { FDTAB_SHM_VERSION = 1 };

enum fdtab_kind {
	FDTAB_NONE,		/* closed, or nothing that concerns us */
	FDTAB_SOCK,		/* an Internet socket that the library keeps an object for */
	FDTAB_KERNEL,		/* an Internet socket that is the kernel's: see reason */
	FDTAB_EPOLL,
};

enum {
	FDTAB_REFUSED_URING = 1 << 0,	/* an io_uring */
	FDTAB_REFUSED_AIO   = 1 << 1,	/* AIO on an accelerated socket */
};

struct fdtab_shm {
	uint64_t magic;
	uint32_t version;
	uint32_t pid;		/* as the process sees itself */
	char comm[16];
	uint32_t n_fds;
	_Atomic uint32_t max_fd;	/* the highest entry ever used */
	uint32_t entry_size;
	_Atomic uint32_t refused;	/* FDTAB_REFUSED_*: what the program wanted and did not get */
	uint32_t spare[4];
};
_Static_assert(sizeof(struct fdtab_shm) == 64, "layout is shared");

struct fdtab_shm_fd {
	_Atomic uint16_t seq;
	uint8_t kind;		/* enum fdtab_kind */
	uint8_t mode;		/* enum sock_mode */
	uint8_t family;		/* AF_INET, AF_INET6 */
	uint8_t type;		/* SOCK_STREAM, SOCK_DGRAM */
	uint16_t reason;	/* enum sock_reason */
	uint32_t stack_id;	/* with mode SOCK_ACCEL */
	uint32_t ep_id;
	uint64_t cookie;	/* SO_COOKIE, 0: not known */
	uint64_t spare;
};
_Static_assert(sizeof(struct fdtab_shm_fd) == 32, "layout is shared");

#endif
