// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * xdp_filter.bpf.c - the hardware filter of an interface without one
 *
 * Looks at each frame before the kernel does.  A frame that matches a filter
 * goes to the AF_XDP socket of its queue, everything else to the kernel,
 * untouched.  Lookup order: 5-tuple, local address and port (also multicast
 * group and port), wildcard port.
 *
 * What is the kernel's on purpose: everything but untagged IPv4 and IPv6 with
 * TCP or UDP; fragments (the kernel reassembles), but for the first fragment of
 * a filtered TCP flow, which is dropped: the kernel knows no connection there
 * and would answer RST.  A hit whose queue has no socket is dropped and
 * counted for the same reason: the socket of a dead process must not turn into
 * RSTs at its peers.
 *
 * What all of these leave is looked up once more as a raw frame, for ef_vi, kind by
 * kind (nic/filter.h: enum nic_raw_kind) as far as kinds are in use.  There VLAN
 * tags count, and fragments match by what their first header says.
 *
 * ICMP errors (RFC 792, RFC 4443) about a filtered flow follow the flow: the
 * embedded packet is one that we sent, so its source is our side.
 *
 * Needs nothing newer than Linux 5.11: no kfuncs, bounded loops, direct access.
 */
#include <stdbool.h>
#include <stddef.h>

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "nic/xdp/xdp_filter.h"

/* As enum nic_raw_kind of nic/filter.h, which needs the host's headers. */
enum {
	RAW_FULL_VLAN, RAW_FULL, RAW_LOCAL_VLAN, RAW_LOCAL, RAW_PROTO_MAC, RAW_PROTO_VLAN,
	RAW_PROTO, RAW_ETYPE_MAC, RAW_ETYPE_VLAN, RAW_ETYPE, RAW_MAC_VLAN, RAW_MAC, RAW_UCAST,
	RAW_MCAST, RAW_UCAST_REST_VLAN, RAW_MCAST_REST_VLAN, RAW_UCAST_REST, RAW_MCAST_REST,
	RAW_BLOCK_UCAST, RAW_BLOCK_MCAST,
};

char _license[] SEC("license") = "Dual BSD/GPL";

enum {
	SYN_ONLY = 1u << 0,	/* NIC_FILTER_F_SYN_ONLY */
	TH_SYN = 0x02,
	TH_ACK = 0x10,
	TH_FLAGS_OFF = 13,
	IP4_OFFMASK = 0x1fff,
	IP4_MF = 0x2000,
	IP6_OFFMASK = 0xfff8,
	IP6_MF = 0x0001,
	EXT_HEADERS_MAX = 4,
	NH_HOPBYHOP = 0, NH_ROUTING = 43, NH_FRAGMENT = 44, NH_DSTOPTS = 60,
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, XDP_FLOW4_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct xdp_key4);
	__type(value, struct xdp_flow_val);
} flow4 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, XDP_FLOW6_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct xdp_key6);
	__type(value, struct xdp_flow_val);
} flow6 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, XDP_LOCAL_MAX);
	__type(key, struct xdp_local_key);
	__type(value, __u32);
} local_addrs SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_XSKMAP);
	__uint(max_entries, XDP_VI_SETS * XDP_MAX_QUEUES);
	__type(key, __u32);
	__type(value, __u32);
} xsks SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, XDP_RAW_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct xdp_raw_key);
	__type(value, struct xdp_flow_val);
} raw SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct xdp_filter_cfg);
} cfg SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct xdp_filter_stats);
} stats SEC(".maps");

/* What the program knows while it looks at one frame. */
struct look {
	struct xdp_md *ctx;
	void *data, *end;
	const struct xdp_filter_cfg *cfg;
	struct xdp_filter_stats *st;
};

static __always_inline int pass(struct look *lk)
{
	(void)lk;
	return XDP_PASS;	/* counted at the end */
}

static __always_inline int hit(struct look *lk, const struct xdp_flow_val *v, bool icmp)
{
	__u32 queue = lk->ctx->rx_queue_index;

	if (queue < XDP_MAX_QUEUES &&
	    bpf_redirect_map(&xsks, v->vi_set * XDP_MAX_QUEUES + queue, XDP_DROP) ==
	    XDP_REDIRECT) {
		lk->st->redirect++;
		if (icmp)
			lk->st->redirect_icmp++;
		return XDP_REDIRECT;
	}
	lk->st->drop_no_socket++;
	return XDP_DROP;
}

/* A fragment whose flow is filtered. */
static __always_inline int hit_first_fragment(struct look *lk, __u8 proto)
{
	if (proto != IPPROTO_TCP)
		return pass(lk);
	lk->st->drop_frag++;
	return XDP_DROP;
}

static __always_inline bool wanted(const struct xdp_flow_val *v, bool syn)
{
	return v && (syn || !(v->flags & SYN_ONLY));
}

/* TCP: SYN without ACK.  SYN_ONLY filters see nothing else. */
static __always_inline bool is_syn(struct look *lk, const __u8 *l4, __u8 proto)
{
	if (proto != IPPROTO_TCP || (void *)(l4 + TH_FLAGS_OFF + 1) > lk->end)
		return false;
	return (l4[TH_FLAGS_OFF] & (TH_SYN | TH_ACK)) == TH_SYN;
}

/* Consumes *k: it is narrowed from one kind to the next. */
static __always_inline const struct xdp_flow_val *
find4(struct look *lk, struct xdp_key4 *k, bool syn)
{
	const struct xdp_flow_val *v;
	struct xdp_local_key local = { { 0, 0, bpf_htonl(0xffff), k->laddr } };

	if (lk->cfg->exact4) {
		v = bpf_map_lookup_elem(&flow4, k);
		if (v)
			return v;
	}
	k->raddr = 0;
	k->rport = 0;
	if (lk->cfg->local4) {
		v = bpf_map_lookup_elem(&flow4, k);
		if (wanted(v, syn))
			return v;
	}
	k->laddr = 0;
	if (lk->cfg->wild4) {
		v = bpf_map_lookup_elem(&flow4, k);
		/* Frames that this host only routes are not its sockets'. */
		if (wanted(v, syn) && bpf_map_lookup_elem(&local_addrs, &local))
			return v;
	}
	return NULL;
}

static __always_inline const struct xdp_flow_val *
find6(struct look *lk, struct xdp_key6 *k, bool syn)
{
	const struct xdp_flow_val *v;
	struct xdp_local_key local;

	if (lk->cfg->exact6) {
		v = bpf_map_lookup_elem(&flow6, k);
		if (v)
			return v;
	}
	__builtin_memset(k->raddr, 0, sizeof(k->raddr));
	k->rport = 0;
	if (lk->cfg->local6) {
		v = bpf_map_lookup_elem(&flow6, k);
		if (wanted(v, syn))
			return v;
	}
	__builtin_memcpy(local.addr, k->laddr, sizeof(local.addr));
	__builtin_memset(k->laddr, 0, sizeof(k->laddr));
	if (lk->cfg->wild6) {
		v = bpf_map_lookup_elem(&flow6, k);
		if (wanted(v, syn) && bpf_map_lookup_elem(&local_addrs, &local))
			return v;
	}
	return NULL;
}

/* RFC 792: destination unreachable, time exceeded, parameter problem. */
static __always_inline int icmp4_error(struct look *lk, const __u8 *l4, __u32 outer_daddr)
{
	const struct iphdr *in = (const void *)(l4 + 8);
	const struct xdp_flow_val *v;
	struct xdp_key4 k = {};
	const __u16 *ports;

	if ((void *)(in + 1) > lk->end)
		return pass(lk);
	if (l4[0] != 3 && l4[0] != 11 && l4[0] != 12)
		return pass(lk);
	if (in->version != 4 || in->ihl < 5 || (in->frag_off & bpf_htons(IP4_OFFMASK)))
		return pass(lk);
	if (in->protocol != IPPROTO_TCP && in->protocol != IPPROTO_UDP)
		return pass(lk);
	if (in->saddr != outer_daddr)
		return pass(lk);
	ports = (const void *)in + in->ihl * 4;
	if ((void *)(ports + 2) > lk->end)
		return pass(lk);

	k.laddr = in->saddr;
	k.raddr = in->daddr;
	k.lport = ports[0];
	k.rport = ports[1];
	k.proto = in->protocol;
	v = find4(lk, &k, true);
	return v ? hit(lk, v, true) : pass(lk);
}

static __always_inline int ip4(struct look *lk)
{
	const struct iphdr *ip = lk->data + sizeof(struct ethhdr);
	const struct xdp_flow_val *v;
	struct xdp_key4 k = {};
	const __u8 *l4;

	if ((void *)(ip + 1) > lk->end || ip->version != 4 || ip->ihl < 5)
		return pass(lk);
	if (ip->frag_off & bpf_htons(IP4_OFFMASK))
		return pass(lk);
	l4 = (const void *)ip + ip->ihl * 4;
	if ((void *)(l4 + 4) > lk->end)
		return pass(lk);

	switch (ip->protocol) {
	case IPPROTO_TCP:
	case IPPROTO_UDP:
		break;
	case IPPROTO_ICMP:
		if (ip->frag_off & bpf_htons(IP4_MF))
			return pass(lk);
		return icmp4_error(lk, l4, ip->daddr);
	default:
		return pass(lk);
	}

	k.laddr = ip->daddr;
	k.raddr = ip->saddr;
	k.lport = ((const __u16 *)l4)[1];
	k.rport = ((const __u16 *)l4)[0];
	k.proto = ip->protocol;
	v = find4(lk, &k, is_syn(lk, l4, ip->protocol));
	if (!v)
		return pass(lk);
	if (ip->frag_off & bpf_htons(IP4_MF))
		return hit_first_fragment(lk, ip->protocol);
	return hit(lk, v, false);
}

/* RFC 4443 section 3: destination unreachable, packet too big, time exceeded,
 * parameter problem.  Our own packets carry no extension headers. */
static __always_inline int icmp6_error(struct look *lk, const __u8 *l4,
				       const struct ipv6hdr *ip)
{
	const struct ipv6hdr *in = (const void *)(l4 + 8);
	const __u16 *ports = (const void *)(in + 1);
	const __u64 *inner = (const void *)&in->saddr, *outer = (const void *)&ip->daddr;
	const struct xdp_flow_val *v;
	struct xdp_key6 k = {};

	if ((void *)(ports + 2) > lk->end)
		return pass(lk);
	if (l4[0] < 1 || l4[0] > 4 || in->version != 6)
		return pass(lk);
	if (in->nexthdr != IPPROTO_TCP && in->nexthdr != IPPROTO_UDP)
		return pass(lk);
	if (inner[0] != outer[0] || inner[1] != outer[1])
		return pass(lk);

	__builtin_memcpy(k.laddr, &in->saddr, sizeof(k.laddr));
	__builtin_memcpy(k.raddr, &in->daddr, sizeof(k.raddr));
	k.lport = ports[0];
	k.rport = ports[1];
	k.proto = in->nexthdr;
	v = find6(lk, &k, true);
	return v ? hit(lk, v, true) : pass(lk);
}

static __always_inline int ip6(struct look *lk)
{
	const struct ipv6hdr *ip = lk->data + sizeof(struct ethhdr);
	__u32 off = sizeof(struct ethhdr) + sizeof(struct ipv6hdr);
	const struct xdp_flow_val *v;
	bool more_fragments = false;
	struct xdp_key6 k = {};
	const __u8 *l4;
	__u8 nh;
	int i;

	if ((void *)(ip + 1) > lk->end || ip->version != 6)
		return pass(lk);
	nh = ip->nexthdr;

	/* RFC 8200 section 4: headers that may stand before the transport's. */
#pragma unroll
	for (i = 0; i < EXT_HEADERS_MAX; i++) {
		if (nh != NH_HOPBYHOP && nh != NH_ROUTING && nh != NH_FRAGMENT &&
		    nh != NH_DSTOPTS)
			break;
		l4 = lk->data + off;
		if ((void *)(l4 + 8) > lk->end)
			return pass(lk);
		if (nh == NH_FRAGMENT) {
			__u16 frag = *(const __u16 *)(l4 + 2);

			if (frag & bpf_htons(IP6_OFFMASK))
				return pass(lk);
			more_fragments = frag & bpf_htons(IP6_MF);
			off += 8;
		} else {
			/* Segments left: the destination is not the last one. */
			if (nh == NH_ROUTING && l4[3])
				return pass(lk);
			off += (l4[1] + 1u) * 8;
		}
		nh = l4[0];
	}

	l4 = lk->data + off;
	if ((void *)(l4 + 4) > lk->end)
		return pass(lk);
	if (nh == IPPROTO_ICMPV6 && !more_fragments)
		return icmp6_error(lk, l4, ip);
	if (nh != IPPROTO_TCP && nh != IPPROTO_UDP)
		return pass(lk);

	__builtin_memcpy(k.laddr, &ip->daddr, sizeof(k.laddr));
	__builtin_memcpy(k.raddr, &ip->saddr, sizeof(k.raddr));
	k.lport = ((const __u16 *)l4)[1];
	k.rport = ((const __u16 *)l4)[0];
	k.proto = nh;
	v = find6(lk, &k, is_syn(lk, l4, nh));
	if (!v)
		return pass(lk);
	if (more_fragments)
		return hit_first_fragment(lk, nh);
	return hit(lk, v, false);
}

/* A frame that no socket's filter wanted, taken apart. */
struct raw_frame {
	struct xdp_raw_key k;	/* all that is known of it */
	__u32 hash;
	bool mcast, l4;
};

static __always_inline void raw_l3(struct raw_frame *f, const __u8 *p, const void *end)
{
	const __u16 *ports;

	if (f->k.etype == bpf_htons(ETH_P_IP)) {
		const struct iphdr *ip = (const void *)p;

		if ((void *)(ip + 1) > end || ip->version != 4 || ip->ihl < 5)
			return;
		f->k.laddr[2] = f->k.raddr[2] = bpf_htonl(0xffff);
		f->k.laddr[3] = ip->daddr;
		f->k.raddr[3] = ip->saddr;
		f->k.proto = ip->protocol;
		if (ip->frag_off & bpf_htons(IP4_OFFMASK))
			return;
		ports = (const void *)(p + ip->ihl * 4);
	} else if (f->k.etype == bpf_htons(ETH_P_IPV6)) {
		const struct ipv6hdr *ip = (const void *)p;

		if ((void *)(ip + 1) > end || ip->version != 6)
			return;
		__builtin_memcpy(f->k.laddr, &ip->daddr, 16);
		__builtin_memcpy(f->k.raddr, &ip->saddr, 16);
		f->k.proto = ip->nexthdr;
		ports = (const void *)(ip + 1);
	} else {
		return;
	}
	if (f->k.proto != IPPROTO_TCP && f->k.proto != IPPROTO_UDP)
		return;
	if ((void *)(ports + 2) > end)
		return;
	f->k.rport = ports[0];
	f->k.lport = ports[1];
	f->l4 = true;
}

static __always_inline bool raw_parse(struct xdp_md *ctx, struct raw_frame *f)
{
	const __u8 *p = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	const struct ethhdr *eth = (const void *)p;

	__builtin_memset(f, 0, sizeof(*f));
	if ((void *)(eth + 1) > (void *)end)
		return false;
	__builtin_memcpy(f->k.mac, eth->h_dest, 6);
	f->mcast = eth->h_dest[0] & 1;
	f->k.etype = eth->h_proto;
	f->k.vlan = 1;		/* untagged is VLAN 0 */
	p += sizeof(*eth);
	if (f->k.etype == bpf_htons(ETH_P_8021Q)) {
		const __u16 *tag = (const void *)p;

		if ((void *)(tag + 2) > (void *)end)
			return false;
		f->k.vlan = (bpf_ntohs(tag[0]) & 0xfff) + 1;
		f->k.etype = tag[1];
		p += 4;
	}
	raw_l3(f, p, end);
	f->hash = f->k.laddr[3] ^ f->k.raddr[3] ^ f->k.laddr[2] ^ f->k.raddr[2] ^
		  ((__u32)f->k.lport << 16 | f->k.rport);
	f->hash = (f->hash ^ f->hash >> 16) * 0x85ebca6bu;
	f->hash ^= f->hash >> 13;
	return true;
}

enum { USE_L = 1, USE_R = 2, USE_V = 4, USE_M = 8, USE_P = 16, USE_E = 32 };

static __always_inline const struct xdp_flow_val *raw_try(const struct raw_frame *f, __u8 kind,
							  int use)
{
	struct xdp_raw_key k;

	__builtin_memset(&k, 0, sizeof(k));
	k.kind = kind;
	if (use & USE_L) {
		__builtin_memcpy(k.laddr, f->k.laddr, 16);
		k.lport = f->k.lport;
	}
	if (use & USE_R) {
		__builtin_memcpy(k.raddr, f->k.raddr, 16);
		k.rport = f->k.rport;
	}
	if (use & USE_V)
		k.vlan = f->k.vlan;
	if (use & USE_M)
		__builtin_memcpy(k.mac, f->k.mac, 6);
	if (use & USE_P)
		k.proto = f->k.proto;
	if (use & USE_E)
		k.etype = f->k.etype;
	return bpf_map_lookup_elem(&raw, &k);
}

#define TRY(kind, cond, use)                                    \
	do {                                                    \
		if (kinds & 1u << (kind) && (cond)) {           \
			v = raw_try(f, kind, use);              \
			if (v)                                  \
				return v;                       \
		}                                               \
	} while (0)

static __always_inline const struct xdp_flow_val *raw_find(const struct raw_frame *f, __u32 kinds)
{
	const struct xdp_flow_val *v;

	TRY(RAW_FULL_VLAN, f->l4, USE_L | USE_R | USE_P | USE_V);
	TRY(RAW_FULL, f->l4, USE_L | USE_R | USE_P);
	TRY(RAW_LOCAL_VLAN, f->l4, USE_L | USE_P | USE_V);
	TRY(RAW_LOCAL, f->l4, USE_L | USE_P);
	TRY(RAW_PROTO_MAC, f->k.proto, USE_P | USE_M);
	TRY(RAW_PROTO_VLAN, f->k.proto, USE_P | USE_V);
	TRY(RAW_PROTO, f->k.proto, USE_P);
	TRY(RAW_ETYPE_MAC, true, USE_E | USE_M);
	TRY(RAW_ETYPE_VLAN, true, USE_E | USE_V);
	TRY(RAW_ETYPE, true, USE_E);
	TRY(RAW_MAC_VLAN, true, USE_M | USE_V);
	TRY(RAW_MAC, true, USE_M);
	TRY(RAW_UCAST, !f->mcast, 0);
	TRY(RAW_MCAST, f->mcast, 0);
	TRY(RAW_UCAST_REST_VLAN, !f->mcast, USE_V);
	TRY(RAW_MCAST_REST_VLAN, f->mcast, USE_V);
	TRY(RAW_UCAST_REST, !f->mcast, 0);
	TRY(RAW_MCAST_REST, f->mcast, 0);
	return NULL;
}

static __noinline int raw_frame(struct xdp_md *ctx)
{
	const struct xdp_filter_cfg *c;
	const struct xdp_flow_val *v;
	struct xdp_filter_stats *st;
	struct raw_frame f;
	__u32 zero = 0, set, queue = ctx->rx_queue_index;

	c = bpf_map_lookup_elem(&cfg, &zero);
	st = bpf_map_lookup_elem(&stats, &zero);
	if (!c || !st || !raw_parse(ctx, &f))
		return XDP_PASS;
	v = raw_find(&f, c->raw);
	if (!v) {
		if (!(c->raw & 1u << (f.mcast ? RAW_BLOCK_MCAST : RAW_BLOCK_UCAST)))
			return XDP_PASS;
		st->drop_blocked++;
		return XDP_DROP;
	}
	set = v->vi_set;
	if (v->flags > 1)
		set += f.hash % v->flags;
	if (queue < XDP_MAX_QUEUES &&
	    bpf_redirect_map(&xsks, set * XDP_MAX_QUEUES + queue, XDP_DROP) == XDP_REDIRECT) {
		st->redirect++;
		st->redirect_raw++;
		return XDP_REDIRECT;
	}
	st->drop_no_socket++;
	return XDP_DROP;
}

static __always_inline int classify(struct look *lk)
{
	const struct ethhdr *eth = lk->data;

	if ((void *)(eth + 1) > lk->end)
		return pass(lk);
	switch (eth->h_proto) {
	case bpf_htons(ETH_P_IP):
		return ip4(lk);
	case bpf_htons(ETH_P_IPV6):
		return ip6(lk);
	}
	return pass(lk);
}

SEC("xdp.frags")
int xdp_filter(struct xdp_md *ctx)
{
	struct look lk = {
		.ctx = ctx,
		.data = (void *)(long)ctx->data,
		.end = (void *)(long)ctx->data_end,
	};
	__u32 zero = 0;
	int rc;

	lk.cfg = bpf_map_lookup_elem(&cfg, &zero);
	lk.st = bpf_map_lookup_elem(&stats, &zero);
	if (!lk.cfg || !lk.st)
		return XDP_PASS;
	rc = classify(&lk);
	if (rc == XDP_PASS && lk.cfg->raw)
		rc = raw_frame(ctx);
	if (rc == XDP_PASS)
		lk.st->pass++;
	return rc;
}
