// SPDX-License-Identifier: BSD-2-Clause
/*
 * udp_err.c - errors from the network: the pending error, the error queue, path MTUs
 *
 * RFC 1122 section 4.1.3.3 in the way of Linux' __udp4_lib_err(): a connected socket
 * hears of hard errors, one with IP_RECVERR of all, and that one also keeps the message
 * itself.  An entry of the queue is the frame of the ICMP message with data_off,
 * data_len naming the quoted payload, and pkt.user[] the rest.
 */
#include "udp/udp.h"

#include <errno.h>
#include <string.h>

#include "wire/udp.h"

enum { ERRQ_MAX = 32 };

/* pkt.user[0] of an entry: errno, type, code, local, destination port; the rest of user[]. */
enum { USER_WORD, USER_INFO, USER_DST0, USER_DST1 };

static uint64_t word(int err, uint8_t type, uint8_t code, bool local, be16_t dport)
{
	return (uint32_t)err | (uint64_t)type << 32 | (uint64_t)code << 40 | (uint64_t)dport.be << 48 |
	       (local ? 1ull << 31 : 0);
}

static void enqueue(struct net *net, struct udp_ep *u, struct pkt *p, const struct ipaddr *dst)
{
	uint32_t id = pkt_id(net, p);

	p->user[USER_DST0] = dst->d[0];
	p->user[USER_DST1] = dst->d[1];
	p->where = PKT_RXQ;
	p->next = ID_NONE;
	if (u->errq_head == ID_NONE)
		u->errq_head = id;
	else
		pkt_get(net, u->errq_tail)->next = id;
	u->errq_tail = id;
	u->errq_n++;
}

bool udp_err_pop(struct net *net, struct udp_ep *u, struct udp_err *out)
{
	struct udp_err e = { .dst = IPADDR_ANY };
	struct pkt *p;
	uint64_t w;

	if (u->errq_head >= net->n_frames)
		return false;
	p = pkt_get(net, u->errq_head);
	u->errq_head = p->next;
	if (u->errq_head == ID_NONE)
		u->errq_tail = ID_NONE;
	u->errq_n--;
	p->next = ID_NONE;
	p->where = PKT_USER;
	w = p->user[USER_WORD];
	e.pkt = p;
	e.local = w >> 31 & 1;
	e.err = (int32_t)(w & 0x7fffffff);
	e.type = (uint8_t)(w >> 32);
	e.code = (uint8_t)(w >> 40);
	e.dport.be = (uint16_t)(w >> 48);
	e.info = (uint32_t)p->user[USER_INFO];
	e.dst.d[0] = p->user[USER_DST0];
	e.dst.d[1] = p->user[USER_DST1];
	if (!e.local) {
		struct ipaddr to;
		be16_t port;

		udp_addrs(p, &e.offender, &port, &to);
		u->ep.so_error = 0;
	}
	if (u->errq_head < net->n_frames) {
		w = pkt_get(net, u->errq_head)->user[USER_WORD];
		if (!(w >> 31 & 1))
			u->ep.so_error = (int32_t)(w & 0x7fffffff);
		ep_ready(net, &u->ep, EP_ERR);
	}
	*out = e;
	return true;
}

void udp_err_local(struct net *net, struct udp_ep *u, const struct ipaddr *dst, be16_t dport, uint32_t mtu)
{
	struct pkt *p;

	if (!(u->ep.flags & EP_F_RECVERR) || u->errq_n >= ERRQ_MAX)
		return;
	p = pkt_alloc(net, PKT_FOR_RX);
	if (!p)
		return;
	p->off = p->l3_off = p->l4_off = p->data_off = PKT_DATA_OFF;
	p->data_len = 0;
	p->user[USER_WORD] = word(EMSGSIZE, 0, 0, true, dport);
	p->user[USER_INFO] = mtu;
	enqueue(net, u, p, dst);
	ep_ready(net, &u->ep, EP_ERR);
}

/* Is the destination of the quoted datagram the one that ep.pmtu is about? */
static bool pmtu_of(const struct udp_ep *u, const struct ipaddr *dst)
{
	return u->ep.pmtu && ipaddr_eq(&u->pmtu_dst, dst);
}

uint32_t udp_pmtu(struct net *net, struct udp_ep *u, const struct ipaddr *dst)
{
	if (!pmtu_of(u, dst))
		return 0;
	if (net_pmtu_old(net, &u->ep)) {
		u->dst_route.valid = 0;
		return 0;
	}
	return u->ep.pmtu;
}

/* ip_sk_accept_pmtu() */
static void learn_pmtu(struct net *net, struct udp_ep *u, const struct ipaddr *dst, uint32_t mtu)
{
	if (u->ep.pmtudisc >= PMTUDISC_INTERFACE)
		return;
	if (!pmtu_of(u, dst)) {
		u->ep.pmtu = 0;
		u->ep.route.gen = 0;
	}
	u->pmtu_dst = *dst;
	net_pmtu(net, &u->ep, mtu);
	u->dst_route.valid = 0;
}

static void keep(struct net *net, struct udp_ep *u, struct pkt *p, const struct rx_info *ri)
{
	uint32_t skip = ri->icmp.l4_off + UDP_HDR_LEN - p->l4_off;

	p->data_off = (uint16_t)(ri->icmp.l4_off + UDP_HDR_LEN);
	p->data_len = ri->l4_len > skip ? ri->l4_len - skip : 0;
	p->user[USER_WORD] = word(ri->icmp.err, ri->icmp.type, ri->icmp.code, false, ri->flow.rport);
	p->user[USER_INFO] = ri->icmp.info;
	enqueue(net, u, p, &ri->flow.raddr);
}

void udp_icmp(struct net *net, struct ep *ep, struct pkt *p, const struct rx_info *ri)
{
	const struct net_icmp *ic = &ri->icmp;
	struct udp_ep *u = udp_ep(ep);
	bool hard = ic->hard;

	if (ic->mtu) {
		learn_pmtu(net, u, &ri->flow.raddr, ic->mtu);
		if (ep->pmtudisc == PMTUDISC_DONT)
			goto out;
		hard = true;	/* path MTU discovery is on: the sender must learn of it */
	}
	if (ic->err == 0 || (!(ep->flags & EP_F_RECVERR) && !(hard && ep->flags & EP_F_CONNECTED)))
		goto out;
	ep->so_error = ic->err;
	/* Who waits to send or to receive gets the error. */
	ep_ready(net, ep, EP_ERR);
	if (ep->flags & EP_F_RECVERR && u->errq_n < ERRQ_MAX) {
		keep(net, u, p, ri);
		return;
	}
out:
	pkt_free(net, p);
}
