// SPDX-License-Identifier: BSD-2-Clause
/* sack.c: reports by the receiver, scoreboard of the sender. */
#include <stdarg.h>
#include <setjmp.h>
#include <string.h>

#include <cmocka.h>

#include "tcp/sack.h"
#include "tcp/test_net.h"

static void latest_block_comes_first(void **state)
{
	struct tcp_conn c = { .flags = TCP_F_SACK };
	struct tcp_sack_block b[TCP_SACK_MAX];

	(void)state;
	sack_rx_add(&c, 300, 400);
	sack_rx_add(&c, 100, 200);
	sack_rx_add(&c, 500, 600);
	assert_int_equal(sack_report(&c, b), 3);
	assert_int_equal(b[0].start, 500);
	assert_int_equal(b[1].start, 100);
	assert_int_equal(b[2].start, 300);
	/* Touching ranges become one, and the newest. */
	sack_rx_add(&c, 200, 300);
	assert_int_equal(sack_report(&c, b), 2);
	assert_int_equal(b[0].start, 100);
	assert_int_equal(b[0].end, 400);
	assert_int_equal(b[1].start, 500);
}

static void at_most_four_and_a_duplicate_before_them(void **state)
{
	struct tcp_conn c = { .flags = TCP_F_SACK };
	struct tcp_sack_block b[TCP_SACK_MAX];

	(void)state;
	for (uint32_t i = 0; i < 10; i++)
		sack_rx_add(&c, 1000 * i, 1000 * i + 100);
	assert_int_equal(sack_report(&c, b), 4);
	assert_int_equal(b[0].start, 9000);
	assert_int_equal(b[3].start, 6000);
	c.dsack = (struct tcp_range){ 5, 10 };
	assert_int_equal(sack_report(&c, b), 4);
	assert_int_equal(b[0].start, 5);
	assert_int_equal(b[1].start, 9000);
	c.flags = 0;
	assert_int_equal(sack_report(&c, b), 0);
}

static void advance_forgets_what_is_acknowledged(void **state)
{
	struct tcp_conn c = { .flags = TCP_F_SACK };

	(void)state;
	sack_rx_add(&c, 100, 200);
	sack_rx_add(&c, 300, 400);
	c.rcv_nxt = 200;
	sack_rx_advance(&c);
	assert_int_equal(c.n_rsack, 1);
	assert_int_equal(c.rsack[0].start, 300);
	c.rcv_nxt = 400;
	sack_rx_advance(&c);
	assert_int_equal(c.n_rsack, 0);
}

enum { SEG = 100, N = 10 };

/* N segments of SEG bytes in flight, from 1000 on. */
static struct tcp_conn *in_flight(struct test_net *t)
{
	struct tcp_conn *c = test_conn(t);

	c->flags |= TCP_F_SACK;
	for (int i = 0; i < N; i++) {
		struct pkt *p = tcp_tx_frame(&t->net, c);

		p->data_len = SEG;
		p->end_seq += SEG;
		p->stamp_ns = t->net.now;
		c->snd_end += SEG;
		tcp_tx_enqueue(&t->net, c, p);
	}
	c->snd_next = ID_NONE;
	c->snd_nxt = c->snd_end;
	return c;
}

static uint32_t mark(struct test_net *t, struct tcp_conn *c, uint32_t from, uint32_t to)
{
	struct tcp_in in = { .opt = { .nsack = 1, .sack = { { 1000 + from, 1000 + to } } } };

	return sack_tx_mark(&t->net, c, &in);
}

static unsigned flagged(struct test_net *t, struct tcp_conn *c, uint32_t flag)
{
	unsigned bits = 0, i = 0;

	for (uint32_t id = c->snd_head; id != ID_NONE; id = pkt_get(&t->net, id)->next, i++)
		if (pkt_get(&t->net, id)->flags & flag)
			bits |= 1u << i;
	return bits;
}

static void marks_whole_segments_only(void **state)
{
	struct test_net t;
	struct tcp_conn *c;

	(void)state;
	test_net_init(&t, 64);
	c = in_flight(&t);
	assert_int_equal(mark(&t, c, 250, 560), 200);
	assert_int_equal(flagged(&t, c, PKT_F_SACKED), 0x18);
	assert_int_equal(mark(&t, c, 250, 560), 0);
	assert_int_equal(c->sacked_bytes, 200);
	assert_int_equal(c->sacked_segs, 2);
	test_net_fini(&t);
}

static void nonsense_is_ignored(void **state)
{
	struct test_net t;
	struct tcp_conn *c;

	(void)state;
	test_net_init(&t, 64);
	c = in_flight(&t);
	assert_int_equal(mark(&t, c, 500, 500), 0);
	assert_int_equal(mark(&t, c, 500, 400), 0);
	assert_int_equal(mark(&t, c, 500, N * SEG + 1), 0);
	assert_int_equal(mark(&t, c, (uint32_t)-200, (uint32_t)-100), 0);	/* a duplicate */
	assert_int_equal(mark(&t, c, (uint32_t)-100, 300), 0);
	assert_int_equal(c->sacked_bytes, 0);
	test_net_fini(&t);
}

static void three_above_mean_lost(void **state)
{
	struct test_net t;
	struct tcp_conn *c;

	(void)state;
	test_net_init(&t, 64);
	c = in_flight(&t);
	mark(&t, c, 200, 400);
	assert_false(sack_mark_lost(&t.net, c));
	mark(&t, c, 500, 600);
	assert_true(sack_mark_lost(&t.net, c));
	/* 0 and 1 have three above them, 4 has one. */
	assert_int_equal(flagged(&t, c, PKT_F_LOST), 0x3);
	assert_int_equal(c->lost_bytes, 200);
	assert_int_equal(conn_pipe(c), N * SEG - 300 - 200);
	assert_false(sack_mark_lost(&t.net, c));
	test_net_fini(&t);
}

static void late_arrival_is_not_lost_any_more(void **state)
{
	struct test_net t;
	struct tcp_conn *c;

	(void)state;
	test_net_init(&t, 64);
	c = in_flight(&t);
	mark(&t, c, 200, 600);
	assert_true(sack_mark_lost(&t.net, c));
	assert_int_equal(mark(&t, c, 100, 200), 100);
	assert_int_equal(flagged(&t, c, PKT_F_LOST), 0x1);
	assert_int_equal(c->lost_bytes, 100);
	sack_forget(&t.net, c);
	assert_int_equal(c->sacked_bytes + c->sacked_segs, 0);
	test_net_fini(&t);
}

static void lost_retransmission_is_noticed(void **state)
{
	struct test_net t;
	struct tcp_conn *c;
	struct pkt *p;

	(void)state;
	test_net_init(&t, 64);
	c = in_flight(&t);
	mark(&t, c, 100, 400);
	assert_true(sack_mark_lost(&t.net, c));
	/* Sent again, 10 ms before the last segment. */
	p = pkt_get(&t.net, c->snd_head);
	p->flags = (p->flags & ~(uint32_t)PKT_F_LOST) | PKT_F_RETRANS;
	c->lost_bytes -= SEG;
	p->stamp_ns = t.net.now += 10 * NSEC_PER_MSEC;
	mark(&t, c, 400, 500);
	assert_false(sack_mark_lost(&t.net, c));
	t.net.now += 10 * NSEC_PER_MSEC;
	pkt_get(&t.net, c->snd_tail)->stamp_ns = t.net.now;
	mark(&t, c, 900, 1000);
	assert_true(sack_mark_lost(&t.net, c));
	assert_true(p->flags & PKT_F_LOST);
	test_net_fini(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(latest_block_comes_first),
		cmocka_unit_test(at_most_four_and_a_duplicate_before_them),
		cmocka_unit_test(advance_forgets_what_is_acknowledged),
		cmocka_unit_test(marks_whole_segments_only),
		cmocka_unit_test(nonsense_is_ignored),
		cmocka_unit_test(three_above_mean_lost),
		cmocka_unit_test(late_arrival_is_not_lost_any_more),
		cmocka_unit_test(lost_retransmission_is_noticed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
