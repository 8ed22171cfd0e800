/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cp_lookup.h - reading the control-plane tables
 *
 * Lock-free readers of cp_shm.h; any thread, any process.  Results are copies.
 * Addresses are the 16 bytes of wire/flow.h's struct ipaddr, passed as
 * const void * since this folder knows no wire formats.
 */
#ifndef POSTERN_CP_CP_LOOKUP_H
#define POSTERN_CP_CP_LOOKUP_H

#include "cp/cp_shm.h"

struct cp {
	const struct cp_shm *shm;	/* read-only mapping; tests: private memory */
};

struct cp_fwd {			/* a forwarding decision */
	uint32_t ifindex;
	uint32_t mtu;		/* of the path as far as routes and link say */
	uint32_t link_flags;	/* CP_LINK_* */
	uint8_t type;		/* enum cp_route_type */
	uint8_t neigh_state;	/* enum cp_neigh_state of the next hop; VALID with multicast and broadcast */
	uint8_t smac[6];
	uint8_t dmac[6];
	struct cp_addr128 src;	/* source address that the kernel would choose */
	struct cp_addr128 nexthop;
	uint32_t gen;		/* valid while cp_gen() returns this */
};

static inline uint32_t cp_gen(const struct cp *cp)
{
	return __atomic_load_n((const uint32_t *)&cp->shm->gen, __ATOMIC_ACQUIRE);
}

/* cp_attach / cp_detach - map the tables of @fd read-only.  0 or -errno (-EPROTO: another version). */
int cp_attach(struct cp *cp, int fd);
void cp_detach(struct cp *cp);

/**
 * cp_route - decide where a packet to @dst goes
 * @src: source address bound by the socket, or NULL/all zero
 * @oif: interface that the socket is bound to or that a scope id names, or 0
 * Returns 0, -ENETUNREACH, -EHOSTUNREACH (an unreachable route), or -EOPNOTSUPP
 * (policy rules or multipath: the kernel must decide).
 */
int cp_route(const struct cp *cp, const void *dst, const void *src, uint32_t oif, struct cp_fwd *out);

/* cp_neigh - next hop's MAC; fills @mac and returns enum cp_neigh_state. */
int cp_neigh(const struct cp *cp, uint32_t ifindex, const void *addr, uint8_t mac[6]);

/* cp_neigh_entry - the whole entry, for tools and the daemon: 0 or -ENOENT. */
int cp_neigh_entry(const struct cp *cp, uint32_t ifindex, const void *addr, struct cp_neigh *out);

/* cp_link_get / by name: 0 or -ENODEV. */
int cp_link_get(const struct cp *cp, uint32_t ifindex, struct cp_link *out);
int cp_link_find(const struct cp *cp, const char *name, struct cp_link *out);
/* cp_link_at - i-th used link, for walking; -ENOENT after the last. */
int cp_link_at(const struct cp *cp, uint32_t i, struct cp_link *out);

/* cp_addr_at - i-th address, as cp_link_at(). */
int cp_addr_at(const struct cp *cp, uint32_t i, struct cp_addr *out);

/* cp_addr_owner - interface that has @addr as its own address, or 0. */
uint32_t cp_addr_owner(const struct cp *cp, const void *addr);

#endif
