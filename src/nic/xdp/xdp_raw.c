// SPDX-License-Identifier: BSD-2-Clause
/*
 * xdp_raw.c - filters on raw frames, written into the map of the XDP program
 *
 * Takes struct nic_raw, writes struct xdp_raw_key.  Keeps the mask of kinds in use,
 * so that the program looks up no others.  Addresses and ports without VLAN, the
 * common case, go into the flow maps instead: one look-up and no second pass.
 */
#include "nic/xdp/xdp_prog_priv.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <string.h>

/* What each kind looks at. */
enum { L = 1, R = 2, V = 4, M = 8, P = 16, E = 32 };
static const uint8_t uses[NIC_RAW_KINDS] = {
	[NIC_RAW_FULL_VLAN] = L | R | P | V, [NIC_RAW_FULL] = L | R | P,
	[NIC_RAW_LOCAL_VLAN] = L | P | V, [NIC_RAW_LOCAL] = L | P,
	[NIC_RAW_PROTO_MAC] = P | M, [NIC_RAW_PROTO_VLAN] = P | V, [NIC_RAW_PROTO] = P,
	[NIC_RAW_ETYPE_MAC] = E | M, [NIC_RAW_ETYPE_VLAN] = E | V, [NIC_RAW_ETYPE] = E,
	[NIC_RAW_MAC_VLAN] = M | V, [NIC_RAW_MAC] = M,
	[NIC_RAW_UCAST_REST_VLAN] = V, [NIC_RAW_MCAST_REST_VLAN] = V,
};

static int encode(const struct nic_raw *f, struct xdp_raw_key *k, struct xdp_flow_val *v)
{
	uint8_t u;

	if (f->kind >= NIC_RAW_KINDS || f->vi_set >= XDP_VI_SETS ||
	    f->vi_set + f->spread > XDP_VI_SETS)
		return -EINVAL;
	u = uses[f->kind];
	if ((u & L && (f->proto != IPPROTO_TCP && f->proto != IPPROTO_UDP)) ||
	    (u & L && (ipaddr_is_any(&f->laddr) || !f->lport.be)) ||
	    (u & R && (ipaddr_is_any(&f->raddr) || !f->rport.be ||
		       ipaddr_is4(&f->raddr) != ipaddr_is4(&f->laddr))) ||
	    (u & V && (!f->vlan || f->vlan > 4096)))
		return -EINVAL;
	memset(k, 0, sizeof(*k));
	k->kind = f->kind;
	if (u & L) {
		memcpy(k->laddr, f->laddr.b, 16);
		k->lport = f->lport.be;
	}
	if (u & R) {
		memcpy(k->raddr, f->raddr.b, 16);
		k->rport = f->rport.be;
	}
	if (u & V)
		k->vlan = f->vlan;
	if (u & M)
		memcpy(k->mac, f->mac, 6);
	if (u & P)
		k->proto = f->proto;
	if (u & E)
		k->etype = f->etype.be;
	*v = (struct xdp_flow_val){ f->vi_set, f->spread };
	return 0;
}

static int count_up(struct xdp_prog *p, uint8_t kind)
{
	int rc = 0;

	if (p->raw_count[kind]++ == 0) {
		p->count.raw |= 1u << kind;
		rc = xdp_filter_write_cfg(p);
	}
	return rc;
}

static void count_down(struct xdp_prog *p, uint8_t kind)
{
	if (p->raw_count[kind] && --p->raw_count[kind] == 0) {
		p->count.raw &= ~(1u << kind);
		(void)!xdp_filter_write_cfg(p);	/* left set it only costs a lookup */
	}
}

/* The same as a socket's filter, which a set cannot spread. */
static bool as_flow(const struct nic_raw *f, struct nic_filter *o)
{
	if ((f->kind != NIC_RAW_FULL && f->kind != NIC_RAW_LOCAL) || f->spread > 1)
		return false;
	memset(o, 0, sizeof(*o));
	o->kind = f->kind == NIC_RAW_FULL ? NIC_FILTER_EXACT : NIC_FILTER_LOCAL;
	o->family = ipaddr_is4(&f->laddr) ? AF_INET : AF_INET6;
	o->vi_set = f->vi_set;
	o->flow.laddr = f->laddr;
	o->flow.lport = f->lport;
	o->flow.proto = f->proto;
	if (f->kind == NIC_RAW_FULL) {
		o->flow.raddr = f->raddr;
		o->flow.rport = f->rport;
	}
	return true;
}

int xdp_raw_add(struct xdp_prog *p, const struct nic_raw *f)
{
	struct nic_filter nf;
	struct xdp_flow_val v, old;
	struct xdp_raw_key k;
	int rc;

	if (as_flow(f, &nf))
		return xdp_filter_add(p, &nf);
	rc = encode(f, &k, &v);
	if (rc < 0)
		return rc;
	rc = count_up(p, f->kind);
	if (rc == 0)
		rc = bpf_map_update_elem(p->fd[XDP_FD_RAW], &k, &v, BPF_NOEXIST);
	if (rc == 0)
		return 0;
	count_down(p, f->kind);
	if (rc != -EEXIST)
		return rc == -E2BIG ? -ENOSPC : rc;
	if (bpf_map_lookup_elem(p->fd[XDP_FD_RAW], &k, &old) < 0 || old.vi_set != v.vi_set ||
	    old.flags != v.flags)
		return -EEXIST;
	return 0;
}

int xdp_raw_del(struct xdp_prog *p, const struct nic_raw *f)
{
	struct nic_filter nf;
	struct xdp_flow_val v, old;
	struct xdp_raw_key k;
	int rc;

	if (as_flow(f, &nf))
		return xdp_filter_del(p, &nf);
	rc = encode(f, &k, &v);
	if (rc < 0)
		return rc;
	rc = bpf_map_lookup_elem(p->fd[XDP_FD_RAW], &k, &old);
	if (rc < 0)
		return rc;
	if (old.vi_set != v.vi_set)
		return -ENOENT;
	rc = bpf_map_delete_elem(p->fd[XDP_FD_RAW], &k);
	if (rc == 0)
		count_down(p, f->kind);
	return rc;
}

/* Walks the map; deletes what is of @vi_set, or counts. */
static int walk(struct xdp_prog *p, uint32_t vi_set, bool del)
{
	int fd = p->fd[XDP_FD_RAW], rc, n = 0;
	struct xdp_raw_key key, next;
	struct xdp_flow_val v;

	rc = bpf_map_get_next_key(fd, NULL, &next);
	while (rc == 0) {
		key = next;
		rc = bpf_map_get_next_key(fd, &key, &next);
		if (bpf_map_lookup_elem(fd, &key, &v) < 0 || key.kind >= NIC_RAW_KINDS)
			continue;
		if (!del) {
			p->raw_count[key.kind]++;
			p->count.raw |= 1u << key.kind;
		} else if ((vi_set == ID_NONE || v.vi_set == vi_set) &&
			   bpf_map_delete_elem(fd, &key) == 0) {
			count_down(p, key.kind);
			n++;
		}
	}
	return rc == -ENOENT ? n : rc;
}

int xdp_raw_del_set(struct xdp_prog *p, uint32_t vi_set)
{
	int flows = vi_set == ID_NONE ? 0 : xdp_filter_del_set(p, vi_set);
	int n = walk(p, vi_set, true);

	return n < 0 ? n : n + max_t(int, flows, 0);
}

int xdp_raw_recount(struct xdp_prog *p)
{
	memset(p->raw_count, 0, sizeof(p->raw_count));
	p->count.raw = 0;
	return walk(p, 0, false);
}
