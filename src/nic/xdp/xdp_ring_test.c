// SPDX-License-Identifier: BSD-2-Clause
/*
 * xdp_ring_test.c - the AF_XDP ring code against rings in ordinary memory, with
 * the test in the place of the kernel
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "nic/nic.h"

enum { SIZE = 8, N_FRAMES = 16, SHIFT = 11 };

struct rig {
	struct vi_shm shm;
	struct vi vi;
	uint32_t prod[4], cons[4], flags[4];
	struct xdp_desc rx[SIZE], tx[SIZE];
	uint64_t fill[SIZE], comp[SIZE];
};

static void ring_init(struct rig *r, struct vi_ring *ring, int i, void *desc)
{
	ring->producer = &r->prod[i];
	ring->consumer = &r->cons[i];
	ring->flags = &r->flags[i];
	ring->desc = desc;
	ring->mask = SIZE - 1;
}

/* @start: where the free-running indices begin, to run them over 2^32. */
static void rig_init(struct rig *r, uint32_t start)
{
	int i;

	memset(r, 0, sizeof(*r));
	r->shm = (struct vi_shm){
		.driver = VI_DRV_XDP, .rx_size = SIZE, .tx_size = SIZE, .fill_size = SIZE,
		.comp_size = SIZE, .frame_shift = SHIFT, .n_frames = N_FRAMES,
		.rx_cons = start, .rx_prod_cached = start, .fill_prod = start,
		.fill_cons_cached = start, .tx_prod = start, .tx_cons_cached = start,
		.comp_cons = start, .comp_prod_cached = start,
	};
	for (i = 0; i < 4; i++)
		r->prod[i] = r->cons[i] = start;
	r->vi = (struct vi){
		.shm = &r->shm, .driver = VI_DRV_XDP, .fd = -1, .frame_shift = SHIFT,
		.n_frames = N_FRAMES,
	};
	ring_init(r, &r->vi.rx, 0, r->rx);
	ring_init(r, &r->vi.tx, 1, r->tx);
	ring_init(r, &r->vi.fill, 2, r->fill);
	ring_init(r, &r->vi.comp, 3, r->comp);
}

static void kernel_rx(struct rig *r, uint64_t addr, uint32_t len, uint32_t options)
{
	r->rx[r->prod[0]++ & (SIZE - 1)] =
		(struct xdp_desc){ .addr = addr, .len = len, .options = options };
}

static void delivers_frames_in_order(void **state)
{
	struct vi_event ev[4];
	struct rig r;

	(void)state;
	rig_init(&r, UINT32_MAX - 1);
	r.shm.fill_level = 3;
	assert_false(vi_rx_ready(&r.vi));
	assert_int_equal(vi_rx_poll(&r.vi, ev, 4), 0);
	kernel_rx(&r, (3ull << SHIFT) + 256, 60, 0);
	kernel_rx(&r, (7ull << SHIFT) + 256, 1792, 0);
	kernel_rx(&r, (1ull << SHIFT) + 256, 1500, 0);
	assert_true(vi_rx_ready(&r.vi));
	assert_int_equal(vi_rx_poll(&r.vi, ev, 2), 2);
	assert_int_equal(ev[0].buf, 3);
	assert_int_equal(ev[0].off, 256);
	assert_int_equal(ev[0].len, 60);
	assert_int_equal(ev[0].flags, 0);
	assert_int_equal(ev[1].buf, 7);
	assert_int_equal(r.cons[0], 0);	/* run over 2^32 */
	assert_int_equal(vi_rx_poll(&r.vi, ev, 4), 1);
	assert_int_equal(ev[0].buf, 1);
	assert_int_equal(r.shm.rx_pkts, 3);
	assert_int_equal(r.shm.rx_bytes, 60 + 1792 + 1500);
	assert_int_equal(r.shm.fill_level, 0);
}

static void marks_all_but_the_last_frame_of_a_packet(void **state)
{
	struct vi_event ev[4];
	struct rig r;

	(void)state;
	rig_init(&r, 0);
	kernel_rx(&r, 256, 1792, XDP_PKT_CONTD);
	kernel_rx(&r, (1ull << SHIFT) + 256, 1792, XDP_PKT_CONTD);
	kernel_rx(&r, (2ull << SHIFT) + 256, 10, 0);
	assert_int_equal(vi_rx_poll(&r.vi, ev, 4), 3);
	assert_int_equal(ev[0].flags, VI_EV_CONT);
	assert_int_equal(ev[1].flags, VI_EV_CONT);
	assert_int_equal(ev[2].flags, 0);
	assert_int_equal(r.shm.rx_pkts, 1);
}

static void drops_descriptors_outside_packet_memory(void **state)
{
	static const struct xdp_desc bad[] = {
		{ (uint64_t)N_FRAMES << SHIFT, 60, 0 },		/* one past the last frame */
		{ UINT64_MAX, 60, 0 },
		{ 1ull << 43, 60, 0 },				/* index wraps in 32 bits to 0 */
		{ 256, 1793, 0 },				/* over the end of its frame */
		{ 256, UINT32_MAX, 0 },				/* sum wraps in 32 bits */
		{ 2047, 2, 0 },
	};
	struct vi_event ev[8];
	struct rig r;
	size_t i;

	(void)state;
	rig_init(&r, 0);
	for (i = 0; i < ARRAY_SIZE(bad); i++)
		kernel_rx(&r, bad[i].addr, bad[i].len, 0);
	kernel_rx(&r, ((N_FRAMES - 1ull) << SHIFT) + 2047, 1, 0);	/* the very last byte is ours */
	assert_int_equal(vi_rx_poll(&r.vi, ev, 8), 1);
	assert_int_equal(ev[0].buf, N_FRAMES - 1);
	assert_int_equal(r.shm.rx_bad_desc, ARRAY_SIZE(bad));
	assert_int_equal(r.cons[0], ARRAY_SIZE(bad) + 1);
}

static void fills_no_more_than_the_ring_holds(void **state)
{
	uint32_t bufs[SIZE + 2];
	struct rig r;
	int i;

	(void)state;
	for (i = 0; i < SIZE + 2; i++)
		bufs[i] = (uint32_t)i;
	rig_init(&r, UINT32_MAX - 3);
	assert_int_equal(vi_rx_refill(&r.vi, bufs, SIZE + 2), SIZE);
	assert_int_equal(r.shm.fill_level, SIZE);
	assert_int_equal(vi_rx_refill(&r.vi, bufs, 1), 0);
	r.cons[2] += 3;		/* the kernel took three */
	assert_int_equal(vi_rx_refill(&r.vi, bufs + SIZE, 2), 2);
	assert_int_equal(r.fill[(r.prod[2] - 1) & (SIZE - 1)], (SIZE + 1ull) << SHIFT);
	assert_int_equal(vi_rx_refill(&r.vi, bufs, 5), 1);
}

static void refuses_a_post_when_the_ring_is_full(void **state)
{
	struct rig r;
	uint32_t i;

	(void)state;
	rig_init(&r, UINT32_MAX - 3);
	for (i = 0; i < SIZE; i++)
		assert_int_equal(vi_tx_post(&r.vi, i, 256, 100, false), 0);
	assert_int_equal(vi_tx_post(&r.vi, 9, 256, 100, false), -EAGAIN);
	assert_int_equal(r.shm.tx_ring_full, 1);
	assert_int_equal(r.shm.tx_inflight, SIZE);
	r.cons[1]++;
	assert_int_equal(vi_tx_post(&r.vi, 9, 300, 100, true), 0);
	i = (r.prod[1] - 1) & (SIZE - 1);
	assert_int_equal(r.tx[i].addr, (9ull << SHIFT) + 300);
	assert_int_equal(r.tx[i].len, 100);
	assert_int_equal(r.tx[i].options, XDP_PKT_CONTD);
	assert_int_equal(r.shm.tx_pkts, SIZE);
}

static void completes_frames_and_skips_impossible_ones(void **state)
{
	uint32_t done[SIZE];
	struct rig r;

	(void)state;
	rig_init(&r, 0);
	assert_int_equal(vi_tx_post(&r.vi, 4, 256, 60, false), 0);
	assert_int_equal(vi_tx_post(&r.vi, 5, 256, 60, false), 0);
	assert_int_equal(vi_tx_poll(&r.vi, done, SIZE), 0);
	r.comp[r.prod[3]++] = (4ull << SHIFT) + 256;
	r.comp[r.prod[3]++] = (uint64_t)N_FRAMES << SHIFT;
	assert_int_equal(vi_tx_poll(&r.vi, done, SIZE), 1);
	assert_int_equal(done[0], 4);
	assert_int_equal(r.shm.tx_errors, 1);
	assert_int_equal(r.shm.tx_inflight, 0);
	assert_int_equal(r.cons[3], 2);
}

static void survives_damaged_positions(void **state)
{
	uint32_t bufs[SIZE] = { 0 };
	struct rig r;

	(void)state;
	rig_init(&r, 0);
	r.shm.fill_cons_cached = 1000;
	r.cons[2] = 5000;
	assert_int_equal(vi_rx_refill(&r.vi, bufs, SIZE), 0);
	r.shm.comp_prod_cached = 5000;
	assert_int_equal(vi_tx_poll(&r.vi, bufs, SIZE), 0);
}

static void another_process_goes_on_where_the_last_stopped(void **state)
{
	struct vi_event ev[4];
	struct rig r;
	struct vi other;

	(void)state;
	rig_init(&r, 0);
	kernel_rx(&r, (1ull << SHIFT) + 256, 60, 0);
	kernel_rx(&r, (2ull << SHIFT) + 256, 60, 0);
	assert_int_equal(vi_rx_poll(&r.vi, ev, 1), 1);
	other = r.vi;	/* maps the same rings and struct vi_shm */
	assert_int_equal(vi_rx_poll(&other, ev, 4), 1);
	assert_int_equal(ev[0].buf, 2);
	assert_int_equal(vi_rx_poll(&r.vi, ev, 4), 0);
}

static void kicks_only_when_something_was_posted_and_it_is_asked_for(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r, 0);
	r.flags[1] = XDP_RING_NEED_WAKEUP;
	assert_int_equal(vi_tx_kick(&r.vi), 0);
	assert_int_equal(r.shm.tx_kicks, 0);
	assert_int_equal(vi_tx_post(&r.vi, 1, 256, 60, false), 0);
	r.flags[1] = 0;
	assert_int_equal(vi_tx_kick(&r.vi), 0);
	assert_int_equal(r.shm.tx_kicks, 0);
	assert_int_equal(r.shm.tx_unkicked, 0);
	assert_int_equal(vi_tx_post(&r.vi, 2, 256, 60, false), 0);
	r.flags[1] = XDP_RING_NEED_WAKEUP;
	assert_int_equal(vi_tx_kick(&r.vi), -ENXIO);	/* the rig has no socket: gone */
	assert_int_equal(r.shm.tx_kicks, 1);
	assert_true(r.shm.flags & VI_F_DOWN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(delivers_frames_in_order),
		cmocka_unit_test(marks_all_but_the_last_frame_of_a_packet),
		cmocka_unit_test(drops_descriptors_outside_packet_memory),
		cmocka_unit_test(fills_no_more_than_the_ring_holds),
		cmocka_unit_test(refuses_a_post_when_the_ring_is_full),
		cmocka_unit_test(completes_frames_and_skips_impossible_ones),
		cmocka_unit_test(survives_damaged_positions),
		cmocka_unit_test(another_process_goes_on_where_the_last_stopped),
		cmocka_unit_test(kicks_only_when_something_was_posted_and_it_is_asked_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
