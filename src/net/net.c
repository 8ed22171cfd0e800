// SPDX-License-Identifier: BSD-2-Clause
/*
 * net.c - laying out an engine in an arena
 *
 *   off: | struct net_shm | connected table | local table | endpoint slots |
 *
 * Each part begins at a page.  The frames lie elsewhere in the arena (they are
 * packet memory with an alignment of their own).  Defaults of struct net_conf are
 * those of Linux; the creator overwrites what the host or EF_ settings say.  The arena is
 * zero when it is made.
 */
#include "net/net.h"

#include <string.h>

enum { PAGE = 4096 };

struct layout {
	size_t conn, local, eps, end;	/* from the start of the engine's part */
	uint32_t n_conn, n_local;
};

/* Smallest power of two >= @n, at least 16. */
static uint32_t pow2_above(uint32_t n)
{
	uint32_t v = 16;

	while (v < n && v < 1u << 30)
		v <<= 1;
	return v;
}

static struct layout lay_out(uint32_t n_eps)
{
	struct layout l;

	/* Chains of length one on average when every endpoint is connected. */
	l.n_conn = pow2_above(n_eps);
	l.n_local = pow2_above(n_eps / 2);
	l.conn = ROUND_UP(sizeof(struct net_shm), PAGE);
	l.local = ROUND_UP(l.conn + l.n_conn * sizeof(uint32_t), PAGE);
	l.eps = ROUND_UP(l.local + l.n_local * sizeof(uint32_t), PAGE);
	l.end = ROUND_UP(l.eps + (size_t)n_eps * EP_SLOT_SIZE, PAGE);
	return l;
}

size_t net_state_size(uint32_t n_eps, uint32_t n_frames)
{
	(void)n_frames;		/* what we know about a frame lies in the frame */
	return lay_out(n_eps).end;
}

static void set_defaults(struct net_conf *c)
{
	*c = (struct net_conf){
		.rto_initial_ms = 1000, .rto_min_ms = 200, .rto_max_ms = 120000,
		.syn_retries = 6, .synack_retries = 5, .retries2 = 15, .orphan_retries = 8,
		.keepalive_time_ms = 7200000, .keepalive_intvl_ms = 75000, .keepalive_probes = 9,
		.fin_timeout_ms = 60000, .msl_ms = 30000,
		.delack_ms = 40, .delack_segs = 1,
		.max_wscale = 7,
		.timestamps = 1, .sack = 1, .wscale = 1,
		.ttl4 = 64, .ttl6 = 64,
		.defer_max_pkts = 128, .defer_max_ms = 3000,
		.somaxconn = 4096,
	};
}

void net_init(void *base, size_t off, uint32_t n_eps, uint32_t n_frames, size_t frames_off,
	      const uint8_t secret[16], uint64_t now)
{
	struct net_shm *sh = (struct net_shm *)((char *)base + off);
	struct layout l = lay_out(n_eps);

	memset(sh, 0, sizeof(*sh));
	sh->eps_off = off + l.eps;
	sh->frames_off = frames_off;
	sh->conn_table_off = off + l.conn;
	sh->local_table_off = off + l.local;
	sh->n_eps = n_eps;
	sh->n_frames = n_frames;
	sh->conn_mask = l.n_conn - 1;
	sh->local_mask = l.n_local - 1;
	memcpy(sh->secret, secret, 16);
	set_defaults(&sh->conf);

	/* Tables, slots and frames are taken as they are, zero, when they are first used:
	 * room that nobody needs costs addresses, and no memory or time. */
	sh->ep_free_head = sh->pkt_free_head = ID_NONE;
	sh->pkt_n_free = sh->pkt_low_water = n_frames;

	/* xorshift128+ wants a state that is not all zero. */
	memcpy(sh->rng, secret, 16);
	sh->rng[0] ^= 0x9e3779b97f4a7c15ull;
	sh->rng[1] |= 1;

	shm_list_init(base, &sh->ready);
	shm_list_init(base, &sh->timewait);
	sh->defer_head = sh->defer_tail = ID_NONE;
	timer_wheel_init(base, &sh->wheel, now);
}

void net_attach(struct net *net, void *base, size_t off, const struct cp *cp,
		struct vi *vis, uint32_t n_vis)
{
	struct net_shm *sh = (struct net_shm *)((char *)base + off);

	memset(net, 0, sizeof(*net));
	net->base = base;
	net->shm = sh;
	net->eps = (uint8_t *)base + sh->eps_off;
	net->frames = (uint8_t *)base + sh->frames_off;
	net->n_eps = sh->n_eps;
	net->n_frames = sh->n_frames;
	net->cp = cp;
	net->vis = vis;
	net->n_vis = n_vis;
	net->conn_table = (uint32_t *)((char *)base + sh->conn_table_off);
	net->local_table = (uint32_t *)((char *)base + sh->local_table_off);
	net->conn_mask = sh->conn_mask;
	net->local_mask = sh->local_mask;
	net->pkt_share = sh->n_frames - sh->n_frames / 4;
	memcpy(&net->hash_seed, sh->secret, sizeof(net->hash_seed));
}

bool net_matches(const struct net *net, size_t off, uint32_t n_eps, uint32_t n_frames,
		 size_t frames_off)
{
	struct layout l = lay_out(n_eps);
	char *base = net->base;

	return net->n_eps == n_eps && net->n_frames == n_frames &&
	       net->eps == (uint8_t *)base + off + l.eps &&
	       net->frames == (uint8_t *)base + frames_off &&
	       net->conn_table == (uint32_t *)(base + off + l.conn) &&
	       net->local_table == (uint32_t *)(base + off + l.local) &&
	       net->conn_mask == l.n_conn - 1 && net->local_mask == l.n_local - 1 &&
	       net->pkt_share == n_frames - n_frames / 4;
}

uint32_t net_random(struct net *net)
{
	uint64_t *s = net->shm->rng, a = s[0], b = s[1];

	/* xorshift128+, Vigna 2014; the upper half of the sum is the better one. */
	s[0] = b;
	a ^= a << 23;
	s[1] = a ^ b ^ (a >> 17) ^ (b >> 26);
	return (uint32_t)((s[1] + b) >> 32);
}
