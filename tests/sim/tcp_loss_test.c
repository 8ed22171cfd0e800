// SPDX-License-Identifier: BSD-2-Clause
/*
 * TCP over bad links: random loss, duplication, reordering, corruption, sizes of
 * writes, reads, buffers and MTU.  Every byte must come out in its place, both ends
 * must see the end of the stream, and all frames must be back in the pool.
 * Arguments: first seed, number of seeds, any word to be told more, file for a capture.
 */
#include <stdlib.h>

#include "tcp_util.h"

static uint64_t first_seed = 1, n_seeds = 400;
static bool verbose;
static const char *capture;

static uint32_t draw(struct sim *s, uint32_t max)
{
	return (uint32_t)(sim_rand(s) % (max + 1));
}

static void bad_link(struct sim *s, struct sim_link *l)
{
	static const uint64_t rates[] = { 0, 10000000, 100000000, 1000000000 };
	/* Each fault is absent in half of the runs. */
	uint32_t worst = draw(s, 1) ? 100000 : 10000;

	l->rate_bps = rates[draw(s, 3)];
	l->delay_ns = (1 + draw(s, 200)) * (draw(s, 3) ? 10 * US : 200 * US);
	l->loss_ppm = draw(s, 1) * draw(s, worst);
	l->loss_burst = draw(s, 3) ? 1 : 1 + draw(s, 3);
	if (l->loss_burst > 1)
		l->loss_ppm /= 4;
	l->dup_ppm = draw(s, 1) * draw(s, worst);
	l->reorder_ppm = draw(s, 1) * draw(s, worst);
	l->reorder_ns = (1 + draw(s, 100)) * 50 * US;
	l->corrupt_ppm = draw(s, 1) * draw(s, worst / 4);
}

static const char *const drop_names[] = {
#define X(name, text) #name,
	NET_DROPS(X)
#undef X
};

static void dump(const char *name, const struct peer *p)
{
	const struct tcp_conn *c = p->c;

	fprintf(stderr, "%s: state %u flags %x ca %u sent %llu of %llu, received %llu; "
		"una %u nxt %u end %u wnd %u cwnd %u lost %u sacked %u/%u frames %u unsent %d; "
		"rcv_wnd %u rxq %u/%u ooo %u/%u; backoff %u retries %u deadline %lld mss %u\n",
		name, c->state, c->flags, c->ca_state, (unsigned long long)p->sent,
		(unsigned long long)p->to_send, (unsigned long long)p->recvd,
		c->snd_una - c->iss, c->snd_nxt - c->iss, c->snd_end - c->iss, c->snd_wnd,
		c->cwnd, c->lost_bytes, c->sacked_bytes, c->sacked_segs, c->snd_frames,
		c->snd_next != ID_NONE, c->rcv_wnd, c->rxq_bytes, c->rxq_frames, c->ooo_bytes,
		c->ooo_frames, c->backoff, c->retries,
		(long long)(c->rexmit_deadline - p->h->net.now) / 1000, c->mss);
	fprintf(stderr, "   link of %s: sent %llu, lost %llu, corrupted %llu\n", name,
		(unsigned long long)sim_host_stats(p->h)->sent,
		(unsigned long long)sim_host_stats(p->h)->lost,
		(unsigned long long)sim_host_stats(p->h)->corrupted);
	for (int i = 0; i < NET_N_DROPS; i++)
		if (p->h->net.shm->drops[i])
			fprintf(stderr, "   %s %llu\n", drop_names[i],
				(unsigned long long)p->h->net.shm->drops[i]);
}

static void one_run(uint64_t seed)
{
	static const uint32_t mtus[] = { 1500, 1500, 1280, 600 };
	struct sim_host_conf conf = { 0 };
	struct peer a, b;
	struct pair w;
	uint64_t t;
	bool v6;

	memset(&w, 0, sizeof(w));
	w.s = sim_create(seed);
	v6 = draw(w.s, 3) == 0;
	conf.mtu = v6 ? 1500 : mtus[draw(w.s, 3)];
	if (draw(w.s, 3) == 0) {
		/* Hardly enough of anything. */
		conf.n_frames = 300 + draw(w.s, 500);
		conf.fill = 64;
		conf.tx_ring = 64;
	}
	if (capture)
		sim_capture(w.s, capture);
	w.a = sim_host_add(w.s, &conf);
	w.b = sim_host_add(w.s, &conf);
	bad_link(w.s, &w.a->link);
	bad_link(w.s, &w.b->link);
	for (int i = 0; i < 2; i++) {
		struct net_conf *nc = &(i ? w.a : w.b)->net.shm->conf;

		nc->timestamps = draw(w.s, 3) != 0;
		nc->sack = draw(w.s, 3) != 0;
		nc->wscale = draw(w.s, 3) != 0;
	}
	w.l = listen_on(w.b, 80, 16);
	if (draw(w.s, 3) == 0) {
		w.l->rcvbuf = 4096 + draw(w.s, 60000);
		w.l->conn_flags = TCP_F_RCVBUF_LOCKED;
	}
	w.ca = open_conn(w.a, w.b, v6, 40000, 80);
	if (draw(w.s, 3) == 0)
		w.ca->flags |= TCP_F_NODELAY;
	if (draw(w.s, 3) == 0)
		w.ca->cc = TCP_CC_RENO;
	if (draw(w.s, 7) == 0) {
		w.ca->sndbuf = 8192 + draw(w.s, 30000);
		w.ca->flags |= TCP_F_SNDBUF_LOCKED;
	}
	SIM_ASSERT(w.s, tcp_connect(&w.a->net, w.ca) == 0);
	if (!pair_open(&w, 200 * SEC)) {
		/* Six final ACKs in a row were lost, and the listener gave up. */
		SIM_ASSERT(w.s, sim_host_stats(w.a)->lost >= 6 && !w.b->net.shm->tcp_n_conns);
		close_conn(w.a, w.ca);
		pair_fini(&w);
		return;
	}

	a = (struct peer){ .h = w.a, .c = w.ca, .key_tx = 1, .key_rx = 2,
			   .to_send = draw(w.s, 400000), .max_write = 1 + draw(w.s, 20000),
			   .max_read = 1 + draw(w.s, 40000) };
	b = (struct peer){ .h = w.b, .c = w.cb, .key_tx = 2, .key_rx = 1,
			   .to_send = draw(w.s, 1) * draw(w.s, 400000),
			   .max_write = 1 + draw(w.s, 20000), .max_read = 1 + draw(w.s, 40000) };
	/* Small calls take long: keep the number of steps in bounds. */
	if (a.max_write < 50)
		a.to_send /= 20;
	if (b.max_write < 50)
		b.to_send /= 20;
	a.to_recv = b.to_send;
	b.to_recv = a.to_send;
	t = peers_run(w.s, &a, &b, (1 + draw(w.s, 20)) * 100 * US, 4000 * SEC);
	if (t == UINT64_MAX) {
		dump("a", &a);
		dump("b", &b);
		if (capture) {
			sim_destroy(w.s);
			exit(1);
		}
	}
	SIM_ASSERT(w.s, t != UINT64_MAX);
	peers_check(w.s, &a, &b);
	if (verbose)
		fprintf(stderr, "seed %llu: %llu ms, %llu+%llu bytes, retrans %u+%u, rtos %u+%u, "
			"recoveries %u+%u, sack %d ts %d\n",
			(unsigned long long)seed, (unsigned long long)(t / MS),
			(unsigned long long)a.to_send, (unsigned long long)b.to_send,
			w.ca->total_retrans, w.cb->total_retrans, w.ca->rtos, w.cb->rtos,
			w.ca->fast_recs, w.cb->fast_recs, !!(w.ca->flags & TCP_F_SACK),
			!!(w.ca->flags & TCP_F_TS));
	close_conn(w.a, w.ca);
	close_conn(w.b, w.cb);
	pair_fini(&w);
}

static void every_byte_arrives(void **state)
{
	(void)state;
	for (uint64_t seed = first_seed; seed < first_seed + n_seeds; seed++)
		one_run(seed);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_byte_arrives),
	};

	if (argc > 1)
		first_seed = strtoull(argv[1], NULL, 0);
	if (argc > 2)
		n_seeds = strtoull(argv[2], NULL, 0);
	verbose = argc > 3;
	if (argc > 4)
		capture = argv[4];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
