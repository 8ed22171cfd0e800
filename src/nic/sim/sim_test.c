// SPDX-License-Identifier: BSD-2-Clause
/*
 * sim_test.c - the simulated network keeps time, order and frames as it says
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "nic/sim/sim.h"

enum { SHIFT = 11, N_FRAMES = 1024, N_FILL = 256 };

struct host {
	struct vi vi;
	struct vi_shm shm;
	uint8_t *frames;
	uint32_t next;	/* frame to send from */
};

static void host_open_with(struct sim_net *net, struct host *h, uint32_t flags)
{
	uint32_t bufs[N_FILL], i;

	memset(h, 0, sizeof(*h));
	h->shm.flags = flags;
	h->frames = calloc(N_FRAMES, 1u << SHIFT);
	assert_non_null(h->frames);
	assert_true(sim_vi_open(net, h->frames, SHIFT, N_FRAMES, &h->shm, &h->vi) >= 0);
	for (i = 0; i < N_FILL; i++)
		bufs[i] = i;
	assert_int_equal(vi_rx_refill(&h->vi, bufs, N_FILL), N_FILL);
	h->next = N_FILL;
}

static void host_open(struct sim_net *net, struct host *h)
{
	host_open_with(net, h, 0);
}

static void host_close(struct host *h)
{
	vi_close(&h->vi);
	free(h->frames);
}

static uint8_t *at(struct host *h, uint32_t buf, uint32_t off)
{
	return h->frames + ((size_t)buf << SHIFT) + off;
}

static void send_tagged(struct host *h, uint32_t tag, uint16_t len)
{
	uint32_t buf = h->next;

	h->next = h->next + 1 == N_FRAMES ? N_FILL : h->next + 1;
	memset(at(h, buf, 256), 0, len);
	memcpy(at(h, buf, 256 + 14), &tag, sizeof(tag));
	assert_int_equal(vi_tx_post(&h->vi, buf, 256, len, false), 0);
	assert_int_equal(vi_tx_kick(&h->vi), 0);
}

/* Returns the tag of the next frame, or -1; gives the frame back. */
static long recv_tag(struct host *h)
{
	struct vi_event ev;
	uint32_t tag;

	if (vi_rx_poll(&h->vi, &ev, 1) != 1)
		return -1;
	memcpy(&tag, at(h, ev.buf, ev.off + 14u), sizeof(tag));
	assert_int_equal(vi_rx_refill(&h->vi, &ev.buf, 1), 1);
	return (long)tag;
}

static void carries_a_frame_after_wire_time_and_delay(void **state)
{
	const struct sim_link link = { .rate_bps = 1000000000, .delay_ns = 5000 };
	struct sim_net *net;
	struct host a, b;
	uint32_t done[4];

	(void)state;
	assert_int_equal(sim_net_create(2, 1, &net), 0);
	sim_link_set(net, 0, &link);
	host_open(net, &a);
	host_open(net, &b);
	sim_advance(net, 1000);
	send_tagged(&a, 42, 125);	/* 1 us on the wire */
	send_tagged(&a, 43, 125);
	assert_int_equal(sim_next_ns(net), 2000);
	sim_advance(net, 1999);
	assert_int_equal(vi_tx_poll(&a.vi, done, 4), 0);
	sim_advance(net, 2000);
	assert_int_equal(vi_tx_poll(&a.vi, done, 4), 1);
	assert_int_equal(done[0], N_FILL);
	sim_advance(net, 6999);
	assert_false(vi_rx_ready(&b.vi));
	sim_advance(net, 7000);
	assert_true(vi_rx_ready(&b.vi));
	assert_int_equal(recv_tag(&b), 42);
	assert_int_equal(recv_tag(&b), -1);
	sim_advance(net, 8000);
	assert_int_equal(recv_tag(&b), 43);
	assert_int_equal(sim_next_ns(net), UINT64_MAX);
	assert_int_equal(vi_tx_poll(&a.vi, done, 4), 1);
	assert_int_equal(a.shm.tx_inflight, 0);
	host_close(&a);
	host_close(&b);
	sim_net_destroy(net);
}

static void drops_when_the_link_queue_is_full(void **state)
{
	const struct sim_link link = { .rate_bps = 8000, .queue_bytes = 300 };
	struct sim_net *net;
	struct host a, b;

	(void)state;
	assert_int_equal(sim_net_create(2, 1, &net), 0);
	sim_link_set(net, 0, &link);
	host_open(net, &a);
	host_open(net, &b);
	for (int i = 0; i < 6; i++)
		send_tagged(&a, (uint32_t)i, 100);
	sim_advance(net, 10 * NSEC_PER_SEC);
	assert_int_equal(sim_stats(net, 0)->queue_dropped, 3);
	assert_int_equal(sim_stats(net, 1)->delivered, 3);
	host_close(&a);
	host_close(&b);
	sim_net_destroy(net);
}

static void drops_without_a_frame_to_receive_into(void **state)
{
	struct sim_net *net;
	struct vi_kstats ks;
	struct host a, b;
	int i;

	(void)state;
	assert_int_equal(sim_net_create(2, 1, &net), 0);
	host_open(net, &a);
	host_open(net, &b);
	for (i = 0; i < N_FILL + 10; i++)
		send_tagged(&a, (uint32_t)i, 60);
	sim_advance(net, 1);
	assert_int_equal(vi_kstats(&b.vi, &ks), 0);
	assert_int_equal(ks.rx_fill_ring_empty_descs, 10);
	assert_int_equal(b.shm.fill_level, N_FILL);
	for (i = 0; i < N_FILL; i++)
		assert_int_equal(recv_tag(&b), i);
	assert_int_equal(recv_tag(&b), -1);
	host_close(&a);
	host_close(&b);
	sim_net_destroy(net);
}

/* Sends 20000 frames over bad links and folds what arrives, in order. */
static uint64_t bad_weather(uint64_t seed, struct sim_stats *tx, struct sim_stats *rx)
{
	const struct sim_link link = {
		.rate_bps = 10000000000ull, .delay_ns = 10000, .loss_ppm = 20000,
		.loss_burst = 3, .dup_ppm = 10000, .corrupt_ppm = 10000,
		.reorder_ppm = 50000, .reorder_ns = 20000,
	};
	struct sim_net *net;
	struct host a, b;
	uint64_t sum = 0;
	uint32_t done[64];
	long tag;
	int i;

	assert_int_equal(sim_net_create(2, seed, &net), 0);
	sim_link_set(net, 0, &link);
	host_open(net, &a);
	host_open(net, &b);
	for (i = 0; i < 20000; i++) {
		send_tagged(&a, (uint32_t)i, 100);
		sim_advance(net, sim_now_ns(net) + 1000);
		(void)vi_tx_poll(&a.vi, done, 64);
		while ((tag = recv_tag(&b)) >= 0)
			sum = sum * 31 + (uint64_t)tag;
	}
	sim_advance(net, sim_now_ns(net) + NSEC_PER_SEC);
	while ((tag = recv_tag(&b)) >= 0)
		sum = sum * 31 + (uint64_t)tag;
	*tx = *sim_stats(net, 0);
	*rx = *sim_stats(net, 1);
	host_close(&a);
	host_close(&b);
	sim_net_destroy(net);
	return sum;
}

static void faults_follow_the_seed_and_their_rates(void **state)
{
	struct sim_stats tx, rx, tx2, rx2;
	uint64_t one;

	(void)state;
	one = bad_weather(7, &tx, &rx);
	assert_int_equal(bad_weather(7, &tx2, &rx2), one);
	assert_memory_equal(&tx, &tx2, sizeof(tx));
	assert_int_not_equal(bad_weather(8, &tx2, &rx2), one);

	assert_int_equal(tx.sent, 20000);
	assert_int_equal(rx.delivered, tx.sent - tx.lost + tx.duplicated);
	assert_in_range(tx.lost, 900, 1500);	/* 2 % of chances, three at a time */
	assert_in_range(tx.duplicated, 130, 270);
	assert_in_range(tx.corrupted, 130, 270);
	assert_in_range(tx.reordered, 800, 1200);
	assert_int_equal(tx.tx_rewritten, 0);
}

static void notices_a_frame_rewritten_before_its_completion(void **state)
{
	const struct sim_link link = { .rate_bps = 1000000 };
	struct sim_net *net;
	struct host a, b;

	(void)state;
	assert_int_equal(sim_net_create(2, 1, &net), 0);
	sim_link_set(net, 0, &link);
	host_open(net, &a);
	host_open(net, &b);
	send_tagged(&a, 1, 100);
	send_tagged(&a, 2, 100);
	*at(&a, N_FILL, 256 + 50) ^= 1;
	sim_advance(net, NSEC_PER_SEC);
	assert_int_equal(sim_stats(net, 0)->tx_rewritten, 1);
	host_close(&a);
	host_close(&b);
	sim_net_destroy(net);
}

static void spreads_a_large_packet_over_frames(void **state)
{
	struct sim_net *net;
	struct vi_event ev[8];
	struct host a, b;

	(void)state;
	assert_int_equal(sim_net_create(2, 1, &net), 0);
	host_open_with(net, &a, VI_F_SG);
	host_open_with(net, &b, VI_F_SG);
	memset(at(&a, 300, 256), 0xab, 1500);
	memset(at(&a, 301, 256), 0xcd, 1500);
	assert_int_equal(vi_tx_post(&a.vi, 300, 256, 1500, true), 0);
	assert_int_equal(vi_tx_kick(&a.vi), 0);
	sim_advance(net, 1);
	assert_int_equal(sim_stats(net, 0)->sent, 0);	/* half a packet does not leave */
	assert_int_equal(vi_tx_post(&a.vi, 301, 256, 1500, false), 0);
	assert_int_equal(vi_tx_kick(&a.vi), 0);
	sim_advance(net, 2);
	assert_int_equal(vi_rx_poll(&b.vi, ev, 8), 2);
	assert_int_equal(ev[0].len, 1792);
	assert_int_equal(ev[0].flags, VI_EV_CONT);
	assert_int_equal(ev[1].len, 3000 - 1792);
	assert_int_equal(ev[1].flags, 0);
	assert_int_equal(*at(&b, ev[0].buf, 256 + 1499), 0xab);
	assert_int_equal(*at(&b, ev[0].buf, 256 + 1500), 0xcd);
	assert_int_equal(b.shm.rx_pkts, 1);
	host_close(&a);
	host_close(&b);
	sim_net_destroy(net);
}

static void drops_a_large_packet_where_frames_cannot_be_joined(void **state)
{
	struct sim_net *net;
	struct host a, b;

	(void)state;
	assert_int_equal(sim_net_create(2, 1, &net), 0);
	host_open_with(net, &a, VI_F_SG);
	host_open(net, &b);
	assert_int_equal(vi_tx_post(&a.vi, 300, 256, 1500, true), 0);
	assert_int_equal(vi_tx_post(&a.vi, 301, 256, 1500, false), 0);
	assert_int_equal(vi_tx_kick(&a.vi), 0);
	sim_advance(net, 2);
	assert_int_equal(sim_stats(net, 1)->too_big_dropped, 1);
	assert_false(vi_rx_ready(&b.vi));
	host_close(&a);
	host_close(&b);
	sim_net_destroy(net);
}

static void send_to(struct host *h, uint8_t from, uint8_t to)
{
	uint8_t *p = at(h, h->next, 256);

	memset(p, 0, 60);
	p[0] = to == 0xff ? 0xff : 2;
	p[5] = to;
	p[6] = 2;
	p[11] = from;
	assert_int_equal(vi_tx_post(&h->vi, h->next++, 256, 60, false), 0);
	assert_int_equal(vi_tx_kick(&h->vi), 0);
}

static void switches_by_learnt_address(void **state)
{
	struct sim_net *net;
	struct host h[3];
	int i;

	(void)state;
	assert_int_equal(sim_net_create(3, 1, &net), 0);
	for (i = 0; i < 3; i++)
		host_open(net, &h[i]);
	send_to(&h[0], 1, 2);	/* nobody knows 2: flooded */
	sim_advance(net, 1);
	assert_int_equal(sim_stats(net, 1)->delivered, 1);
	assert_int_equal(sim_stats(net, 2)->delivered, 1);
	send_to(&h[1], 2, 1);
	sim_advance(net, 2);
	assert_int_equal(sim_stats(net, 0)->delivered, 1);
	assert_int_equal(sim_stats(net, 2)->delivered, 1);
	send_to(&h[0], 1, 2);
	sim_advance(net, 3);
	assert_int_equal(sim_stats(net, 1)->delivered, 2);
	assert_int_equal(sim_stats(net, 2)->delivered, 1);
	send_to(&h[2], 3, 0xff);
	sim_advance(net, 4);
	assert_int_equal(sim_stats(net, 0)->delivered, 2);
	assert_int_equal(sim_stats(net, 1)->delivered, 3);
	for (i = 0; i < 3; i++)
		host_close(&h[i]);
	sim_net_destroy(net);
}

static enum sim_verdict drop_second(void *arg, unsigned port, uint64_t now, uint8_t *frame,
				    uint32_t len)
{
	(void)port;
	(void)now;
	(void)frame;
	(void)len;
	return ++*(int *)arg == 2 ? SIM_DROP : SIM_PASS;
}

static void a_hook_chooses_what_is_lost(void **state)
{
	struct sim_net *net;
	struct host a, b;
	int seen = 0;

	(void)state;
	assert_int_equal(sim_net_create(2, 1, &net), 0);
	sim_hook_set(net, 0, drop_second, &seen);
	host_open(net, &a);
	host_open(net, &b);
	send_tagged(&a, 1, 60);
	send_tagged(&a, 2, 60);
	send_tagged(&a, 3, 60);
	sim_advance(net, 1);
	assert_int_equal(recv_tag(&b), 1);
	assert_int_equal(recv_tag(&b), 3);
	assert_int_equal(sim_stats(net, 0)->hook_dropped, 1);
	assert_int_equal(a.shm.tx_inflight, 3);
	host_close(&a);
	host_close(&b);
	sim_net_destroy(net);
}

static void refuses_a_post_when_the_ring_is_full(void **state)
{
	const struct sim_link link = { .rate_bps = 1000 };
	struct sim_net *net;
	struct host a;
	uint32_t i, done[2];

	(void)state;
	assert_int_equal(sim_net_create(1, 1, &net), 0);
	sim_link_set(net, 0, &link);
	host_open(net, &a);
	for (i = 0; i < SIM_RING_DEFAULT; i++)
		send_tagged(&a, i, 60);
	assert_int_equal(vi_tx_post(&a.vi, 0, 256, 60, false), -EAGAIN);
	sim_advance(net, NSEC_PER_SEC);
	assert_int_equal(vi_tx_poll(&a.vi, done, 2), 2);
	assert_int_equal(vi_tx_post(&a.vi, 0, 256, 60, false), 0);
	host_close(&a);
	sim_net_destroy(net);
}

static void writes_a_capture_file(void **state)
{
	char path[] = "/tmp/sim_test_XXXXXX";
	uint32_t head[6 + 4];
	struct sim_net *net;
	struct host a;
	FILE *fp;
	int fd;

	(void)state;
	fd = mkstemp(path);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(sim_net_create(1, 1, &net), 0);
	assert_int_equal(sim_pcap_open(net, path), 0);
	host_open(net, &a);
	sim_advance(net, 3 * NSEC_PER_SEC + 77);
	send_tagged(&a, 1, 60);
	host_close(&a);
	sim_net_destroy(net);
	fp = fopen(path, "r");
	assert_non_null(fp);
	assert_int_equal(fread(head, sizeof(head), 1, fp), 1);
	fseek(fp, 0, SEEK_END);
	assert_int_equal(ftell(fp), (long)sizeof(head) + 60);
	fclose(fp);
	unlink(path);
	assert_int_equal(head[0], 0xa1b23c4d);
	assert_int_equal(head[6], 3);
	assert_int_equal(head[7], 77);
	assert_int_equal(head[8], 60);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(carries_a_frame_after_wire_time_and_delay),
		cmocka_unit_test(drops_when_the_link_queue_is_full),
		cmocka_unit_test(drops_without_a_frame_to_receive_into),
		cmocka_unit_test(faults_follow_the_seed_and_their_rates),
		cmocka_unit_test(notices_a_frame_rewritten_before_its_completion),
		cmocka_unit_test(spreads_a_large_packet_over_frames),
		cmocka_unit_test(drops_a_large_packet_where_frames_cannot_be_joined),
		cmocka_unit_test(switches_by_learnt_address),
		cmocka_unit_test(a_hook_chooses_what_is_lost),
		cmocka_unit_test(refuses_a_post_when_the_ring_is_full),
		cmocka_unit_test(writes_a_capture_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
