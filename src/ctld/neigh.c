// SPDX-License-Identifier: BSD-2-Clause
/*
 * neigh.c - neighbours: mirrored from the kernel, and resolved by it on request
 *
 * A neighbour that a stack uses is made "managed" (NTF_EXT_MANAGED, Linux 5.16):
 * the kernel then keeps it fresh though it sees none of the traffic.  Older
 * kernels are asked once per request (NTF_USE).  What we made managed is given up
 * with the last stack, so that nothing of us stays behind.
 */
#include "ctld/ctld.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <string.h>

static bool parse(const struct nlmsghdr *nlh, struct cp_neigh *n)
{
	const struct ndmsg *m = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *a, *dst = NULL, *ll = NULL;

	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(*m) ||
	    (m->ndm_family != AF_INET && m->ndm_family != AF_INET6) || m->ndm_ifindex <= 0 ||
	    m->ndm_flags & NTF_PROXY)
		return false;
	mnl_attr_for_each(a, nlh, sizeof(*m)) {
		if (mnl_attr_get_type(a) == NDA_DST)
			dst = a;
		else if (mnl_attr_get_type(a) == NDA_LLADDR)
			ll = a;
	}
	memset(n, 0, sizeof(*n));
	if (!dst || !addr_from_attr(&n->addr, mnl_attr_get_payload(dst), mnl_attr_get_payload_len(dst)))
		return false;
	n->ifindex = (uint32_t)m->ndm_ifindex;
	n->nud = (uint8_t)m->ndm_state;
	if (ll && mnl_attr_get_payload_len(ll) == 6)
		memcpy(n->mac, mnl_attr_get_payload(ll), 6);
	if (m->ndm_state & (NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE | NUD_PERMANENT | NUD_NOARP))
		n->state = CP_NEIGH_VALID;
	else if (m->ndm_state & NUD_INCOMPLETE)
		n->state = CP_NEIGH_INCOMPLETE;
	else if (m->ndm_state & NUD_FAILED)
		n->state = CP_NEIGH_FAILED;
	else
		n->state = CP_NEIGH_NONE;
	return true;
}

void neigh_event(struct ctld *ctl, const struct nlmsghdr *nlh)
{
	struct cp_neigh n;
	int rc;

	if (!parse(nlh, &n))
		return;
	cp_begin(ctl->tables);
	if (nlh->nlmsg_type == RTM_DELNEIGH || n.state == CP_NEIGH_NONE)
		rc = cp_del_neigh(ctl->tables, n.ifindex, &n.addr);
	else
		rc = cp_set_neigh(ctl->tables, &n);
	cp_end(ctl->tables, rc > 0);
}

struct neighs {
	struct cp_neigh *n;
	uint32_t count;
};

static int one_neigh(struct ctld *ctl, const struct nlmsghdr *nlh, void *arg)
{
	struct neighs *ns = arg;

	if (nlh->nlmsg_type == RTM_NEWNEIGH && ns->count < CP_MAX_NEIGHS &&
	    parse(nlh, &ns->n[ns->count]) && ns->n[ns->count].state != CP_NEIGH_NONE)
		ns->count++;
	return 0;
}

int neigh_sync(struct ctld *ctl)
{
	struct neighs ns = { .n = calloc(CP_MAX_NEIGHS, sizeof(struct cp_neigh)) };
	int rc;

	if (!ns.n)
		return -ENOMEM;
	rc = nl_dump(ctl, RTM_GETNEIGH, AF_UNSPEC, one_neigh, &ns);
	if (rc == 0) {
		cp_begin(ctl->tables);
		memset(ctl->tables->neighs, 0, sizeof(ctl->tables->neighs));
		for (uint32_t i = 0; i < ns.count; i++)
			cp_set_neigh(ctl->tables, &ns.n[i]);
		cp_end(ctl->tables, true);
	}
	free(ns.n);
	return rc;
}

static int neigh_request(struct ctld *ctl, uint16_t type, uint32_t ifindex,
			 const struct ipaddr *addr, uint8_t flags, uint32_t ext)
{
	bool v4 = ipaddr_is4(addr);
	struct nlmsghdr *nlh;
	struct ndmsg *m;
	char buf[256];

	memset(buf, 0, sizeof(buf));
	nlh = mnl_nlmsg_put_header(buf);
	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = type == RTM_NEWNEIGH ? NLM_F_CREATE | NLM_F_REPLACE : 0;
	m = mnl_nlmsg_put_extra_header(nlh, sizeof(*m));
	m->ndm_family = v4 ? AF_INET : AF_INET6;
	m->ndm_ifindex = (int)ifindex;
	m->ndm_flags = flags;
	if (type == RTM_NEWNEIGH)
		m->ndm_state = NUD_NONE;
	mnl_attr_put(nlh, NDA_DST, v4 ? 4 : 16, v4 ? &addr->b[12] : addr->b);
	if (ext)
		mnl_attr_put_u32(nlh, NDA_FLAGS_EXT, ext);
	return nl_talk(ctl, nlh);
}

/* The kernel announces what comes of a resolution, not that one began. */
static void mark_incomplete(struct ctld *ctl, uint32_t ifindex, const struct ipaddr *addr)
{
	struct cp_neigh n = { .ifindex = ifindex, .state = CP_NEIGH_INCOMPLETE, .nud = NUD_INCOMPLETE };
	struct cp_neigh old;

	if (cp_neigh_entry(&ctl->cp, ifindex, addr, &old) == 0 && old.state == CP_NEIGH_VALID)
		return;
	memcpy(&n.addr, addr, sizeof(n.addr));
	cp_begin(ctl->tables);
	cp_set_neigh(ctl->tables, &n);
	cp_end(ctl->tables, false);
}

static struct st_managed *managed_find(struct ctld *ctl, uint32_t ifindex,
				       const struct ipaddr *addr, struct st_managed **free_slot)
{
	*free_slot = NULL;
	for (size_t i = 0; i < ST_MAX_MANAGED; i++) {
		struct st_managed *m = &ctl->st->managed[i];

		if (m->ifindex == ifindex && ipaddr_eq(&m->addr, addr))
			return m;
		if (!m->ifindex && !*free_slot)
			*free_slot = m;
	}
	return NULL;
}

int neigh_resolve(struct ctld *ctl, uint32_t ifindex, const struct ipaddr *addr)
{
	struct st_managed *m, *slot;
	struct cp_neigh n;
	int rc = -EOPNOTSUPP;

	/* What the administrator fixed is not ours to resolve. */
	if (cp_neigh_entry(&ctl->cp, ifindex, addr, &n) == 0 &&
	    n.nud & (NUD_PERMANENT | NUD_NOARP))
		return 0;
	m = managed_find(ctl, ifindex, addr, &slot);
	if (!m && slot) {
		slot->addr = *addr;
		slot->ifindex = ifindex;
		rc = neigh_request(ctl, RTM_NEWNEIGH, ifindex, addr, 0, NTF_EXT_MANAGED);
		if (rc < 0)
			slot->ifindex = 0;
	}
	/* Managed already and yet asked for: it failed, or is about to be used
	 * again.  Full, or an old kernel: resolve once. */
	if (rc < 0)
		rc = neigh_request(ctl, RTM_NEWNEIGH, ifindex, addr, NTF_USE, 0);
	if (rc == 0)
		mark_incomplete(ctl, ifindex, addr);
	return rc;
}

void neigh_unmanage(struct ctld *ctl, uint32_t ifindex)
{
	for (size_t i = 0; i < ST_MAX_MANAGED; i++) {
		struct st_managed *m = &ctl->st->managed[i];

		if (!m->ifindex || (ifindex && m->ifindex != ifindex))
			continue;
		/* The kernel learns it anew when it needs it. */
		neigh_request(ctl, RTM_DELNEIGH, m->ifindex, &m->addr, 0, 0);
		m->ifindex = 0;
	}
}
