/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * state.h - what posternd must remember across its own death
 *
 * One memfd, written by posternd alone and kept, with all other descriptors, by
 * the fd-holder: the next posternd maps it and goes on.  No other process sees
 * it.  Order of writing: a record is marked used before the kernel is changed and
 * cleared after, so that the successor finds at worst a record too many, whose
 * making it repeats.
 */
#ifndef POSTERN_CTLD_STATE_H
#define POSTERN_CTLD_STATE_H

#include "cp/cp_proto.h"
#include "wire/flow.h"

#define ST_MAGIC   0x70747374617465ull
#define ST_VERSION 1

enum {
	ST_MAX_STACKS = 256,
	ST_MAX_PROCS = 256,	/* per stack */
	ST_MAX_VIS = 16,	/* interfaces per stack */
	ST_MAX_FILTERS = 1 << 18,
	ST_MAX_MANAGED = 512,	/* neighbours that we asked the kernel to keep fresh */
};

struct st_proc {
	uint32_t pid;		/* 0: free */
	uint32_t slot;
};

struct st_vi {
	uint32_t ifindex;	/* 0: free */
	uint32_t vi_set;
	uint32_t n_q;
	uint32_t pad;
	struct cp_vi_info q[CP_MAX_FDS];
};

struct st_stack {
	uint32_t id;		/* 0: free */
	uint32_t uid, gid;
	uint32_t n_frames;
	uint64_t state_size;
	char name[CP_STACK_NAME];
	uint32_t keeper_pid;
	uint32_t keeper_starts;
	uint32_t n_proc_msgs;	/* KP_PROC messages sent to the present keeper */
	uint32_t n_joins;	/* PROC_ADD requests ever */
	uint32_t done;		/* the keeper says that it is empty ... */
	uint32_t n_proc_done;	/* ... having seen so many KP_PROC */
	uint32_t n_leases;
	uint32_t lease_seq;
	struct st_proc procs[ST_MAX_PROCS];
	struct st_vi vis[ST_MAX_VIS];
};

/* What a record of the filter table stands for, beside enum cp_filter_kind. */
enum {
	ST_KIND_LEASE = 64,	/* LOCAL filter of a leased port */
	ST_KIND_COOKIE,		/* no filter: a cookie that COOKIE_SET named */
};

/* One reference of one socket to one filter. */
struct st_filter {
	uint32_t stack_id;	/* 0: free */
	uint32_t ifindex;	/* 0: all interfaces of the stack */
	uint64_t cookie;
	uint8_t cp_kind;	/* enum cp_filter_kind or ST_KIND_* */
	uint8_t kind;		/* enum nic_filter_kind */
	uint8_t family;
	uint8_t pad;
	uint32_t pad2;
	struct flow flow;	/* fields that the kind does not use are zero */
};

struct st_managed {
	uint32_t ifindex;	/* 0: free */
	uint32_t pad;
	struct ipaddr addr;
};

struct state {
	uint64_t magic;
	uint32_t version;
	uint32_t size;
	uint32_t next_stack_id;
	uint32_t n_filters;	/* records above this were never used */
	struct st_managed managed[ST_MAX_MANAGED];
	struct st_stack stacks[ST_MAX_STACKS];
	struct st_filter filters[ST_MAX_FILTERS];
};

#endif
