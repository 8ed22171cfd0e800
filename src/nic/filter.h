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
	/* Raw frames, for ef_vi; xdp_filter_add() answers -EOPNOTSUPP so far. */
	NIC_FILTER_MAC = 16,
	NIC_FILTER_MAC_VLAN,
	NIC_FILTER_VLAN,
	NIC_FILTER_ETHERTYPE,
	NIC_FILTER_IP_PROTO,
	NIC_FILTER_UCAST_ALL,
	NIC_FILTER_MCAST_ALL,
	NIC_FILTER_SNIFF,
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

#endif
