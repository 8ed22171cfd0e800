// SPDX-License-Identifier: BSD-2-Clause
/*
 * icmp_rx.c - ICMP errors about our flows
 *
 * Takes an ICMP or ICMPv6 message from ip_rx(), finds the endpoint whose packet it
 * quotes, and says in rx_info.icmp what Linux would tell the socket.  Whether to
 * believe it is for tcp_icmp() and udp_icmp() to decide (RFC 5927).  RFC 792,
 * RFC 1191, RFC 4443, RFC 8201.  Everything but errors is the kernel's.
 */
#include "net/net.h"

#include <netinet/in.h>
#include <string.h>

#include "wire/icmp.h"
#include "wire/ip6.h"

enum {
	PMTU_MIN4 = 552,	/* Linux' min_pmtu: a smaller one is a lie or a mistake */
	PMTU_LIFE_S = 600,	/* Linux' mtu_expires; RFC 1191 section 6.3 */
};

static __cold bool bad(struct net *net)
{
	NET_DROP(net, icmp_bad);
	return false;
}

static int parse(const struct pkt *p, const struct rx_info *ri, struct icmp_err *e)
{
	const void *buf = pkt_l4(p);

	if (ri->l4 == IPPROTO_ICMP) {
		if (p->flags & PKT_F_IP6 || !icmp4_csum_ok(buf, ri->l4_len))
			return -EBADMSG;
		return icmp4_parse(buf, ri->l4_len, e);
	}
	if (!(p->flags & PKT_F_IP6) ||
	    !icmp6_csum_ok(buf, ri->l4_len, &ri->flow.raddr, &ri->flow.laddr))
		return -EBADMSG;
	return icmp6_parse(buf, ri->l4_len, e);
}

/* The endpoint that sent the quoted packet. */
static struct ep *find_sender(struct net *net, const struct flow *flow, uint32_t ifindex)
{
	/* The kernel looks no further for TCP: a listener sends nothing. */
	if (flow->proto == IPPROTO_TCP)
		return demux_find_exact(net, flow);
	return demux_find(net, flow, ifindex);
}

bool icmp_rx(struct net *net, struct pkt *p, struct rx_info *out)
{
	struct icmp_err e;
	struct ep *ep;
	bool hard;
	int err;

	/* An error message fits in one frame: RFC 1812 section 4.3.2.3, RFC 4443
	 * section 2.4. */
	if (p->frag != ID_NONE || parse(p, out, &e) < 0)
		return bad(net);
	err = icmp_errno(&e, &hard);
	if (err == 0 || e.flow.rport.be == 0)
		return bad(net);
	ep = find_sender(net, &e.flow, p->ifindex);
	if (!ep)
		return bad(net);

	NET_STAT(net, icmp_in_errors);
	out->l4 = IPPROTO_ICMP;
	out->flow = e.flow;
	out->icmp = (struct net_icmp){ .ep = ep->id, .err = err, .hard = hard, .seq = e.seq,
				  .type = e.type, .code = e.code, .info = e.ip6 ? e.mtu ? e.mtu : e.ptr6 : e.mtu ? e.mtu : e.ptr,
				  .l4_off = (uint16_t)(p->l4_off + e.l4_off) };
	if (err == EMSGSIZE)
		out->icmp.mtu = max_t(uint32_t, e.mtu, e.ip6 ? (uint32_t)IP6_MTU_MIN :
						       (uint32_t)PMTU_MIN4);
	return true;
}

void net_pmtu(struct net *net, struct ep *ep, uint32_t mtu)
{
	if (mtu == 0 || mtu >= UINT16_MAX || (ep->pmtu && mtu > ep->pmtu))
		return;
	ep->pmtu = (uint16_t)mtu;
	ep->pmtu_s = (uint32_t)(net->now / NSEC_PER_SEC);
	/* IP_PMTUDISC_PROBE only wants to be told. */
	if (ep->route.mtu > mtu && ep->pmtudisc < PMTUDISC_PROBE)
		ep->route.mtu = (uint16_t)mtu;
}

bool net_pmtu_old(struct net *net, struct ep *ep)
{
	if (likely(!ep->pmtu || (uint32_t)(net->now / NSEC_PER_SEC) - ep->pmtu_s < PMTU_LIFE_S))
		return false;
	ep->pmtu = 0;
	ep->route.gen = 0;
	return true;
}
