/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * icmp_test.c - error messages: the flow that they quote, and every way to cut them short
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "wire/icmp.h"
#include "wire/ip4.h"
#include "wire/ip6.h"

static int parse(bool six, const uint8_t *p, size_t len, struct icmp_err *e)
{
	uint8_t *m = malloc(len ? len : 1);
	int rc;

	assert_non_null(m);
	memcpy(m, p, len);
	rc = six ? icmp6_parse(m, len, e) : icmp4_parse(m, len, e);
	free(m);
	return rc;
}

static void put_l4(uint8_t *p)
{
	put_be16(p, 5000);
	put_be16(p + 2, 80);
	put_be32(p + 4, 0xcafef00d);
}

/* "Fragmentation needed" about a full-size segment, quoting 8 bytes of it. */
static size_t quote4(uint8_t *b, uint8_t proto)
{
	const struct ip4 ip = {
		.src = to_be32(0xc0a80001), .dst = to_be32(0xc0a80002), .tot_len = 1500,
		.proto = proto, .ttl = 60, .df = true,
	};

	memset(b, 0, 8);
	b[0] = ICMP4_T_UNREACH;
	b[1] = ICMP4_C_FRAG_NEEDED;
	put_be16(b + 6, 1400);
	ip4_put(b + 8, &ip);
	put_l4(b + 28);
	return 36;
}

static size_t quote6(uint8_t *b, uint8_t next, const uint8_t *ext, size_t n)
{
	struct ip6 ip = { .tot_len = 1500, .next = next, .hop_limit = 9 };

	memset(&ip.src, 0x11, 16);
	memset(&ip.dst, 0x22, 16);
	memset(b, 0, 8);
	b[0] = ICMP6_T_TOO_BIG;
	put_be32(b + 4, 1280);
	ip6_put(b + 8, &ip);
	if (n)
		memcpy(b + 48, ext, n);
	put_l4(b + 48 + n);
	return 56 + n;
}

static void finds_the_flow_in_ipv4(void **state)
{
	struct icmp_err e;
	uint8_t b[64];
	size_t n = quote4(b, IPPROTO_TCP);

	(void)state;
	assert_int_equal(parse(false, b, n, &e), 0);
	assert_false(e.ip6);
	assert_true(ipaddr_is4(&e.flow.laddr));
	assert_int_equal(from_be32(ipaddr_to4(&e.flow.laddr)), 0xc0a80001);
	assert_int_equal(from_be32(ipaddr_to4(&e.flow.raddr)), 0xc0a80002);
	assert_int_equal(from_be16(e.flow.lport), 5000);
	assert_int_equal(from_be16(e.flow.rport), 80);
	assert_int_equal(e.flow.proto, IPPROTO_TCP);
	assert_int_equal(e.flow.pad[0] | e.flow.pad[1] | e.flow.pad[2], 0);
	assert_int_equal(e.mtu, 1400);
	assert_int_equal(e.seq, 0xcafef00d);
	assert_int_equal(e.tot_len, 1500);
	assert_int_equal(e.quote_off, 8);
	assert_int_equal(e.l4_off, 28);

	quote4(b, IPPROTO_UDP);
	assert_int_equal(parse(false, b, n, &e), 0);
	assert_int_equal(e.flow.proto, IPPROTO_UDP);
	assert_int_equal(e.seq, 0);
}

static void one_byte_short_is_refused(void **state)
{
	const uint8_t dst[] = { IPPROTO_UDP, 0, 1, 4, 0, 0, 0, 0 };
	struct icmp_err e;
	uint8_t b[96];
	size_t n;

	(void)state;
	n = quote4(b, IPPROTO_TCP);
	for (size_t len = 0; len < n; len++)
		assert_int_equal(parse(false, b, len, &e), -EBADMSG);
	/* Eight bytes by the message, but seven by the quoted length. */
	put_be16(b + 10, 27);
	assert_int_equal(parse(false, b, n, &e), -EBADMSG);
	put_be16(b + 10, 28);
	assert_int_equal(parse(false, b, n, &e), 0);

	n = quote6(b, IP6_NEXT_DSTOPT, dst, sizeof(dst));
	assert_int_equal(parse(true, b, n, &e), 0);
	for (size_t len = 0; len < n; len++)
		assert_int_equal(parse(true, b, len, &e), -EBADMSG);
	put_be16(b + 12, 15);
	assert_int_equal(parse(true, b, n, &e), -EBADMSG);
	put_be16(b + 12, 16);
	assert_int_equal(parse(true, b, n, &e), 0);
}

static void finds_the_flow_in_ipv6(void **state)
{
	const uint8_t dst[] = { IPPROTO_UDP, 0, 1, 4, 0, 0, 0, 0 };
	const uint8_t frag[] = { IPPROTO_TCP, 0, 0, 1, 0, 0, 0, 9 };
	struct icmp_err e;
	uint8_t b[96];
	size_t n = quote6(b, IPPROTO_TCP, NULL, 0);

	(void)state;
	assert_int_equal(parse(true, b, n, &e), 0);
	assert_true(e.ip6);
	assert_int_equal(e.flow.laddr.b[7], 0x11);
	assert_int_equal(e.flow.raddr.b[7], 0x22);
	assert_int_equal(from_be16(e.flow.lport), 5000);
	assert_int_equal(e.mtu, 1280);
	assert_int_equal(e.seq, 0xcafef00d);
	assert_int_equal(e.l4_off, 48);

	n = quote6(b, IP6_NEXT_DSTOPT, dst, sizeof(dst));
	assert_int_equal(parse(true, b, n, &e), 0);
	assert_int_equal(e.flow.proto, IPPROTO_UDP);
	assert_int_equal(e.l4_off, 56);

	/* The first fragment has the ports; the second has not. */
	n = quote6(b, IP6_NEXT_FRAG, frag, sizeof(frag));
	assert_int_equal(parse(true, b, n, &e), 0);
	assert_int_equal(from_be16(e.flow.rport), 80);
	b[48 + 3] = 0x08;
	assert_int_equal(parse(true, b, n, &e), -EBADMSG);
}

static void refuses_what_is_not_our_error(void **state)
{
	struct icmp_err e;
	uint8_t b[96];
	size_t n = quote4(b, IPPROTO_ICMP);

	(void)state;
	assert_int_equal(parse(false, b, n, &e), -EBADMSG);
	n = quote4(b, IPPROTO_TCP);
	b[0] = ICMP4_T_ECHO;
	assert_int_equal(parse(false, b, n, &e), -EBADMSG);
	b[0] = ICMP4_T_REDIRECT;
	assert_int_equal(parse(false, b, n, &e), -EBADMSG);
	b[0] = ICMP4_T_UNREACH;
	put_be16(b + 14, 1);	/* a later fragment */
	assert_int_equal(parse(false, b, n, &e), -EBADMSG);
	n = quote6(b, IP6_NEXT_ICMP, NULL, 0);
	assert_int_equal(parse(true, b, n, &e), -EBADMSG);
	n = quote6(b, IPPROTO_TCP, NULL, 0);
	b[0] = ICMP6_T_ECHO;
	assert_int_equal(parse(true, b, n, &e), -EBADMSG);
}

static void mtu_only_where_it_means_that(void **state)
{
	struct icmp_err e;
	uint8_t b[96];
	size_t n = quote4(b, IPPROTO_TCP);

	(void)state;
	b[1] = ICMP4_C_PORT;
	assert_int_equal(parse(false, b, n, &e), 0);
	assert_int_equal(e.mtu, 0);
	b[0] = ICMP4_T_PARAM_PROBLEM;
	b[4] = 12;
	assert_int_equal(parse(false, b, n, &e), 0);
	assert_int_equal(e.ptr, 12);
	n = quote6(b, IPPROTO_TCP, NULL, 0);
	b[0] = ICMP6_T_PARAM_PROBLEM;
	put_be32(b + 4, 40);
	assert_int_equal(parse(true, b, n, &e), 0);
	assert_int_equal(e.mtu, 0);
	assert_int_equal(e.ptr6, 40);
}

static void errno_as_the_kernel_tells_it(void **state)
{
	static const struct {
		bool ip6;
		uint8_t type, code;
		int err;
		bool fatal;
	} v[] = {
		{ false, 3, 0, ENETUNREACH, false },
		{ false, 3, 1, EHOSTUNREACH, false },
		{ false, 3, 2, ENOPROTOOPT, true },
		{ false, 3, 3, ECONNREFUSED, true },
		{ false, 3, 4, EMSGSIZE, false },
		{ false, 3, 13, EHOSTUNREACH, true },
		{ false, 3, 16, 0, false },
		{ false, 11, 0, EHOSTUNREACH, false },
		{ false, 12, 0, EPROTO, true },
		{ true, 1, 0, ENETUNREACH, false },
		{ true, 1, 1, EACCES, true },
		{ true, 1, 4, ECONNREFUSED, true },
		{ true, 1, 200, EPROTO, true },
		{ true, 2, 0, EMSGSIZE, false },
		{ true, 3, 0, EHOSTUNREACH, false },
		{ true, 4, 1, EPROTO, true },
	};

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(v); i++) {
		struct icmp_err e = { .ip6 = v[i].ip6, .type = v[i].type, .code = v[i].code };
		bool fatal = !v[i].fatal;

		assert_int_equal(icmp_errno(&e, &fatal), v[i].err);
		assert_int_equal(fatal, v[i].fatal);
	}
}

static void checksums(void **state)
{
	struct ipaddr s, d;
	uint8_t b[96];
	size_t n = quote4(b, IPPROTO_TCP);
	be16_t c;

	(void)state;
	c = csum_fold(csum_partial(b, n, 0));
	memcpy(b + 2, &c, 2);
	assert_true(icmp4_csum_ok(b, n));
	b[20] ^= 4;
	assert_false(icmp4_csum_ok(b, n));

	memset(&s, 3, 16);
	memset(&d, 4, 16);
	n = quote6(b, IPPROTO_TCP, NULL, 0);
	c = csum_fold(csum_partial(b, n, csum_pseudo(&s, &d, 58, (uint32_t)n)));
	memcpy(b + 2, &c, 2);
	assert_true(icmp6_csum_ok(b, n, &s, &d));
	s.b[3] ^= 1;
	assert_false(icmp6_csum_ok(b, n, &s, &d));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_the_flow_in_ipv4),
		cmocka_unit_test(one_byte_short_is_refused),
		cmocka_unit_test(finds_the_flow_in_ipv6),
		cmocka_unit_test(refuses_what_is_not_our_error),
		cmocka_unit_test(mtu_only_where_it_means_that),
		cmocka_unit_test(errno_as_the_kernel_tells_it),
		cmocka_unit_test(checksums),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
