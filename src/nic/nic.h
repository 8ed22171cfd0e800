/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * nic.h - the virtual interface (VI): one receive and one transmit ring
 *
 * A VI moves frames and never looks inside them.  It is one (interface, queue):
 * an interface with several queues is several VIs.  Nothing here calls up: the
 * owner pulls events with vi_rx_poll() and completions with vi_tx_poll().
 *
 * Two halves.  struct vi_shm lies in the arena and holds what all processes of a
 * stack share: ring positions (the cached indices of a ring are shared state,
 * since any process of the stack may be the next to poll) and statistics.
 * struct vi is one process' view: mapped rings and file descriptors.
 *
 * Frames are named by index; frame i is at byte i << frame_shift of the packet
 * memory.  Every call but vi_rx_ready() runs under the lock of the stack.
 */
#ifndef POSTERN_NIC_NIC_H
#define POSTERN_NIC_NIC_H

#include "base/types.h"

enum vi_driver {
	VI_DRV_NONE,
	VI_DRV_XDP,
	VI_DRV_SIM,	/* tests: a link inside one process */
	VI_DRV_MEMIF,	/* shared memory of two programs */
	VI_DRV_PCAP,	/* a capture file */
};

enum {
	VI_F_ZEROCOPY   = 1u << 0,
	VI_F_GENERIC    = 1u << 1,	/* XDP runs in skb mode */
	VI_F_NEED_WAKEUP = 1u << 2,
	VI_F_VIRTUAL    = 1u << 3,	/* veth and the like: partial checksums are valid */
	VI_F_SG         = 1u << 4,	/* multi-buffer frames may arrive */
	VI_F_DOWN       = 1u << 5,	/* device gone: set by whoever notices */
};

/* A received frame.  More than one event of the same packet: VI_EV_CONT on all
 * but the last. */
enum { VI_EV_CONT = 1u << 0 };
struct vi_event {
	uint32_t buf;	/* frame index */
	uint16_t off;	/* of the first byte, from the frame's start */
	uint16_t len;
	uint32_t flags;
};

/* What all processes see of a VI.  Cache lines are labelled with their writer:
 * here always the holder of the stack lock. */
struct vi_shm {
	/* set at creation, then read-only */
	_Alignas(CACHE_LINE)
	uint32_t driver;	/* enum vi_driver */
	uint32_t flags;		/* VI_F_* */
	uint32_t ifindex;
	uint32_t queue;
	uint32_t rx_size, tx_size, fill_size, comp_size;	/* entries, powers of two */
	uint32_t frame_shift;
	uint32_t n_frames;
	uint32_t spare[6];

	/* receive positions */
	_Alignas(CACHE_LINE)
	uint32_t rx_cons;	/* free-running; ours */
	uint32_t rx_prod_cached;
	uint32_t fill_prod;
	uint32_t fill_cons_cached;
	uint32_t fill_level;	/* frames now in fill + rx rings: fill target minus this is what to refill */

	/* transmit positions */
	_Alignas(CACHE_LINE)
	uint32_t tx_prod;
	uint32_t tx_cons_cached;
	uint32_t comp_cons;
	uint32_t comp_prod_cached;
	uint32_t tx_inflight;	/* posted, not completed */
	uint32_t tx_unkicked;	/* posted since the last doorbell */

	/* statistics, cumulative */
	_Alignas(CACHE_LINE)
	uint64_t rx_pkts, rx_bytes, tx_pkts, tx_bytes;
	uint64_t tx_kicks, tx_ring_full, rx_bad_desc, tx_errors;
	/* of drivers whose other end is no kernel; 0 with XDP */
	uint64_t tx_lost;	/* posted while there was no peer, or not taken before it went */
	uint64_t rx_oversize;	/* larger than a frame, without VI_F_SG */
	uint64_t rx_no_frame;	/* polls that left packets in the ring for lack of frames: not lost */
	uint64_t link_ups;
	uint64_t spare_stats[4];
};

/* Kernel-side loss counters (XDP_STATISTICS); a system call, never per packet. */
struct vi_kstats {
	uint64_t rx_dropped;			/* copy mode: the same loss as the next one; never add them */
	uint64_t rx_fill_ring_empty_descs;	/* Onload's rx_nodesc_drop_cnt */
	uint64_t rx_ring_full;
	uint64_t rx_invalid_descs;
	uint64_t tx_invalid_descs;
	uint64_t tx_ring_empty_descs;
};

struct vi;

/* Drivers other than XDP are reached through this; XDP by direct call. */
struct vi_ops {
	int  (*rx_poll)(struct vi *vi, struct vi_event *ev, int max);
	int  (*rx_refill)(struct vi *vi, const uint32_t *bufs, int n);
	bool (*rx_ready)(const struct vi *vi);
	int  (*rx_arm)(struct vi *vi, bool on);	/* NULL: nothing to do */
	int  (*tx_post)(struct vi *vi, uint32_t buf, uint16_t off, uint16_t len, bool more_frags);
	int  (*tx_poll)(struct vi *vi, uint32_t *bufs, int max);
	int  (*tx_kick)(struct vi *vi);
	int  (*kstats)(const struct vi *vi, struct vi_kstats *out);
	void (*close)(struct vi *vi);
};

/* A kernel ring as mapped here. */
struct vi_ring {
	uint32_t *producer;	/* shared with the kernel */
	uint32_t *consumer;
	uint32_t *flags;
	void *desc;		/* struct xdp_desc[] or uint64_t[] */
	uint32_t mask;
};

struct vi {
	struct vi_shm *shm;
	uint32_t driver;	/* copy of shm->driver */
	int fd;			/* poll it for POLLIN when sleeping (vi_rx_arm()); -1 for sim */
	uint32_t frame_shift;	/* copies, checked when mapped: what descriptors are */
	uint32_t n_frames;	/* held against must not change under our feet */
	struct vi_ring rx, tx, fill, comp;
	const struct vi_ops *ops;
	void *priv;
	void *map[4];
	size_t map_len[4];
};

/**
 * vi_rx_poll - take up to @max received frames
 * Returns their number.  The frames are the caller's.  Descriptors that point
 * outside the packet memory are dropped and counted (rx_bad_desc).
 */
static inline int vi_rx_poll(struct vi *vi, struct vi_event *ev, int max);

/* vi_rx_ready - is there something to poll?  Without the lock, one cache line. */
static inline bool vi_rx_ready(const struct vi *vi);

/**
 * vi_rx_arm - before and after sleeping on vi->fd
 * @on: true before: then poll once more, and sleep when there was nothing.  False after.
 *
 * A driver whose peer spares itself the doorbell while we poll asks for it here.
 * Nothing with XDP.
 */
static inline void vi_rx_arm(struct vi *vi, bool on);

/**
 * vi_rx_refill - give free frames to the device
 * Returns how many were taken (fewer when the ring is full); the rest stay the
 * caller's.
 */
static inline int vi_rx_refill(struct vi *vi, const uint32_t *bufs, int n);

/**
 * vi_tx_post - queue bytes [@off, @off+@len) of frame @buf for transmission
 * @more_frags: the packet goes on in the next post (VI_F_SG only)
 * Returns 0, or -EAGAIN when the ring is full (nothing queued).  The frame must
 * not be rewritten until vi_tx_poll() returns it.  Nothing need leave before
 * vi_tx_kick().
 */
static inline int vi_tx_post(struct vi *vi, uint32_t buf, uint16_t off,
			     uint16_t len, bool more_frags);

/* vi_tx_poll - take completions: frames that the device is done with. */
static inline int vi_tx_poll(struct vi *vi, uint32_t *bufs, int max);

/**
 * vi_tx_kick - ring the doorbell, if something was posted and the driver needs it
 * Returns 0 or -errno (-ENETDOWN, -ENXIO: device down or gone; frames stay
 * posted).  May be called without the lock by the thread that posted.
 * A device that takes no more for now leaves shm->tx_unkicked at non-zero and is
 * no error: kick again after the next vi_tx_poll().
 */
static inline int vi_tx_kick(struct vi *vi);

/* vi_close - unmap and close this process' view. */
void vi_close(struct vi *vi);
/* vi_abandon - let go of the device while other threads may still look at the VI:
 * its rings become empty private memory, its descriptor becomes one of @fd. */
void vi_abandon(struct vi *vi, int fd);

/**
 * vi_map_xdp - map the rings of an AF_XDP socket that the daemon made
 * @vi:  filled on success
 * @shm: its first cache line must be filled from the daemon's answer, the rest
 *       zeroed before the first process maps it
 * @xsk_fd: consumed on success, the caller's on failure
 *
 * Needs no privilege.  Each process of a stack does this with its own copy of
 * the descriptor (passed or inherited).
 *
 * Returns 0, -EINVAL (sizes in @shm are impossible or not those of the socket),
 * -EOPNOTSUPP (kernel without ring flags), or the error of getsockopt or mmap.
 */
int __must_check vi_map_xdp(struct vi *vi, struct vi_shm *shm, int xsk_fd);

/* vi_kstats - read the kernel's loss counters.  Returns 0 or -errno. */
int vi_kstats(const struct vi *vi, struct vi_kstats *out);

#include "nic/xdp/xdp_ring.h"	/* xdp_rx_poll() and the other direct calls, inline */

static inline int vi_rx_poll(struct vi *vi, struct vi_event *ev, int max)
{
	if (likely(vi->driver == VI_DRV_XDP))
		return xdp_rx_poll(vi, ev, max);
	return vi->ops->rx_poll(vi, ev, max);
}

static inline bool vi_rx_ready(const struct vi *vi)
{
	if (likely(vi->driver == VI_DRV_XDP))
		return xdp_rx_ready(vi);
	return vi->ops->rx_ready(vi);
}

static inline void vi_rx_arm(struct vi *vi, bool on)
{
	if (vi->driver != VI_DRV_XDP && vi->ops && vi->ops->rx_arm)
		(void)vi->ops->rx_arm(vi, on);
}

static inline int vi_rx_refill(struct vi *vi, const uint32_t *bufs, int n)
{
	if (likely(vi->driver == VI_DRV_XDP))
		return xdp_rx_refill(vi, bufs, n);
	return vi->ops->rx_refill(vi, bufs, n);
}

static inline int vi_tx_post(struct vi *vi, uint32_t buf, uint16_t off,
			     uint16_t len, bool more_frags)
{
	if (likely(vi->driver == VI_DRV_XDP))
		return xdp_tx_post(vi, buf, off, len, more_frags);
	return vi->ops->tx_post(vi, buf, off, len, more_frags);
}

static inline int vi_tx_poll(struct vi *vi, uint32_t *bufs, int max)
{
	if (likely(vi->driver == VI_DRV_XDP))
		return xdp_tx_poll(vi, bufs, max);
	return vi->ops->tx_poll(vi, bufs, max);
}

static inline int vi_tx_kick(struct vi *vi)
{
	if (likely(vi->driver == VI_DRV_XDP))
		return xdp_tx_kick(vi);
	return vi->ops->tx_kick(vi);
}

#endif
