/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cp_shm.h - the control-plane tables: what the kernel knows of links,
 * addresses, routes and neighbours, mirrored for readers without system calls
 *
 * One memfd per network namespace.  Written by posternd alone (cp_writer.c),
 * mapped read-only everywhere else (cp_lookup.c).  A writer makes `seq` odd,
 * changes tables, makes it even; a reader copies and retries when seq moved
 * (pairs: release by the writer, acquire by the reader).  `gen` counts changes
 * that may alter a forwarding decision, so that a cached result is checked by
 * one load: same gen, same answer.
 *
 * Addresses of both families have the common form of wire/flow.h: 16 bytes,
 * IPv4 mapped, as two words in network order.
 */
#ifndef POSTERN_CP_CP_SHM_H
#define POSTERN_CP_CP_SHM_H

#include "base/types.h"

#define CP_MAGIC   0x70636e72657473ull
#define CP_VERSION 1

enum {
	CP_MAX_LINKS = 256,
	CP_MAX_ADDRS = 1024,
	CP_MAX_ROUTES = 4096,
	CP_MAX_NEIGHS = 16384,	/* hash table, linear probing; power of two */
};

struct cp_addr128 {
	uint64_t d[2];
};

enum {
	CP_LINK_UP       = 1u << 0,	/* IFF_UP; the carrier does not count, as in the kernel's routing */
	CP_LINK_LOOPBACK = 1u << 1,
	CP_LINK_VIRTUAL  = 1u << 2,	/* veth: partial checksums are valid */
	CP_LINK_ETHER    = 1u << 3,	/* ARPHRD_ETHER */
	CP_LINK_XDP_FOREIGN = 1u << 4,	/* somebody else's XDP program is attached */
	CP_LINK_NOACCEL  = 1u << 5,	/* kind that is not accelerated (bridge member, bond, vlan, tun ...) */
};

struct cp_link {
	uint32_t ifindex;	/* 0: free slot */
	uint32_t flags;
	uint32_t mtu;
	uint32_t n_rxq;
	uint8_t mac[6];
	uint8_t pad[2];
	char name[16];
};

enum {
	CP_ADDR_DEPRECATED = 1u << 0,
	CP_ADDR_TENTATIVE = 1u << 1,
	CP_ADDR_SECONDARY = 1u << 2,	/* IPv4 secondary, IPv6 temporary: never chosen before another */
};
struct cp_addr {
	struct cp_addr128 addr;
	uint32_t ifindex;	/* 0: free slot */
	uint8_t prefix_len;	/* of the common 128-bit form: IPv4 /24 is 120 */
	uint8_t scope;		/* RT_SCOPE_* */
	uint8_t flags;
	uint8_t pad;
};

enum cp_route_type { CP_RT_UNICAST = 1, CP_RT_LOCAL, CP_RT_BROADCAST, CP_RT_UNREACHABLE, CP_RT_OTHER };
struct cp_route {
	struct cp_addr128 dst;
	struct cp_addr128 gateway;	/* zero: on link */
	struct cp_addr128 prefsrc;	/* zero: choose by address of the link */
	uint32_t ifindex;
	uint32_t metric;		/* lower wins among equal prefixes */
	uint32_t mtu;			/* RTA_METRICS mtu, 0 none */
	uint8_t prefix_len;		/* of the 128-bit form */
	uint8_t type;			/* enum cp_route_type; 0: free slot */
	uint8_t tos;
	uint8_t multipath;		/* 1: more next hops than this one: not accelerated */
};

enum cp_neigh_state { CP_NEIGH_NONE, CP_NEIGH_VALID, CP_NEIGH_INCOMPLETE, CP_NEIGH_FAILED };
struct cp_neigh {
	struct cp_addr128 addr;
	uint32_t ifindex;	/* 0: free slot */
	uint8_t mac[6];
	uint8_t state;		/* enum cp_neigh_state */
	uint8_t nud;		/* NUD_* as the kernel said */
};

struct cp_shm {
	uint64_t magic;
	uint32_t version;
	uint32_t size;		/* of the whole region */
	uint64_t netns_ino;	/* which network namespace this mirrors */
	_Alignas(CACHE_LINE) _Atomic uint32_t seq;
	_Atomic uint32_t gen;
	_Atomic uint64_t heartbeat_ns;	/* CLOCK_MONOTONIC of the daemon's last look; 0: not yet filled */
	uint32_t has_rules;	/* policy rules other than the kernel's three: routes are not decided here */
	uint32_t n_links, n_addrs, n_routes;	/* used slots are the first n */

	/* Host settings that sockets need (/proc/sys/net), mirrored at start and every few seconds. */
	_Alignas(CACHE_LINE)
	uint32_t port_min, port_max;		/* ip_local_port_range */
	uint32_t rmem_default, rmem_max, wmem_default, wmem_max;
	uint32_t tcp_rmem[3], tcp_wmem[3];
	uint32_t somaxconn, tcp_max_syn_backlog;
	uint32_t tcp_fin_timeout, tcp_keepalive_time, tcp_keepalive_intvl, tcp_keepalive_probes;
	uint32_t tcp_retries2, tcp_syn_retries, tcp_synack_retries;
	uint32_t tcp_timestamps, tcp_sack, tcp_window_scaling;
	uint32_t ip_default_ttl, ip6_hop_limit;

	_Alignas(CACHE_LINE)
	struct cp_link links[CP_MAX_LINKS];
	struct cp_addr addrs[CP_MAX_ADDRS];
	struct cp_route routes[CP_MAX_ROUTES];	/* sorted: longest prefix first, then metric */
	struct cp_neigh neighs[CP_MAX_NEIGHS];
};

#endif
