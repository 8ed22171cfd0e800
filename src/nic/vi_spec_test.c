// SPDX-License-Identifier: BSD-2-Clause
/*
 * vi_spec_test.c - a name says what is opened, and nothing in it is ignored
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>

#include "nic/vi_spec.h"

static struct vi_spec s;
static char why[96];

static void kernel_names_are_left_alone(void **state)
{
	(void)state;
	assert_int_equal(vi_spec_parse(&s, "eth0", why), 0);
	assert_int_equal(s.driver, VI_DRV_NONE);
	assert_int_equal(vi_spec_open(&(struct vi){ 0 }, &(struct vi_shm){ 0 }, &s, &(struct vi_mem){ 0 }), -ENODEV);
}

static void every_option_arrives(void **state)
{
	(void)state;
	assert_int_equal(vi_spec_parse(&s, "memif:/run/x.sock,id=7,role=master,secret=abc,ring=256,buf=4096,trust=1,"
					   "ip=10.0.0.1/24,ip=fd00::1/64,gw=10.0.0.254,gw=fd00::2,mtu=9000,"
					   "mac=02:00:00:00:00:0a", why), 0);
	assert_int_equal(s.driver, VI_DRV_MEMIF);
	assert_string_equal(s.memif.path, "/run/x.sock");
	assert_int_equal(s.memif.id, 7);
	assert_int_equal(s.memif.flags, MEMIF_MASTER | MEMIF_TRUST);
	assert_string_equal(s.memif.secret, "abc");
	assert_int_equal(s.memif.ring_size, 256);
	assert_int_equal(s.memif.buf_size, 4096);
	assert_int_equal(s.n_ips, 2);
	assert_int_equal(s.ip[0].prefix_len, 24);
	assert_int_equal(s.ip[0].addr.b[15], 1);
	assert_true(ipaddr_is4(&s.ip[0].addr));
	assert_int_equal(s.ip[1].prefix_len, 64);
	assert_int_equal(s.n_gws, 2);
	assert_int_equal(s.mtu, 9000);
	assert_int_equal(s.mac[5], 10);

	assert_int_equal(vi_spec_parse(&s, "pcap:a.pcapng,speed=max,loop=forever,write=b.pcap", why), 0);
	assert_int_equal(s.driver, VI_DRV_PCAP);
	assert_string_equal(s.pcap.in, "a.pcapng");
	assert_string_equal(s.pcap.out, "b.pcap");
	assert_int_equal(s.pcap.flags, PCAP_VI_MAX_SPEED);
	assert_int_equal(s.pcap.loops, UINT32_MAX);
	assert_int_equal(vi_spec_parse(&s, "pcap:,write=b.pcap", why), 0);
}

static void the_ends_have_different_macs(void **state)
{
	struct vi_spec t;

	(void)state;
	assert_int_equal(vi_spec_parse(&s, "memif:@x,id=1", why), 0);
	assert_int_equal(vi_spec_parse(&t, "memif:@x,id=1,role=master", why), 0);
	assert_memory_not_equal(s.mac, t.mac, 6);
	assert_int_equal(s.mac[0], 2);
	assert_int_equal(vi_spec_parse(&t, "memif:@x,id=2", why), 0);
	assert_memory_not_equal(s.mac, t.mac, 6);
	assert_int_equal(vi_spec_parse(&t, "memif:@x,id=1,mtu=1400", why), 0);
	assert_memory_equal(s.mac, t.mac, 6);
}

static void nothing_is_ignored(void **state)
{
	static const char *const bad[] = {
		"memif:", "memif:,id=1", "memif:x,id", "memif:x,id=", "memif:x,id=-1", "memif:x,id=1x", "memif:x,id=4294967296",
		"memif:x,id=1,id=1", "memif:x,role=client", "memif:x,zc=2", "memif:x,speed=max", "memif:x,colour=red",
		"memif:x,", "memif:x,ip=10.0.0.1", "memif:x,ip=10.0.0.1/33", "memif:x,ip=10.0.0.1/0", "memif:x,ip=224.0.0.1/24",
		"memif:x,ip=127.0.0.1/8", "memif:x,gw=0.0.0.0", "memif:x,gw=10.0.0.1,gw=10.0.0.2", "memif:x,mtu=100",
		"memif:x,mac=03:00:00:00:00:00", "memif:x,mac=02:00:00:00:00", "memif:x,mac=02:00:00:00:00:00:00",
		"memif:x,secret=012345678901234567890123", "pcap:", "pcap:,speed=max", "pcap:x,speed=fast", "pcap:x,loop=-1",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		why[0] = 0;
		if (vi_spec_parse(&s, bad[i], why) != -EINVAL)
			fail_msg("taken: %s", bad[i]);
		assert_true(why[0]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(kernel_names_are_left_alone),
		cmocka_unit_test(every_option_arrives),
		cmocka_unit_test(the_ends_have_different_macs),
		cmocka_unit_test(nothing_is_ignored),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) ? 1 : 0;
}
