/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * memif.h - VIs over shared memory: memif 2.0, both roles
 *
 * A memif joins two programs on one host, point to point: one is master and
 * listens on a UNIX socket, the other is slave, connects and provides the memory.
 * No privilege, no kernel on the path of a frame.  Works with VPP and DPDK.
 *
 * Copies.  The master copies each frame once in either direction, between its own
 * frames and the slave's memory.  So does the slave, from and to buffers that hold
 * nothing else, unless it was opened with MEMIF_ZEROCOPY: then its packet memory
 * itself is a region, and the peer writes and reads it at any time.  That is for
 * a peer that is trusted like a thread of the program.
 *
 * Nothing else of the peer's is trusted: not lengths, offsets, indices, flags,
 * descriptors.  A bad descriptor is dropped and counted (rx_bad_desc), impossible
 * indices end the connection.  Regions that could be cut short under our feet
 * are refused.
 *
 * Connection.  A VI is open at once, connected when a peer comes; frames posted
 * without a peer are lost as on a wire without carrier, and counted (tx_lost).  When
 * the peer goes the VI waits for, or looks for, the next one.  All of this happens
 * inside vi_rx_poll() and vi_tx_poll() when they find nothing, and in vi_rx_arm().
 */
#ifndef POSTERN_NIC_MEMIF_H
#define POSTERN_NIC_MEMIF_H

#include "nic/nic.h"

enum {
	MEMIF_MASTER   = 1u << 0,	/* listen; else connect */
	MEMIF_ZEROCOPY = 1u << 1,	/* slave: packet memory is a region (see above) */
	MEMIF_TRUST    = 1u << 2,	/* master: take regions that the peer could truncate (huge pages of
					 * DPDK's zero-copy): it can then end us by SIGBUS */
};

struct memif_attr {
	char path[108];		/* of the socket; "@name" is abstract */
	char secret[24];	/* "" none */
	uint32_t id;		/* interface on that socket, same on both ends */
	uint32_t flags;		/* MEMIF_* */
	uint32_t ring_size;	/* slave: descriptors per ring, power of two up to 16384; 0: 1024 */
	uint32_t buf_size;	/* slave without MEMIF_ZEROCOPY: bytes per buffer; 0: 2048 */

	/* packet memory: frame i is at frames + (i << frame_shift) */
	void *frames;
	uint32_t frame_shift;
	uint32_t n_frames;
	/* MEMIF_ZEROCOPY: the memfd that @frames maps, from byte frames_off on.  With -1 the
	 * memory (page-aligned, anonymous) is moved into one, and is then shared, no
	 * longer copied, by fork(). */
	int frames_fd;
	uint64_t frames_off;
};

/**
 * memif_open - make a VI
 * @shm: zeroed; fill_size and comp_size may be preset (powers of two up to 65536;
 *       0: 1024), and of flags VI_F_SG: frames larger than ours arrive in pieces
 *
 * Received data begin at MEMIF_RX_OFF.  vi->fd is readable when there is work: poll
 * it between vi_rx_arm(vi, true) and (vi, false).  One process at a time uses the VI.
 *
 * Returns 0, -EINVAL, -ENOMEM, -EADDRINUSE (another process listens there, or another
 * VI of ours has the id), -ERANGE (frames beyond the 4 GiB that descriptors can
 * name), -EACCES and other errors of socket calls.
 */
int __must_check memif_open(struct vi *vi, struct vi_shm *shm, const struct memif_attr *attr);

enum { MEMIF_RX_OFF = 256 };

/* memif_up - is there a peer?  For tools and tests. */
bool memif_up(const struct vi *vi);

#endif
