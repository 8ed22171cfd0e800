// SPDX-License-Identifier: BSD-2-Clause
/*
 * ip_tx.c - packets out: the route, the headers, the ring; next hops not yet known
 *
 * An endpoint keeps its way out in ep->route, good while the generation of the
 * control-plane tables stands still.  ip_tx() writes Ethernet and IP headers in
 * front of what the transport left and posts the frame.  RFC 791, RFC 6864 (the
 * identification of a packet that cannot be fragmented means nothing), RFC 8200.
 *
 * A datagram whose next hop has no MAC yet waits in a list of limited length and
 * time, as in the kernel's arp_queue; the owner of the engine has the next hop
 * resolved.  TCP's segments do not wait here: they are on their connection's queue
 * anyway, and its timer sends them again.
 *
 * Does not fragment.  Does not send ICMP errors: the kernel does.
 */
#include "net/net.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "wire/eth.h"
#include "wire/ip4.h"
#include "wire/ip6.h"

enum {
	/* A frame of ours holds this much behind an Ethernet header. */
	FRAME_MTU = PKT_ROOM - ETH_HDR_LEN,
	/* The table may still tell of an old failure when a next hop was asked for:
	 * believe that it failed (again) only after this long. */
	NEIGH_ASK_MS = 1000,
	/* How often waiting packets are looked at when no table changed. */
	RETRY_MS = 10,
};

/* ---- routes ---------------------------------------------------------------- */

static int vi_of(const struct net *net, uint32_t ifindex)
{
	/* Of several queues the first: the kernel spreads nothing either that one
	 * thread sends, and one ring means one doorbell. */
	for (uint32_t i = 0; i < net->n_vis; i++) {
		const struct vi_shm *sh = net->vis[i].shm;

		if (sh->ifindex == ifindex && !(sh->flags & VI_F_DOWN))
			return (int)i;
	}
	return -ENETDOWN;
}

int net_route_to(struct net *net, struct ep *ep, const struct ipaddr *src, const struct ipaddr *dst,
		 uint32_t oif, struct ep_route *out)
{
	struct ep_route r;
	struct cp_fwd f;
	int rc, vi;

	rc = cp_route(net->cp, dst, src, oif, &f);
	if (rc < 0)
		return rc;
	/* Ourselves: the kernel's loopback. */
	if (f.type == CP_RT_LOCAL || f.link_flags & CP_LINK_LOOPBACK)
		return -EOPNOTSUPP;
	vi = vi_of(net, f.ifindex);
	if (vi < 0)
		return vi;

	memset(&r, 0, sizeof(r));
	r.gen = f.gen;
	r.ifindex = f.ifindex;
	r.mtu = (uint16_t)min_t(uint32_t, f.mtu, FRAME_MTU);
	if (ep->pmtu && ep->pmtu < r.mtu && ep->pmtudisc < PMTUDISC_PROBE)
		r.mtu = ep->pmtu;
	r.vi = (uint8_t)vi;
	r.valid = f.neigh_state == CP_NEIGH_VALID;
	r.link_virtual = (f.link_flags & CP_LINK_VIRTUAL) != 0;
	memcpy(r.l2, f.dmac, 6);
	memcpy(r.l2 + 6, f.smac, 6);
	r.l2[12] = ipaddr_is4(dst) ? ETH_T_IP4 >> 8 : ETH_T_IP6 >> 8;
	r.l2[13] = ipaddr_is4(dst) ? ETH_T_IP4 & 0xff : ETH_T_IP6 & 0xff;
	memcpy(&r.nexthop, &f.nexthop, sizeof(r.nexthop));
	memcpy(&r.src, &f.src, sizeof(r.src));
	*out = r;
	return r.valid ? 0 : -EAGAIN;
}

int net_route_slow(struct net *net, struct ep *ep)
{
	return net_route_to(net, ep, &ep->flow.laddr, &ep->flow.raddr, ep->bound_if, &ep->route);
}

/* ---- next hops that are wanted --------------------------------------------- */

static struct net_unres *unres_find(struct net *net, uint32_t ifindex, const struct ipaddr *nexthop)
{
	struct net_shm *sh = net->shm;

	for (uint32_t i = 0; i < sh->unres_n && i < NET_MAX_UNRES; i++)
		if (sh->unres[i].ifindex == ifindex && ipaddr_eq(&sh->unres[i].nexthop, nexthop))
			return &sh->unres[i];
	return NULL;
}

/* Forget next hops that are known now, or that nobody wanted for long. */
static void unres_expire(struct net *net)
{
	struct net_shm *sh = net->shm;
	uint8_t mac[6];

	for (uint32_t i = 0; i < sh->unres_n && i < NET_MAX_UNRES; ) {
		struct net_unres *u = &sh->unres[i];
		uint64_t keep_ns = (sh->conf.defer_max_ms + NEIGH_ASK_MS) * NSEC_PER_MSEC;

		if (cp_neigh(net->cp, u->ifindex, &u->nexthop, mac) == CP_NEIGH_VALID ||
		    net->now - u->wanted_ns > keep_ns)
			*u = sh->unres[--sh->unres_n];
		else
			i++;
	}
}

/* Note that @nexthop is wanted.  False: asked for, and it does not answer. */
static bool unres_want(struct net *net, uint32_t ifindex, const struct ipaddr *nexthop, int state)
{
	struct net_unres *u = unres_find(net, ifindex, nexthop);
	struct net_shm *sh = net->shm;

	if (!u) {
		if (sh->unres_n >= NET_MAX_UNRES)
			unres_expire(net);
		/* A full table: the packet waits without, the next one asks. */
		if (sh->unres_n >= NET_MAX_UNRES)
			return true;
		if (sh->unres_n + sh->defer_n == 0)
			sh->defer_retry_ns = net->now + RETRY_MS * NSEC_PER_MSEC;
		sh->unres[sh->unres_n++] = (struct net_unres){
			.nexthop = *nexthop, .ifindex = ifindex, .wanted_ns = net->now,
		};
		return true;
	}
	u->wanted_ns = net->now;
	return state != CP_NEIGH_FAILED || !u->asked ||
	       net->now - u->asked_ns < NEIGH_ASK_MS * NSEC_PER_MSEC;
}

bool net_next_unresolved(struct net *net, uint32_t *ifindex, struct ipaddr *nexthop)
{
	struct net_shm *sh = net->shm;

	unres_expire(net);
	for (uint32_t i = 0; i < sh->unres_n && i < NET_MAX_UNRES; i++) {
		struct net_unres *u = &sh->unres[i];

		if (u->asked && net->now - u->asked_ns < NEIGH_ASK_MS * NSEC_PER_MSEC)
			continue;
		u->asked++;
		u->asked_ns = net->now;
		*ifindex = u->ifindex;
		*nexthop = u->nexthop;
		return true;
	}
	return false;
}

/* ---- the ring ---------------------------------------------------------------- */

/* The last of a packet's frames is posted. */
static inline void sent(struct net *net, uint32_t vi_idx, struct pkt *p, bool consume)
{
	_Static_assert((int)PKT_F_FREE_ON_TX == 2 * (int)PKT_F_IN_TX, "no branch");
	p->flags |= PKT_F_IN_TX + (uint32_t)consume * PKT_F_FREE_ON_TX;
	net->shm->tx_mask |= 1ull << vi_idx;
	NET_STAT(net, tx_pkts);
}

/* All frames of a chain, or none. */
static int post_chain(struct net *net, uint32_t vi_idx, struct pkt *p, bool consume)
{
	struct vi *vi = &net->vis[vi_idx];
	struct pkt *f = p;
	uint32_t n = 1;

	for (uint32_t id = p->frag; id < net->n_frames; id = pkt_get(net, id)->frag)
		n++;
	if (vi->shm->tx_size - vi->shm->tx_inflight < n)
		return -EAGAIN;
	for (;;) {
		bool more = f->frag < net->n_frames;
		int rc = vi_tx_post(vi, pkt_id(net, f), f->off, f->len, more);

		if (rc < 0)
			return rc;
		if (!more)
			break;
		f->flags |= PKT_F_IN_TX | (consume ? PKT_F_FREE_ON_TX : 0);
		f = pkt_get(net, f->frag);
	}
	sent(net, vi_idx, f, consume);
	return 0;
}

/* The ring was full, or the packet is a chain. */
static __cold int post_slow(struct net *net, uint32_t vi_idx, struct pkt *p, bool consume)
{
	struct vi *vi = &net->vis[vi_idx];
	int rc;

	net_tx_reap(net);
	if (vi_idx >= net->n_vis) {
		/* Another process has brought this interface into the stack, and this one
		 * has not mapped its rings yet: as full. */
		rc = -EAGAIN;
	} else if (vi->shm->flags & VI_F_DOWN) {
		rc = -ENETDOWN;
	} else if (p->frag < net->n_frames) {
		rc = post_chain(net, vi_idx, p, consume);
	} else {
		rc = vi_tx_post(vi, pkt_id(net, p), p->off, p->len, false);
		if (rc == 0)
			sent(net, vi_idx, p, consume);
	}
	if (rc == 0)
		return 0;
	if (consume) {
		if (rc == -ENETDOWN)
			NET_DROP(net, tx_down);
		else
			NET_DROP(net, tx_ring);
		pkt_free(net, p);
	}
	return rc;
}

static inline int post(struct net *net, uint32_t vi_idx, struct pkt *p, bool consume)
{
	struct vi *vi = &net->vis[vi_idx];

	if (unlikely(vi->shm->flags & VI_F_DOWN || p->frag != ID_NONE ||
		     vi_tx_post(vi, pkt_id(net, p), p->off, p->len, false) < 0))
		return post_slow(net, vi_idx, p, consume);
	sent(net, vi_idx, p, consume);
	return 0;
}

int ip_tx_post(struct net *net, uint32_t vi_idx, struct pkt *p, bool consume)
{
	if (consume)
		p->where = PKT_TXQ;
	return post(net, vi_idx, p, consume);
}

/* ---- packets that wait ---------------------------------------------------------
 *
 * pkt.user[] of a waiting packet: */
enum { DEFER_UNTIL, DEFER_EP, DEFER_HOP0, DEFER_HOP1 };

/* The endpoint by number and port: its slot may have been used again since. */
static uint64_t ep_key(const struct ep *ep)
{
	return (uint64_t)ep->flow.lport.be << 32 | ep->id;
}

static __cold int defer(struct net *net, struct ep *ep, const struct ep_route *rt,
			struct pkt *p, bool consume)
{
	struct net_shm *sh = net->shm;
	uint8_t mac[6];
	int state = cp_neigh(net->cp, rt->ifindex, &rt->nexthop, mac);

	if (!unres_want(net, rt->ifindex, &rt->nexthop, state)) {
		if (consume) {
			NET_DROP(net, neigh_wait);
			pkt_free(net, p);
		}
		return -EHOSTUNREACH;
	}
	if (!consume)
		return -EAGAIN;
	if (sh->defer_n >= sh->conf.defer_max_pkts) {
		/* As if sent and lost: the kernel does the same. */
		NET_DROP(net, neigh_queue);
		pkt_free(net, p);
		return 0;
	}
	p->user[DEFER_UNTIL] = net->now + sh->conf.defer_max_ms * NSEC_PER_MSEC;
	p->user[DEFER_EP] = ep_key(ep);
	p->user[DEFER_HOP0] = rt->nexthop.d[0];
	p->user[DEFER_HOP1] = rt->nexthop.d[1];
	p->ifindex = rt->ifindex;
	p->vi = rt->vi;
	p->where = PKT_DEFER;
	p->next = ID_NONE;
	if (sh->defer_head == ID_NONE)
		sh->defer_head = pkt_id(net, p);
	else
		pkt_get(net, sh->defer_tail)->next = pkt_id(net, p);
	sh->defer_tail = pkt_id(net, p);
	sh->defer_n++;
	return 0;
}

/* RFC 1122 section 3.2.2.1 has the local ARP module report what a router would:
 * host unreachable, a soft error that only IP_RECVERR shows. */
static void unreachable(struct net *net, const struct pkt *p)
{
	uint32_t id = (uint32_t)p->user[DEFER_EP];
	struct ep *ep;

	if (id >= net->n_eps)
		return;
	ep = ep_get(net, id);
	if (ep->kind != EP_UDP || ep_key(ep) != p->user[DEFER_EP] || !(ep->flags & EP_F_RECVERR))
		return;
	ep->so_error = EHOSTUNREACH;
	ep_ready(net, ep, EP_ERR);
}

/* False: it goes on waiting. */
static bool retry(struct net *net, struct pkt *p)
{
	struct ipaddr hop = { .d = { p->user[DEFER_HOP0], p->user[DEFER_HOP1] } };
	struct net_unres *u = unres_find(net, p->ifindex, &hop);
	uint8_t mac[6];
	int state = cp_neigh(net->cp, p->ifindex, &hop, mac);

	if (state == CP_NEIGH_VALID) {
		memcpy(pkt_l2(p), mac, sizeof(mac));
		p->where = PKT_TXQ;
		if (p->vi < net->n_vis) {
			(void)post(net, p->vi, p, true);
		} else {
			NET_DROP(net, tx_down);
			pkt_free(net, p);
		}
		return true;
	}
	if (net->now < p->user[DEFER_UNTIL] &&
	    (state != CP_NEIGH_FAILED || !u || !u->asked ||
	     net->now - u->asked_ns < NEIGH_ASK_MS * NSEC_PER_MSEC))
		return false;
	NET_DROP(net, neigh_wait);
	unreachable(net, p);
	pkt_free(net, p);
	return true;
}

void net_retry_deferred(struct net *net)
{
	struct net_shm *sh = net->shm;
	uint32_t id = sh->defer_head, next, n = sh->defer_n;
	struct pkt *last = NULL;

	sh->defer_gen = cp_gen(net->cp);
	sh->defer_retry_ns = net->now + RETRY_MS * NSEC_PER_MSEC;
	sh->defer_head = sh->defer_tail = ID_NONE;
	sh->defer_n = 0;
	for (; n && id < net->n_frames; n--, id = next) {
		struct pkt *p = pkt_get(net, id);

		next = p->next;
		if (retry(net, p))
			continue;
		p->next = ID_NONE;
		if (last)
			last->next = id;
		else
			sh->defer_head = id;
		sh->defer_tail = id;
		sh->defer_n++;
		last = p;
	}
	unres_expire(net);
}

/* ---- headers ----------------------------------------------------------------- */

static inline uint8_t hop_limit(const struct net *net, const struct ep *ep,
				const struct ipaddr *dst, bool v4)
{
	if (unlikely(ipaddr_is_mcast(dst)))
		return ep->mcast_ttl;
	if (ep->ttl)
		return ep->ttl;
	return v4 ? net->shm->conf.ttl4 : net->shm->conf.ttl6;
}

/* As ip4_put() and ip4_csum_set(), but summed in registers: the words are
 *
 *	a   0: version, length   8: TOS   16: total length   32: id   48: DF
 *	b   0: TTL   8: protocol   16: checksum   32: source
 *	c   0: destination
 */
static inline void put_ip4(struct net *net, const struct ep *ep, uint8_t ttl, be32_t src,
			   be32_t dst, uint8_t proto, uint8_t *l3, uint32_t tot_len)
{
	uint64_t a, b, sum;

	a = 0x45 | (uint64_t)ep->tos << 8 | (uint64_t)to_be16((uint16_t)tot_len).be << 16 |
	    (uint64_t)net->shm->ip_id++ << 32 | (uint64_t)to_be16(ep->flags & EP_F_NODF ? 0 : 0x4000).be << 48;
	b = ttl | (uint64_t)proto << 8 | (uint64_t)src.be << 32;
	sum = (uint32_t)a + (a >> 32) + (uint32_t)b + (b >> 32) + dst.be;
	b |= (uint64_t)csum_fold(csum_from64(sum)).be << 16;
	memcpy(l3, &a, sizeof(a));
	memcpy(l3 + 8, &b, sizeof(b));
	memcpy(l3 + 16, &dst, sizeof(dst));
}

static inline void put_ip6(const struct ep *ep, uint8_t ttl, const struct ipaddr *src,
			   const struct ipaddr *dst, uint8_t proto, struct pkt *p)
{
	ip6_put(pkt_l3(p), &(struct ip6){
		.src = *src,
		.dst = *dst,
		.flowlabel = ep->flowlabel,
		.tot_len = p->tot_len - ETH_HDR_LEN,
		.next = proto,
		.hop_limit = ttl,
		.tclass = ep->tos,
	});
}

int ip_tx(struct net *net, struct ep *ep, const struct ep_route *rt, const struct ipaddr *src,
	  const struct ipaddr *dst, uint8_t proto, struct pkt *p, bool consume)
{
	bool v4 = likely(ipaddr_is4(dst));
	uint8_t ttl = hop_limit(net, ep, dst, v4);
	uint32_t off = p->l4_off - (v4 ? 14u + 20 : 14u + 40);
	uint8_t *l2 = pkt_at(p, (uint16_t)off);

	p->off = (uint16_t)off;
	p->l3_off = (uint16_t)(off + ETH_HDR_LEN);
	memcpy(l2, rt->l2, ETH_HDR_LEN);
	if (likely(v4))
		put_ip4(net, ep, ttl, ipaddr_to4(src), ipaddr_to4(dst), proto,
			l2 + ETH_HDR_LEN, p->tot_len - ETH_HDR_LEN);
	else
		put_ip6(ep, ttl, src, dst, proto, p);
	if (unlikely(!rt->valid))
		return defer(net, ep, rt, p, consume);
	return ip_tx_post(net, rt->vi, p, consume);
}
