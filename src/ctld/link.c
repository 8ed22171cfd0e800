// SPDX-License-Identifier: BSD-2-Clause
/*
 * link.c - interfaces and their addresses, from rtnetlink into the tables
 *
 * Decides here, once, which interfaces are accelerated: Ethernet, of kind veth or
 * none (hardware, virtio), not enslaved.  What a bridge, bond or VLAN would see
 * of a frame cannot be had below it.
 */
#include "ctld/ctld.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/if_addr.h>
#include <linux/if_arp.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <string.h>

struct links {
	struct cp_link l[CP_MAX_LINKS];
	uint32_t n;
};

static bool kind_accelerated(const struct nlattr *info)
{
	const struct nlattr *a;

	if (!info)
		return true;
	mnl_attr_for_each_nested(a, info)
		if (mnl_attr_get_type(a) == IFLA_INFO_KIND &&
		    mnl_attr_validate(a, MNL_TYPE_NUL_STRING) >= 0)
			return strcmp(mnl_attr_get_str(a), "veth") == 0;
	return true;
}

static bool kind_is_veth(const struct nlattr *info)
{
	const struct nlattr *a;

	if (!info)
		return false;
	mnl_attr_for_each_nested(a, info)
		if (mnl_attr_get_type(a) == IFLA_INFO_KIND &&
		    mnl_attr_validate(a, MNL_TYPE_NUL_STRING) >= 0)
			return strcmp(mnl_attr_get_str(a), "veth") == 0;
	return false;
}

static bool xdp_attached(const struct nlattr *xdp)
{
	const struct nlattr *a;

	if (!xdp)
		return false;
	mnl_attr_for_each_nested(a, xdp)
		if (mnl_attr_get_type(a) == IFLA_XDP_ATTACHED && mnl_attr_get_payload_len(a) >= 1)
			return mnl_attr_get_u8(a) != XDP_ATTACHED_NONE;
	return false;
}

static uint32_t u32_or(const struct nlattr *a, uint32_t def)
{
	return a && mnl_attr_get_payload_len(a) >= 4 ? mnl_attr_get_u32(a) : def;
}

static int one_link(struct ctld *ctl, const struct nlmsghdr *nlh, void *arg)
{
	const struct ifinfomsg *i = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *tb[IFLA_MAX + 1] = { 0 };
	const struct nlattr *a;
	struct links *ls = arg;
	struct cp_link *l;

	if (nlh->nlmsg_type != RTM_NEWLINK || mnl_nlmsg_get_payload_len(nlh) < sizeof(*i) ||
	    i->ifi_index <= 0 || ls->n == CP_MAX_LINKS)
		return 0;
	mnl_attr_for_each(a, nlh, sizeof(*i))
		if (mnl_attr_get_type(a) < ARRAY_SIZE(tb))
			tb[mnl_attr_get_type(a)] = a;

	l = &ls->l[ls->n++];
	memset(l, 0, sizeof(*l));
	l->ifindex = (uint32_t)i->ifi_index;
	l->mtu = u32_or(tb[IFLA_MTU], 1500);
	l->n_rxq = u32_or(tb[IFLA_NUM_RX_QUEUES], 1);
	if (tb[IFLA_IFNAME] && mnl_attr_validate(tb[IFLA_IFNAME], MNL_TYPE_NUL_STRING) >= 0)
		snprintf(l->name, sizeof(l->name), "%s", mnl_attr_get_str(tb[IFLA_IFNAME]));
	if (tb[IFLA_ADDRESS] && mnl_attr_get_payload_len(tb[IFLA_ADDRESS]) == 6)
		memcpy(l->mac, mnl_attr_get_payload(tb[IFLA_ADDRESS]), 6);
	/*
	 * IFF_UP alone, as the kernel's own routing: IFF_RUNNING follows the
	 * carrier up to a second late (net/core/link_watch.c), and a route over
	 * an interface without carrier is still used unless the administrator
	 * set ignore_routes_with_linkdown.
	 */
	if (i->ifi_flags & IFF_UP)
		l->flags |= CP_LINK_UP;
	if (i->ifi_flags & IFF_LOOPBACK)
		l->flags |= CP_LINK_LOOPBACK;
	if (i->ifi_type == ARPHRD_ETHER)
		l->flags |= CP_LINK_ETHER;
	if (kind_is_veth(tb[IFLA_LINKINFO]))
		l->flags |= CP_LINK_VIRTUAL;
	if (i->ifi_type != ARPHRD_ETHER || (i->ifi_flags & IFF_LOOPBACK) ||
	    u32_or(tb[IFLA_MASTER], 0) != 0 || !kind_accelerated(tb[IFLA_LINKINFO]))
		l->flags |= CP_LINK_NOACCEL;
	if (xdp_attached(tb[IFLA_XDP]) && !iface_find(ctl, l->ifindex))
		l->flags |= CP_LINK_XDP_FOREIGN;
	return 0;
}

int link_sync(struct ctld *ctl)
{
	struct cp_shm *t = ctl->tables;
	static struct links ls;		/* 12 KiB; one thread */
	int rc;

	ls.n = 0;
	rc = nl_dump(ctl, RTM_GETLINK, AF_UNSPEC, one_link, &ls);
	if (rc < 0)
		return rc;
	if (ls.n == t->n_links && memcmp(ls.l, t->links, ls.n * sizeof(ls.l[0])) == 0)
		return 0;
	cp_begin(t);
	memcpy(t->links, ls.l, ls.n * sizeof(ls.l[0]));
	memset(&t->links[ls.n], 0, (CP_MAX_LINKS - ls.n) * sizeof(ls.l[0]));
	t->n_links = ls.n;
	cp_end(t, true);
	for (uint32_t i = 0; i < MAX_IFS; i++)
		if (ctl->ifs[i].ifindex) {
			struct cp_link l;

			if (cp_link_get(&ctl->cp, ctl->ifs[i].ifindex, &l) < 0)
				iface_gone(ctl, ctl->ifs[i].ifindex);
		}
	return 0;
}

struct addrs {
	struct cp_addr a[CP_MAX_ADDRS];
	uint32_t n;
};

static int one_addr(struct ctld *ctl, const struct nlmsghdr *nlh, void *arg)
{
	const struct ifaddrmsg *i = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *a, *addr = NULL, *local = NULL;
	struct addrs *as = arg;
	struct cp_addr *x;
	uint32_t flags;

	if (nlh->nlmsg_type != RTM_NEWADDR || mnl_nlmsg_get_payload_len(nlh) < sizeof(*i) ||
	    (i->ifa_family != AF_INET && i->ifa_family != AF_INET6) || as->n == CP_MAX_ADDRS)
		return 0;
	flags = i->ifa_flags;
	mnl_attr_for_each(a, nlh, sizeof(*i)) {
		switch (mnl_attr_get_type(a)) {
		case IFA_ADDRESS:
			addr = a;
			break;
		case IFA_LOCAL:
			local = a;
			break;
		case IFA_FLAGS:
			flags = u32_or(a, flags);
			break;
		default:
			break;
		}
	}
	/* On point-to-point links IFA_ADDRESS is the other end. */
	if (local)
		addr = local;
	x = &as->a[as->n];
	memset(x, 0, sizeof(*x));
	if (!addr || mnl_attr_get_payload_len(addr) != (i->ifa_family == AF_INET ? 4 : 16) ||
	    !addr_from_attr(&x->addr, mnl_attr_get_payload(addr), mnl_attr_get_payload_len(addr)))
		return 0;
	x->ifindex = i->ifa_index;
	x->prefix_len = (uint8_t)(i->ifa_prefixlen + (i->ifa_family == AF_INET ? 96 : 0));
	x->scope = i->ifa_scope;
	if (flags & IFA_F_DEPRECATED)
		x->flags |= CP_ADDR_DEPRECATED;
	if ((flags & IFA_F_TENTATIVE) && !(flags & IFA_F_OPTIMISTIC))
		x->flags |= CP_ADDR_TENTATIVE;
	if (flags & IFA_F_SECONDARY)
		x->flags |= CP_ADDR_SECONDARY;
	as->n++;
	return 0;
}

int addr_sync(struct ctld *ctl)
{
	struct cp_shm *t = ctl->tables;
	static struct addrs as, old;	/* 32 KiB each */
	int rc;

	as.n = 0;
	rc = nl_dump(ctl, RTM_GETADDR, AF_UNSPEC, one_addr, &as);
	if (rc < 0)
		return rc;
	if (as.n == t->n_addrs && memcmp(as.a, t->addrs, as.n * sizeof(as.a[0])) == 0)
		return 0;
	old.n = t->n_addrs;
	memcpy(old.a, t->addrs, old.n * sizeof(old.a[0]));
	cp_begin(t);
	memcpy(t->addrs, as.a, as.n * sizeof(as.a[0]));
	memset(&t->addrs[as.n], 0, (CP_MAX_ADDRS - as.n) * sizeof(as.a[0]));
	t->n_addrs = as.n;
	cp_end(t, true);
	for (uint32_t i = 0; i < MAX_IFS; i++)
		if (ctl->ifs[i].ifindex)
			iface_local_addrs(ctl, &ctl->ifs[i], old.a, old.n);
	return 0;
}
