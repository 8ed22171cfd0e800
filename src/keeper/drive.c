// SPDX-License-Identifier: BSD-2-Clause
/*
 * drive.c - polling a stack that nobody polls
 *
 * An application that computes for a while, or has died with connections in
 * FIN_WAIT, still owes its peers ACKs and retransmissions.  The stack's heartbeat says when
 * somebody last polled; while it is fresh the keeper does nothing.  When no
 * process is left, or the heartbeat is old, it watches the AF_XDP sockets itself.
 */
#include <errno.h>

#include "base/clock.h"
#include "keeper/keeper.h"

enum {
	TICK_MS = 10,
	IDLE_TICK_MS = 100,
	FRESH_NS = 5 * 1000 * 1000,	/* somebody polls */
	STALE_NS = 50 * 1000 * 1000,	/* nobody will, for now */
};

void drive_poll(struct keeper *k)
{
	struct stack *st = k->st;
	struct kp_neigh neigh = { .ifindex = 0 };
	struct ipaddr nexthop;
	bool more;

	if (!st || stack_dead(st) || !stack_trylock(st))
		return;
	stack_poll(st);
	st->shm->keeper_polls++;
	sock_unlock(st);
	while (stack_wants_resolve(st)) {
		stack_lock(st);
		more = net_next_unresolved(&st->net, &neigh.ifindex, &nexthop);
		stack_unlock(st);
		if (!more)
			break;
		memcpy(neigh.addr, nexthop.b, sizeof(neigh.addr));
		conv_send(k, &neigh, KP_NEIGH, sizeof(neigh), 0);
	}
}

static void watch_xsks(struct keeper *k)
{
	struct stack *st = k->st;

	for (; k->watched_vis < st->net.n_vis; k->watched_vis++)
		if (keeper_watch(k, st->vis[k->watched_vis].fd, KEEPER_EV_XSK, k->watched_vis, EPOLLIN | EPOLLET) < 0)
			break;
}

static void unwatch_xsks(struct keeper *k)
{
	while (k->watched_vis) {
		k->watched_vis--;
		epoll_ctl(k->epfd, EPOLL_CTL_DEL, k->st->vis[k->watched_vis].fd, NULL);
	}
}

/* A leader that is dead or stopped does not look at the sockets: take the role
 * from it and let another sleeper have it. */
static void depose_leader(struct stack *st)
{
	uint32_t leader = atomic_load(&st->shm->leader);

	if (leader && atomic_compare_exchange_strong(&st->shm->leader, &leader, 0))
		stack_ring(st, (1u << STACK_N_DOORBELLS) - 1);
}

/* Its processes are told to look, and see it; posternd forgets it. */
static void give_up(struct keeper *k)
{
	struct kp_broken broken = { .why = "a process died inside the stack; its sockets are lost" };

	if (k->broken_said)
		return;
	k->broken_said = true;
	unwatch_xsks(k);
	stack_ring(k->st, (1u << STACK_N_DOORBELLS) - 1);
	stack_retire(k->st);
	conv_send(k, &broken, KP_BROKEN, sizeof(broken), 0);
}

int drive_tick(struct keeper *k)
{
	struct stack *st;
	uint64_t now, age;
	bool busy;

	if (!conv_try_init(k))
		return IDLE_TICK_MS;
	st = k->st;
	atomic_store_explicit(&st->shm->keeper_ns, clock_ns(), memory_order_relaxed);
	if (stack_dead(st)) {
		give_up(k);
		return IDLE_TICK_MS;
	}
	if (k->n_vi)
		conv_try_vis(k);
	reap_tick(k);
	now = clock_ns();
	age = now - atomic_load_explicit(&st->shm->heartbeat_ns, memory_order_relaxed);
	busy = st->net.shm->tcp_n_conns || stack_wants_resolve(st) || st->net.shm->tx_mask;
	if ((int64_t)age < FRESH_NS) {
		unwatch_xsks(k);
		return TICK_MS;
	}
	if (stack_work(st, now) || stack_wants_resolve(st)) {
		/* Work that a leader should have been woken for. */
		if ((int64_t)age > STALE_NS)
			depose_leader(st);
		drive_poll(k);
	}
	if ((int64_t)age > STALE_NS && busy) {
		/* A leader that sleeps watches them itself. */
		if (!atomic_load(&st->shm->leader))
			watch_xsks(k);
	}
	return busy ? TICK_MS : IDLE_TICK_MS;
}
