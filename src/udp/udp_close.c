// SPDX-License-Identifier: BSD-2-Clause
/*
 * udp_close.c - errors from the network, and the end of an endpoint
 *
 * RFC 1122 section 4.1.3.3 in the way of Linux' __udp4_lib_err(): a connected socket
 * hears of hard errors, one with IP_RECVERR of all.
 */
#include "udp/udp.h"

#include <errno.h>

void udp_icmp(struct net *net, struct ep *ep, int err, bool hard, uint32_t mtu)
{
	if (mtu) {
		net_pmtu(ep, mtu);
		udp_ep(ep)->dst_route.valid = 0;
		hard = true;	/* path MTU discovery is on: the sender must learn of it */
	}
	if (err == 0)
		return;
	if (!(ep->flags & EP_F_RECVERR) && !(hard && ep->flags & EP_F_CONNECTED))
		return;
	ep->so_error = err;
	/* Who waits to send or to receive gets the error. */
	ep_ready(net, ep, EP_ERR);
}

void udp_close(struct net *net, struct udp_ep *u)
{
	struct pkt *p;

	while ((p = udp_pop(net, u)))
		pkt_free(net, p);
	ep_free(net, &u->ep);
}
