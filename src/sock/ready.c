// SPDX-License-Identifier: BSD-2-Clause
/*
 * ready.c - readiness: from the protocols' events to watchers and sleepers
 *
 * The protocols put endpoints on net_shm.ready with the bits that happened.
 * ready_flush() hands each to the epoll sets that watch it and gathers the
 * doorbells of the threads that wait for it, all under the stack lock; the
 * doorbells are rung after the lock was dropped.  What is ready *now* is never
 * stored: sock_events() asks the protocol.
 */
#include "sock/sock.h"
#include "tcp/tcp.h"
#include "udp/udp.h"

/* A watcher sees the event: onto its set's ready list.  As the kernel's
 * ep_poll_callback(): events that it did not ask for are none. */
static uint32_t notify_item(struct stack *st, struct epitem_shm *it, uint32_t events, bool *exclusive_done)
{
	struct epset_shm *set;

	if (!(it->events & events))
		return 0;
	set = upper_set(st, it->set);
	if (!shm_link_linked(st->net.base, &it->ready))
		shm_list_add_tail(st->net.base, &set->ready, &it->ready);
	/* Bits may be left from a wait that is over: only a sleeper counts, or an
	 * exclusive event would go to a set that nobody looks at. */
	if (!stack_sleeping(st, atomic_load_explicit(&set->wait_mask, memory_order_relaxed)))
		return 0;
	if (it->events & EPOLLEXCLUSIVE) {
		/* One of the exclusive waiters is enough (epoll_ctl(2)). */
		if (*exclusive_done)
			return 0;
		*exclusive_done = true;
	}
	return atomic_exchange(&set->wait_mask, 0);
}

static uint32_t notify(struct stack *st, struct ep *ep, uint32_t events)
{
	struct sock_shm *s = upper_sock(st, ep->id);
	uint32_t ring = 0, bits = ready_to_poll(events);
	bool exclusive_done = false;
	struct shm_link *l;

	if (!s->in_use)		/* embryonic or orphaned connection */
		return 0;
	s->edges++;
	if (atomic_load_explicit(&s->wait_mask, memory_order_relaxed))
		ring = atomic_exchange(&s->wait_mask, 0);
	shm_list_for_each(st->net.base, l, &s->items)
		ring |= notify_item(st, container_of(l, struct epitem_shm, of_sock), bits, &exclusive_done);
	return ring;
}

uint32_t ready_flush(struct stack *st)
{
	struct shm_link *l;
	uint32_t ring = 0;

	while ((l = shm_list_first(st->net.base, &st->net.shm->ready))) {
		struct ep *ep = container_of(l, struct ep, ready);
		uint32_t events = ep->events;

		shm_list_del(st->net.base, l);
		ep->events = 0;
		ring |= notify(st, ep, events);
	}
	return ring;
}

static uint32_t udp_events(const struct udp_ep *u)
{
	uint32_t ev = POLLOUT | POLLWRNORM;

	if (u->rxq_pkts)
		ev |= POLLIN | POLLRDNORM;
	if (u->ep.so_error || u->errq_n)
		ev |= POLLERR;
	if (u->flags & UDP_F_SHUT_RD)
		ev |= POLLIN | POLLRDNORM | POLLRDHUP;
	return ev;
}

uint32_t sock_events(struct sock *s)
{
	if (unlikely(s->gen != s->shm->gen))
		return POLLNVAL;
	if (unlikely(atomic_load_explicit(&s->st->shm->state, memory_order_relaxed) != STACK_READY)) {
		stack_retire(s->st);
		return POLLERR | POLLHUP | POLLIN | POLLOUT;
	}
	switch (s->ep->kind) {
	case EP_UDP:
		return udp_events(udp_ep(s->ep));
	case EP_TCP_CONN:
	case EP_TCP_LISTEN:
		return ready_to_poll(tcp_events(s->ep));
	default:
		return POLLHUP;
	}
}

bool sock_kernel_too(struct sock *s, short *kernel_events)
{
	if (!(s->shm->flags & SOCK_SF_KERNEL_TOO))
		return false;
	*kernel_events = POLLIN;
	return true;
}
