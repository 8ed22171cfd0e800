// SPDX-License-Identifier: BSD-2-Clause
/*
 * filter.c - which stack gets which packets, and on what proof
 *
 * A process proves that it may have the packets of an address and port by passing
 * the kernel socket that is bound to them: the kernel has already decided who may
 * bind what.  The filter follows the kernel's word (getsockname), never the
 * request.  Every socket's reference to a filter is one record; the filter is in
 * the maps while there is one.
 *
 *   bound to no address -> WILDCARD (of one family, or two filters when an IPv6
 *			    socket takes IPv4 too), on all interfaces of the stack
 *   bound to an address -> LOCAL on the interface that owns the address
 *   connected	         -> EXACT on that interface
 */
#include "ctld/ctld.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "ctld/proof.h"

enum {
	HASH_SIZE = 1 << 16,
	MAX_PER_STACK = 1 << 16,	/* records */
};

static uint64_t mix(uint64_t h, uint64_t v)
{
	h = (h ^ v) * 0x9e3779b97f4a7c15ull;
	return h ^ h >> 29;
}

static uint32_t key_hash(const struct st_filter *f)
{
	uint64_t w[sizeof(f->flow) / 8], h = (uint64_t)f->kind << 8 | f->family;

	memcpy(w, &f->flow, sizeof(w));
	for (size_t i = 0; i < ARRAY_SIZE(w); i++)
		h = mix(h, w[i]);
	return (uint32_t)(h >> 32) & (HASH_SIZE - 1);
}

static uint32_t cookie_hash(uint64_t cookie)
{
	return (uint32_t)(mix(1, cookie) >> 32) & (HASH_SIZE - 1);
}

static bool same_key(const struct st_filter *a, const struct st_filter *b)
{
	return a->kind == b->kind && a->family == b->family &&
	       memcmp(&a->flow, &b->flow, sizeof(a->flow)) == 0;
}

static bool overlap(const struct st_filter *a, const struct st_filter *b)
{
	return !a->ifindex || !b->ifindex || a->ifindex == b->ifindex;
}

static void index_add(struct ctld *ctl, uint32_t i)
{
	const struct st_filter *f = &ctl->st->filters[i];
	uint32_t h = key_hash(f), c = cookie_hash(f->cookie);

	ctl->key_next[i] = ctl->key_head[h];
	ctl->key_head[h] = i + 1;
	ctl->cookie_next[i] = ctl->cookie_head[c];
	ctl->cookie_head[c] = i + 1;
}

static void unlink_from(uint32_t *at, uint32_t *next, uint32_t i)
{
	while (*at && *at != i + 1)
		at = &next[*at - 1];
	if (*at)
		*at = next[i];
	next[i] = 0;
}

static void index_del(struct ctld *ctl, uint32_t i)
{
	const struct st_filter *f = &ctl->st->filters[i];

	unlink_from(&ctl->key_head[key_hash(f)], ctl->key_next, i);
	unlink_from(&ctl->cookie_head[cookie_hash(f->cookie)], ctl->cookie_next, i);
}

#define for_key(ctl, i, f)                                                    \
	for (uint32_t i##_n = (ctl)->key_head[key_hash(f)], i;                \
	     (i = i##_n - 1, i##_n) && (i##_n = (ctl)->key_next[i], true);)
#define for_cookie(ctl, i, cookie)                                            \
	for (uint32_t i##_n = (ctl)->cookie_head[cookie_hash(cookie)], i;     \
	     (i = i##_n - 1, i##_n) && (i##_n = (ctl)->cookie_next[i], true);)

int filters_init(struct ctld *ctl)
{
	ctl->key_head = calloc(HASH_SIZE, sizeof(uint32_t));
	ctl->cookie_head = calloc(HASH_SIZE, sizeof(uint32_t));
	ctl->key_next = calloc(ST_MAX_FILTERS, sizeof(uint32_t));
	ctl->cookie_next = calloc(ST_MAX_FILTERS, sizeof(uint32_t));
	if (!ctl->key_head || !ctl->cookie_head || !ctl->key_next || !ctl->cookie_next)
		return -ENOMEM;
	for (uint32_t i = 0; i < ctl->st->n_filters; i++)
		if (ctl->st->filters[i].stack_id)
			index_add(ctl, i);
	return 0;
}

static void to_nic(const struct st_filter *f, uint32_t vi_set, struct nic_filter *out)
{
	*out = (struct nic_filter){ .kind = f->kind, .family = f->family,
				    .vi_set = vi_set, .flow = f->flow };
}

/* Does the record concern this interface? */
static bool concerns(const struct st_filter *f, uint32_t ifindex)
{
	return f->kind && (!f->ifindex || f->ifindex == ifindex);
}

/* Does another record of the stack keep the same filter on this interface? */
static bool held_by_other(struct stack *st, uint32_t self, uint32_t ifindex)
{
	const struct st_filter *f = &st->ctl->st->filters[self];

	for_key(st->ctl, i, f) {
		const struct st_filter *o = &st->ctl->st->filters[i];

		if (i != self && o->stack_id == st->rec->id && same_key(o, f) &&
		    concerns(o, ifindex))
			return true;
	}
	return false;
}

static void unmap(struct stack *st, uint32_t i, uint32_t n_vis)
{
	const struct st_filter *f = &st->ctl->st->filters[i];
	struct nic_filter nf;

	for (uint32_t v = 0; v < n_vis; v++) {
		const struct st_vi *vi = &st->rec->vis[v];
		struct iface *ifc = iface_find(st->ctl, vi->ifindex);

		if (!ifc || !concerns(f, vi->ifindex) || held_by_other(st, i, vi->ifindex))
			continue;
		to_nic(f, vi->vi_set, &nf);
		xdp_filter_del(ifc->prog, &nf);
	}
}

static int map(struct stack *st, uint32_t i)
{
	const struct st_filter *f = &st->ctl->st->filters[i];
	struct nic_filter nf;
	int rc;

	for (uint32_t v = 0; v < ST_MAX_VIS; v++) {
		const struct st_vi *vi = &st->rec->vis[v];
		struct iface *ifc = iface_find(st->ctl, vi->ifindex);

		if (!ifc || !concerns(f, vi->ifindex))
			continue;
		to_nic(f, vi->vi_set, &nf);
		rc = xdp_filter_add(ifc->prog, &nf);
		if (rc < 0) {
			unmap(st, i, v);
			return rc == -EEXIST ? -EADDRINUSE : rc;
		}
	}
	return 0;
}

static void record_free(struct ctld *ctl, uint32_t i)
{
	index_del(ctl, i);
	memset(&ctl->st->filters[i], 0, sizeof(ctl->st->filters[i]));
	if (i < ctl->free_hint)
		ctl->free_hint = i;
}

static int record_alloc(struct ctld *ctl, const struct st_filter *f, uint32_t *out)
{
	uint32_t i = ctl->free_hint;

	while (i < ctl->st->n_filters && ctl->st->filters[i].stack_id)
		i++;
	if (i == ST_MAX_FILTERS)
		return -ENOSPC;
	ctl->free_hint = i + 1;
	ctl->st->filters[i] = *f;
	if (i == ctl->st->n_filters)
		ctl->st->n_filters++;
	index_add(ctl, i);
	*out = i;
	return 0;
}

/* Another stack's, or this very record. */
static int check_others(struct stack *st, const struct st_filter *f, bool *mine)
{
	*mine = false;
	for_key(st->ctl, i, f) {
		const struct st_filter *o = &st->ctl->st->filters[i];

		if (!same_key(o, f))
			continue;
		if (o->stack_id != st->rec->id) {
			if (overlap(o, f))
				return -EADDRINUSE;
		} else if (o->cookie == f->cookie && o->ifindex == f->ifindex &&
			   o->cp_kind == f->cp_kind) {
			*mine = true;
		}
	}
	return 0;
}

static int insert(struct stack *st, const struct st_filter *f, uint32_t *at)
{
	uint32_t i;
	bool mine;
	int rc;

	*at = ID_NONE;
	rc = check_others(st, f, &mine);
	if (rc < 0 || mine)
		return rc;
	rc = record_alloc(st->ctl, f, &i);
	if (rc < 0)
		return rc;
	rc = map(st, i);
	if (rc < 0)
		record_free(st->ctl, i);
	else
		*at = i;
	return rc;
}

static void remove_record(struct stack *st, uint32_t i)
{
	if (st->ctl->st->filters[i].kind)
		unmap(st, i, ST_MAX_VIS);
	record_free(st->ctl, i);
}

static bool has_vi(const struct stack *st, uint32_t ifindex)
{
	for (size_t i = 0; ifindex && i < ST_MAX_VIS; i++)
		if (st->rec->vis[i].ifindex == ifindex)
			return true;
	return false;
}

/* The interface of the stack to which packets for a local address come. */
static int owner_of(struct stack *st, const struct ipaddr *laddr, uint32_t scope_id, uint32_t *out)
{
	uint32_t owner = cp_addr_owner(&st->ctl->cp, laddr);

	if (!owner)
		return -EADDRNOTAVAIL;
	/* The same link-local address may be on several links. */
	if (ipaddr_is_linklocal6(laddr) && scope_id)
		owner = scope_id;
	if (!has_vi(st, owner))
		return -ENODEV;
	*out = owner;
	return 0;
}

static int add_socket(struct stack *st, const struct proof *p, struct st_filter *f)
{
	uint32_t first = ID_NONE, second;
	int rc;

	f->flow.lport = p->lport;
	if (!ipaddr_is_any(&p->laddr)) {
		if (ipaddr_is_mcast(&p->laddr))
			f->ifindex = p->bound_if;	/* bound to a group: LOCAL, like MCAST */
		else {
			rc = owner_of(st, &p->laddr, p->scope_id, &f->ifindex);
			if (rc < 0)
				return rc;
		}
		f->kind = NIC_FILTER_LOCAL;
		f->flow.laddr = p->laddr;
		f->family = ipaddr_is4(&p->laddr) ? AF_INET : AF_INET6;
		return insert(st, f, &first);
	}
	f->kind = NIC_FILTER_WILDCARD;
	f->ifindex = p->bound_if;
	f->family = (uint8_t)p->domain;
	rc = insert(st, f, &first);
	if (rc < 0 || p->domain == AF_INET || p->v6only)
		return rc;
	f->family = AF_INET;	/* a dual-stack socket has the IPv4 port too */
	rc = insert(st, f, &second);
	if (rc < 0 && first != ID_NONE)
		remove_record(st, first);
	return rc;
}

/* Is there a filter of this stack that already gets the packets of laddr:lport?
 * Then a 5-tuple inside it takes nothing from anybody. */
static bool owns_local(struct stack *st, const struct flow *flow, uint8_t family, uint32_t *ifindex)
{
	struct st_filter probe = { .kind = NIC_FILTER_LOCAL, .family = family };

	probe.flow = (struct flow){ .laddr = flow->laddr, .lport = flow->lport, .proto = flow->proto };
	for_key(st->ctl, i, &probe) {
		const struct st_filter *o = &st->ctl->st->filters[i];

		if (o->stack_id == st->rec->id && same_key(o, &probe)) {
			*ifindex = o->ifindex;
			return true;
		}
	}
	probe.kind = NIC_FILTER_WILDCARD;
	probe.flow.laddr = IPADDR_ANY;
	for_key(st->ctl, j, &probe) {
		const struct st_filter *o = &st->ctl->st->filters[j];

		if (o->stack_id == st->rec->id && same_key(o, &probe))
			return owner_of(st, &flow->laddr, o->ifindex, ifindex) == 0;
	}
	return false;
}

static int add_conn(struct stack *st, const struct cp_filter *req, struct st_filter *f)
{
	uint32_t at;

	f->kind = NIC_FILTER_EXACT;
	memcpy(f->flow.laddr.b, req->laddr, 16);
	memcpy(f->flow.raddr.b, req->raddr, 16);
	f->flow.lport.be = req->lport;
	f->flow.rport.be = req->rport;
	f->flow.proto = req->proto;
	f->family = ipaddr_is4(&f->flow.laddr) ? AF_INET : AF_INET6;
	if (ipaddr_is_any(&f->flow.laddr) || ipaddr_is_any(&f->flow.raddr) || !req->lport ||
	    !req->rport || ipaddr_is4(&f->flow.laddr) != ipaddr_is4(&f->flow.raddr) ||
	    (req->proto != IPPROTO_TCP && req->proto != IPPROTO_UDP))
		return -EINVAL;
	if (!owns_local(st, &f->flow, f->family, &f->ifindex))
		return -EACCES;
	return insert(st, f, &at);
}

static void drop_cookie_kind(struct stack *st, uint64_t cookie, uint8_t cp_kind)
{
	for_cookie(st->ctl, i, cookie) {
		const struct st_filter *o = &st->ctl->st->filters[i];

		if (o->stack_id == st->rec->id && o->cookie == cookie && o->cp_kind == cp_kind)
			remove_record(st, i);
	}
}

static int add_connected(struct stack *st, const struct proof *p, struct st_filter *f)
{
	uint32_t at;
	int rc;

	if (ipaddr_is_any(&p->laddr) || ipaddr_is_any(&p->raddr) || !p->rport.be)
		return -EACCES;
	rc = owner_of(st, &p->laddr, p->scope_id, &f->ifindex);
	if (rc < 0)
		return rc;
	f->kind = NIC_FILTER_EXACT;
	f->family = ipaddr_is4(&p->laddr) ? AF_INET : AF_INET6;
	f->flow.laddr = p->laddr;
	f->flow.raddr = p->raddr;
	f->flow.lport = p->lport;
	f->flow.rport = p->rport;
	rc = insert(st, f, &at);
	/* "In place of": only once the narrower one is there. */
	if (rc == 0)
		drop_cookie_kind(st, f->cookie, CP_FILTER_SOCKET);
	return rc;
}

static int add_mcast(struct stack *st, const struct cp_filter *req, const struct proof *p,
		     struct st_filter *f)
{
	uint32_t at;
	int rc;

	memcpy(f->flow.laddr.b, req->laddr, 16);
	if (!ipaddr_is_mcast(&f->flow.laddr))
		return -EINVAL;
	if (req->ifindex && !has_vi(st, req->ifindex))
		return -ENODEV;
	/* An IPv6-only or IPv4 socket gets no packets of the other family. */
	f->family = ipaddr_is4(&f->flow.laddr) ? AF_INET : AF_INET6;
	if ((f->family == AF_INET6 && p->domain == AF_INET) || (f->family == AF_INET && p->v6only))
		return -EACCES;
	/* Bound to one address, it hears only what is sent to that one. */
	if (!ipaddr_is_any(&p->laddr) && !ipaddr_eq(&p->laddr, &f->flow.laddr))
		return -EACCES;
	/* The filter takes the group from the host: only while nobody outside this
	 * stack hears it.  The stack copies to all of its own. */
	rc = proof_udp_strangers(st, p->lport, f->cookie);
	if (rc)
		return rc < 0 ? rc : -EADDRINUSE;
	f->kind = NIC_FILTER_LOCAL;
	f->ifindex = req->ifindex ? req->ifindex : p->bound_if;
	f->flow.lport = p->lport;
	return insert(st, f, &at);
}

static uint32_t records_of(const struct stack *st)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < st->ctl->st->n_filters; i++)
		n += st->ctl->st->filters[i].stack_id == st->rec->id;
	return n;
}

int filter_add(struct stack *st, const struct cp_filter *req, int proof_fd)
{
	struct st_filter f = { .stack_id = st->rec->id, .cookie = req->cookie,
			       .cp_kind = (uint8_t)req->kind };
	struct proof p;
	int rc;

	/* Counting is dear; only where many records exist can one be over. */
	if (st->ctl->st->n_filters > MAX_PER_STACK && records_of(st) >= MAX_PER_STACK)
		return -ENOSPC;
	if (req->kind == CP_FILTER_CONN)
		return add_conn(st, req, &f);
	if (req->kind != CP_FILTER_SOCKET && req->kind != CP_FILTER_MCAST &&
	    req->kind != CP_FILTER_CONNECTED)
		return -EINVAL;
	if (proof_fd < 0)
		return -EACCES;
	rc = proof_read(st->ctl, proof_fd, req->cookie, &p);
	if (rc < 0)
		return rc;
	if (req->proto && req->proto != p.proto)
		return -EACCES;
	f.flow.proto = (uint8_t)p.proto;
	switch (req->kind) {
	case CP_FILTER_SOCKET:
		return add_socket(st, &p, &f);
	case CP_FILTER_MCAST:
		return p.proto == IPPROTO_UDP ? add_mcast(st, req, &p, &f) : -EINVAL;
	default:
		return add_connected(st, &p, &f);
	}
}

/* A field of the request that is not zero must agree. */
static bool matches(const struct st_filter *f, const struct cp_filter *req)
{
	struct ipaddr l, r;

	memcpy(l.b, req->laddr, 16);
	memcpy(r.b, req->raddr, 16);
	return f->cookie == req->cookie && f->cp_kind == req->kind &&
	       (!req->ifindex || !f->ifindex || req->ifindex == f->ifindex) &&
	       (!req->proto || req->proto == f->flow.proto) &&
	       (!req->lport || req->lport == f->flow.lport.be) &&
	       (!req->rport || req->rport == f->flow.rport.be) &&
	       (ipaddr_is_any(&l) || ipaddr_eq(&l, &f->flow.laddr)) &&
	       (ipaddr_is_any(&r) || ipaddr_eq(&r, &f->flow.raddr));
}

int filter_del(struct stack *st, const struct cp_filter *req)
{
	int rc = -ENOENT;

	if (req->kind > CP_FILTER_CONNECTED)
		return -EINVAL;
	for_cookie(st->ctl, i, req->cookie) {
		const struct st_filter *f = &st->ctl->st->filters[i];

		if (f->stack_id != st->rec->id || !matches(f, req))
			continue;
		remove_record(st, i);
		rc = 0;
	}
	return rc;
}

int filter_vi_opened(struct stack *st, struct iface *ifc, uint32_t vi_set)
{
	int rc = 0, worst = 0;

	for (uint32_t i = 0; i < st->ctl->st->n_filters; i++) {
		const struct st_filter *f = &st->ctl->st->filters[i];
		struct nic_filter nf;

		if (f->stack_id != st->rec->id || !concerns(f, ifc->ifindex))
			continue;
		to_nic(f, vi_set, &nf);
		rc = xdp_filter_add(ifc->prog, &nf);
		if (rc < 0 && worst == 0)
			worst = rc;
	}
	return worst;
}

void filter_stack_gone(struct stack *st)
{
	struct ctld *ctl = st->ctl;

	/* The maps were emptied set by set; here only the records go. */
	for (uint32_t i = 0; i < ctl->st->n_filters; i++)
		if (ctl->st->filters[i].stack_id == st->rec->id)
			record_free(ctl, i);
	while (ctl->st->n_filters && !ctl->st->filters[ctl->st->n_filters - 1].stack_id)
		ctl->st->n_filters--;
	if (ctl->free_hint > ctl->st->n_filters)
		ctl->free_hint = ctl->st->n_filters;
}

uint32_t filter_lease_add(struct stack *st, struct iface *ifc, uint32_t vi_set,
			  const struct ipaddr *laddr, const uint16_t *ports, uint32_t n)
{
	struct nic_filter nf[LEASE_BATCH] = { 0 };
	uint32_t at[LEASE_BATCH], done;

	for (done = 0; done < n && done < LEASE_BATCH; done++) {
		struct st_filter f = { .stack_id = st->rec->id, .ifindex = ifc->ifindex,
				       .cp_kind = ST_KIND_LEASE, .kind = NIC_FILTER_LOCAL,
				       .family = ipaddr_is4(laddr) ? AF_INET : AF_INET6 };
		bool mine;

		f.flow.laddr = *laddr;
		f.flow.lport.be = ports[done];
		f.flow.proto = IPPROTO_TCP;
		/* The port was free in the kernel, so nobody has the filter; but a
		 * batch replaces, so ask. */
		if (check_others(st, &f, &mine) < 0 || record_alloc(st->ctl, &f, &at[done]) < 0)
			break;
		to_nic(&f, vi_set, &nf[done]);
	}
	if (done && xdp_filter_add_batch(ifc->prog, nf, (int)done, NULL) != (int)done) {
		xdp_filter_del_batch(ifc->prog, nf, (int)done);
		while (done > 0)
			record_free(st->ctl, at[--done]);
	}
	return done;
}

int filter_cookie_set(struct stack *st, uint64_t cookie)
{
	struct st_filter f = { .stack_id = st->rec->id, .cookie = cookie, .cp_kind = ST_KIND_COOKIE };
	uint32_t at;

	for_cookie(st->ctl, i, cookie) {
		const struct st_filter *o = &st->ctl->st->filters[i];

		if (o->cookie == cookie && o->stack_id == st->rec->id)
			return 0;
	}
	if (st->ctl->st->n_filters > MAX_PER_STACK && records_of(st) >= MAX_PER_STACK)
		return -ENOSPC;
	return record_alloc(st->ctl, &f, &at);
}

bool filter_knows_cookie(struct stack *st, uint64_t cookie)
{
	for_cookie(st->ctl, i, cookie)
		if (st->ctl->st->filters[i].cookie == cookie &&
		    st->ctl->st->filters[i].stack_id == st->rec->id)
			return true;
	return false;
}

struct stack *filter_cookie_find(struct ctld *ctl, uint64_t cookie)
{
	if (!cookie)
		return NULL;
	for_cookie(ctl, i, cookie)
		if (ctl->st->filters[i].cookie == cookie)
			return stack_by_id(ctl, ctl->st->filters[i].stack_id);
	return NULL;
}
