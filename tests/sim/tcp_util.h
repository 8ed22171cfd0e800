/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tcp_util.h - a pattern-checked byte stream over simulated TCP
 *
 * A `peer` is one end of a connection with something to send and something to
 * expect: byte i of stream k is a function of (i, k), so every byte that comes out
 * is checked against its place.
 */
#ifndef POSTERN_TESTS_TCP_UTIL_H
#define POSTERN_TESTS_TCP_UTIL_H

#include <errno.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <setjmp.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "sim.h"
#include "tcp/tcp.h"
#include "wire/eth.h"
#include "wire/seq.h"
#include "wire/tcp.h"

#define US NSEC_PER_USEC
#define MS NSEC_PER_MSEC
#define SEC NSEC_PER_SEC

static inline uint8_t pattern(uint64_t i, uint32_t key)
{
	uint64_t x = (i ^ key) * 0x9e3779b97f4a7c15ull;

	return (uint8_t)(x >> 56 ^ x >> 13);
}

static inline struct tcp_listen *listen_on(struct sim_host *h, uint16_t port, uint32_t backlog)
{
	struct tcp_listen *l = tcp_listener(sim_ep(h, IPPROTO_TCP, NULL, port));

	assert_int_equal(tcp_listen_start(&h->net, l, backlog), 0);
	return l;
}

static inline struct tcp_conn *open_conn(struct sim_host *h, const struct sim_host *to, bool v6,
					 uint16_t lport, uint16_t rport)
{
	struct tcp_conn *c = tcp_conn(sim_ep(h, IPPROTO_TCP, v6 ? &h->ip6 : &h->ip4, lport));

	c->ep.flow.raddr = v6 ? to->ip6 : to->ip4;
	c->ep.flow.rport = to_be16(rport);
	h->net.now = sim_now(h->sim);
	tcp_conn_init(&h->net, c);
	return c;
}

static inline struct tcp_conn *connect_to(struct sim_host *h, const struct sim_host *to, bool v6,
					  uint16_t lport, uint16_t rport)
{
	struct tcp_conn *c = open_conn(h, to, v6, lport, rport);

	assert_int_equal(tcp_connect(&h->net, c), 0);
	return c;
}

static inline ssize_t send_bytes(struct sim_host *h, struct tcp_conn *c, const void *buf, size_t len)
{
	struct iovec iov = { (void *)(uintptr_t)buf, len };

	h->net.now = sim_now(h->sim);
	return tcp_send(&h->net, c, &iov, 1, 0, len, 0);
}

static inline ssize_t recv_bytes(struct sim_host *h, struct tcp_conn *c, void *buf, size_t len)
{
	struct iovec iov = { buf, len };

	h->net.now = sim_now(h->sim);
	return tcp_recv(&h->net, c, &iov, 1, 0, len, 0, 0);
}

static inline void close_conn(struct sim_host *h, struct tcp_conn *c)
{
	h->net.now = sim_now(h->sim);
	tcp_close(&h->net, c, false);
}

/* Two hosts, an established connection between them. */
struct pair {
	struct sim *s;
	struct sim_host *a, *b;
	struct tcp_listen *l;
	struct tcp_conn *ca, *cb;	/* ca connected to b's listener; cb was accepted */
};

static inline bool pair_open(struct pair *w, uint64_t timeout)
{
	uint64_t end = sim_now(w->s) + timeout;

	while (!w->cb && sim_now(w->s) < end) {
		sim_run(w->s, 1 * MS);
		w->b->net.now = sim_now(w->s);
		w->cb = tcp_accept(&w->b->net, w->l);
	}
	return w->cb != NULL;
}

static inline void pair_hosts(struct pair *w, uint64_t seed, const struct sim_host_conf *conf)
{
	memset(w, 0, sizeof(*w));
	w->s = sim_create(seed);
	w->a = sim_host_add(w->s, conf);
	w->b = sim_host_add(w->s, conf);
}

static inline void pair_init(struct pair *w, uint64_t seed, const struct sim_host_conf *conf)
{
	pair_hosts(w, seed, conf);
	w->l = listen_on(w->b, 80, 16);
	w->ca = connect_to(w->a, w->b, false, 40000, 80);
	SIM_ASSERT(w->s, pair_open(w, 1 * SEC));
	SIM_ASSERT(w->s, w->ca->state == TCPS_ESTABLISHED);
}

/* All that there was is gone: every frame but the device's is in the pool, and no
 * endpoint is left. */
static inline void expect_clean(struct sim *s, struct sim_host *h)
{
	sim_check(s);
	SIM_ASSERT(s, h->net.shm->ep_n_used == 0);
	SIM_ASSERT(s, h->net.shm->tcp_n_conns == 0);
	SIM_ASSERT(s, h->net.shm->pkt_n_tx == 0);
	SIM_ASSERT(s, h->net.shm->pkt_n_free + h->vi_shm.fill_level == h->net.n_frames);
}

static inline void pair_fini(struct pair *w)
{
	if (w->l) {
		w->b->net.now = sim_now(w->s);
		tcp_listen_close(&w->b->net, w->l);
	}
	memset(&w->a->link, 0, sizeof(w->a->link));
	memset(&w->b->link, 0, sizeof(w->b->link));
	sim_run(w->s, 1000 * SEC);
	expect_clean(w->s, w->a);
	expect_clean(w->s, w->b);
	sim_destroy(w->s);
}

/* One direction's worth of work. */
struct peer {
	struct sim_host *h;
	struct tcp_conn *c;
	uint32_t key_tx, key_rx;
	uint64_t to_send, to_recv;	/* bytes altogether */
	uint64_t sent, recvd;
	uint32_t max_write, max_read;	/* largest call; sizes are drawn from 1 to it */
	bool fin_sent, eof, failed;
};

static inline void peer_work(struct sim *s, struct peer *p)
{
	static uint8_t buf[65536];
	size_t n;
	ssize_t rc;

	if (p->failed)
		return;
	while (p->sent < p->to_send) {
		n = 1 + sim_rand(s) % p->max_write;
		if (n > p->to_send - p->sent)
			n = p->to_send - p->sent;
		for (size_t i = 0; i < n; i++)
			buf[i] = pattern(p->sent + i, p->key_tx);
		rc = send_bytes(p->h, p->c, buf, n);
		if (rc == -EAGAIN)
			break;
		if (rc < 0) {
			p->failed = true;
			return;
		}
		p->sent += (uint64_t)rc;
	}
	if (p->sent == p->to_send && !p->fin_sent) {
		p->fin_sent = true;
		p->h->net.now = sim_now(s);
		SIM_ASSERT(s, tcp_shutdown(&p->h->net, p->c, SHUT_WR) == 0);
	}
	while (!p->eof) {
		n = 1 + sim_rand(s) % p->max_read;
		rc = recv_bytes(p->h, p->c, buf, n);
		if (rc == -EAGAIN)
			break;
		if (rc < 0) {
			p->failed = true;
			return;
		}
		if (rc == 0) {
			p->eof = true;
			break;
		}
		for (ssize_t i = 0; i < rc; i++)
			SIM_ASSERT(s, buf[i] == pattern(p->recvd + (uint64_t)i, p->key_rx));
		p->recvd += (uint64_t)rc;
	}
}

static inline bool peer_done(const struct peer *p)
{
	return p->failed || (p->fin_sent && p->eof);
}

/* Let both ends work in slices of @slice until both are done.  Returns the time that it took, or UINT64_MAX. */
static inline uint64_t peers_run(struct sim *s, struct peer *a, struct peer *b, uint64_t slice,
				 uint64_t timeout)
{
	uint64_t begin = sim_now(s);

	while (!(peer_done(a) && peer_done(b))) {
		if (sim_now(s) - begin > timeout)
			return UINT64_MAX;
		peer_work(s, a);
		peer_work(s, b);
		sim_run(s, slice);
	}
	return sim_now(s) - begin;
}

static inline void peers_check(struct sim *s, const struct peer *a, const struct peer *b)
{
	SIM_ASSERT(s, !a->failed && !b->failed);
	SIM_ASSERT(s, a->recvd == b->to_send && b->recvd == a->to_send);
}

#endif
