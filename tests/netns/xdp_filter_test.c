// SPDX-License-Identifier: BSD-2-Clause
/*
 * xdp_filter_test.c - which frames the XDP program takes, and which it leaves
 *
 * Each check sends one frame with a tag in its last four bytes and says where
 * it came out: on the ring, at the kernel, or nowhere.  Topology in
 * xdp_filter_rig.h.  Needs root.
 */
#include "xdp_filter_rig.h"

static void without_filters_all_is_the_kernels(void **state)
{
	(void)state;
	assert_int_equal(fate4(UDP, B4, 1000, A4, 2000), KERNEL);
	assert_int_equal(fate6(TCP, B6, 1000, A6, 2000), KERNEL);
}

static void exact_filter_takes_only_its_5_tuple(void **state)
{
	static const int protos[] = { UDP, TCP };
	struct nic_filter f4, f6;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(protos); i++) {
		int p = protos[i], other = protos[!i];

		f4 = add(AF_INET, p, A4, 2000, B4, 1000, 0);
		f6 = add(AF_INET6, p, A6, 2000, B6, 1000, 0);
		assert_int_equal(fate4(p, B4, 1000, A4, 2000), RING);
		assert_int_equal(fate4(other, B4, 1000, A4, 2000), KERNEL);
		assert_int_equal(fate4(p, B4, 1001, A4, 2000), KERNEL);
		assert_int_equal(fate4(p, B4, 1000, A4, 2001), KERNEL);
		assert_int_equal(fate4(p, "10.9.0.3", 1000, A4, 2000), KERNEL);
		assert_int_equal(fate4(p, B4, 1000, "10.9.0.9", 2000), KERNEL);
		assert_int_equal(fate6(p, B6, 1000, A6, 2000), RING);
		assert_int_equal(fate6(other, B6, 1000, A6, 2000), KERNEL);
		assert_int_equal(fate6(p, B6, 1001, A6, 2000), KERNEL);
		assert_int_equal(fate6(p, "fd09::3", 1000, A6, 2000), KERNEL);
		del(f4);
		del(f6);
		assert_int_equal(fate4(p, B4, 1000, A4, 2000), KERNEL);
		assert_int_equal(fate6(p, B6, 1000, A6, 2000), KERNEL);
	}
}

static void local_filter_takes_any_peer(void **state)
{
	struct nic_filter f4, f6;

	(void)state;
	f4 = add(AF_INET, UDP, A4, 2000, NULL, 0, 0);
	f6 = add(AF_INET6, TCP, A6, 2000, NULL, 0, 0);
	assert_int_equal(fate4(UDP, B4, 1, A4, 2000), RING);
	assert_int_equal(fate4(UDP, "192.0.2.7", 60000, A4, 2000), RING);
	assert_int_equal(fate4(UDP, B4, 1, "10.9.0.9", 2000), KERNEL);
	assert_int_equal(fate4(TCP, B4, 1, A4, 2000), KERNEL);
	assert_int_equal(fate6(TCP, "2001:db8::7", 1, A6, 2000), RING);
	assert_int_equal(fate6(TCP, B6, 1, "fd09::9", 2000), KERNEL);
	del(f4);
	del(f6);
}

static void wildcard_filter_takes_addresses_of_this_host_only(void **state)
{
	struct nic_filter f4, f6;
	struct ipaddr second = addr("10.9.0.77");

	(void)state;
	f4 = add(AF_INET, TCP, NULL, 80, NULL, 0, 0);
	f6 = add(AF_INET6, UDP, NULL, 80, NULL, 0, 0);
	assert_int_equal(fate4(TCP, B4, 5, A4, 80), RING);
	assert_int_equal(fate4(TCP, B4, 5, "10.9.0.77", 80), KERNEL);
	assert_int_equal(xdp_local_set(t.prog, &second, true), 0);
	assert_int_equal(fate4(TCP, B4, 5, "10.9.0.77", 80), RING);
	assert_int_equal(xdp_local_set(t.prog, &second, false), 0);
	assert_int_equal(fate4(TCP, B4, 5, "10.9.0.77", 80), KERNEL);
	assert_int_equal(fate4(TCP, B4, 5, A4, 81), KERNEL);
	assert_int_equal(fate4(TCP, B4, 5, "224.9.9.9", 80), KERNEL);
	assert_int_equal(fate6(UDP, B6, 5, A6, 80), RING);
	assert_int_equal(fate6(UDP, B6, 5, "2001:db8::1", 80), KERNEL);
	del(f4);
	del(f6);
}

static void group_filter_takes_its_group_and_port(void **state)
{
	struct nic_filter f4, f6;

	(void)state;
	f4 = add(AF_INET, UDP, "239.1.2.3", 5000, NULL, 0, 0);
	f6 = add(AF_INET6, UDP, "ff05::3", 5000, NULL, 0, 0);
	assert_int_equal(fate4(UDP, B4, 5, "239.1.2.3", 5000), RING);
	assert_int_equal(fate4(UDP, B4, 5, "239.1.2.4", 5000), KERNEL);
	assert_int_equal(fate4(UDP, B4, 5, "239.1.2.3", 5001), KERNEL);
	assert_int_equal(fate6(UDP, B6, 5, "ff05::3", 5000), RING);
	assert_int_equal(fate6(UDP, B6, 5, "ff05::4", 5000), KERNEL);
	del(f4);
	del(f6);
}

/* Set 1 has no socket: what it takes comes out nowhere. */
static void the_narrower_filter_wins(void **state)
{
	struct nic_filter wild, local, exact;

	(void)state;
	wild = add(AF_INET, UDP, NULL, 2000, NULL, 0, 1);
	local = add(AF_INET, UDP, A4, 2000, NULL, 0, 0);
	assert_int_equal(fate4(UDP, B4, 1000, A4, 2000), RING);
	exact = add(AF_INET, UDP, A4, 2000, B4, 1000, 1);
	assert_int_equal(fate4(UDP, B4, 1000, A4, 2000), NOWHERE);
	assert_int_equal(fate4(UDP, B4, 1001, A4, 2000), RING);
	del(exact);
	del(local);
	assert_int_equal(fate4(UDP, B4, 1001, A4, 2000), NOWHERE);
	del(wild);
	assert_int_equal(fate4(UDP, B4, 1001, A4, 2000), KERNEL);
}

static void syn_filter_takes_only_the_syn(void **state)
{
	struct nic_filter f = filter(AF_INET, TCP, A4, 80, NULL, 0, 0);
	static const struct { unsigned flags; enum fate fate; } want[] = {
		{ SYN, RING }, { SYN | ACK, KERNEL }, { ACK, KERNEL }, { 0, KERNEL },
	};
	struct frame fr;
	size_t i;

	(void)state;
	f.flags = NIC_FILTER_F_SYN_ONLY;
	assert_int_equal(xdp_filter_add(t.prog, &f), 0);
	for (i = 0; i < ARRAY_SIZE(want); i++) {
		eth(&fr, 0x0800);
		ip4(&fr, B4, A4, TCP, 0, 0);
		l4(&fr, TCP, 9, 80, want[i].flags);
		assert_int_equal(fate(&fr), want[i].fate);
	}
	del(f);
}

static void looks_behind_ip4_options(void **state)
{
	struct nic_filter f = add(AF_INET, UDP, A4, 2000, NULL, 0, 0);
	struct frame fr;
	unsigned words;

	(void)state;
	for (words = 1; words <= 10; words += 3) {
		eth(&fr, 0x0800);
		ip4(&fr, B4, A4, UDP, 0, words);
		l4(&fr, UDP, 1, 2000, 0);
		assert_int_equal(fate(&fr), RING);
	}
	del(f);
}

static void looks_behind_four_ip6_extension_headers(void **state)
{
	struct nic_filter f = add(AF_INET6, UDP, A6, 2000, NULL, 0, 0);
	struct frame fr;
	int n, i;

	(void)state;
	for (n = 1; n <= 5; n++) {
		eth(&fr, 0x86dd);
		ip6(&fr, B6, A6, 0);	/* hop-by-hop, then destination options */
		for (i = 1; i <= n; i++)
			ext6(&fr, i == n ? UDP : 60);
		l4(&fr, UDP, 1, 2000, 0);
		assert_int_equal(fate(&fr), n <= 4 ? RING : KERNEL);
	}
	del(f);
}

static void fragments_are_the_kernels_but_for_tcp(void **state)
{
	static const struct { int proto; unsigned frag; enum fate fate; } want[] = {
		{ UDP, 0x2000, KERNEL }, { UDP, 0x2010, KERNEL }, { UDP, 0x0010, KERNEL },
		{ TCP, 0x2000, NOWHERE }, { TCP, 0x0010, KERNEL },
		{ UDP, 0x4000, RING }, { TCP, 0x4000, RING },	/* don't fragment */
	};
	struct nic_filter fu = add(AF_INET, UDP, A4, 2000, NULL, 0, 0);
	struct nic_filter ft = add(AF_INET, TCP, A4, 2000, NULL, 0, 0);
	uint64_t before = stat_frag();
	struct frame fr;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(want); i++) {
		eth(&fr, 0x0800);
		ip4(&fr, B4, A4, want[i].proto, want[i].frag, 0);
		l4(&fr, want[i].proto, 1, 2000, ACK);
		assert_int_equal(fate(&fr), want[i].fate);
	}
	assert_int_equal(stat_frag(), before + 1);
	eth(&fr, 0x0800);	/* of a flow that is not filtered */
	ip4(&fr, B4, A4, TCP, 0x2000, 0);
	l4(&fr, TCP, 1, 2001, ACK);
	assert_int_equal(fate(&fr), KERNEL);
	del(fu);
	del(ft);
}

static void ip6_fragments_likewise(void **state)
{
	static const struct { int proto; unsigned frag; enum fate fate; } want[] = {
		{ UDP, 0x0001, KERNEL }, { TCP, 0x0001, NOWHERE }, { TCP, 0x0010, KERNEL },
		{ TCP, 0x0000, RING },	/* an atomic fragment (RFC 6946) is whole */
	};
	struct nic_filter fu = add(AF_INET6, UDP, A6, 2000, NULL, 0, 0);
	struct nic_filter ft = add(AF_INET6, TCP, A6, 2000, NULL, 0, 0);
	struct frame fr;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(want); i++) {
		eth(&fr, 0x86dd);
		ip6(&fr, B6, A6, 44);
		put16(&fr, (unsigned)want[i].proto << 8);
		put16(&fr, want[i].frag);
		put16(&fr, 0);
		put16(&fr, 7);
		l4(&fr, want[i].proto, 1, 2000, ACK);
		assert_int_equal(fate(&fr), want[i].fate);
	}
	del(fu);
	del(ft);
}

/* An error of @type from a router about our packet @l:@lport -> @r:@rport. */
static enum fate icmp4(int type, const char *to, const char *l, unsigned lport, const char *r,
		       unsigned rport)
{
	struct frame f;

	eth(&f, 0x0800);
	ip4(&f, "10.9.0.254", to, IPPROTO_ICMP, 0, 0);
	put16(&f, (unsigned)type << 8);
	put16(&f, 0);
	put16(&f, 0);
	put16(&f, 1400);
	ip4(&f, l, r, TCP, 0, 2);
	l4(&f, TCP, lport, rport, ACK);
	return fate(&f);
}

static enum fate icmp6(int type, const char *to, const char *l, unsigned lport, const char *r,
		       unsigned rport)
{
	struct frame f;

	eth(&f, 0x86dd);
	ip6(&f, "fd09::fe", to, IPPROTO_ICMPV6);
	put16(&f, (unsigned)type << 8);
	put16(&f, 0);
	put16(&f, 0);
	put16(&f, 1400);
	ip6(&f, l, r, UDP);
	l4(&f, UDP, lport, rport, 0);
	return fate(&f);
}

static void icmp_errors_follow_their_flow(void **state)
{
	struct nic_filter f4 = add(AF_INET, TCP, A4, 2000, B4, 1000, 0);
	struct nic_filter f6 = add(AF_INET6, UDP, NULL, 2000, NULL, 0, 0);

	(void)state;
	assert_int_equal(icmp4(3, A4, A4, 2000, B4, 1000), RING);
	assert_int_equal(icmp4(11, A4, A4, 2000, B4, 1000), RING);
	assert_int_equal(icmp4(12, A4, A4, 2000, B4, 1000), RING);
	assert_int_equal(icmp4(3, A4, A4, 2001, B4, 1000), KERNEL);
	assert_int_equal(icmp4(3, A4, B4, 1000, A4, 2000), KERNEL);	/* not sent by us */
	assert_int_equal(icmp4(3, "10.9.0.9", A4, 2000, B4, 1000), KERNEL);
	assert_int_equal(icmp4(8, A4, A4, 2000, B4, 1000), KERNEL);	/* echo */
	assert_int_equal(icmp4(5, A4, A4, 2000, B4, 1000), KERNEL);	/* redirect */
	assert_int_equal(icmp6(2, A6, A6, 2000, B6, 1000), RING);
	assert_int_equal(icmp6(1, A6, A6, 2000, B6, 1000), RING);
	assert_int_equal(icmp6(2, A6, A6, 2001, B6, 1000), KERNEL);
	assert_int_equal(icmp6(128, A6, A6, 2000, B6, 1000), KERNEL);
	assert_int_equal(icmp6(135, A6, A6, 2000, B6, 1000), KERNEL);	/* neighbour solicitation */
	del(f4);
	del(f6);
}

static void short_and_strange_frames_are_the_kernels(void **state)
{
	struct nic_filter f4 = add(AF_INET, UDP, A4, 2000, NULL, 0, 0);
	struct nic_filter f6 = add(AF_INET6, UDP, A6, 2000, NULL, 0, 0);
	struct frame f;
	size_t len;

	(void)state;
	for (len = 18; len < 38; len++) {	/* ends before the ports do */
		flow4(&f, UDP, B4, 1, A4, 2000);
		f.len = len;
		assert_int_equal(fate_exact(&f), KERNEL);
	}
	flow6(&f, UDP, B6, 1, A6, 2000);
	f.len = ETH + 40 + 3;
	assert_int_equal(fate_exact(&f), KERNEL);

	eth(&f, 0x8100);			/* tagged */
	put16(&f, 5);
	put16(&f, 0x0800);
	ip4(&f, B4, A4, UDP, 0, 0);
	l4(&f, UDP, 1, 2000, 0);
	assert_int_equal(fate(&f), KERNEL);

	flow4(&f, UDP, B4, 1, A4, 2000);
	f.b[ETH] = 0x44;			/* header shorter than one */
	assert_int_equal(fate(&f), KERNEL);
	flow4(&f, UDP, B4, 1, A4, 2000);
	f.b[ETH] = 0x65;			/* version 6 in an IPv4 frame */
	assert_int_equal(fate(&f), KERNEL);
	del(f4);
	del(f6);
}

static void ping_works_beside_filters(void **state)
{
	struct nic_filter f = add(AF_INET, UDP, NULL, 2000, NULL, 0, 0);

	(void)state;
	if (system("command -v ping >/dev/null") != 0)
		skip();
	assert_int_equal(run_in(t.ns_b, "ping -c1 -W2 " A4 " >/dev/null"), 0);
	assert_int_equal(run_in(t.ns_b, "ping -c1 -W2 " A6 " >/dev/null"), 0);
	del(f);
}

static void large_packets_span_frames(void **state)
{
	struct nic_filter f = add(AF_INET, UDP, A4, 2000, NULL, 0, 0);
	struct frame fr;

	(void)state;
	if (!(t.open_flags & VI_F_SG))
		skip();
	flow4(&fr, UDP, B4, 1, A4, 2000);
	memset(fr.b + fr.len, 0x55, 5000);
	fr.len += 5000;
	assert_int_equal(fate_exact(&fr), RING);
	assert_int_equal(t.last_events, 3);
	del(f);
}

static void one_key_has_one_owner(void **state)
{
	struct nic_filter f = add(AF_INET, UDP, A4, 2000, NULL, 0, 0), other = f;

	(void)state;
	assert_int_equal(xdp_filter_add(t.prog, &f), 0);
	other.vi_set = 1;
	assert_int_equal(xdp_filter_add(t.prog, &other), -EEXIST);
	assert_int_equal(xdp_filter_del(t.prog, &other), -ENOENT);
	assert_int_equal(fate4(UDP, B4, 1, A4, 2000), RING);
	other.flags = NIC_FILTER_F_REPLACE;
	assert_int_equal(xdp_filter_add(t.prog, &other), 0);
	assert_int_equal(fate4(UDP, B4, 1, A4, 2000), NOWHERE);
	assert_int_equal(xdp_filter_del(t.prog, &f), -ENOENT);
	del(other);
	assert_int_equal(xdp_filter_del(t.prog, &other), -ENOENT);
}

static void refuses_filters_that_make_no_sense(void **state)
{
	struct nic_filter f;

	(void)state;
	f = filter(AF_INET, UDP, A4, 0, NULL, 0, 0);
	assert_int_equal(xdp_filter_add(t.prog, &f), -EINVAL);
	f = filter(AF_INET, IPPROTO_ICMP, A4, 1, NULL, 0, 0);
	assert_int_equal(xdp_filter_add(t.prog, &f), -EINVAL);
	f = filter(AF_INET, UDP, "0.0.0.0", 1, NULL, 0, 0);
	assert_int_equal(xdp_filter_add(t.prog, &f), -EINVAL);
	f = filter(AF_INET6, UDP, A4, 1, NULL, 0, 0);
	assert_int_equal(xdp_filter_add(t.prog, &f), -EINVAL);
	f = filter(AF_INET, UDP, A4, 1, B4, 0, 0);
	assert_int_equal(xdp_filter_add(t.prog, &f), -EINVAL);
	f = filter(AF_INET, UDP, A4, 1, NULL, 0, XDP_VI_SETS);
	assert_int_equal(xdp_filter_add(t.prog, &f), -EINVAL);
	f.kind = NIC_FILTER_WILDCARD + 1;
	assert_int_equal(xdp_filter_add(t.prog, &f), -EOPNOTSUPP);
	assert_int_equal(xdp_xsk_set(t.prog, XDP_VI_SETS, 0, t.vi.fd), -EINVAL);
}

static void batches_are_as_single_ones(void **state)
{
	enum { N = 300 };
	struct nic_filter f[N];
	int rc[N], i;

	(void)state;
	for (i = 0; i < N; i++)
		f[i] = i % 3 ? filter(AF_INET, TCP, A4, 3000 + (unsigned)i, B4, 7, 0)
			     : filter(AF_INET6, TCP, A6, 3000 + (unsigned)i, B6, 7, 0);
	f[100].flow.lport.be = 0;
	assert_int_equal(xdp_filter_add_batch(t.prog, f, N, rc), N - 1);
	assert_int_equal(rc[100], -EINVAL);
	assert_int_equal(rc[99], 0);
	assert_int_equal(rc[299], 0);
	assert_int_equal(fate4(TCP, B4, 7, A4, 3299), RING);
	assert_int_equal(fate6(TCP, B6, 7, A6, 3297), RING);
	assert_int_equal(fate4(TCP, B4, 7, A4, 3100), KERNEL);
	assert_int_equal(xdp_filter_del(t.prog, &f[50]), 0);
	assert_int_equal(xdp_filter_del_batch(t.prog, f, 200), 198);
	assert_int_equal(fate4(TCP, B4, 7, A4, 3199), KERNEL);
	assert_int_equal(fate4(TCP, B4, 7, A4, 3299), RING);
	assert_int_equal(xdp_filter_del_set(t.prog, 1), 0);
	assert_int_equal(xdp_filter_del_set(t.prog, 0), 100);
	assert_int_equal(fate4(TCP, B4, 7, A4, 3299), KERNEL);
}

static void fds_bring_a_program_back(void **state)
{
	struct nic_filter f = add(AF_INET, UDP, A4, 2000, NULL, 0, 0), g;
	int fds[XDP_FD_MAX], mine[XDP_FD_MAX], i;
	struct xdp_prog *p;

	(void)state;
	xdp_prog_fds(t.prog, fds);
	for (i = 0; i < XDP_FD_MAX; i++)
		mine[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, 3);
	assert_int_equal(xdp_prog_from_fds(t.if_a + 1000, mine, &p), -EINVAL);
	i = mine[XDP_FD_FLOW4];
	mine[XDP_FD_FLOW4] = mine[XDP_FD_FLOW6];
	mine[XDP_FD_FLOW6] = i;
	assert_int_equal(xdp_prog_from_fds(t.if_a, mine, &p), -EINVAL);
	mine[XDP_FD_FLOW6] = mine[XDP_FD_FLOW4];
	mine[XDP_FD_FLOW4] = i;
	xdp_prog_close(t.prog);		/* the old daemon is gone */
	assert_int_equal(xdp_prog_from_fds(t.if_a, mine, &p), 0);
	t.prog = p;
	assert_int_equal(xdp_prog_ifindex(p), t.if_a);
	assert_int_equal(fate4(UDP, B4, 1, A4, 2000), RING);
	g = add(AF_INET, UDP, A4, 2001, NULL, 0, 0);
	del(f);
	assert_int_equal(fate4(UDP, B4, 1, A4, 2001), RING);
	del(g);
}

static void a_queue_has_one_memory_but_may_have_more_sockets(void **state)
{
	struct nic_filter f = add(AF_INET, UDP, A4, 2002, NULL, 0, 2);
	struct xdp_open_attr a;
	struct xdp_open_result r;
	struct vi_event ev[4];
	struct vi_shm shm;
	struct frame fr;
	struct vi vi;
	uint32_t buf = 0;
	int i;

	(void)state;
	fill_attr(&a);
	assert_int_equal(xdp_open(&a, &r), -EBUSY);
	a.shared_umem_fd = t.vi.fd;
	a.fill_size = a.comp_size = XDP_RING_NONE;
	assert_int_equal(xdp_open(&a, &r), 0);
	assert_int_equal(r.fill_size, 0);
	shm_from(&shm, &r);
	assert_int_equal(vi_map_xdp(&vi, &shm, r.fd), 0);
	assert_int_equal(vi_rx_refill(&vi, &buf, 1), 0);	/* the ring is the first socket's */
	assert_int_equal(vi_tx_poll(&vi, &buf, 1), 0);
	assert_int_equal(xdp_xsk_set(t.prog, 2, 0, r.fd), 0);
	flow4(&fr, UDP, B4, 1, A4, 2002);
	memset(fr.b + fr.len, 0, 32);
	fr.len += 32;
	assert_int_equal(send(t.inject_b, fr.b, fr.len, 0), fr.len);
	for (i = 0; i < 300 && !vi_rx_ready(&vi); i++)
		usleep(200);
	assert_int_equal(vi_rx_poll(&vi, ev, 4), 1);
	assert_int_equal(vi_rx_refill(&t.vi, &ev[0].buf, 1), 1);
	vi_close(&vi);
	del(f);
}

static void mapping_checks_the_sizes_it_is_told(void **state)
{
	struct vi_shm shm = t.shm;
	struct vi vi;

	(void)state;
	shm.rx_size = 100;
	assert_int_equal(vi_map_xdp(&vi, &shm, t.vi.fd), -EINVAL);
	shm.rx_size = 1u << 16;		/* larger than the kernel's ring */
	assert_int_equal(vi_map_xdp(&vi, &shm, t.vi.fd), -EINVAL);
	shm = t.shm;
	shm.frame_shift = 40;
	assert_int_equal(vi_map_xdp(&vi, &shm, t.vi.fd), -EINVAL);
}

static void a_dead_sockets_frames_do_not_reach_the_kernel(void **state)
{
	struct nic_filter f = add(AF_INET, TCP, A4, 2000, NULL, 0, 0);
	uint64_t before = stat_no_socket();

	(void)state;
	assert_int_equal(fate4(TCP, B4, 1, A4, 2000), RING);
	vi_close(&t.vi);
	assert_int_equal(fate4(TCP, B4, 1, A4, 2000), NOWHERE);
	assert_int_equal(stat_no_socket(), before + 1);
	del(f);
	assert_int_equal(fate4(TCP, B4, 1, A4, 2000), KERNEL);
	open_vi();
}

static uint32_t prog_on(unsigned ifindex)
{
	uint32_t id = 0;

	assert_int_equal(bpf_xdp_query_id((int)ifindex, 0, &id), 0);
	return id;
}

static void refuses_to_join_a_foreign_program(void **state)
{
	const struct bpf_insn insns[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = XDP_PASS },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	uint32_t flags = 0, id;
	struct xdp_prog *p = NULL;
	char why[128];
	int fd;

	(void)state;
	enter(t.ns_b);
	fd = bpf_prog_load(BPF_PROG_TYPE_XDP, "foreign_one", "GPL", insns, 2, NULL);
	assert_true(fd >= 0);
	assert_int_equal(bpf_xdp_attach((int)t.if_b, fd, XDP_FLAGS_SKB_MODE, NULL), 0);
	id = prog_on(t.if_b);
	assert_int_equal(xdp_prog_attach(t.if_b, &p, &flags, why, sizeof(why)), -EEXIST);
	assert_null(p);
	assert_non_null(strstr(why, "foreign_one"));
	assert_non_null(strstr(why, "pt-nic-b"));
	assert_int_equal(prog_on(t.if_b), id);
	assert_int_equal(bpf_xdp_detach((int)t.if_b, XDP_FLAGS_SKB_MODE, NULL), 0);
	close(fd);
	enter(t.ns_a);
}

static void the_program_goes_with_its_last_holder(void **state)
{
	uint32_t flags = 0;
	struct xdp_prog *p;
	char why[128];
	int ready[2], i;
	pid_t pid;
	char c;

	(void)state;
	enter(t.ns_b);
	assert_int_equal(xdp_prog_attach(t.if_b, &p, &flags, why, sizeof(why)), 0);
	assert_int_equal(pipe(ready), 0);
	pid = fork();
	if (!pid) {		/* inherits the fds and does nothing else */
		(void)!write(ready[1], "x", 1);
		for (;;)
			pause();
	}
	assert_int_equal(read(ready[0], &c, 1), 1);
	xdp_prog_close(p);
	usleep(20000);
	assert_int_not_equal(prog_on(t.if_b), 0);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	for (i = 0; i < 100 && prog_on(t.if_b); i++)
		usleep(10000);
	assert_int_equal(prog_on(t.if_b), 0);

	assert_int_equal(xdp_prog_attach(t.if_b, &p, &flags, why, sizeof(why)), 0);
	xdp_prog_detach(p);
	assert_int_equal(prog_on(t.if_b), 0);
	close(ready[0]);
	close(ready[1]);
	enter(t.ns_a);
}

/* Frames of ours that came out at B. */
static int arrived_at_b(int want)
{
	uint64_t end = now_ms() + 500;
	uint8_t b[64];
	int n = 0;

	while (n < want && now_ms() < end)
		if (recv(t.inject_b, b, sizeof(b), MSG_DONTWAIT) == 60 && b[12] == 0x88 && b[13] == 0xb5)
			n++;
	return n;
}

/* From the top of packet memory: the bottom is in the fill ring. */
static void post(uint32_t i)
{
	uint32_t buf = N_FRAMES - 1 - i;
	uint8_t *p = t.frames + ((size_t)buf << SHIFT) + 256;

	memset(p, 0, 60);
	memcpy(p, "\2\0\0\0\11\2\2\0\0\0\11\1\x88\xb5", 14);	/* local experimental type */
	assert_int_equal(vi_tx_post(&t.vi, buf, 256, 60, false), 0);
}

static int completions(int want)
{
	uint64_t end = now_ms() + 500;
	uint32_t done[32];
	int n = 0;

	while (n < want && now_ms() < end)
		n += vi_tx_poll(&t.vi, done, 32);
	return n;
}

static void one_kick_sends_a_full_ring(void **state)
{
	uint32_t i;

	(void)state;
	for (i = 0; i < 128; i++)
		post(i);
	assert_int_equal(vi_tx_post(&t.vi, 300, 256, 60, false), -EAGAIN);
	assert_int_equal(vi_tx_kick(&t.vi), 0);
	assert_int_equal(t.shm.tx_unkicked, 0);
	assert_int_equal(arrived_at_b(128), 128);
	assert_int_equal(completions(128), 128);
	assert_int_equal(t.shm.tx_inflight, 0);
}

static void a_link_that_is_down_says_so_and_comes_back(void **state)
{
	(void)state;
	assert_int_equal(run_in(t.ns_a, "ip link set pt-nic-a down"), 0);
	post(0);
	assert_int_equal(vi_tx_kick(&t.vi), -ENETDOWN);
	assert_false(t.shm.flags & VI_F_DOWN);
	assert_int_equal(run_in(t.ns_a, "ip link set pt-nic-a up"), 0);
	usleep(300000);
	assert_int_equal(vi_tx_kick(&t.vi), 0);	/* what was posted was not lost */
	assert_int_equal(arrived_at_b(1), 1);
	assert_int_equal(completions(1), 1);
}

/* Last: takes the device away. */
static void a_device_that_is_gone_is_noticed(void **state)
{
	int fds[XDP_FD_MAX];
	struct xdp_prog *p;

	(void)state;
	assert_int_equal(run_in(t.ns_a, "ip link del pt-nic-a"), 0);
	post(0);
	assert_int_equal(vi_tx_kick(&t.vi), -ENXIO);
	assert_true(t.shm.flags & VI_F_DOWN);
	xdp_prog_fds(t.prog, fds);
	assert_int_equal(xdp_prog_from_fds(t.if_a, fds, &p), -ENOLINK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_filters_all_is_the_kernels),
		cmocka_unit_test(exact_filter_takes_only_its_5_tuple),
		cmocka_unit_test(local_filter_takes_any_peer),
		cmocka_unit_test(wildcard_filter_takes_addresses_of_this_host_only),
		cmocka_unit_test(group_filter_takes_its_group_and_port),
		cmocka_unit_test(the_narrower_filter_wins),
		cmocka_unit_test(syn_filter_takes_only_the_syn),
		cmocka_unit_test(looks_behind_ip4_options),
		cmocka_unit_test(looks_behind_four_ip6_extension_headers),
		cmocka_unit_test(fragments_are_the_kernels_but_for_tcp),
		cmocka_unit_test(ip6_fragments_likewise),
		cmocka_unit_test(icmp_errors_follow_their_flow),
		cmocka_unit_test(short_and_strange_frames_are_the_kernels),
		cmocka_unit_test(ping_works_beside_filters),
		cmocka_unit_test(large_packets_span_frames),
		cmocka_unit_test(one_key_has_one_owner),
		cmocka_unit_test(refuses_filters_that_make_no_sense),
		cmocka_unit_test(batches_are_as_single_ones),
		cmocka_unit_test(fds_bring_a_program_back),
		cmocka_unit_test(a_queue_has_one_memory_but_may_have_more_sockets),
		cmocka_unit_test(mapping_checks_the_sizes_it_is_told),
		cmocka_unit_test(a_dead_sockets_frames_do_not_reach_the_kernel),
		cmocka_unit_test(refuses_to_join_a_foreign_program),
		cmocka_unit_test(the_program_goes_with_its_last_holder),
		cmocka_unit_test(one_kick_sends_a_full_ring),
		cmocka_unit_test(a_link_that_is_down_says_so_and_comes_back),
		cmocka_unit_test(a_device_that_is_gone_is_noticed),
	};
	int probe;

	if (geteuid() != 0) {
		printf("skipped: needs root\n");
		return 77;
	}
	probe = socket(AF_XDP, SOCK_RAW, 0);
	if (probe < 0) {
		printf("skipped: no AF_XDP\n");
		return 77;
	}
	close(probe);
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
