/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * xdp_open.h - the privileged half of an AF_XDP VI
 *
 * Registers packet memory as UMEM and binds a socket to (interface, queue).
 * The result goes to the application, which maps it with vi_map_xdp().
 */
#ifndef POSTERN_NIC_XDP_OPEN_H
#define POSTERN_NIC_XDP_OPEN_H

#include "base/types.h"
#include "nic/xdp/xdp_prog.h"

enum {
	XDP_WANT_ZC      = 1u << 0,	/* zero copy where the driver has it */
	XDP_WANT_ZC_ONLY = 1u << 1,	/* fail without it */
	XDP_WANT_SG      = 1u << 2,	/* packets larger than a frame; may cost zero copy */
	XDP_WANT_NO_GENERIC = 1u << 3,	/* fail where XDP runs in skb mode */
};

struct xdp_open_attr {
	size_t size;		/* sizeof(struct xdp_open_attr) */
	unsigned ifindex, queue;
	int arena_fd;		/* memfd; mapped for the registration only, never read */
	uint64_t umem_off, umem_len;
	uint32_t frame_size;	/* 2048 or 4096 */
	uint32_t rx_size, tx_size, fill_size, comp_size; /* rounded up to powers of two; 0: 2048 */
	uint32_t want_flags;	/* XDP_WANT_* */
	int shared_umem_fd;	/* an AF_XDP socket with the same packet memory, or -1 */
};

struct xdp_open_result {
	int fd;
	uint32_t flags;		/* VI_F_* */
	uint32_t rx_size, tx_size, fill_size, comp_size;
};

/**
 * xdp_open - make, equip and bind an AF_XDP socket
 *
 * With @attr->shared_umem_fd the UMEM is that socket's and umem_* and arena_fd
 * are not used.  On another queue or interface the new socket has fill and
 * completion rings of its own; on the same queue set @attr->fill_size and
 * comp_size to XDP_RING_NONE: it shares those of the first.  Modes are those of
 * the UMEM: whether VI_F_SG holds, the caller knows from the first socket.
 *
 * The first byte of a received frame is at 256 in its chunk.
 *
 * Returns 0, -EBUSY ((interface, queue) has a UMEM already), -ENODEV,
 * -EOPNOTSUPP (a wanted mode is not there), -EINVAL, -ENOBUFS or -ENOMEM (locked
 * memory), or what the kernel said, unchanged.
 */
int __must_check xdp_open(const struct xdp_open_attr *attr, struct xdp_open_result *out);

#define XDP_RING_NONE UINT32_MAX

/* Number of receive queues of an interface that XDP sees, or -errno. */
int xdp_n_queues(unsigned ifindex);

#endif
