/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * packet.c - fuzz target: a frame from Ethernet to the transport header
 *
 * What must hold: every parser stays inside its bytes, an accepted header has
 * the lengths that it promises, and writing it again gives the same header.
 */
#include <string.h>

#include "fuzz.h"
#include "wire/eth.h"
#include "wire/ip4.h"
#include "wire/ip6.h"
#include "wire/tcp_opt.h"
#include "wire/udp.h"

static void check_tcp(const uint8_t *p, size_t len)
{
	struct tcp_syn_opts syn;
	struct tcp_opts opts;
	struct tcp_seg s, again;
	uint8_t b[TCP_HDR_LEN];

	if (tcp_parse(p, len, &s) < 0)
		return;
	FUZZ_CHECK(s.hdr_len >= TCP_HDR_LEN && s.hdr_len <= TCP_HDR_MAX && s.hdr_len <= len);
	(void)tcp_opt_parse(p + TCP_HDR_LEN, s.hdr_len - TCP_HDR_LEN, &opts);
	(void)tcp_opt_parse_syn(p + TCP_HDR_LEN, s.hdr_len - TCP_HDR_LEN, &syn);
	FUZZ_CHECK(opts.nsack <= TCP_SACK_MAX);
	FUZZ_CHECK(syn.wscale <= TCP_WSCALE_MAX);

	tcp_put(b, &s);
	s.hdr_len = TCP_HDR_LEN;
	b[12] = 5 << 4;
	FUZZ_CHECK(tcp_parse(b, sizeof(b), &again) == 0);
	FUZZ_CHECK(again.seq == s.seq && again.ack == s.ack && again.flags == s.flags &&
		   again.wnd == s.wnd && again.urg == s.urg && again.csum.be == s.csum.be &&
		   again.sport.be == s.sport.be && again.dport.be == s.dport.be);
}

static void check_udp(const uint8_t *p, size_t len)
{
	uint8_t b[UDP_HDR_LEN];
	struct udp u;

	if (udp_parse(p, len, &u) < 0)
		return;
	FUZZ_CHECK(u.len >= UDP_HDR_LEN && u.len <= len);
	udp_put(b, &u);
	FUZZ_CHECK(memcmp(b, p, sizeof(b)) == 0);
}

static void check_l4(uint8_t proto, const uint8_t *p, size_t len,
		     const struct ipaddr *src, const struct ipaddr *dst)
{
	/* Reads all of it, and must not care where it lies. */
	(void)csum_ok(csum_partial(p, len, csum_pseudo(src, dst, proto, (uint32_t)len)));
	if (proto == IPPROTO_TCP)
		check_tcp(p, len);
	else if (proto == IPPROTO_UDP)
		check_udp(p, len);
}

static void check_ip4(const uint8_t *p, size_t len)
{
	struct ipaddr src, dst;
	struct ip4 h, again;
	uint8_t b[IP4_HDR_LEN];
	bool src_rt;

	if (ip4_parse(p, len, &h) < 0)
		return;
	FUZZ_CHECK(h.hdr_len >= IP4_HDR_LEN && h.hdr_len <= IP4_HDR_MAX);
	FUZZ_CHECK(h.hdr_len <= h.tot_len && h.tot_len <= len);
	(void)ip4_csum_ok(p, h.hdr_len);
	FUZZ_CHECK(ip4_opts_check(p, h.hdr_len, &src_rt) <= 0);

	ip4_put(b, &h);
	ip4_csum_set(b);
	FUZZ_CHECK(ip4_csum_ok(b, sizeof(b)));
	FUZZ_CHECK(ip4_parse_cut(b, sizeof(b), &again) == 0);
	FUZZ_CHECK(again.src.be == h.src.be && again.dst.be == h.dst.be && again.id == h.id &&
		   again.frag_off == h.frag_off && again.mf == h.mf && again.df == h.df &&
		   again.proto == h.proto && again.ttl == h.ttl && again.tos == h.tos &&
		   again.tot_len == h.tot_len);

	src = ipaddr_from4(h.src);
	dst = ipaddr_from4(h.dst);
	if (!h.frag_off)
		check_l4(h.proto, p + h.hdr_len, (size_t)h.tot_len - h.hdr_len, &src, &dst);
}

static void check_ip6(const uint8_t *p, size_t len)
{
	uint8_t b[IP6_HDR_LEN];
	struct ip6 h;

	if (ip6_parse(p, len, &h) < 0)
		return;
	FUZZ_CHECK(h.l4_off >= IP6_HDR_LEN && h.l4_off <= h.tot_len && h.tot_len <= len);
	FUZZ_CHECK(h.flowlabel <= 0xfffff);
	FUZZ_CHECK(h.frag || (!h.mf && !h.frag_off));
	ip6_put(b, &h);
	FUZZ_CHECK(memcmp(b, p, sizeof(b)) == 0);
	if (!h.frag_off)
		check_l4(h.proto, p + h.l4_off, h.tot_len - h.l4_off, &h.src, &h.dst);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct eth e, again;
	uint8_t b[18];

	if (eth_parse(data, size, &e) < 0)
		return 0;
	FUZZ_CHECK(e.hdr_len <= size && e.vid < 4096 && e.pcp < 8);
	/* A tag that says nothing is not written; a second tag is a type. */
	if (e.type != ETH_T_VLAN) {
		size_t n = eth_put(b, &e);

		FUZZ_CHECK(eth_parse(b, n, &again) == 0);
		FUZZ_CHECK(again.type == e.type && again.vid == e.vid && again.pcp == e.pcp);
	}
	if (e.type == ETH_T_IP4)
		check_ip4(data + e.hdr_len, size - e.hdr_len);
	else if (e.type == ETH_T_IP6)
		check_ip6(data + e.hdr_len, size - e.hdr_len);
	return 0;
}
