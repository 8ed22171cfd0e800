// SPDX-License-Identifier: BSD-2-Clause
/* The demultiplexer against a list that is searched from end to end; the pools. */
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "net/net.h"

enum { N_EPS = 64, N_FRAMES = 16, OFF = 4096 };

static const uint8_t secret[16] = "not very secret";

static void open_net(struct net *net)
{
	size_t frames = ROUND_UP(OFF + net_state_size(N_EPS, N_FRAMES), 4096);
	void *base = aligned_alloc(4096, frames + ((size_t)N_FRAMES << PKT_FRAME_SHIFT));

	assert_non_null(base);
	net_init(base, OFF, N_EPS, N_FRAMES, frames, secret, 1);
	net_attach(net, base, OFF, NULL, NULL, 0);
}

/* Few addresses and ports, so that endpoints meet. */
static struct ipaddr some_addr(unsigned int r, bool any)
{
	switch (r % 4) {
	case 0:
		return any ? IPADDR_ANY : ipaddr_from4(to_be32(0x0a000001));
	case 1:
		return ipaddr_from4(to_be32(0x0a000001));
	case 2:
		return ipaddr_from4(to_be32(0x0a000002));
	default:
		return (struct ipaddr){ .b = { 0xfd, [15] = 1 } };
	}
}

static struct flow some_flow(struct net *net, bool packet)
{
	struct flow f = {
		.laddr = some_addr(net_random(net), !packet),
		.lport = to_be16((uint16_t)(1000 + net_random(net) % 3)),
		.proto = net_random(net) & 1 ? IPPROTO_TCP : IPPROTO_UDP,
	};

	if (packet || net_random(net) & 1) {
		f.raddr = ipaddr_from4(to_be32(0x0b000000 | net_random(net) % 4));
		f.rport = to_be16((uint16_t)(2000 + net_random(net) % 2));
	}
	return f;
}

/* The rule, spelled out: the greater the better, 0 for no match. */
static int rank(const struct ep *ep, const struct flow *f, uint32_t ifindex)
{
	bool wild = ipaddr_is_any(&ep->flow.laddr), v4 = ipaddr_is4(&f->laddr);

	if (ep->bound_if && ep->bound_if != ifindex)
		return 0;
	if (ep->flow.rport.be)
		return memcmp(&ep->flow, f, sizeof(*f)) == 0 ? 100 : 0;
	if (ep->flow.lport.be != f->lport.be || ep->flow.proto != f->proto)
		return 0;
	if (wild && ep->flags & (v4 ? EP_F_V6ONLY : EP_F_V4))
		return 0;
	if (!wild && !ipaddr_eq(&ep->flow.laddr, &f->laddr))
		return 0;
	return 1 + (wild ? 0 : 8) + (ep->bound_if ? 4 : 0) + (ep->flags & EP_F_V4 ? 2 : 0);
}

static void agrees_with_a_search_of_all(void **state)
{
	struct ep *in[N_EPS];
	struct net net;
	int n = 0, found = 0;

	(void)state;
	open_net(&net);
	for (int step = 0; step < 200000; step++) {
		uint32_t r = net_random(&net) % 8;

		if (r == 0 && n < N_EPS) {
			struct ep *ep = ep_alloc(&net);

			assert_non_null(ep);
			ep->kind = EP_UDP;
			ep->flow = some_flow(&net, false);
			ep->bound_if = net_random(&net) % 4 == 0 ? 1 + net_random(&net) % 2 : 0;
			ep->flags = (uint32_t[]){ 0, EP_F_V4, EP_F_V6ONLY, EP_F_REUSEPORT }
				[net_random(&net) % 4];
			if (demux_insert(&net, ep) == 0)
				in[n++] = ep;
			else
				ep_free(&net, ep);
		} else if (r == 1 && n) {
			int i = (int)(net_random(&net) % (uint32_t)n);

			ep_free(&net, in[i]);
			in[i] = in[--n];
		} else {
			struct flow f = some_flow(&net, true);
			uint32_t ifindex = 1 + net_random(&net) % 2;
			struct ep *ep = demux_find(&net, &f, ifindex);
			int best = 0;

			for (int i = 0; i < n; i++)
				best = max_t(int, best, rank(in[i], &f, ifindex));
			assert_int_equal(ep ? rank(ep, &f, ifindex) : 0, best);
			found += best > 0;
		}
		assert_int_equal(net.shm->ep_n_used, n);
	}
	assert_true(found > 10000);
	free(net.base);
}

static void every_group_candidate_is_visited_once(void **state)
{
	struct flow f = { .laddr = ipaddr_from4(to_be32(0xe0000101)), .lport = to_be16(5000),
			  .raddr = ipaddr_from4(to_be32(0x0b000001)), .rport = to_be16(9),
			  .proto = IPPROTO_UDP };
	struct net net;
	int want = 0, got = 0;

	(void)state;
	open_net(&net);
	for (int i = 0; i < 12; i++) {
		struct ep *ep = ep_alloc(&net);

		ep->kind = EP_UDP;
		ep->flow.proto = IPPROTO_UDP;
		ep->flow.lport = to_be16(i % 4 == 3 ? 5001 : 5000);
		if (i % 4 == 0)
			ep->flow = f;		/* connected to the sender, bound to the group */
		if (i == 5)
			ep->bound_if = 9;
		want += i % 4 != 3 && i != 5;
		assert_int_equal(demux_insert(&net, ep), 0);
	}
	for (struct ep *ep = NULL; (ep = demux_next_mcast(&net, &f, 2, ep)); got++) {
		assert_int_equal(ep->events, 0);
		ep->events = 1;
	}
	assert_int_equal(got, want);
	free(net.base);
}

static struct ep *add_tcp(struct net *net, uint16_t lport, uint16_t rport, uint32_t flags, int want)
{
	struct ep *ep = ep_alloc(net);

	assert_non_null(ep);
	ep->kind = rport ? EP_TCP_CONN : EP_TCP_LISTEN;
	ep->flow.proto = IPPROTO_TCP;
	ep->flow.lport = to_be16(lport);
	if (rport) {
		ep->flow.laddr = some_addr(1, false);
		ep->flow.raddr = some_addr(2, false);
		ep->flow.rport = to_be16(rport);
	}
	ep->flags = flags;
	assert_int_equal(demux_insert(net, ep), want);
	return ep;
}

static void tcp_refuses_duplicates(void **state)
{
	struct net net;
	struct ep *c, *l;

	(void)state;
	open_net(&net);
	c = add_tcp(&net, 80, 1000, 0, 0);
	add_tcp(&net, 80, 1000, 0, -EADDRINUSE);
	add_tcp(&net, 80, 1001, 0, 0);
	demux_remove(&net, c);
	demux_remove(&net, c);			/* once more is harmless */
	assert_null(demux_find_exact(&net, &c->flow));
	add_tcp(&net, 80, 1000, 0, 0);

	l = add_tcp(&net, 80, 0, 0, 0);
	add_tcp(&net, 80, 0, 0, -EADDRINUSE);
	add_tcp(&net, 80, 0, EP_F_REUSEPORT, -EADDRINUSE);
	ep_free(&net, l);
	add_tcp(&net, 80, 0, EP_F_REUSEPORT, 0);
	add_tcp(&net, 80, 0, EP_F_REUSEPORT, 0);
	/* One for IPv4 and one for IPv6 do not meet. */
	add_tcp(&net, 81, 0, EP_F_V4, 0);
	add_tcp(&net, 81, 0, EP_F_V6ONLY, 0);
	add_tcp(&net, 81, 0, 0, -EADDRINUSE);
	free(net.base);
}

static void pools_hand_out_all_and_take_all_back(void **state)
{
	struct pkt *p[N_FRAMES];
	struct ep *ep[N_EPS];
	size_t frames_off;
	struct net net;

	(void)state;
	open_net(&net);
	frames_off = (size_t)(net.frames - (uint8_t *)net.base);
	assert_true(net_matches(&net, OFF, N_EPS, N_FRAMES, frames_off));
	assert_false(net_matches(&net, OFF, N_EPS + 1, N_FRAMES, frames_off));
	net.conn_mask = net.conn_mask * 2 + 1;
	assert_false(net_matches(&net, OFF, N_EPS, N_FRAMES, frames_off));

	/* Three quarters for one use, the rest for the other. */
	for (int i = 0; i < 12; i++)
		assert_non_null(p[i] = pkt_alloc(&net, PKT_FOR_RX));
	assert_null(pkt_alloc(&net, PKT_FOR_RX));
	for (int i = 12; i < 16; i++)
		assert_non_null(p[i] = pkt_alloc(&net, PKT_FOR_TX));
	assert_null(pkt_alloc(&net, PKT_FOR_TX));
	assert_int_equal(net.shm->stats[NET_STAT_pkt_pressure], 2);
	assert_int_equal(net.shm->pkt_low_water, 0);

	/* A chain is one packet; one that the device has stays out. */
	for (int i = 0; i < 3; i++)
		p[i]->frag = pkt_id(&net, p[i + 1]);
	p[2]->flags |= PKT_F_IN_TX;
	pkt_free(&net, p[0]);
	assert_int_equal(net.shm->pkt_n_free, 3);
	assert_true(p[2]->flags & PKT_F_FREE_ON_TX);
	for (int i = 4; i < 16; i++)
		pkt_free(&net, p[i]);
	assert_int_equal(net.shm->pkt_n_rx + net.shm->pkt_n_tx, 1);

	for (int i = 0; i < N_EPS; i++)
		assert_non_null(ep[i] = ep_alloc(&net));
	assert_null(ep_alloc(&net));
	assert_int_equal(net.shm->drops[NET_DROP_no_ep], 1);
	ep_ready(&net, ep[3], EP_IN);
	for (int i = 0; i < N_EPS; i++)
		ep_free(&net, ep[i]);
	assert_int_equal(net.shm->ep_n_used, 0);
	assert_true(shm_list_empty(net.base, &net.shm->ready));
	free(net.base);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(agrees_with_a_search_of_all),
		cmocka_unit_test(every_group_candidate_is_visited_once),
		cmocka_unit_test(tcp_refuses_duplicates),
		cmocka_unit_test(pools_hand_out_all_and_take_all_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
