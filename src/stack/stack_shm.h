/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * stack_shm.h - the head of a stack's arena
 *
 *   0         stack_shm      magic .. processes .. VIs .. wake-up words
 *   net_off   net_shm, endpoint slots, tables        (net/)
 *   upper_off sockets, epoll sets                    (sock/; zf/ has its own)
 *   frames_off = state_size: packet frames = UMEM
 *
 * Created by the process that the daemon told to (CP_STACK_CREATED); `state`
 * becomes STACK_READY last (release; pairs with the acquire in stack_open()).
 */
#ifndef POSTERN_STACK_STACK_SHM_H
#define POSTERN_STACK_STACK_SHM_H

#include "base/shm.h"
#include "net/net.h"

#define STACK_MAGIC 0x506f737465726e31ull	/* "Postern1" */
enum { STACK_LAYOUT = 1, STACK_MAX_PROCS = 64, STACK_N_DOORBELLS = 16, STACK_MAX_LEASES = 32768 };

enum stack_state { STACK_NEW, STACK_READY, STACK_DEAD };

struct stack_proc {
	uint32_t pid;		/* 0: free slot.  As the process sees itself */
	uint32_t ident;		/* of its start and PID namespace: the same after exec; 0 not known */
	uint64_t started;	/* CLOCK_REALTIME seconds */
	char comm[16];
	uint32_t image;		/* another one after exec */
	uint32_t spare;
	_Atomic uint32_t sleepers[STACK_N_DOORBELLS];	/* its share of stack_shm.sleepers: taken back when it dies */
};

/* One interface of the stack: VIs [first, first + n). */
struct stack_if {
	uint32_t ifindex;
	uint32_t first, n;
	uint32_t flags;		/* VI_F_* that all its VIs have */
};

struct stack_shm {
	uint64_t magic;
	uint32_t layout;
	uint32_t build;			/* hash of version: every process of a stack runs the same build */
	_Atomic uint32_t state;		/* enum stack_state */
	uint32_t id;
	uint32_t uid;
	uint32_t n_eps, n_frames;
	uint64_t size, net_off, upper_off, frames_off;
	char name[32];
	uint64_t created;		/* CLOCK_REALTIME seconds */

	/* The lock: 0, or the owner's thread id, | STACK_LOCK_WAITERS when somebody sleeps on it. */
	_Alignas(CACHE_LINE)
	_Atomic uint32_t lock;
	uint32_t lock_pad;
	_Atomic uint64_t heartbeat_ns;	/* when somebody last polled; writer: lock holder */

	/* Sleeping and waking (design 3.6). */
	_Alignas(CACHE_LINE)
	_Atomic uint32_t leader;	/* thread id of the sleeper that watches the AF_XDP sockets; 0 none */
	_Atomic uint32_t n_sleepers;
	_Atomic uint32_t sleepers[STACK_N_DOORBELLS];

	_Alignas(CACHE_LINE)
	_Atomic uint32_t vi_gen;	/* raised when ifs/vis grow: processes then map the new ones */
	uint32_t n_ifs, n_vis;
	struct stack_if ifs[NET_MAX_VIS];
	struct vi_shm vis[NET_MAX_VIS];

	_Alignas(CACHE_LINE)
	struct stack_proc procs[STACK_MAX_PROCS];
	uint64_t proc_mask;		/* slots in use */

	/* TCP ports leased from the kernel (cp_proto.h), for outgoing connections. */
	uint32_t n_leases;
	uint32_t lease_next;		/* where the next search begins */
	struct { struct ipaddr laddr; be16_t port; uint16_t pad; uint32_t in_use; } lease[STACK_MAX_LEASES];

	_Atomic uint64_t keeper_ns;	/* when the keeper last ticked */
	_Atomic uint32_t lost;		/* the XDP filter is gone: no new socket comes in here */
	uint32_t lost_pad;

	/* counters of the waiting machinery; approximate, tools read */
	uint64_t sleeps, rings, wakeups, lock_waits, keeper_polls, keeper_closes;
};

#endif
