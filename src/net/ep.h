/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ep.h - endpoint: what every connection, listener and UDP socket begins with
 *
 * The demultiplexer returns a struct ep *; the owner of the poll loop switches
 * on ep->kind and calls tcp_rx() or udp_rx() directly.  Readiness is data: the
 * protocols call ep_ready(), which puts the endpoint on the stack's ready list;
 * sock/ takes it from there (ready_flush()) and wakes whom it must.
 *
 * Endpoints live in fixed slots of EP_SLOT_SIZE bytes in the arena and are
 * named by slot number, the same number that names the socket of sock/.
 */
#ifndef POSTERN_NET_EP_H
#define POSTERN_NET_EP_H

#include "base/shm.h"
#include "wire/flow.h"

enum { EP_SLOT_SIZE = 1024 };

enum ep_kind {
	EP_FREE,
	EP_RESERVED,	/* allocated, no protocol yet */
	EP_TCP_CONN,
	EP_TCP_LISTEN,
	EP_UDP,
};

/* Events, gathered in ep->events until ready_flush(); same sense as poll(2). */
enum {
	EP_IN    = 1u << 0,	/* data, a connection to accept, or EOF arrived */
	EP_OUT   = 1u << 1,	/* room to send, or connect finished */
	EP_ERR   = 1u << 2,	/* an error is pending */
	EP_HUP   = 1u << 3,	/* both directions are shut */
	EP_RDHUP = 1u << 4,	/* the peer shut its side */
	EP_PRI   = 1u << 5,	/* urgent data */
	EP_GONE  = 1u << 6,	/* protocol state ended; nobody but sock/ refers to it */
};

enum {
	EP_F_V6ONLY    = 1u << 0,	/* wildcard takes no IPv4 */
	EP_F_V4        = 1u << 1,	/* AF_INET socket: wildcard takes no IPv6 */
	EP_F_HASHED    = 1u << 2,
	EP_F_REUSEPORT = 1u << 3,
	EP_F_CONNECTED = 1u << 4,	/* UDP: raddr, rport are set */
	EP_F_ORPHAN    = 1u << 5,	/* no socket refers to it: the protocol frees the slot when done */
	EP_F_MCAST_ALL = 1u << 6,	/* IP_MULTICAST_ALL (default on) */
	EP_F_RECVERR   = 1u << 7,	/* IP_RECVERR: soft ICMP errors are reported too */
	EP_F_NODF      = 1u << 8,	/* IPv4 packets may be fragmented on the way */
};

/* IP_MTU_DISCOVER, IPV6_MTU_DISCOVER: the kernel's numbers. */
enum ep_pmtudisc { PMTUDISC_DONT, PMTUDISC_WANT, PMTUDISC_DO, PMTUDISC_PROBE, PMTUDISC_INTERFACE, PMTUDISC_OMIT };

/* Where this endpoint's packets leave, checked by one compare of generations. */
struct ep_route {
	uint32_t gen;		/* cp_gen() when decided; 0: never */
	uint32_t ifindex;
	uint16_t mtu;		/* L3 bytes; at most what a frame holds unless VI_F_SG */
	uint8_t vi;		/* index of the VI to send by */
	uint8_t valid;		/* 1: l2 is complete; 0: next hop's MAC not known */
	uint8_t link_virtual;
	uint8_t l2[14];		/* Ethernet header, ready to copy */
	uint8_t pad[1];
	struct ipaddr nexthop;
	struct ipaddr src;		/* source address that goes with it */
};

struct ep {
	struct flow flow;		/* ours */
	uint32_t id;			/* slot number */
	uint32_t hash_next;		/* demux chain, or ID_NONE */
	uint8_t kind;			/* enum ep_kind */
	uint8_t ttl;			/* 0: host default */
	uint8_t tos;
	uint8_t mcast_ttl;
	uint32_t flags;			/* EP_F_* */
	uint32_t events;		/* EP_IN ... since the last ready_flush() */
	uint32_t bound_if;		/* SO_BINDTODEVICE or scope, 0 none */
	struct shm_link ready;		/* on net_shm.ready while events != 0 */
	int32_t so_error;		/* positive errno, taken by SO_ERROR and failing calls */
	uint32_t flowlabel;		/* IPv6 */
	struct ep_route route;
	uint16_t pmtu;			/* learnt from ICMP, L3 bytes; 0: none. Limits route.mtu */
	uint8_t pmtudisc;		/* enum ep_pmtudisc */
	uint8_t spare;
	uint32_t pmtu_s;		/* second of net.now when it was learnt */
};
_Static_assert(sizeof(struct ep) <= 192, "three cache lines, then the protocol");

#endif
