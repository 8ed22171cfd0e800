// SPDX-License-Identifier: BSD-2-Clause
/*
 * ip_rx.c - received frames: Ethernet, IPv4, IPv6
 *
 * Takes a frame as the device gave it and leaves offsets in struct pkt and the
 * tuple in struct rx_info, or counts why not.  The usual packet (untagged IPv4
 * without options, in one frame) goes straight through ip_rx(); everything else
 * takes the functions above it.  RFC 791, RFC 1122 section 3.2.1, RFC 8200.
 *
 * Does not reassemble: fragments are the kernel's, and the filter does not send
 * them here.  Does not verify transport checksums: that is udp_rx()'s and tcp_rx()'s
 * business, who read the bytes anyway.
 */
#include "net/net.h"

#include <netinet/in.h>
#include <string.h>

#include "wire/eth.h"
#include "wire/ip4.h"
#include "wire/ip6.h"
#include "wire/tcp.h"
#include "wire/udp.h"

/* What may not be the source of a packet that arrives from outside (RFC 1122
 * section 3.2.1.3): this host, loopback, groups, the limited broadcast. */
static bool src4_bad(be32_t src)
{
	uint8_t a = (uint8_t)src.be;	/* first octet */

	if (likely((uint8_t)(a - 1) < 126 || (uint8_t)(a - 128) < 96))
		return false;
	return a == 0 || a == 127 || (a & 0xf0) == 0xe0 || src.be == UINT32_MAX;
}

static bool src6_bad(const struct ipaddr *src)
{
	return ipaddr_is_mcast(src) || ipaddr_is_any(src) || ipaddr_is_loopback(src) ||
	       ipaddr_is4(src);		/* mapped addresses do not travel: RFC 4942 section 2.2 */
}

/* Ports and lengths; the tail of all paths. */
static bool rx_ports(struct net *net, struct pkt *p, struct rx_info *out)
{
	uint32_t need = out->l4 == IPPROTO_TCP ? TCP_HDR_LEN : UDP_HDR_LEN;
	struct udp_hdr h;

	if (unlikely(out->l4_len < need ||
		     (uint32_t)(p->off + p->len - p->l4_off) < need)) {
		NET_DROP(net, l4_short);
		return false;
	}
	/* TCP's ports are at the same place. */
	memcpy(&h, pkt_l4(p), sizeof(h));
	out->flow.rport = h.sport;
	out->flow.lport = h.dport;
	return true;
}

/* Destination of many: only UDP goes there (RFC 9293 section 3.9.2.3, MUST-57). */
static __cold bool rx_group(struct net *net, struct pkt *p, struct rx_info *out)
{
	const struct ipaddr *dst = &out->flow.laddr;

	/* A unicast packet in a multicast frame is an ordinary one to the kernel,
	 * for UDP; in a broadcast frame it may be the subnet's broadcast address. */
	if (out->l4 == IPPROTO_UDP) {
		if (ipaddr_is_mcast(dst) || eth_is_bcast(pkt_l2(p)))
			p->flags |= PKT_F_MCAST;
		return rx_ports(net, p, out);
	}
	NET_DROP(net, dst_bad);
	return false;
}

/* Transport of a packet whose IP header was parsed by the slow functions. */
static bool rx_l4(struct net *net, struct pkt *p, struct rx_info *out)
{
	if ((out->tos & 3) == 3)
		p->flags |= PKT_F_CE;
	out->flow.proto = out->l4;
	if (out->l4 == IPPROTO_ICMP || out->l4 == IPPROTO_ICMPV6)
		return icmp_rx(net, p, out);
	if (out->l4 != IPPROTO_TCP && out->l4 != IPPROTO_UDP) {
		NET_DROP(net, ip_proto);
		return false;
	}
	if (unlikely(eth_is_mcast(pkt_l2(p)) || ipaddr_is_mcast(&out->flow.laddr)))
		return rx_group(net, p, out);
	return rx_ports(net, p, out);
}

/* Cuts Ethernet padding off; false when the packet is shorter than it says. */
static bool trim(struct pkt *p, uint32_t l2_len, uint32_t ip_len)
{
	uint32_t want = l2_len + ip_len;

	if (want > p->tot_len)
		return false;
	/* Frames that span several buffers are too long to be padded. */
	if (p->frag != ID_NONE)
		return want == p->tot_len;
	p->tot_len = want;
	p->len = (uint16_t)want;
	return true;
}

static bool rx4(struct net *net, struct pkt *p, struct rx_info *out)
{
	uint32_t l2_len = (uint32_t)(p->l3_off - p->off);
	const uint8_t *l3 = pkt_l3(p);
	bool src_rt = false;
	struct ip4 ip;

	if (p->len < l2_len + IP4_HDR_LEN) {
		NET_DROP(net, ip_short);
		return false;
	}
	if (l3[0] >> 4 != 4 || (l3[0] & 15) < 5) {
		NET_DROP(net, ip_version);
		return false;
	}
	if (ip4_parse_cut(l3, p->len - l2_len, &ip) < 0 || !trim(p, l2_len, ip.tot_len)) {
		NET_DROP(net, ip_short);
		return false;
	}
	if (!ip4_csum_ok(l3, ip.hdr_len)) {
		NET_DROP(net, ip_csum);
		return false;
	}
	if (ip4_is_frag(&ip)) {
		NET_DROP(net, ip_frag);
		return false;
	}
	if (ip.hdr_len > IP4_HDR_LEN &&
	    (ip4_opts_check(l3, ip.hdr_len, &src_rt) < 0 || src_rt)) {
		NET_DROP(net, ip_ext);
		return false;
	}
	if (src4_bad(ip.src) || ip.src.be == ip.dst.be) {
		NET_DROP(net, src_bad);
		return false;
	}
	out->flow.laddr = ipaddr_from4(ip.dst);
	out->flow.raddr = ipaddr_from4(ip.src);
	p->ttl = out->ttl = ip.ttl;
	p->tos = out->tos = ip.tos;
	out->l4 = ip.proto;
	out->l4_len = (uint32_t)ip.tot_len - ip.hdr_len;
	p->l4_off = (uint16_t)(p->l3_off + ip.hdr_len);
	p->flowlabel = 0;
	return rx_l4(net, p, out);
}

static bool rx6(struct net *net, struct pkt *p, struct rx_info *out)
{
	uint32_t l2_len = (uint32_t)(p->l3_off - p->off);
	const uint8_t *l3 = pkt_l3(p);
	struct ip6 ip;

	if (p->len < l2_len + IP6_HDR_LEN) {
		NET_DROP(net, ip_short);
		return false;
	}
	if (l3[0] >> 4 != 6) {
		NET_DROP(net, ip_version);
		return false;
	}
	if (ip6_parse_cut(l3, p->len - l2_len, &ip) < 0) {
		NET_DROP(net, ip_ext);
		return false;
	}
	if (!trim(p, l2_len, ip.tot_len) || ip.l4_off > ip.tot_len) {
		NET_DROP(net, ip_short);
		return false;
	}
	if (ip.frag) {
		NET_DROP(net, ip_frag);
		return false;
	}
	if (src6_bad(&ip.src) || ipaddr_is4(&ip.dst) || ipaddr_eq(&ip.src, &ip.dst)) {
		NET_DROP(net, src_bad);
		return false;
	}
	out->flow.laddr = ip.dst;
	out->flow.raddr = ip.src;
	p->ttl = out->ttl = ip.hop_limit;
	p->tos = out->tos = ip.tclass;
	out->l4 = ip.proto;
	out->l4_len = ip.tot_len - ip.l4_off;
	p->l4_off = (uint16_t)(p->l3_off + ip.l4_off);
	p->flowlabel = ip.flowlabel;
	p->flags |= PKT_F_IP6;
	return rx_l4(net, p, out);
}

/* Any frame; the reasons of all drops. */
static __attribute__((noinline)) bool rx_any(struct net *net, struct pkt *p, struct rx_info *out)
{
	struct eth eth;

	memset(&out->flow, 0, sizeof(out->flow));
	if (eth_parse(pkt_l2(p), p->len, &eth) < 0) {
		NET_DROP(net, eth_short);
		return false;
	}
	p->l3_off = (uint16_t)(p->off + eth.hdr_len);
	/* A tag with VLAN 0 is only a priority; another VLAN is another interface. */
	if (eth.vid == 0 && eth.type == ETH_T_IP4)
		return rx4(net, p, out);
	if (eth.vid == 0 && eth.type == ETH_T_IP6)
		return rx6(net, p, out);
	NET_DROP(net, eth_type);
	return false;
}

/* Numbers anywhere in a frame. */
static inline uint64_t load64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static inline uint32_t load32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

/* Zero in ones' complement, of a sum of 16-bit words that are not all 0.  The compiler
 * makes one multiplication and one comparison of it, where folding takes a dozen steps. */
static inline bool sum_is_zero(uint64_t sum)
{
	return sum % 0xffff == 0;
}

/*
 * The header is read as three words (a little-endian host: the first byte is lowest):
 *
 *	a   0: version, length   8: TOS   16: total length   32: id   48: fragment
 *	b   0: TTL   8: protocol   16: checksum   32: source
 *	c   0: destination
 */
bool ip_rx(struct net *net, struct pkt *p, struct rx_info *out)
{
	enum { MIN_LEN = ETH_HDR_LEN + IP4_HDR_LEN + UDP_HDR_LEN };
	const uint8_t *l2 = pkt_l2(p), *l3 = l2 + ETH_HDR_LEN;
	uint32_t off = p->off, tot_len, c, src, ports, *flow;
	uint64_t a, b;
	uint8_t proto, tos;

	NET_STAT(net, rx_pkts);
	if (unlikely(p->len < MIN_LEN))
		return rx_any(net, p, out);
	a = load64(l3);
	b = load64(l3 + 8);
	c = load32(l3 + 16);
	ports = load32(l3 + IP4_HDR_LEN);
	src = (uint32_t)(b >> 32);
	proto = (uint8_t)(b >> 8);
	tos = (uint8_t)(a >> 8);
	tot_len = __builtin_bswap16((uint16_t)(a >> 16));

	/* Ask everything first; rx_any() finds out what is unusual. */
	if (unlikely((load32(l2 + 12) & 0xffffff) != 0x450008 || p->frag != ID_NONE ||
		     a & (uint64_t)0xff3f << 48 ||		/* offset, more fragments */
		     tot_len > p->len - (uint32_t)ETH_HDR_LEN ||
		     !sum_is_zero((a >> 32) + (uint32_t)a + (b >> 32) + (uint32_t)b + c) ||
		     src4_bad((be32_t){ src }) || src == c))
		return rx_any(net, p, out);
	if (likely(proto == IPPROTO_UDP)) {
		if (unlikely(tot_len < IP4_HDR_LEN + UDP_HDR_LEN))
			return rx_any(net, p, out);
	} else if (unlikely(proto != IPPROTO_TCP || tot_len < IP4_HDR_LEN + TCP_HDR_LEN)) {
		return rx_any(net, p, out);
	}

	p->l3_off = (uint16_t)(off + ETH_HDR_LEN);
	p->l4_off = (uint16_t)(off + ETH_HDR_LEN + IP4_HDR_LEN);
	p->len = (uint16_t)(tot_len + ETH_HDR_LEN);
	p->tot_len = tot_len + ETH_HDR_LEN;
	p->ttl = out->ttl = (uint8_t)b;
	p->tos = out->tos = tos;
	p->flowlabel = 0;
	if (unlikely((tos & 3) == 3))
		p->flags |= PKT_F_CE;
	out->l4 = proto;
	out->l4_len = tot_len - IP4_HDR_LEN;
	/* Whole words, as the compiler makes bytes of the structs. */
	out->flow.laddr.d[0] = out->flow.raddr.d[0] = 0;
	out->flow.laddr.d[1] = (uint64_t)c << 32 | 0xffff0000u;
	out->flow.raddr.d[1] = (uint64_t)src << 32 | 0xffff0000u;
	flow = (uint32_t *)&out->flow.lport;
	flow[0] = ports << 16 | ports >> 16;	/* theirs comes first in the packet */
	flow[1] = proto;
	if (unlikely((l2[0] & 1) | ((c & 0xf0) == 0xe0)))
		return rx_group(net, p, out);
	return true;
}
