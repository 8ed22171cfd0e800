// SPDX-License-Identifier: BSD-2-Clause
/*
 * fault.c - what goes wrong on a simulated link
 *
 * Draws from the net's seed.  A fault that is off draws nothing, so that
 * switching one on does not change what the others do before its first event.
 */
#include "nic/sim/sim_priv.h"

#include <string.h>

/* SplitMix64: one word of state, every seed is good. */
uint64_t sim_random(struct sim_net *net)
{
	uint64_t z = net->rng += 0x9e3779b97f4a7c15ull;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

static bool happens(struct sim_net *net, uint32_t ppm)
{
	return ppm && sim_random(net) % 1000000 < ppm;
}

static bool lost(struct sim_port *p)
{
	if (p->burst_left) {
		p->burst_left--;
		return true;
	}
	if (!happens(p->net, p->link.loss_ppm))
		return false;
	if (p->link.loss_burst > 1)
		p->burst_left = p->link.loss_burst - 1;
	return true;
}

static void flip_bit(struct sim_port *p, struct sim_frame **f)
{
	struct sim_frame *copy = sim_frame_new((*f)->len);
	uint64_t bit = sim_random(p->net);

	if (!copy)
		return;
	/* The sender's copy stays whole: it is held against the frame later. */
	memcpy(copy->data, (*f)->data, (*f)->len);
	bit %= (uint64_t)copy->len * 8;
	copy->data[bit / 8] ^= (uint8_t)(1u << (bit % 8));
	sim_frame_put(*f);
	*f = copy;
	p->stats.corrupted++;
}

static uint64_t lateness(struct sim_port *p)
{
	if (!p->link.reorder_ns || !happens(p->net, p->link.reorder_ppm))
		return 0;
	p->stats.reordered++;
	return 1 + sim_random(p->net) % p->link.reorder_ns;
}

unsigned sim_faults(struct sim_port *p, struct sim_frame **f, uint64_t late_ns[2])
{
	unsigned copies = 1;

	if (lost(p)) {
		p->stats.lost++;
		return 0;
	}
	if ((*f)->len && happens(p->net, p->link.corrupt_ppm))
		flip_bit(p, f);
	late_ns[0] = lateness(p);
	if (happens(p->net, p->link.dup_ppm)) {
		p->stats.duplicated++;
		late_ns[1] = lateness(p);
		copies = 2;
	}
	return copies;
}
