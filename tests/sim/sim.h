/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sim.h - several stacks in one process on one virtual Ethernet, under virtual time
 *
 *      host 1          host 2          host 3
 *      10.0.0.1        10.0.0.2        10.0.0.3        /24, fd00::N /64
 *         |               |               |            02:00:00:00:00:NN
 *      ---+------ switch -+---------------+---
 *
 * Each host is an arena with its own engine, its own control-plane tables and one
 * device (nic/sim).  What a host sends passes its `link`: a queue served at `rate_bps`,
 * then `delay_ns`, then faults drawn from the world's seed.  Nothing reads a clock: time
 * moves from event to event, so the same seed gives the same run.
 *
 * A test makes a world, adds hosts, calls the engine (tcp_connect(&h->net, ...),
 * udp_send(...)) between calls of sim_run*(), and looks at endpoints.  After calls that
 * may have sent something, sim_run*() rings the doorbells.
 */
#ifndef POSTERN_TESTS_SIM_H
#define POSTERN_TESTS_SIM_H

#include <stdio.h>
#include <stdlib.h>

#include "net/net.h"
#include "cp/cp_writer.h"
#include "nic/sim/sim.h"	/* struct sim_link: rate, delay, queue, faults */

enum {
	SIM_MAX_HOSTS = 16,
	SIM_IFINDEX = 2,	/* of every host's device */
};

struct sim;
struct sim_host;

struct sim_host_conf {
	uint32_t n_eps, n_frames;	/* 0: 1024, 4096 */
	uint32_t mtu;			/* 0: 1500 */
	uint32_t fill;			/* frames kept in the fill ring; 0: 256 */
	uint32_t tx_ring;		/* entries of the TX ring; 0: 256 */
	bool link_virtual;		/* partial checksums are valid */
	bool no_neighbours;		/* starts without the other hosts' MACs */
};

/* Called for each endpoint that the engine made ready, after each poll of its host. */
typedef void (*sim_event_fn)(struct sim_host *h, struct ep *ep, uint32_t events, void *arg);

struct sim_host {
	struct net net;
	struct sim *sim;
	uint32_t idx;			/* 1, 2, ...: last octet of all addresses */
	uint8_t mac[6];
	struct ipaddr ip4, ip6;
	struct sim_link link;		/* of what this host sends (default: 50 us); change at will */
	sim_event_fn on_event;		/* may be NULL: events are cleared */
	void *arg;
	bool asleep;			/* true: the host is not polled (a stopped process) */

	/* the harness' own */
	void *arena;
	size_t arena_len;
	struct cp_shm *cp_shm;
	struct cp cp;
	struct vi vi;
	struct vi_shm vi_shm;
	int port;			/* of the switch: sim_host_stats() */
	uint32_t fill_target;
	uint64_t rx_foreign;		/* frames for other MACs, which a NIC does not take */
};

/* Sees every frame that leaves a host, before the faults; may rewrite it in place. */
typedef enum sim_verdict (*sim_tap_fn)(struct sim_host *from, uint8_t *frame, size_t len, void *arg);

struct sim *sim_create(uint64_t seed);
void sim_destroy(struct sim *s);
uint64_t sim_now(const struct sim *s);
uint64_t sim_seed(const struct sim *s);
/* Random bits of the world's generator (faults use another one: a test that draws
 * more numbers does not change them). */
uint64_t sim_rand(struct sim *s);
/* What the link and the switch did to the frames of @h. */
const struct sim_stats *sim_host_stats(const struct sim_host *h);
/* Write all frames to a capture file. */
void sim_capture(struct sim *s, const char *path);
void sim_tap(struct sim *s, sim_tap_fn fn, void *arg);

/* @conf NULL: defaults.  Hosts know each other's MACs at once unless no_neighbours. */
struct sim_host *sim_host_add(struct sim *s, const struct sim_host_conf *conf);
/* Add @to to @h's neighbour table (what the daemon would do after ARP). */
void sim_neigh_add(struct sim_host *h, const struct sim_host *to);
/* Any entry; @state: enum cp_neigh_state. */
void sim_neigh_set(struct sim_host *h, const struct ipaddr *addr, const uint8_t mac[6],
		   uint8_t state);

/* Give a frame to a host's device as if it had come over the wire, at once. */
void sim_inject(struct sim_host *to, const void *frame, size_t len);

/* One poll pass of one host: frames in, timers, completions, refill, doorbell. */
void sim_poll(struct sim_host *h);

/* Let time pass: all events up to now + @ns. */
void sim_run(struct sim *s, uint64_t ns);
/* Until @cond(arg) is true, asked after each event: true.  False when @timeout_ns passed first. */
bool sim_run_until(struct sim *s, uint64_t timeout_ns, bool (*cond)(void *arg), void *arg);

/* Every frame is in exactly one place, lists and counts agree; aborts with a message. */
void sim_check(struct sim *s);

/* An endpoint of @kind on @h with laddr/lport (host order) set, not hashed. */
struct ep *sim_ep(struct sim_host *h, uint8_t proto, const struct ipaddr *laddr, uint16_t lport);

/* Assertion that names the seed, so that a failure can be replayed. */
#define SIM_ASSERT(s, cond)                                                           \
	do {                                                                          \
		if (!(cond)) {                                                        \
			fprintf(stderr, "%s:%d: %s: not true: %s (seed %llu, t=%llu us)\n", \
				__FILE__, __LINE__, __func__, #cond,                  \
				(unsigned long long)sim_seed(s),                      \
				(unsigned long long)(sim_now(s) / 1000));             \
			abort();                                                      \
		}                                                                     \
	} while (0)

#endif
