// SPDX-License-Identifier: BSD-2-Clause
/*
 * route.c - routes and rules, from rtnetlink into the tables
 *
 * Mirrors the tables local and main.  Any policy rule beyond the kernel's own, or
 * a route in a table that those rules reach and that we do not mirror, makes the
 * whole mirror say "ask the kernel" (has_rules): better slow than wrong.
 */
#include "ctld/ctld.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <string.h>

struct routes {
	struct cp_route *r;
	uint32_t n;
	bool rules;
};

static uint32_t u32_or(const struct nlattr *a, uint32_t def)
{
	return a && mnl_attr_get_payload_len(a) >= 4 ? mnl_attr_get_u32(a) : def;
}

static uint8_t route_type(uint8_t rtn)
{
	switch (rtn) {
	case RTN_UNICAST:
	case RTN_MULTICAST:	/* ff00::/8 of an interface: on link */
		return CP_RT_UNICAST;
	case RTN_LOCAL:
	case RTN_ANYCAST:
		return CP_RT_LOCAL;
	case RTN_BROADCAST:
		return CP_RT_BROADCAST;
	case RTN_UNREACHABLE:
		return CP_RT_UNREACHABLE;
	default:
		return CP_RT_OTHER;
	}
}

static bool gateway(struct cp_route *r, const struct nlattr *gw, const struct nlattr *via)
{
	if (gw)
		return addr_from_attr(&r->gateway, mnl_attr_get_payload(gw),
				      mnl_attr_get_payload_len(gw));
	if (via && mnl_attr_get_payload_len(via) > sizeof(struct rtvia))
		return addr_from_attr(&r->gateway,
				      (const char *)mnl_attr_get_payload(via) + sizeof(struct rtvia),
				      mnl_attr_get_payload_len(via) - sizeof(struct rtvia));
	return !via;
}

static uint32_t metric_mtu(const struct nlattr *metrics)
{
	const struct nlattr *a;

	if (metrics)
		mnl_attr_for_each_nested(a, metrics)
			if (mnl_attr_get_type(a) == RTAX_MTU)
				return u32_or(a, 0);
	return 0;
}

static int one_route(struct ctld *ctl, const struct nlmsghdr *nlh, void *arg)
{
	const struct rtmsg *m = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *tb[RTA_MAX + 1] = { 0 };
	const struct nlattr *a;
	struct routes *rs = arg;
	struct cp_route *r;
	uint32_t table;

	if (nlh->nlmsg_type != RTM_NEWROUTE || mnl_nlmsg_get_payload_len(nlh) < sizeof(*m) ||
	    (m->rtm_family != AF_INET && m->rtm_family != AF_INET6) ||
	    m->rtm_flags & (RTM_F_CLONED | RTNH_F_DEAD))
		return 0;
	mnl_attr_for_each(a, nlh, sizeof(*m))
		if (mnl_attr_get_type(a) <= RTA_MAX)
			tb[mnl_attr_get_type(a)] = a;
	table = u32_or(tb[RTA_TABLE], m->rtm_table);
	if (table == RT_TABLE_DEFAULT)
		rs->rules = true;	/* rule 32767 leads there, after main */
	if (table != RT_TABLE_MAIN && table != RT_TABLE_LOCAL)
		return 0;
	if (rs->n == CP_MAX_ROUTES) {
		rs->rules = true;
		return 0;
	}

	r = &rs->r[rs->n];
	memset(r, 0, sizeof(*r));
	r->type = route_type(m->rtm_type);
	/* In the wrong table a local route would be asked at the wrong time. */
	if (table == RT_TABLE_MAIN && (r->type == CP_RT_LOCAL || r->type == CP_RT_BROADCAST))
		r->type = CP_RT_OTHER;
	if (table == RT_TABLE_LOCAL && r->type == CP_RT_UNICAST && m->rtm_type != RTN_MULTICAST)
		rs->rules = true;
	/* Some encapsulation (MPLS, SEG6), or a source-specific route. */
	if (tb[RTA_ENCAP] || tb[RTA_SRC] || m->rtm_src_len)
		r->type = CP_RT_OTHER;
	if (m->rtm_family == AF_INET)
		addr_from_attr(&r->dst, "\0\0\0\0", 4);
	if (tb[RTA_DST] && !addr_from_attr(&r->dst, mnl_attr_get_payload(tb[RTA_DST]),
					   mnl_attr_get_payload_len(tb[RTA_DST])))
		return 0;
	r->prefix_len = (uint8_t)(m->rtm_dst_len + (m->rtm_family == AF_INET ? 96 : 0));
	if (r->prefix_len > 128)
		return 0;
	if (!gateway(r, tb[RTA_GATEWAY], tb[RTA_VIA]))
		r->type = CP_RT_OTHER;
	if (tb[RTA_PREFSRC])
		addr_from_attr(&r->prefsrc, mnl_attr_get_payload(tb[RTA_PREFSRC]),
			       mnl_attr_get_payload_len(tb[RTA_PREFSRC]));
	r->ifindex = u32_or(tb[RTA_OIF], 0);
	r->metric = u32_or(tb[RTA_PRIORITY], 0);
	r->mtu = metric_mtu(tb[RTA_METRICS]);
	r->tos = m->rtm_tos;
	r->multipath = tb[RTA_MULTIPATH] != NULL || (r->type == CP_RT_UNICAST && r->ifindex == 0);
	rs->n++;
	return 0;
}

static int one_rule(struct ctld *ctl, const struct nlmsghdr *nlh, void *arg)
{
	const struct fib_rule_hdr *h = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *a;
	uint32_t pref = 0, table, seen = 0;
	struct routes *rs = arg;

	if (nlh->nlmsg_type != RTM_NEWRULE || mnl_nlmsg_get_payload_len(nlh) < sizeof(*h) ||
	    (h->family != AF_INET && h->family != AF_INET6))
		return 0;
	table = h->table;
	mnl_attr_for_each(a, nlh, sizeof(*h)) {
		switch (mnl_attr_get_type(a)) {
		case FRA_PRIORITY:
			pref = u32_or(a, 0);
			break;
		case FRA_TABLE:
			table = u32_or(a, table);
			break;
		case FRA_SRC:
		case FRA_DST:
		case FRA_IIFNAME:
		case FRA_OIFNAME:
		case FRA_FWMARK:
		case FRA_L3MDEV:
		case FRA_UID_RANGE:
		case FRA_IP_PROTO:
		case FRA_SPORT_RANGE:
		case FRA_DPORT_RANGE:
		case FRA_TUN_ID:
			seen = 1;
			break;
		default:
			break;
		}
	}
	if (seen || h->action != FR_ACT_TO_TBL || h->tos || h->flags & FIB_RULE_INVERT ||
	    !((pref == 0 && table == RT_TABLE_LOCAL) ||
	      (pref == 32766 && table == RT_TABLE_MAIN) ||
	      (pref == 32767 && table == RT_TABLE_DEFAULT)))
		rs->rules = true;
	return 0;
}

int route_sync(struct ctld *ctl)
{
	struct routes rs = { .r = ctl->route_scratch };
	static const uint8_t families[] = { AF_INET, AF_INET6 };

	for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
		int rc = nl_dump(ctl, RTM_GETROUTE, families[i], one_route, &rs);

		if (rc == 0)
			rc = nl_dump(ctl, RTM_GETRULE, families[i], one_rule, &rs);
		/* A kernel without IPv6, or without policy routing. */
		if (rc < 0 && rc != -EAFNOSUPPORT && rc != -EOPNOTSUPP)
			return rc;
	}
	cp_replace_routes(ctl->tables, rs.r, rs.n, rs.rules);
	return 0;
}
