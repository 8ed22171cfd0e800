// SPDX-License-Identifier: BSD-2-Clause
/*
 * udp_tx.c - datagrams out
 *
 * One datagram, one frame, one copy: the payload goes from the caller's memory into
 * the frame that leaves, and is summed on the way.  RFC 768; RFC 8200 section 8.1.
 * What does not fit into the path's MTU is refused: the kernel socket fragments.
 */
#include "udp/udp.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "wire/csum.h"
#include "wire/udp.h"

/* Copies @len bytes to @dst; returns their sum. */
static uint32_t gather(uint8_t *dst, const struct iovec *iov, int n, size_t len)
{
	uint32_t sum = 0;
	size_t off = 0;

	for (int i = 0; i < n && off < len; i++) {
		size_t m = min_t(size_t, iov[i].iov_len, len - off);

		sum = csum_add_at(sum, csum_copy(dst + off, iov[i].iov_base, m, 0), off);
		off += m;
	}
	return sum;
}

/* csum_pseudo() not yet folded; mapped prefixes add nothing. */
static inline uint64_t pseudo(const struct ipaddr *src, const struct ipaddr *dst, bool v4,
			      be16_t len)
{
	if (likely(v4))
		return (uint64_t)src->w[3] + dst->w[3] + (IPPROTO_UDP << 8) + len.be;
	return csum_pseudo(src, dst, IPPROTO_UDP, from_be16(len));
}

/* Completions first, where there was no frame. */
static __cold struct pkt *alloc_slow(struct net *net)
{
	net_tx_reap(net);
	return pkt_alloc(net, PKT_FOR_TX);
}

/* Fills a frame and sends it. */
static inline __attribute__((always_inline)) int
send_to(struct net *net, struct udp_ep *u, const struct ep_route *rt, const struct ipaddr *src,
	const struct ipaddr *dst, be16_t dport, const struct iovec *iov, int n, size_t len)
{
	bool v4 = likely(ipaddr_is4(dst));
	uint32_t l4_len = (uint32_t)len + UDP_HDR_LEN, room = v4 ? 14 + 20 : 14 + 40, sum;
	be16_t len16 = to_be16((uint16_t)l4_len);
	uint64_t h;
	struct pkt *p;
	uint8_t *l4;
	int rc;

	/* room - 14 is the length of the IP header. */
	if (unlikely(l4_len + room - 14 > rt->mtu))
		return -EMSGSIZE;
	p = pkt_alloc(net, PKT_FOR_TX);
	if (unlikely(!p)) {
		p = alloc_slow(net);
		if (!p)
			return -EAGAIN;
	}
	p->l4_off = (uint16_t)(PKT_DATA_OFF + room);
	p->len = (uint16_t)(room + l4_len);
	p->tot_len = room + l4_len;
	l4 = (uint8_t *)p + PKT_DATA_OFF + room;

	if (likely(n == 1))
		sum = csum_copy(l4 + UDP_HDR_LEN, iov->iov_base, len, 0);
	else
		sum = gather(l4 + UDP_HDR_LEN, iov, n, len);

	/* The header as one word: ports, length, checksum. */
	h = u->ep.flow.lport.be | (uint64_t)dport.be << 16 | (uint64_t)len16.be << 32;
	sum = csum_from64(pseudo(src, dst, v4, len16) + (uint32_t)h + (h >> 32) + sum);
	h |= (uint64_t)csum_fold_udp(sum).be << 48;
	memcpy(l4, &h, sizeof(h));

	rc = ip_tx(net, &u->ep, rt, src, dst, IPPROTO_UDP, p, true);
	if (unlikely(rc < 0))
		return rc;
	u->tx_dgrams++;
	u->tx_bytes += len;
	NET_STAT(net, udp_out_dgrams);
	return 0;
}

/* The address that a datagram to @d leaves from: asked for, bound, or by the route. */
static const struct ipaddr *pick_src(const struct udp_ep *u, const struct udp_dst *d,
				     const struct ep_route *rt)
{
	if (!ipaddr_is_any(&d->src))
		return &d->src;
	/* A socket bound to a group sends from the interface's address. */
	if (!ipaddr_is_any(&u->ep.flow.laddr) && !ipaddr_is_mcast(&u->ep.flow.laddr))
		return &u->ep.flow.laddr;
	return &rt->src;
}

/* The source address that the route must honour: asked for or bound, else none. */
static struct ipaddr bound_src(const struct udp_ep *u, const struct udp_dst *d)
{
	if (!ipaddr_is_any(&d->src))
		return d->src;
	return ipaddr_is_mcast(&u->ep.flow.laddr) ? IPADDR_ANY : u->ep.flow.laddr;
}

/* The route to @d, kept: most unconnected sockets send to one peer for long.  Not in
 * ep.route, which a later connect() must find undecided. */
static int route_to(struct net *net, struct udp_ep *u, const struct udp_dst *d)
{
	uint32_t oif = d->oif ? d->oif : u->ep.bound_if;
	struct ipaddr src = bound_src(u, d);
	int rc;

	if (likely(u->dst_route.gen == cp_gen(net->cp) && u->dst_route.valid &&
		   ipaddr_eq(&u->dst_addr, &d->addr) && ipaddr_eq(&u->dst_src, &src) &&
		   u->dst_oif == oif))
		return 0;
	rc = net_route_to(net, &u->ep, &src, &d->addr, oif, &u->dst_route);
	if (rc < 0 && rc != -EAGAIN) {
		u->dst_route.valid = 0;
		return rc;
	}
	u->dst_addr = d->addr;
	u->dst_src = src;
	u->dst_oif = oif;
	return rc;
}

static __attribute__((noinline)) int
send_unconnected(struct net *net, struct udp_ep *u, const struct udp_dst *d,
		 const struct iovec *iov, int n, size_t len)
{
	uint8_t ttl = u->ep.ttl, mcast_ttl = u->ep.mcast_ttl, tos = u->ep.tos;
	const struct ipaddr *src;
	int rc;

	if (d->port.be == 0)
		return -EINVAL;
	rc = route_to(net, u, d);
	if (rc < 0 && rc != -EAGAIN)
		return rc;
	src = pick_src(u, d, &u->dst_route);
	if (ipaddr_is_any(src) || ipaddr_is4(src) != ipaddr_is4(&d->addr))
		return -EOPNOTSUPP;

	/* For this datagram only. */
	if (d->ttl >= 0)
		u->ep.ttl = u->ep.mcast_ttl = (uint8_t)d->ttl;
	if (d->tos >= 0)
		u->ep.tos = (uint8_t)d->tos;
	rc = send_to(net, u, &u->dst_route, src, &d->addr, d->port, iov, n, len);
	u->ep.ttl = ttl;
	u->ep.mcast_ttl = mcast_ttl;
	u->ep.tos = tos;
	return rc;
}

int udp_send(struct net *net, struct udp_ep *u, const struct udp_dst *dst,
	     const struct iovec *iov, int n, size_t len)
{
	int rc;

	if (unlikely(len > UINT16_MAX - UDP_HDR_LEN))
		return -EMSGSIZE;
	if (dst)
		return send_unconnected(net, u, dst, iov, n, len);
	if (unlikely(!(u->ep.flags & EP_F_CONNECTED)))
		return -EDESTADDRREQ;
	rc = net_route(net, &u->ep);
	if (unlikely(rc < 0 && rc != -EAGAIN))
		return rc;
	return send_to(net, u, &u->ep.route, &u->ep.flow.laddr, &u->ep.flow.raddr,
		       u->ep.flow.rport, iov, n, len);
}
