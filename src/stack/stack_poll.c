// SPDX-License-Identifier: BSD-2-Clause
/*
 * stack_poll.c - the poll loop: one pass over rings, protocols and timers
 *
 * Pulls events from each VI, lets ip_rx() validate and demux_find() name the
 * endpoint, and switches to the protocol: the only place that knows all of
 * them.  Runs with the stack lock; makes no system call but what a driver's
 * refill needs.  Leaves readiness on net_shm.ready and doorbells to ring
 * in net_shm.tx_mask, both for the unlock.
 */
#include <netinet/in.h>

#include "base/clock.h"
#include "stack/stack.h"
#include "tcp/tcp.h"
#include "udp/udp.h"

enum {
	BATCH = 32,		/* events taken from a ring at once */
	REFILL_BATCH = 32,	/* frames given back at once: one store to the ring's producer */
};

#define CTL_EVERY_NS NSEC_PER_SEC

bool stack_ctl_heard;

/* Turn an event into a packet; appends to *chain while the packet goes on. */
static struct pkt *take_frame(struct stack *st, const struct vi_event *ev, struct pkt **chain, uint32_t vi)
{
	struct pkt *p = pkt_get(&st->net, ev->buf);

	p->next = p->frag = ID_NONE;
	p->off = ev->off;
	p->len = ev->len;
	p->tot_len = ev->len;
	p->flags = st->shm->vis[vi].flags & VI_F_VIRTUAL ? PKT_F_PARTIAL_OK : 0;
	p->where = PKT_USER;
	p->vi = (uint8_t)vi;
	p->refs = 0;
	p->stamp_ns = 0;
	p->ifindex = st->shm->vis[vi].ifindex;
	if (unlikely(*chain)) {
		struct pkt *last = *chain;

		while (last->frag != ID_NONE)
			last = pkt_get(&st->net, last->frag);
		last->frag = ev->buf;
		(*chain)->tot_len += ev->len;
		p = *chain;
	}
	*chain = ev->flags & VI_EV_CONT ? p : NULL;
	return ev->flags & VI_EV_CONT ? NULL : p;
}

static __cold void rx_icmp(struct net *net, struct pkt *p, const struct rx_info *ri)
{
	struct ep *ep = ri->icmp.ep != ID_NONE ? ep_get(net, ri->icmp.ep) : NULL;

	if (ep && ep->kind == EP_TCP_CONN)
		tcp_icmp(net, ep, ri->icmp.err, ri->icmp.hard, ri->icmp.mtu, ri->icmp.seq);
	if (ep && ep->kind == EP_UDP)
		udp_icmp(net, ep, p, ri);
	else
		pkt_free(net, p);
}

static __cold void rx_nobody(struct net *net, struct pkt *p, const struct rx_info *ri)
{
	NET_DROP(net, no_socket);
	if (ri->l4 == IPPROTO_TCP)
		tcp_rx_nobody(net, p, ri);
	else
		pkt_free(net, p);
}

/* One packet to its endpoint; consumes it. */
static inline void rx_packet(struct net *net, struct pkt *p)
{
	struct rx_info ri;
	struct ep *ep;

	if (unlikely(!ip_rx(net, p, &ri))) {
		pkt_free(net, p);
		return;
	}
	if (unlikely(p->flags & PKT_F_MCAST) && ri.l4 == IPPROTO_UDP) {
		udp_rx_mcast(net, p, &ri);
		return;
	}
	if (unlikely(ri.l4 != IPPROTO_TCP && ri.l4 != IPPROTO_UDP)) {
		rx_icmp(net, p, &ri);
		return;
	}
	ep = demux_find(net, &ri.flow, p->ifindex);
	if (unlikely(!ep))
		rx_nobody(net, p, &ri);
	else if (ep->kind == EP_UDP)
		udp_rx(net, ep, p, &ri);
	else
		tcp_rx(net, ep, p, &ri);
}

/* Give frames to the device, up to its fill level.  A stack that is short of
 * frames refills less: senders keep their quarter (pkt_alloc's rule). */
static void refill(struct stack *st, struct vi *vi, uint32_t want)
{
	uint32_t bufs[REFILL_BATCH];

	while (want) {
		int n = 0, done;

		for (; n < REFILL_BATCH && n < (int)want; n++) {
			struct pkt *p = pkt_alloc(&st->net, PKT_FOR_RX);

			if (!p)
				break;
			p->where = PKT_FILL;
			bufs[n] = pkt_id(&st->net, p);
		}
		done = n ? vi_rx_refill(vi, bufs, n) : 0;
		for (int i = done; i < n; i++)
			pkt_free(&st->net, pkt_get(&st->net, bufs[i]));
		if (done < REFILL_BATCH)
			return;
		want -= (uint32_t)done;
	}
}

void stack_fill_vi(struct stack *st, uint32_t i)
{
	struct vi *vi = &st->vis[i];

	refill(st, vi, vi->shm->fill_size - vi->shm->fill_level);
}

static inline int poll_vi(struct stack *st, uint32_t i)
{
	struct vi *vi = &st->vis[i];
	struct vi_event ev[BATCH];
	struct pkt *chain = NULL;
	int total = 0, n;

	do {
		n = vi_rx_poll(vi, ev, BATCH);
		for (int k = 0; k < n; k++) {
			struct pkt *p;

			if (k + 1 < n) {
				struct pkt *next = pkt_get(&st->net, ev[k + 1].buf);

				__builtin_prefetch(next);
				__builtin_prefetch((char *)next + PKT_DATA_OFF);
			}
			st->net.rx_more = k + 1 < n;
			p = take_frame(st, &ev[k], &chain, i);
			if (likely(p))
				rx_packet(&st->net, p);
		}
		if (st->net.n_acks)
			tcp_flush_burst(&st->net);
		total += n;
	} while (unlikely(n == BATCH && total < (int)st->evs_per_poll));
	if (unlikely(chain))		/* the rest of a packet that the kernel did not finish */
		pkt_free(&st->net, chain);
	if (vi->shm->fill_size - vi->shm->fill_level >= REFILL_BATCH)
		refill(st, vi, vi->shm->fill_size - vi->shm->fill_level);
	return total;
}

static __cold int run_timers(struct stack *st)
{
	struct timer *t;
	int n = 0;

	while ((t = timer_expire(st->net.base, &st->net.shm->wheel, st->net.now))) {
		tcp_timer(&st->net, t);
		n++;
	}
	return n;
}

int stack_poll(struct stack *st)
{
	struct net *net = &st->net;
	int work = 0;

	if (stack_dead(st)) {
		stack_retire(st);
		return 0;
	}
	net->now = clock_ns();
	atomic_store_explicit(&st->shm->heartbeat_ns, net->now, memory_order_relaxed);
	if (tcp_soft_acks_due(net, net->now))
		tcp_flush_acks(net);
	if (unlikely(net->now >= st->ctl_next_ns || stack_ctl_heard)) {
		stack_ctl_heard = false;
		st->ctl_next_ns = net->now + CTL_EVERY_NS;
		st->ctl_look = true;
	}
	for (uint32_t i = 0; i < net->n_vis; i++)
		work += poll_vi(st, i);
	net_tx_reap(net);
	/* A device that was full at the last doorbell wants another. */
	for (uint32_t i = 0; i < net->n_vis; i++)
		if (unlikely(st->vis[i].shm->tx_unkicked))
			net->shm->tx_mask |= 1ull << i;
	if (unlikely(timer_due(&net->shm->wheel, net->now)))
		work += run_timers(st);
	if (net_deferred_due(net))
		net_retry_deferred(net);
	NET_STAT(net, polls);
	if (work)
		NET_STAT(net, polls_rx);
	return work;
}

__cold void stack_flush_acks_slow(struct stack *st)
{
	stack_lock(st);
	st->net.now = clock_ns();
	tcp_flush_acks(&st->net);
	stack_unlock(st);
}

bool stack_work(struct stack *st, uint64_t now_ns)
{
	for (uint32_t i = 0; i < st->net.n_vis; i++)
		if (vi_rx_ready(&st->vis[i]) || st->vis[i].shm->tx_unkicked)
			return true;
	return timer_due(&st->net.shm->wheel, now_ns) || tcp_soft_acks_due(&st->net, now_ns);
}

__cold void stack_resolve(struct stack *st)
{
	struct cp_neigh_req req = { .h = { .type = CP_REQ_NEIGH, .len = sizeof(req), .stack_id = st->id } };
	struct ipaddr nexthop;
	struct cp_rep rep;
	bool more;

	if (!st->client)
		return;
	if (st->ctl_look)
		stack_ctl_look(st);
	for (int i = 0; i < 16; i++) {
		stack_lock(st);
		more = net_next_unresolved(&st->net, &req.ifindex, &nexthop);
		stack_unlock(st);
		if (!more)
			return;
		memcpy(req.addr, nexthop.b, sizeof(req.addr));
		/* The answer comes by the table; a failed request is made again by the next poll. */
		if (cp_call(st->client, &req, sizeof(req), NULL, 0, &rep, sizeof(rep), NULL, NULL) < 0)
			return;
	}
}

void stack_kick(struct stack *st, uint64_t mask)
{
	while (mask) {
		uint32_t i = (uint32_t)__builtin_ctzll(mask);

		mask &= mask - 1;
		/* A device that is down or gone loses what was posted, as a
		 * wire would; TCP's timers see to it. */
		if (i < st->net.n_vis && vi_tx_kick(&st->vis[i]) < 0)
			st->shm->vis[i].tx_errors++;
	}
}
