// SPDX-License-Identifier: BSD-2-Clause
/*
 * stack_ctl.c - is anybody left who would tell us that the filter is gone?
 *
 * posternd may be restarted, and the keeper too: the holder keeps the XDP program
 * meanwhile.  But when all three are killed at once, the program is gone with them,
 * the kernel answers our peers, and nothing ever comes in again.  So a process looks
 * once a second, or when the leader hears the end of its conversation with posternd.
 * While the keeper ticks, this is its business.  Else the daemon is asked, and
 * started if we may: one that took over from a holder knows the stack; one that
 * begins anew does not, and then the connections end with an error.
 */
#include <errno.h>

#include "base/clock.h"
#include "stack/stack.h"
#include "tcp/tcp.h"

#define SILENT_NS  (300 * NSEC_PER_MSEC)	/* a keeper ticks every 100 ms at least */
#define GIVE_UP_NS (5 * NSEC_PER_SEC)		/* without a daemon, where we may not start one */

/* Listeners and UDP sockets live on: the kernel's sockets beside them receive now. */
void stack_abort_conns(struct stack *st)
{
	for (uint32_t i = 0; i < ep_top(&st->net); i++) {
		struct ep *ep = ep_get(&st->net, i);

		if (ep->kind != EP_TCP_CONN)
			continue;
		tcp_abort(&st->net, tcp_conn(ep), ECONNABORTED);
		if (ep->flags & EP_F_ORPHAN)
			tcp_close(&st->net, tcp_conn(ep), true);
	}
	atomic_store(&st->shm->lost, 1);
}

static void lost(struct stack *st)
{
	stack_lock(st);
	if (!stack_dead(st) && !atomic_load(&st->shm->lost))
		stack_abort_conns(st);
	stack_unlock(st);
	st->ctl_lost_ns = 0;
	st->ctl_next_ns = UINT64_MAX;
	/* Their next look tells them. */
	stack_ring(st, (1u << STACK_N_DOORBELLS) - 1);
}

__cold void stack_ctl_look(struct stack *st)
{
	uint64_t now = clock_ns(), keeper = atomic_load_explicit(&st->shm->keeper_ns, memory_order_relaxed);
	int rc;

	st->ctl_look = false;
	if (cp_client_alive(st->client)) {
		st->ctl_lost_ns = 0;
		return;
	}
	if (!st->ctl_lost_ns)
		st->ctl_lost_ns = now;
	/* None has come yet, or none is wanted (posternd --no-keeper): only the daemon can say. */
	if (keeper && (int64_t)(now - keeper) < (int64_t)SILENT_NS)
		return;
	rc = stack_proc_add(st, st->proc_slot);
	if (rc == 0)
		st->ctl_lost_ns = 0;
	else if (rc == -ENOENT || rc == -ESTALE || now - st->ctl_lost_ns > GIVE_UP_NS)
		lost(st);
}
