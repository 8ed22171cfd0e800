/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * net.h - one protocol engine: packets and the time go in; packets, timers and
 * readiness come out
 *
 * struct net is one process' (or one test's) view of an engine whose state lies
 * in an arena.  Nothing here makes a system call, takes a lock, reads a clock
 * or allocates outside the arena's pools: the owner holds the lock, sets `now`
 * before each entry, moves frames between VIs and ip_rx(), and rings the
 * doorbells afterwards.  What the engine cannot decide without the outside
 * (an unknown neighbour) it puts on a list that the owner works off.
 *
 *   arena:  | net_shm | ... sock/'s parts ... | ep slots | tables | frames |
 */
#ifndef POSTERN_NET_NET_H
#define POSTERN_NET_NET_H

#include <sys/uio.h>

#include "base/types.h"
#include "base/shm.h"
#include "base/timer.h"
#include "wire/flow.h"
#include "cp/cp_lookup.h"
#include "nic/nic.h"
#include "net/pkt.h"
#include "net/ep.h"
#include "net/net_shm.h"

enum { NET_MAX_VIS = 64 };

enum { NET_ACK_BATCH = 32 };

struct net {
	void *base;			/* of the arena */
	struct net_shm *shm;
	uint8_t *eps;			/* slots of EP_SLOT_SIZE */
	uint8_t *frames;		/* frame 0 */
	uint32_t n_eps;
	uint32_t n_frames;
	uint64_t now;			/* CLOCK_MONOTONIC ns; set by the owner before each entry */
	const struct cp *cp;
	struct vi *vis;			/* process view, n_vis of them */
	uint32_t n_vis;
	/* copies, taken when attached, of what must not change under our feet */
	uint32_t conn_mask, local_mask;
	uint32_t pkt_share;		/* frames that one use may take */
	/* Connections whose ACK waits for the end of a batch of packets (tcp_flush_acks()). */
	uint16_t n_acks;
	bool rx_more;			/* set by the poll loop: more packets of the batch follow */
	uint32_t acks[NET_ACK_BATCH];
	uint32_t *conn_table;		/* ids of chain heads */
	uint32_t *local_table;
	uint64_t hash_seed;
};

/* net_state_size / net_init - room for the tables in the arena; and their first
 * contents.  @off is where in the arena the engine's part begins (4096-aligned;
 * net_shm comes first there).  net_init() runs once, by the creator, on memory that is zero;
 * net_attach() in each process, also the creator. */
size_t net_state_size(uint32_t n_eps, uint32_t n_frames);
void net_init(void *base, size_t off, uint32_t n_eps, uint32_t n_frames, size_t frames_off,
	      const uint8_t secret[16], uint64_t now);
void net_attach(struct net *net, void *base, size_t off, const struct cp *cp,
		struct vi *vis, uint32_t n_vis);

/* net_matches - does an attached engine have the sizes that it was made with?
 * For processes that do not trust whoever wrote the arena: looks only at the copies
 * that net_attach() took, which nobody can change any more. */
bool net_matches(const struct net *net, size_t off, uint32_t n_eps, uint32_t n_frames,
		 size_t frames_off);

/* ---- frames (pkt_pool.c) ------------------------------------------------ */

static inline struct pkt *pkt_get(const struct net *net, uint32_t id)
{
	return (struct pkt *)(net->frames + ((size_t)id << PKT_FRAME_SHIFT));
}
static inline uint32_t pkt_id(const struct net *net, const struct pkt *p)
{
	return (uint32_t)(((const uint8_t *)p - net->frames) >> PKT_FRAME_SHIFT);
}

enum pkt_use { PKT_FOR_RX, PKT_FOR_TX };	/* each may take at most 3/4 of the pool */

/* pkt_rx - a frame that vi_rx_poll() gave, made ready for ip_rx(); the sender of
 * a chain (VI_EV_CONT) links `frag` and adds up tot_len of the first itself. */
static inline struct pkt *pkt_rx(const struct net *net, uint32_t vi, const struct vi_event *ev)
{
	struct pkt *p = pkt_get(net, ev->buf);
	const struct vi_shm *sh = net->vis[vi].shm;

	_Static_assert((int)VI_F_VIRTUAL == (int)PKT_F_PARTIAL_OK, "one mask, no branch");
	p->next = p->frag = ID_NONE;
	p->off = ev->off;
	p->len = ev->len;
	p->tot_len = ev->len;
	p->flags = sh->flags & VI_F_VIRTUAL;
	p->where = PKT_USER;
	p->vi = (uint8_t)vi;
	p->stamp_ns = 0;
	p->ifindex = sh->ifindex;
	return p;
}

/* pkt_alloc - a frame with next = frag = ID_NONE, flags 0, where PKT_USER; NULL
 * when the pool (or @use's share) is empty, counted. */
struct pkt *pkt_alloc(struct net *net, enum pkt_use use);
/* pkt_free - consumes a packet with its whole chain; one in a TX ring is freed
 * by its completion. */
void pkt_free(struct net *net, struct pkt *p);

/* ---- endpoints (ep.c) --------------------------------------------------- */

static inline struct ep *ep_get(const struct net *net, uint32_t id)
{
	return (struct ep *)(net->eps + (size_t)id * EP_SLOT_SIZE);
}
/* Slots from here on were never used, and are not worth a look. */
static inline uint32_t ep_top(const struct net *net)
{
	uint32_t top = net->shm->ep_fresh;

	return top < net->n_eps ? top : net->n_eps;
}
struct ep *ep_alloc(struct net *net);			/* EP_RESERVED, zeroed; NULL when full */
void ep_free(struct net *net, struct ep *ep);		/* unhashed, off all lists */

static inline void ep_ready(struct net *net, struct ep *ep, uint32_t events)
{
	if (!ep->events)
		shm_list_add_tail(net->base, &net->shm->ready, &ep->ready);
	ep->events |= events;
}

/* ---- demultiplexer (demux.c) -------------------------------------------- */

/* Exact first (connections in all states, TIME_WAIT too, and connected UDP), then
 * local address + port, then port; among equals SO_REUSEPORT chooses by hash, and
 * without it the youngest wins.  NULL: nobody. */
struct ep *demux_find(struct net *net, const struct flow *flow, uint32_t ifindex);
/* The exact match only (TIME_WAIT, ports in use). */
struct ep *demux_find_exact(struct net *net, const struct flow *flow);
/* Next UDP endpoint that a multicast or broadcast datagram may be for, after @prev
 * (NULL: first).  Membership is for udp/ to judge. */
struct ep *demux_next_mcast(struct net *net, const struct flow *flow, uint32_t ifindex, struct ep *prev);
/* 0, or -EADDRINUSE for an exact duplicate (TCP only: for UDP the kernel has allowed
 * the bind, and may allow several). A flow with rport 0 is a local entry. */
int demux_insert(struct net *net, struct ep *ep);
void demux_remove(struct net *net, struct ep *ep);

/* ---- packets in (ip_rx.c, icmp_rx.c) ------------------------------------ */

/* An ICMP error about a flow of ours, as Linux would report it. */
struct net_icmp {
	uint32_t ep;		/* id of the endpoint that it is about */
	int32_t err;		/* positive errno; 0: only the path MTU */
	uint32_t mtu;		/* too big: L3 bytes that fit; else 0 */
	uint32_t seq;		/* TCP: sequence number of the embedded segment */
	bool hard;
	uint8_t type, code;	/* of the message */
	uint32_t info;		/* as sock_extended_err has it: MTU, or the octet in question */
	uint16_t l4_off;	/* of the quoted transport header, from the frame's start */
};

/* What ip_rx() made of a frame, in p->l3_off ... and here. */
struct rx_info {
	struct flow flow;	/* ours = destination */
	uint8_t ttl, tos, l4;	/* l4: IPPROTO_TCP, _UDP, or _ICMP (both families): an error in `icmp` */
	uint32_t l4_len;	/* transport header + payload */
	struct net_icmp icmp;	/* only with l4 == IPPROTO_ICMP; flow is then that of the endpoint */
};

/* ip_rx - borrows a received frame, validates Ethernet, IP and the transport
 * header's presence.  False: a drop, counted; the caller frees.  True: go on by
 * out->l4: TCP and UDP with demux (PKT_F_MCAST is set only with UDP: no demux
 * but udp_rx_mcast()); ICMP with tcp_icmp() or udp_icmp() of endpoint
 * out->icmp.ep, and the caller frees the frame. */
bool ip_rx(struct net *net, struct pkt *p, struct rx_info *out);

/* icmp_rx - the part of ip_rx() for ICMP messages; @p's l3_off and l4_off are set,
 * flow has the addresses of the message, l4_len what follows the IP header. */
bool icmp_rx(struct net *net, struct pkt *p, struct rx_info *out);

/* net_pmtu - the path of @ep carries packets of at most @mtu L3 bytes.  Lasts ten
 * minutes, or until the endpoint is closed or connected anew; udp_icmp() and tcp_icmp()
 * call it once they believe the message. */
void net_pmtu(struct net *net, struct ep *ep, uint32_t mtu);
/* net_pmtu_old - forget a path MTU whose time is over; true: there was one, and the
 * route must be looked up again. */
bool net_pmtu_old(struct net *net, struct ep *ep);

/* ---- packets out (ip_tx.c) ---------------------------------------------- */

/**
 * net_route - make sure that ep->route is current
 * Returns 0; -EAGAIN when the next hop's MAC is not known yet (packets may be
 * sent all the same: ip_tx() holds them); -ENETUNREACH, -EHOSTUNREACH,
 * -EOPNOTSUPP (the kernel must decide), -ENETDOWN (no VI on that interface).
 */
int net_route_slow(struct net *net, struct ep *ep);
static inline int net_route(struct net *net, struct ep *ep)
{
	if (likely(ep->route.gen == cp_gen(net->cp) && ep->route.valid))
		return 0;
	return net_route_slow(net, ep);
}

/* Same for one destination of an unconnected endpoint. */
int net_route_to(struct net *net, struct ep *ep, const struct ipaddr *src, const struct ipaddr *dst,
		 uint32_t oif, struct ep_route *out);

/* Header lengths of an endpoint's packets: Ethernet + IP. Payload of @proto begins behind. */
static inline unsigned ip_hdr_room(const struct ipaddr *laddr)
{
	return ipaddr_is4(laddr) ? 14 + 20 : 14 + 40;
}

/**
 * ip_tx - send a packet whose transport header and payload are in place
 * @p: l4_off set, len/tot_len counting from `off` once headers are written;
 *     the caller left ip_hdr_room() bytes in front of l4_off
 * Writes Ethernet and IP headers in front of l4_off (IPv4 id, DF, ttl, tos from
 * @ep), sets off/len, posts.  The transport checksum is the caller's.
 * Marks PKT_F_IN_TX.  Keeps the frame only while it is in the ring: with
 * @consume the completion frees it, else it stays the caller's.
 * Returns 0, or -errno: -EAGAIN (ring full), -EHOSTUNREACH and so on.  On error
 * a consumed frame has been freed.  A packet that waits for a neighbour counts
 * as sent (it is on the deferred list; a not consumed one is simply not sent and
 * -EAGAIN returned: TCP's timer sends it again).
 */
int ip_tx(struct net *net, struct ep *ep, const struct ep_route *rt, const struct ipaddr *src,
	  const struct ipaddr *dst, uint8_t proto, struct pkt *p, bool consume);

/* ip_tx_post - the last step of ip_tx(): post a frame that is complete from its
 * Ethernet header on, with off, len and l3_off set, to VI @vi_idx. */
int ip_tx_post(struct net *net, uint32_t vi_idx, struct pkt *p, bool consume);

/* net_tx_reap - take completions of all VIs; frees and clears PKT_F_IN_TX. */
void net_tx_reap(struct net *net);

/* ---- work for the owner -------------------------------------------------- */

/* Next hop that somebody should resolve; returns false when there is none.
 * The owner asks the daemon, outside the lock. */
bool net_next_unresolved(struct net *net, uint32_t *ifindex, struct ipaddr *nexthop);
/* Send what waited for neighbours that are known now; drop what waited too
 * long (EP_ERR with EHOSTUNREACH on an endpoint that has EP_F_RECVERR).
 * Call when net_deferred_due(). */
void net_retry_deferred(struct net *net);
static inline bool net_deferred_due(const struct net *net)
{
	const struct net_shm *sh = net->shm;

	return unlikely(sh->unres_n | sh->defer_n) &&
	       (sh->defer_gen != cp_gen(net->cp) || net->now >= sh->defer_retry_ns);
}

/* 32 random bits from the engine's seeded generator; for ports, ISNs use the secret. */
uint32_t net_random(struct net *net);

#endif
