// SPDX-License-Identifier: BSD-2-Clause
/*
 * demux.c - from the tuple of a packet to the endpoint that it is for
 *
 * Two hash tables of chains by ep.hash_next:
 *
 *   connected  by the whole flow: connections in every state from SYN_SENT and
 *              SYN_RCVD to TIME_WAIT, connected UDP endpoints
 *   local      by (protocol, local port): listeners, unconnected UDP endpoints
 *
 * Both are keyed with the stack's secret, so that nobody outside can choose
 * tuples that fall into one chain.
 *
 * Invariants:
 *   - An endpoint with EP_F_HASHED is on exactly one chain, that of hash(flow) in
 *     the table which flow.rport selects (0: local).  Without it, on none; so the
 *     flow of a hashed endpoint must not be changed: remove, change, insert.
 *   - The connected table holds no two TCP endpoints of equal flow and binding.
 *   - The youngest is in front.  It wins among equals, as in the kernel.
 *
 * An id at or beyond n_eps ends a chain; ID_NONE is such an id.  The tables have the
 * complements of ids, so that zero memory is an empty table (head_get(), head_set()).
 *
 * Choice among local entries as in Linux' udp4_lib_lookup2() and
 * inet_lhash2_lookup(): a bound address beats the wildcard, then a bound interface
 * beats none, then an AF_INET socket beats a dual-stack one.
 */
#include "net/net.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "base/hash.h"

static inline bool flow_eq(const struct flow *a, const struct flow *b)
{
	const uint64_t *x = (const uint64_t *)a, *y = (const uint64_t *)b;

	/* Ports first: they differ most often. */
	return x[4] == y[4] && x[3] == y[3] && x[1] == y[1] && x[2] == y[2] && x[0] == y[0];
}

static inline uint32_t head_get(const uint32_t *head)
{
	return ~*head;
}

static inline void head_set(uint32_t *head, uint32_t id)
{
	*head = ~id;
}

static inline uint32_t *conn_chain(const struct net *net, const struct flow *flow)
{
	return &net->conn_table[hash_flow(flow, net->hash_seed) & net->conn_mask];
}

static uint32_t *local_chain(const struct net *net, uint8_t proto, be16_t lport)
{
	uint64_t h = hash_u32((uint32_t)proto << 16 | lport.be, net->hash_seed);

	return &net->local_table[h & net->local_mask];
}

static uint32_t *chain_of(const struct net *net, const struct flow *flow)
{
	return flow->rport.be ? conn_chain(net, flow) : local_chain(net, flow->proto, flow->lport);
}

static inline bool bound_ok(const struct ep *ep, uint32_t ifindex)
{
	return ep->bound_if == 0 || ep->bound_if == ifindex;
}

static bool is_wild(const struct ipaddr *a)
{
	return (a->d[0] | a->d[1]) == 0;
}

/* Of a local entry for a packet with its protocol and port: 0 when it does not
 * match, and else the more the better. */
static uint32_t score(const struct ep *ep, const struct flow *f, uint32_t ifindex)
{
	uint32_t s = 1;

	if (!bound_ok(ep, ifindex))
		return 0;
	if (is_wild(&ep->flow.laddr)) {
		if (ep->flags & (ipaddr_is4(&f->laddr) ? EP_F_V6ONLY : EP_F_V4))
			return 0;
	} else {
		if (!ipaddr_eq(&ep->flow.laddr, &f->laddr))
			return 0;
		s += 8;
	}
	if (ep->bound_if)
		s += 4;
	if (ep->flags & EP_F_V4)
		s += 2;
	return s;
}

static bool local_match(const struct ep *ep, const struct flow *f)
{
	return ep->flow.lport.be == f->lport.be && ep->flow.proto == f->proto;
}

/* The @k-th of the endpoints that score @best and share their port. */
static struct ep *nth_of_group(struct net *net, const struct flow *f, uint32_t ifindex,
			       uint32_t best, uint32_t k)
{
	uint32_t id = head_get(local_chain(net, f->proto, f->lport));

	for (; id < net->n_eps; id = ep_get(net, id)->hash_next) {
		struct ep *ep = ep_get(net, id);

		if (!local_match(ep, f) || !(ep->flags & EP_F_REUSEPORT) ||
		    score(ep, f, ifindex) != best)
			continue;
		if (k-- == 0)
			return ep;
	}
	return NULL;
}

static __attribute__((noinline)) struct ep *
find_local(struct net *net, const struct flow *f, uint32_t ifindex)
{
	uint32_t id = head_get(local_chain(net, f->proto, f->lport));
	uint32_t best = 0, group = 0;
	struct ep *found = NULL;

	for (; id < net->n_eps; id = ep_get(net, id)->hash_next) {
		struct ep *ep = ep_get(net, id);
		uint32_t s;

		if (!local_match(ep, f))
			continue;
		s = score(ep, f, ifindex);
		if (s > best) {
			best = s;
			found = ep;
			group = 0;
		}
		group += s == best && s && ep->flags & EP_F_REUSEPORT;
	}
	if (likely(group < 2 || !(found->flags & EP_F_REUSEPORT)))
		return found;

	/* Another seed than the tables': these bits must not correlate with the
	 * chain.  Scaling by multiplication, as no division is needed. */
	uint64_t h = hash_flow(f, ~net->hash_seed) >> 32;

	return nth_of_group(net, f, ifindex, best, (uint32_t)(h * group >> 32));
}

static inline struct ep *find_conn(struct net *net, const struct flow *flow, uint32_t ifindex,
				   bool any_if)
{
	uint32_t id = head_get(conn_chain(net, flow));

	while (id < net->n_eps) {
		struct ep *ep = ep_get(net, id);

		if (likely(flow_eq(&ep->flow, flow)) && (any_if || likely(bound_ok(ep, ifindex))))
			return ep;
		id = ep->hash_next;
	}
	return NULL;
}

struct ep *demux_find_exact(struct net *net, const struct flow *flow)
{
	return find_conn(net, flow, 0, true);
}

struct ep *demux_find(struct net *net, const struct flow *flow, uint32_t ifindex)
{
	struct ep *ep = find_conn(net, flow, ifindex, false);

	return likely(ep) ? ep : find_local(net, flow, ifindex);
}

struct ep *demux_next_mcast(struct net *net, const struct flow *flow, uint32_t ifindex,
			    struct ep *prev)
{
	bool conn = !prev || prev->flow.rport.be;
	uint32_t id = prev ? prev->hash_next : head_get(conn_chain(net, flow));

	for (;;) {
		for (; id < net->n_eps; id = ep_get(net, id)->hash_next) {
			struct ep *ep = ep_get(net, id);

			if (conn) {
				if (flow_eq(&ep->flow, flow) && bound_ok(ep, ifindex))
					return ep;
			} else if (local_match(ep, flow) && score(ep, flow, ifindex)) {
				return ep;
			}
		}
		if (!conn)
			return NULL;
		conn = false;
		id = head_get(local_chain(net, flow->proto, flow->lport));
	}
}

/* Would @ep and @other take the same packets? */
static bool same_binding(const struct ep *ep, const struct ep *other)
{
	const uint32_t family = EP_F_V4 | EP_F_V6ONLY;

	return flow_eq(&ep->flow, &other->flow) && ep->bound_if == other->bound_if &&
	       /* A wildcard of IPv4 only and one of IPv6 only are different. */
	       (!is_wild(&ep->flow.laddr) ||
		((ep->flags | other->flags) & family) != family);
}

int demux_insert(struct net *net, struct ep *ep)
{
	uint32_t *head, id;

	if (ipaddr_is_any(&ep->flow.laddr))
		ep->flow.laddr = IPADDR_ANY;	/* ::ffff:0.0.0.0 is the wildcard too */

	head = chain_of(net, &ep->flow);
	for (id = head_get(head); id < net->n_eps && ep->flow.proto == IPPROTO_TCP;
	     id = ep_get(net, id)->hash_next) {
		const struct ep *other = ep_get(net, id);

		if (same_binding(ep, other) &&
		    (ep->flow.rport.be || !(ep->flags & other->flags & EP_F_REUSEPORT)))
			return -EADDRINUSE;
	}
	ep->hash_next = head_get(head);
	head_set(head, ep->id);
	ep->flags |= EP_F_HASHED;
	return 0;
}

void demux_remove(struct net *net, struct ep *ep)
{
	uint32_t *head, id;

	if (!(ep->flags & EP_F_HASHED))
		return;
	head = chain_of(net, &ep->flow);
	id = head_get(head);
	if (id == ep->id) {
		head_set(head, ep->hash_next);
	} else {
		while (id < net->n_eps && ep_get(net, id)->hash_next != ep->id)
			id = ep_get(net, id)->hash_next;
		if (likely(id < net->n_eps))
			ep_get(net, id)->hash_next = ep->hash_next;
	}
	ep->hash_next = ID_NONE;
	ep->flags &= ~(uint32_t)EP_F_HASHED;
}
