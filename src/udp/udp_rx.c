// SPDX-License-Identifier: BSD-2-Clause
/*
 * udp_rx.c - datagrams in: checksum, queue, and what a reader takes from it
 *
 * Takes a frame that ip_rx() validated and demux_find() matched, and leaves it on
 * the endpoint's queue with data_off, data_len naming the payload.  Nothing is
 * copied until udp_copy_out().  RFC 768; RFC 8200 section 8.1; RFC 1122 section 4.1.
 *
 * A queue is charged payload + OVERHEAD bytes a datagram against SO_RCVBUF, and
 * besides holds at most a quarter of all frames, so that one slow reader leaves
 * frames for everybody else.
 */
#include "udp/udp.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "udp/udp_priv.h"
#include "wire/csum.h"
#include "wire/ip6.h"
#include "wire/ip4.h"
#include "wire/udp.h"

enum { OVERHEAD = 256 };	/* near what the kernel charges for an sk_buff */

void udp_init(struct net *net, struct udp_ep *u, uint32_t rcvbuf)
{
	(void)net;
	u->ep.kind = EP_UDP;
	u->ep.flow.proto = IPPROTO_UDP;
	u->ep.mcast_ttl = 1;		/* RFC 1112 section 6.1 */
	u->ep.flags |= EP_F_MCAST_ALL;
	u->rxq_head = u->rxq_tail = ID_NONE;
	u->errq_head = u->errq_tail = ID_NONE;
	u->ep.pmtudisc = PMTUDISC_WANT;
	u->rcvbuf = rcvbuf;
}

/* Sum of the datagram's bytes, which may lie in several frames. */
static uint32_t sum_chain(const struct net *net, const struct pkt *p, uint32_t len, uint32_t sum)
{
	uint32_t off = 0, n = (uint32_t)(p->off + p->len - p->l4_off);
	const uint8_t *b = pkt_l4(p);

	for (;;) {
		n = min_t(uint32_t, n, len - off);
		sum = csum_add_at(sum, csum_partial(b, n, 0), off);
		off += n;
		if (off == len || p->frag >= net->n_frames)
			return sum;
		p = pkt_get(net, p->frag);
		b = pkt_l2(p);
		n = p->len;
	}
}

/* Everything but a whole and right checksum over IPv4. */
static __attribute__((noinline)) bool csum_slow(const struct net *net, const struct pkt *p,
						const struct rx_info *ri, be16_t csum, uint32_t len)
{
	uint32_t pseudo = csum_pseudo(&ri->flow.raddr, &ri->flow.laddr, IPPROTO_UDP, len);

	if (p->flags & PKT_F_CSUM_OK)
		return true;
	/* "No checksum" exists over IPv4 only. */
	if (csum.be == 0)
		return !(p->flags & PKT_F_IP6);
	if (p->flags & PKT_F_PARTIAL_OK && csum_is_pseudo(csum, pseudo))
		return true;
	return csum_ok(sum_chain(net, p, len, pseudo));
}

/* Length and checksum; sets data_off, data_len.  False: a drop, counted. */
static inline bool check(struct net *net, struct pkt *p, const struct rx_info *ri)
{
	const uint8_t *l4 = pkt_l4(p);
	uint64_t h, pseudo;
	uint32_t len;
	bool ok;

	memcpy(&h, l4, sizeof(h));	/* ports, length, checksum */
	len = __builtin_bswap16((uint16_t)(h >> 32));
	if (unlikely(len < UDP_HDR_LEN || len > ri->l4_len)) {
		NET_DROP(net, udp_len);
		return false;
	}
	if (likely(!(p->flags & (PKT_F_IP6 | PKT_F_PARTIAL_OK | PKT_F_CSUM_OK)) &&
		   p->frag == ID_NONE && h >> 48)) {
		/* csum_pseudo() of mapped addresses, whose prefix adds nothing. */
		pseudo = (uint64_t)ri->flow.raddr.w[3] + ri->flow.laddr.w[3] +
			 ((h >> 32 & 0xffff) + (IPPROTO_UDP << 8)) +
			 (uint32_t)h + (h >> 32);
		ok = csum_ok(csum_partial(l4 + UDP_HDR_LEN, len - UDP_HDR_LEN,
					  csum_from64(pseudo)));
	} else {
		ok = csum_slow(net, p, ri, (be16_t){ (uint16_t)(h >> 48) }, len);
	}
	if (unlikely(!ok)) {
		NET_DROP(net, l4_csum);
		return false;
	}
	p->data_off = (uint16_t)(p->l4_off + UDP_HDR_LEN);
	p->data_len = len - UDP_HDR_LEN;
	return true;
}

bool udp_check(struct net *net, struct pkt *p, const struct rx_info *ri)
{
	return check(net, p, ri);
}

static inline bool room(const struct net *net, const struct udp_ep *u)
{
	/* One datagram is always taken into an empty queue, and one may go over
	 * the limit, as the kernel does it. */
	return likely(u->rxq_bytes < u->rcvbuf) ? u->rxq_pkts < net->n_frames / 4 : !u->rxq_pkts;
}

bool udp_has_room(const struct net *net, const struct udp_ep *u)
{
	return room(net, u);
}

static __cold void drop_full(struct net *net, struct udp_ep *u)
{
	u->drops++;
	NET_DROP(net, udp_rcvbuf);
}

void udp_drop_full(struct net *net, struct udp_ep *u)
{
	drop_full(net, u);
}

static inline void enqueue(struct net *net, struct udp_ep *u, struct pkt *p)
{
	uint32_t id = pkt_id(net, p), len = p->data_len;

	p->where = PKT_RXQ;
	p->next = ID_NONE;
	if (u->rxq_head == ID_NONE)
		u->rxq_head = id;
	else
		pkt_get(net, u->rxq_tail)->next = id;
	u->rxq_tail = id;
	u->rxq_bytes += len + OVERHEAD;
	if (++u->rxq_pkts > u->rxq_max_pkts)
		u->rxq_max_pkts = u->rxq_pkts;
	u->rx_dgrams++;
	u->rx_bytes += len;
	NET_STAT(net, udp_in_dgrams);
	ep_ready(net, &u->ep, EP_IN);
}

void udp_enqueue(struct net *net, struct udp_ep *u, struct pkt *p)
{
	enqueue(net, u, p);
}

void udp_rx(struct net *net, struct ep *ep, struct pkt *p, const struct rx_info *ri)
{
	struct udp_ep *u = udp_ep(ep);

	if (unlikely(!check(net, p, ri)))
		goto drop;
	if (unlikely(!room(net, u))) {
		drop_full(net, u);
		goto drop;
	}
	enqueue(net, u, p);
	return;
drop:
	pkt_free(net, p);
}

struct pkt *udp_peek(struct net *net, struct udp_ep *u)
{
	return u->rxq_head < net->n_frames ? pkt_get(net, u->rxq_head) : NULL;
}

struct pkt *udp_pop(struct net *net, struct udp_ep *u)
{
	struct pkt *p;

	if (u->rxq_head >= net->n_frames)
		return NULL;
	p = pkt_get(net, u->rxq_head);
	u->rxq_head = p->next;
	if (u->rxq_head == ID_NONE)
		u->rxq_tail = ID_NONE;
	u->rxq_pkts--;
	u->rxq_bytes -= p->data_len + OVERHEAD;
	p->next = ID_NONE;
	p->where = PKT_USER;
	return p;
}

void udp_addrs(const struct pkt *p, struct ipaddr *src, be16_t *sport, struct ipaddr *dst)
{
	const uint8_t *l3 = pkt_l3(p);
	be32_t a, b;

	if (p->flags & PKT_F_IP6) {
		memcpy(src, l3 + offsetof(struct ip6_hdr, src), sizeof(*src));
		memcpy(dst, l3 + offsetof(struct ip6_hdr, dst), sizeof(*dst));
	} else {
		memcpy(&a, l3 + offsetof(struct ip4_hdr, src), sizeof(a));
		memcpy(&b, l3 + offsetof(struct ip4_hdr, dst), sizeof(b));
		*src = ipaddr_from4(a);
		*dst = ipaddr_from4(b);
	}
	memcpy(sport, pkt_l4(p), sizeof(*sport));
}

/* Where the byte @skip of the payload is, and how many follow it in that frame. */
struct span {
	const struct pkt *p;
	const uint8_t *at;
	size_t n;
};

static bool next_span(const struct net *net, struct span *s)
{
	if (s->p->frag >= net->n_frames)
		return false;
	s->p = pkt_get(net, s->p->frag);
	s->at = pkt_l2(s->p);
	s->n = s->p->len;
	return true;
}

size_t udp_copy_out(struct net *net, const struct pkt *p, size_t skip, const struct iovec *iov, int n)
{
	size_t left = p->data_len > skip ? p->data_len - skip : 0, done = 0, in_iov = 0;
	struct span s = { p, pkt_data(p), (size_t)(p->off + p->len - p->data_off) };
	int i = 0;

	while (left && skip >= s.n) {
		skip -= s.n;
		if (!next_span(net, &s))
			return 0;
	}
	s.at += skip;
	s.n -= skip;

	while (left && i < n) {
		size_t m = min_t(size_t, left, iov[i].iov_len - in_iov);

		if (m == 0) {
			i++;
			in_iov = 0;
			continue;
		}
		if (s.n == 0 && !next_span(net, &s))
			break;
		m = min_t(size_t, m, s.n);
		memcpy((char *)iov[i].iov_base + in_iov, s.at, m);
		s.at += m;
		s.n -= m;
		left -= m;
		done += m;
		in_iov += m;
	}
	return done;
}
