// SPDX-License-Identifier: BSD-2-Clause
/*
 * sim.c - several stacks in one process: hosts, their poll loop, virtual time
 *
 * The poll loop is that of stack_poll() without its batching and sleeping.  Checks of
 * invariants are in sim_check.c.
 */
#include "sim.h"

#include <netinet/in.h>
#include <string.h>

#include "sim_priv.h"
#include "udp/udp.h"
#include "wire/eth.h"
#ifdef SIM_HAVE_TCP
#include "tcp/tcp.h"
#endif

enum {
	BATCH = 32,
	ENGINE_OFF = 4096,
	CP_LEN = ROUND_UP(sizeof(struct cp_shm), CACHE_LINE),
};

static uint64_t splitmix(uint64_t *s)
{
	uint64_t z = *s += 0x9e3779b97f4a7c15ull;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

static void must(bool ok, const char *what)
{
	if (!ok) {
		fprintf(stderr, "sim: cannot %s\n", what);
		abort();
	}
}

/* Regions of hosts that are gone, for those to come: a fuzz target makes a host a run,
 * and fresh pages cost more than the run. */
enum { N_KEPT = 8 };
static struct { void *p; size_t len; } kept[N_KEPT];

static void *region_get(size_t align, size_t len)
{
	void *p;

	for (int i = 0; i < N_KEPT; i++) {
		if (kept[i].p && kept[i].len == len && (uintptr_t)kept[i].p % align == 0) {
			p = kept[i].p;
			kept[i].p = NULL;
			return p;
		}
	}
	p = aligned_alloc(align, len);
	must(p, "allocate");
	return p;
}

static void region_put(void *p, size_t len)
{
	for (int i = 0; i < N_KEPT; i++) {
		if (!kept[i].p) {
			kept[i].p = p;
			kept[i].len = len;
			return;
		}
	}
	free(p);
}

/* ---- the world ----------------------------------------------------------------- */

struct sim *sim_create(uint64_t seed)
{
	struct sim *s = calloc(1, sizeof(*s));

	must(s, "allocate");
	s->seed = s->rng = seed;
	must(sim_net_create(SIM_MAX_HOSTS, splitmix(&s->rng), &s->wire) == 0, "make a network");
	/* A clock that has run for a while: 0 must not be special. */
	sim_advance(s->wire, NSEC_PER_SEC);
	return s;
}

void sim_destroy(struct sim *s)
{
	for (uint32_t i = 0; i < s->n_hosts; i++) {
		struct sim_host *h = s->hosts[i];

		vi_close(&h->vi);
		region_put(h->cp_shm, CP_LEN);
		region_put(h->arena, h->arena_len);
		free(h);
	}
	sim_net_destroy(s->wire);
	free(s);
}

uint64_t sim_now(const struct sim *s)
{
	return sim_now_ns(s->wire);
}

uint64_t sim_seed(const struct sim *s)
{
	return s->seed;
}

uint64_t sim_rand(struct sim *s)
{
	return splitmix(&s->rng);
}

void sim_tap(struct sim *s, sim_tap_fn fn, void *arg)
{
	s->tap = fn;
	s->tap_arg = arg;
}

void sim_capture(struct sim *s, const char *path)
{
	must(sim_pcap_open(s->wire, path) == 0, "write a capture");
}

const struct sim_stats *sim_host_stats(const struct sim_host *h)
{
	return sim_stats(h->sim->wire, (unsigned)h->port);
}

static enum sim_verdict on_frame(void *arg, unsigned port, uint64_t now_ns, uint8_t *frame,
				 uint32_t len)
{
	struct sim_host *h = arg;

	(void)port;
	(void)now_ns;
	return h->sim->tap ? h->sim->tap(h, frame, len, h->sim->tap_arg) : SIM_PASS;
}

/* ---- hosts ---------------------------------------------------------------------- */

static struct cp_addr128 cp_addr_of(const struct ipaddr *a)
{
	struct cp_addr128 r;

	memcpy(&r, a, sizeof(r));
	return r;
}

static void put_route(struct sim_host *h, struct ipaddr dst, uint8_t prefix_len, uint8_t type)
{
	struct cp_route r = {
		.dst = cp_addr_of(&dst), .prefix_len = prefix_len, .type = type,
		.ifindex = SIM_IFINDEX,
	};

	must(cp_set_route(h->cp_shm, &r) >= 0, "add a route");
}

static void put_tables(struct sim_host *h, const struct sim_host_conf *c)
{
	struct cp_link l = {
		.ifindex = SIM_IFINDEX, .mtu = c->mtu, .n_rxq = 1, .name = "sim0",
		.flags = CP_LINK_UP | CP_LINK_ETHER | (c->link_virtual ? CP_LINK_VIRTUAL : 0),
	};
	struct cp_addr a4 = { .addr = cp_addr_of(&h->ip4), .ifindex = SIM_IFINDEX, .prefix_len = 120 };
	struct cp_addr a6 = { .addr = cp_addr_of(&h->ip6), .ifindex = SIM_IFINDEX, .prefix_len = 64 };
	struct ipaddr net4 = h->ip4, net6 = h->ip6;

	net4.b[15] = 0;
	net6.b[15] = 0;
	memcpy(l.mac, h->mac, 6);
	cp_init(h->cp_shm, 1);
	cp_begin(h->cp_shm);
	must(cp_set_link(h->cp_shm, &l) >= 0 && cp_set_addr(h->cp_shm, &a4) >= 0 &&
	     cp_set_addr(h->cp_shm, &a6) >= 0, "fill tables");
	put_route(h, net4, 120, CP_RT_UNICAST);
	put_route(h, net6, 64, CP_RT_UNICAST);
	put_route(h, h->ip4, 128, CP_RT_LOCAL);
	put_route(h, h->ip6, 128, CP_RT_LOCAL);
	cp_end(h->cp_shm, true);
}

void sim_neigh_set(struct sim_host *h, const struct ipaddr *addr, const uint8_t mac[6],
		   uint8_t state)
{
	struct cp_neigh n = { .addr = cp_addr_of(addr), .ifindex = SIM_IFINDEX, .state = state };
	int rc;

	memcpy(n.mac, mac, 6);
	cp_begin(h->cp_shm);
	rc = cp_set_neigh(h->cp_shm, &n);
	cp_end(h->cp_shm, rc > 0);
	must(rc >= 0, "add a neighbour");
}

void sim_neigh_add(struct sim_host *h, const struct sim_host *to)
{
	sim_neigh_set(h, &to->ip4, to->mac, CP_NEIGH_VALID);
	sim_neigh_set(h, &to->ip6, to->mac, CP_NEIGH_VALID);
}

static void refill(struct sim_host *h)
{
	while (h->vi_shm.fill_level < h->fill_target) {
		struct pkt *p = pkt_alloc(&h->net, PKT_FOR_RX);
		uint32_t id;

		if (!p)
			return;
		p->where = PKT_FILL;
		id = pkt_id(&h->net, p);
		if (vi_rx_refill(&h->vi, &id, 1) != 1) {
			pkt_free(&h->net, p);
			return;
		}
	}
}

static uint32_t pow2_above(uint32_t n)
{
	uint32_t v = 64;

	while (v < n)
		v <<= 1;
	return v;
}

static void make_arena(struct sim_host *h, const struct sim_host_conf *c)
{
	size_t frames_off = ROUND_UP(ENGINE_OFF + net_state_size(c->n_eps, c->n_frames), 2u << 20);
	uint64_t secret[2] = { splitmix(&h->sim->rng), splitmix(&h->sim->rng) };
	int rc;

	h->arena_len = ROUND_UP(frames_off + ((size_t)c->n_frames << PKT_FRAME_SHIFT), 2u << 20);
	h->arena = region_get(2u << 20, h->arena_len);
	/* The region may be another world's: as a new arena is. */
	memset(h->arena, 0, frames_off);
	for (uint32_t i = 0; i < c->n_frames; i++)
		memset((char *)h->arena + frames_off + ((size_t)i << PKT_FRAME_SHIFT), 0, sizeof(struct pkt));
	net_init(h->arena, ENGINE_OFF, c->n_eps, c->n_frames, frames_off, (uint8_t *)secret,
		 sim_now(h->sim));

	h->vi_shm = (struct vi_shm){
		.ifindex = SIM_IFINDEX,
		.flags = c->link_virtual ? VI_F_VIRTUAL : 0,
		.rx_size = pow2_above(c->fill), .fill_size = pow2_above(c->fill),
		.tx_size = pow2_above(c->tx_ring), .comp_size = pow2_above(c->tx_ring),
	};
	rc = sim_vi_open(h->sim->wire, (char *)h->arena + frames_off, PKT_FRAME_SHIFT, c->n_frames,
			 &h->vi_shm, &h->vi);
	must(rc >= 0, "open a device");
	h->port = rc;
	net_attach(&h->net, h->arena, ENGINE_OFF, &h->cp, &h->vi, 1);
	h->net.now = sim_now(h->sim);
}

struct sim_host *sim_host_add(struct sim *s, const struct sim_host_conf *conf)
{
	struct sim_host_conf c = conf ? *conf : (struct sim_host_conf){ 0 };
	struct sim_host *h = aligned_alloc(CACHE_LINE, ROUND_UP(sizeof(*h), CACHE_LINE));

	must(h && s->n_hosts < SIM_MAX_HOSTS, "add a host");
	c.n_eps = c.n_eps ? c.n_eps : 1024;
	c.n_frames = c.n_frames ? c.n_frames : 4096;
	c.mtu = c.mtu ? c.mtu : 1500;
	c.fill = c.fill ? c.fill : 256;
	c.tx_ring = c.tx_ring ? c.tx_ring : 256;

	memset(h, 0, sizeof(*h));
	h->sim = s;
	h->idx = ++s->n_hosts;
	s->hosts[h->idx - 1] = h;
	memcpy(h->mac, (uint8_t[]){ 2, 0, 0, 0, 0, (uint8_t)h->idx }, 6);
	h->ip4 = ipaddr_from4(to_be32(0x0a000000 | h->idx));
	h->ip6 = (struct ipaddr){ .b = { 0xfd, [15] = (uint8_t)h->idx } };
	h->link.delay_ns = 50 * NSEC_PER_USEC;
	h->fill_target = c.fill;
	h->cp_shm = region_get(CACHE_LINE, CP_LEN);
	h->cp.shm = h->cp_shm;
	put_tables(h, &c);
	make_arena(h, &c);
	sim_hook_set(s->wire, (unsigned)h->port, on_frame, h);
	refill(h);

	for (uint32_t i = 0; i + 1 < s->n_hosts && !c.no_neighbours; i++) {
		sim_neigh_add(h, s->hosts[i]);
		sim_neigh_add(s->hosts[i], h);
	}
	return h;
}

struct ep *sim_ep(struct sim_host *h, uint8_t proto, const struct ipaddr *laddr, uint16_t lport)
{
	struct ep *ep = ep_alloc(&h->net);

	must(ep, "allocate an endpoint");
	if (laddr)
		ep->flow.laddr = *laddr;
	ep->flow.lport = to_be16(lport);
	ep->flow.proto = proto;
	return ep;
}

/* ---- one poll -------------------------------------------------------------------- */

static void rx_icmp(struct net *net, struct pkt *p, const struct rx_info *ri)
{
	struct ep *ep = ep_get(net, ri->icmp.ep);

	if (ep->kind == EP_UDP) {
		udp_icmp(net, ep, p, ri);
		return;
	}
#ifdef SIM_HAVE_TCP
	if (ep->kind == EP_TCP_CONN)
		tcp_icmp(net, ep, ri->icmp.err, ri->icmp.hard, ri->icmp.mtu, ri->icmp.seq);
#endif
	pkt_free(net, p);
}

static void rx_tcp(struct net *net, struct ep *ep, struct pkt *p, const struct rx_info *ri)
{
#ifdef SIM_HAVE_TCP
	if (ep)
		tcp_rx(net, ep, p, ri);
	else
		tcp_rx_nobody(net, p, ri);
#else
	(void)ep;
	(void)ri;
	NET_DROP(net, no_socket);
	pkt_free(net, p);
#endif
}

static void rx_packet(struct net *net, struct pkt *p)
{
	struct rx_info ri;
	struct ep *ep;

	if (!ip_rx(net, p, &ri)) {
		pkt_free(net, p);
		return;
	}
	if (ri.l4 == IPPROTO_ICMP) {
		rx_icmp(net, p, &ri);
		return;
	}
	if (p->flags & PKT_F_MCAST) {
		udp_rx_mcast(net, p, &ri);
		return;
	}
	ep = demux_find(net, &ri.flow, p->ifindex);
	if (ri.l4 == IPPROTO_TCP) {
		rx_tcp(net, ep, p, &ri);
	} else if (ep) {
		udp_rx(net, ep, p, &ri);
	} else {
		NET_DROP(net, no_socket);
		pkt_free(net, p);
	}
}

static void rx_frame(struct sim_host *h, struct pkt *p)
{
	const uint8_t *dst = pkt_l2(p);

	/* The switch floods what it does not know. */
	if (p->len >= ETH_HDR_LEN && !eth_is_mcast(dst) && !eth_addr_eq(dst, h->mac)) {
		h->rx_foreign++;
		pkt_free(&h->net, p);
		return;
	}
	rx_packet(&h->net, p);
}

static void flush_ready(struct sim_host *h)
{
	struct net *net = &h->net;
	struct shm_link *l;

	while ((l = shm_list_first(net->base, &net->shm->ready))) {
		struct ep *ep = container_of(l, struct ep, ready);
		uint32_t events = ep->events;

		shm_list_del(net->base, l);
		ep->events = 0;
		if (h->on_event)
			h->on_event(h, ep, events, h->arg);
	}
}

static void kick(struct sim_host *h)
{
	sim_link_set(h->sim->wire, (unsigned)h->port, &h->link);
	h->net.shm->tx_mask = 0;
	must(vi_tx_kick(&h->vi) == 0 || h->vi_shm.flags & VI_F_DOWN, "ring the doorbell");
}

void sim_poll(struct sim_host *h)
{
	struct net *net = &h->net;
	struct vi_event ev[BATCH];
	int n;

	net->now = sim_now(h->sim);
	while ((n = vi_rx_poll(&h->vi, ev, BATCH)) > 0) {
		for (int i = 0; i < n; i++) {
			net->rx_more = i + 1 < n;
			rx_frame(h, pkt_rx(net, 0, &ev[i]));
		}
#ifdef SIM_HAVE_TCP
		tcp_flush_burst(net);
#endif
	}
	net_tx_reap(net);
#ifdef SIM_HAVE_TCP
	while (timer_due(&net->shm->wheel, net->now)) {
		struct timer *t = timer_expire(net->base, &net->shm->wheel, net->now);

		if (t)
			tcp_timer(net, t);
	}
#endif
	if (net_deferred_due(net))
		net_retry_deferred(net);
	flush_ready(h);
	refill(h);
	kick(h);
}

/* ---- time -------------------------------------------------------------------------- */

static uint64_t next_ns(const struct sim *s)
{
	uint64_t t = sim_next_ns(s->wire);

	for (uint32_t i = 0; i < s->n_hosts; i++) {
		struct sim_host *h = s->hosts[i];
		struct net_shm *sh = h->net.shm;

		if (h->asleep)
			continue;
		t = min_t(uint64_t, t, timer_next_ns(h->net.base, &sh->wheel));
		if (sh->defer_n | sh->unres_n)
			t = min_t(uint64_t, t, sh->defer_retry_ns);
	}
	return t;
}

static void poll_all(struct sim *s)
{
	for (uint32_t i = 0; i < s->n_hosts; i++) {
		if (s->hosts[i]->asleep)
			kick(s->hosts[i]);
		else
			sim_poll(s->hosts[i]);
	}
}

static bool run(struct sim *s, uint64_t ns, bool (*cond)(void *arg), void *arg)
{
	uint64_t end = sim_now(s) + ns;

	for (;;) {
		uint64_t t;

		poll_all(s);
		if (cond && cond(arg))
			return true;
		t = next_ns(s);
		if (t > end || sim_now(s) >= end)
			break;
		/* Something due now: the same time again, but for a timer that is
		 * due and stays so there would be no progress. */
		sim_advance(s->wire, max_t(uint64_t, t, sim_now(s)));
		if (t <= sim_now(s) && ++s->stuck > 100000) {
			fprintf(stderr, "sim: time stands still\n");
			abort();
		}
		if (t > s->last) {
			s->last = t;
			s->stuck = 0;
		}
	}
	sim_advance(s->wire, end);
	poll_all(s);
	return cond && cond(arg);
}

void sim_run(struct sim *s, uint64_t ns)
{
	(void)run(s, ns, NULL, NULL);
}

bool sim_run_until(struct sim *s, uint64_t timeout_ns, bool (*cond)(void *arg), void *arg)
{
	return run(s, timeout_ns, cond, arg);
}

void sim_inject(struct sim_host *to, const void *frame, size_t len)
{
	struct net *net = &to->net;
	struct pkt *p = pkt_alloc(net, PKT_FOR_RX);

	if (!p || len > PKT_ROOM) {
		must(p, "inject a frame");
		pkt_free(net, p);
		return;
	}
	net->now = sim_now(to->sim);
	p->off = PKT_DATA_OFF;
	p->len = (uint16_t)len;
	p->tot_len = (uint32_t)len;
	p->flags = to->vi_shm.flags & VI_F_VIRTUAL ? PKT_F_PARTIAL_OK : 0;
	p->vi = 0;
	p->ifindex = SIM_IFINDEX;
	memcpy(pkt_l2(p), frame, len);
	rx_frame(to, p);
	flush_ready(to);
}
