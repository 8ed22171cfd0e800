/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * filter.h - what a receive filter says, as data
 *
 * A filter steers frames to the VIs of one set (one VI for each queue of an
 * interface).  Nothing here knows how: nic/xdp/xdp_prog.h writes it into the
 * maps of the XDP program.
 */
#ifndef POSTERN_NIC_FILTER_H
#define POSTERN_NIC_FILTER_H

#include "base/types.h"
#include "wire/flow.h"

/* In the order of lookup: the first that matches wins. */
enum nic_filter_kind {
	NIC_FILTER_EXACT = 1,	/* 5-tuple: all of flow */
	NIC_FILTER_LOCAL,	/* laddr + lport (laddr may be a multicast group) */
	NIC_FILTER_WILDCARD,	/* lport, on any address of this host */
};

enum {
	/* TCP, LOCAL and WILDCARD: only SYN without ACK; all else looks further */
	NIC_FILTER_F_SYN_ONLY = 1u << 0,
	/* takes over the key if another set has it, instead of -EEXIST */
	NIC_FILTER_F_REPLACE  = 1u << 8,
};

struct nic_filter {
	uint8_t kind;		/* enum nic_filter_kind */
	uint8_t family;		/* AF_INET or AF_INET6; a dual-stack wildcard is two filters */
	uint16_t flags;		/* NIC_FILTER_F_* */
	uint32_t vi_set;
	struct flow flow;	/* with proto; fields that the kind does not use are ignored */
};

/* Raw frames, looked at when no filter above matched.  In the order of lookup. */
enum nic_raw_kind {
	NIC_RAW_FULL_VLAN,	/* addresses, ports, protocol, VLAN */
	NIC_RAW_FULL,
	NIC_RAW_LOCAL_VLAN,	/* without the other end */
	NIC_RAW_LOCAL,
	NIC_RAW_PROTO_MAC,	/* IP protocol */
	NIC_RAW_PROTO_VLAN,
	NIC_RAW_PROTO,
	NIC_RAW_ETYPE_MAC,
	NIC_RAW_ETYPE_VLAN,
	NIC_RAW_ETYPE,
	NIC_RAW_MAC_VLAN,	/* destination */
	NIC_RAW_MAC,
	NIC_RAW_UCAST,
	NIC_RAW_MCAST,		/* broadcast too */
	NIC_RAW_UCAST_REST_VLAN, /* the rest: last of all */
	NIC_RAW_MCAST_REST_VLAN,
	NIC_RAW_UCAST_REST,
	NIC_RAW_MCAST_REST,
	NIC_RAW_BLOCK_UCAST,	/* not to the kernel: dropped */
	NIC_RAW_BLOCK_MCAST,
	NIC_RAW_KINDS
};

struct nic_raw {
	uint8_t kind;		/* enum nic_raw_kind */
	uint8_t spread;		/* over so many sets from vi_set on, by a hash of the flow; 0 as 1 */
	uint8_t proto;
	uint8_t mac[6];
	uint16_t vlan;		/* number + 1 */
	uint32_t vi_set;
	be16_t etype, lport, rport;
	struct ipaddr laddr, raddr;
};

#endif
