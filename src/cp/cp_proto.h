/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cp_proto.h - what applications, keepers and tools say to posternd
 *
 * SOCK_SEQPACKET on the abstract UNIX address "@postern" of the network
 * namespace; one request, one reply, in order.  The client checks by
 * SO_PEERCRED that the daemon is root or itself; the daemon knows the client by
 * the kernel's word.  Every field is checked by the daemon as hostile input.
 * File descriptors travel as SCM_RIGHTS in the order stated.
 */
#ifndef POSTERN_CP_CP_PROTO_H
#define POSTERN_CP_CP_PROTO_H

#include "base/types.h"

#define CP_SOCK_NAME "postern"	/* behind the leading NUL */
#define CP_PROTO_VERSION 1

enum {
	CP_MAX_FDS = 64,	/* fds per message: one interface's queues, doorbells */
	CP_MAX_BATCH = 128,	/* filters per request */
	CP_N_DOORBELLS = 16,	/* eventfds per stack */
	CP_STACK_NAME = 32,
};

enum cp_req_type {
	CP_REQ_HELLO = 1,	/* -> fd: control-plane tables (read-only memfd) */
	CP_REQ_STACK_OPEN,	/* name, sizes -> stack id, created?; fds: arena, CP_N_DOORBELLS eventfds */
	CP_REQ_STACK_ATTACH,	/* by stack id (exec, inherited socket): as above, never creates */
	CP_REQ_VI_OPEN,		/* stack, ifindex: bind all queues, attach the filter -> per-queue info; fds: AF_XDP sockets */
	CP_REQ_FILTER_ADD,	/* stack, n entries -> n results; fds: proof sockets, one per entry that says so */
	CP_REQ_FILTER_DEL,	/* stack, n entries -> n results */
	CP_REQ_PORT_LEASE,	/* stack, local address, n -> up to n TCP ports, reserved in the kernel and filtered to the stack */
	CP_REQ_NEIGH,		/* ifindex, address: resolve, or confirm; no answer but the table */
	CP_REQ_PROC_ADD,	/* stack, process slot: this process (by its credentials) uses the stack; the keeper watches it */
	CP_REQ_LIST,		/* tools: stacks of this namespace that the caller may see, CP_MAX_BATCH at most from an index */
	CP_REQ_COOKIE_FIND,	/* which stack knows this socket cookie? (exec, SCM_RIGHTS) -> stack id or -ENOENT.
				 * Answered from the cookies that FILTER_ADD and COOKIE_SET named. */
	CP_REQ_COOKIE_SET,	/* stack, n cookies: sockets that live in this stack though no filter names them */
	CP_REQ_RAW_OPEN,	/* ifindex, frames -> raw id: packet memory of a process on an interface; fd: memfd */
	CP_REQ_RAW_VI,		/* raw id, set -> per-queue info; fds: AF_XDP sockets */
	CP_REQ_RAW_SETS,	/* raw id, n -> first of n consecutive VI sets, for CP_REQ_RAW_VI */
	CP_REQ_RAW_CLOSE,	/* raw id, set or ID_NONE: a VI, or all of them */
	CP_REQ_RAW_FILTER,	/* raw id, n entries, added or removed -> n results */
};

struct cp_req {			/* every request starts so */
	uint32_t type;		/* enum cp_req_type */
	uint32_t len;		/* of the whole message */
	uint32_t stack_id;
	uint32_t n;		/* entries that follow, where the request has a list */
};

struct cp_rep {			/* every reply starts so */
	int32_t rc;		/* 0 or -errno of the request as a whole */
	uint32_t len;
	uint32_t stack_id;
	uint32_t n;
	char why[96];		/* when rc < 0: one line for the user, with the cure */
};

struct cp_hello_req {
	struct cp_req h;
	uint32_t version;
	uint32_t flags;
};
struct cp_hello_rep {
	struct cp_rep h;
	uint32_t version;
	uint32_t daemon_pid;
};

enum { CP_STACK_CREATED = 1u << 0 };	/* the caller must initialise the arena */
struct cp_stack_req {			/* STACK_OPEN; ATTACH uses only h.stack_id */
	struct cp_req h;
	char name[CP_STACK_NAME];	/* "" is the user's default stack */
	uint32_t n_frames;		/* of 2048 bytes */
	uint32_t flags;
	uint64_t state_size;		/* bytes before the frames; multiple of 2 MiB */
};
struct cp_stack_rep {
	struct cp_rep h;
	uint32_t flags;			/* CP_STACK_* */
	uint32_t n_frames;
	uint64_t state_size;		/* frames lie at this offset */
	char name[CP_STACK_NAME];
};

enum { CP_VI_NO_ZC = 1u << 0, CP_VI_NO_GENERIC = 1u << 1 };
struct cp_vi_req {
	struct cp_req h;
	uint32_t ifindex;
	uint32_t flags;
	uint32_t rx_size, tx_size;	/* 0: default (2048) */
};
struct cp_vi_info {
	uint32_t queue;
	uint32_t flags;			/* VI_F_* of nic/nic.h */
	uint32_t rx_size, tx_size, fill_size, comp_size;
};
struct cp_vi_rep {			/* h.n queues, in order of queue number; fds likewise */
	struct cp_rep h;
	uint32_t ifindex;
	uint32_t first_vi;		/* the daemon's VI-set number in the filter maps */
	struct cp_vi_info q[CP_MAX_FDS];
};

/* A filter.  Addresses and ports in network order, IPv4 mapped. */
enum cp_filter_kind {
	CP_FILTER_SOCKET,	/* of the proof fd: local address+port as the kernel says, wildcard if unbound
				 * to an address, on every interface of the stack that can have it; TCP or UDP */
	CP_FILTER_CONN,		/* 5-tuple of a connection; proof: laddr+lport is already filtered to this stack */
	CP_FILTER_MCAST,	/* group + the proof fd's port, on ifindex (0: all of the stack) */
	CP_FILTER_CONNECTED,	/* 5-tuple of a connected UDP proof fd, in place of its CP_FILTER_SOCKET */
};
struct cp_filter {
	uint32_t kind;
	uint32_t ifindex;
	uint64_t cookie;	/* SO_COOKIE of the proof fd, checked; names the filter for DEL (with kind and addresses) */
	uint8_t laddr[16], raddr[16];
	uint16_t lport, rport;	/* network order */
	uint8_t proto;
	uint8_t has_fd;		/* the next fd of the message is this entry's proof */
	uint8_t pad[2];
};
struct cp_filter_req {
	struct cp_req h;
	struct cp_filter f[CP_MAX_BATCH];	/* h.n of them are sent */
};
struct cp_filter_rep {
	struct cp_rep h;
	int32_t rc[CP_MAX_BATCH];	/* -EADDRINUSE: another stack has it; -EACCES: no proof; -ENOSPC */
};

struct cp_lease_req {
	struct cp_req h;	/* h.n ports wanted, up to 1024 */
	uint8_t laddr[16];
};
struct cp_lease_rep {
	struct cp_rep h;	/* h.n ports given */
	uint16_t port[1024];	/* network order */
};

struct cp_neigh_req {
	struct cp_req h;
	uint32_t ifindex;
	uint8_t addr[16];
};

struct cp_proc_req {
	struct cp_req h;
	uint32_t slot;		/* index in the stack's process table */
};

struct cp_cookie_req {
	struct cp_req h;
	uint64_t cookie[CP_MAX_BATCH];
};

/* Raw frames, for ef_vi.  Everything belongs to the connection that asked for it and
 * goes with it.  h.stack_id is the raw id; sets are numbers of the filter maps. */
enum { CP_RAW_MAX_VIS = 32 };
struct cp_raw_open_req {	/* fd: sealed memfd of n_frames * 2048 bytes */
	struct cp_req h;
	uint32_t ifindex;
	uint32_t flags;		/* CP_VI_* */
	uint32_t n_frames;
	uint32_t pad;
};
struct cp_raw_vi_req {		/* also RAW_SETS (h.n) and RAW_CLOSE (set) */
	struct cp_req h;
	uint32_t set;		/* reserved before, or ID_NONE: any */
	uint32_t rx_size, tx_size;
	uint32_t fill_size;	/* and that of completions; of the raw id's first VI */
};
struct cp_raw_vi_rep {		/* h.n queues */
	struct cp_rep h;
	uint32_t set;
	uint32_t flags;		/* CP_RAW_SHARED: no fill and completion rings of its own */
	struct cp_vi_info q[CP_MAX_FDS];
};
enum { CP_RAW_SHARED = 1u << 0 };

struct cp_raw_filter {
	uint8_t kind;		/* enum nic_raw_kind */
	uint8_t proto;
	uint8_t spread;		/* members from set on that share it; 0 and 1: none */
	uint8_t del;		/* 1: remove */
	uint16_t vlan;		/* number + 1; 0: not looked at */
	uint16_t etype;		/* network order, as the ports */
	uint8_t mac[6];
	uint16_t lport, rport;
	uint16_t pad;
	uint32_t set;
	uint8_t laddr[16], raddr[16];
};
struct cp_raw_filter_req {
	struct cp_req h;
	struct cp_raw_filter f[CP_MAX_BATCH];
};
/* the reply is struct cp_filter_rep; -EEXIST: another set has it */

struct cp_stack_info {
	uint32_t stack_id;
	uint32_t uid;
	uint32_t keeper_pid;
	uint32_t n_procs;
	char name[CP_STACK_NAME];
};
struct cp_list_rep {
	struct cp_rep h;
	struct cp_stack_info s[CP_MAX_BATCH];
};

#endif
