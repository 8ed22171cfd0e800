// SPDX-License-Identifier: BSD-2-Clause
/*
 * cp_lookup.c - forwarding decisions out of the control-plane tables
 *
 * Repeats what the kernel would do with the same tables: longest prefix match
 * with the local table first, the source address as fib_select/ipv6_dev_get_saddr
 * choose it (RFC 6724 section 5 for IPv6), the next hop's hardware address.
 * Where the mirror cannot know (policy rules, multipath, odd route types) it says
 * -EOPNOTSUPP and the kernel decides.
 *
 * Everything is read inside one sequence section, so that an answer is never
 * made of two states of the tables.  No system call, but when the writer has died
 * or was descheduled in the middle of a change.
 */
#include "cp/cp_lookup.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>

#include "cp/cp_hash.h"

static bool is4(const struct cp_addr128 *a)
{
	return a->d[0] == 0 && (uint32_t)a->d[1] == 0xffff0000u;
}

static bool is_zero(const struct cp_addr128 *a)
{
	return (a->d[0] | a->d[1]) == 0;
}

static bool is_any(const struct cp_addr128 *a)
{
	return a->d[0] == 0 && (a->d[1] >> 32) == 0 && (is4(a) || a->d[1] == 0);
}

static bool addr_eq(const struct cp_addr128 *a, const struct cp_addr128 *b)
{
	return ((a->d[0] ^ b->d[0]) | (a->d[1] ^ b->d[1])) == 0;
}

static uint8_t byte(const struct cp_addr128 *a, unsigned int i)
{
	return (uint8_t)(a->d[i >> 3] >> (i & 7) * 8);
}

static bool is_mcast(const struct cp_addr128 *a)
{
	return is4(a) ? (byte(a, 12) & 0xf0) == 0xe0 : byte(a, 0) == 0xff;
}

static bool is_linklocal6(const struct cp_addr128 *a)
{
	return byte(a, 0) == 0xfe && (byte(a, 1) & 0xc0) == 0x80;
}

static bool is_limited_bcast(const struct cp_addr128 *a)
{
	return is4(a) && a->d[1] >> 32 == 0xffffffffu;
}

/* Number of leading bits that are equal. */
static unsigned int common_bits(const struct cp_addr128 *a, const struct cp_addr128 *b)
{
	uint64_t x = __builtin_bswap64(a->d[0] ^ b->d[0]);

	if (x)
		return (unsigned int)__builtin_clzll(x);
	x = __builtin_bswap64(a->d[1] ^ b->d[1]);
	return x ? 64 + (unsigned int)__builtin_clzll(x) : 128;
}

/* One attempt to read; pairs with cp_begin() and cp_end() of the writer. */
struct section {
	uint32_t seq;
	uint32_t tries;
};

static bool section_begin(const struct cp_shm *shm, struct section *s)
{
	for (;;) {
		s->seq = atomic_load_explicit(&shm->seq, memory_order_acquire);
		if (likely(!(s->seq & 1)))
			return true;
		s->tries++;
		/* The writer is in a change (microseconds), or was descheduled in
		 * it, or died: after some 50 ms the kernel has to decide. */
		if (s->tries > 3000)
			return false;
		if (s->tries > 2000)
			nanosleep(&(struct timespec){ .tv_nsec = 50000 }, NULL);
#if defined(__x86_64__)
		__builtin_ia32_pause();
#endif
	}
}

/* True when what was read since section_begin() is one state. */
static bool section_end(const struct cp_shm *shm, struct section *s)
{
	atomic_thread_fence(memory_order_acquire);
	if (likely(atomic_load_explicit(&shm->seq, memory_order_relaxed) == s->seq))
		return true;
	s->tries++;
	return false;
}

/* Counts may be torn inside a section: never past the tables. */
#define N_LINKS(shm)  min_t(uint32_t, (shm)->n_links, CP_MAX_LINKS)
#define N_ADDRS(shm)  min_t(uint32_t, (shm)->n_addrs, CP_MAX_ADDRS)
#define N_ROUTES(shm) min_t(uint32_t, (shm)->n_routes, CP_MAX_ROUTES)

static const struct cp_link *find_link(const struct cp_shm *shm, uint32_t ifindex)
{
	for (uint32_t i = 0; i < N_LINKS(shm); i++)
		if (shm->links[i].ifindex == ifindex)
			return &shm->links[i];
	return NULL;
}

static const struct cp_neigh *find_entry(const struct cp_shm *shm, uint32_t ifindex,
					 const struct cp_addr128 *a)
{
	uint32_t i = cp_neigh_slot(ifindex, a);

	for (uint32_t n = 0; n < CP_MAX_NEIGHS; n++, i = (i + 1) & (CP_MAX_NEIGHS - 1)) {
		const struct cp_neigh *e = &shm->neighs[i];

		if (e->ifindex == 0)
			break;
		if (e->ifindex == ifindex && addr_eq(&e->addr, a))
			return e;
	}
	return NULL;
}

static int find_neigh(const struct cp_shm *shm, uint32_t ifindex,
		      const struct cp_addr128 *a, uint8_t mac[6])
{
	const struct cp_neigh *e = find_entry(shm, ifindex, a);

	if (!e) {
		memset(mac, 0, 6);
		return CP_NEIGH_NONE;
	}
	memcpy(mac, e->mac, 6);
	return e->state;
}

/* The sorted table makes the first match the longest.  With @local only routes of
 * the local table (the kernel's rule 0 asks it before all others). */
static const struct cp_route *find_route(const struct cp_shm *shm,
					 const struct cp_addr128 *dst,
					 uint32_t oif, bool local)
{
	bool v4 = is4(dst);

	for (uint32_t i = 0; i < N_ROUTES(shm); i++) {
		const struct cp_route *r = &shm->routes[i];

		if ((r->type == CP_RT_LOCAL || r->type == CP_RT_BROADCAST) != local)
			continue;
		if (common_bits(&r->dst, dst) < r->prefix_len)
			continue;
		/* ::/0 is no route for mapped addresses; 0.0.0.0/0 is 96 long. */
		if (v4 && r->prefix_len < 96)
			continue;
		/* A socket bound to eth0 may still talk to an address of this
		 * host: such a route names the loopback or the owning device. */
		if (oif && r->ifindex != oif && r->type != CP_RT_LOCAL && r->ifindex != 0)
			continue;
		if (r->tos)
			continue;
		return r;
	}
	return NULL;
}

/* As the kernel's inet_select_addr(): the first primary address of the device
 * whose scope suffices, preferring the subnet of the gateway; failing that, one of
 * any device. */
static bool select_src4(const struct cp_shm *shm, uint32_t ifindex,
			const struct cp_addr128 *gw, struct cp_addr128 *out)
{
	bool via = !is_zero(gw) && is4(gw);
	uint8_t scope = is_zero(gw) ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
	const struct cp_addr *first = NULL;

	for (uint32_t i = 0; i < N_ADDRS(shm); i++) {
		const struct cp_addr *a = &shm->addrs[i];

		if (a->ifindex != ifindex || !is4(&a->addr) || a->scope > scope ||
		    a->flags & CP_ADDR_SECONDARY)
			continue;
		if (!via || common_bits(&a->addr, gw) >= a->prefix_len) {
			*out = a->addr;
			return true;
		}
		if (!first)
			first = a;
	}
	for (uint32_t i = 0; !first && i < N_ADDRS(shm); i++) {
		const struct cp_addr *a = &shm->addrs[i];

		if (is4(&a->addr) && a->scope != RT_SCOPE_LINK && a->scope <= scope &&
		    !(a->flags & CP_ADDR_SECONDARY))
			first = a;
	}
	if (first)
		*out = first->addr;
	return first != NULL;
}

/* Scopes of RFC 4291 section 2.7, for unicast by RFC 6724 section 3.1. */
static unsigned int scope6(const struct cp_addr128 *a)
{
	if (byte(a, 0) == 0xff)
		return byte(a, 1) & 0x0f;
	if (is_linklocal6(a))
		return 0x2;
	if (a->d[0] == 0 && a->d[1] == 1ull << 56)
		return 0x2;	/* ::1 */
	if (byte(a, 0) == 0xfe && (byte(a, 1) & 0xc0) == 0xc0)
		return 0x5;	/* site-local, RFC 3879 */
	return 0xe;
}

/* Default policy table of RFC 6724 section 2.1, labels only. */
static unsigned int label6(const struct cp_addr128 *a)
{
	if (a->d[0] == 0 && a->d[1] == 1ull << 56)
		return 0;
	if (is4(a))
		return 4;
	if (byte(a, 0) == 0x20 && byte(a, 1) == 0x02)
		return 2;
	if (byte(a, 0) == 0x20 && byte(a, 1) == 0x01 && byte(a, 2) == 0 && byte(a, 3) == 0)
		return 5;
	if ((byte(a, 0) & 0xfe) == 0xfc)
		return 13;
	return 1;
}

/* Is @a a better source for @dst than @b?  The rules of RFC 6724 section 5 in
 * their order; without rule 4 (home addresses). */
static bool better_src6(const struct cp_addr *a, const struct cp_addr *b,
			const struct cp_addr128 *dst, uint32_t oif)
{
	unsigned int sa = scope6(&a->addr), sb = scope6(&b->addr), sd = scope6(dst);
	bool x, y;

	x = addr_eq(&a->addr, dst), y = addr_eq(&b->addr, dst);	/* rule 1 */
	if (x != y)
		return x;
	if (sa != sb)						/* rule 2 */
		return sa < sb ? sa >= sd : sb < sd;
	x = !(a->flags & CP_ADDR_DEPRECATED), y = !(b->flags & CP_ADDR_DEPRECATED);
	if (x != y)						/* rule 3 */
		return x;
	x = a->ifindex == oif, y = b->ifindex == oif;		/* rule 5 */
	if (x != y)
		return x;
	x = label6(&a->addr) == label6(dst), y = label6(&b->addr) == label6(dst);
	if (x != y)						/* rule 6 */
		return x;
	x = !(a->flags & CP_ADDR_SECONDARY), y = !(b->flags & CP_ADDR_SECONDARY);
	if (x != y)						/* rule 7 */
		return x;
	return min_t(unsigned int, common_bits(&a->addr, dst), a->prefix_len) >
	       min_t(unsigned int, common_bits(&b->addr, dst), b->prefix_len);	/* rule 8 */
}

static bool select_src6(const struct cp_shm *shm, uint32_t oif,
			const struct cp_addr128 *dst, struct cp_addr128 *out)
{
	bool only_oif = is_mcast(dst) || is_linklocal6(dst);
	const struct cp_addr *best = NULL;

	for (uint32_t i = 0; i < N_ADDRS(shm); i++) {
		const struct cp_addr *a = &shm->addrs[i];

		if (is4(&a->addr) || a->flags & CP_ADDR_TENTATIVE)
			continue;
		/* A link-local address means nothing on another link. */
		if (a->ifindex != oif && (only_oif || is_linklocal6(&a->addr)))
			continue;
		if (!best || better_src6(a, best, dst, oif))
			best = a;
	}
	if (best)
		*out = best->addr;
	return best != NULL;
}

static uint32_t addr_owner(const struct cp_shm *shm, const struct cp_addr128 *a, uint32_t oif)
{
	uint32_t owner = 0;

	/* The same link-local address may exist on several links. */
	for (uint32_t i = 0; i < N_ADDRS(shm); i++)
		if (addr_eq(&shm->addrs[i].addr, a) && (!owner || shm->addrs[i].ifindex == oif))
			owner = shm->addrs[i].ifindex;
	return owner;
}

/* Group addresses map to hardware addresses: RFC 1112 section 6.4, RFC 2464 section 7. */
static void mcast_mac(const struct cp_addr128 *dst, uint8_t mac[6])
{
	if (is4(dst)) {
		memcpy(mac, (uint8_t[]){ 0x01, 0x00, 0x5e }, 3);
		mac[3] = byte(dst, 13) & 0x7f;
		mac[4] = byte(dst, 14);
		mac[5] = byte(dst, 15);
	} else {
		mac[0] = mac[1] = 0x33;
		for (unsigned int i = 0; i < 4; i++)
			mac[2 + i] = byte(dst, 12 + i);
	}
}

/* Which route?  Fills type, ifindex, nexthop, prefsrc (in src) and route mtu. */
static int pick_route(const struct cp_shm *shm, const struct cp_addr128 *dst,
		      const struct cp_addr128 *src, uint32_t oif, struct cp_fwd *f)
{
	const struct cp_route *r;
	bool mcast = is_mcast(dst);

	if (mcast || is_limited_bcast(dst)) {
		/* As the kernel: the interface asked for, else that of a bound
		 * source address, else the route. */
		if (!oif && is4(dst) && !is_any(src))
			oif = addr_owner(shm, src, 0);
		if (oif) {
			f->ifindex = oif;
			f->type = mcast ? CP_RT_UNICAST : CP_RT_BROADCAST;
			f->nexthop = *dst;
			return 0;
		}
	}

	r = find_route(shm, dst, oif, true);
	if (!r)
		r = find_route(shm, dst, oif, false);
	if (!r) {
		/* "Apparently routing tables are wrong: assume that the
		 * destination is on link", says the kernel for IPv4. */
		if (!oif || !is4(dst))
			return -ENETUNREACH;
		f->ifindex = oif;
		f->type = CP_RT_UNICAST;
		f->nexthop = *dst;
		return 0;
	}
	if (r->multipath || r->type == CP_RT_OTHER)
		return -EOPNOTSUPP;
	if (r->type == CP_RT_UNREACHABLE)
		return is4(dst) || r->prefix_len > 0 ? -EHOSTUNREACH : -ENETUNREACH;
	f->ifindex = r->ifindex;
	f->type = is_limited_bcast(dst) ? CP_RT_BROADCAST : r->type;
	f->nexthop = mcast || f->type == CP_RT_BROADCAST || is_zero(&r->gateway) ?
		     *dst : r->gateway;
	f->src = r->prefsrc;
	f->mtu = r->mtu;
	return 0;
}

static int decide(const struct cp_shm *shm, const struct cp_addr128 *dst,
		  const struct cp_addr128 *src, uint32_t oif, struct cp_fwd *f)
{
	const struct cp_link *l;
	struct cp_addr128 gw = { { 0, 0 } };
	int rc;

	if (shm->has_rules)
		return -EOPNOTSUPP;
	rc = pick_route(shm, dst, src, oif, f);
	if (rc < 0)
		return rc;
	l = find_link(shm, f->ifindex);
	if (!l)
		return f->type == CP_RT_LOCAL ? -EOPNOTSUPP : -ENETUNREACH;
	if (!(l->flags & CP_LINK_UP) && f->type != CP_RT_LOCAL)
		return -ENETUNREACH;
	f->link_flags = l->flags;
	if (f->mtu == 0 || f->mtu > l->mtu)
		f->mtu = l->mtu;
	memcpy(f->smac, l->mac, 6);

	if (!is_any(src))
		f->src = *src;
	else if (f->type == CP_RT_LOCAL)
		f->src = *dst;
	else if (is_zero(&f->src)) {
		if (!addr_eq(&f->nexthop, dst))
			gw = f->nexthop;
		if (is4(dst))
			select_src4(shm, f->ifindex, &gw, &f->src);
		else
			select_src6(shm, f->ifindex, dst, &f->src);
		if (is_zero(&f->src) && !is4(dst))
			return -EADDRNOTAVAIL;
	}

	f->neigh_state = CP_NEIGH_VALID;
	if (is_mcast(dst))
		mcast_mac(dst, f->dmac);
	else if (f->type == CP_RT_BROADCAST)
		memset(f->dmac, 0xff, 6);
	else if (f->type == CP_RT_UNICAST && !(l->flags & CP_LINK_LOOPBACK))
		f->neigh_state = (uint8_t)find_neigh(shm, f->ifindex, &f->nexthop, f->dmac);
	return 0;
}

int cp_route(const struct cp *cp, const void *dst, const void *src, uint32_t oif, struct cp_fwd *out)
{
	struct cp_addr128 d, s = { { 0, 0 } };
	struct section sec = { 0 };
	struct cp_fwd f;
	int rc;

	memcpy(&d, dst, sizeof(d));
	if (src)
		memcpy(&s, src, sizeof(s));
	do {
		if (!section_begin(cp->shm, &sec))
			return -EOPNOTSUPP;
		memset(&f, 0, sizeof(f));
		f.gen = cp_gen(cp);
		rc = decide(cp->shm, &d, &s, oif, &f);
	} while (!section_end(cp->shm, &sec));
	/* With an error too: "until gen moves, still unreachable" may be cached. */
	*out = f;
	return rc;
}

int cp_neigh(const struct cp *cp, uint32_t ifindex, const void *addr, uint8_t mac[6])
{
	struct section sec = { 0 };
	struct cp_addr128 a;
	int state;

	memcpy(&a, addr, sizeof(a));
	if (is_mcast(&a)) {
		mcast_mac(&a, mac);
		return CP_NEIGH_VALID;
	}
	do {
		if (!section_begin(cp->shm, &sec))
			return CP_NEIGH_NONE;
		state = find_neigh(cp->shm, ifindex, &a, mac);
	} while (!section_end(cp->shm, &sec));
	return state;
}

int cp_neigh_entry(const struct cp *cp, uint32_t ifindex, const void *addr, struct cp_neigh *out)
{
	struct section sec = { 0 };
	const struct cp_neigh *e;
	struct cp_addr128 a;

	memcpy(&a, addr, sizeof(a));
	do {
		if (!section_begin(cp->shm, &sec))
			return -ENOENT;
		e = find_entry(cp->shm, ifindex, &a);
		if (e)
			*out = *e;
	} while (!section_end(cp->shm, &sec));
	return e ? 0 : -ENOENT;
}

int cp_link_get(const struct cp *cp, uint32_t ifindex, struct cp_link *out)
{
	struct section sec = { 0 };
	const struct cp_link *l;

	if (ifindex == 0)
		return -ENODEV;
	do {
		if (!section_begin(cp->shm, &sec))
			return -ENODEV;
		l = find_link(cp->shm, ifindex);
		if (l)
			*out = *l;
	} while (!section_end(cp->shm, &sec));
	return l ? 0 : -ENODEV;
}

int cp_link_find(const struct cp *cp, const char *name, struct cp_link *out)
{
	struct section sec = { 0 };
	bool found;

	do {
		if (!section_begin(cp->shm, &sec))
			return -ENODEV;
		found = false;
		for (uint32_t i = 0; !found && i < N_LINKS(cp->shm); i++) {
			if (strncmp(cp->shm->links[i].name, name, sizeof(out->name)) != 0)
				continue;
			*out = cp->shm->links[i];
			found = true;
		}
	} while (!section_end(cp->shm, &sec));
	return found ? 0 : -ENODEV;
}

int cp_link_at(const struct cp *cp, uint32_t i, struct cp_link *out)
{
	struct section sec = { 0 };
	bool found;

	do {
		if (!section_begin(cp->shm, &sec))
			return -ENOENT;
		found = i < N_LINKS(cp->shm);
		if (found)
			*out = cp->shm->links[i];
	} while (!section_end(cp->shm, &sec));
	return found ? 0 : -ENOENT;
}

int cp_addr_at(const struct cp *cp, uint32_t i, struct cp_addr *out)
{
	struct section sec = { 0 };
	bool found;

	do {
		if (!section_begin(cp->shm, &sec))
			return -ENOENT;
		found = i < N_ADDRS(cp->shm);
		if (found)
			*out = cp->shm->addrs[i];
	} while (!section_end(cp->shm, &sec));
	return found ? 0 : -ENOENT;
}

uint32_t cp_addr_owner(const struct cp *cp, const void *addr)
{
	struct section sec = { 0 };
	struct cp_addr128 a;
	uint32_t owner;

	memcpy(&a, addr, sizeof(a));
	do {
		if (!section_begin(cp->shm, &sec))
			return 0;
		owner = addr_owner(cp->shm, &a, 0);
	} while (!section_end(cp->shm, &sec));
	return owner;
}

int cp_attach(struct cp *cp, int fd)
{
	const struct cp_shm *shm;
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (st.st_size < (off_t)sizeof(*shm))
		return -EPROTO;
	shm = mmap(NULL, sizeof(*shm), PROT_READ, MAP_SHARED, fd, 0);
	if (shm == MAP_FAILED)
		return -errno;
	if (__atomic_load_n(&shm->magic, __ATOMIC_ACQUIRE) != CP_MAGIC ||
	    shm->version != CP_VERSION || shm->size != sizeof(*shm)) {
		munmap((void *)shm, sizeof(*shm));
		return -EPROTO;
	}
	cp->shm = shm;
	return 0;
}

void cp_detach(struct cp *cp)
{
	if (cp->shm)
		munmap((void *)cp->shm, sizeof(*cp->shm));
	cp->shm = NULL;
}
