// SPDX-License-Identifier: BSD-2-Clause
/* rtt.c: RFC 6298's equations, Linux' bounds. */
#include <stdarg.h>
#include <setjmp.h>
#include <string.h>

#include <cmocka.h>

#include "tcp/rtt.h"

static void begins_with_the_initial_timeout(void **state)
{
	struct tcp_conn c = { 0 };

	(void)state;
	rtt_init(&c, 1000);
	assert_int_equal(c.rto_us, 1000000);
	assert_int_equal(c.srtt_us, 0);
}

static void first_sample_sets_both(void **state)
{
	struct tcp_conn c = { 0 };

	(void)state;
	rtt_init(&c, 1000);
	rtt_sample(&c, 100000, 1, 120000);
	assert_int_equal(rtt_srtt_us(&c), 100000);
	/* RTO = R + 4 * R / 2 */
	assert_int_equal(c.rto_us, 300000);
	assert_int_equal(c.rtt_min_us, 100000);
}

static void smooths_by_an_eighth_and_a_quarter(void **state)
{
	struct tcp_conn c = { 0 };

	(void)state;
	rtt_init(&c, 1000);
	rtt_sample(&c, 80000, 1, 120000);
	rtt_sample(&c, 160000, 1, 120000);
	/* SRTT = 7/8 80 + 1/8 160; RTTVAR = 3/4 40 + 1/4 80 */
	assert_int_equal(rtt_srtt_us(&c), 90000);
	assert_int_equal(c.rttvar_us >> 2, 50000);
	assert_int_equal(c.rto_us, 290000);
}

static void variance_has_a_floor_and_the_sum_a_ceiling(void **state)
{
	struct tcp_conn c = { 0 };

	(void)state;
	rtt_init(&c, 1000);
	for (int i = 0; i < 100; i++)
		rtt_sample(&c, 50, 200, 120000);
	assert_in_range(c.rto_us, 200000, 200100);
	rtt_sample(&c, 100u * 1000 * 1000, 200, 120000);
	for (int i = 0; i < 100; i++)
		rtt_sample(&c, 119u * 1000 * 1000, 200, 120000);
	assert_true(c.rto_us <= 120000000);
}

static void survives_absurd_samples(void **state)
{
	struct tcp_conn c = { 0 };

	(void)state;
	rtt_init(&c, 1000);
	rtt_sample(&c, 0, 200, 120000);
	assert_true(c.srtt_us > 0);
	for (int i = 0; i < 50; i++) {
		rtt_sample(&c, UINT32_MAX, 200, 120000);
		assert_true(c.rto_us >= 200000 && c.rto_us <= 120000000);
		rtt_sample(&c, 0, 200, 120000);
		assert_true(c.rto_us >= 200000 && c.rto_us <= 120000000);
		assert_true(c.srtt_us > 0 && c.srtt_us >> 3 <= 120000000);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(begins_with_the_initial_timeout),
		cmocka_unit_test(first_sample_sets_both),
		cmocka_unit_test(smooths_by_an_eighth_and_a_quarter),
		cmocka_unit_test(variance_has_a_floor_and_the_sum_a_ceiling),
		cmocka_unit_test(survives_absurd_samples),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
