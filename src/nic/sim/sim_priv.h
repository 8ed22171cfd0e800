/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sim_priv.h - the inside of the simulated network
 */
#ifndef POSTERN_NIC_SIM_SIM_PRIV_H
#define POSTERN_NIC_SIM_SIM_PRIV_H

#include "nic/sim/sim.h"

enum { SIM_PORTS_MAX = 64, SIM_MACS_PER_PORT = 8 };

/* Bytes on the wire; shared by copies of the frame. */
struct sim_frame {
	unsigned refs;
	uint32_t len;
	uint8_t data[];
};

/* Where the bytes of one packet lie in the sender's memory until completion. */
struct sim_piece {
	uint32_t buf;
	uint16_t off, len;
	bool more;
};

enum sim_event_kind { SIM_EV_SENT, SIM_EV_ARRIVED };
struct sim_event {
	uint64_t at, order;	/* equal times keep the order of their making */
	enum sim_event_kind kind;
	unsigned port;		/* of the sender */
	struct sim_frame *frame;
	struct sim_piece *pieces;	/* SIM_EV_SENT */
	unsigned n_pieces;
};

struct sim_port {
	struct sim_net *net;
	unsigned index;
	struct vi_shm *shm;	/* NULL: nobody is connected */
	uint8_t *frames;

	/* rings, in sizes of shm; positions free-running, here and not in shm
	 * because there is only one process */
	uint32_t *fill, *comp;
	struct vi_event *rx;
	struct sim_piece *tx;
	uint32_t fill_head, fill_tail, comp_head, comp_tail;
	uint32_t rx_head, rx_tail, tx_head, tx_tail;

	struct sim_link link;
	uint64_t wire_free_ns;	/* when the last frame has left */
	uint32_t burst_left;
	sim_hook_fn *hook;
	void *hook_arg;
	struct sim_stats stats;

	uint8_t mac[SIM_MACS_PER_PORT][6];	/* learnt */
	unsigned n_macs;
};

struct sim_net {
	uint64_t now_ns, order, rng;
	FILE *pcap;
	struct sim_event *heap;		/* smallest (at, order) first */
	size_t n_events, max_events;
	unsigned n_ports;
	struct sim_port port[];
};

/* link.c */
void sim_send(struct sim_port *p, const struct sim_piece *pieces, unsigned n);
struct sim_frame *sim_frame_new(uint32_t len);
void sim_frame_put(struct sim_frame *f);

/* fault.c: what becomes of a frame.  Returns how many copies arrive (0 to 2),
 * with their lateness; *f may be replaced by a changed copy. */
unsigned sim_faults(struct sim_port *p, struct sim_frame **f, uint64_t late_ns[2]);

/* sim_vi.c: into the rings of a VI. */
void sim_deliver(struct sim_port *p, const struct sim_frame *f);
void sim_complete(struct sim_port *p, const struct sim_piece *pieces, unsigned n);

/* pcap.c */
void sim_pcap_write(struct sim_net *net, const struct sim_frame *f);

#endif
