/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tcp_opt_test.c - TCP headers, options and sequence numbers: what is taken and what is refused
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "wire/seq.h"
#include "wire/tcp_opt.h"

#define BYTES(...) ((const uint8_t[]){ __VA_ARGS__ }), sizeof((const uint8_t[]){ __VA_ARGS__ })

/* Parsers see memory of exactly the given size, so that a sanitizer notices a
 * byte too many. */
static uint8_t *exact(const uint8_t *p, size_t len)
{
	uint8_t *m = malloc(len ? len : 1);

	assert_non_null(m);
	memcpy(m, p, len);
	return m;
}

static int parse(const uint8_t *p, size_t len, struct tcp_opts *out)
{
	uint8_t *m = exact(p, len);
	int rc = tcp_opt_parse(m, len, out);

	free(m);
	return rc;
}

static int parse_syn(const uint8_t *p, size_t len, struct tcp_syn_opts *out)
{
	uint8_t *m = exact(p, len);
	int rc = tcp_opt_parse_syn(m, len, out);

	free(m);
	return rc;
}

/* RFC 9293 MUST-7. */
static void rejects_zero_length_option(void **state)
{
	struct tcp_syn_opts s;
	struct tcp_opts o;

	(void)state;
	assert_int_equal(parse_syn(BYTES(2, 0, 5, 0xb4), &s), -EBADMSG);
	assert_int_equal(parse_syn(BYTES(2, 1, 5, 0xb4), &s), -EBADMSG);
	assert_int_equal(parse(BYTES(8, 0, 0, 0), &o), -EBADMSG);
	assert_int_equal(parse(BYTES(99, 0, 0, 0), &o), -EBADMSG);
	assert_int_equal(parse(BYTES(1, 1, 1, 8), &o), -EBADMSG);
	assert_int_equal(parse(BYTES(8, 10, 0, 0, 0, 1, 0, 0, 0), &o), -EBADMSG);
	assert_int_equal(parse(BYTES(5, 255, 0, 0), &o), -EBADMSG);
}

static void keeps_what_stood_before_the_fault(void **state)
{
	struct tcp_syn_opts s;

	(void)state;
	assert_int_equal(parse_syn(BYTES(2, 4, 5, 0xb4, 3, 0, 0, 0), &s), -EBADMSG);
	assert_int_equal(s.mss, 1460);
	assert_false(s.wscale_ok);
}

/* RFC 9293 MUST-6; and nothing behind the end of the list counts. */
static void ignores_unknown_options_and_stops_at_eol(void **state)
{
	struct tcp_syn_opts s;

	(void)state;
	assert_int_equal(parse_syn(BYTES(253, 4, 1, 2, 4, 2, 0, 2, 4, 1, 1), &s), 0);
	assert_true(s.sack_ok);
	assert_int_equal(s.mss, 0);
}

static void ignores_known_options_of_wrong_length(void **state)
{
	struct tcp_syn_opts s;
	struct tcp_opts o;

	(void)state;
	assert_int_equal(parse_syn(BYTES(2, 3, 5, 3, 2, 4, 3, 1, 8, 6, 1, 2, 3, 4), &s), 0);
	assert_int_equal(s.mss, 0);
	assert_false(s.wscale_ok || s.sack_ok || s.ts_ok);
	assert_int_equal(parse(BYTES(5, 2, 5, 9, 1, 2, 3, 4, 5, 6, 7), &o), 0);
	assert_int_equal(o.nsack, 0);
}

static void reads_the_syn_of_linux(void **state)
{
	struct tcp_syn_opts s;

	(void)state;
	assert_int_equal(parse_syn(BYTES(2, 4, 5, 0xb4, 4, 2, 8, 10, 1, 2, 3, 4, 0, 0, 0, 0,
					 1, 3, 3, 7), &s), 0);
	assert_int_equal(s.mss, 1460);
	assert_true(s.sack_ok && s.ts_ok && s.wscale_ok);
	assert_int_equal(s.tsval, 0x01020304);
	assert_int_equal(s.tsecr, 0);
	assert_int_equal(s.wscale, 7);
}

/* RFC 7323 section 2.3. */
static void caps_window_scale_at_14(void **state)
{
	struct tcp_syn_opts s;

	(void)state;
	assert_int_equal(parse_syn(BYTES(3, 3, 15, 0), &s), 0);
	assert_int_equal(s.wscale, 14);
	assert_int_equal(parse_syn(BYTES(3, 3, 255, 0), &s), 0);
	assert_int_equal(s.wscale, 14);
}

static void fast_and_slow_timestamps_agree(void **state)
{
	static const uint8_t ts[] = { 1, 1, 8, 10, 1, 2, 3, 4, 0xfe, 0xdc, 0xba, 0x98 };
	static const uint8_t rev[] = { 8, 10, 1, 2, 3, 4, 0xfe, 0xdc, 0xba, 0x98, 1, 1 };
	struct tcp_opts a, b;

	(void)state;
	assert_int_equal(parse(ts, 12, &a), 0);
	assert_true(a.ts_ok);
	assert_int_equal(a.tsval, 0x01020304);
	assert_int_equal(a.tsecr, 0xfedcba98);
	assert_int_equal(parse(rev, 12, &b), 0);
	assert_true(b.ts_ok && b.tsval == a.tsval && b.tsecr == a.tsecr);
	assert_int_equal(tcp_opt_parse_slow(ts, 12, &b), 0);
	assert_true(b.ts_ok && b.tsval == a.tsval && b.tsecr == a.tsecr);
	assert_int_equal(parse(ts, 0, &a), 0);
	assert_false(a.ts_ok);
}

static void syn_options_round_trip(void **state)
{
	(void)state;
	for (unsigned int bits = 0; bits < 16; bits++) {
		struct tcp_syn_opts in = { 0 }, out;
		uint8_t buf[40];
		size_t n;

		if (bits & 1)
			in.mss = 8960;
		if (bits & 2) {
			in.wscale_ok = true;
			in.wscale = (uint8_t)(bits % 15);
		}
		in.sack_ok = bits & 4;
		if (bits & 8) {
			in.ts_ok = true;
			in.tsval = 0xdeadbeef;
			in.tsecr = bits;
		}
		n = tcp_opt_put_syn(buf, &in);
		assert_int_equal(n % 4, 0);
		assert_true(n <= sizeof(buf));
		assert_int_equal(parse_syn(buf, n, &out), 0);
		assert_int_equal(out.mss, in.mss);
		assert_int_equal(out.wscale_ok, in.wscale_ok);
		assert_int_equal(out.wscale, in.wscale);
		assert_int_equal(out.sack_ok, in.sack_ok);
		assert_int_equal(out.ts_ok, in.ts_ok);
		assert_int_equal(out.tsval, in.tsval);
		assert_int_equal(out.tsecr, in.tsecr);
	}
}

static void sack_options_round_trip(void **state)
{
	(void)state;
	for (unsigned int n = 0; n <= TCP_SACK_MAX; n++) {
		for (int ts = 0; ts < 2; ts++) {
			struct tcp_opts in = { .ts_ok = ts, .nsack = (uint8_t)n,
					       .tsval = 7, .tsecr = 9 }, out;
			unsigned int want = ts && n > 3 ? 3 : n;
			uint8_t buf[40];
			size_t len;

			for (unsigned int i = 0; i < n; i++) {
				in.sack[i].start = 0xfffffff0u + i * 100;
				in.sack[i].end = in.sack[i].start + 50;
			}
			len = tcp_opt_put(buf, &in);
			assert_int_equal(len % 4, 0);
			assert_true(len <= sizeof(buf));
			assert_int_equal(parse(buf, len, &out), 0);
			assert_int_equal(out.ts_ok, ts);
			assert_int_equal(out.nsack, want);
			for (unsigned int i = 0; i < want; i++) {
				assert_int_equal(out.sack[i].start, in.sack[i].start);
				assert_int_equal(out.sack[i].end, in.sack[i].end);
			}
		}
	}
}

/* A whole list cut anywhere is refused or read to the cut, never beyond. */
static void survives_every_truncation(void **state)
{
	const struct tcp_opts in = { .ts_ok = true, .nsack = 3 };
	uint8_t buf[40];
	size_t n = tcp_opt_put(buf, &in);
	struct tcp_syn_opts s;
	struct tcp_opts o;

	(void)state;
	for (size_t len = 0; len <= n; len++) {
		int rc = parse(buf, len, &o);
		bool whole = len <= 2 || (len >= 12 && len <= 14) || len == n;

		assert_int_equal(rc, whole ? 0 : -EBADMSG);
		assert_int_equal(o.nsack, len == n ? 3 : 0);
		(void)parse_syn(buf, len, &s);
	}
}

/* Every list of three bytes ends, in at most three steps. */
static void walk_ends_for_every_short_list(void **state)
{
	(void)state;
	for (uint32_t v = 0; v < 1u << 24; v += 7) {
		uint8_t b[3] = { (uint8_t)v, (uint8_t)(v >> 8), (uint8_t)(v >> 16) };
		struct tcp_opt_iter it;
		struct tcp_opt o;
		int steps = 0;

		tcp_opt_iter_init(&it, b, 3);
		while (tcp_opt_next(&it, &o) == 1) {
			assert_true(o.data + o.len <= b + 3);
			assert_true(++steps <= 3);
		}
	}
}

static void header_round_trip(void **state)
{
	struct tcp_seg in = {
		.seq = 0x89abcdef, .ack = 0x01234567, .sport = to_be16(80), .dport = to_be16(40000),
		.wnd = 0xfedc, .urg = 0x1234, .flags = TCP_ACK | TCP_CWR | TCP_FIN, .hdr_len = 32,
		.csum = to_be16(0xaa55),
	}, out;
	uint8_t b[60] = { 0 };

	(void)state;
	tcp_put(b, &in);
	assert_int_equal(b[0] << 8 | b[1], 80);
	assert_int_equal(b[12], 0x80);
	assert_int_equal(tcp_parse(b, 32, &out), 0);
	assert_int_equal(out.seq, in.seq);
	assert_int_equal(out.ack, in.ack);
	assert_int_equal(out.sport.be, in.sport.be);
	assert_int_equal(out.dport.be, in.dport.be);
	assert_int_equal(out.wnd, in.wnd);
	assert_int_equal(out.urg, in.urg);
	assert_int_equal(out.csum.be, in.csum.be);
	assert_int_equal(out.flags, in.flags);
	assert_int_equal(out.hdr_len, 32);
	for (size_t len = 0; len < 32; len++) {
		uint8_t *m = exact(b, len);

		assert_int_equal(tcp_parse(m, len, &out), -EBADMSG);
		free(m);
	}
	b[12] = 0x4f;
	assert_int_equal(tcp_parse(b, 60, &out), -EBADMSG);
	b[12] = 0xf0;
	assert_int_equal(tcp_parse(b, 59, &out), -EBADMSG);
	assert_int_equal(tcp_parse(b, 60, &out), 0);
	assert_int_equal(out.hdr_len, 60);
}

/* RFC 9293 section 3.4. */
static void sequence_numbers_wrap(void **state)
{
	(void)state;
	assert_true(seq_before(0xffffffff, 0));
	assert_true(seq_after(5, 0xfffffff0));
	assert_false(seq_before(7, 7));
	assert_true(seq_leq(7, 7) && seq_geq(7, 7));
	assert_false(seq_after(7, 7));
	assert_true(seq_between(2, 0xfffffffe, 4));
	assert_true(seq_between(0xfffffffe, 0xfffffffe, 4));
	assert_true(seq_between(4, 0xfffffffe, 4));
	assert_false(seq_between(5, 0xfffffffe, 4));
	assert_false(seq_between(0xfffffffd, 0xfffffffe, 4));
	assert_int_equal(seq_max(0xfffffffe, 4), 4);
	assert_int_equal(seq_min(0xfffffffe, 4), 0xfffffffe);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rejects_zero_length_option),
		cmocka_unit_test(keeps_what_stood_before_the_fault),
		cmocka_unit_test(ignores_unknown_options_and_stops_at_eol),
		cmocka_unit_test(ignores_known_options_of_wrong_length),
		cmocka_unit_test(reads_the_syn_of_linux),
		cmocka_unit_test(caps_window_scale_at_14),
		cmocka_unit_test(fast_and_slow_timestamps_agree),
		cmocka_unit_test(syn_options_round_trip),
		cmocka_unit_test(sack_options_round_trip),
		cmocka_unit_test(survives_every_truncation),
		cmocka_unit_test(walk_ends_for_every_short_list),
		cmocka_unit_test(header_round_trip),
		cmocka_unit_test(sequence_numbers_wrap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
