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
#include "wire/ip4.h"
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
	uint16_t pmtu;
	int rc;

	if (likely(u->dst_route.gen == cp_gen(net->cp) && u->dst_route.valid &&
		   ipaddr_eq(&u->dst_addr, &d->addr) && ipaddr_eq(&u->dst_src, &src) &&
		   u->dst_oif == oif))
		return 0;
	/* A path MTU is that of one destination. */
	pmtu = u->ep.pmtu;
	if (!ipaddr_eq(&u->pmtu_dst, &d->addr))
		u->ep.pmtu = 0;
	rc = net_route_to(net, &u->ep, &src, &d->addr, oif, &u->dst_route);
	u->ep.pmtu = pmtu;
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

/* ---- connected, IPv4 -----------------------------------------------------------------
 *
 * The predicted case.  Of the 42 bytes in front of the payload ten change from one
 * datagram to the next: the rest is copied, and summed once.
 *
 *	0 Ethernet   16: total length  18: id  24: checksum   34 ports  38: length  40: checksum
 */
enum { HDRS = 14 + 20 + UDP_HDR_LEN };

static inline uint32_t hdr_key(const struct udp_ep *u)
{
	uint32_t key;

	memcpy(&key, &u->ep.kind, sizeof(key));
	return key;
}

/* Whether the headers are still those of this endpoint: its route, options and flow. */
static inline bool hdr_current(const struct net *net, const struct udp_ep *u)
{
	uint64_t addrs = (uint64_t)u->ep.flow.raddr.w[3] << 32 | u->ep.flow.laddr.w[3];
	uint32_t ports = (uint32_t)u->ep.flow.rport.be << 16 | u->ep.flow.lport.be;

	return u->hdr_gen == cp_gen(net->cp) && u->hdr_gen == u->ep.route.gen &&
	       u->hdr_key == hdr_key(u) &&
	       memcmp(&addrs, u->hdr + 26, sizeof(addrs)) == 0 &&
	       memcmp(&ports, u->hdr + 34, sizeof(ports)) == 0;
}

/* Makes the headers anew; the route is current and complete. */
static __cold void hdr_make(const struct net *net, struct udp_ep *u)
{
	const struct flow *f = &u->ep.flow;
	struct ip4 ip = {
		.src = ipaddr_to4(&f->laddr), .dst = ipaddr_to4(&f->raddr), .df = !(u->ep.flags & EP_F_NODF),
		.proto = IPPROTO_UDP, .tos = u->ep.tos,
		.ttl = ipaddr_is_mcast(&f->raddr) ? u->ep.mcast_ttl :
		       u->ep.ttl ? u->ep.ttl : net->shm->conf.ttl4,
	};
	struct udp udp = { .sport = f->lport, .dport = f->rport };

	memset(u->hdr, 0, sizeof(u->hdr));
	memcpy(u->hdr, u->ep.route.l2, 14);
	ip4_put(u->hdr + 14, &ip);
	udp_put(u->hdr + 34, &udp);
	u->hdr_ip_sum = csum_fold_raw(csum_partial(u->hdr + 14, 20, 0));
	u->hdr_udp_sum = csum_fold_raw(csum_partial(u->hdr + 34, UDP_HDR_LEN,
						    csum_pseudo(&f->laddr, &f->raddr, IPPROTO_UDP, 0)));
	u->hdr_gen = u->ep.route.gen;
	u->hdr_key = hdr_key(u);
}

static inline int send_conn4(struct net *net, struct udp_ep *u, const void *buf, size_t len)
{
	uint32_t ip_len = (uint32_t)len + 20 + UDP_HDR_LEN, sum;
	be16_t ip_len16 = to_be16((uint16_t)ip_len);
	be16_t len16 = to_be16((uint16_t)(len + UDP_HDR_LEN));
	struct pkt *p;
	be16_t id, c;
	uint8_t *f;
	int rc;

	if (unlikely(ip_len > u->ep.route.mtu))
		return -EMSGSIZE;
	p = pkt_alloc(net, PKT_FOR_TX);
	if (unlikely(!p)) {
		p = alloc_slow(net);
		if (!p)
			return -EAGAIN;
	}
	f = (uint8_t *)p + PKT_DATA_OFF;
	p->off = PKT_DATA_OFF;
	p->len = (uint16_t)(ip_len + 14);
	p->tot_len = ip_len + 14;
	p->l3_off = PKT_DATA_OFF + 14;
	p->l4_off = PKT_DATA_OFF + 34;

	memcpy(f, u->hdr, sizeof(u->hdr));	/* before the payload, which the last 6 touch */
	sum = csum_copy(f + HDRS, buf, len, u->hdr_udp_sum);
	/* The length counts twice: in the pseudo-header and in its own field. */
	c = csum_fold_udp(csum_from64((uint64_t)sum + 2u * len16.be));
	memcpy(f + 38, &len16, 2);
	memcpy(f + 40, &c, 2);
	id.be = net->shm->ip_id++;
	c = csum_fold((uint32_t)u->hdr_ip_sum + ip_len16.be + id.be);
	memcpy(f + 16, &ip_len16, 2);
	memcpy(f + 18, &id, 2);
	memcpy(f + 24, &c, 2);

	rc = ip_tx_post(net, u->ep.route.vi, p, true);
	if (unlikely(rc < 0))
		return rc;
	u->tx_dgrams++;
	u->tx_bytes += len;
	NET_STAT(net, udp_out_dgrams);
	return 0;
}

/* Connected, and anything of it unusual: headers to be made, IPv6, several pieces, a
 * next hop not resolved. */
static __attribute__((noinline)) int
send_connected(struct net *net, struct udp_ep *u, const struct iovec *iov, int n, size_t len)
{
	int rc;

	if (!(u->ep.flags & EP_F_CONNECTED))
		return -EDESTADDRREQ;
	rc = net_route(net, &u->ep);
	if (rc < 0 && rc != -EAGAIN)
		return rc;
	if (rc == 0 && ipaddr_is4(&u->ep.flow.raddr) && ipaddr_is4(&u->ep.flow.laddr))
		hdr_make(net, u);
	return send_to(net, u, &u->ep.route, &u->ep.flow.laddr, &u->ep.flow.raddr,
		       u->ep.flow.rport, iov, n, len);
}

int udp_send(struct net *net, struct udp_ep *u, const struct udp_dst *dst,
	     const struct iovec *iov, int n, size_t len)
{
	if (unlikely(len > UINT16_MAX - UDP_HDR_LEN - 40))
		return -EMSGSIZE;
	if (dst)
		return send_unconnected(net, u, dst, iov, n, len);
	if (likely(n == 1 && u->ep.flags & EP_F_CONNECTED && hdr_current(net, u)))
		return send_conn4(net, u, iov->iov_base, len);
	return send_connected(net, u, iov, n, len);
}
