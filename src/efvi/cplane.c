// SPDX-License-Identifier: BSD-2-Clause
/*
 * cplane.c - ef_cp_*: the mirrored tables of the kernel for ef_vi programs
 *
 * A library of its own, libefcp.  Reads cp/cp_shm.h; writes nothing there.
 */
#include <cplane/api.h>

#include <errno.h>
#include <netinet/ip.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cp/cp_client.h"
#include "cp/cp_lookup.h"
#include "wire/flow.h"

#define EFCP_API __attribute__((visibility("default")))

enum { MAX_REGISTERED = 64 };

struct ef_cp_handle {
	struct cp_client *client;
	struct cp cp;
	pthread_mutex_t lock;		/* of changes; readers look at ifindex last written */
	struct {
		int ifindex;		/* 0: free */
		void *cookie;
	} reg[MAX_REGISTERED];
};

EFCP_API int ef_cp_init(struct ef_cp_handle **out, unsigned flags)
{
	const char *start = geteuid() == 0 ? getenv("POSTERN_POSTERND") : NULL;
	struct ef_cp_handle *h;
	char why[96];
	int rc;

	if (flags)
		return -EINVAL;
	h = calloc(1, sizeof(*h));
	if (!h)
		return -ENOMEM;
	pthread_mutex_init(&h->lock, NULL);
	rc = cp_client_open(&h->client, start, why);
	if (rc < 0) {
		free(h);
		return rc == -ECONNREFUSED || rc == -EACCES ? -ENOENT : rc == -EPROTO ? -ELIBACC : rc;
	}
	rc = cp_attach(&h->cp, cp_client_tables_fd(h->client));
	if (rc < 0) {
		cp_client_close(h->client);
		free(h);
		return rc == -EPROTO ? -ELIBACC : rc;
	}
	*out = h;
	return 0;
}

EFCP_API void ef_cp_fini(struct ef_cp_handle *h)
{
	cp_detach(&h->cp);
	cp_client_close(h->client);
	pthread_mutex_destroy(&h->lock);
	free(h);
}

static bool cookie_of(struct ef_cp_handle *h, int ifindex, void **cookie)
{
	for (int i = 0; i < MAX_REGISTERED; i++)
		if (__atomic_load_n(&h->reg[i].ifindex, __ATOMIC_ACQUIRE) == ifindex) {
			*cookie = __atomic_load_n(&h->reg[i].cookie, __ATOMIC_RELAXED);
			return true;
		}
	*cookie = NULL;
	return false;
}

static bool takes_vis(const struct cp_link *l)
{
	return l->flags & CP_LINK_ETHER && !(l->flags & (CP_LINK_LOOPBACK | CP_LINK_NOACCEL));
}

static bool listed(const struct cp_link *l, unsigned flags)
{
	if (flags & EF_CP_GET_INTFS_F_UP_ONLY && !(l->flags & CP_LINK_UP))
		return false;
	return flags & (takes_vis(l) ? EF_CP_GET_INTFS_F_GENERIC : EF_CP_GET_INTFS_F_OTHER);
}

EFCP_API int ef_cp_get_all_intfs(struct ef_cp_handle *h, int *ifindices, size_t n, unsigned flags)
{
	struct cp_link l;
	size_t total = 0;

	for (uint32_t i = 0; cp_link_at(&h->cp, i, &l) == 0; i++) {
		if (!listed(&l, flags))
			continue;
		if (total < n)
			ifindices[total] = (int)l.ifindex;
		total++;
	}
	return (int)total;
}

EFCP_API int ef_cp_get_lower_intfs(struct ef_cp_handle *h, int child, int *ifindices, size_t n,
				   unsigned flags)
{
	struct cp_link l;

	if (cp_link_get(&h->cp, (uint32_t)child, &l) < 0)
		return -ENOENT;
	if (!(flags & EF_CP_GET_INTFS_F_MOST_DERIVED) || !listed(&l, flags))
		return 0;
	if (n)
		ifindices[0] = child;
	return 1;
}

EFCP_API int ef_cp_get_upper_intfs(struct ef_cp_handle *h, int parent, int *ifindices, size_t n,
				   unsigned flags)
{
	struct cp_link l;

	(void)ifindices, (void)n, (void)flags;
	return cp_link_get(&h->cp, (uint32_t)parent, &l) < 0 ? -ENOENT : 0;
}

static void fill_intf(struct ef_cp_handle *h, const struct cp_link *l, struct ef_cp_intf *o)
{
	memset(o, 0, sizeof(*o));
	o->ifindex = (int)l->ifindex;
	o->encap = (l->flags & CP_LINK_LOOPBACK ? EF_CP_ENCAP_F_LOOP : 0) |
		   (l->flags & CP_LINK_VIRTUAL ? EF_CP_ENCAP_F_VETH : 0);
	o->flags = (l->flags & CP_LINK_UP ? EF_CP_INTF_F_UP : 0) |
		   (takes_vis(l) ? 0 : EF_CP_INTF_F_ALIEN);
	o->mtu = (int)l->mtu;
	memcpy(o->mac, l->mac, 6);
	memcpy(o->name, l->name, sizeof(l->name));
	(void)cookie_of(h, o->ifindex, &o->registered_cookie);
}

EFCP_API int ef_cp_get_intf(struct ef_cp_handle *h, int ifindex, struct ef_cp_intf *intf, unsigned flags)
{
	struct cp_link l;

	if (flags)
		return -EINVAL;
	if (ifindex <= 0 || cp_link_get(&h->cp, (uint32_t)ifindex, &l) < 0)
		return -ENOENT;
	fill_intf(h, &l, intf);
	return 0;
}

EFCP_API int ef_cp_get_intf_by_name(struct ef_cp_handle *h, const char *name, struct ef_cp_intf *intf,
				    unsigned flags)
{
	struct cp_link l;

	if (flags)
		return -EINVAL;
	if (cp_link_find(&h->cp, name, &l) < 0)
		return -ENOENT;
	fill_intf(h, &l, intf);
	return 0;
}

EFCP_API struct ef_cp_intf_verinfo ef_cp_intf_version_get(struct ef_cp_handle *h)
{
	return (struct ef_cp_intf_verinfo){ .generation = 1, .version = cp_gen(&h->cp) };
}

EFCP_API bool ef_cp_intf_version_verify(struct ef_cp_handle *h, const struct ef_cp_intf_verinfo *v)
{
	return v->generation == 1 && v->version == cp_gen(&h->cp);
}

EFCP_API int ef_cp_get_intf_addrs(struct ef_cp_handle *h, int ifindex, struct ef_cp_ifaddr *addrs,
				  size_t n, unsigned flags)
{
	size_t total = 0;
	struct cp_addr a;

	if (flags)
		return -EINVAL;
	for (uint32_t i = 0; cp_addr_at(&h->cp, i, &a) == 0; i++) {
		struct ef_cp_ifaddr *o = &addrs[total];

		if (a.ifindex != (uint32_t)ifindex)
			continue;
		if (total++ >= n)
			continue;
		memset(o, 0, sizeof(*o));
		o->ifindex = ifindex;
		o->scope = a.scope;
		memcpy(o->ip.addr, &a.addr, 16);
		o->prefix_len = a.prefix_len;
		if (ef_cp_ipaddr_is_ipv4(o->ip)) {
			o->prefix_len -= 96;
			o->bcast = o->ip;
			if (o->prefix_len < 32)
				o->bcast.addr[3] |= htobe32(0xffffffffu >> o->prefix_len);
		}
	}
	return (int)total;
}

EFCP_API int ef_cp_register_intf(struct ef_cp_handle *h, int ifindex, void *cookie, unsigned flags)
{
	struct cp_link l;
	int slot = -1;

	if (flags)
		return -EINVAL;
	if (ifindex <= 0 || cp_link_get(&h->cp, (uint32_t)ifindex, &l) < 0)
		return -ENOENT;
	pthread_mutex_lock(&h->lock);
	for (int i = 0; i < MAX_REGISTERED; i++) {
		if (h->reg[i].ifindex == ifindex) {
			slot = i;
			break;
		}
		if (!h->reg[i].ifindex && slot < 0)
			slot = i;
	}
	if (slot >= 0) {
		__atomic_store_n(&h->reg[slot].cookie, cookie, __ATOMIC_RELAXED);
		__atomic_store_n(&h->reg[slot].ifindex, ifindex, __ATOMIC_RELEASE);
	}
	pthread_mutex_unlock(&h->lock);
	return slot < 0 ? -ENOSPC : 0;
}

EFCP_API int ef_cp_unregister_intf(struct ef_cp_handle *h, int ifindex, unsigned flags)
{
	int rc = -ENOENT;

	if (flags)
		return -EINVAL;
	pthread_mutex_lock(&h->lock);
	for (int i = 0; i < MAX_REGISTERED; i++)
		if (ifindex > 0 && h->reg[i].ifindex == ifindex) {
			__atomic_store_n(&h->reg[i].ifindex, 0, __ATOMIC_RELEASE);
			rc = 0;
		}
	pthread_mutex_unlock(&h->lock);
	return rc;
}

static void ask_neigh(struct ef_cp_handle *h, const struct cp_fwd *f)
{
	struct cp_neigh_req q = { .h = { .type = CP_REQ_NEIGH, .len = sizeof(q) }, .ifindex = f->ifindex };
	struct cp_rep rep;

	memcpy(q.addr, &f->nexthop, 16);
	(void)cp_call(h->client, &q, sizeof(q), NULL, 0, &rep, sizeof(rep), NULL, NULL);
}

/* Destination and source of the header in the common form; false: neither version. */
static bool addrs_of(const uint8_t *ip, struct ipaddr *dst, struct ipaddr *src)
{
	be32_t a;

	switch (ip[0] >> 4) {
	case 4:
		memcpy(&a, ip + 16, 4);
		*dst = ipaddr_from4(a);
		memcpy(&a, ip + 12, 4);
		*src = ipaddr_from4(a);
		return true;
	case 6:
		memcpy(src->b, ip + 8, 16);
		memcpy(dst->b, ip + 24, 16);
		return true;
	}
	return false;
}

EFCP_API int64_t ef_cp_resolve(struct ef_cp_handle *h, void *ip_hdr, size_t *prefix_space,
			       struct ef_cp_fwd_meta *meta, struct ef_cp_route_verinfo *ver, uint64_t flags)
{
	uint8_t *ip = ip_hdr, *eth = ip - 14;
	struct ipaddr dst, src;
	struct cp_fwd f;
	int64_t out = 0;
	bool v4;
	int rc;

	if (!addrs_of(ip, &dst, &src))
		return -EINVAL;
	v4 = ip[0] >> 4 == 4;
	rc = cp_route(&h->cp, &dst, flags & EF_CP_RESOLVE_F_BIND_SRC ? &src : NULL,
		      meta->ifindex > 0 ? (uint32_t)meta->ifindex : 0, &f);
	if (rc < 0)
		return rc == -ENETUNREACH ? -ENOENT : rc;
	if (*prefix_space < 14)
		return -E2BIG;
	if (!cookie_of(h, (int)f.ifindex, &meta->intf_cookie)) {
		if (!(flags & EF_CP_RESOLVE_F_UNREGISTERED))
			return -EADDRNOTAVAIL;
		out |= EF_CP_RESOLVE_S_UNREGISTERED;
	}
	if (f.type == CP_RT_LOCAL || f.link_flags & CP_LINK_LOOPBACK) {
		out |= EF_CP_RESOLVE_S_LOOPBACK;
	} else if (f.neigh_state != CP_NEIGH_VALID) {
		if (!(flags & EF_CP_RESOLVE_F_NO_CTXT_SW))
			ask_neigh(h, &f);
		if (!(flags & EF_CP_RESOLVE_F_NO_ARP))
			return f.neigh_state == CP_NEIGH_FAILED ? -EHOSTUNREACH : -EAGAIN;
		out |= EF_CP_RESOLVE_S_ARP_INVALID;
	}
	memcpy(eth, f.dmac, 6);
	memcpy(eth + 6, f.smac, 6);
	eth[12] = v4 ? 0x08 : 0x86;
	eth[13] = v4 ? 0x00 : 0xdd;
	if (v4) {
		if (!(flags & EF_CP_RESOLVE_F_BIND_SRC))
			memcpy(ip + 12, (const uint8_t *)&f.src + 12, 4);
		ip[8] = ipaddr_is_mcast(&dst) ? 1 : (uint8_t)h->cp.shm->ip_default_ttl;
	} else {
		if (!(flags & EF_CP_RESOLVE_F_BIND_SRC))
			memcpy(ip + 8, &f.src, 16);
		ip[7] = ipaddr_is_mcast(&dst) ? 1 : (uint8_t)h->cp.shm->ip6_hop_limit;
	}
	*prefix_space = 14;
	meta->ifindex = (int)f.ifindex;
	meta->mtu = (int)f.mtu;
	*ver = (struct ef_cp_route_verinfo){ .row = f.ifindex, .version = f.gen, .generation = 1 };
	return out;
}

EFCP_API bool ef_cp_route_verify(struct ef_cp_handle *h, const struct ef_cp_route_verinfo *v)
{
	return v->generation == 1 && v->version == cp_gen(&h->cp);
}
