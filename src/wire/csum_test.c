/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * csum_test.c - checksums against the definition in RFC 1071, byte by byte
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <netinet/in.h>

#include "wire/csum.h"
#include "wire/endian.h"

static uint32_t seed = 4711;

static uint32_t rnd(void)
{
	seed = seed * 1664525 + 1013904223;
	return seed >> 8;
}

static void fill(uint8_t *p, size_t n)
{
	/* Sometimes all ones or all zero: the two values of nothing. */
	uint32_t kind = rnd() % 8;

	for (size_t i = 0; i < n; i++)
		p[i] = kind == 0 ? 0xff : kind == 1 ? 0 : (uint8_t)rnd();
}

/* The definition, in host order. */
static uint16_t naive(const uint8_t *p, size_t len, uint32_t sum)
{
	for (size_t i = 0; i < len; i++) {
		sum += i & 1 ? p[i] : (uint32_t)p[i] << 8;
		sum = (sum & 0xffff) + (sum >> 16);
	}
	return (uint16_t)sum;
}

/* Zero has two forms. */
static bool same(uint16_t a, uint16_t b)
{
	return a % 0xffff == b % 0xffff;
}

static uint16_t host(uint32_t sum)
{
	return from_be16((be16_t){ csum_fold_raw(sum) });
}

static void partial_agrees_with_definition(void **state)
{
	uint8_t buf[2200];

	(void)state;
	for (int n = 0; n < 20000; n++) {
		size_t off = rnd() % 64, len = rnd() % (n & 1 ? 200 : 2100);

		if ((n & 255) == 0)
			fill(buf, sizeof(buf));
		assert_true(same(host(csum_partial(buf + off, len, 0)),
				 naive(buf + off, len, 0)));
	}
}

static void no_carry_is_lost(void **state)
{
	static uint8_t buf[65535];

	(void)state;
	memset(buf, 0xff, sizeof(buf));
	for (size_t len = 0; len < sizeof(buf); len += 997)
		assert_true(same(host(csum_partial(buf, len, UINT32_MAX)),
				 naive(buf, len, 0xffff)));
	assert_int_equal(csum_partial(buf, 0, 0), 0);
	assert_int_equal(csum_partial(NULL, 0, 5), 5);
}

static void copy_copies_and_agrees(void **state)
{
	uint8_t src[2200], dst[2300];

	(void)state;
	for (int n = 0; n < 5000; n++) {
		size_t so = rnd() % 40, d = 1 + rnd() % 40;
		size_t len = rnd() % (n & 1 ? 150 : 2100);
		uint32_t start = rnd();

		fill(src, sizeof(src));
		memset(dst, 0xa5, sizeof(dst));
		assert_int_equal(csum_copy(dst + d, src + so, len, start),
				 csum_partial(src + so, len, start));
		assert_memory_equal(dst + d, src + so, len);
		assert_int_equal(dst[d - 1], 0xa5);
		assert_int_equal(dst[d + len], 0xa5);
	}
}

static void pieces_chain(void **state)
{
	uint8_t buf[500];

	(void)state;
	for (int n = 0; n < 2000; n++) {
		size_t len = 1 + rnd() % 499, cut = rnd() % len;
		uint32_t whole, sum;

		fill(buf, sizeof(buf));
		whole = csum_partial(buf, len, 0);
		sum = csum_add_at(csum_partial(buf, cut, 0),
				  csum_partial(buf + cut, len - cut, 0), cut);
		assert_true(same(csum_fold_raw(sum), csum_fold_raw(whole)));
		if (cut % 2 == 0) {
			sum = csum_partial(buf + cut, len - cut,
					   csum_partial(buf, cut, 0));
			assert_true(same(csum_fold_raw(sum), csum_fold_raw(whole)));
		}
	}
}

/* RFC 9293 section 3.1 and RFC 8200 section 8.1 as drawn there. */
static void pseudo_header_of_both_families(void **state)
{
	struct ipaddr s6, d6, s4, d4;
	uint8_t p4[12], p6[40];

	(void)state;
	for (int n = 0; n < 2000; n++) {
		uint32_t len = rnd() % 65536;

		fill(s6.b, 16);
		fill(d6.b, 16);
		memcpy(p6, s6.b, 16);
		memcpy(p6 + 16, d6.b, 16);
		put_be32(p6 + 32, len);
		put_be32(p6 + 36, IPPROTO_UDP);
		assert_true(same(host(csum_pseudo(&s6, &d6, IPPROTO_UDP, len)),
				 naive(p6, 40, 0)));

		s4 = ipaddr_from4((be32_t){ rnd() });
		d4 = ipaddr_from4((be32_t){ rnd() });
		memcpy(p4, s4.b + 12, 4);
		memcpy(p4 + 4, d4.b + 12, 4);
		p4[8] = 0;
		p4[9] = IPPROTO_TCP;
		put_be16(p4 + 10, (uint16_t)len);
		assert_true(same(host(csum_pseudo(&s4, &d4, IPPROTO_TCP, len)),
				 naive(p4, 12, 0)));
	}
}

static void stored_checksum_verifies(void **state)
{
	uint8_t seg[100];

	(void)state;
	for (int n = 0; n < 2000; n++) {
		size_t len = 20 + rnd() % 80, i = rnd() % len;
		be16_t c;
		uint8_t flip = (uint8_t)(1u << rnd() % 8);

		fill(seg, sizeof(seg));
		memset(seg + 16, 0, 2);
		seg[0] |= 1;
		c = csum_fold(csum_partial(seg, len, 0));
		memcpy(seg + 16, &c, 2);
		assert_true(csum_ok(csum_partial(seg, len, 0)));
		seg[i] ^= flip;
		assert_false(csum_ok(csum_partial(seg, len, 0)));
	}
}

static void bare_pseudo_sum_is_recognised(void **state)
{
	struct ipaddr a = ipaddr_from4(to_be32(0x0a000001)), b = ipaddr_from4(to_be32(0x0a000002));
	uint32_t ps = csum_pseudo(&a, &b, IPPROTO_TCP, 1234);

	(void)state;
	assert_true(csum_is_pseudo((be16_t){ csum_fold_raw(ps) }, ps));
	assert_false(csum_is_pseudo(csum_fold(ps), ps));
}

static void update_agrees_with_recomputation(void **state)
{
	uint8_t h[20];

	(void)state;
	for (int n = 0; n < 5000; n++) {
		size_t at = 2 * (rnd() % 9);
		be16_t c, from, to;
		be32_t from4, to4;

		fill(h, sizeof(h));
		h[0] |= 1;
		h[18] |= 2;
		c = csum_fold(csum_partial(h, 20, 0));
		memcpy(&from, h + at, 2);
		to.be = (uint16_t)(n % 3 ? rnd() : 0);
		if (at == 0 || at == 18)
			to.be |= 0x0101;
		memcpy(h + at, &to, 2);
		c = csum_update(c, from, to);
		assert_int_equal(c.be, csum_fold(csum_partial(h, 20, 0)).be);

		at = at > 14 ? 12 : at;
		memcpy(&from4, h + at, 4);
		to4.be = rnd() << 8 | 1;
		memcpy(h + at, &to4, 4);
		c = csum_update32(c, from4, to4);
		assert_int_equal(c.be, csum_fold(csum_partial(h, 20, 0)).be);
	}
}

/* RFC 1624 section 4: the case that RFC 1141 gets wrong. */
static void update_passes_the_example_of_rfc1624(void **state)
{
	(void)state;
	assert_int_equal(from_be16(csum_update(to_be16(0xdd2f), to_be16(0x5555),
					       to_be16(0x3285))), 0x0000);
}

static void udp_never_sends_zero(void **state)
{
	(void)state;
	assert_int_equal(csum_fold(0xffff).be, 0);
	assert_int_equal(csum_fold_udp(0xffff).be, 0xffff);
	assert_int_equal(csum_fold_udp(0x1234).be, 0xedcb);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(partial_agrees_with_definition),
		cmocka_unit_test(no_carry_is_lost),
		cmocka_unit_test(copy_copies_and_agrees),
		cmocka_unit_test(pieces_chain),
		cmocka_unit_test(pseudo_header_of_both_families),
		cmocka_unit_test(stored_checksum_verifies),
		cmocka_unit_test(bare_pseudo_sum_is_recognised),
		cmocka_unit_test(update_agrees_with_recomputation),
		cmocka_unit_test(update_passes_the_example_of_rfc1624),
		cmocka_unit_test(udp_never_sends_zero),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
