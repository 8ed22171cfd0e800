// SPDX-License-Identifier: BSD-2-Clause
/*
 * tcp_icmp.c - what the network says about a connection's packets
 *
 * RFC 5461 and RFC 1122 section 4.2.3.9: errors end an attempt to connect, and are
 * remembered otherwise, to be reported if the connection times out.  RFC 1191 and
 * RFC 8201: a smaller path MTU, believed only for a sequence number in flight
 * (RFC 5927 section 4), which makes smaller segments of what was lost, at once and
 * without a reduction of cwnd.
 */
#include "tcp/tcp_int.h"

static void too_big(struct net *net, struct tcp_conn *c, uint32_t mtu)
{
	uint16_t mss = c->mss;

	if (c->ep.pmtudisc >= PMTUDISC_INTERFACE)
		return;
	net_pmtu(net, &c->ep, mtu);
	(void)net_route(net, &c->ep);
	tcp_mss_update(net, c);
	if (c->mss >= mss || !conn_in(c, TCPS_SET_TX))
		return;
	for (uint32_t id = c->snd_head; id != c->snd_next; ) {
		struct pkt *p = pkt_get(net, id);

		id = p->next;
		if (p->data_len <= c->mss || p->flags & (PKT_F_SACKED | PKT_F_LOST))
			continue;
		p->flags |= PKT_F_LOST;
		c->lost_bytes += pkt_seq_len(p);
	}
	if (!c->lost_bytes)
		return;
	if (!(c->flags & (TCP_F_RECOVERY | TCP_F_RTO_REC))) {
		c->flags |= TCP_F_RECOVERY;
		c->ca_state = 3;
		c->recover = c->snd_nxt;
		c->ssthresh = c->cwnd;
	}
	tcp_predict_update(c);
	tcp_recovery_send(net, c, true);
}

void tcp_icmp(struct net *net, struct ep *ep, int err, bool hard, uint32_t mtu, uint32_t seq)
{
	struct tcp_conn *c = tcp_conn(ep);

	if (ep->kind != EP_TCP_CONN || c->state == TCPS_CLOSED || c->state == TCPS_TIME_WAIT)
		return;
	if (seq - c->snd_una > conn_flight(c))
		return;
	if (mtu) {
		too_big(net, c, mtu);
		return;
	}
	if (!err)
		return;
	switch (c->state) {
	case TCPS_SYN_SENT:
		tcp_done(net, c, err);
		break;
	case TCPS_SYN_RCVD:
		if (hard)
			tcp_done(net, c, err);
		else
			c->err_soft = err;
		break;
	default:
		c->err_soft = err;
	}
	tcp_reap(net, c);
}
