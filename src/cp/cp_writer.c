// SPDX-License-Identifier: BSD-2-Clause
/*
 * cp_writer.c - changing the control-plane tables
 *
 * Keeps the invariants that readers rely on: links, addresses and routes are
 * dense from slot 0, addresses keep the kernel's order (source selection takes
 * the first that fits), routes are sorted by prefix length and metric, and the
 * neighbour table is a linear-probing hash without tombstones.  Knows nothing of
 * netlink; ctld/ does.
 */
#include "cp/cp_writer.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "cp/cp_hash.h"

static bool addr_eq(const struct cp_addr128 *a, const struct cp_addr128 *b)
{
	return ((a->d[0] ^ b->d[0]) | (a->d[1] ^ b->d[1])) == 0;
}

void cp_init(struct cp_shm *shm, uint64_t netns_ino)
{
	memset(shm, 0, sizeof(*shm));
	shm->version = CP_VERSION;
	shm->size = sizeof(*shm);
	shm->netns_ino = netns_ino;
	atomic_store_explicit(&shm->gen, 1, memory_order_relaxed);
	/* Last, so that a reader that sees the magic sees the rest. */
	__atomic_store_n(&shm->magic, CP_MAGIC, __ATOMIC_RELEASE);
}

void cp_begin(struct cp_shm *shm)
{
	uint32_t seq = atomic_load_explicit(&shm->seq, memory_order_relaxed);

	/* A predecessor that died inside a change left it odd: stay odd. */
	atomic_store_explicit(&shm->seq, seq | 1, memory_order_relaxed);
	/* The stores to the tables stay behind the odd value; pairs with the
	 * acquire fence of the reader. */
	atomic_thread_fence(memory_order_release);
}

void cp_end(struct cp_shm *shm, bool forwarding_changed)
{
	uint32_t seq = atomic_load_explicit(&shm->seq, memory_order_relaxed);

	/* Inside the change: nobody may pair the new gen with old tables. */
	if (forwarding_changed)
		atomic_fetch_add_explicit(&shm->gen, 1, memory_order_release);
	atomic_store_explicit(&shm->seq, (seq | 1) + 1, memory_order_release);
}

int cp_set_link(struct cp_shm *shm, const struct cp_link *l)
{
	uint32_t i;

	for (i = 0; i < shm->n_links; i++)
		if (shm->links[i].ifindex == l->ifindex)
			break;
	if (i == CP_MAX_LINKS)
		return -ENOSPC;
	shm->links[i] = *l;
	if (i == shm->n_links)
		shm->n_links++;
	return 0;
}

void cp_del_link(struct cp_shm *shm, uint32_t ifindex)
{
	for (uint32_t i = 0; i < shm->n_links; i++) {
		if (shm->links[i].ifindex != ifindex)
			continue;
		shm->links[i] = shm->links[--shm->n_links];
		memset(&shm->links[shm->n_links], 0, sizeof(shm->links[0]));
		return;
	}
}

static bool same_addr(const struct cp_addr *a, const struct cp_addr *b)
{
	return a->ifindex == b->ifindex && a->prefix_len == b->prefix_len &&
	       addr_eq(&a->addr, &b->addr);
}

int cp_set_addr(struct cp_shm *shm, const struct cp_addr *a)
{
	uint32_t i;

	for (i = 0; i < shm->n_addrs; i++)
		if (same_addr(&shm->addrs[i], a))
			break;
	if (i == CP_MAX_ADDRS)
		return -ENOSPC;
	shm->addrs[i] = *a;
	if (i == shm->n_addrs)
		shm->n_addrs++;
	return 0;
}

void cp_del_addr(struct cp_shm *shm, const struct cp_addr *a)
{
	for (uint32_t i = 0; i < shm->n_addrs; i++) {
		if (!same_addr(&shm->addrs[i], a))
			continue;
		shm->n_addrs--;
		memmove(&shm->addrs[i], &shm->addrs[i + 1],
			(shm->n_addrs - i) * sizeof(shm->addrs[0]));
		memset(&shm->addrs[shm->n_addrs], 0, sizeof(shm->addrs[0]));
		return;
	}
}

/* Longest prefix first, then the lower metric. */
static int route_order(const struct cp_route *a, const struct cp_route *b)
{
	if (a->prefix_len != b->prefix_len)
		return a->prefix_len > b->prefix_len ? -1 : 1;
	if (a->metric != b->metric)
		return a->metric < b->metric ? -1 : 1;
	return 0;
}

static bool same_route(const struct cp_route *a, const struct cp_route *b)
{
	return a->prefix_len == b->prefix_len && a->metric == b->metric &&
	       a->tos == b->tos && a->ifindex == b->ifindex &&
	       (a->type == CP_RT_LOCAL) == (b->type == CP_RT_LOCAL) &&
	       addr_eq(&a->dst, &b->dst);
}

int cp_set_route(struct cp_shm *shm, const struct cp_route *r)
{
	uint32_t i, at = shm->n_routes;

	for (i = 0; i < shm->n_routes; i++) {
		if (same_route(&shm->routes[i], r)) {
			shm->routes[i] = *r;
			return 0;
		}
		if (at == shm->n_routes && route_order(r, &shm->routes[i]) < 0)
			at = i;
	}
	if (shm->n_routes == CP_MAX_ROUTES)
		return -ENOSPC;
	memmove(&shm->routes[at + 1], &shm->routes[at],
		(shm->n_routes - at) * sizeof(shm->routes[0]));
	shm->routes[at] = *r;
	shm->n_routes++;
	return 0;
}

void cp_del_route(struct cp_shm *shm, const struct cp_route *r)
{
	for (uint32_t i = 0; i < shm->n_routes; i++) {
		if (!same_route(&shm->routes[i], r))
			continue;
		shm->n_routes--;
		memmove(&shm->routes[i], &shm->routes[i + 1],
			(shm->n_routes - i) * sizeof(shm->routes[0]));
		memset(&shm->routes[shm->n_routes], 0, sizeof(shm->routes[0]));
		return;
	}
}

/* For qsort(), which need not be stable: ties fall to a total order, so that an
 * unchanged kernel table gives an unchanged mirror. */
static int route_cmp(const void *pa, const void *pb)
{
	const struct cp_route *a = pa, *b = pb;
	int c = route_order(a, b);

	return c ? c : memcmp(a, b, sizeof(*a));
}

int cp_replace_routes(struct cp_shm *shm, struct cp_route *r, uint32_t n, bool has_rules)
{
	/* A table that does not fit decides nothing: it might lack the very
	 * route that wins. */
	if (n > CP_MAX_ROUTES) {
		n = 0;
		has_rules = true;
	}
	qsort(r, n, sizeof(*r), route_cmp);
	if (n == shm->n_routes && (shm->has_rules != 0) == has_rules &&
	    memcmp(r, shm->routes, n * sizeof(*r)) == 0)
		return 0;
	cp_begin(shm);
	memcpy(shm->routes, r, n * sizeof(*r));
	memset(&shm->routes[n], 0, (CP_MAX_ROUTES - n) * sizeof(*r));
	shm->n_routes = n;
	shm->has_rules = has_rules;
	cp_end(shm, true);
	return 1;
}

/* Slot of the neighbour, or the free slot where its search ended, or
 * CP_MAX_NEIGHS when there is neither. */
static uint32_t neigh_find(const struct cp_shm *shm, uint32_t ifindex,
			   const struct cp_addr128 *addr)
{
	uint32_t i = cp_neigh_slot(ifindex, addr);

	for (uint32_t n = 0; n < CP_MAX_NEIGHS; n++, i = (i + 1) & (CP_MAX_NEIGHS - 1))
		if (shm->neighs[i].ifindex == 0 ||
		    (shm->neighs[i].ifindex == ifindex && addr_eq(&shm->neighs[i].addr, addr)))
			return i;
	return CP_MAX_NEIGHS;
}

int cp_set_neigh(struct cp_shm *shm, const struct cp_neigh *n)
{
	uint32_t i = neigh_find(shm, n->ifindex, &n->addr);
	struct cp_neigh *o;
	bool changed;

	if (i == CP_MAX_NEIGHS)
		return -ENOSPC;
	o = &shm->neighs[i];
	changed = o->ifindex == 0 ? n->state == CP_NEIGH_VALID || n->state == CP_NEIGH_FAILED :
		  o->state != n->state ||
		  (n->state == CP_NEIGH_VALID && memcmp(o->mac, n->mac, 6) != 0);
	*o = *n;
	return changed;
}

int cp_del_neigh(struct cp_shm *shm, uint32_t ifindex, const void *addr)
{
	const uint32_t mask = CP_MAX_NEIGHS - 1;
	struct cp_addr128 a;
	uint32_t hole, i, home;
	bool changed;

	memcpy(&a, addr, sizeof(a));
	hole = neigh_find(shm, ifindex, &a);
	if (hole == CP_MAX_NEIGHS || shm->neighs[hole].ifindex == 0)
		return 0;
	changed = shm->neighs[hole].state == CP_NEIGH_VALID;

	/* Backward shift: move into the hole whoever would not be found past it.
	 * Emptied first, so that the walk ends even in a full table. */
	memset(&shm->neighs[hole], 0, sizeof(shm->neighs[0]));
	for (i = (hole + 1) & mask; shm->neighs[i].ifindex != 0; i = (i + 1) & mask) {
		home = cp_neigh_slot(shm->neighs[i].ifindex, &shm->neighs[i].addr);
		if (((i - home) & mask) < ((i - hole) & mask))
			continue;
		shm->neighs[hole] = shm->neighs[i];
		hole = i;
		memset(&shm->neighs[hole], 0, sizeof(shm->neighs[0]));
	}
	return changed;
}
