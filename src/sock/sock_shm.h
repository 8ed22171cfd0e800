/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sock_shm.h - sockets and epoll sets as all processes of a stack see them
 *
 * One struct sock_shm for each endpoint slot, same number.  Guarded by the
 * stack lock unless said otherwise.
 */
#ifndef POSTERN_SOCK_SOCK_SHM_H
#define POSTERN_SOCK_SOCK_SHM_H

#include "base/shm.h"
#include "sock/reason.h"
#include "wire/flow.h"

enum {
	SOCK_SF_NONBLOCK  = 1u << 0,	/* O_NONBLOCK: a property of the open file, so shared */
	SOCK_SF_PASSED    = 1u << 1,	/* went through SCM_RIGHTS: only the kernel's destroy notice is the last close */
	SOCK_SF_STAMP     = 1u << 2,	/* SO_TIMESTAMP */
	SOCK_SF_STAMPNS   = 1u << 3,
	SOCK_SF_PKTINFO   = 1u << 4,	/* IP_PKTINFO */
	SOCK_SF_PKTINFO6  = 1u << 5,	/* IPV6_RECVPKTINFO */
	SOCK_SF_RECVTTL   = 1u << 6,
	SOCK_SF_RECVTOS   = 1u << 7,
	SOCK_SF_REUSEADDR = 1u << 8,
	SOCK_SF_REUSEPORT = 1u << 9,
	SOCK_SF_FILTER    = 1u << 10,	/* the daemon holds a filter for it */
	SOCK_SF_LEASED    = 1u << 11,	/* local port comes from the stack's leases: lease_idx */
	SOCK_SF_BOUND     = 1u << 12,	/* the kernel socket is bound */
	SOCK_SF_CONNECTING = 1u << 13,	/* non-blocking connect not yet reported */
	SOCK_SF_KERNEL_TOO = 1u << 14,	/* the kernel socket may hold data or connections as well: merge */
	SOCK_SF_ACCEPTED  = 1u << 15,
	SOCK_SF_MCAST_LOOP = 1u << 16,
	SOCK_SF_RECVERR   = 1u << 17,
	SOCK_SF_BUSY_POLL = 1u << 18,
	SOCK_SF_DEAD      = 1u << 19,	/* stack was retired: every call fails */
	SOCK_SF_HOPLIMIT  = 1u << 20,	/* IPV6_RECVHOPLIMIT */
	SOCK_SF_TCLASS    = 1u << 21,	/* IPV6_RECVTCLASS */
	SOCK_SF_TSTAMPING = 1u << 22,	/* SO_TIMESTAMPING: software receive stamps */
	SOCK_SF_SHUT_WR   = 1u << 23,	/* UDP */
	SOCK_SF_CORKED    = 1u << 24,	/* UDP: MSG_MORE was used, the kernel sends from now on */
	SOCK_SF_BROADCAST = 1u << 25,
	SOCK_SF_RXQ_OVFL  = 1u << 26,
	SOCK_SF_CONNECTED = 1u << 27,	/* UDP: the filter is that of a connected socket */
	SOCK_SF_KERNEL_NODF = 1u << 28,	/* UDP: the kernel socket was told not to discover path MTUs; ep.pmtudisc is the user's */
};

struct sock_shm {
	uint64_t cookie;		/* SO_COOKIE of the kernel socket: the fd's identity */
	uint64_t procs;			/* bit per process slot that has a descriptor of it */
	uint32_t gen;			/* raised when the slot is freed */
	uint32_t flags;			/* SOCK_SF_* */
	_Atomic uint32_t wait_mask;	/* doorbells to ring when anything happens */
	uint16_t family;		/* as socket() was called */
	uint8_t type;			/* SOCK_STREAM, SOCK_DGRAM */
	uint8_t in_use;
	struct shm_link items;		/* epoll items that watch it */
	uint64_t rcvtimeo_ns, sndtimeo_ns;	/* 0: for ever */
	uint32_t rcvlowat;
	int32_t linger_s;		/* -1: off */
	uint32_t lease_idx;
	uint32_t uid, pid;
	uint32_t mcast_if;
	uint32_t edges;			/* counts readiness events: edge-triggered watchers compare */
	uint64_t created_ns;
	/* traffic through the kernel socket, for "os=" in the tools */
	uint64_t os_rx, os_tx;
	uint32_t spare[8];
};
_Static_assert(sizeof(struct sock_shm) <= 192, "three lines");

enum { EPSET_MAX = 1024 };

struct epset_shm {			/* one epoll set's share of one stack */
	uint32_t in_use;
	_Atomic uint32_t wait_mask;	/* doorbells of threads that sleep in epoll_wait() on it */
	uint64_t procs;
	struct shm_link items;		/* all members */
	struct shm_link ready;		/* members with something to look at */
	uint32_t n_items;
	uint32_t gen;
};

struct epitem_shm {
	struct shm_link of_set;
	struct shm_link of_sock;
	struct shm_link ready;
	uint64_t data;			/* epoll_data of the user */
	uint32_t set, sock;		/* ids */
	uint32_t events;		/* EPOLLIN ... EPOLLET EPOLLONESHOT EPOLLEXCLUSIVE; 0: disarmed */
	uint32_t edges_seen;		/* sock_shm.edges when last reported (EPOLLET) */
	int32_t fd;			/* as registered */
	uint32_t next_free;
	uint32_t in_use;
	uint32_t pad;
};

struct sock_upper {			/* head of the upper part */
	uint64_t socks_off, sets_off, items_off;	/* bytes from here */
	uint32_t n_socks, n_sets, n_items;
	uint32_t item_free_head;	/* given back; those from item_fresh on were never used */
	uint32_t item_fresh, pad;
	uint64_t passed;		/* sockets that ever went through SCM_RIGHTS: the keeper then listens for last closes */
	_Atomic uint64_t watching;	/* the keeper hears of last closes by now: a passed socket may be closed */
	uint64_t counters_spare[30];
};

#endif
