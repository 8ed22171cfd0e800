// SPDX-License-Identifier: BSD-2-Clause
/* UDP between simulated hosts: delivery, choice of endpoint, queues, groups, errors. */
#include <errno.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <setjmp.h>
#include <string.h>

#include <cmocka.h>

#include "sim.h"
#include "udp/udp.h"
#include "wire/eth.h"
#include "wire/icmp.h"
#include "wire/ip4.h"
#include "wire/ip6.h"
#include "wire/udp.h"

#define MS NSEC_PER_MSEC

static struct udp_ep *udp_open(struct sim_host *h, const struct ipaddr *laddr, uint16_t lport,
			       uint32_t flags)
{
	struct udp_ep *u = udp_ep(sim_ep(h, IPPROTO_UDP, laddr, lport));

	udp_init(&h->net, u, 212992);
	u->ep.flags |= flags;
	assert_int_equal(demux_insert(&h->net, &u->ep), 0);
	return u;
}

static struct udp_ep *udp_open_to(struct sim_host *h, const struct ipaddr *laddr, uint16_t lport,
				  const struct ipaddr *raddr, uint16_t rport)
{
	struct udp_ep *u = udp_ep(sim_ep(h, IPPROTO_UDP, laddr, lport));

	udp_init(&h->net, u, 212992);
	u->ep.flow.raddr = *raddr;
	u->ep.flow.rport = to_be16(rport);
	u->ep.flags |= EP_F_CONNECTED;
	assert_int_equal(demux_insert(&h->net, &u->ep), 0);
	return u;
}

static int send_buf(struct sim_host *h, struct udp_ep *u, const struct ipaddr *to, uint16_t port,
		    const void *buf, size_t len)
{
	struct iovec iov = { (void *)buf, len };
	struct udp_dst d = { .port = to_be16(port), .ttl = -1, .tos = -1 };

	if (!to)
		return udp_send(&h->net, u, NULL, &iov, 1, len);
	d.addr = *to;
	return udp_send(&h->net, u, &d, &iov, 1, len);
}

/* Reads one datagram as a string; -1 when there is none. */
static int recv_buf(struct sim_host *h, struct udp_ep *u, char *buf, size_t len)
{
	struct iovec iov = { buf, len };
	struct pkt *p = udp_pop(&h->net, u);
	int n;

	if (!p)
		return -1;
	n = (int)udp_copy_out(&h->net, p, 0, &iov, 1);
	pkt_free(&h->net, p);
	return n;
}

static void expect(struct sim_host *h, struct udp_ep *u, const char *want)
{
	char buf[2048] = { 0 };
	int n = recv_buf(h, u, buf, sizeof(buf) - 1);

	if (!want) {
		assert_int_equal(n, -1);
		return;
	}
	assert_int_equal(n, strlen(want));
	assert_string_equal(buf, want);
}

static uint64_t drops(struct sim_host *h, enum net_drop d)
{
	return h->net.shm->drops[d];
}

static uint64_t all_drops(struct sim_host *h)
{
	uint64_t n = 0;

	for (int i = 0; i < NET_N_DROPS; i++)
		n += h->net.shm->drops[i];
	return n;
}

/* ---- round trips ---------------------------------------------------------------- */

static void round_trip(bool v6)
{
	struct sim *s = sim_create(1);
	struct sim_host *a = sim_host_add(s, NULL), *b = sim_host_add(s, NULL);
	struct ipaddr *pa = v6 ? &a->ip6 : &a->ip4, *pb = v6 ? &b->ip6 : &b->ip4;
	struct udp_ep *ua = udp_open_to(a, pa, 1000, pb, 2000);
	struct udp_ep *ub = udp_open(b, NULL, 2000, 0);
	struct ipaddr src, dst;
	struct pkt *p;
	be16_t sport;
	char big[1500], got[1500];

	assert_int_equal(send_buf(a, ua, NULL, 0, "hello", 5), 0);
	sim_run(s, 1 * MS);
	p = udp_peek(&b->net, ub);
	assert_non_null(p);
	udp_addrs(p, &src, &sport, &dst);
	assert_true(ipaddr_eq(&src, pa) && ipaddr_eq(&dst, pb));
	assert_int_equal(from_be16(sport), 1000);
	assert_int_equal(p->ttl, 64);
	expect(b, ub, "hello");

	/* And back, unconnected; empty datagrams exist. */
	assert_int_equal(send_buf(b, ub, pa, 1000, "", 0), 0);
	assert_int_equal(send_buf(b, ub, pa, 1000, "again", 5), 0);
	sim_run(s, 1 * MS);
	expect(a, ua, "");
	expect(a, ua, "again");
	expect(a, ua, NULL);

	/* Every length up to the MTU, each byte in its place; one more is refused. */
	for (size_t len = 1; len <= (v6 ? 1452u : 1472u); len += 37) {
		for (size_t i = 0; i < len; i++)
			big[i] = (char)sim_rand(s);
		assert_int_equal(send_buf(a, ua, NULL, 0, big, len), 0);
		sim_run(s, 1 * MS);
		assert_int_equal(recv_buf(b, ub, got, sizeof(got)), len);
		assert_memory_equal(big, got, len);
	}
	assert_int_equal(send_buf(a, ua, NULL, 0, big, v6 ? 1452 : 1472), 0);
	assert_int_equal(send_buf(a, ua, NULL, 0, big, v6 ? 1453 : 1473), -EMSGSIZE);
	sim_run(s, 1 * MS);
	assert_int_equal(all_drops(a) + all_drops(b), 0);
	sim_check(s);

	udp_close(&a->net, ua);
	udp_close(&b->net, ub);
	sim_check(s);
	assert_int_equal(a->net.shm->ep_n_used + b->net.shm->ep_n_used, 0);
	sim_destroy(s);
}

static void carries_datagrams_over_ipv4(void **state)
{
	(void)state;
	round_trip(false);
}

static void carries_datagrams_over_ipv6(void **state)
{
	(void)state;
	round_trip(true);
}

/* Headers are kept from one datagram to the next: every change must show at once. */
static void options_and_peers_change_at_once(void **state)
{
	struct sim *s = sim_create(18);
	struct sim_host *a = sim_host_add(s, NULL), *b = sim_host_add(s, NULL);
	struct sim_host *c = sim_host_add(s, NULL);
	struct udp_ep *ua = udp_open_to(a, &a->ip4, 1000, &b->ip4, 2000);
	struct udp_ep *ub = udp_open(b, NULL, 2000, 0), *uc = udp_open(c, NULL, 2001, 0);
	struct pkt *p;

	(void)state;
	for (int i = 0; i < 2; i++)
		assert_int_equal(send_buf(a, ua, NULL, 0, "one", 3), 0);
	ua->ep.ttl = 9;
	ua->ep.tos = 0xb8;
	assert_int_equal(send_buf(a, ua, NULL, 0, "two", 3), 0);
	sim_run(s, 1 * MS);
	assert_int_equal(udp_peek(&b->net, ub)->ttl, 64);
	expect(b, ub, "one");
	expect(b, ub, "one");
	p = udp_peek(&b->net, ub);
	assert_int_equal(p->ttl, 9);
	assert_int_equal(p->tos, 0xb8);
	expect(b, ub, "two");

	/* Another peer, as connect() on a connected socket does it. */
	demux_remove(&a->net, &ua->ep);
	ua->ep.flow.raddr = c->ip4;
	ua->ep.flow.rport = to_be16(2001);
	ua->ep.route.gen = 0;
	assert_int_equal(demux_insert(&a->net, &ua->ep), 0);
	for (int i = 0; i < 2; i++)
		assert_int_equal(send_buf(a, ua, NULL, 0, "three", 5), 0);
	sim_run(s, 1 * MS);
	expect(b, ub, NULL);
	expect(c, uc, "three");
	expect(c, uc, "three");

	/* The peer's MAC moves to host 2, which does not have the address. */
	sim_neigh_set(a, &c->ip4, b->mac, CP_NEIGH_VALID);
	assert_int_equal(send_buf(a, ua, NULL, 0, "four", 4), 0);
	sim_run(s, 1 * MS);
	expect(c, uc, NULL);
	assert_int_equal(drops(b, NET_DROP_no_socket), 1);
	sim_check(s);
	sim_destroy(s);
}

static void gathers_and_scatters(void **state)
{
	struct sim *s = sim_create(2);
	struct sim_host *a = sim_host_add(s, NULL), *b = sim_host_add(s, NULL);
	struct udp_ep *ua = udp_open_to(a, &a->ip4, 1000, &b->ip4, 2000);
	struct udp_ep *ub = udp_open(b, NULL, 2000, 0);
	/* Odd lengths: sums of pieces must be put together with a byte's shift. */
	struct iovec out[] = { { "a", 1 }, { "", 0 }, { "bcd", 3 }, { "efghi", 5 } };
	char x[2], y[5];
	struct iovec in[] = { { x, 2 }, { x, 0 }, { y, 5 } };
	struct pkt *p;

	(void)state;
	assert_int_equal(udp_send(&a->net, ua, NULL, out, 4, 9), 0);
	sim_run(s, 1 * MS);
	p = udp_pop(&b->net, ub);
	assert_non_null(p);
	assert_int_equal(udp_copy_out(&b->net, p, 1, in, 3), 7);
	assert_memory_equal(x, "bc", 2);
	assert_memory_equal(y, "defgh", 5);
	assert_int_equal(udp_copy_out(&b->net, p, 8, in, 3), 1);
	assert_int_equal(udp_copy_out(&b->net, p, 9, in, 3), 0);
	pkt_free(&b->net, p);
	sim_check(s);
	sim_destroy(s);
}

/* ---- who gets it ------------------------------------------------------------------ */

static void most_specific_endpoint_wins(void **state)
{
	struct sim *s = sim_create(3);
	struct sim_host *a = sim_host_add(s, NULL), *b = sim_host_add(s, NULL);
	struct udp_ep *ua = udp_open(a, &a->ip4, 1000, 0), *u6 = udp_open(a, &a->ip6, 1000, 0);
	struct udp_ep *dual, *v6only, *v4, *addr, *dev, *conn;

	(void)state;
#define SAY(text) do { \
		assert_int_equal(send_buf(a, ua, &b->ip4, 2000, text, strlen(text)), 0); \
		sim_run(s, 1 * MS); \
	} while (0)

	v6only = udp_open(b, NULL, 2000, EP_F_V6ONLY);
	SAY("nobody");
	assert_int_equal(drops(b, NET_DROP_no_socket), 1);
	expect(b, v6only, NULL);

	dual = udp_open(b, NULL, 2000, 0);
	SAY("dual");
	expect(b, dual, "dual");
	v4 = udp_open(b, NULL, 2000, EP_F_V4);
	SAY("v4");
	expect(b, v4, "v4");
	dev = udp_ep(sim_ep(b, IPPROTO_UDP, NULL, 2000));
	udp_init(&b->net, dev, 1000);
	dev->ep.bound_if = SIM_IFINDEX;
	assert_int_equal(demux_insert(&b->net, &dev->ep), 0);
	SAY("device");
	expect(b, dev, "device");
	addr = udp_open(b, &b->ip4, 2000, EP_F_V4);
	SAY("address");
	expect(b, addr, "address");
	conn = udp_open_to(b, &b->ip4, 2000, &a->ip4, 1000);
	SAY("connected");
	expect(b, conn, "connected");

	/* Bound to another interface: never. */
	demux_remove(&b->net, &dev->ep);
	dev->ep.bound_if = SIM_IFINDEX + 1;
	assert_int_equal(demux_insert(&b->net, &dev->ep), 0);
	udp_close(&b->net, conn);
	udp_close(&b->net, addr);
	udp_close(&b->net, v4);
	udp_close(&b->net, dual);
	SAY("other device");
	expect(b, dev, NULL);
	assert_int_equal(drops(b, NET_DROP_no_socket), 2);

	/* An IPv6 packet is not for AF_INET sockets. */
	v4 = udp_open(b, NULL, 2000, EP_F_V4);
	assert_int_equal(send_buf(a, u6, &b->ip6, 2000, "six", 3), 0);
	sim_run(s, 1 * MS);
	expect(b, v4, NULL);
	expect(b, v6only, "six");
#undef SAY
	sim_check(s);
	sim_destroy(s);
}

static void connected_endpoint_hears_only_its_peer(void **state)
{
	struct sim *s = sim_create(4);
	struct sim_host *a = sim_host_add(s, NULL), *b = sim_host_add(s, NULL);
	struct udp_ep *u1 = udp_open(a, &a->ip4, 1000, 0), *u2 = udp_open(a, &a->ip4, 1001, 0);
	struct udp_ep *conn = udp_open_to(b, &b->ip4, 2000, &a->ip4, 1000);

	(void)state;
	assert_int_equal(send_buf(a, u1, &b->ip4, 2000, "peer", 4), 0);
	assert_int_equal(send_buf(a, u2, &b->ip4, 2000, "stranger", 8), 0);
	sim_run(s, 1 * MS);
	expect(b, conn, "peer");
	expect(b, conn, NULL);
	assert_int_equal(drops(b, NET_DROP_no_socket), 1);
	sim_check(s);
	sim_destroy(s);
}

static void reuseport_spreads_flows_and_keeps_them(void **state)
{
	enum { N = 4, FLOWS = 400 };
	struct sim *s = sim_create(5);
	struct sim_host *a = sim_host_add(s, NULL), *b = sim_host_add(s, NULL);
	struct udp_ep *u[N];
	unsigned got[N] = { 0 };

	(void)state;
	for (int i = 0; i < N; i++)
		u[i] = udp_open(b, NULL, 2000, EP_F_REUSEPORT);
	for (int f = 0; f < FLOWS; f++) {
		struct udp_ep *from = udp_open(a, &a->ip4, (uint16_t)(10000 + f), 0);
		int who = -1;

		for (int k = 0; k < 2; k++) {
			char c;

			assert_int_equal(send_buf(a, from, &b->ip4, 2000, "x", 1), 0);
			sim_run(s, 1 * MS);
			for (int i = 0; i < N; i++) {
				if (recv_buf(b, u[i], &c, 1) != 1)
					continue;
				assert_true(who < 0 || who == i);
				who = i;
				got[i]++;
			}
		}
		assert_true(who >= 0);
		udp_close(&a->net, from);
	}
	/* 200 each on average; a spread this wide has probability below 1e-9. */
	for (int i = 0; i < N; i++)
		assert_in_range(got[i], 100, 300);
	sim_check(s);
	sim_destroy(s);
}

/* ---- groups ------------------------------------------------------------------------- */

static void group_is_copied_to_every_member(void **state)
{
	struct sim *s = sim_create(6);
	struct sim_host *a = sim_host_add(s, NULL), *b = sim_host_add(s, NULL);
	struct sim_host *c = sim_host_add(s, NULL);
	struct ipaddr g = ipaddr_from4(to_be32(0xefc00001)), g2 = ipaddr_from4(to_be32(0xefc00002));
	struct udp_ep *ua = udp_open(a, &a->ip4, 1000, 0);
	struct udp_ep *m1 = udp_open(b, NULL, 5000, 0), *m2 = udp_open(b, &g, 5000, 0);
	struct udp_ep *other = udp_open(b, &g2, 5000, 0), *port = udp_open(b, NULL, 5001, 0);
	struct udp_ep *all = udp_open(b, NULL, 5000, 0), *mc = udp_open(c, NULL, 5000, 0);
	uint32_t before = b->net.shm->pkt_n_free;
	struct pkt *p;

	(void)state;
	m1->ep.flags &= ~(uint32_t)EP_F_MCAST_ALL;
	m2->ep.flags &= ~(uint32_t)EP_F_MCAST_ALL;
	assert_int_equal(udp_join(&b->net, m1, &g, SIM_IFINDEX), 0);
	assert_int_equal(udp_join(&b->net, m1, &g, SIM_IFINDEX), -EADDRINUSE);
	assert_int_equal(udp_join(&b->net, m2, &g, SIM_IFINDEX), 0);
	assert_int_equal(udp_join(&b->net, m2, &a->ip4, SIM_IFINDEX), -EINVAL);

	assert_int_equal(send_buf(a, ua, &g, 5000, "tick", 4), 0);
	sim_run(s, 1 * MS);
	p = udp_peek(&b->net, m1);
	assert_non_null(p);
	assert_int_equal(p->ttl, 1);
	assert_true(p->flags & PKT_F_MCAST);
	expect(b, m1, "tick");
	expect(b, m2, "tick");
	expect(b, all, "tick");		/* IP_MULTICAST_ALL is on */
	expect(b, other, NULL);
	expect(b, port, NULL);
	expect(c, mc, "tick");
	assert_int_equal(b->net.shm->pkt_n_free, before);

	assert_int_equal(udp_leave(&b->net, m1, &g, SIM_IFINDEX), 0);
	assert_int_equal(udp_leave(&b->net, m1, &g, SIM_IFINDEX), -EADDRNOTAVAIL);
	all->ep.flags &= ~(uint32_t)EP_F_MCAST_ALL;
	assert_int_equal(send_buf(a, ua, &g, 5000, "tock", 4), 0);
	sim_run(s, 1 * MS);
	expect(b, m1, NULL);
	expect(b, all, NULL);
	expect(b, m2, "tock");

	udp_close(&b->net, m2);
	udp_close(&c->net, mc);
	assert_int_equal(send_buf(a, ua, &g, 5000, "void", 4), 0);
	sim_run(s, 1 * MS);
	assert_int_equal(drops(c, NET_DROP_no_socket), 1);
	sim_check(s);
	sim_destroy(s);
}

static void group_over_ipv6_and_broadcast(void **state)
{
	struct sim *s = sim_create(7);
	struct sim_host *a = sim_host_add(s, NULL), *b = sim_host_add(s, NULL);
	struct ipaddr g = { .b = { 0xff, 0x0e, [15] = 9 } };
	struct ipaddr bc = ipaddr_from4(to_be32(0xffffffff));
	struct udp_ep *u6 = udp_open(a, &a->ip6, 1000, 0), *u4 = udp_open(a, &a->ip4, 1000, 0);
	struct udp_ep *m1 = udp_open(b, NULL, 5000, 0), *m2 = udp_open(b, NULL, 5000, 0);
	struct udp_dst d = { .addr = g, .port = to_be16(5000), .oif = SIM_IFINDEX, .ttl = 7, .tos = -1 };
	struct iovec iov = { "six", 3 };
	struct pkt *p;

	(void)state;
	assert_int_equal(udp_send(&a->net, u6, &d, &iov, 1, 3), 0);
	sim_run(s, 1 * MS);
	p = udp_peek(&b->net, m1);
	assert_non_null(p);
	assert_int_equal(p->ttl, 7);
	expect(b, m1, "six");
	expect(b, m2, "six");

	d.addr = bc;
	assert_int_equal(udp_send(&a->net, u4, &d, &iov, 1, 3), 0);
	sim_run(s, 1 * MS);
	expect(b, m1, "six");
	expect(b, m2, "six");
	sim_check(s);
	sim_destroy(s);
}

/* ---- limits ------------------------------------------------------------------------- */

static void full_queue_drops_and_counts_exactly(void **state)
{
	struct sim *s = sim_create(8);
	struct sim_host *a = sim_host_add(s, NULL), *b = sim_host_add(s, NULL);
	struct udp_ep *ua = udp_open_to(a, &a->ip4, 1000, &b->ip4, 2000);
	struct udp_ep *ub = udp_open(b, NULL, 2000, 0);
	char c;
	int n;

	(void)state;
	/* 100 bytes are charged 356; the one that goes over the limit is taken. */
	ub->rcvbuf = 3560;
	for (int i = 0; i < 50; i++) {
		char buf[100] = { (char)i };

		assert_int_equal(send_buf(a, ua, NULL, 0, buf, sizeof(buf)), 0);
		sim_run(s, 1 * MS);
	}
	assert_int_equal(ub->rxq_pkts, 10);
	assert_int_equal(ub->rxq_max_pkts, 10);
	assert_int_equal(ub->drops, 40);
	assert_int_equal(drops(b, NET_DROP_udp_rcvbuf), 40);
	for (n = 0; recv_buf(b, ub, &c, 1) == 1; n++)
		assert_int_equal(c, n);		/* the oldest are kept, in order */
	assert_int_equal(n, 10);
	sim_check(s);
	sim_destroy(s);
}

static void slow_reader_leaves_frames_for_others(void **state)
{
	struct sim *s = sim_create(9);
	struct sim_host_conf conf = { .n_frames = 1024, .fill = 64 };
	struct sim_host *a = sim_host_add(s, NULL), *b = sim_host_add(s, &conf);
	struct udp_ep *ua = udp_open_to(a, &a->ip4, 1000, &b->ip4, 2000);
	struct udp_ep *ub = udp_open(b, NULL, 2000, 0), *uc = udp_open(b, NULL, 2001, 0);

	(void)state;
	ub->rcvbuf = 1 << 30;
	for (int i = 0; i < 1500; i++) {
		assert_int_equal(send_buf(a, ua, NULL, 0, "x", 1), 0);
		if (i % 32 == 0)
			sim_run(s, 1 * MS);
	}
	sim_run(s, 1 * MS);
	assert_int_equal(ub->rxq_pkts, 256);	/* a quarter of the frames */
	assert_int_equal(ub->drops, 1500 - 256);
	assert_int_equal(send_buf(a, ua, &b->ip4, 2001, "quick", 5), 0);
	sim_run(s, 1 * MS);
	expect(b, uc, "quick");
	sim_check(s);
	sim_destroy(s);
}

static void full_ring_is_reported(void **state)
{
	struct sim *s = sim_create(10);
	struct sim_host_conf conf = { .tx_ring = 64 };
	struct sim_host *a = sim_host_add(s, &conf), *b = sim_host_add(s, NULL);
	struct udp_ep *ua = udp_open_to(a, &a->ip4, 1000, &b->ip4, 2000);
	int ok = 0, again = 0;

	(void)state;
	for (int i = 0; i < 100; i++) {
		int rc = send_buf(a, ua, NULL, 0, "x", 1);

		ok += rc == 0;
		again += rc == -EAGAIN;
	}
	assert_int_equal(ok, 64);
	assert_int_equal(again, 36);
	assert_int_equal(ua->tx_dgrams, 64);
	assert_int_equal(drops(a, NET_DROP_tx_ring), 36);
	sim_run(s, 1 * MS);
	assert_int_equal(send_buf(a, ua, NULL, 0, "x", 1), 0);
	sim_check(s);
	sim_destroy(s);
}

/* ---- neighbours ------------------------------------------------------------------------ */

static void unresolved_next_hop_queues_then_sends(void **state)
{
	struct sim *s = sim_create(11);
	struct sim_host_conf conf = { .no_neighbours = true };
	struct sim_host *b = sim_host_add(s, NULL), *a = sim_host_add(s, &conf);
	struct udp_ep *ua = udp_open_to(a, &a->ip4, 1000, &b->ip4, 2000);
	struct udp_ep *ub = udp_open(b, NULL, 2000, 0);
	struct ipaddr hop;
	uint32_t ifindex;
	char c;

	(void)state;
	for (int i = 0; i < 130; i++) {
		char x = (char)i;

		assert_int_equal(send_buf(a, ua, NULL, 0, &x, 1), 0);
	}
	assert_int_equal(drops(a, NET_DROP_neigh_queue), 2);
	assert_int_equal(a->net.shm->defer_n, 128);
	/* One question for all of them. */
	assert_true(net_next_unresolved(&a->net, &ifindex, &hop));
	assert_int_equal(ifindex, SIM_IFINDEX);
	assert_true(ipaddr_eq(&hop, &b->ip4));
	assert_false(net_next_unresolved(&a->net, &ifindex, &hop));
	sim_run(s, 100 * MS);
	sim_check(s);
	assert_int_equal(ub->rxq_pkts, 0);

	sim_neigh_add(a, b);
	sim_run(s, 100 * MS);
	assert_int_equal(ub->rxq_pkts, 128);
	for (int i = 0; i < 128; i++) {
		assert_int_equal(recv_buf(b, ub, &c, 1), 1);
		assert_int_equal((uint8_t)c, i);
	}
	assert_int_equal(a->net.shm->defer_n + a->net.shm->unres_n, 0);
	assert_int_equal(send_buf(a, ua, NULL, 0, "x", 1), 0);
	sim_run(s, 1 * MS);
	assert_int_equal(ub->rxq_pkts, 1);
	sim_check(s);
	sim_destroy(s);
}

static void next_hop_that_never_answers_times_out(void **state)
{
	struct sim *s = sim_create(12);
	struct sim_host *a = sim_host_add(s, NULL);
	struct ipaddr dead = ipaddr_from4(to_be32(0x0a0000fe)), hop;
	struct udp_ep *ua = udp_open_to(a, &a->ip4, 1000, &dead, 2000);
	struct udp_ep *ur = udp_open_to(a, &a->ip4, 1001, &dead, 2000);
	uint8_t none[6] = { 0 };
	uint32_t ifindex;

	(void)state;
	ur->ep.flags |= EP_F_RECVERR;
	assert_int_equal(send_buf(a, ua, NULL, 0, "x", 1), 0);
	assert_int_equal(send_buf(a, ur, NULL, 0, "x", 1), 0);
	assert_true(net_next_unresolved(&a->net, &ifindex, &hop));
	sim_run(s, 2900 * MS);
	assert_int_equal(a->net.shm->defer_n, 2);
	sim_run(s, 200 * MS);
	assert_int_equal(a->net.shm->defer_n, 0);
	assert_int_equal(drops(a, NET_DROP_neigh_wait), 2);
	/* A soft error: only with IP_RECVERR. */
	assert_int_equal(ua->ep.so_error, 0);
	assert_int_equal(ur->ep.so_error, EHOSTUNREACH);

	/* The kernel says so sooner. */
	assert_int_equal(send_buf(a, ua, NULL, 0, "x", 1), 0);
	while (net_next_unresolved(&a->net, &ifindex, &hop))
		;
	sim_neigh_set(a, &dead, none, CP_NEIGH_FAILED);
	sim_run(s, 500 * MS);
	assert_int_equal(a->net.shm->defer_n, 1);	/* might be the old failure */
	sim_run(s, 1000 * MS);
	assert_int_equal(a->net.shm->defer_n, 0);
	sim_check(s);
	sim_destroy(s);
}

/* ---- what the network says --------------------------------------------------------------- */

/* A frame on its way, to be quoted; kept by a tap. */
struct kept {
	uint8_t frame[2048];
	size_t len;
};

static enum sim_verdict keep_frame(struct sim_host *from, uint8_t *frame, size_t len, void *arg)
{
	struct kept *k = arg;

	(void)from;
	memcpy(k->frame, frame, len);
	k->len = len;
	return SIM_DROP;
}

/* An ICMP error from @router about a kept frame, given to its sender. */
static void icmp4_about(struct sim_host *to, const struct kept *k, uint8_t type, uint8_t code,
			uint16_t mtu)
{
	uint8_t f[14 + 20 + 8 + 28];
	struct ip4 q = { 0 }, ip = { .tot_len = sizeof(f) - 14, .ttl = 64, .proto = IPPROTO_ICMP };
	uint8_t *icmp = f + 34;
	be16_t c;

	assert_int_equal(ip4_parse(k->frame + 14, k->len - 14, &q), 0);
	memcpy(f, k->frame + 6, 6);
	memcpy(f + 6, k->frame, 6);
	put_be16(f + 12, ETH_T_IP4);
	ip.src = to_be32(0x0a0000fd);
	ip.dst = q.src;
	ip4_put(f + 14, &ip);
	ip4_csum_set(f + 14);
	memset(icmp, 0, 8);
	icmp[0] = type;
	icmp[1] = code;
	put_be16(icmp + 6, mtu);
	memcpy(icmp + 8, k->frame + 14, 28);
	c = csum_fold(csum_partial(icmp, 36, 0));
	memcpy(icmp + 2, &c, 2);
	sim_inject(to, f, sizeof(f));
}

static void icmp_errors_reach_the_endpoint(void **state)
{
	struct sim *s = sim_create(13);
	struct sim_host *a = sim_host_add(s, NULL), *b = sim_host_add(s, NULL);
	struct udp_ep *conn = udp_open_to(a, &a->ip4, 1000, &b->ip4, 2000);
	struct udp_ep *un = udp_open(a, NULL, 1001, 0);
	struct kept k = { .len = 0 };
	char big[1000] = { 0 };
	struct udp_err e;

	(void)state;
	sim_tap(s, keep_frame, &k);
	assert_int_equal(send_buf(a, conn, NULL, 0, "x", 1), 0);
	sim_run(s, 1 * MS);
	assert_true(k.len > 0);
	icmp4_about(a, &k, ICMP4_T_UNREACH, ICMP4_C_HOST, 0);		/* soft */
	assert_int_equal(conn->ep.so_error, 0);
	icmp4_about(a, &k, ICMP4_T_UNREACH, ICMP4_C_PORT, 0);
	assert_int_equal(conn->ep.so_error, ECONNREFUSED);
	conn->ep.so_error = 0;
	assert_int_equal(a->net.shm->stats[NET_STAT_icmp_in_errors], 2);

	/* Too big: the endpoint learns the path's MTU. */
	icmp4_about(a, &k, ICMP4_T_UNREACH, ICMP4_C_FRAG_NEEDED, 1000);
	assert_int_equal(conn->ep.so_error, EMSGSIZE);
	assert_int_equal(send_buf(a, conn, NULL, 0, big, 973), -EMSGSIZE);
	assert_int_equal(send_buf(a, conn, NULL, 0, big, 972), 0);
	/* It stays when routes change, and does not fall below what the kernel accepts. */
	sim_neigh_set(a, &b->ip4, (uint8_t[6]){ 2, 0, 0, 0, 0, 9 }, CP_NEIGH_VALID);
	assert_int_equal(send_buf(a, conn, NULL, 0, big, 973), -EMSGSIZE);
	icmp4_about(a, &k, ICMP4_T_UNREACH, ICMP4_C_FRAG_NEEDED, 68);
	assert_int_equal(conn->ep.pmtu, 552);
	/* After ten minutes it is forgotten. */
	assert_int_equal(udp_pmtu(&a->net, conn, &b->ip4), 552);
	a->net.now += 600 * NSEC_PER_SEC;
	assert_int_equal(udp_pmtu(&a->net, conn, &b->ip4), 0);
	a->net.now -= 600 * NSEC_PER_SEC;

	/* Unconnected: nothing without IP_RECVERR. */
	assert_int_equal(send_buf(a, un, &b->ip4, 2000, "x", 1), 0);
	sim_run(s, 1 * MS);
	icmp4_about(a, &k, ICMP4_T_UNREACH, ICMP4_C_PORT, 0);
	assert_int_equal(un->ep.so_error, 0);
	assert_false(udp_err_pop(&a->net, un, &e));
	un->ep.flags |= EP_F_RECVERR;
	icmp4_about(a, &k, ICMP4_T_UNREACH, ICMP4_C_PORT, 0);
	assert_int_equal(un->ep.so_error, ECONNREFUSED);
	assert_true(udp_err_pop(&a->net, un, &e));
	assert_int_equal(un->ep.so_error, 0);
	assert_true(e.err == ECONNREFUSED && e.type == ICMP4_T_UNREACH && e.code == ICMP4_C_PORT && !e.local);
	assert_true(ipaddr_eq(&e.dst, &b->ip4) && e.dport.be == to_be16(2000).be);
	pkt_free(&a->net, e.pkt);
	/* A queue that nobody reads is bounded, and freed with the endpoint. */
	for (int i = 0; i < 100; i++)
		icmp4_about(a, &k, ICMP4_T_UNREACH, ICMP4_C_PORT, 0);
	assert_int_equal(un->errq_n, 32);
	sim_check(s);
	udp_close(&a->net, un);

	/* Not about us; damaged. */
	put_be16(k.frame + 34, 999);
	icmp4_about(a, &k, ICMP4_T_UNREACH, ICMP4_C_PORT, 0);
	assert_int_equal(drops(a, NET_DROP_icmp_bad), 1);
	sim_check(s);
	sim_destroy(s);
}

/* ---- damage ---------------------------------------------------------------------------------- */

static void corrupt_frames_are_dropped_and_counted(void **state)
{
	enum { N = 2000 };
	struct sim *s = sim_create(14);
	struct sim_host *a = sim_host_add(s, NULL), *b = sim_host_add(s, NULL);
	struct udp_ep *u4 = udp_open_to(a, &a->ip4, 1000, &b->ip4, 2000);
	struct udp_ep *u6 = udp_open_to(a, &a->ip6, 1000, &b->ip6, 2000);
	struct udp_ep *ub = udp_open(b, NULL, 2000, 0);
	char payload[64], got[64];
	int good = 0;

	(void)state;
	memset(payload, 'p', sizeof(payload));
	a->link.corrupt_ppm = 500000;
	for (int i = 0; i < N; i++) {
		assert_int_equal(send_buf(a, i & 1 ? u4 : u6, NULL, 0, payload, sizeof(payload)), 0);
		sim_run(s, 1 * MS);
		if (recv_buf(b, ub, got, sizeof(got)) < 0)
			continue;
		assert_memory_equal(got, payload, sizeof(got));
		good++;
	}
	/* Half of them arrive, and those whose damage no checksum covers: MACs of the
	 * sender, the bit that says multicast, IPv6's flow label and class. */
	assert_in_range(good, N / 2 - 100, N / 2 + 200);
	assert_int_equal(good + all_drops(b) + b->rx_foreign, N);
	assert_true(drops(b, NET_DROP_l4_csum) > 100);
	sim_check(s);
	sim_destroy(s);
}

static void partial_checksum_is_for_virtual_links(void **state)
{
	struct sim *s = sim_create(15);
	struct sim_host_conf virt = { .link_virtual = true };
	struct sim_host *a = sim_host_add(s, NULL), *b = sim_host_add(s, NULL);
	struct sim_host *v = sim_host_add(s, &virt);
	struct udp_ep *ua = udp_open(a, &a->ip4, 1000, 0);
	struct udp_ep *ub = udp_open(b, NULL, 2000, 0), *uv = udp_open(v, NULL, 2000, 0);
	struct kept k;
	be16_t c;

	(void)state;
	sim_tap(s, keep_frame, &k);
	for (int i = 0; i < 2; i++) {
		struct sim_host *to = i ? v : b;

		assert_int_equal(send_buf(a, ua, &to->ip4, 2000, "xyz", 3), 0);
		sim_run(s, 1 * MS);
		c.be = csum_fold_raw(csum_pseudo(&a->ip4, &to->ip4, IPPROTO_UDP, 11));
		memcpy(k.frame + 40, &c, 2);
		sim_inject(to, k.frame, k.len);
		/* None at all is allowed over IPv4. */
		memset(k.frame + 40, 0, 2);
		sim_inject(to, k.frame, k.len);
	}
	assert_int_equal(drops(b, NET_DROP_l4_csum), 1);
	assert_int_equal(ub->rxq_pkts, 1);
	assert_int_equal(drops(v, NET_DROP_l4_csum), 0);
	assert_int_equal(uv->rxq_pkts, 2);
	sim_destroy(s);
}

static void short_and_strange_frames_have_names(void **state)
{
	struct sim *s = sim_create(16);
	struct sim_host *a = sim_host_add(s, NULL), *b = sim_host_add(s, NULL);
	struct udp_ep *ua = udp_open(a, &a->ip4, 1000, 0), *ub = udp_open(b, NULL, 2000, 0);
	struct kept k;
	uint8_t f[2048];

	(void)state;
	sim_tap(s, keep_frame, &k);
	assert_int_equal(send_buf(a, ua, &b->ip4, 2000, "xyz", 3), 0);
	sim_run(s, 1 * MS);

#define TRY(change, reason) do { \
		uint64_t n = drops(b, NET_DROP_##reason); \
		memcpy(f, k.frame, k.len); \
		change; \
		ip4_csum_set(f + 14); \
		sim_inject(b, f, k.len); \
		assert_int_equal(drops(b, NET_DROP_##reason), n + 1); \
	} while (0)
	TRY(put_be16(f + 12, ETH_T_ARP), eth_type);
	TRY(f[14] = 0x55, ip_version);
	TRY(f[14] = 0x44, ip_version);
	TRY(put_be16(f + 16, 1000), ip_short);
	TRY(put_be16(f + 20, 0x2000), ip_frag);
	TRY(put_be16(f + 20, 1), ip_frag);
	TRY(f[23] = IPPROTO_SCTP, ip_proto);
	TRY(f[26] = 224, src_bad);
	TRY(f[26] = 127, src_bad);
	TRY(f[26] = 0, src_bad);
	TRY(memset(f + 26, 255, 4), src_bad);
	TRY(memcpy(f + 26, f + 30, 4), src_bad);
	TRY(put_be16(f + 16, 27), l4_short);
	TRY(put_be16(f + 38, 7), udp_len);
	TRY(put_be16(f + 38, 12), udp_len);
	TRY(f[42] ^= 1, l4_csum);
	TRY((memset(f, 255, 6), f[23] = IPPROTO_TCP, put_be16(f + 16, 31)), dst_bad);
#undef TRY
	memcpy(f, k.frame, k.len);
	f[24] ^= 1;
	sim_inject(b, f, k.len);
	assert_int_equal(drops(b, NET_DROP_ip_csum), 1);
	sim_inject(b, k.frame, 13);
	assert_int_equal(drops(b, NET_DROP_eth_short), 1);
	sim_inject(b, k.frame, 33);
	assert_int_equal(drops(b, NET_DROP_ip_short), 2);
	assert_int_equal(ub->rxq_pkts, 0);

	/* Padding behind the packet is not payload. */
	memcpy(f, k.frame, k.len);
	memset(f + k.len, 0xaa, 20);
	sim_inject(b, f, k.len + 20);
	expect(b, ub, "xyz");
	sim_check(s);
	sim_destroy(s);
}

static void survives_every_fault_at_once(void **state)
{
	struct sim *s = sim_create(17);
	struct sim_host *a = sim_host_add(s, NULL), *b = sim_host_add(s, NULL);
	struct udp_ep *ua = udp_open_to(a, &a->ip4, 1000, &b->ip4, 2000);
	struct udp_ep *ub = udp_open(b, NULL, 2000, 0);
	const struct sim_stats *st = sim_host_stats(a);
	uint32_t sent = 0, got = 0;
	char buf[1000] = { 0 };

	(void)state;
	a->link = (struct sim_link){
		.rate_bps = 100000000, .delay_ns = 1 * MS, .queue_bytes = 50000,
		.loss_ppm = 50000, .dup_ppm = 20000, .reorder_ppm = 50000, .reorder_ns = 5 * MS,
	};
	for (int i = 0; i < 3000; i++) {
		if (send_buf(a, ua, NULL, 0, buf, 1 + sim_rand(s) % 1000) == 0)
			sent++;
		if (sim_rand(s) % 4 == 0)
			sim_run(s, sim_rand(s) % MS);
		while (recv_buf(b, ub, buf, sizeof(buf)) >= 0)
			got++;
	}
	sim_run(s, 100 * MS);
	while (recv_buf(b, ub, buf, sizeof(buf)) >= 0)
		got++;
	assert_int_equal(got, sent - st->lost - st->queue_dropped + st->duplicated - ub->drops);
	assert_true(st->lost > 50 && st->duplicated > 20);
	sim_check(s);
	sim_destroy(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(carries_datagrams_over_ipv4),
		cmocka_unit_test(carries_datagrams_over_ipv6),
		cmocka_unit_test(options_and_peers_change_at_once),
		cmocka_unit_test(gathers_and_scatters),
		cmocka_unit_test(most_specific_endpoint_wins),
		cmocka_unit_test(connected_endpoint_hears_only_its_peer),
		cmocka_unit_test(reuseport_spreads_flows_and_keeps_them),
		cmocka_unit_test(group_is_copied_to_every_member),
		cmocka_unit_test(group_over_ipv6_and_broadcast),
		cmocka_unit_test(full_queue_drops_and_counts_exactly),
		cmocka_unit_test(slow_reader_leaves_frames_for_others),
		cmocka_unit_test(full_ring_is_reported),
		cmocka_unit_test(unresolved_next_hop_queues_then_sends),
		cmocka_unit_test(next_hop_that_never_answers_times_out),
		cmocka_unit_test(icmp_errors_reach_the_endpoint),
		cmocka_unit_test(corrupt_frames_are_dropped_and_counted),
		cmocka_unit_test(partial_checksum_is_for_virtual_links),
		cmocka_unit_test(short_and_strange_frames_have_names),
		cmocka_unit_test(survives_every_fault_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
