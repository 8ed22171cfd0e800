/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ip_test.c - Ethernet, IPv4, IPv6 with extension headers, UDP: round trips and refusals
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "wire/arp.h"
#include "wire/eth.h"
#include "wire/ip4.h"
#include "wire/ip6.h"
#include "wire/udp.h"

/* A copy in memory of exactly that size, for the sanitizer. */
static uint8_t *exact(const uint8_t *p, size_t len)
{
	uint8_t *m = malloc(len ? len : 1);

	assert_non_null(m);
	memcpy(m, p, len);
	return m;
}

static int eth(const uint8_t *p, size_t len, struct eth *out)
{
	uint8_t *m = exact(p, len);
	int rc = eth_parse(m, len, out);

	free(m);
	return rc;
}

static int ip4(const uint8_t *p, size_t len, struct ip4 *out)
{
	uint8_t *m = exact(p, len);
	int rc = ip4_parse(m, len, out);

	free(m);
	return rc;
}

static int ip6(const uint8_t *p, size_t len, struct ip6 *out)
{
	uint8_t *m = exact(p, len);
	int rc = ip6_parse(m, len, out);

	free(m);
	return rc;
}

static void ethernet_round_trip_with_and_without_tag(void **state)
{
	struct eth in = { { 1, 2, 3, 4, 5, 6 }, { 7, 8, 9, 10, 11, 12 }, ETH_T_IP6, 0, 0, 0 }, out;
	uint8_t b[18];

	(void)state;
	assert_int_equal(eth_put(b, &in), 14);
	assert_int_equal(eth(b, 14, &out), 0);
	assert_int_equal(out.hdr_len, 14);
	assert_int_equal(out.type, ETH_T_IP6);
	assert_int_equal(out.vid, 0);
	assert_memory_equal(out.dst, in.dst, 6);
	assert_memory_equal(out.src, in.src, 6);
	assert_int_equal(eth(b, 13, &out), -EBADMSG);

	in.vid = 4095;
	in.pcp = 5;
	assert_int_equal(eth_put(b, &in), 18);
	assert_int_equal(eth(b, 18, &out), 0);
	assert_int_equal(out.hdr_len, 18);
	assert_int_equal(out.type, ETH_T_IP6);
	assert_int_equal(out.vid, 4095);
	assert_int_equal(out.pcp, 5);
	for (size_t len = 0; len < 18; len++)
		assert_int_equal(eth(b, len, &out), -EBADMSG);

	assert_true(eth_is_mcast((const uint8_t[]){ 1, 0, 0x5e, 0, 0, 1 }));
	assert_false(eth_is_bcast((const uint8_t[]){ 1, 0, 0x5e, 0, 0, 1 }));
	assert_true(eth_is_bcast((const uint8_t[]){ 255, 255, 255, 255, 255, 255 }));
	assert_true(eth_addr_eq(in.dst, out.dst));
}

static size_t ip4_example(uint8_t *b)
{
	const struct ip4 h = {
		.src = to_be32(0x0a000001), .dst = to_be32(0x0a0000fe), .tot_len = 28, .id = 0xbeef,
		.proto = IPPROTO_UDP, .ttl = 64, .tos = 0x2e, .df = true,
	};

	ip4_put(b, &h);
	ip4_csum_set(b);
	memset(b + 20, 0, 8);
	return 28;
}

static void ip4_round_trip(void **state)
{
	uint8_t b[64] = { 0 };
	struct ip4 h;

	(void)state;
	ip4_example(b);
	assert_true(ip4_csum_ok(b, 20));
	assert_int_equal(ip4(b, 28, &h), 0);
	assert_int_equal(from_be32(h.src), 0x0a000001);
	assert_int_equal(from_be32(h.dst), 0x0a0000fe);
	assert_int_equal(h.tot_len, 28);
	assert_int_equal(h.hdr_len, 20);
	assert_int_equal(h.id, 0xbeef);
	assert_int_equal(h.proto, IPPROTO_UDP);
	assert_int_equal(h.ttl, 64);
	assert_int_equal(h.tos, 0x2e);
	assert_true(h.df);
	assert_false(ip4_is_frag(&h));
	/* Padding of a short Ethernet frame. */
	assert_int_equal(ip4(b, 46, &h), 0);
	assert_int_equal(h.tot_len, 28);
	b[8]--;
	assert_false(ip4_csum_ok(b, 20));
}

static void ip4_refuses_impossible_lengths(void **state)
{
	uint8_t b[64] = { 0 };
	struct ip4 h;

	(void)state;
	ip4_example(b);
	for (size_t len = 0; len < 28; len++)
		assert_int_equal(ip4(b, len, &h), -EBADMSG);
	b[0] = 0x65;
	assert_int_equal(ip4(b, 28, &h), -EBADMSG);
	b[0] = 0x44;
	assert_int_equal(ip4(b, 28, &h), -EBADMSG);
	b[0] = 0x48;		/* 32 bytes of header, 28 in all */
	assert_int_equal(ip4(b, 28, &h), -EBADMSG);
	assert_int_equal(ip4(b, 60, &h), -EBADMSG);
	b[0] = 0x45;
	put_be16(b + 2, 19);
	assert_int_equal(ip4(b, 28, &h), -EBADMSG);
	put_be16(b + 2, 20);
	assert_int_equal(ip4(b, 28, &h), 0);
}

static void ip4_sees_fragments(void **state)
{
	uint8_t b[28];
	struct ip4 h;

	(void)state;
	ip4_example(b);
	put_be16(b + 6, 0x2000);
	assert_int_equal(ip4(b, 28, &h), 0);
	assert_true(ip4_is_frag(&h) && h.mf && h.frag_off == 0);
	put_be16(b + 6, 0x1fff);
	assert_int_equal(ip4(b, 28, &h), 0);
	assert_true(ip4_is_frag(&h) && !h.mf && h.frag_off == 65528);
	h.mf = true;
	h.hdr_len = 20;
	ip4_put(b, &h);
	assert_int_equal(get_be16(b + 6), 0x3fff);
}

static void ip4_options(void **state)
{
	uint8_t b[32] = { 0 };
	struct ip4 h;
	bool src_rt;
	be16_t c = { 0 };

	(void)state;
	ip4_example(b);
	b[0] = 0x48;
	put_be16(b + 2, 32);
	memset(b + 20, 0, 12);
	memcpy(b + 20, (const uint8_t[]){ 1, 148, 4, 0, 0, 0, 131 }, 7);
	memcpy(b + 10, &c, 2);
	c = csum_fold(csum_partial(b, 32, 0));
	memcpy(b + 10, &c, 2);
	assert_int_equal(ip4(b, 32, &h), 0);
	assert_int_equal(h.hdr_len, 32);
	assert_true(ip4_csum_ok(b, 32));
	b[31] ^= 1;
	assert_false(ip4_csum_ok(b, 32));

	/* Router alert, then the end: what follows does not count. */
	assert_int_equal(ip4_opts_check(b, 32, &src_rt), 0);
	assert_false(src_rt);
	memcpy(b + 24, (const uint8_t[]){ 0, 137, 3, 4, 0 }, 5);
	b[24] = 1;
	assert_int_equal(ip4_opts_check(b, 32, &src_rt), 0);
	assert_true(src_rt);
	b[26] = 0;
	assert_int_equal(ip4_opts_check(b, 32, &src_rt), -EBADMSG);
	b[26] = 1;
	assert_int_equal(ip4_opts_check(b, 32, &src_rt), -EBADMSG);
	b[26] = 8;
	assert_int_equal(ip4_opts_check(b, 32, &src_rt), -EBADMSG);
	b[26] = 7;
	assert_int_equal(ip4_opts_check(b, 32, &src_rt), 0);
	memset(b + 20, 1, 12);
	b[31] = 7;
	assert_int_equal(ip4_opts_check(b, 32, &src_rt), -EBADMSG);
}

/* An IPv6 packet of the given extension headers and @tail bytes behind. */
static size_t ip6_chain(uint8_t *b, uint8_t next, const uint8_t *ext, size_t n, size_t tail)
{
	struct ip6 h = {
		.tot_len = (uint32_t)(40 + n + tail), .next = next, .hop_limit = 61, .tclass = 0xb8,
		.flowlabel = 0xfabcd,
	};

	memset(&h.src, 0x20, 16);
	memset(&h.dst, 0xfd, 16);
	ip6_put(b, &h);
	if (n)
		memcpy(b + 40, ext, n);
	memset(b + 40 + n, 0, tail);
	return 40 + n + tail;
}

static void ip6_round_trip(void **state)
{
	uint8_t b[64];
	struct ip6 h;
	size_t n = ip6_chain(b, IPPROTO_TCP, NULL, 0, 20);

	(void)state;
	assert_int_equal(ip6(b, n, &h), 0);
	assert_int_equal(h.tot_len, 60);
	assert_int_equal(h.l4_off, 40);
	assert_int_equal(h.next, IPPROTO_TCP);
	assert_int_equal(h.proto, IPPROTO_TCP);
	assert_int_equal(h.hop_limit, 61);
	assert_int_equal(h.tclass, 0xb8);
	assert_int_equal(h.flowlabel, 0xfabcd);
	assert_int_equal(h.src.b[15], 0x20);
	assert_int_equal(h.dst.b[0], 0xfd);
	assert_false(h.frag);
	assert_int_equal(ip6(b, 64, &h), 0);
	for (size_t len = 0; len < n; len++)
		assert_int_equal(ip6(b, len, &h), -EBADMSG);
	b[0] = 0x46;
	assert_int_equal(ip6(b, n, &h), -EBADMSG);
}

#define EXT(...) ((const uint8_t[]){ __VA_ARGS__ }), sizeof((const uint8_t[]){ __VA_ARGS__ })

static void ip6_walks_extension_headers(void **state)
{
	uint8_t b[256];
	struct ip6 h;
	size_t n;

	(void)state;
	/* Hop-by-hop with router alert, finished routing header, destination
	 * options of 16 bytes with an unknown option that may be skipped. */
	n = ip6_chain(b, IP6_NEXT_HBH,
		      EXT(43, 0, 5, 2, 0, 0, 1, 0,
			  60, 0, 4, 0, 0, 0, 0, 0,
			  17, 1, 0x1e, 3, 9, 9, 9, 0, 0, 0, 1, 4, 0, 0, 0, 0), 8);
	assert_int_equal(ip6(b, n, &h), 0);
	assert_int_equal(h.next, IP6_NEXT_HBH);
	assert_int_equal(h.proto, IPPROTO_UDP);
	assert_int_equal(h.l4_off, 72);
	for (size_t len = 0; len < n; len++)
		assert_int_equal(ip6(b, len, &h), -EBADMSG);
	/* Cut inside, with a payload length that fits the cut. */
	for (size_t len = 41; len < 72; len++) {
		put_be16(b + 4, (uint16_t)(len - 40));
		assert_int_equal(ip6(b, len, &h), -EBADMSG);
	}

	/* No next header, and a protocol that we do not know, end the walk. */
	n = ip6_chain(b, IP6_NEXT_DSTOPT, EXT(59, 0, 1, 4, 0, 0, 0, 0), 0);
	assert_int_equal(ip6(b, n, &h), 0);
	assert_int_equal(h.proto, IP6_NEXT_NONE);
	assert_int_equal(h.l4_off, 48);
	n = ip6_chain(b, 50, NULL, 0, 4);
	assert_int_equal(ip6(b, n, &h), 0);
	assert_int_equal(h.proto, 50);
	assert_int_equal(h.l4_off, 40);
}

static void ip6_refuses_bad_extension_headers(void **state)
{
	uint8_t b[256], many[8 * 9];
	struct ip6 h;
	size_t n;

	(void)state;
	/* Hop-by-hop not first. */
	n = ip6_chain(b, IP6_NEXT_DSTOPT, EXT(0, 0, 1, 4, 0, 0, 0, 0, 6, 0, 1, 4, 0, 0, 0, 0), 20);
	assert_int_equal(ip6(b, n, &h), -EBADMSG);
	/* Routing header with segments left. */
	n = ip6_chain(b, IP6_NEXT_ROUTE, EXT(6, 0, 0, 1, 0, 0, 0, 0), 20);
	assert_int_equal(ip6(b, n, &h), -EBADMSG);
	/* Unknown option: discard. */
	n = ip6_chain(b, IP6_NEXT_DSTOPT, EXT(6, 0, 0x5e, 4, 0, 0, 0, 0), 20);
	assert_int_equal(ip6(b, n, &h), -EBADMSG);
	/* Jumbo payload. */
	n = ip6_chain(b, IP6_NEXT_HBH, EXT(6, 0, 0xc2, 4, 0, 1, 0, 0), 20);
	assert_int_equal(ip6(b, n, &h), -EBADMSG);
	/* An option longer than its header; one without a length. */
	n = ip6_chain(b, IP6_NEXT_DSTOPT, EXT(6, 0, 1, 5, 0, 0, 0, 0), 20);
	assert_int_equal(ip6(b, n, &h), -EBADMSG);
	n = ip6_chain(b, IP6_NEXT_DSTOPT, EXT(6, 0, 0, 0, 0, 0, 0, 1), 20);
	assert_int_equal(ip6(b, n, &h), -EBADMSG);
	/* Longer than the packet. */
	n = ip6_chain(b, IP6_NEXT_DSTOPT, EXT(6, 255, 1, 4, 0, 0, 0, 0), 20);
	assert_int_equal(ip6(b, n, &h), -EBADMSG);

	/* Eight headers are walked, nine are not. */
	for (int i = 0; i < 9; i++)
		memcpy(many + 8 * i, (const uint8_t[]){ 60, 0, 1, 4, 0, 0, 0, 0 }, 8);
	many[8 * 7] = IPPROTO_TCP;
	n = ip6_chain(b, IP6_NEXT_DSTOPT, many, 64, 20);
	assert_int_equal(ip6(b, n, &h), 0);
	assert_int_equal(h.l4_off, 104);
	many[8 * 7] = 60;
	many[8 * 8] = IPPROTO_TCP;
	n = ip6_chain(b, IP6_NEXT_DSTOPT, many, 72, 20);
	assert_int_equal(ip6(b, n, &h), -EBADMSG);
}

static void ip6_sees_fragments(void **state)
{
	uint8_t b[128];
	struct ip6 h;
	size_t n;

	(void)state;
	n = ip6_chain(b, IP6_NEXT_FRAG, EXT(17, 0, 0, 1, 1, 2, 3, 4), 8);
	assert_int_equal(ip6(b, n, &h), 0);
	assert_true(h.frag && h.mf && h.frag_off == 0);
	assert_int_equal(h.frag_id, 0x01020304);
	assert_int_equal(h.proto, IPPROTO_UDP);
	assert_int_equal(h.l4_off, 48);

	/* What follows a later fragment's header is payload, not headers. */
	n = ip6_chain(b, IP6_NEXT_FRAG, EXT(60, 0, 0xff, 0xf8, 1, 2, 3, 4), 1);
	assert_int_equal(ip6(b, n, &h), 0);
	assert_true(h.frag && !h.mf && h.frag_off == 65528);

	/* RFC 6946: an atomic fragment is not one. */
	n = ip6_chain(b, IP6_NEXT_FRAG, EXT(60, 0, 0, 0, 1, 2, 3, 4, 6, 0, 1, 4, 0, 0, 0, 0), 20);
	assert_int_equal(ip6(b, n, &h), 0);
	assert_false(h.frag);
	assert_int_equal(h.proto, IPPROTO_TCP);
	assert_int_equal(h.l4_off, 56);

	n = ip6_chain(b, IP6_NEXT_FRAG, EXT(17, 0, 0, 1, 1, 2, 3), 0);
	assert_int_equal(ip6(b, n, &h), -EBADMSG);
}

static void udp_round_trip(void **state)
{
	const struct udp in = { to_be16(53), to_be16(5353), 12, to_be16(0x1234) };
	uint8_t b[16] = { 0 };
	struct udp out;

	(void)state;
	udp_put(b, &in);
	assert_int_equal(udp_parse(b, 12, &out), 0);
	assert_int_equal(out.sport.be, in.sport.be);
	assert_int_equal(out.dport.be, in.dport.be);
	assert_int_equal(out.len, 12);
	assert_int_equal(out.csum.be, in.csum.be);
	assert_int_equal(udp_parse(b, 16, &out), 0);
	for (size_t len = 0; len < 12; len++) {
		uint8_t *m = exact(b, len);

		assert_int_equal(udp_parse(m, len, &out), -EBADMSG);
		free(m);
	}
	put_be16(b + 4, 7);
	assert_int_equal(udp_parse(b, 16, &out), -EBADMSG);
	put_be16(b + 4, 0);
	assert_int_equal(udp_parse(b, 16, &out), -EBADMSG);
	put_be16(b + 4, 8);
	assert_int_equal(udp_parse(b, 8, &out), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ethernet_round_trip_with_and_without_tag),
		cmocka_unit_test(ip4_round_trip),
		cmocka_unit_test(ip4_refuses_impossible_lengths),
		cmocka_unit_test(ip4_sees_fragments),
		cmocka_unit_test(ip4_options),
		cmocka_unit_test(ip6_round_trip),
		cmocka_unit_test(ip6_walks_extension_headers),
		cmocka_unit_test(ip6_refuses_bad_extension_headers),
		cmocka_unit_test(ip6_sees_fragments),
		cmocka_unit_test(udp_round_trip),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
