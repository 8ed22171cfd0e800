// SPDX-License-Identifier: BSD-2-Clause
/*
 * filter.c - asking the daemon for the filters of sockets
 *
 * A listener's filter serves its connections too.  When it is closed while
 * connections live, they get filters of their own first; those are deleted when
 * the connection's endpoint is gone (TIME_WAIT included), at the next call that
 * comes by here.  Never with a stack lock held.
 */
#include <pthread.h>
#include <string.h>

#include "sock/sock_priv.h"

enum { MAX_KEPT = 4096, BATCH = 64, SWEEP_NS = 100000000 };

static void fill(struct cp_filter *f, uint64_t cookie, enum cp_filter_kind kind, uint32_t ifindex,
		 const struct flow *flow)
{
	memset(f, 0, sizeof(*f));
	f->kind = kind;
	f->ifindex = ifindex;
	f->cookie = cookie;
	memcpy(f->laddr, &flow->laddr, 16);
	memcpy(f->raddr, &flow->raddr, 16);
	f->lport = flow->lport.be;
	f->rport = flow->rport.be;
	f->proto = flow->proto;
}

static int call(struct stack *st, enum cp_req_type type, const struct cp_filter *f, uint32_t n, int fd,
		struct cp_filter_rep *rep)
{
	struct cp_filter_req req;
	size_t len = offsetof(struct cp_filter_req, f) + n * sizeof(*f);

	memset(&req.h, 0, sizeof(req.h));
	req.h.type = type;
	req.h.len = (uint32_t)len;
	req.h.stack_id = st->id;
	req.h.n = n;
	memcpy(req.f, f, n * sizeof(*f));
	memset(&rep->h, 0, sizeof(rep->h));
	if (!st->client)
		return -ENOTCONN;
	return cp_call(st->client, &req, len, &fd, fd >= 0, rep, sizeof(*rep), NULL, NULL);
}

static enum sock_reason add_reason(int rc)
{
	switch (rc) {
	case -EADDRINUSE: case -EEXIST: case -EBUSY:
		return SOCK_REASON_filter_taken;
	case -ENOSPC: case -E2BIG: case -ENOMEM:
		return SOCK_REASON_filter_full;
	case -EADDRNOTAVAIL: case -ENODEV:
		return SOCK_REASON_no_interface;
	case -ECONNREFUSED: case -ENOTCONN: case -EPIPE: case -ECONNRESET:
		return SOCK_REASON_no_daemon;
	default:
		return SOCK_REASON_daemon_error;
	}
}

int filter_add(struct stack *st, int fd, uint64_t cookie, enum cp_filter_kind kind,
	       uint32_t ifindex, const struct flow *flow, enum sock_reason *why)
{
	struct cp_filter_rep rep;
	struct cp_filter f;
	int rc;

	filter_sweep(st);
	fill(&f, cookie, kind, ifindex, flow);
	f.has_fd = fd >= 0;
	rc = call(st, CP_REQ_FILTER_ADD, &f, 1, fd, &rep);
	if (rc == 0 && rep.h.n >= 1)
		rc = rep.rc[0];
	if (rc < 0)
		*why = add_reason(rc);
	return rc;
}

void filter_del(struct stack *st, uint64_t cookie, enum cp_filter_kind kind, uint32_t ifindex,
		const struct flow *flow)
{
	struct filter_list l = { .n = 1 };

	fill(&l.f[0], cookie, kind, ifindex, flow);
	filter_list_del(st, &l);
}

void filter_list_of(struct filter_list *l, const struct stack *st, const struct ep *ep)
{
	const struct sock_shm *sh = upper_sock(st, ep->id);
	const struct udp_ep *u = (const struct udp_ep *)ep;
	bool conn = sh->flags & SOCK_SF_CONNECTED;

	l->n = 0;
	l->keep_conns = ep->kind == EP_TCP_LISTEN || ep->kind == EP_TCP_CONN;
	fill(&l->f[l->n++], sh->cookie, conn ? CP_FILTER_CONNECTED : CP_FILTER_SOCKET, 0, &ep->flow);
	if (!conn) {
		/* By its cookie; the address is what the kernel socket is bound to. */
		memset(l->f[0].laddr, 0, 16);
		memset(l->f[0].raddr, 0, 16);
		l->f[0].rport = 0;
	}
	if (ep->kind != EP_UDP)
		return;
	for (uint32_t i = 0; i < u->n_groups && l->n < ARRAY_SIZE(l->f); i++) {
		struct flow f = { .laddr = u->groups[i].group, .lport = ep->flow.lport, .proto = IPPROTO_UDP };

		fill(&l->f[l->n++], sh->cookie, CP_FILTER_MCAST, u->groups[i].ifindex, &f);
	}
}

void filter_list_del(struct stack *st, const struct filter_list *l)
{
	struct cp_filter_rep rep;

	/* What was not there is no matter. */
	if (l->n)
		(void)call(st, CP_REQ_FILTER_DEL, l->f, l->n, -1, &rep);
}

/* ---- connections that outlive their listener ------------------------------------- */

struct kept {
	struct stack *st;
	struct flow flow;
	uint64_t cookie;
};

static pthread_mutex_t kept_mutex = PTHREAD_MUTEX_INITIALIZER;
static struct kept kept[MAX_KEPT];
static _Atomic uint32_t n_kept;

static void remember(struct stack *st, const struct cp_filter *f, const struct flow *flow)
{
	pthread_mutex_lock(&kept_mutex);
	if (n_kept < MAX_KEPT)
		kept[n_kept++] = (struct kept){ .st = st, .flow = *flow, .cookie = f->cookie };
	pthread_mutex_unlock(&kept_mutex);
}

/* Up to BATCH connections on @local, from slot *@i on. */
static uint32_t collect(struct stack *st, const struct flow *local, uint32_t *i, struct flow *out)
{
	uint32_t n = 0;

	stack_lock(st);
	for (; *i < ep_top(&st->net) && n < BATCH; (*i)++) {
		const struct ep *ep = ep_get(&st->net, *i);

		if (ep->kind != EP_TCP_CONN || !(ep->flags & EP_F_HASHED) ||
		    ep->flow.lport.be != local->lport.be)
			continue;
		/* In TIME_WAIT both sides are done: at worst a FIN that comes again
		 * is answered by a RST.  A busy server has tens of thousands. */
		if (((const struct tcp_conn *)ep)->state == TCPS_TIME_WAIT)
			continue;
		if (ipaddr_is_any(&local->laddr) || ipaddr_eq(&ep->flow.laddr, &local->laddr))
			out[n++] = ep->flow;
	}
	stack_unlock(st);
	return n;
}

int filter_keep_conns(struct stack *st, const struct flow *local)
{
	struct flow flows[BATCH];
	struct cp_filter f[BATCH];
	struct cp_filter_rep rep;
	uint32_t i = 0, n;
	int rc = 0, worst = 0;

	while ((n = collect(st, local, &i, flows))) {
		for (uint32_t k = 0; k < n; k++)
			fill(&f[k], 0, CP_FILTER_CONN, 0, &flows[k]);
		rc = call(st, CP_REQ_FILTER_ADD, f, n, -1, &rep);
		if (rc < 0)
			return rc;
		for (uint32_t k = 0; k < n; k++) {
			if (rep.rc[k] == 0)
				remember(st, &f[k], &flows[k]);
			else
				worst = rep.rc[k];
		}
	}
	return worst;
}

void filter_sweep(struct stack *st)
{
	struct cp_filter f[BATCH];
	struct cp_filter_rep rep;
	uint32_t n = 0;

	if (likely(!atomic_load_explicit(&n_kept, memory_order_relaxed)))
		return;
	pthread_mutex_lock(&kept_mutex);
	stack_lock(st);
	for (uint32_t i = 0; i < n_kept && n < BATCH; ) {
		if (kept[i].st != st || demux_find_exact(&st->net, &kept[i].flow)) {
			i++;
			continue;
		}
		fill(&f[n++], kept[i].cookie, CP_FILTER_CONN, 0, &kept[i].flow);
		kept[i] = kept[--n_kept];
	}
	stack_unlock(st);
	pthread_mutex_unlock(&kept_mutex);
	if (n)
		(void)call(st, CP_REQ_FILTER_DEL, f, n, -1, &rep);
}

void filter_sweep_seldom(struct stack *st)
{
	static _Atomic uint64_t next_ns;
	uint64_t now = clock_ns(), next = atomic_load_explicit(&next_ns, memory_order_relaxed);

	if (now >= next && atomic_compare_exchange_strong(&next_ns, &next, now + SWEEP_NS))
		filter_sweep(st);
}

void filter_after_fork(void)
{
	/* The parent goes on to watch them. */
	pthread_mutex_init(&kept_mutex, NULL);
	n_kept = 0;
}
