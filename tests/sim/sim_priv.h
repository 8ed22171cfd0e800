/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sim_priv.h - the world as sim.c and sim_check.c see it
 */
#ifndef POSTERN_TESTS_SIM_PRIV_H
#define POSTERN_TESTS_SIM_PRIV_H

#include "sim.h"

struct sim {
	uint64_t seed, rng;
	struct sim_net *wire;
	struct sim_host *hosts[SIM_MAX_HOSTS];
	uint32_t n_hosts;
	sim_tap_fn tap;
	void *tap_arg;
	uint64_t last;		/* when time last moved */
	uint32_t stuck;		/* events since, at one and the same time */
};

#endif
