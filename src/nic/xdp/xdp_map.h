/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * xdp_map.h - what vi.c needs of the unprivileged half of an AF_XDP VI
 *
 * vi_map_xdp() itself is in nic/nic.h.
 */
#ifndef POSTERN_NIC_XDP_MAP_H
#define POSTERN_NIC_XDP_MAP_H

#include "nic/nic.h"

/* Unmaps the rings and closes the socket. */
void xdp_unmap(struct vi *vi);
/* As vi_abandon(). */
void xdp_abandon(struct vi *vi, int fd);

/* Returns 0 or -errno. */
int __must_check xdp_kstats(const struct vi *vi, struct vi_kstats *out);

#endif
