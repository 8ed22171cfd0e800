/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * dump.h - the parts of onload_stackdump: what each prints
 */
#ifndef POSTERN_TOOLS_DUMP_H
#define POSTERN_TOOLS_DUMP_H

#include "tools/dump_arena.h"
#include "tools/dump_find.h"
#include "tools/dump_out.h"

/* ---- sockets (dump_sock.c) ------------------------------------------------ */

enum { DUMP_ADDR_ROOM = 64, DUMP_SUM_ROOM = 192 };

/* "10.0.0.1:80", "[fe80::1]:80". */
const char *dump_addr(char buf[DUMP_ADDR_ROOM], const struct ipaddr *a, be16_t port, bool v4);
/* State as netstat has it; "UDP" for datagram sockets. */
const char *dump_state(const struct sock_view *v);
/* "lcl=... rmt=... STATE" */
const char *dump_sum(char buf[DUMP_SUM_ROOM], const struct sock_view *v);

void dump_sock(struct out *o, struct arena *a, const struct sock_view *v, uint64_t now);
void dump_netstat_head(struct out *o);
void dump_netstat(struct out *o, struct arena *a, const struct sock_view *v);
void dump_filters(struct out *o, struct arena *a, const struct sock_view *v);

/* ---- a stack (dump_stack.c, dump_stats.c) ----------------------------------- */

void dump_list_head(struct out *o, bool wide);
void dump_list(struct out *o, const struct arena *a, bool wide, bool pids);
void dump_title(struct out *o, const struct arena *a);
void dump_netif(struct out *o, const struct arena *a, uint64_t now);
void dump_vis(struct out *o, const struct arena *a);
void dump_stats(struct out *o, const struct arena *a);
void dump_more_stats(struct out *o, struct arena *a);
void dump_describe(struct out *o);
void dump_doc(struct out *o);

/* ---- kernel counters of AF_XDP sockets (dump_xsk.c) --------------------------- */

struct xsk_stats {
	uint64_t rx_dropped, rx_fill_ring_empty_descs, rx_ring_full, rx_invalid_descs;
	uint64_t tx_invalid_descs, tx_ring_empty_descs;
};

/**
 * dump_xsk - counters of the AF_XDP sockets of a stack, borrowed from a process that has them
 * @st: room for @max
 * Returns their number, in the order of the stack's VIs, or -errno with a line in @why.
 */
int dump_xsk(const struct arena *a, struct xsk_stats *st, uint32_t max, char why[96]);

/* ---- processes (dump_proc.c) --------------------------------------------------- */

void dump_processes(struct out *o, const struct arena *a);
void dump_threads(struct out *o, const struct arena *a);
void dump_env(struct out *o, const struct arena *a);
void dump_opts(struct out *o, const struct arena *a);

/* ---- descriptors (dump_why.c) ---------------------------------------------------- */

/* Values of fdtab_shm_fd.mode: enum sock_mode of sock/. */
enum { DUMP_MODE_UNDECIDED, DUMP_MODE_ACCEL, DUMP_MODE_KERNEL };

/* @pid 0: every process.  False: no such process under onload. */
bool dump_why(struct out *o, const struct found *f, uint32_t pid);

#endif
