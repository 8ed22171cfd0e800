// SPDX-License-Identifier: BSD-2-Clause
/* cc_reno.c and cc_cubic.c: growth and reduction of the window. */
#include <stdarg.h>
#include <setjmp.h>
#include <string.h>

#include <cmocka.h>

#include "tcp/cc.h"

enum { MSS = 1000 };

static void begin(struct tcp_conn *c, struct net *net, uint8_t cc, uint32_t cwnd)
{
	memset(c, 0, sizeof(*c));
	memset(net, 0, sizeof(*net));
	net->now = NSEC_PER_SEC;
	c->cc = cc;
	c->mss = MSS;
	c->srtt_us = 100000 << 3;
	cc_init(net, c);
	c->cwnd = cwnd;
}

/* A round trip of full windows, each second segment acknowledged. */
static void round_trip(struct tcp_conn *c, struct net *net)
{
	uint32_t cwnd = c->cwnd;

	for (uint32_t n = 0; n + 2 * MSS <= cwnd; n += 2 * MSS) {
		net->now += 100 * NSEC_PER_MSEC * 2 * MSS / cwnd;
		cc_ack(net, c, 2 * MSS);
	}
}

static void slow_start_doubles(void **state)
{
	struct tcp_conn c;
	struct net net;

	(void)state;
	for (uint8_t cc = 0; cc < 2; cc++) {
		begin(&c, &net, cc, 10 * MSS);
		round_trip(&c, &net);
		assert_int_equal(c.cwnd, 20 * MSS);
		round_trip(&c, &net);
		assert_int_equal(c.cwnd, 40 * MSS);
	}
}

static void slow_start_ends_at_ssthresh(void **state)
{
	struct tcp_conn c;
	struct net net;

	(void)state;
	begin(&c, &net, TCP_CC_RENO, 10 * MSS);
	c.ssthresh = 15 * MSS;
	round_trip(&c, &net);
	assert_in_range(c.cwnd, 15 * MSS, 16 * MSS);
}

static void reno_adds_one_segment_a_round(void **state)
{
	struct tcp_conn c;
	struct net net;

	(void)state;
	begin(&c, &net, TCP_CC_RENO, 20 * MSS);
	c.ssthresh = 10 * MSS;
	for (int i = 0; i < 10; i++)
		round_trip(&c, &net);
	assert_in_range(c.cwnd, 29 * MSS, 30 * MSS);
	assert_in_range(cc_loss(&c), 14 * MSS, 15 * MSS);
}

static void reduction_leaves_two_segments(void **state)
{
	struct tcp_conn c;
	struct net net;

	(void)state;
	for (uint8_t cc = 0; cc < 2; cc++) {
		begin(&c, &net, cc, MSS);
		assert_int_equal(cc_loss(&c), 2 * MSS);
	}
}

static void cubic_returns_to_the_old_window_in_k_seconds(void **state)
{
	struct tcp_conn c;
	struct net net;
	uint64_t t0;

	(void)state;
	begin(&c, &net, TCP_CC_CUBIC, 1000 * MSS);
	c.ssthresh = c.cwnd = cc_loss(&c);
	assert_int_equal(c.cwnd, 700 * MSS);
	t0 = net.now;
	round_trip(&c, &net);
	/* K = cbrt(300 / 0.4) = 9.09 s */
	assert_in_range(c.cc_k_ms, 9070, 9100);
	while (net.now - t0 < 9 * NSEC_PER_SEC)
		round_trip(&c, &net);
	assert_in_range(c.cwnd, 985 * MSS, 1003 * MSS);
	/* Flat there, then steep. */
	while (net.now - t0 < 11 * NSEC_PER_SEC)
		round_trip(&c, &net);
	assert_in_range(c.cwnd, 1000 * MSS, 1010 * MSS);
	while (net.now - t0 < 20 * NSEC_PER_SEC)
		round_trip(&c, &net);
	assert_true(c.cwnd > 1300 * MSS);
}

static void cubic_is_no_slower_than_reno(void **state)
{
	struct tcp_conn c;
	struct net net;

	(void)state;
	/* A small window: the cubic would need seconds. */
	begin(&c, &net, TCP_CC_CUBIC, 20 * MSS);
	c.srtt_us = 1000 << 3;
	c.ssthresh = c.cwnd = cc_loss(&c);
	for (int i = 0; i < 200; i++) {
		uint64_t now = net.now;

		round_trip(&c, &net);
		net.now = now + NSEC_PER_MSEC;	/* a short path */
	}
	/* 14 + 9/17 a round until 20, then 1 a round. */
	assert_true(c.cwnd > 120 * MSS);
}

static void fast_convergence_lowers_the_target(void **state)
{
	struct tcp_conn c;
	struct net net;

	(void)state;
	begin(&c, &net, TCP_CC_CUBIC, 100 * MSS);
	c.cwnd = cc_loss(&c);
	assert_int_equal(c.cc_w_max, 100 * MSS);
	c.cwnd = cc_loss(&c);
	assert_int_equal(c.cc_w_max, 70 * MSS * 17 / 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(slow_start_doubles),
		cmocka_unit_test(slow_start_ends_at_ssthresh),
		cmocka_unit_test(reno_adds_one_segment_a_round),
		cmocka_unit_test(reduction_leaves_two_segments),
		cmocka_unit_test(cubic_returns_to_the_old_window_in_k_seconds),
		cmocka_unit_test(cubic_is_no_slower_than_reno),
		cmocka_unit_test(fast_convergence_lowers_the_target),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
