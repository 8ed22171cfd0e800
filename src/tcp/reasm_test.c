// SPDX-License-Identifier: BSD-2-Clause
/* reasm.c: any order, any overlap; what comes out is the stream. */
#include <stdarg.h>
#include <setjmp.h>
#include <string.h>

#include <cmocka.h>

#include "tcp/reasm.h"
#include "tcp/sack.h"
#include "tcp/test_net.h"

static uint8_t octet(uint32_t seq)
{
	return (uint8_t)(seq * 2654435761u >> 13);
}

/* A segment [start, end); chains of small frames when @chunk is not 0. */
static struct pkt *segment(struct test_net *t, uint32_t start, uint32_t end, uint32_t chunk)
{
	struct pkt *first = NULL, *last = NULL;
	uint32_t seq = start;

	do {
		struct pkt *p = pkt_alloc(&t->net, PKT_FOR_RX);
		uint32_t n = end - seq;

		assert_non_null(p);
		if (chunk && n > chunk)
			n = chunk;
		p->off = p->data_off = PKT_DATA_OFF;
		p->len = (uint16_t)n;
		p->tot_len = end - seq;
		for (uint32_t i = 0; i < n; i++)
			((uint8_t *)pkt_data(p))[i] = octet(seq + i);
		p->seq = seq;
		p->data_len = end - seq;
		p->end_seq = end;
		if (last)
			last->frag = pkt_id(&t->net, p);
		else
			first = p;
		last = p;
		seq += n;
	} while (seq != end);
	return first;
}

static void expect_octets(struct test_net *t, const struct pkt *p)
{
	uint32_t seq = p->seq, left = p->data_len, off = p->data_off, n;

	for (;;) {
		n = (uint32_t)(p->off + p->len) - off;
		if (p->frag == ID_NONE || n > left)
			n = left;
		for (uint32_t i = 0; i < n; i++)
			assert_int_equal(*((const uint8_t *)p + off + i), octet(seq + i));
		seq += n;
		left -= n;
		if (!left)
			return;
		p = pkt_get(&t->net, p->frag);
		off = p->off;
	}
}

static void drain(struct test_net *t, struct tcp_conn *c)
{
	struct pkt *p;

	while ((p = reasm_pop(&t->net, c))) {
		assert_int_equal(p->seq, c->rcv_nxt);
		assert_int_equal(p->end_seq - p->seq, p->data_len);
		expect_octets(t, p);
		c->rcv_nxt = p->end_seq;
		pkt_free(&t->net, p);
	}
}

static void keeps_order(void **state)
{
	uint32_t s, e, base = UINT32_MAX - 150;
	struct test_net t;
	struct tcp_conn *c;

	(void)state;
	test_net_init(&t, 64);
	c = test_conn(&t);
	c->rcv_nxt = base;
	assert_true(reasm_insert(&t.net, c, segment(&t, base + 300, base + 400, 0), &s, &e));
	assert_true(reasm_insert(&t.net, c, segment(&t, base + 100, base + 200, 0), &s, &e));
	assert_true(reasm_insert(&t.net, c, segment(&t, base + 500, base + 600, 0), &s, &e));
	assert_int_equal(c->ooo_bytes, 300);
	assert_null(reasm_pop(&t.net, c));
	assert_true(reasm_insert(&t.net, c, segment(&t, base, base + 100, 0), &s, &e));
	drain(&t, c);
	assert_int_equal(c->rcv_nxt, base + 200);
	assert_true(reasm_insert(&t.net, c, segment(&t, base + 150, base + 700, 0), &s, &e));
	drain(&t, c);
	assert_int_equal(c->rcv_nxt, base + 700);
	assert_true(reasm_empty(c));
	assert_int_equal(t.net.shm->pkt_n_free, 64);
	test_net_fini(&t);
}

static void duplicates_are_refused(void **state)
{
	struct test_net t;
	struct tcp_conn *c;
	uint32_t s, e;

	(void)state;
	test_net_init(&t, 64);
	c = test_conn(&t);
	c->rcv_nxt = 0;
	assert_true(reasm_insert(&t.net, c, segment(&t, 100, 300, 0), &s, &e));
	assert_false(reasm_insert(&t.net, c, segment(&t, 100, 300, 0), &s, &e));
	assert_false(reasm_insert(&t.net, c, segment(&t, 150, 250, 0), &s, &e));
	assert_true(reasm_insert(&t.net, c, segment(&t, 50, 301, 0), &s, &e));
	assert_int_equal(c->ooo_bytes, 251);
	c->rcv_nxt = 50;
	drain(&t, c);
	assert_int_equal(c->rcv_nxt, 301);
	assert_int_equal(t.net.shm->pkt_n_free, 64);
	test_net_fini(&t);
}

static void small_ones_share_a_frame(void **state)
{
	struct test_net t;
	struct tcp_conn *c;
	uint32_t s, e;

	(void)state;
	test_net_init(&t, 64);
	c = test_conn(&t);
	c->rcv_nxt = 0;
	for (uint32_t i = 1; i < 1000; i++)
		assert_true(reasm_insert(&t.net, c, segment(&t, i, i + 1, 0), &s, &e));
	assert_int_equal(c->ooo_frames, 1);
	assert_true(reasm_insert(&t.net, c, segment(&t, 0, 1, 0), &s, &e));
	drain(&t, c);
	assert_int_equal(c->rcv_nxt, 1000);
	assert_int_equal(t.net.shm->pkt_n_free, 64);
	test_net_fini(&t);
}

static uint32_t rnd(uint64_t *x)
{
	*x = *x * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)(*x >> 33);
}

/* Random ranges of a window, with and without chains, against a map of octets. */
static void any_order_gives_the_stream(void **state)
{
	enum { SPAN = 3000 };
	uint64_t x = 1;
	struct test_net t;
	struct tcp_conn *c;

	(void)state;
	test_net_init(&t, 1024);
	for (int run = 0; run < 2000; run++) {
		uint32_t base = rnd(&x) * 3, s, e;
		static uint8_t have[SPAN];
		uint32_t max = 1 + rnd(&x) % 1500, bytes;

		c = test_conn(&t);
		c->rcv_nxt = base;
		memset(have, 0, sizeof(have));
		while (c->rcv_nxt != base + SPAN) {
			uint32_t from = rnd(&x) % SPAN, len = 1 + rnd(&x) % max;
			bool fresh = false, got;

			if (rnd(&x) % 4 == 0)
				from = c->rcv_nxt - base;
			if (from + len > SPAN)
				len = SPAN - from;
			if (seq_leq(base + from + len, c->rcv_nxt))
				continue;
			if (seq_before(base + from, c->rcv_nxt)) {
				len -= c->rcv_nxt - base - from;
				from = c->rcv_nxt - base;
			}
			for (uint32_t i = from; i < from + len; i++)
				fresh |= !have[i];
			memset(have + from, 1, len);
			got = reasm_insert(&t.net, c,
					   segment(&t, base + from, base + from + len,
						   rnd(&x) % 3 ? 0 : 1 + rnd(&x) % 700), &s, &e);
			/* What covers only whole others is new too: bytes are
			 * replaced by equal ones. */
			assert_true(got || !fresh);
			drain(&t, c);
			bytes = 0;
			for (uint32_t i = c->rcv_nxt - base; i < SPAN; i++)
				bytes += have[i];
			assert_int_equal(bytes, c->ooo_bytes);
		}
		assert_true(reasm_empty(c) && c->ooo_tail == ID_NONE && !c->ooo_frames);
		assert_int_equal(t.net.shm->pkt_n_free, 1024);
		tcp_destroy(&t.net, c);
	}
	test_net_fini(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keeps_order),
		cmocka_unit_test(duplicates_are_refused),
		cmocka_unit_test(small_ones_share_a_frame),
		cmocka_unit_test(any_order_gives_the_stream),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
