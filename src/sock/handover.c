// SPDX-License-Identifier: BSD-2-Clause
/*
 * handover.c - giving an accelerated socket back to the kernel
 *
 * Possible where nothing would be lost: a UDP socket with an empty queue, a
 * listener with nobody waiting, a connection that is closed.  The kernel socket
 * has the same name all along, so that from here on the calls simply pass.
 */
#include "sock/sock_priv.h"

/* 0, or why not now. Lock held. */
static int can_leave(const struct sock *s)
{
	if (!sock_alive(s))
		return -EBADF;
	if (s->shm->procs & ~(1ull << s->st->proc_slot) || s->shm->flags & SOCK_SF_PASSED)
		return -EBUSY;		/* other processes would not learn of it */
	switch (s->ep->kind) {
	case EP_UDP:
		return udp_ep(s->ep)->rxq_pkts ? -EAGAIN : 0;
	case EP_TCP_LISTEN:
		return tcp_listener(s->ep)->n_accept || tcp_listener(s->ep)->n_embryonic ? -EAGAIN : 0;
	case EP_TCP_CONN:
		return tcp_conn(s->ep)->state == TCPS_CLOSED ? 0 : -EINVAL;
	default:
		return 0;
	}
}

int sock_handover(struct sock *s, int fd, enum sock_reason why)
{
	struct filter_list fl = { .n = 0 };
	struct stack *st = s->st;
	bool listener;
	int rc;

	if (s->mode == SOCK_KERNEL)
		return 0;
	sock_settle(s, fd);
	if (s->mode == SOCK_UNDECIDED) {
		if (sock_decide_begin(s)) {
			(void)sock_stay_kernel(s, fd, why);
			sock_decide_end(s);
		}
		return s->mode == SOCK_KERNEL ? 0 : -EBUSY;
	}
	sock_lock(st);
	stack_poll(st);
	rc = can_leave(s);
	if (rc == 0 && s->shm->flags & SOCK_SF_FILTER)
		filter_list_of(&fl, st, s->ep);
	listener = s->ep->kind == EP_TCP_LISTEN;
	sock_unlock(st);
	if (rc < 0)
		return rc;

	if (listener)
		(void)filter_keep_conns(st, &s->ep->flow);
	/* From now on packets are the kernel's; what came in between is looked at once more. */
	filter_list_del(st, &fl);
	sock_lock(st);
	stack_poll(st);
	if (sock_alive(s))
		sock_slot_close(st, s->id, false);
	sock_unlock(st);
	s->reason = (uint16_t)why;
	__atomic_store_n(&s->mode, SOCK_KERNEL, __ATOMIC_RELEASE);
	sock_epoll_decided(s, fd);
	return 0;
}

/*
 * More connections than the stack has room for.  Those that it has get filters of
 * their own, then the listener's goes, and the kernel's listener beside ours takes
 * what comes; accept() merges both.  Until the program listens again: a filter that
 * came back would take the segments of the kernel's connections.
 */
void sock_listener_overflow(struct sock *s)
{
	struct filter_list fl = { .n = 0 };
	struct stack *st = s->st;
	struct flow local;
	bool kept;

	/* A client may use the port of a connection that is over again. */
	filter_sweep_seldom(st);
	sock_lock(st);
	if (sock_alive(s) && s->ep->kind == EP_TCP_LISTEN && tcp_listener(s->ep)->room == TCP_LISTEN_SHORT) {
		tcp_listener(s->ep)->room = TCP_LISTEN_SHUT;
		if (s->shm->flags & SOCK_SF_FILTER)
			filter_list_of(&fl, st, s->ep);
		local = s->ep->flow;
	}
	sock_unlock(st);
	if (!fl.n)
		return;
	kept = filter_keep_conns(st, &local) == 0;
	if (kept)
		filter_list_del(st, &fl);
	sock_lock(st);
	if (sock_alive(s) && s->ep->kind == EP_TCP_LISTEN) {
		if (kept)
			s->shm->flags &= ~(uint32_t)SOCK_SF_FILTER;
		else	/* SYNs that find no room are lost, and sent again */
			tcp_listener(s->ep)->room = TCP_LISTEN_ROOM;
	}
	sock_unlock(st);
}
