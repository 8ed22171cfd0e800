/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sim.h - a network inside one process, for tests
 *
 * A struct sim_net has ports joined by a switch; each port is the far end of a
 * VI (driver VI_DRV_SIM) over the frames of one stack.  Time is virtual: it
 * moves only by sim_advance().  All randomness comes from one seed, so that a
 * run can be had again.
 *
 *     stack A -- vi --[ link of port 0 ]--> switch --> vi -- stack B
 *             <-- vi <-- switch <--[ link of port 1 ]--
 *
 * A link belongs to the port that sends on it and has rate, delay, a limited
 * queue and faults.  Two ports are a plain wire; more are a learning switch,
 * which floods what it does not know and all multicast.
 *
 * Not thread-safe.  Allocates per frame: never a part of the product.
 */
#ifndef POSTERN_NIC_SIM_SIM_H
#define POSTERN_NIC_SIM_SIM_H

#include <stdio.h>

#include "nic/nic.h"

struct sim_net;

enum { SIM_RX_OFF = 256, SIM_RING_DEFAULT = 512 };

/* Faults are in parts per million of frames. */
struct sim_link {
	uint64_t rate_bps;	/* 0: infinite */
	uint64_t delay_ns;
	uint32_t queue_bytes;	/* that may wait for the wire; 0: unlimited */
	uint32_t loss_ppm;
	uint32_t loss_burst;	/* frames lost at a time; 0 and 1 are the same */
	uint32_t dup_ppm;
	uint32_t corrupt_ppm;	/* one bit flipped, anywhere */
	uint32_t reorder_ppm;
	uint64_t reorder_ns;	/* a reordered frame is late by up to this */
};

/* May look at and change each frame before the link's own faults. */
enum sim_verdict { SIM_PASS, SIM_DROP };
typedef enum sim_verdict sim_hook_fn(void *arg, unsigned port, uint64_t now_ns,
				     uint8_t *frame, uint32_t len);

struct sim_stats {
	uint64_t sent, delivered;		/* by this port, to this port */
	uint64_t lost, duplicated, corrupted, reordered, hook_dropped;
	uint64_t queue_dropped;			/* link queue full */
	uint64_t no_buffer_dropped;		/* fill ring of this port was empty */
	uint64_t ring_dropped, too_big_dropped;	/* rx ring full; no VI_F_SG and larger than a frame */
	uint64_t tx_rewritten;			/* a posted frame changed before its completion: a bug of the stack */
};

/* Returns 0 or -ENOMEM, -EINVAL (@n_ports is not 1..64). */
int __must_check sim_net_create(unsigned n_ports, uint64_t seed, struct sim_net **out);
void sim_net_destroy(struct sim_net *net);

/* What @port sends meets; may change while frames are under way. */
void sim_link_set(struct sim_net *net, unsigned port, const struct sim_link *link);
void sim_hook_set(struct sim_net *net, unsigned port, sim_hook_fn *fn, void *arg);

/**
 * sim_vi_open - connect packet memory to the next free port
 * @frames: frame i is at i << @frame_shift
 * @shm: zeroed; ring sizes may be preset (powers of two, 0: SIM_RING_DEFAULT),
 *       and of flags VI_F_VIRTUAL and VI_F_SG
 *
 * Received data begin at SIM_RX_OFF.  vi_close() frees the port.
 * Returns the port, or -ENOSPC, -ENOMEM, -EINVAL.
 */
int __must_check sim_vi_open(struct sim_net *net, void *frames, uint32_t frame_shift,
			     uint32_t n_frames, struct vi_shm *shm, struct vi *vi);

/* Moves time to @now_ns (never back) and delivers, in order, what is due. */
void sim_advance(struct sim_net *net, uint64_t now_ns);

/* When something next happens, UINT64_MAX for never. */
uint64_t sim_next_ns(const struct sim_net *net);

uint64_t sim_now_ns(const struct sim_net *net);

/* Uniform 64 bits of the net's seed: for tests that want to stay repeatable. */
uint64_t sim_random(struct sim_net *net);

const struct sim_stats *sim_stats(const struct sim_net *net, unsigned port);

/* Sets VI_F_DOWN: nothing enters or leaves any more. */
void sim_port_down(struct sim_net *net, unsigned port);

/* Writes frames as they are sent (before faults) to a capture file with
 * nanosecond stamps of virtual time.  Returns 0 or -errno. */
int sim_pcap_open(struct sim_net *net, const char *path);

#endif
