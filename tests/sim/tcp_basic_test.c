// SPDX-License-Identifier: BSD-2-Clause
/* TCP without loss: open, data both ways, half close, close; IPv4 and IPv6. */
#include "tcp_util.h"

static void connects_and_accepts(void **state)
{
	struct pair w;

	(void)state;
	pair_init(&w, 1, NULL);
	assert_int_equal(w.cb->state, TCPS_ESTABLISHED);
	assert_true(w.ca->flags & TCP_F_TS && w.cb->flags & TCP_F_TS);
	assert_true(w.ca->flags & TCP_F_SACK && w.cb->flags & TCP_F_SACK);
	assert_int_equal(w.ca->mss, 1448);
	assert_int_equal(w.cb->mss, 1448);
	assert_true(w.ca->srtt_us >> 3 >= 100 && w.ca->srtt_us >> 3 < 300);
	assert_int_equal(tcp_events(&w.ca->ep), EP_OUT);
	close_conn(w.a, w.ca);
	sim_run(w.s, 10 * MS);
	assert_int_equal(tcp_events(&w.cb->ep), EP_OUT | EP_IN | EP_RDHUP);
	close_conn(w.b, w.cb);
	pair_fini(&w);
}

static void request_and_answer(void **state)
{
	struct pair w;
	char buf[64];

	(void)state;
	pair_init(&w, 2, NULL);
	for (int i = 0; i < 100; i++) {
		assert_int_equal(send_bytes(w.a, w.ca, "question", 8), 8);
		sim_run(w.s, 200 * US);
		assert_int_equal(tcp_events(&w.cb->ep), EP_OUT | EP_IN);
		assert_int_equal(recv_bytes(w.b, w.cb, buf, sizeof(buf)), 8);
		assert_memory_equal(buf, "question", 8);
		assert_int_equal(recv_bytes(w.b, w.cb, buf, sizeof(buf)), -EAGAIN);
		assert_int_equal(send_bytes(w.b, w.cb, "answer", 6), 6);
		sim_run(w.s, 200 * US);
		assert_int_equal(recv_bytes(w.a, w.ca, buf, sizeof(buf)), 6);
		assert_memory_equal(buf, "answer", 6);
	}
	/* ACKs ride on answers: about two segments a round. */
	assert_true(w.ca->segs_out < 120);
	assert_true(w.cb->segs_out < 120);
	close_conn(w.a, w.ca);
	close_conn(w.b, w.cb);
	pair_fini(&w);
}

static void half_close_keeps_the_other_direction(void **state)
{
	struct pair w;
	char buf[16];

	(void)state;
	pair_init(&w, 3, NULL);
	assert_int_equal(send_bytes(w.a, w.ca, "last", 4), 4);
	assert_int_equal(tcp_shutdown(&w.a->net, w.ca, SHUT_WR), 0);
	assert_int_equal(send_bytes(w.a, w.ca, "x", 1), -EPIPE);
	sim_run(w.s, 1 * MS);
	assert_int_equal(recv_bytes(w.b, w.cb, buf, sizeof(buf)), 4);
	assert_int_equal(recv_bytes(w.b, w.cb, buf, sizeof(buf)), 0);
	assert_int_equal(w.cb->state, TCPS_CLOSE_WAIT);
	assert_int_equal(w.ca->state, TCPS_FIN_WAIT_2);
	for (int i = 0; i < 10; i++) {
		assert_int_equal(send_bytes(w.b, w.cb, "more", 4), 4);
		sim_run(w.s, 1 * MS);
		assert_int_equal(recv_bytes(w.a, w.ca, buf, sizeof(buf)), 4);
	}
	close_conn(w.b, w.cb);
	sim_run(w.s, 1 * MS);
	assert_int_equal(recv_bytes(w.a, w.ca, buf, sizeof(buf)), 0);
	assert_int_equal(w.ca->state, TCPS_TIME_WAIT);
	close_conn(w.a, w.ca);
	pair_fini(&w);
}

/* What lies in the ring at once is acknowledged at once. */
static void a_batch_has_one_ack(void **state)
{
	static char buf[8 * 1448];
	struct pair w;
	uint64_t acks;

	(void)state;
	pair_init(&w, 8, NULL);
	assert_int_equal(send_bytes(w.a, w.ca, buf, sizeof(buf)), sizeof(buf));
	w.b->asleep = true;
	sim_run(w.s, 1 * MS);
	acks = w.cb->segs_out;
	w.b->asleep = false;
	sim_run(w.s, 1 * MS);
	assert_int_equal(tcp_rcv_avail(w.cb), sizeof(buf));
	assert_int_equal(w.cb->segs_out - acks, 1);
	assert_int_equal(tcp_snd_queued(w.ca), 0);
	close_conn(w.a, w.ca);
	close_conn(w.b, w.cb);
	pair_fini(&w);
}

static void bulk(uint64_t seed, bool v6, uint32_t mtu, uint64_t bytes, uint32_t max_write)
{
	struct sim_host_conf conf = { .mtu = mtu };
	struct peer a, b;
	struct pair w;

	pair_hosts(&w, seed, &conf);
	w.a->link.rate_bps = w.b->link.rate_bps = 1000000000;
	w.l = listen_on(w.b, 80, 16);
	w.ca = connect_to(w.a, w.b, v6, 40000, 80);
	assert_true(pair_open(&w, 1 * SEC));
	a = (struct peer){ .h = w.a, .c = w.ca, .key_tx = 1, .key_rx = 2, .to_send = bytes,
			   .to_recv = bytes / 3, .max_write = max_write, .max_read = 65536 };
	b = (struct peer){ .h = w.b, .c = w.cb, .key_tx = 2, .key_rx = 1, .to_send = bytes / 3,
			   .to_recv = bytes, .max_write = max_write, .max_read = 65536 };
	SIM_ASSERT(w.s, peers_run(w.s, &a, &b, 100 * US, 60 * SEC) != UINT64_MAX);
	peers_check(w.s, &a, &b);
	assert_int_equal(w.ca->total_retrans + w.cb->total_retrans, 0);
	close_conn(w.a, w.ca);
	close_conn(w.b, w.cb);
	pair_fini(&w);
}

static void bulk_both_ways(void **state)
{
	(void)state;
	bulk(4, false, 1500, 8 << 20, 65536);
	bulk(5, true, 1500, 1 << 20, 5000);
	bulk(6, false, 600, 1 << 20, 3000);
	bulk(7, true, 1280, 1 << 18, 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(connects_and_accepts),
		cmocka_unit_test(request_and_answer),
		cmocka_unit_test(half_close_keeps_the_other_direction),
		cmocka_unit_test(a_batch_has_one_ack),
		cmocka_unit_test(bulk_both_ways),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
