// SPDX-License-Identifier: BSD-2-Clause
/*
 * opt_test.c - EF_ variables become checked values, and each mistake one line
 */
#include "base/opt.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

struct lines {
	int n;
	enum opt_warn kind[32];
	char text[32][600];
};

static void keep(void *arg, enum opt_warn kind, const char *line)
{
	struct lines *l = arg;

	assert_in_range(l->n, 0, 31);
	l->kind[l->n] = kind;
	snprintf(l->text[l->n++], sizeof(l->text[0]), "%s", line);
}

#define ENV(...) ((char *[]){ "PATH=/bin", __VA_ARGS__, "HOME=/", NULL })

static struct opts o;
static struct lines l;

static int parse(char **env)
{
	memset(&l, 0, sizeof(l));
	memset(&o, 0xa5, sizeof(o));
	return opts_parse(&o, env, keep, &l);
}

static void defaults_of_the_table(void **state)
{
	assert_int_equal(parse(ENV("XEF_POLL_USEC=1")), 0);
	assert_int_equal(l.n, 0);
	assert_int_equal(o.poll_usec, 0);
	assert_int_equal(o.poll_fast_usec, 32);
	assert_true(o.tcp && o.udp && o.no_fail && o.ul_poll);
	assert_false(o.udp_recv_spin);
	assert_int_equal(o.max_endpoints, 65536);
	assert_int_equal(o.max_rx_packets, 24576);
	assert_int_equal(o.unix_log, 3);
	assert_string_equal(o.name, "");
	assert_string_equal(o.tcp_isn_mode, "clocked+cache");
	assert_true(o.cluster_ignore);
}

static void table_defaults_are_in_range(void **state)
{
	for (int i = 0; i < OPT_COUNT; i++) {
		const struct opt_desc *d = &opt_table[i];

		if (d->type == OPT_TYPE_STR)
			assert_true(strlen(d->def_str) < d->size);
		else
			assert_true(d->def >= d->lo && d->def <= d->hi);
		assert_ptr_equal(opt_find(d->name), d);
	}
	assert_int_equal(OPT_COUNT, 260);
	assert_string_equal(opt_group_title(OPT_POLL_USEC), "Spinning and locking");
	assert_string_equal(opt_group_title(OPT_UL_SELECT), "select / poll / epoll");
	assert_null(opt_group_title(OPT_SPIN_USEC));
}

static void poll_usec_turns_on_spinning(void **state)
{
	assert_int_equal(parse(ENV("EF_POLL_USEC=100000")), 0);
	assert_int_equal(o.spin_usec, 100000);
	assert_true(o.udp_recv_spin && o.udp_send_spin && o.tcp_recv_spin && o.tcp_send_spin);
	assert_true(o.select_spin && o.poll_spin && o.epoll_spin);
	assert_false(o.tcp_accept_spin || o.tcp_connect_spin);
	assert_int_equal(o.buzz_usec, 100);
	assert_false(o.int_driven);
}

static void named_option_wins_over_poll_usec(void **state)
{
	assert_int_equal(parse(ENV("EF_UDP_RECV_SPIN=0", "EF_POLL_USEC=50", "EF_SPIN_USEC=7")), 0);
	assert_int_equal(o.spin_usec, 7);
	assert_false(o.udp_recv_spin);
	assert_true(o.udp_send_spin);
	assert_int_equal(o.buzz_usec, 50);
}

static void bad_number_is_one_line_and_the_default(void **state)
{
	assert_int_equal(parse(ENV("EF_POLL_USEC=abc")), 1);
	assert_int_equal(l.n, 1);
	assert_int_equal(l.kind[0], OPT_WARN_BAD);
	assert_string_equal(l.text[0], "EF_POLL_USEC=abc: not a whole number, expected -1 to "
				       "2147483647 us; using the default 0");
	assert_int_equal(o.poll_usec, 0);
	assert_false(o.udp_recv_spin);

	assert_int_equal(parse(ENV("EF_TCP=", "EF_UDP=1x", "EF_UNIX_LOG=0xg", "EF_RXQ_SIZE=-")), 4);
	assert_true(o.tcp && o.udp);
	assert_int_equal(o.unix_log, 3);
}

static void out_of_range_is_clamped(void **state)
{
	assert_int_equal(parse(ENV("EF_UL_EPOLL=9", "EF_TCP=2",
				   "EF_POLL_USEC=99999999999999999999999")), 3);
	assert_int_equal(l.n, 3);
	for (int i = 0; i < 3; i++)
		assert_int_equal(l.kind[i], OPT_WARN_RANGE);
	assert_int_equal(o.ul_epoll, 3);
	assert_true(o.tcp);
	assert_int_equal(o.poll_usec, INT32_MAX);
}

static void unknown_name_suggests_the_nearest(void **state)
{
	assert_int_equal(parse(ENV("EF_POLL_USECS=5", "EF_QWERTYUIOP=1", "EF_=1", "EF_NOEQUALS")), 3);
	assert_int_equal(l.n, 3);
	assert_int_equal(l.kind[0], OPT_WARN_UNKNOWN);
	assert_non_null(strstr(l.text[0], "EF_POLL_USECS: unknown option"));
	assert_non_null(strstr(l.text[0], "did you mean EF_POLL_USEC?"));
	assert_null(strstr(l.text[1], "did you mean"));

	assert_int_equal(parse(ENV("EF_POLL_USECS=5", "EF_VALIDATE_ENV=0")), 0);
	assert_int_equal(l.n, 0);
}

static void many_and_long_unknown_names(void **state)
{
	char name[3000];
	char *env[41];

	memset(name, 'A', sizeof(name));
	memcpy(name, "EF_", 3);
	memcpy(name + sizeof(name) - 3, "=1", 3);
	for (int i = 0; i < 40; i++)
		env[i] = name;
	env[40] = NULL;
	assert_int_equal(parse(env), 16);
	assert_true(strlen(l.text[0]) < 200);
}

static void load_env_0_ignores_the_rest(void **state)
{
	assert_int_equal(parse(ENV("EF_POLL_USEC=abc", "EF_NOSUCH=1", "EF_TCP=0", "EF_LOAD_ENV=0")), 0);
	assert_int_equal(l.n, 0);
	assert_true(o.tcp);
}

static void first_of_two_counts(void **state)
{
	assert_int_equal(parse(ENV("EF_TCP=0", "EF_TCP=1")), 0);
	assert_false(o.tcp);
}

static void strings_are_bounded(void **state)
{
	assert_int_equal(parse(ENV("EF_NAME=sixteen-letters-")), 0);
	assert_string_equal(o.name, "sixteen-letters-");
	assert_int_equal(parse(ENV("EF_NAME=seventeen-letters")), 1);
	assert_int_equal(l.kind[0], OPT_WARN_BAD);
	assert_string_equal(o.name, "");
}

static void options_without_effect_are_one_line(void **state)
{
	assert_int_equal(parse(ENV("EF_PIO=0", "EF_CTPIO=0", "EF_TCP=1")), 0);
	assert_int_equal(l.n, 1);
	assert_int_equal(l.kind[0], OPT_WARN_NOEFFECT);
	assert_non_null(strstr(l.text[0], "EF_PIO EF_CTPIO: accepted, without effect"));
}

static void checked_environment_is_quiet(void **state)
{
	char **env = ENV("EF_POLL_USEC=abc", "EF_NOSUCH=1");
	char **other = ENV("EF_NOSUCH=1", "EF_POLL_USEC=abc");
	char mark[64];

	assert_int_equal(opts_env_sum(env), opts_env_sum(other));
	snprintf(mark, sizeof(mark), "POSTERN_ENV_CHECKED=%x", opts_env_sum(env));
	assert_int_equal(parse(ENV("EF_NOSUCH=1", mark, "EF_POLL_USEC=abc")), 2);
	assert_int_equal(l.n, 0);
	assert_int_equal(parse(ENV("EF_NOSUCH=1", mark, "EF_POLL_USEC=abd")), 2);
	assert_int_equal(l.n, 2);
}

static void derived_values(void **state)
{
	assert_int_equal(parse(ENV("EF_MAX_PACKETS=4096", "EF_MAX_ENDPOINTS=1000",
				   "EF_DELACK_THRESH=100", "EF_TCP_BACKLOG_MAX=10",
				   "EF_MULTICAST_LOOP_OFF=0")), 0);
	assert_int_equal(o.max_rx_packets, 3072);
	assert_int_equal(o.max_endpoints, 1024);
	assert_int_equal(o.dynamic_ack_thresh, 100);
	assert_int_equal(o.tcp_synrecv_max, 40);
	assert_int_equal(o.mcast_send, 1);
}

static void set_by_name(void **state)
{
	char buf[64];

	opts_defaults(&o);
	assert_int_equal(opt_set_int(&o, "EF_UL_EPOLL", 3), 0);
	assert_int_equal(opt_set_int(&o, "EF_UL_EPOLL", 4), -34 /* ERANGE */);
	assert_int_equal(opt_set_int(&o, "EF_NOSUCH", 4), -2 /* ENOENT */);
	assert_int_equal(opt_set_int(&o, "EF_NAME", 4), -22 /* EINVAL */);
	assert_int_equal(opt_set(&o, "EF_UNIX_LOG", "0xff"), 0);
	assert_int_equal(opt_set(&o, "EF_NAME", "blue"), 0);
	assert_int_equal(o.ul_epoll, 3);
	assert_true(opt_is_set(&o, OPT_NAME));
	assert_false(opt_is_set(&o, OPT_TCP));
	opt_format(&o, opt_find("EF_UNIX_LOG"), buf, sizeof(buf));
	assert_string_equal(buf, "0xff");
	opt_format(&o, opt_find("EF_NAME"), buf, sizeof(buf));
	assert_string_equal(buf, "blue");
}

static void sysctls_fill_what_nobody_named(void **state)
{
	FILE *f = fopen("/proc/sys/net/ipv4/tcp_keepalive_time", "r");
	int secs = 0;

	if (!f)
		skip();
	assert_int_equal(fscanf(f, "%d", &secs), 1);
	fclose(f);
	assert_int_equal(parse(ENV("EF_KEEPALIVE_PROBES=3")), 0);
	opts_sysctl(&o);
	assert_int_equal(o.keepalive_time, secs * 1000);
	assert_int_equal(o.keepalive_probes, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults_of_the_table),
		cmocka_unit_test(table_defaults_are_in_range),
		cmocka_unit_test(poll_usec_turns_on_spinning),
		cmocka_unit_test(named_option_wins_over_poll_usec),
		cmocka_unit_test(bad_number_is_one_line_and_the_default),
		cmocka_unit_test(out_of_range_is_clamped),
		cmocka_unit_test(unknown_name_suggests_the_nearest),
		cmocka_unit_test(many_and_long_unknown_names),
		cmocka_unit_test(load_env_0_ignores_the_rest),
		cmocka_unit_test(first_of_two_counts),
		cmocka_unit_test(strings_are_bounded),
		cmocka_unit_test(options_without_effect_are_one_line),
		cmocka_unit_test(checked_environment_is_quiet),
		cmocka_unit_test(derived_values),
		cmocka_unit_test(set_by_name),
		cmocka_unit_test(sysctls_fill_what_nobody_named),
	};

	return cmocka_run_group_tests_name("opt", tests, NULL, NULL);
}
