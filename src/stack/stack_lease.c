// SPDX-License-Identifier: BSD-2-Clause
/*
 * stack_lease.c - local ports for outgoing TCP connections
 *
 * connect() must take a port that nobody else in the host has, without a
 * request to the daemon each time.  The daemon leases ports in lots: it holds
 * a bound kernel socket for each, so the kernel gives it to nobody else, and a
 * filter that brings its packets to this stack.  Within the stack one port
 * serves any number of destinations, as the kernel's ports do.  A lease lasts
 * as long as the stack, and so outlives any TIME_WAIT.
 *
 * The search takes the next port whose 4-tuple is free, going round: RFC 6056
 * section 3.3.4 (the lot itself is random).
 */
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <string.h>

#include "base/clock.h"
#include "base/sys.h"
#include "stack/stack.h"
#include "tcp/tcp.h"

enum {
	FIRST_LOT = 64,
	LARGEST_LOT = 256,	/* a connect() that waits for one waits a few milliseconds */
	QUICK_PROBES = 64,	/* tuples tried before more ports are asked for */
};

static pthread_mutex_t lease_mutex = PTHREAD_MUTEX_INITIALIZER;

static bool tuple_free(struct stack *st, uint32_t i, const struct ipaddr *laddr, const struct ipaddr *raddr, be16_t rport)
{
	struct flow f = { .laddr = *laddr, .raddr = *raddr, .lport = st->shm->lease[i].port, .rport = rport,
			  .proto = IPPROTO_TCP };

	const struct ep *ep = demux_find_exact(&st->net, &f);

	return !ep || tcp_time_wait_reusable(&st->net, ep);
}

/* Lock held.  @probes bounds the tuples looked at. */
static bool search(struct stack *st, const struct ipaddr *laddr, const struct ipaddr *raddr, be16_t rport,
		   uint32_t probes, be16_t *out)
{
	struct stack_shm *sh = st->shm;
	uint32_t n = sh->n_leases < STACK_MAX_LEASES ? sh->n_leases : STACK_MAX_LEASES;

	for (uint32_t k = 0; k < n && probes; k++) {
		uint32_t i = sh->lease_next < n ? sh->lease_next : 0;

		sh->lease_next = i + 1;
		if (!ipaddr_eq(&sh->lease[i].laddr, laddr))
			continue;
		probes--;
		if (tuple_free(st, i, laddr, raddr, rport)) {
			*out = sh->lease[i].port;
			return true;
		}
	}
	return false;
}

/* Ask for as many again as there are.  Outside the lock. */
static int lease_more(struct stack *st, const struct ipaddr *laddr)
{
	struct cp_lease_req req = { .h = { .type = CP_REQ_PORT_LEASE, .len = sizeof(req), .stack_id = st->id } };
	static struct cp_lease_rep rep;		/* lease_mutex is held */
	uint32_t want = st->shm->n_leases;
	int rc;

	want = want < FIRST_LOT ? FIRST_LOT : want > LARGEST_LOT ? LARGEST_LOT : want;
	if (st->shm->n_leases + want > STACK_MAX_LEASES)
		want = STACK_MAX_LEASES - st->shm->n_leases;
	if (!want)
		return -EADDRNOTAVAIL;
	req.h.n = want;
	memcpy(req.laddr, laddr->b, sizeof(req.laddr));
	memset(&rep.h, 0, sizeof(rep.h));
	rc = cp_call(st->client, &req, sizeof(req), NULL, 0, &rep, sizeof(rep), NULL, NULL);
	if (rc < 0)
		return rc;
	if (!rep.h.n || rep.h.n > want)
		return -EADDRNOTAVAIL;
	stack_lock(st);
	for (uint32_t i = 0; i < rep.h.n && st->shm->n_leases < STACK_MAX_LEASES; i++) {
		uint32_t k = st->shm->n_leases++;

		st->shm->lease[k].laddr = *laddr;
		st->shm->lease[k].port = (be16_t){ rep.port[i] };
		st->shm->lease[k].in_use = 1;
	}
	/* New ports first: the old ones were all found taken. */
	st->shm->lease_next = st->shm->n_leases - rep.h.n;
	stack_unlock(st);
	return 0;
}

int stack_port_get(struct stack *st, const struct ipaddr *laddr, const struct ipaddr *raddr, be16_t rport, be16_t *out)
{
	bool found;
	int rc;

	stack_lock(st);
	st->net.now = clock_ns();
	found = search(st, laddr, raddr, rport, QUICK_PROBES, out);
	stack_unlock(st);
	if (likely(found))
		return 0;

	pthread_mutex_lock(&lease_mutex);
	for (;;) {
		stack_lock(st);
		found = search(st, laddr, raddr, rport, QUICK_PROBES, out);
		stack_unlock(st);
		if (found)
			break;
		rc = lease_more(st, laddr);
		if (rc == 0)
			continue;
		/* No more to be had: look at every one. */
		stack_lock(st);
		found = search(st, laddr, raddr, rport, UINT32_MAX, out);
		stack_unlock(st);
		break;
	}
	pthread_mutex_unlock(&lease_mutex);
	return found ? 0 : -EADDRNOTAVAIL;
}
