// SPDX-License-Identifier: BSD-2-Clause
/* Tables written by cp_writer.c give the forwarding answers that the kernel would
 * give, and a reader beside a writer never sees a mixture. */
#include "cp/cp_lookup.h"
#include "cp/cp_writer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/rtnetlink.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct cp_addr128 A(const char *s)
{
	struct cp_addr128 a = { { 0, 0 } };
	uint8_t *b = (uint8_t *)&a;

	if (strchr(s, ':')) {
		assert_int_equal(inet_pton(AF_INET6, s, b), 1);
	} else {
		b[10] = b[11] = 0xff;
		assert_int_equal(inet_pton(AF_INET, s, b + 12), 1);
	}
	return a;
}

static struct cp_shm *shm;
static struct cp cp;

static void link_add(uint32_t ifindex, const char *name, uint32_t flags, uint32_t mtu)
{
	struct cp_link l = { .ifindex = ifindex, .flags = flags, .mtu = mtu, .n_rxq = 1,
			     .mac = { 2, 0, 0, 0, 0, (uint8_t)ifindex } };

	snprintf(l.name, sizeof(l.name), "%s", name);
	assert_int_equal(cp_set_link(shm, &l), 0);
}

static void addr_add(uint32_t ifindex, const char *a, int plen, int scope, int flags)
{
	struct cp_addr x = { .addr = A(a), .ifindex = ifindex, .prefix_len = (uint8_t)plen,
			     .scope = (uint8_t)scope, .flags = (uint8_t)flags };

	assert_int_equal(cp_set_addr(shm, &x), 0);
}

static void route_add(const char *dst, int plen, const char *gw, const char *src, uint32_t ifindex,
		      uint32_t metric, int type)
{
	struct cp_route r = { .dst = A(dst), .ifindex = ifindex, .metric = metric,
			      .prefix_len = (uint8_t)plen, .type = (uint8_t)type };

	if (gw)
		r.gateway = A(gw);
	if (src)
		r.prefsrc = A(src);
	assert_int_equal(cp_set_route(shm, &r), 0);
}

static int setup(void **state)
{
	shm = calloc(1, sizeof(*shm));
	cp.shm = shm;
	cp_init(shm, 7);
	cp_begin(shm);
	link_add(1, "lo", CP_LINK_UP | CP_LINK_LOOPBACK, 65536);
	link_add(2, "eth0", CP_LINK_UP | CP_LINK_ETHER, 1500);
	link_add(3, "eth1", CP_LINK_UP | CP_LINK_ETHER, 9000);
	addr_add(1, "127.0.0.1", 104, RT_SCOPE_HOST, 0);
	addr_add(2, "10.0.0.5", 120, 0, 0);
	addr_add(2, "10.0.0.6", 120, 0, CP_ADDR_SECONDARY);
	addr_add(3, "192.168.7.1", 120, 0, 0);
	addr_add(2, "fe80::5", 64, RT_SCOPE_LINK, 0);
	addr_add(3, "fe80::7", 64, RT_SCOPE_LINK, 0);
	addr_add(2, "2001:db8::5", 64, 0, 0);
	addr_add(2, "2001:db8::dead", 64, 0, CP_ADDR_DEPRECATED);
	addr_add(2, "fd00::5", 64, 0, 0);
	/* inserted in an order that is not the table's */
	route_add("0.0.0.0", 96, "10.0.0.1", NULL, 2, 100, CP_RT_UNICAST);
	route_add("0.0.0.0", 96, "192.168.7.254", NULL, 3, 50, CP_RT_UNICAST);
	route_add("10.0.0.0", 120, NULL, "10.0.0.5", 2, 0, CP_RT_UNICAST);
	route_add("10.0.0.5", 128, NULL, "10.0.0.5", 2, 0, CP_RT_LOCAL);
	route_add("10.0.0.255", 128, NULL, "10.0.0.5", 2, 0, CP_RT_BROADCAST);
	route_add("10.9.0.0", 112, "10.0.0.9", NULL, 2, 0, CP_RT_UNICAST);
	route_add("10.9.9.0", 120, NULL, NULL, 0, 0, CP_RT_UNREACHABLE);
	route_add("192.168.7.0", 120, NULL, "192.168.7.1", 3, 0, CP_RT_UNICAST);
	route_add("127.0.0.0", 104, NULL, "127.0.0.1", 1, 0, CP_RT_LOCAL);
	route_add("::", 0, "fe80::1", NULL, 2, 1024, CP_RT_UNICAST);
	route_add("fe80::", 64, NULL, NULL, 2, 256, CP_RT_UNICAST);
	route_add("fe80::", 64, NULL, NULL, 3, 256, CP_RT_UNICAST);
	route_add("2001:db8::", 64, NULL, NULL, 2, 256, CP_RT_UNICAST);
	route_add("2001:db8::5", 128, NULL, NULL, 2, 0, CP_RT_LOCAL);
	cp_end(shm, true);
	return 0;
}

static int teardown(void **state)
{
	free(shm);
	return 0;
}

static int route(const char *dst, const char *src, uint32_t oif, struct cp_fwd *f)
{
	struct cp_addr128 d = A(dst), s = { { 0, 0 } };

	if (src)
		s = A(src);
	return cp_route(&cp, &d, &s, oif, f);
}

static void assert_addr(const struct cp_addr128 *a, const char *s)
{
	struct cp_addr128 b = A(s);

	assert_memory_equal(a, &b, 16);
}

static void longest_prefix_wins_then_lower_metric(void **state)
{
	struct cp_fwd f;

	assert_int_equal(route("10.0.0.77", NULL, 0, &f), 0);
	assert_int_equal(f.ifindex, 2);
	assert_addr(&f.nexthop, "10.0.0.77");
	assert_addr(&f.src, "10.0.0.5");
	assert_int_equal(f.mtu, 1500);
	assert_int_equal(f.neigh_state, CP_NEIGH_NONE);
	assert_int_equal(route("10.9.1.1", NULL, 0, &f), 0);
	assert_addr(&f.nexthop, "10.0.0.9");
	assert_addr(&f.src, "10.0.0.5");
	assert_int_equal(route("8.8.8.8", NULL, 0, &f), 0);
	assert_int_equal(f.ifindex, 3);
	assert_addr(&f.src, "192.168.7.1");
	assert_int_equal(f.mtu, 9000);
	assert_int_equal(route("10.9.9.9", NULL, 0, &f), -EHOSTUNREACH);
}

static void bound_interface_chooses_among_routes(void **state)
{
	struct cp_fwd f;

	assert_int_equal(route("8.8.8.8", NULL, 2, &f), 0);
	assert_addr(&f.nexthop, "10.0.0.1");
	assert_int_equal(route("fe80::99", NULL, 3, &f), 0);
	assert_int_equal(f.ifindex, 3);
	assert_addr(&f.src, "fe80::7");
	/* no route by eth0 to eth1's net: on link, as the kernel assumes */
	assert_int_equal(route("192.168.7.9", "10.0.0.6", 2, &f), 0);
	assert_int_equal(f.ifindex, 2);
	assert_addr(&f.src, "10.0.0.6");
}

static void local_and_broadcast_are_told_apart(void **state)
{
	const uint8_t ff[6] = { 255, 255, 255, 255, 255, 255 };
	struct cp_fwd f;

	assert_int_equal(route("10.0.0.5", NULL, 0, &f), 0);
	assert_int_equal(f.type, CP_RT_LOCAL);
	assert_int_equal(route("127.0.0.9", NULL, 0, &f), 0);
	assert_int_equal(f.type, CP_RT_LOCAL);
	assert_true(f.link_flags & CP_LINK_LOOPBACK);
	assert_int_equal(route("2001:db8::5", NULL, 0, &f), 0);
	assert_int_equal(f.type, CP_RT_LOCAL);
	assert_int_equal(route("10.0.0.255", NULL, 0, &f), 0);
	assert_int_equal(f.type, CP_RT_BROADCAST);
	assert_memory_equal(f.dmac, ff, 6);
	assert_int_equal(route("255.255.255.255", NULL, 2, &f), 0);
	assert_int_equal(f.type, CP_RT_BROADCAST);
	assert_int_equal(f.neigh_state, CP_NEIGH_VALID);
}

static void multicast_goes_to_the_group_mac(void **state)
{
	const uint8_t m4[6] = { 1, 0, 0x5e, 0x7f, 2, 3 }, m6[6] = { 0x33, 0x33, 0, 1, 0, 2 };
	struct cp_fwd f;

	assert_int_equal(route("239.255.2.3", NULL, 2, &f), 0);
	assert_memory_equal(f.dmac, m4, 6);
	assert_int_equal(f.neigh_state, CP_NEIGH_VALID);
	assert_addr(&f.src, "10.0.0.5");
	/* by the bound source address, and by the default route */
	assert_int_equal(route("239.255.2.3", "10.0.0.5", 0, &f), 0);
	assert_int_equal(f.ifindex, 2);
	assert_int_equal(route("239.255.2.3", NULL, 0, &f), 0);
	assert_int_equal(f.ifindex, 3);
	assert_addr(&f.nexthop, "239.255.2.3");
	assert_int_equal(route("ff02::1:2", NULL, 2, &f), 0);
	assert_memory_equal(f.dmac, m6, 6);
	assert_addr(&f.src, "fe80::5");
}

static void ipv6_source_follows_rfc6724(void **state)
{
	struct cp_fwd f;

	assert_int_equal(route("2001:db8::99", NULL, 0, &f), 0);
	assert_addr(&f.src, "2001:db8::5");
	assert_int_equal(route("2a00::1", NULL, 0, &f), 0);
	assert_addr(&f.nexthop, "fe80::1");
	assert_addr(&f.src, "2001:db8::5");	/* label before ULA; never the deprecated */
	assert_int_equal(route("fd00::99", NULL, 0, &f), 0);
	assert_addr(&f.src, "fd00::5");
	assert_int_equal(route("fe80::99", NULL, 0, &f), 0);
	assert_int_equal(f.ifindex, 2);
	assert_addr(&f.src, "fe80::5");
}

static void ipv6_default_is_no_ipv4_route(void **state)
{
	struct cp_route d4 = { .dst = A("0.0.0.0"), .prefix_len = 96, .ifindex = 2, .metric = 100 };
	struct cp_fwd f;

	cp_begin(shm);
	cp_del_route(shm, &d4);
	d4.ifindex = 3;
	d4.metric = 50;
	cp_del_route(shm, &d4);
	cp_end(shm, true);
	assert_int_equal(route("8.8.8.8", NULL, 0, &f), -ENETUNREACH);
	assert_int_equal(route("2a00::1", NULL, 0, &f), 0);
}

static void neighbours_survive_collisions_and_deletion(void **state)
{
	struct cp_neigh n = { .ifindex = 2, .state = CP_NEIGH_VALID };
	struct cp_addr128 a = A("10.0.0.0");
	uint8_t mac[6];
	uint32_t ip;

	for (uint32_t i = 0; i < 9000; i++) {
		ip = htonl(0x0a000000 + i);
		memcpy((uint8_t *)&a + 12, &ip, 4);
		n.addr = a;
		memcpy(n.mac, &i, 4);
		assert_int_equal(cp_set_neigh(shm, &n), 1);
		assert_int_equal(cp_set_neigh(shm, &n), 0);
	}
	for (uint32_t i = 0; i < 9000; i += 3) {
		ip = htonl(0x0a000000 + i);
		memcpy((uint8_t *)&a + 12, &ip, 4);
		assert_int_equal(cp_del_neigh(shm, 2, &a), 1);
	}
	for (uint32_t i = 0; i < 9000; i++) {
		ip = htonl(0x0a000000 + i);
		memcpy((uint8_t *)&a + 12, &ip, 4);
		assert_int_equal(cp_neigh(&cp, 2, &a, mac), i % 3 ? CP_NEIGH_VALID : CP_NEIGH_NONE);
		if (i % 3)
			assert_memory_equal(mac, &i, 4);
	}
	assert_int_equal(cp_neigh(&cp, 3, &a, mac), CP_NEIGH_NONE);
}

static void full_neighbour_table_refuses_and_ends(void **state)
{
	struct cp_neigh n = { .ifindex = 2, .state = CP_NEIGH_VALID };
	int rc = 0, i;
	uint8_t mac[6];

	for (i = 0; i <= CP_MAX_NEIGHS && rc >= 0; i++) {
		n.addr.d[1] = (uint64_t)i * 0x10001 + 1;
		rc = cp_set_neigh(shm, &n);
	}
	assert_int_equal(rc, -ENOSPC);
	assert_int_equal(i, CP_MAX_NEIGHS + 1);
	n.addr.d[1] = 0xffffffffffull;
	assert_int_equal(cp_neigh(&cp, 2, &n.addr, mac), CP_NEIGH_NONE);
	assert_int_equal(cp_del_neigh(shm, 2, &n.addr), 0);
	n.addr.d[1] = 1;
	assert_int_equal(cp_del_neigh(shm, 2, &n.addr), 1);
	assert_int_equal(cp_set_neigh(shm, &n), 1);
}

static void rules_and_multipath_are_left_to_the_kernel(void **state)
{
	struct cp_fwd f;

	shm->routes[0].multipath = 1;
	for (uint32_t i = 0; i < shm->n_routes; i++)
		shm->routes[i].multipath = 1;
	assert_int_equal(route("8.8.8.8", NULL, 0, &f), -EOPNOTSUPP);
	for (uint32_t i = 0; i < shm->n_routes; i++)
		shm->routes[i].multipath = 0;
	assert_int_equal(route("8.8.8.8", NULL, 0, &f), 0);
	shm->has_rules = 1;
	assert_int_equal(route("8.8.8.8", NULL, 0, &f), -EOPNOTSUPP);
}

static void equal_replacement_keeps_gen(void **state)
{
	static struct cp_route copy[CP_MAX_ROUTES + 1];
	uint32_t n = shm->n_routes, gen = cp_gen(&cp);
	struct cp_fwd f;

	for (uint32_t i = 0; i < n; i++)
		copy[i] = shm->routes[n - 1 - i];
	cp_replace_routes(shm, copy, n, false);	/* ties get their order */
	gen = cp_gen(&cp);
	for (uint32_t i = 0; i < n; i++)
		copy[i] = shm->routes[n - 1 - i];
	assert_int_equal(cp_replace_routes(shm, copy, n, false), 0);
	assert_int_equal(cp_gen(&cp), gen);
	assert_int_equal(cp_replace_routes(shm, copy, n - 1, false), 1);
	assert_int_not_equal(cp_gen(&cp), gen);
	/* more than fits: undecided, not wrongly decided */
	assert_int_equal(cp_replace_routes(shm, copy, CP_MAX_ROUTES + 1, false), 1);
	assert_int_equal(route("10.0.0.77", NULL, 0, &f), -EOPNOTSUPP);
}

static void dead_writer_does_not_hang_readers(void **state)
{
	struct cp_link l;
	struct cp_fwd f;

	cp_begin(shm);
	assert_int_equal(route("10.0.0.77", NULL, 0, &f), -EOPNOTSUPP);
	assert_int_equal(cp_link_get(&cp, 2, &l), -ENODEV);
	cp_begin(shm);	/* its successor */
	cp_end(shm, true);
	assert_int_equal(route("10.0.0.77", NULL, 0, &f), 0);
}

static void links_and_owners(void **state)
{
	struct cp_addr128 a = A("192.168.7.1");
	struct cp_link l;

	assert_int_equal(cp_addr_owner(&cp, &a), 3);
	a = A("192.168.7.2");
	assert_int_equal(cp_addr_owner(&cp, &a), 0);
	assert_int_equal(cp_link_find(&cp, "eth1", &l), 0);
	assert_int_equal(l.ifindex, 3);
	assert_int_equal(cp_link_find(&cp, "eth", &l), -ENODEV);
	assert_int_equal(cp_link_at(&cp, 2, &l), 0);
	assert_int_equal(cp_link_at(&cp, 3, &l), -ENOENT);
	cp_del_link(shm, 1);
	assert_int_equal(cp_link_get(&cp, 1, &l), -ENODEV);
	assert_int_equal(cp_link_get(&cp, 3, &l), 0);
	assert_int_equal(shm->n_links, 2);
}

static volatile bool stop;

static void *flip(void *arg)
{
	/* One state: MAC and address agree; between them they do not. */
	for (uint32_t i = 0; !stop; i++) {
		cp_begin(shm);
		memset(shm->links[1].mac, (int)(i & 1), 6);
		shm->links[1].mtu = i & 1;
		cp_end(shm, true);
	}
	return NULL;
}

static void reader_never_sees_a_mixture(void **state)
{
	struct cp_link l;
	pthread_t t;

	stop = false;
	memset(shm->links[1].mac, 0, 6);
	shm->links[1].mtu = 0;
	assert_int_equal(pthread_create(&t, NULL, flip, NULL), 0);
	for (int i = 0; i < 20000; i++) {
		if (cp_link_get(&cp, 2, &l) < 0)
			continue;
		assert_int_equal(l.mac[0], l.mtu);
		assert_int_equal(l.mac[5], l.mtu);
	}
	stop = true;
	pthread_join(t, NULL);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(longest_prefix_wins_then_lower_metric),
		T(bound_interface_chooses_among_routes),
		T(local_and_broadcast_are_told_apart),
		T(multicast_goes_to_the_group_mac),
		T(ipv6_source_follows_rfc6724),
		T(ipv6_default_is_no_ipv4_route),
		T(neighbours_survive_collisions_and_deletion),
		T(full_neighbour_table_refuses_and_ends),
		T(rules_and_multipath_are_left_to_the_kernel),
		T(equal_replacement_keeps_gen),
		T(dead_writer_does_not_hang_readers),
		T(links_and_owners),
		T(reader_never_sees_a_mixture),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
