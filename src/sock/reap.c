// SPDX-License-Identifier: BSD-2-Clause
/*
 * reap.c - the end of a socket, and of those of a process that died
 *
 * The latter is called by the keeper.  Every socket and epoll set that the process alone had
 * is closed: a listener resets what it had not accepted, a connection sends FIN,
 * or RST where data was left unread; it then lives on as an orphan.
 */
#include "sock/sock_priv.h"

void sock_slot_close(struct stack *st, uint32_t id, bool linger_zero)
{
	struct ep *ep = ep_get(&st->net, id);

	assert_stack_locked(st);
	switch (ep->kind) {
	case EP_TCP_LISTEN:
		tcp_listen_close(&st->net, tcp_listener(ep));
		break;
	case EP_TCP_CONN:
		tcp_close(&st->net, tcp_conn(ep), linger_zero);
		break;
	case EP_UDP:
		udp_close(&st->net, udp_ep(ep));
		break;
	default:
		ep_free(&st->net, ep);
		break;
	}
	upper_sock_release(st, id);
}

uint32_t sock_reap_proc(struct stack *st, uint32_t slot, uint32_t *ids, uint32_t max)
{
	uint64_t bit = 1ull << slot;
	uint32_t n = 0;

	for (uint32_t i = 0; i < ep_top(&st->net); i++) {
		struct sock_shm *s = upper_sock(st, i);
		bool linger_zero = s->linger_s == 0;

		if (!s->in_use || !(s->procs & bit))
			continue;
		s->procs &= ~bit;
		/* It may have died on its way to give the listener to the kernel. */
		if (s->flags & SOCK_SF_FILTER && ep_get(&st->net, i)->kind == EP_TCP_LISTEN)
			tcp_listener(ep_get(&st->net, i))->room = TCP_LISTEN_ROOM;
		/* A passed descriptor may be in flight or elsewhere: the kernel's destroy notice decides. */
		if (s->procs || s->flags & SOCK_SF_PASSED)
			continue;
		if (s->flags & SOCK_SF_FILTER && n < max)
			ids[n++] = i;
		sock_slot_close(st, i, linger_zero);
	}
	for (uint32_t i = 0; i < upper(st)->n_sets; i++) {
		struct epset_shm *set = upper_set(st, i);

		if (set->in_use && set->procs & bit) {
			set->procs &= ~bit;
			if (!set->procs)
				upper_set_release(st, i);
		}
	}
	stack_forget_sleepers(st, slot);
	st->shm->proc_mask &= ~bit;
	st->shm->procs[slot].pid = 0;
	return n;
}

void sock_close_id(struct stack *st, uint32_t id)
{
	bool linger_zero = upper_sock(st, id)->linger_s == 0;

	sock_slot_close(st, id, linger_zero);
}
