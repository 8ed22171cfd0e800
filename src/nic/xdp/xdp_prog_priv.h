/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * xdp_prog_priv.h - the inside of struct xdp_prog, for xdp_prog.c and
 * xdp_filter.c only
 */
#ifndef POSTERN_NIC_XDP_PROG_PRIV_H
#define POSTERN_NIC_XDP_PROG_PRIV_H

#include "nic/xdp/xdp_prog.h"

struct xdp_prog {
	unsigned ifindex;
	uint32_t flags;			/* VI_F_* */
	int fd[XDP_FD_MAX];
	uint32_t raw_count[NIC_RAW_KINDS];
	struct xdp_filter_cfg count;	/* filters of each kind; the map holds them only as zero or not */
};

/* Counts the filters that are in the maps and writes the configuration.
 * Returns 0 or -errno. */
int __must_check xdp_filter_recount(struct xdp_prog *p);
/* Its half for raw filters; the configuration is written by the caller. */
int __must_check xdp_raw_recount(struct xdp_prog *p);
/* Writes p->count; raw is a mask there. */
int __must_check xdp_filter_write_cfg(struct xdp_prog *p);

#endif
