// SPDX-License-Identifier: BSD-2-Clause
/*
 * efvi_test.c - ef_vi over AF_XDP: what a program sees of frames, filters and events
 */
#include "efvi_rig.h"

static uint8_t *buf_of(struct rig *r, const ef_event *ev)
{
	return r->mem + (size_t)(EF_EVENT_RX_RQ_ID(*ev) - 1000) * BUF;
}

static void receives_what_a_filter_matches(void **state)
{
	uint8_t want[2048];
	struct rig r;
	ef_event ev = { 0 };
	int len;

	rig_open(&r, EF_VI_FLAGS_DEFAULT);
	filter_udp(&r.vi, r.dh, IP_A, 5001, NULL);
	assert_int_equal(ef_vi_receive_capacity(&r.vi), 511);
	assert_int_equal(ef_vi_receive_fill_level(&r.vi), 64);
	assert_int_equal(ef_vi_receive_space(&r.vi), 511 - 64);
	assert_int_equal(ef_vi_receive_prefix_len(&r.vi), 0);
	assert_int_equal(ef_vi_rxq_next_desc_id(&r.vi), 1000);
	for (int i = 0; i < 40; i++) {
		struct spec s = { .proto = IPPROTO_UDP, .sport = 7, .dport = 5001, .len = 18 + i * 30, .seq = i };

		inject(s);
		assert_int_equal(one_event(&r.vi, &ev), 1);
		assert_int_equal(EF_EVENT_TYPE(ev), EF_EVENT_TYPE_RX);
		assert_int_equal(EF_EVENT_RX_RQ_ID(ev), 1000 + i);
		assert_true(EF_EVENT_RX_SOP(ev) && !EF_EVENT_RX_CONT(ev));
		assert_int_equal(EF_EVENT_RX_Q_ID(ev), 0);
		len = make_frame(want, s);
		assert_int_equal(EF_EVENT_RX_BYTES(ev), len);
		assert_memory_equal(buf_of(&r, &ev), want, (size_t)len);
	}
	/* Another port is the kernel's. */
	inject((struct spec){ .proto = IPPROTO_UDP, .sport = 7, .dport = 5002, .len = 18 });
	assert_true(no_event(&r.vi));
	/* Without a buffer the frame waits. */
	assert_int_equal(ef_vi_receive_fill_level(&r.vi), 24);
	assert_int_equal(ef_vi_flush(&r.vi, r.dh), 0);
	assert_int_equal(ef_vi_receive_fill_level(&r.vi), 0);
	inject((struct spec){ .proto = IPPROTO_UDP, .sport = 7, .dport = 5001, .len = 18 });
	assert_true(no_event(&r.vi));
	post(&r, 3);
	assert_int_equal(one_event(&r.vi, &ev), 1);
	assert_int_equal(EF_EVENT_RX_RQ_ID(ev), 1003);
	/* Memory that is nobody's. */
	assert_int_equal(ef_vi_receive_init(&r.vi, (ef_addr)(uintptr_t)&r, 1), -EFAULT);
	rig_close(&r);
}

static void bad_frames_are_discards(void **state)
{
	struct spec s = { .proto = IPPROTO_UDP, .sport = 7, .dport = 5003, .len = 100, .bad_csum = true };
	const ef_vi_stats_layout *l;
	uint32_t counts[16];
	struct rig r;
	ef_event ev = { 0 };

	rig_open(&r, EF_VI_FLAGS_DEFAULT);
	filter_udp(&r.vi, r.dh, IP_A, 5003, NULL);
	inject(s);
	assert_int_equal(one_event(&r.vi, &ev), 1);
	assert_int_equal(EF_EVENT_TYPE(ev), EF_EVENT_TYPE_RX_DISCARD);
	assert_int_equal(EF_EVENT_RX_DISCARD_TYPE(ev), EF_EVENT_RX_DISCARD_CSUM_BAD);
	assert_int_equal(EF_EVENT_RX_DISCARD_RQ_ID(ev), 1000);
	assert_int_equal(EF_EVENT_RX_DISCARD_BYTES(ev), 142);
	assert_true(ef_vi_receive_get_discards(&r.vi) & EF_VI_DISCARD_RX_L4_CSUM_ERR);
	assert_int_equal(ef_vi_receive_set_discards(&r.vi, 0), 0);
	inject(s);
	assert_int_equal(one_event(&r.vi, &ev), 1);
	assert_int_equal(EF_EVENT_TYPE(ev), EF_EVENT_TYPE_RX);
	assert_int_equal(ef_vi_stats_query_layout(&r.vi, &l), 0);
	assert_int_equal(l->evsl_data_size, l->evsl_fields_num * 4);
	assert_string_equal(l->evsl_fields[2].evsfl_name, "rx_nodesc_drop_cnt");
	assert_int_equal(ef_vi_stats_query(&r.vi, r.dh, counts, 1), 0);
	assert_int_equal(counts[4], 1);
	assert_int_equal(ef_vi_stats_query(&r.vi, r.dh, counts, 0), 0);
	assert_int_equal(counts[4], 0);
	rig_close(&r);
}

/* One TX event that returns @id. */
static void sent(ef_vi *vi, int id, bool ctpio)
{
	ef_request_id ids[EF_VI_TRANSMIT_BATCH];
	ef_event ev;

	assert_int_equal(one_event(vi, &ev), 1);
	assert_int_equal(EF_EVENT_TYPE(ev), EF_EVENT_TYPE_TX);
	assert_int_equal(!!EF_EVENT_TX_CTPIO(ev), ctpio);
	assert_int_equal(ef_vi_transmit_unbundle(vi, &ev, ids), 1);
	assert_int_equal(ids[0], id);
}

static int frame_out(uint8_t *p, int dport, int len, bool zero_csum)
{
	int n = make_frame(p, (struct spec){ .proto = IPPROTO_UDP, .sport = 9, .dport = dport, .len = len,
					     .src = IP_A, .dst = IP_B, .dmac = t.mac_b });

	if (zero_csum)
		p[24] = p[25] = p[40] = p[41] = 0;
	return n;
}

static void check_out(int dport, int payload)
{
	uint8_t got[2048], want[2048];
	int n = frame_out(want, dport, payload, false), len = caught(got, dport);

	assert_int_equal(len, n < 60 ? 60 : n);
	assert_memory_equal(got, want, (size_t)n);
	for (int i = n; i < len; i++)
		assert_int_equal(got[i], 0);
}

static void sends_frames(void **state)
{
	ef_iovec iov[3];
	struct rig r;
	ef_event ev = { 0 };
	ef_addr a;
	int n;

	rig_open(&r, EF_VI_TX_CTPIO);
	a = ef_memreg_dma_addr(&r.mr, 100 * BUF);
	/* Short, with checksums to be filled in and to be padded. */
	n = frame_out(r.mem + 100 * BUF, 6001, 0, true);
	assert_int_equal(n, 42);
	assert_int_equal(ef_vi_transmit(&r.vi, a, n, 77), 0);
	assert_int_equal(ef_vi_transmit_fill_level(&r.vi), 1);
	sent(&r.vi, 77, false);
	assert_int_equal(ef_vi_transmit_fill_level(&r.vi), 0);
	check_out(6001, 0);
	/* In pieces. */
	n = frame_out(r.mem + 100 * BUF, 6002, 500, true);
	iov[0] = (ef_iovec){ a, 20 };
	iov[1] = (ef_iovec){ a + 20, 300 };
	iov[2] = (ef_iovec){ a + 320, (unsigned)n - 320 };
	assert_int_equal(ef_vi_transmitv(&r.vi, iov, 3, 78), 0);
	sent(&r.vi, 78, false);
	check_out(6002, 500);
	/* Init, undo, push: one doorbell, one event. */
	n = frame_out(r.mem + 100 * BUF, 6003, 64, false);
	assert_int_equal(ef_vi_transmit_init(&r.vi, a, n, 1), 0);
	ef_vi_transmit_init_undo(&r.vi);
	for (int i = 0; i < 5; i++)
		assert_int_equal(i & 1 ? ef_vi_transmitv_init(&r.vi, (&(ef_iovec){ a, (unsigned)n }), 1, i) :
				 ef_vi_transmit_init(&r.vi, a, n, i), 0);
	ef_vi_transmit_push(&r.vi);
	for (int got = 0; got < 5;) {
		ef_request_id ids[EF_VI_TRANSMIT_BATCH];
		int k;

		assert_int_equal(one_event(&r.vi, &ev), 1);
		k = ef_vi_transmit_unbundle(&r.vi, &ev, ids);
		assert_true(k > 0);
		for (int i = 0; i < k; i++)
			assert_int_equal(ids[i], got++);
	}
	for (int i = 0; i < 5; i++)
		check_out(6003, 64);
	/* CTPIO from memory that is not registered, checksums untouched. */
	uint8_t f[2048];
	n = frame_out(f, 6004, 32, false);
	ef_vi_transmit_ctpio(&r.vi, f, (size_t)n, EF_VI_CTPIO_CT_THRESHOLD_SNF);
	assert_int_equal(ef_vi_transmit_ctpio_fallback(&r.vi, a, (size_t)n, 80), 0);
	sent(&r.vi, 80, true);
	check_out(6004, 32);
	struct iovec hv[2] = { { f, 14 }, { f + 14, (size_t)n - 14 } };
	ef_vi_transmitv_ctpio(&r.vi, (size_t)n, hv, 2, 64);
	assert_int_equal(ef_vi_transmitv_ctpio_fallback(&r.vi, (&(ef_iovec){ a, (unsigned)n }), 1, 81), 0);
	sent(&r.vi, 81, true);
	check_out(6004, 32);
	memset(r.mem + 100 * BUF, 0, 200);
	ef_vi_transmitv_ctpio_copy(&r.vi, (size_t)n, hv, 2, 64, r.mem + 100 * BUF);
	assert_memory_equal(r.mem + 100 * BUF, f, (size_t)n);
	assert_int_equal(ef_vi_transmit_ctpio_fallback(&r.vi, a, (size_t)n, 82), 0);
	sent(&r.vi, 82, true);
	check_out(6004, 32);
	/* A warm-up sends nothing. */
	ef_vi_tx_warm_state st;
	ef_vi_start_transmit_warm(&r.vi, &st, NULL);
	assert_int_equal(ef_vi_transmit(&r.vi, a, n, 83), -EAGAIN);
	ef_vi_transmit_ctpio(&r.vi, f, (size_t)n, 64);
	assert_int_equal(ef_vi_transmit_ctpio_fallback(&r.vi, a, (size_t)n, 83), -EAGAIN);
	ef_vi_stop_transmit_warm(&r.vi, &st);
	efct_vi_start_transmit_warm(&r.vi);
	efct_vi_stop_transmit_warm(&r.vi);
	assert_true(no_event(&r.vi));
	/* Faults. */
	assert_int_equal(ef_vi_transmit(&r.vi, 64, 60, 1), -EFAULT);
	assert_int_equal(ef_vi_transmit(&r.vi, a, 5, 1), -EINVAL);
	assert_int_equal(ef_vi_transmit(&r.vi, a, 4000, 1), -EMSGSIZE);
	/* Full, and then not. */
	int k = 0;
	while (ef_vi_transmit_init(&r.vi, a, n, k) == 0)
		k++;
	assert_int_equal(k, ef_vi_transmit_capacity(&r.vi));
	assert_int_equal(ef_vi_transmit_space(&r.vi), 0);
	ef_vi_transmit_push(&r.vi);
	for (int got = 0; got < k;) {
		ef_request_id ids[EF_VI_TRANSMIT_BATCH];

		assert_int_equal(one_event(&r.vi, &ev), 1);
		got += ef_vi_transmit_unbundle(&r.vi, &ev, ids);
		if (got == k)
			assert_int_equal(ids[(k - 1) % 64], k - 1);
	}
	assert_int_equal(ef_vi_transmit_space(&r.vi), 511);
	assert_int_equal(ef_vi_reinit_txq_post_error(&r.vi), 0);
	ef_request_id id;
	ef_vi_for_each_tx_error_failed_transmit(&r.vi, id)
		fail();
	assert_int_equal(ef_vi_transmit_space_bytes(&r.vi), INT_MAX);
	assert_int_equal(ef_vi_transmit_fill_level_bytes(&r.vi), 0);
	rig_close(&r);
}

static void sends_by_pio_and_alternatives(void **state)
{
	struct ef_vi_transmit_alt_overhead o;
	uint8_t f[256], got[2048];
	struct rig r;
	ef_event ev = { 0 };
	ef_pio pio;
	int n;

	rig_open(&r, EF_VI_TX_ALT);
	assert_int_equal(ef_pio_alloc(&pio, r.dh, &r.pd, (unsigned)-1, r.dh), 0);
	assert_int_equal(ef_pio_link_vi(&pio, r.dh, &r.vi, r.dh), 0);
	assert_int_equal(ef_vi_get_pio_size(&r.vi), 2048);
	n = frame_out(f, 6101, 20, true);
	assert_int_equal(ef_pio_memcpy(&r.vi, f, 64, n), 0);
	assert_int_equal(ef_pio_memcpy(&r.vi, f, 2040, n), -EINVAL);
	assert_int_equal(ef_vi_transmit_pio(&r.vi, 64, n, 5), 0);
	sent(&r.vi, 5, false);
	check_out(6101, 20);
	assert_int_equal(ef_vi_transmit_copy_pio(&r.vi, 128, f, n, 6), 0);
	ef_vi_transmit_pio_warm(&r.vi);
	ef_vi_transmit_copy_pio_warm(&r.vi, 0, f, n);
	sent(&r.vi, 6, false);
	check_out(6101, 20);
	assert_int_equal(ef_pio_unlink_vi(&pio, r.dh, &r.vi, r.dh), 0);
	assert_int_equal(ef_vi_transmit_pio(&r.vi, 64, n, 5), -EINVAL);
	assert_int_equal(ef_pio_free(&pio, r.dh), 0);

	assert_int_equal(ef_vi_transmit_alt_alloc(&r.vi, r.dh, 2, 8192), 0);
	assert_int_equal(ef_vi_transmit_alt_alloc(&r.vi, r.dh, 2, 8192), -EALREADY);
	assert_int_equal(ef_vi_transmit_alt_num_ids(&r.vi), 2);
	assert_true(ef_vi_transmit_alt_query_buffering(&r.vi, t.if_a, r.dh, 2) > 0);
	assert_int_equal(ef_vi_transmit_alt_query_overhead(&r.vi, &o), 0);
	assert_true(ef_vi_transmit_alt_usage(&o, 65) >= 65);
	assert_int_equal(ef_vi_transmit_alt_stop(&r.vi, 0), 0);
	assert_int_equal(ef_vi_transmit_alt_select(&r.vi, 0), 0);
	n = frame_out(r.mem, 6102, 20, true);
	assert_int_equal(ef_vi_transmit(&r.vi, ef_memreg_dma_addr(&r.mr, 0), n, 9), 0);
	sent(&r.vi, 9, false);
	assert_int_equal(caught(got, 6102), -1);
	assert_int_equal(ef_vi_transmit_alt_go(&r.vi, 0), 0);
	check_out(6102, 20);
	assert_int_equal(one_event(&r.vi, &ev), 1);
	assert_int_equal(EF_EVENT_TYPE(ev), EF_EVENT_TYPE_TX_ALT);
	assert_int_equal(EF_EVENT_TX_ALT_ALT_ID(ev), 0);
	assert_int_equal(ef_vi_transmit_alt_select(&r.vi, 1), 0);
	assert_int_equal(ef_vi_transmit(&r.vi, ef_memreg_dma_addr(&r.mr, 0), n, 10), 0);
	sent(&r.vi, 10, false);
	assert_int_equal(ef_vi_transmit_alt_discard(&r.vi, 1), 0);
	assert_int_equal(one_event(&r.vi, &ev), 1);
	assert_int_equal(EF_EVENT_TYPE(ev), EF_EVENT_TYPE_TX_ALT);
	assert_int_equal(EF_EVENT_TX_ALT_ALT_ID(ev), 1);
	assert_int_equal(ef_vi_transmit_alt_select(&r.vi, 2), -EINVAL);
	assert_int_equal(ef_vi_transmit_alt_select_normal(&r.vi), 0);
	assert_int_equal(ef_vi_transmit(&r.vi, ef_memreg_dma_addr(&r.mr, 0), n, 11), 0);
	sent(&r.vi, 11, false);
	check_out(6102, 20);
	assert_int_equal(caught(got, 6102), -1);
	assert_int_equal(ef_vi_transmit_alt_free(&r.vi, r.dh), 0);
	assert_int_equal(ef_vi_transmit_alt_free(&r.vi, r.dh), -EINVAL);
	rig_close(&r);
}

static void merges_events_and_stamps_frames(void **state)
{
	const ef_vi_layout_entry *l;
	struct timespec now, ts;
	ef_precisetime pt;
	unsigned flags;
	int n_layout, seen = 0, prefix, tries = 0;
	uint16_t bytes;
	struct rig r;
	ef_event ev = { 0 };

	rig_open(&r, (enum ef_vi_flags)(EF_VI_RX_EVENT_MERGE | EF_VI_RX_TIMESTAMPS | EF_VI_TX_TIMESTAMPS));
	assert_int_equal(r.vi.vi_out_flags, EF_VI_OUT_CLOCK_SYNC_STATUS);
	filter_udp(&r.vi, r.dh, IP_A, 5004, NULL);
	prefix = ef_vi_receive_prefix_len(&r.vi);
	assert_true(prefix > 0);
	assert_int_equal(ef_vi_receive_query_layout(&r.vi, &l, &n_layout), 0);
	for (int i = 0; i < n_layout; i++)
		if (l[i].evle_type == EF_VI_LAYOUT_PACKET_LENGTH && l[i].evle_offset > 0)
			seen++;
	assert_int_equal(seen, 1);
	for (int i = 0; i < 20; i++)
		inject((struct spec){ .proto = IPPROTO_UDP, .sport = 7, .dport = 5004, .len = 20 + i, .seq = i });
	seen = 0;
	while (seen < 20 && tries++ < 40) {
		ef_request_id ids[EF_VI_RECEIVE_BATCH];
		int n;

		assert_int_equal(one_event(&r.vi, &ev), 1);
		assert_int_equal(EF_EVENT_TYPE(ev), EF_EVENT_TYPE_RX_MULTI);
		assert_true(EF_EVENT_RX_MULTI_SOP(ev) && !EF_EVENT_RX_MULTI_CONT(ev));
		n = ef_vi_receive_unbundle(&r.vi, &ev, ids);
		assert_in_range(n, 1, EF_VI_RECEIVE_BATCH);
		for (int i = 0; i < n; i++, seen++) {
			uint8_t *p = r.mem + (ids[i] - 1000) * BUF;
			int seq;

			assert_int_equal(ids[i], 1000 + seen);
			assert_int_equal(ef_vi_receive_get_bytes(&r.vi, p, &bytes), 0);
			assert_int_equal(bytes, 62 + seen);
			memcpy(&seq, p + prefix + 42, 4);
			assert_int_equal(seq, seen);
			clock_gettime(CLOCK_REALTIME, &now);
			assert_int_equal(ef_vi_receive_get_precise_timestamp(&r.vi, p, &pt), 0);
			assert_in_range(now.tv_sec - pt.tv_sec, 0, 2);
			assert_true(pt.tv_flags & EF_VI_SYNC_FLAG_CLOCK_SET);
			assert_int_equal(ef_vi_receive_get_timestamp_with_sync_flags(&r.vi, p, &ts, &flags), 0);
			assert_int_equal(ts.tv_nsec, pt.tv_nsec);
			assert_int_equal(ef_vi_receive_get_timestamp(&r.vi, p, &ts), 0);
		}
	}
	assert_int_equal(seen, 20);
	assert_int_equal(ef_vi_transmit(&r.vi, ef_memreg_dma_addr(&r.mr, 0), frame_out(r.mem, 6103, 20, true), 12), 0);
	assert_int_equal(one_event(&r.vi, &ev), 1);
	assert_int_equal(EF_EVENT_TYPE(ev), EF_EVENT_TYPE_TX_WITH_TIMESTAMP);
	assert_int_equal(EF_EVENT_TX_WITH_TIMESTAMP_RQ_ID(ev), 12);
	assert_in_range(now.tv_sec + 1 - EF_EVENT_TX_WITH_TIMESTAMP_SEC(ev), 0, 3);
	assert_in_range(EF_EVENT_TX_WITH_TIMESTAMP_NSEC(ev), 0, 999999999);
	assert_true(EF_EVENT_TX_WITH_TIMESTAMP_SYNC_FLAGS(ev) & EF_VI_SYNC_FLAG_CLOCK_SET);
	assert_int_equal(ef_vi_transmit_fill_level(&r.vi), 0);
	rig_close(&r);
}

/* Does a frame by @s come to the VI (1), or not (0)? */
static int comes(struct rig *r, struct spec s)
{
	ef_event ev;

	inject(s);
	for (int i = 0; i < 30; i++) {
		if (ef_eventq_poll(&r->vi, &ev, 2) > 0) {
			post(r, (int)EF_EVENT_RX_RQ_ID(ev) - 1000);
			return 1;
		}
		ms(1);
	}
	return 0;
}

static void every_kind_of_filter(void **state)
{
	const struct spec udp = { .proto = IPPROTO_UDP, .sport = 7, .dport = 5010, .len = 20 };
	const uint8_t mc[6] = { 1, 0, 0x5e, 1, 2, 3 }, other[6] = { 2, 9, 9, 9, 9, 9 };
	struct spec s, tcp = udp, v6 = udp, vlan = udp, mcast = udp, far = udp;
	struct in6_addr a6, b6;
	ef_filter_cookie c;
	ef_filter_info info;
	ef_filter_spec f;
	struct rig r;

	tcp.proto = IPPROTO_TCP;
	v6.v6 = true;
	vlan.vlan = 100;
	mcast.dst = "239.1.2.3";
	mcast.dmac = mc;
	far.dmac = other;
	inet_pton(AF_INET6, IP6_A, &a6);
	inet_pton(AF_INET6, IP6_B, &b6);
	rig_open(&r, EF_VI_FLAGS_DEFAULT);

#define WITH(set, expect_yes, expect_no)                                            \
	do {                                                                        \
		ef_filter_spec_init(&f, EF_FILTER_FLAG_NONE);                       \
		assert_int_equal(set, 0);                                           \
		assert_int_equal(ef_vi_filter_add(&r.vi, r.dh, &f, &c), 0);         \
		assert_int_equal(comes(&r, expect_yes), 1);                         \
		assert_int_equal(comes(&r, expect_no), 0);                          \
		assert_int_equal(ef_vi_filter_query(&r.vi, r.dh, &c, &info, sizeof(info)), 0); \
		assert_int_equal(ef_vi_filter_del(&r.vi, r.dh, &c), 0);             \
		assert_int_equal(ef_vi_filter_del(&r.vi, r.dh, &c), -ENOENT);       \
		assert_int_equal(comes(&r, expect_yes), 0);                         \
	} while (0)

	WITH(ef_filter_spec_set_ip4_local(&f, IPPROTO_UDP, inet_addr(IP_A), htons(5010)), udp, tcp);
	WITH(ef_filter_spec_set_ip4_local(&f, IPPROTO_TCP, inet_addr(IP_A), htons(5010)), tcp, udp);
	s = udp;
	s.sport = 8;
	WITH(ef_filter_spec_set_ip4_full(&f, IPPROTO_UDP, inet_addr(IP_A), htons(5010), inet_addr(IP_B), htons(7)), udp, s);
	WITH(ef_filter_spec_set_ip6_local(&f, IPPROTO_UDP, &a6, htons(5010)), v6, udp);
	s = v6;
	s.sport = 8;
	WITH(ef_filter_spec_set_ip6_full(&f, IPPROTO_UDP, &a6, htons(5010), &b6, htons(7)), v6, s);
	WITH(ef_filter_spec_set_ip4_local(&f, IPPROTO_UDP, inet_addr(IP_A), htons(5010)) |
	     ef_filter_spec_set_vlan(&f, 100), vlan, udp);
	WITH(ef_filter_spec_set_ip4_local(&f, IPPROTO_UDP, inet_addr("239.1.2.3"), htons(5010)), mcast, udp);
	WITH(ef_filter_spec_set_eth_local(&f, EF_FILTER_VLAN_ID_ANY, other), far, udp);
	s = far;
	s.vlan = 100;
	WITH(ef_filter_spec_set_eth_local(&f, 100, other), s, far);
	WITH(ef_filter_spec_set_unicast_all(&f), udp, mcast);
	WITH(ef_filter_spec_set_multicast_all(&f), mcast, udp);
	WITH(ef_filter_spec_set_unicast_mismatch(&f), udp, mcast);
	WITH(ef_filter_spec_set_multicast_mismatch(&f), mcast, udp);
	WITH(ef_filter_spec_set_unicast_mismatch(&f) | ef_filter_spec_set_vlan(&f, 100), vlan, udp);
	WITH(ef_filter_spec_set_eth_type(&f, htons(ETH_P_IPV6)), v6, udp);
	WITH(ef_filter_spec_set_eth_type(&f, htons(ETH_P_IP)) | ef_filter_spec_set_eth_local(&f, EF_FILTER_VLAN_ID_ANY, other), far, udp);
	WITH(ef_filter_spec_set_eth_type(&f, htons(ETH_P_IP)) | ef_filter_spec_set_vlan(&f, 100), vlan, udp);
	WITH(ef_filter_spec_set_ip_proto(&f, IPPROTO_TCP), tcp, udp);
	WITH(ef_filter_spec_set_ip_proto(&f, IPPROTO_UDP) | ef_filter_spec_set_vlan(&f, 100), vlan, udp);
	WITH(ef_filter_spec_set_ip_proto(&f, IPPROTO_UDP) | ef_filter_spec_set_eth_local(&f, EF_FILTER_VLAN_ID_ANY, other), far, udp);
	WITH(ef_filter_spec_set_dest(&f, 3, 0) | ef_filter_spec_set_unicast_all(&f), udp, mcast);

	/* What does not go together. */
	ef_filter_spec_init(&f, EF_FILTER_FLAG_NONE);
	assert_int_equal(ef_vi_filter_add(&r.vi, r.dh, &f, NULL), -EINVAL);
	assert_int_equal(ef_filter_spec_set_unicast_all(&f), 0);
	assert_int_equal(ef_filter_spec_set_ip_proto(&f, 6), -EPROTONOSUPPORT);
	assert_int_equal(ef_filter_spec_set_dest(&f, 65536, 0), -EINVAL);
	assert_int_equal(ef_filter_spec_set_dest(&f, -1, 0), -EINVAL);
	ef_filter_spec_init(&f, (enum ef_filter_flags)(EF_FILTER_FLAG_EXCLUSIVE_RXQ | EF_FILTER_FLAG_SHARED_RXQ));
	assert_int_equal(ef_filter_spec_set_unicast_all(&f), 0);
	assert_int_equal(ef_vi_filter_add(&r.vi, r.dh, &f, NULL), -EINVAL);
	ef_filter_spec_init(&f, EF_FILTER_FLAG_NONE);
	assert_int_equal(ef_filter_spec_set_port_sniff(&f, 1), 0);
	assert_int_equal(ef_vi_filter_add(&r.vi, r.dh, &f, NULL), -EOPNOTSUPP);
	ef_filter_spec_init(&f, EF_FILTER_FLAG_NONE);
	assert_int_equal(ef_filter_spec_set_tx_port_sniff(&f), 0);
	assert_int_equal(ef_vi_filter_add(&r.vi, r.dh, &f, NULL), -EOPNOTSUPP);
	assert_int_equal(ef_filter_spec_set_user_mark(&f, 1), -EOPNOTSUPP);
	assert_int_equal(ef_filter_spec_set_user_flag(&f, 1), -EOPNOTSUPP);
	rig_close(&r);
}

static void keeps_frames_from_the_kernel(void **state)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons(5020) };
	const struct spec s = { .proto = IPPROTO_UDP, .sport = 7, .dport = 5020, .len = 20 };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	int (*const setters[])(ef_filter_spec *) = { ef_filter_spec_set_block_kernel,
						     ef_filter_spec_set_block_kernel_unicast,
						     ef_filter_spec_set_block_kernel_multicast };
	ef_filter_cookie c;
	ef_filter_spec f;
	struct rig r;
	char b[64];

	assert_int_equal(bind(fd, (struct sockaddr *)&sin, sizeof(sin)), 0);
	rig_open(&r, EF_VI_FLAGS_DEFAULT);
	for (int i = 0; i < 3; i++) {
		ef_filter_spec_init(&f, EF_FILTER_FLAG_NONE);
		assert_int_equal(setters[i](&f), 0);
		assert_int_equal(ef_filter_spec_set_unicast_all(&f), -EPROTONOSUPPORT);
		assert_int_equal(ef_vi_filter_add(&r.vi, r.dh, &f, &c), 0);
		inject(s);
		ms(20);
		assert_int_equal(recv(fd, b, sizeof(b), 0), i == 2 ? 20 : -1);
		assert_int_equal(ef_vi_filter_del(&r.vi, r.dh, &c), 0);
		inject(s);
		ms(20);
		assert_int_equal(recv(fd, b, sizeof(b), 0), 20);
	}
	rig_close(&r);
	close(fd);
}

static void two_vis_side_by_side(void **state)
{
	struct spec s = { .proto = IPPROTO_UDP, .sport = 7, .len = 20 };
	ef_request_id ids[EF_VI_TRANSMIT_BATCH];
	ef_filter_spec f;
	ef_vi second, third;
	ef_event ev[8];
	struct rig r;
	int q3, n;

	rig_open(&r, EF_VI_FLAGS_DEFAULT);
	filter_udp(&r.vi, r.dh, IP_A, 5031, NULL);
	assert_int_equal(ef_vi_alloc_from_pd(&second, r.dh, &r.pd, r.dh, -1, 64, 64, NULL, -1, EF_VI_FLAGS_DEFAULT), 0);
	filter_udp(&second, r.dh, IP_A, 5032, NULL);
	assert_int_equal(ef_vi_receive_capacity(&second), 63);
	/* The same filter is taken. */
	ef_filter_spec_init(&f, EF_FILTER_FLAG_NONE);
	ef_filter_spec_set_ip4_local(&f, IPPROTO_UDP, inet_addr(IP_A), htons(5031));
	assert_int_equal(ef_vi_filter_add(&second, r.dh, &f, NULL), -EEXIST);
	/* A third one whose events come with the first one's. */
	q3 = ef_vi_alloc_from_pd(&third, r.dh, &r.pd, r.dh, 0, 64, 64, &r.vi, r.dh, EF_VI_FLAGS_DEFAULT);
	assert_int_equal(q3, 1);
	assert_ptr_equal(ef_vi_get_vi_from_q_id(&r.vi, q3), &third);
	assert_int_equal(ef_eventq_poll(&third, ev, 8), -EINVAL);
	filter_udp(&third, r.dh, IP_A, 5033, NULL);
	for (int i = 0; i < 8; i++) {
		assert_int_equal(ef_vi_receive_post(&second, ef_memreg_dma_addr(&r.mr, (size_t)(100 + i) * BUF), 2000 + i), 0);
		assert_int_equal(ef_vi_receive_post(&third, ef_memreg_dma_addr(&r.mr, (size_t)(120 + i) * BUF), 3000 + i), 0);
	}
	for (int round = 0; round < 4; round++) {
		for (int p = 5031; p <= 5033; p++) {
			s.dport = p;
			inject(s);
		}
		ms(20);
		n = ef_eventq_poll(&second, ev, 8);
		assert_int_equal(n, 1);
		assert_int_equal(EF_EVENT_RX_RQ_ID(ev[0]), 2000 + round);
		n = ef_eventq_poll(&r.vi, ev, 8);
		assert_int_equal(n, 2);
		for (int i = 0; i < 2; i++)
			assert_int_equal(EF_EVENT_RX_RQ_ID(ev[i]), (EF_EVENT_RX_Q_ID(ev[i]) ? 3000 : 1000) + (unsigned)round);
	}
	/* Each hears of its own sends, whoever finds the completion. */
	n = frame_out(r.mem, 6201, 20, false);
	assert_int_equal(ef_vi_transmit(&second, ef_memreg_dma_addr(&r.mr, 0), n, 42), 0);
	assert_int_equal(ef_vi_transmit(&r.vi, ef_memreg_dma_addr(&r.mr, 0), n, 43), 0);
	assert_int_equal(ef_vi_transmit(&third, ef_memreg_dma_addr(&r.mr, 0), n, 44), 0);
	ms(20);
	for (int got = 0; got < 2;) {
		int k = ef_eventq_poll(&r.vi, ev, 8);

		assert_true(k > 0);
		for (int i = 0; i < k; i++, got++) {
			ef_vi *of = ef_vi_get_vi_from_q_id(&r.vi, EF_EVENT_TX_Q_ID(ev[i]));

			assert_int_equal(ef_vi_transmit_unbundle(of, &ev[i], ids), 1);
			assert_int_equal(ids[0], of == &third ? 44 : 43);
		}
	}
	sent(&second, 42, false);
	/* The first goes, the others stay. */
	assert_int_equal(ef_vi_free(&third, r.dh), 0);
	assert_int_equal(ef_vi_free(&r.vi, r.dh), 0);
	s.dport = 5032;
	inject(s);
	ms(20);
	assert_int_equal(ef_eventq_poll(&second, ev, 8), 1);
	assert_int_equal(ef_vi_transmit(&second, ef_memreg_dma_addr(&r.mr, 0), n, 45), 0);
	sent(&second, 45, false);
	assert_int_equal(ef_pd_free(&r.pd, r.dh), -EBUSY);
	assert_int_equal(ef_vi_free(&second, r.dh), 0);
	assert_int_equal(ef_memreg_free(&r.mr, r.dh), 0);
	assert_int_equal(ef_pd_free(&r.pd, r.dh), 0);
	rig_close(&r);
}

static void sets_spread_flows(void **state)
{
	ef_filter_cookie c;
	ef_filter_spec f;
	ef_vi_set set;
	ef_event ev[64];
	int got[4] = { 0 }, total = 0;
	struct rig r;
	ef_vi vi[4];

	memset(&r, 0, sizeof(r));
	assert_int_equal(ef_driver_open(&r.dh), 0);
	assert_int_equal(ef_pd_alloc_by_name(&r.pd, r.dh, IF_A, EF_PD_DEFAULT), 0);
	rig_memory(&r);
	assert_int_equal(ef_vi_set_alloc_from_pd(&set, r.dh, &r.pd, r.dh, 4), 0);
	for (int i = 0; i < 4; i++) {
		assert_int_equal(ef_vi_alloc_from_set(&vi[i], r.dh, &set, r.dh, i == 3 ? 3 : -1, -1, 64, 64, NULL, -1, EF_VI_FLAGS_DEFAULT), 0);
		for (int k = 0; k < 40; k++)
			assert_int_equal(ef_vi_receive_post(&vi[i], ef_memreg_dma_addr(&r.mr, (size_t)(i * 40 + k) * BUF), k), 0);
	}
	assert_int_equal(ef_vi_alloc_from_set(&r.vi, r.dh, &set, r.dh, 2, -1, 64, 64, NULL, -1, EF_VI_FLAGS_DEFAULT), -EBUSY);
	ef_filter_spec_init(&f, EF_FILTER_FLAG_NONE);
	assert_int_equal(ef_filter_spec_set_ip4_local(&f, IPPROTO_UDP, inet_addr(IP_A), htons(5040)), 0);
	assert_int_equal(ef_vi_set_filter_add(&set, r.dh, &f, &c), 0);
	for (int i = 0; i < 64; i++)
		inject((struct spec){ .proto = IPPROTO_UDP, .sport = 100 + i, .dport = 5040, .len = 20 });
	ms(30);
	for (int i = 0; i < 4; i++) {
		got[i] = ef_eventq_poll(&vi[i], ev, 64);
		total += got[i];
		assert_true(got[i] > 0);
	}
	assert_int_equal(total, 64);
	/* One flow stays with one. */
	for (int i = 0; i < 10; i++)
		inject((struct spec){ .proto = IPPROTO_UDP, .sport = 100, .dport = 5040, .len = 20 });
	ms(20);
	total = 0;
	for (int i = 0; i < 4; i++) {
		int n = ef_eventq_poll(&vi[i], ev, 64);

		assert_true(n == 0 || n == 10);
		total += n;
	}
	assert_int_equal(total, 10);
	assert_int_equal(ef_vi_set_filter_del(&set, r.dh, &c), 0);
	assert_int_equal(ef_vi_set_filter_del(&set, r.dh, &c), -ENOENT);
	assert_int_equal(ef_vi_set_free(&set, r.dh), 0);
	rig_close(&r);
}

static void a_handle_can_be_polled(void **state)
{
	struct spec s = { .proto = IPPROTO_UDP, .sport = 7, .dport = 5050, .len = 20 };
	struct timeval tv = { 0, 50000 };
	struct pollfd p;
	struct rig r;
	ef_event ev[4];

	rig_open(&r, EF_VI_FLAGS_DEFAULT);
	filter_udp(&r.vi, r.dh, IP_A, 5050, NULL);
	p = (struct pollfd){ .fd = r.dh, .events = POLLIN };
	for (int i = 0; i < 5; i++) {
		unsigned at = ef_eventq_current(&r.vi);

		assert_int_equal(ef_eventq_poll(&r.vi, ev, 4), 0);
		assert_int_equal(ef_vi_prime(&r.vi, r.dh, at), 0);
		assert_int_equal(poll(&p, 1, 20), 0);
		inject(s);
		assert_int_equal(poll(&p, 1, 1000), 1);
		assert_true(ef_eventq_has_event(&r.vi));
		assert_false(ef_eventq_has_many_events(&r.vi, 1));
		assert_int_equal(ef_eventq_poll(&r.vi, ev, 4), 1);
		assert_false(ef_eventq_has_event(&r.vi));
	}
	/* What came before priming counts. */
	inject(s);
	ms(20);
	assert_int_equal(ef_vi_prime(&r.vi, r.dh, ef_eventq_current(&r.vi)), 0);
	assert_int_equal(poll(&p, 1, 1000), 1);
	assert_int_equal(ef_eventq_wait(&r.vi, r.dh, ef_eventq_current(&r.vi), NULL), 0);
	assert_int_equal(ef_eventq_poll(&r.vi, ev, 4), 1);
	assert_int_equal(ef_eventq_wait(&r.vi, r.dh, ef_eventq_current(&r.vi), &tv), -ETIMEDOUT);
	/* A send is an event, too. */
	assert_int_equal(ef_vi_transmit(&r.vi, ef_memreg_dma_addr(&r.mr, 0), frame_out(r.mem, 6301, 20, true), 1), 0);
	tv.tv_sec = 1;
	assert_int_equal(ef_eventq_wait(&r.vi, r.dh, ef_eventq_current(&r.vi), &tv), 0);
	sent(&r.vi, 1, false);
	/* And one of software. */
	ef_eventq_prime(&r.vi);
	assert_int_equal(poll(&p, 1, 0), 0);
	assert_int_equal(ef_eventq_put(ef_vi_resource_id(&r.vi), r.dh, 0xabcd), 0);
	assert_int_equal(poll(&p, 1, 1000), 1);
	assert_int_equal(ef_eventq_poll(&r.vi, ev, 4), 1);
	assert_int_equal(EF_EVENT_TYPE(ev[0]), EF_EVENT_TYPE_SW);
	assert_int_equal(EF_EVENT_SW_DATA(ev[0]), 0xabcd);
	assert_int_equal(ef_eventq_put(99999, r.dh, 0), -ENOENT);
	rig_close(&r);
}

static void answers_what_it_is_asked(void **state)
{
	ef_packed_stream_params psp;
	unsigned long v;
	uint8_t mac[6];
	struct rig r;
	ef_event ev = { 0 };
	ef_pd pd;
	int a, b;

	rig_open(&r, EF_VI_FLAGS_DEFAULT);
	assert_int_equal(ef_vi_get_mac(&r.vi, r.dh, mac), 0);
	assert_memory_equal(mac, t.mac_a, 6);
	assert_int_equal(ef_vi_mtu(&r.vi, r.dh), 1518);
	assert_string_equal(ef_pd_interface_name(&r.pd), IF_A);
	assert_non_null(ef_vi_version_str());
	assert_non_null(ef_vi_driver_interface_str());
	assert_int_equal(ef_vi_flags(&r.vi), EF_VI_FLAGS_DEFAULT);
	assert_true(ef_vi_instance(&r.vi) == ef_vi_resource_id(&r.vi));
	assert_int_equal(ef_vi_receive_buffer_len(&r.vi), 1792);
	ef_vi_receive_set_buffer_len(&r.vi, 1600);
	assert_int_equal(ef_vi_receive_buffer_len(&r.vi), 1600);
	assert_true(ef_eventq_capacity(&r.vi) >= 1023);
	assert_int_equal(ef_vi_pace(&r.vi, r.dh, 1), -EOPNOTSUPP);
	ef_vi_set_tx_push_threshold(&r.vi, 3);
	assert_int_equal(ef_vi_set_shrub_client_buffer_count(&r.vi, 1), -EOPNOTSUPP);
	assert_int_equal(ef_vi_transmitv_init_extra(&r.vi, NULL, NULL, 0, 0), -EOPNOTSUPP);
	assert_int_equal(ef_vi_receive_get_user_data(&r.vi, NULL, NULL, NULL), -EOPNOTSUPP);
	assert_int_equal(ef_vi_receive_get_discard_flags(&r.vi, NULL, NULL), -EOPNOTSUPP);
	assert_int_equal(ef_vi_receive_get_filter_id(&r.vi, &ev, NULL), -EOPNOTSUPP);
	assert_int_equal(ef_receive_poll(&r.vi, &ev, 1), 0);
	assert_null(efct_vi_rxpkt_get(&r.vi, 0));
	efct_vi_rxpkt_release(&r.vi, 0);
	assert_null(efct_vi_rx_future_peek(&r.vi));
	assert_int_equal(efct_vi_rx_future_poll(&r.vi, &ev, 2), 0);
	assert_int_equal(efct_vi_rxpkt_get_timestamp(&r.vi, 0, NULL, NULL), -EOPNOTSUPP);
	assert_int_equal(ef_vi_packed_stream_get_params(&r.vi, &psp), -EINVAL);
	assert_int_equal(ef_vi_packed_stream_unbundle(&r.vi, &ev, NULL, &a, &b), -EINVAL);
	ef_eventq_timer_prime(&r.vi, 1);
	ef_eventq_timer_run(&r.vi, 1);
	ef_eventq_timer_clear(&r.vi);
	ef_eventq_timer_zero(&r.vi);
	assert_int_equal(ef_vi_get_rx_discard_subtype_from_flags(EF_VI_DISCARD_RX_ETH_FCS_ERR), EF_EVENT_RX_DISCARD_CRC_BAD);

	assert_int_equal(ef_vi_capabilities_max(), 57);
	for (int i = 0; i <= 57; i++) {
		int rc = ef_vi_capabilities_get(r.dh, t.if_a, (enum ef_vi_capability)i, &v);

		assert_true(rc == 0 || ((rc == -EOPNOTSUPP || rc == -ENOSYS) && v == 0));
		assert_non_null(ef_vi_capabilities_name((enum ef_vi_capability)i));
	}
	assert_int_equal(ef_pd_capabilities_get(r.dh, &r.pd, r.dh, EF_VI_CAP_MIN_BUFFER_MODE_SIZE, &v), 0);
	assert_int_equal(v, 4096);
	assert_int_equal(ef_vi_capabilities_get_from_pd_flags(r.dh, t.if_a, EF_PD_DEFAULT, EF_VI_CAP_CTPIO, &v), 0);
	assert_int_equal(v, 1);
	assert_int_equal(ef_vi_capabilities_get(r.dh, t.if_a, (enum ef_vi_capability)58, &v), -ENOSYS);
	assert_int_equal(ef_vi_capabilities_get(r.dh, 9999, EF_VI_CAP_CTPIO, &v), -ENODEV);

	assert_int_equal(ef_pd_alloc(&pd, r.dh, 9999, EF_PD_DEFAULT), -ENODEV);
	assert_int_equal(ef_pd_alloc(&pd, r.dh, t.if_a, EF_PD_RX_PACKED_STREAM), -EOPNOTSUPP);
	assert_int_equal(ef_pd_alloc_with_vport(&pd, r.dh, IF_A, EF_PD_DEFAULT, 7), -EOPNOTSUPP);
	assert_int_equal(ef_pd_alloc_with_vport(&pd, r.dh, "3@" IF_A, EF_PD_DEFAULT, EF_PD_VLAN_NONE), 0);
	assert_int_equal(ef_pd_free(&pd, r.dh), 0);
	assert_int_equal(ef_memreg_alloc(&r.mr, r.dh, &r.pd, r.dh, r.mem + 16, 4096), -EINVAL);
	assert_int_equal(ef_driver_close(12345), -EBADF);
	rig_close(&r);
}

static void filters_go_with_the_process(void **state)
{
	const struct spec s = { .proto = IPPROTO_UDP, .sport = 7, .dport = 5060, .len = 20 };
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons(5060) };
	int fd = socket(AF_INET, SOCK_DGRAM, 0), p[2], n = -1;
	struct timeval tv = { 0, 100000 };
	char b[64];
	pid_t pid;

	assert_int_equal(bind(fd, (struct sockaddr *)&sin, sizeof(sin)), 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	assert_int_equal(pipe(p), 0);
	pid = fork();
	if (pid == 0) {
		struct rig r;

		rig_open(&r, EF_VI_FLAGS_DEFAULT);
		filter_udp(&r.vi, r.dh, IP_A, 5060, NULL);
		(void)!write(p[1], "x", 1);
		for (;;)
			pause();
	}
	close(p[1]);
	assert_int_equal(read(p[0], b, 1), 1);
	inject(s);
	assert_int_equal(recv(fd, b, sizeof(b), 0), -1);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	for (int i = 0; i < 20 && n < 0; i++) {
		inject(s);
		n = (int)recv(fd, b, sizeof(b), 0);
	}
	assert_int_equal(n, 20);
	close(fd);
	close(p[0]);
}

/* Faster than the receiver: what is sent is received or counted. */
static void losses_are_counted(void **state)
{
	enum { SENT = 20000 };
	uint32_t counts[16], received = 0;
	const ef_vi_stats_layout *l;
	uint8_t f[2048];
	struct rig r;
	ef_event ev[16];
	int n;

	rig_open(&r, EF_VI_FLAGS_DEFAULT);
	filter_udp(&r.vi, r.dh, IP_A, 5070, NULL);
	n = make_frame(f, (struct spec){ .proto = IPPROTO_UDP, .sport = 7, .dport = 5070, .len = 20 });
	for (int i = 0; i < SENT; i++) {
		/* veth's own queue is before the NIC: leave it time. */
		while (send(t.pkt, f, (size_t)n, 0) != n)
			ms(1);
		if (i % 100 == 0) {
			ms(1);
			int k = ef_eventq_poll(&r.vi, ev, 16);

			for (int j = 0; j < k; j++)
				post(&r, (int)EF_EVENT_RX_RQ_ID(ev[j]) - 1000);
			received += (uint32_t)k;
		}
	}
	ms(50);
	for (int k; (k = ef_eventq_poll(&r.vi, ev, 16)) > 0;) {
		for (int j = 0; j < k; j++)
			post(&r, (int)EF_EVENT_RX_RQ_ID(ev[j]) - 1000);
		received += (uint32_t)k;
	}
	assert_int_equal(ef_vi_stats_query_layout(&r.vi, &l), 0);
	assert_int_equal(ef_vi_stats_query(&r.vi, r.dh, counts, 0), 0);
	assert_true(counts[2] > 1000);
	assert_int_equal(received + counts[2], SENT);
	rig_close(&r);
}

static void the_control_plane_answers(void **state)
{
	ef_cp_route_verinfo ver = EF_CP_ROUTE_VERINFO_INIT;
	ef_cp_fwd_meta meta = { .ifindex = -1, .iif_ifindex = -1 };
	ef_cp_intf_verinfo iv = EF_CP_INTF_VERINFO_INIT;
	struct ef_cp_handle *cp;
	ef_cp_ifaddr addrs[8];
	ef_cp_intf intf;
	uint8_t pkt[128];
	int list[8], n, cookie, found = 0;
	int64_t rc = -EAGAIN;
	size_t space = 32;
	struct rig r;

	rig_open(&r, EF_VI_FLAGS_DEFAULT);
	assert_int_equal(ef_cp_init(&cp, 1), -EINVAL);
	assert_int_equal(ef_cp_init(&cp, 0), 0);
	assert_int_equal(ef_cp_get_all_intfs(cp, list, 8, EF_CP_GET_INTFS_F_GENERIC), 1);
	assert_int_equal(list[0], t.if_a);
	assert_int_equal(ef_cp_get_all_intfs(cp, list, 8, 0), 0);
	assert_int_equal(ef_cp_get_lower_intfs(cp, t.if_a, list, 8, EF_CP_GET_INTFS_F_GENERIC | EF_CP_GET_INTFS_F_MOST_DERIVED), 1);
	assert_int_equal(ef_cp_get_upper_intfs(cp, t.if_a, list, 8, EF_CP_GET_INTFS_F_GENERIC), 0);
	assert_int_equal(ef_cp_get_intf_by_name(cp, IF_A, &intf, 0), 0);
	assert_int_equal(intf.ifindex, t.if_a);
	assert_memory_equal(intf.mac, t.mac_a, 6);
	assert_true(intf.flags & EF_CP_INTF_F_UP && intf.encap & EF_CP_ENCAP_F_VETH);
	assert_null(intf.registered_cookie);
	assert_int_equal(ef_cp_get_intf(cp, 9999, &intf, 0), -ENOENT);
	n = ef_cp_get_intf_addrs(cp, t.if_a, addrs, 8, 0);
	for (int i = 0; i < n && i < 8; i++)
		found += ef_cp_ipaddr_is_ipv4(addrs[i].ip) && addrs[i].prefix_len == 24 &&
			 addrs[i].ip.addr[3] == inet_addr(IP_A) && addrs[i].bcast.addr[3] == inet_addr("10.66.0.255");
	assert_int_equal(found, 1);

	make_frame(pkt + 18, (struct spec){ .proto = IPPROTO_UDP, .sport = 1, .dport = 2, .len = 4, .src = "0.0.0.0", .dst = IP_B });
	memset(pkt, 0, 32);
	assert_int_equal(ef_cp_resolve(cp, pkt + 32, &space, &meta, &ver, 0), -EADDRNOTAVAIL);
	assert_int_equal(ef_cp_register_intf(cp, 9999, &cookie, 0), -ENOENT);
	assert_int_equal(ef_cp_register_intf(cp, t.if_a, &cookie, 0), 0);
	for (int i = 0; i < 100 && rc == -EAGAIN; i++) {
		meta.ifindex = -1;
		space = 32;
		rc = ef_cp_resolve(cp, pkt + 32, &space, &meta, &ver, 0);
		ms(10);
	}
	assert_int_equal(rc, 0);
	assert_int_equal(space, 14);
	assert_ptr_equal(meta.intf_cookie, &cookie);
	assert_int_equal(meta.ifindex, t.if_a);
	assert_int_equal(meta.mtu, 1500);
	assert_memory_equal(pkt + 18, t.mac_b, 6);
	assert_memory_equal(pkt + 24, t.mac_a, 6);
	assert_memory_equal(pkt + 32 + 12, &(uint32_t){ inet_addr(IP_A) }, 4);
	space = 10;
	assert_int_equal(ef_cp_resolve(cp, pkt + 32, &space, &meta, &ver, 0), -E2BIG);
	/* A change is noticed. */
	space = 32;
	assert_int_equal(ef_cp_resolve(cp, pkt + 32, &space, &meta, &ver, EF_CP_RESOLVE_F_NO_CTXT_SW), 0);
	iv = ef_cp_intf_version_get(cp);
	assert_true(ef_cp_intf_version_verify(cp, &iv));
	sh("ip link set " IF_A " mtu 1400");
	for (int i = 0; i < 100 && ef_cp_route_verify(cp, &ver); i++)
		ms(10);
	assert_false(ef_cp_route_verify(cp, &ver));
	assert_false(ef_cp_intf_version_verify(cp, &iv));
	sh("ip link set " IF_A " mtu 1500");
	assert_int_equal(ef_cp_unregister_intf(cp, t.if_a, 0), 0);
	assert_int_equal(ef_cp_unregister_intf(cp, t.if_a, 0), -ENOENT);
	meta.ifindex = -1;
	assert_true(ef_cp_resolve(cp, pkt + 32, &space, &meta, &ver, EF_CP_RESOLVE_F_UNREGISTERED | EF_CP_RESOLVE_F_NO_ARP) & EF_CP_RESOLVE_S_UNREGISTERED);
	ef_cp_fini(cp);
	rig_close(&r);
}

static void nobody_without_the_right(void **state)
{
	pid_t pid = fork();
	int st;

	if (pid == 0) {
		ef_driver_handle dh;
		ef_pd pd;
		ef_vi vi;

		if (setgid(65534) < 0 || setuid(65534) < 0)
			_exit(2);
		if (ef_driver_open(&dh) < 0 || ef_pd_alloc(&pd, dh, t.if_a, EF_PD_DEFAULT) < 0)
			_exit(3);
		_exit(ef_vi_alloc_from_pd(&vi, dh, &pd, dh, -1, -1, -1, NULL, -1, EF_VI_FLAGS_DEFAULT) ==
		      -EACCES ? 0 : 4);
	}
	waitpid(pid, &st, 0);
	assert_int_equal(st, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers_what_it_is_asked),
		cmocka_unit_test(receives_what_a_filter_matches),
		cmocka_unit_test(bad_frames_are_discards),
		cmocka_unit_test(sends_frames),
		cmocka_unit_test(sends_by_pio_and_alternatives),
		cmocka_unit_test(merges_events_and_stamps_frames),
		cmocka_unit_test(every_kind_of_filter),
		cmocka_unit_test(keeps_frames_from_the_kernel),
		cmocka_unit_test(two_vis_side_by_side),
		cmocka_unit_test(sets_spread_flows),
		cmocka_unit_test(a_handle_can_be_polled),
		cmocka_unit_test(the_control_plane_answers),
		cmocka_unit_test(nobody_without_the_right),
		cmocka_unit_test(losses_are_counted),
		cmocka_unit_test(filters_go_with_the_process),
	};

	return cmocka_run_group_tests_name("ef_vi", tests, rig_up, NULL);
}
