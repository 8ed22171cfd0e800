// SPDX-License-Identifier: BSD-2-Clause
/*
 * xdp_filter.c - filters and sockets, written into the maps of the XDP program
 *
 * Takes struct nic_filter as data, writes the keys of xdp_filter.h.  Keeps a
 * count of each kind, so that the program skips lookups that cannot hit.
 */
#include "nic/xdp/xdp_prog_priv.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH = 128 };

/* One filter in the form of the maps. */
struct entry {
	int map;			/* XDP_FD_FLOW4 or XDP_FD_FLOW6 */
	union {
		struct xdp_key4 k4;
		struct xdp_key6 k6;
	};
	struct xdp_flow_val val;
};

static int check(const struct nic_filter *f)
{
	const struct flow *fl = &f->flow;
	bool v4 = f->family == AF_INET;

	if (f->kind < NIC_FILTER_EXACT || f->kind > NIC_FILTER_WILDCARD)
		return -EOPNOTSUPP;
	if (!v4 && f->family != AF_INET6)
		return -EINVAL;
	if (f->vi_set >= XDP_VI_SETS)
		return -EINVAL;
	if (fl->proto != IPPROTO_TCP && fl->proto != IPPROTO_UDP)
		return -EINVAL;
	if (!fl->lport.be)
		return -EINVAL;
	if (f->kind == NIC_FILTER_WILDCARD)
		return 0;
	if (ipaddr_is_any(&fl->laddr) || ipaddr_is4(&fl->laddr) != v4)
		return -EINVAL;
	if (f->kind == NIC_FILTER_LOCAL)
		return 0;
	if (!fl->rport.be || ipaddr_is_any(&fl->raddr) || ipaddr_is4(&fl->raddr) != v4)
		return -EINVAL;
	return 0;
}

static int encode(const struct nic_filter *f, struct entry *e)
{
	const struct flow *fl = &f->flow;
	bool exact = f->kind == NIC_FILTER_EXACT;
	bool addr = f->kind != NIC_FILTER_WILDCARD;
	int rc;

	rc = check(f);
	if (rc < 0)
		return rc;
	memset(e, 0, sizeof(*e));
	e->val.vi_set = f->vi_set;
	if (!exact)
		e->val.flags = f->flags & NIC_FILTER_F_SYN_ONLY;
	if (f->family == AF_INET) {
		e->map = XDP_FD_FLOW4;
		e->k4.laddr = addr ? fl->laddr.w[3] : 0;
		e->k4.raddr = exact ? fl->raddr.w[3] : 0;
		e->k4.lport = fl->lport.be;
		e->k4.rport = exact ? fl->rport.be : 0;
		e->k4.proto = fl->proto;
		return 0;
	}
	e->map = XDP_FD_FLOW6;
	if (addr)
		memcpy(e->k6.laddr, fl->laddr.b, 16);
	if (exact)
		memcpy(e->k6.raddr, fl->raddr.b, 16);
	e->k6.lport = fl->lport.be;
	e->k6.rport = exact ? fl->rport.be : 0;
	e->k6.proto = fl->proto;
	return 0;
}

static bool zero6(const __u32 a[4])
{
	return !(a[0] | a[1] | a[2] | a[3]);
}

/* The counter of the kind that a key is of. */
static __u32 *counter(struct xdp_filter_cfg *c, const struct entry *e)
{
	if (e->map == XDP_FD_FLOW4) {
		if (e->k4.rport)
			return &c->exact4;
		return e->k4.laddr ? &c->local4 : &c->wild4;
	}
	if (e->k6.rport)
		return &c->exact6;
	return zero6(e->k6.laddr) ? &c->wild6 : &c->local6;
}

int xdp_filter_write_cfg(struct xdp_prog *p)
{
	__u32 zero = 0;

	return bpf_map_update_elem(p->fd[XDP_FD_CFG], &zero, &p->count, BPF_ANY);
}

static int count_up(struct xdp_prog *p, const struct entry *e)
{
	int rc;

	if ((*counter(&p->count, e))++)
		return 0;
	rc = xdp_filter_write_cfg(p);
	if (rc < 0)
		--*counter(&p->count, e);
	return rc;
}

static void count_down(struct xdp_prog *p, const struct entry *e)
{
	__u32 *c = counter(&p->count, e);

	if (*c && !--*c)
		(void)!xdp_filter_write_cfg(p);	/* left non-zero it only costs a lookup */
}

static int map_errno(int rc)
{
	return rc == -E2BIG ? -ENOSPC : rc;
}

int xdp_filter_add(struct xdp_prog *p, const struct nic_filter *f)
{
	struct xdp_flow_val old;
	struct entry e;
	int rc, fd;

	rc = encode(f, &e);
	if (rc < 0)
		return rc;
	fd = p->fd[e.map];

	rc = count_up(p, &e);
	if (rc < 0)
		return rc;
	rc = bpf_map_update_elem(fd, &e.k4, &e.val, BPF_NOEXIST);
	if (!rc)
		return 0;
	count_down(p, &e);
	if (rc != -EEXIST)
		return map_errno(rc);

	rc = bpf_map_lookup_elem(fd, &e.k4, &old);
	if (rc < 0)
		return rc;
	if (old.vi_set != e.val.vi_set && !(f->flags & NIC_FILTER_F_REPLACE))
		return -EEXIST;
	return bpf_map_update_elem(fd, &e.k4, &e.val, BPF_EXIST);
}

int xdp_filter_del(struct xdp_prog *p, const struct nic_filter *f)
{
	struct xdp_flow_val old;
	struct entry e;
	int rc;

	rc = encode(f, &e);
	if (rc < 0)
		return rc;
	rc = bpf_map_lookup_elem(p->fd[e.map], &e.k4, &old);
	if (rc < 0)
		return rc;
	if (old.vi_set != e.val.vi_set)
		return -ENOENT;
	rc = bpf_map_delete_elem(p->fd[e.map], &e.k4);
	if (!rc)
		count_down(p, &e);
	return rc;
}

/* Gathers filters of one family from @f on, stopping at one that is not fit or
 * is of the other family.  Returns how many. */
static int gather(const struct nic_filter *f, int n, struct entry *e, void *keys,
		  struct xdp_flow_val *vals)
{
	size_t len = 0;
	int i;

	for (i = 0; i < n && i < BATCH; i++) {
		if (encode(&f[i], &e[i]) < 0 || e[i].map != e[0].map)
			break;
		len = e[0].map == XDP_FD_FLOW4 ? sizeof(struct xdp_key4) : sizeof(struct xdp_key6);
		memcpy((char *)keys + (size_t)i * len, &e[i].k4, len);
		vals[i] = e[i].val;
	}
	return i;
}

int xdp_filter_add_batch(struct xdp_prog *p, const struct nic_filter *f, int n, int *rcs)
{
	LIBBPF_OPTS(bpf_map_batch_opts, opts);
	struct xdp_flow_val vals[BATCH];
	struct xdp_key6 keys[BATCH];
	struct entry e[BATCH];
	int done = 0, i, j, got, raised, rc;
	__u32 count;

	for (i = 0; i < n; i += got) {
		got = gather(f + i, n - i, e, keys, vals);
		if (!got) {
			if (rcs)
				rcs[i] = encode(&f[i], &e[0]);
			got = 1;
			continue;
		}
		for (raised = 0, rc = 0; raised < got && !rc; raised += !rc)
			rc = count_up(p, &e[raised]);
		count = (__u32)got;
		if (!rc)
			rc = bpf_map_update_batch(p->fd[e[0].map], keys, vals, &count, &opts);
		if (rc < 0) {
			/* One of them; the rest may still go. */
			for (j = 0; j < got; j++) {
				struct nic_filter one = f[i + j];

				if (j < raised)
					count_down(p, &e[j]);
				one.flags |= NIC_FILTER_F_REPLACE;
				rc = xdp_filter_add(p, &one);
				if (rcs)
					rcs[i + j] = rc;
				done += !rc;
			}
			continue;
		}
		if (rcs)
			memset(rcs + i, 0, (size_t)got * sizeof(*rcs));
		done += got;
	}
	return done;
}

int xdp_filter_del_batch(struct xdp_prog *p, const struct nic_filter *f, int n)
{
	LIBBPF_OPTS(bpf_map_batch_opts, opts);
	struct xdp_flow_val vals[BATCH];
	struct xdp_key6 keys[BATCH];
	struct entry e[BATCH];
	int done = 0, i, j, got, rc;
	__u32 count;

	for (i = 0; i < n; i += got) {
		got = gather(f + i, n - i, e, keys, vals);
		if (!got) {
			got = 1;
			continue;
		}
		count = (__u32)got;
		rc = bpf_map_delete_batch(p->fd[e[0].map], keys, &count, &opts);
		if (rc < 0 && rc != -ENOENT)
			count = 0;
		for (j = 0; j < (int)count; j++)
			count_down(p, &e[j]);
		done += (int)count;
		/* It stopped at one that is not there: step over it. */
		got = (int)count < got ? (int)count + 1 : got;
	}
	return done;
}

/* Calls @fn for each filter of a map; the entry may be deleted in it. */
static int walk(struct xdp_prog *p, int map,
		int (*fn)(struct xdp_prog *, struct entry *, void *), void *arg)
{
	struct entry e = { .map = map };
	struct xdp_key6 key, next;
	int rc, n = 0;

	rc = bpf_map_get_next_key(p->fd[map], NULL, &next);
	while (!rc) {
		key = next;
		/* Before the entry goes: from a key that is gone the kernel
		 * starts again at the first. */
		rc = bpf_map_get_next_key(p->fd[map], &key, &next);
		e.k6 = key;
		if (bpf_map_lookup_elem(p->fd[map], &e.k4, &e.val) == 0)
			n += fn(p, &e, arg);
	}
	return rc == -ENOENT ? n : rc;
}

static int del_if_set(struct xdp_prog *p, struct entry *e, void *arg)
{
	if (e->val.vi_set != *(uint32_t *)arg)
		return 0;
	if (bpf_map_delete_elem(p->fd[e->map], &e->k4) < 0)
		return 0;
	count_down(p, e);
	return 1;
}

int xdp_filter_del_set(struct xdp_prog *p, uint32_t vi_set)
{
	int n4, n6;

	n4 = walk(p, XDP_FD_FLOW4, del_if_set, &vi_set);
	n6 = walk(p, XDP_FD_FLOW6, del_if_set, &vi_set);
	if (n4 < 0 || n6 < 0)
		return n4 < 0 ? n4 : n6;
	return n4 + n6;
}

static int count_one(struct xdp_prog *p, struct entry *e, void *arg)
{
	(void)arg;
	++*counter(&p->count, e);
	return 1;
}

int xdp_filter_recount(struct xdp_prog *p)
{
	int rc;

	memset(&p->count, 0, sizeof(p->count));
	rc = walk(p, XDP_FD_FLOW4, count_one, NULL);
	if (rc < 0)
		return rc;
	rc = walk(p, XDP_FD_FLOW6, count_one, NULL);
	if (rc >= 0)
		rc = xdp_raw_recount(p);
	if (rc < 0)
		return rc;
	return xdp_filter_write_cfg(p);
}

int xdp_local_set(struct xdp_prog *p, const struct ipaddr *addr, bool present)
{
	struct xdp_local_key k;
	__u32 one = 1;
	int rc;

	memcpy(k.addr, addr->b, sizeof(k.addr));
	if (present)
		return map_errno(bpf_map_update_elem(p->fd[XDP_FD_LOCAL], &k, &one, BPF_ANY));
	rc = bpf_map_delete_elem(p->fd[XDP_FD_LOCAL], &k);
	return rc == -ENOENT ? 0 : rc;
}

int xdp_xsk_set(struct xdp_prog *p, uint32_t vi_set, uint32_t queue, int xsk_fd)
{
	__u32 idx = vi_set * XDP_MAX_QUEUES + queue;

	if (vi_set >= XDP_VI_SETS || queue >= XDP_MAX_QUEUES)
		return -EINVAL;
	return bpf_map_update_elem(p->fd[XDP_FD_XSKS], &idx, &xsk_fd, BPF_ANY);
}

int xdp_xsk_clear(struct xdp_prog *p, uint32_t vi_set, uint32_t queue)
{
	__u32 idx = vi_set * XDP_MAX_QUEUES + queue;
	int rc;

	if (vi_set >= XDP_VI_SETS || queue >= XDP_MAX_QUEUES)
		return -EINVAL;
	rc = bpf_map_delete_elem(p->fd[XDP_FD_XSKS], &idx);
	return rc == -ENOENT || rc == -EINVAL ? 0 : rc;
}

int xdp_filter_stats(struct xdp_prog *p, struct xdp_filter_stats *out)
{
	int cpus = libbpf_num_possible_cpus(), rc, i;
	struct xdp_filter_stats *per;
	__u32 zero = 0;

	if (cpus < 0)
		return cpus;
	per = calloc((size_t)cpus, sizeof(*per));
	if (!per)
		return -ENOMEM;
	rc = bpf_map_lookup_elem(p->fd[XDP_FD_STATS], &zero, per);
	if (!rc) {
		memset(out, 0, sizeof(*out));
		for (i = 0; i < cpus; i++) {
#define X(name, help) out->name += per[i].name;
			XDP_FILTER_STATS(X)
#undef X
		}
	}
	free(per);
	return rc;
}
