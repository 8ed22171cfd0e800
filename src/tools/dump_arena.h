/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * dump_arena.h - reading a stack's arena from outside, whatever is in it
 *
 * The arena belongs to programs that run, crash or lie.  It is never mapped here:
 * pread() copies what is asked for, so that memory which shrinks cannot kill the
 * reader and nothing changes between a check and its use.  Every offset and id is
 * held against the size of the memory, and no list of it is followed.  The copy is
 * taken without the lock and may be torn: figures of one line may be of two
 * moments.
 */
#ifndef POSTERN_TOOLS_DUMP_ARENA_H
#define POSTERN_TOOLS_DUMP_ARENA_H

#include <stdatomic.h>

#include "sock/sock_shm.h"
#include "stack/stack_shm.h"
#include "tcp/tcp_shm.h"
#include "udp/udp_shm.h"

/* HOLDER_FDS: the daemon's keeper of descriptors. */
enum holder_role { HOLDER_APP, HOLDER_KEEPER, HOLDER_DAEMON, HOLDER_FDS, HOLDER_OTHER };

/* A process that has the arena. */
struct holder {
	uint32_t pid;		/* as we see it */
	uint32_t nspid;		/* as it sees itself */
	uint8_t role;		/* enum holder_role */
	char comm[16];
};

struct arena {
	int fd;
	uint64_t size;		/* of the memory */
	uint64_t ino;
	struct stack_shm *st;	/* private copy */
	struct net_shm *net;	/* private copy, or NULL */
	struct sock_upper upper;
	uint32_t n_eps;		/* endpoint slots that can be read */
	uint32_t top;		/* those that were ever used */
	uint32_t n_socks;	/* struct sock_shm that can be read */
	uint64_t eps_off, socks_off;	/* in the memory */
	char problem[96];	/* why not all of it can be read, or "" */

	struct holder *holders;
	size_t n_holders;

	/* as the daemon says */
	bool listed;
	uint32_t keeper_pid;

	/* slots read ahead, so that a walk is not one system call each */
	uint8_t *win, *sock_win;
	uint32_t win_first, win_n, sock_first, sock_n;
};

/* A socket: copies. */
struct sock_view {
	uint32_t id;
	bool has_sock;		/* sk is valid */
	union {
		_Alignas(CACHE_LINE) uint8_t slot[EP_SLOT_SIZE];
		struct ep ep;
		struct tcp_conn tcp;
		struct tcp_listen lis;
		struct udp_ep udp;
	};
	struct sock_shm sk;
};

/**
 * arena_open - look at the memory behind @fd
 * @fd: consumed on success
 *
 * Returns 0 (a->problem says what cannot be read), or -errno: -EPROTO when this is
 * no arena at all, -EAGAIN when its creator has not finished.
 */
int __must_check arena_open(struct arena **out, int fd);
void arena_close(struct arena *a);

/* arena_read - @len bytes at @off: 0, -ERANGE (not inside the memory) or -EIO. */
int __must_check arena_read(const struct arena *a, uint64_t off, void *buf, size_t len);

/* arena_sock - endpoint slot @id with its socket: 0, -ENOENT (free), -ERANGE, -EIO. */
int __must_check arena_sock(struct arena *a, uint32_t id, struct sock_view *v);

/* Is the slot number of a process table in use? */
bool arena_proc(const struct arena *a, uint32_t slot, struct stack_proc *out);
/* Slot of the process that calls itself @nspid, or -1. */
int arena_proc_slot(const struct arena *a, uint32_t nspid);

#endif
