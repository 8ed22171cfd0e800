/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * xdp_filter.h - maps that the XDP program and the daemon share
 *
 * Plain words, compiled for BPF and for the host.  All addresses and ports are
 * in network order, as they lie in the packet.  One instance of the program,
 * with maps of its own, serves one interface.
 *
 *   flow4, flow6  hash    key: tuple below         value: struct xdp_flow_val
 *   local_addrs   hash    key: 16-byte address     value: u32, unused
 *   xsks          xskmap  vi_set * 64 + queue      AF_XDP socket
 *   raw           hash    key: struct xdp_raw_key  value: struct xdp_flow_val
 *   cfg           array   0                        struct xdp_filter_cfg
 *   stats         percpu  0                        struct xdp_filter_stats
 *
 * One map holds the three kinds of filter of a family: fields that a kind does
 * not use are zero in the key.  Port 0 and address 0 never occur in a filter's
 * used fields, so kinds cannot be taken for one another.
 */
#ifndef POSTERN_NIC_XDP_FILTER_H
#define POSTERN_NIC_XDP_FILTER_H

#include <linux/types.h>

enum {
	XDP_VI_SETS = 64,
	XDP_MAX_QUEUES = 64,		/* per VI set */
	XDP_FLOW4_MAX = 131072,
	XDP_FLOW6_MAX = 65536,
	XDP_LOCAL_MAX = 1024,
	XDP_RAW_MAX = 65536,
};

/* l: this host; r: the other end */
struct xdp_key4 {
	__u32 laddr, raddr;
	__u16 lport, rport;
	__u8 proto, pad[3];
};
_Static_assert(sizeof(struct xdp_key4) == 16, "shared with BPF");

struct xdp_key6 {
	__u32 laddr[4], raddr[4];
	__u16 lport, rport;
	__u8 proto, pad[3];
};
_Static_assert(sizeof(struct xdp_key6) == 40, "shared with BPF");

struct xdp_flow_val {
	__u32 vi_set;
	__u32 flags;	/* NIC_FILTER_F_SYN_ONLY; raw: members that share it, 0 as 1 */
};

/* One filter on raw frames; what the kind does not use is zero. */
struct xdp_raw_key {
	__u32 laddr[4], raddr[4];	/* IPv4 mapped */
	__u16 lport, rport;
	__u16 etype;
	__u16 vlan;			/* number + 1, host order */
	__u8 mac[6];
	__u8 proto;
	__u8 kind;			/* enum nic_raw_kind */
};
_Static_assert(sizeof(struct xdp_raw_key) == 48, "shared with BPF");

/* The 16-byte form of wire/flow.h: IPv4 mapped. */
struct xdp_local_key {
	__u32 addr[4];
};

/* Non-zero while there are filters of a kind, so that a miss costs nothing for
 * kinds that are not in use.  Set before the first filter is written, cleared
 * after the last is gone. */
struct xdp_filter_cfg {
	__u32 exact4, local4, wild4;
	__u32 exact6, local6, wild6;
	__u32 raw;	/* bit of each enum nic_raw_kind in use */
	__u32 spare;
};

#define XDP_FILTER_STATS(X)                                                     \
	X(pass,           "frames passed to the kernel: no filter matched")     \
	X(redirect,       "frames redirected to an AF_XDP socket")              \
	X(redirect_icmp,  "of these, ICMP errors about an accelerated flow")    \
	X(drop_no_socket, "dropped: a filter matched, its queue has no socket") \
	X(redirect_raw,   "of these, frames for ef_vi")                         \
	X(drop_blocked,   "dropped: ef_vi keeps them from the kernel")          \
	X(drop_frag,      "dropped: first fragment of a filtered TCP flow")

struct xdp_filter_stats {
#define X(name, help) __u64 name;
	XDP_FILTER_STATS(X)
#undef X
};

#endif
