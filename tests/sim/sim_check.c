// SPDX-License-Identifier: BSD-2-Clause
/*
 * sim_check.c - does the state of every host agree with itself?
 *
 * Walks free lists, queues, tables and rings from their heads and marks what it
 * meets: each frame and each endpoint is met exactly once, where it says it is, and
 * the counts are the numbers met.
 */
#include <string.h>

#include "base/bitmap.h"
#include "sim.h"
#include "sim_priv.h"
#include "tcp/tcp_shm.h"
#include "udp/udp.h"

struct check {
	struct sim_host *h;
	uint64_t *seen;		/* bitmap of frames met */
};

#define CHECK(c, cond)                                                                 \
	do {                                                                           \
		if (!(cond)) {                                                         \
			fprintf(stderr, "%s:%d: host %u: not true: %s (seed %llu, t=%llu us)\n", \
				__FILE__, __LINE__, (c)->h->idx, #cond,                \
				(unsigned long long)(c)->h->sim->seed,                 \
				(unsigned long long)(sim_now((c)->h->sim) / 1000));    \
			abort();                                                       \
		}                                                                      \
	} while (0)

static struct pkt *meet(struct check *c, uint32_t id, enum pkt_where where)
{
	struct pkt *p;

	CHECK(c, id < c->h->net.n_frames);
	CHECK(c, !bitmap_test(c->seen, id));
	bitmap_set(c->seen, id);
	p = pkt_get(&c->h->net, id);
	CHECK(c, p->where == where);
	return p;
}

/* A queue by pkt.next, with the chains of its packets.  Returns the frames met. */
static uint32_t walk(struct check *c, uint32_t id, enum pkt_where where, uint32_t *pkts,
		     uint32_t *bytes)
{
	uint32_t n = 0;

	*pkts = *bytes = 0;
	while (id != ID_NONE) {
		struct pkt *p = meet(c, id, where);

		n++;
		++*pkts;
		*bytes += p->data_len;
		for (uint32_t f = p->frag; f != ID_NONE; n++) {
			CHECK(c, f < c->h->net.n_frames && !bitmap_test(c->seen, f));
			bitmap_set(c->seen, f);
			f = pkt_get(&c->h->net, f)->frag;
		}
		id = p->next;
	}
	return n;
}

static void check_udp(struct check *c, struct udp_ep *u)
{
	uint32_t pkts, bytes;

	walk(c, u->rxq_head, PKT_RXQ, &pkts, &bytes);
	CHECK(c, pkts == u->rxq_pkts);
	CHECK(c, bytes + 256 * pkts == u->rxq_bytes);
	CHECK(c, (u->rxq_head == ID_NONE) == (u->rxq_tail == ID_NONE));
	pkts = walk(c, u->errq_head, PKT_RXQ, &pkts, &bytes);
	CHECK(c, pkts == u->errq_n);
}

static void check_tcp(struct check *c, struct tcp_conn *t)
{
	uint32_t pkts, bytes, n;

	n = walk(c, t->rxq_head, PKT_RXQ, &pkts, &bytes);
	CHECK(c, bytes == t->rxq_bytes);
	CHECK(c, n == t->rxq_frames);
	n = walk(c, t->ooo_head, PKT_OOO, &pkts, &bytes);
	CHECK(c, n == t->ooo_frames);
	n = walk(c, t->snd_head, PKT_TXQ, &pkts, &bytes);
	CHECK(c, n == t->snd_frames);
}

static void check_frames(struct check *c)
{
	struct net *net = &c->h->net;
	struct net_shm *sh = net->shm;
	uint32_t n_free, pkts, bytes, n_fill = 0, n_tx = 0, n_rx_use = 0, n_tx_use = 0;

	n_free = walk(c, sh->pkt_free_head, PKT_FREE, &pkts, &bytes);
	for (uint32_t i = sh->pkt_fresh; i < net->n_frames; i++, n_free++)
		meet(c, i, PKT_FREE);
	CHECK(c, n_free == sh->pkt_n_free);
	CHECK(c, sh->pkt_n_free + sh->pkt_n_rx + sh->pkt_n_tx == sh->n_frames);
	walk(c, sh->defer_head, PKT_DEFER, &pkts, &bytes);
	CHECK(c, pkts == sh->defer_n);

	for (uint32_t i = 0; i < net->n_eps; i++) {
		struct ep *ep = ep_get(net, i);

		if (ep->kind == EP_UDP)
			check_udp(c, udp_ep(ep));
		else if (ep->kind == EP_TCP_CONN)
			check_tcp(c, (struct tcp_conn *)ep);
	}

	/* What is on no list is the device's. */
	for (uint32_t i = 0; i < net->n_frames; i++) {
		struct pkt *p = pkt_get(net, i);

		if (p->where != PKT_FREE) {
			n_tx += (p->flags & PKT_F_IN_TX) != 0 && p->where != PKT_FILL;
			n_rx_use += p->use == PKT_FOR_RX;
			n_tx_use += p->use == PKT_FOR_TX;
		}
		if (bitmap_test(c->seen, i))
			continue;
		if (p->where == PKT_FILL)
			n_fill++;
		else
			CHECK(c, p->flags & PKT_F_IN_TX && p->flags & PKT_F_FREE_ON_TX);
	}
	CHECK(c, n_fill == c->h->vi_shm.fill_level);
	CHECK(c, n_tx == c->h->vi_shm.tx_inflight);
	CHECK(c, n_rx_use == sh->pkt_n_rx);
	CHECK(c, n_tx_use == sh->pkt_n_tx);
	CHECK(c, sim_host_stats(c->h)->tx_rewritten == 0);
}

static uint32_t walk_table(struct check *c, const uint32_t *table, uint32_t mask, bool conn)
{
	struct net *net = &c->h->net;
	uint32_t n = 0;

	for (uint32_t i = 0; i <= mask; i++) {
		for (uint32_t id = ~table[i]; id != ID_NONE; id = ep_get(net, id)->hash_next) {
			struct ep *ep;

			CHECK(c, id < net->n_eps);
			ep = ep_get(net, id);
			CHECK(c, ep->id == id && ep->kind != EP_FREE);
			CHECK(c, ep->flags & EP_F_HASHED);
			CHECK(c, (ep->flow.rport.be != 0) == conn);
			CHECK(c, ++n <= net->n_eps);
		}
	}
	return n;
}

static void check_eps(struct check *c)
{
	struct net *net = &c->h->net;
	struct net_shm *sh = net->shm;
	uint32_t used = 0, hashed = 0, n_free = 0, ready = 0, with_events = 0;
	struct shm_link *l;

	for (uint32_t i = 0; i < net->n_eps; i++) {
		const struct ep *ep = ep_get(net, i);

		used += ep->kind != EP_FREE;
		hashed += ep->kind != EP_FREE && ep->flags & EP_F_HASHED;
		with_events += ep->kind != EP_FREE && ep->events;
	}
	CHECK(c, used == sh->ep_n_used);
	for (uint32_t id = sh->ep_free_head; id != ID_NONE; id = ep_get(net, id)->hash_next) {
		CHECK(c, id < net->n_eps && ep_get(net, id)->kind == EP_FREE);
		CHECK(c, ++n_free <= net->n_eps);
	}
	for (uint32_t i = sh->ep_fresh; i < net->n_eps; i++, n_free++)
		CHECK(c, ep_get(net, i)->kind == EP_FREE);
	CHECK(c, used + n_free == net->n_eps);
	CHECK(c, walk_table(c, net->conn_table, net->conn_mask, true) +
		 walk_table(c, net->local_table, net->local_mask, false) == hashed);

	shm_list_for_each(net->base, l, &sh->ready) {
		const struct ep *ep = container_of(l, struct ep, ready);

		CHECK(c, ep->events && ep->kind != EP_FREE);
		CHECK(c, ++ready <= net->n_eps);
	}
	CHECK(c, ready == with_events);
}

void sim_check(struct sim *s)
{
	for (uint32_t i = 0; i < s->n_hosts; i++) {
		struct check c = { .h = s->hosts[i] };

		c.seen = calloc(BITMAP_WORDS(c.h->net.n_frames), sizeof(*c.seen));
		CHECK(&c, c.seen);
		check_frames(&c);
		check_eps(&c);
		free(c.seen);
	}
}
