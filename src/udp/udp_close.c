// SPDX-License-Identifier: BSD-2-Clause
/* udp_close.c - the end of an endpoint: its queues, then itself */
#include "udp/udp.h"

void udp_close(struct net *net, struct udp_ep *u)
{
	struct udp_err e;
	struct pkt *p;

	while ((p = udp_pop(net, u)))
		pkt_free(net, p);
	while (udp_err_pop(net, u, &e))
		pkt_free(net, e.pkt);
	ep_free(net, &u->ep);
}
