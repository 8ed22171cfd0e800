/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * xdp_prog.h - the XDP program of one interface, and its filters
 *
 * Privileged (CAP_NET_ADMIN and CAP_BPF).  The program lives while any process
 * has the link's fd; map and link fds never go to applications, which could
 * detach or rewrite with them.  Not thread-safe: one writer, the daemon.
 */
#ifndef POSTERN_NIC_XDP_PROG_H
#define POSTERN_NIC_XDP_PROG_H

#include "base/types.h"
#include "nic/filter.h"
#include "nic/xdp/xdp_filter.h"

struct xdp_prog;

/* What keeps a program alive and writable, in this order. */
enum xdp_prog_fd {
	XDP_FD_LINK,
	XDP_FD_FLOW4,
	XDP_FD_FLOW6,
	XDP_FD_LOCAL,
	XDP_FD_XSKS,
	XDP_FD_CFG,
	XDP_FD_STATS,
	XDP_FD_RAW,
	XDP_FD_MAX
};

enum {
	XDP_ATTACH_NO_GENERIC = 1u << 16,	/* in *@flags: fail rather than run in skb mode */
};

/**
 * xdp_prog_attach - load the filter and attach it to an interface
 * @out:   set on success
 * @flags: in: XDP_ATTACH_*; out: VI_F_GENERIC when it runs in skb mode, VI_F_SG
 *         when the kernel took it as a multi-buffer program
 * @why:   on failure one line for the user, with the cure; may be NULL
 *
 * Native mode first, then generic.  Returns 0, -EEXIST (another XDP program is
 * there; @why names it), -ENODEV, -EPERM, or what the kernel said.
 */
int __must_check xdp_prog_attach(unsigned ifindex, struct xdp_prog **out,
				 uint32_t *flags, char *why, size_t why_len);

/**
 * xdp_prog_from_fds - take over a program that another process attached
 * @fds: checked (kind, interface, key sizes); consumed on success
 *
 * Returns 0, -EINVAL (not our fds), -ENOLINK (the link is detached: the device
 * went away), -ENOMEM.
 */
int __must_check xdp_prog_from_fds(unsigned ifindex, const int fds[XDP_FD_MAX],
				   struct xdp_prog **out);

/* The fds, still the program's own: for SCM_RIGHTS to the holder. */
void xdp_prog_fds(const struct xdp_prog *p, int fds[XDP_FD_MAX]);

unsigned xdp_prog_ifindex(const struct xdp_prog *p);

/* As *@flags of xdp_prog_attach(). */
uint32_t xdp_prog_flags(const struct xdp_prog *p);

/* Closes our fds; the program stays if a holder has them. */
void xdp_prog_close(struct xdp_prog *p);

/* Detaches at once, whoever has fds, and closes ours. */
void xdp_prog_detach(struct xdp_prog *p);

/**
 * xdp_filter_add - write a filter
 * Returns 0, -EEXIST (another set has that key; NIC_FILTER_F_REPLACE takes it),
 * -ENOSPC, -EINVAL (zero port, address or protocol where one is needed, VI set
 * out of range), -EOPNOTSUPP (kind).
 * The same filter twice for the same set is 0 and one filter.
 */
int __must_check xdp_filter_add(struct xdp_prog *p, const struct nic_filter *f);

/* Returns 0, -ENOENT (no such filter, or it is another set's), -EINVAL,
 * -EOPNOTSUPP. */
int xdp_filter_del(struct xdp_prog *p, const struct nic_filter *f);

/**
 * xdp_filter_add_batch - write many filters with few system calls
 * @rc: result of each, as xdp_filter_add(); may be NULL
 *
 * Always replaces, so the caller must know that the keys are free or its own.
 * Returns how many were written.
 */
int xdp_filter_add_batch(struct xdp_prog *p, const struct nic_filter *f, int n, int *rc);

/* Removes what is there of @f; does not look at the VI set.  Returns how many
 * were removed. */
int xdp_filter_del_batch(struct xdp_prog *p, const struct nic_filter *f, int n);

/* Removes all filters of a set (its stack is gone): walks the maps.  Returns
 * how many there were, or -errno. */
int xdp_filter_del_set(struct xdp_prog *p, uint32_t vi_set);

/* Raw frames, in xdp_raw.c.  Returns 0, -EEXIST (another set has that key), -EINVAL,
 * -ENOSPC.  The same filter twice for the same set is 0. */
int __must_check xdp_raw_add(struct xdp_prog *p, const struct nic_raw *f);
/* Returns 0 or -ENOENT (not there, or another set's). */
int xdp_raw_del(struct xdp_prog *p, const struct nic_raw *f);
/* Removes all filters whose first set is @vi_set; ID_NONE: all that are raw.  Returns how many. */
int xdp_raw_del_set(struct xdp_prog *p, uint32_t vi_set);

/* Addresses of this host, which wildcard filters match.  Returns 0, -ENOSPC. */
int xdp_local_set(struct xdp_prog *p, const struct ipaddr *addr, bool present);

/* The socket that frames of @queue go to for filters of @vi_set.  All queues of
 * a set first, then its filters.  Returns 0, -EINVAL, or the kernel's error. */
int __must_check xdp_xsk_set(struct xdp_prog *p, uint32_t vi_set, uint32_t queue, int xsk_fd);
int xdp_xsk_clear(struct xdp_prog *p, uint32_t vi_set, uint32_t queue);

/* Counters, summed over the CPUs.  Returns 0 or -errno. */
int xdp_filter_stats(struct xdp_prog *p, struct xdp_filter_stats *out);

#endif
