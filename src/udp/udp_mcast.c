// SPDX-License-Identifier: BSD-2-Clause
/*
 * udp_mcast.c - group membership, and datagrams for many
 *
 * The kernel socket behind an endpoint does the joining that routers see (IGMP,
 * MLD); here is only who among our endpoints gets a copy.  As in Linux
 * (__udp4_lib_mcast_deliver, ip_mc_sf_allow, inet6_mc_check): an endpoint bound to
 * the port and to the wildcard or the group takes the datagram when it has joined
 * the group on the interface of arrival, or when it has not joined the group
 * anywhere on it and IP_MULTICAST_ALL is on.
 *
 * The last member gets the frame, the others copies: a frame is on one queue only.
 */
#include "udp/udp.h"

#include <errno.h>
#include <string.h>

#include "udp/udp_priv.h"

static int find_group(const struct udp_ep *u, const struct ipaddr *group, uint32_t ifindex)
{
	for (uint32_t i = 0; i < u->n_groups && i < ARRAY_SIZE(u->groups); i++)
		if (ipaddr_eq(&u->groups[i].group, group) &&
		    (u->groups[i].ifindex == ifindex || ifindex == 0))
			return (int)i;
	return -ENOENT;
}

static bool is_member(const struct udp_ep *u, const struct ipaddr *group, uint32_t ifindex)
{
	/* Broadcast has no members. */
	if (!ipaddr_is_mcast(group) || u->ep.flags & EP_F_MCAST_ALL)
		return true;
	/* IPv6 asks for the group only, whatever the interface (inet6_mc_check()). */
	return find_group(u, group, ipaddr_is4(group) ? ifindex : 0) >= 0;
}

int udp_join(struct net *net, struct udp_ep *u, const struct ipaddr *group, uint32_t ifindex)
{
	(void)net;
	if (!ipaddr_is_mcast(group))
		return -EINVAL;
	for (uint32_t i = 0; i < u->n_groups; i++)
		if (ipaddr_eq(&u->groups[i].group, group) && u->groups[i].ifindex == ifindex)
			return -EADDRINUSE;
	if (u->n_groups >= ARRAY_SIZE(u->groups))
		return -ENOBUFS;
	u->groups[u->n_groups].group = *group;
	u->groups[u->n_groups].ifindex = ifindex;
	u->n_groups++;
	return 0;
}

int udp_leave(struct net *net, struct udp_ep *u, const struct ipaddr *group, uint32_t ifindex)
{
	int i = find_group(u, group, ifindex);

	(void)net;
	if (i < 0)
		return -EADDRNOTAVAIL;
	u->groups[i] = u->groups[--u->n_groups];
	return 0;
}

/* The next endpoint after @prev that is a member. */
static struct udp_ep *next_member(struct net *net, const struct pkt *p, const struct rx_info *ri,
				  struct udp_ep *prev)
{
	struct ep *ep = prev ? &prev->ep : NULL;

	while ((ep = demux_next_mcast(net, &ri->flow, p->ifindex, ep)))
		if (is_member(udp_ep(ep), &ri->flow.laddr, p->ifindex))
			return udp_ep(ep);
	return NULL;
}

static struct pkt *copy_frame(struct net *net, const struct pkt *p)
{
	struct pkt *c = pkt_alloc(net, PKT_FOR_RX);

	if (!c)
		return NULL;
	c->off = p->off;
	c->len = p->len;
	c->tot_len = p->tot_len;
	c->flags = p->flags;
	c->vi = p->vi;
	c->l3_off = p->l3_off;
	c->l4_off = p->l4_off;
	c->data_off = p->data_off;
	c->data_len = p->data_len;
	c->ttl = p->ttl;
	c->tos = p->tos;
	c->flowlabel = p->flowlabel;
	c->stamp_ns = p->stamp_ns;
	c->ifindex = p->ifindex;
	memcpy(pkt_l2(c), pkt_l2(p), p->len);
	return c;
}

/* A copy of all frames of @p, or NULL. */
static struct pkt *copy_chain(struct net *net, const struct pkt *p)
{
	struct pkt *first = copy_frame(net, p), *last = first;

	while (last && p->frag < net->n_frames) {
		struct pkt *c;

		p = pkt_get(net, p->frag);
		c = copy_frame(net, p);
		if (!c) {
			pkt_free(net, first);
			return NULL;
		}
		last->frag = pkt_id(net, c);
		last = c;
	}
	return first;
}

static void deliver_copy(struct net *net, struct udp_ep *u, const struct pkt *p)
{
	struct pkt *c;

	if (!udp_has_room(net, u)) {
		udp_drop_full(net, u);
		return;
	}
	c = copy_chain(net, p);
	if (c) {
		udp_enqueue(net, u, c);
	} else {
		u->drops++;
		NET_DROP(net, no_frame);
	}
}

void udp_rx_mcast(struct net *net, struct pkt *p, const struct rx_info *ri)
{
	struct udp_ep *u, *next;

	if (!udp_check(net, p, ri)) {
		pkt_free(net, p);
		return;
	}
	u = next_member(net, p, ri, NULL);
	if (!u) {
		NET_DROP(net, no_socket);
		pkt_free(net, p);
		return;
	}
	while ((next = next_member(net, p, ri, u))) {
		deliver_copy(net, u, p);
		u = next;
	}
	if (udp_has_room(net, u)) {
		udp_enqueue(net, u, p);
	} else {
		udp_drop_full(net, u);
		pkt_free(net, p);
	}
}
