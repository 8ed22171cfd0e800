// SPDX-License-Identifier: BSD-2-Clause
/*
 * stack_create.c - making a stack's arena, and joining one
 *
 * The daemon makes the memory and says who is first; that process writes the
 * first contents here, every other one waits until they are there and checks
 * that it is the same build.  Nothing here is on the path of a packet.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/sys.h"
#include "stack/stack.h"

enum {
	NET_OFF_ALIGN = 4096,
	STATE_ALIGN = 2 << 20,
	JOIN_WAIT_MS = 3000,
	DEAD_TRIES = 40,		/* until the keeper has noticed, and the daemon given the name free */
	DEAD_WAIT_MS = 25,
	SOFT_ACK_US = 100,		/* from one call of a busy program to the next */
};

/* Hash of the version: processes of one stack share structs, so they must be
 * of one build. */
static uint32_t build_id(void)
{
	uint32_t h = 2166136261u;

	static const uint32_t sizes[] = {
		sizeof(struct stack_shm), sizeof(struct net_shm), sizeof(struct ep), sizeof(struct pkt),
		NET_N_DROPS, NET_N_STATS,
	};

	for (const char *p = POSTERN_VERSION; *p; p++)
		h = (h ^ (uint8_t)*p) * 16777619u;
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++)
		h = (h ^ sizes[i]) * 16777619u;
	return h;
}

static void layout(struct stack_shm *sh, const struct stack_attr *attr, uint32_t n_eps, uint32_t n_frames)
{
	sh->n_eps = n_eps;
	sh->n_frames = n_frames;
	sh->net_off = ROUND_UP(sizeof(struct stack_shm), NET_OFF_ALIGN);
	sh->upper_off = ROUND_UP(sh->net_off + net_state_size(n_eps, n_frames), NET_OFF_ALIGN);
	sh->frames_off = ROUND_UP(sh->upper_off + attr->upper_size(n_eps), (uint64_t)STATE_ALIGN);
	sh->size = sh->frames_off + ((uint64_t)n_frames << PKT_FRAME_SHIFT);
}

/* Protocol settings: the host's, unless an EF_ variable says otherwise. */
static void fill_conf(struct net_conf *c, const struct opts *o, const struct cp_shm *cp)
{
	struct opts s = *o;

	opts_sysctl(&s);
	c->rto_initial_ms = (uint32_t)s.rfc_rto_initial;
	c->rto_min_ms = (uint32_t)s.rfc_rto_min;
	c->rto_max_ms = (uint32_t)s.rfc_rto_max;
	c->syn_retries = (uint32_t)s.retransmit_threshold_syn;
	c->synack_retries = (uint32_t)s.retransmit_threshold_synack;
	c->retries2 = (uint32_t)s.retransmit_threshold;
	c->orphan_retries = (uint32_t)s.retransmit_threshold_orphan;
	c->keepalive_time_ms = (uint32_t)s.keepalive_time;
	c->keepalive_intvl_ms = (uint32_t)s.keepalive_intvl;
	c->keepalive_probes = (uint32_t)s.keepalive_probes;
	c->fin_timeout_ms = (uint32_t)s.tcp_fin_timeout * 1000;
	c->msl_ms = (uint32_t)s.tcp_tconst_msl * 1000;
	c->delack_ms = 40;
	c->soft_ack_ns = SOFT_ACK_US * 1000;
	c->delack_segs = (uint32_t)s.delack_thresh;
	c->initial_cwnd_bytes = (uint32_t)s.tcp_initial_cwnd;
	c->max_wscale = 14;
	c->timestamps = cp->tcp_timestamps != 0;
	c->sack = cp->tcp_sack != 0;
	c->wscale = cp->tcp_window_scaling != 0;
	c->force_nodelay = (uint8_t)s.force_tcp_nodelay;
	c->ttl4 = cp->ip_default_ttl ? (uint8_t)cp->ip_default_ttl : 64;
	c->ttl6 = cp->ip6_hop_limit ? (uint8_t)cp->ip6_hop_limit : 64;
	c->defer_max_pkts = 128;
	c->defer_max_ms = 3000;
	c->somaxconn = cp->somaxconn ? cp->somaxconn : 4096;
}

static int init_arena(struct stack *st, const struct stack_attr *attr, const struct stack_shm *lay, const char *name)
{
	struct stack_shm *sh = st->shm;
	uint8_t secret[16];

	if (sys3(SYS_getrandom, secret, sizeof(secret), 0) != sizeof(secret))
		return -EIO;
	sh->layout = STACK_LAYOUT;
	sh->build = build_id();
	sh->id = st->id;
	sh->uid = (uint32_t)sys0(SYS_getuid);
	sh->n_eps = lay->n_eps;
	sh->n_frames = lay->n_frames;
	sh->net_off = lay->net_off;
	sh->upper_off = lay->upper_off;
	sh->frames_off = lay->frames_off;
	sh->size = lay->size;
	sh->created = clock_real_ns() / NSEC_PER_SEC;
	snprintf(sh->name, sizeof(sh->name), "%s", name);
	net_init(st->shm, sh->net_off, sh->n_eps, sh->n_frames, sh->frames_off, secret, clock_ns());
	attr->upper_init((char *)st->shm + sh->upper_off, sh->n_eps, st->shm);
	fill_conf(&((struct net_shm *)((char *)st->shm + sh->net_off))->conf, attr->opts, st->cp.shm);
	sh->magic = STACK_MAGIC;
	/* Release: pairs with the acquire in wait_ready(). */
	atomic_store_explicit(&sh->state, STACK_READY, memory_order_release);
	return 0;
}

/* The creator may have died before it was done: bounded. */
static int wait_ready(struct stack *st, char why[96])
{
	static const struct timespec ms = { .tv_nsec = 1000000 };
	struct stack_shm *sh = st->shm;

	for (int i = 0; i < JOIN_WAIT_MS; i++) {
		uint32_t state = atomic_load_explicit(&sh->state, memory_order_acquire);

		if (state == STACK_DEAD) {
			snprintf(why, 96, "the stack was retired; it ends with its last process");
			return -EIO;
		}
		if (state == STACK_READY)
			break;
		sys2(SYS_nanosleep, &ms, NULL);
	}
	if (sh->magic != STACK_MAGIC) {
		snprintf(why, 96, "the stack's creator did not finish; end its processes and try again");
		return -ETIMEDOUT;
	}
	if (sh->layout != STACK_LAYOUT || sh->build != build_id()) {
		snprintf(why, 96, "the stack belongs to another version of Postern; restart its processes");
		return -EPROTO;
	}
	return 0;
}

/* Sizes come from another process: every part must lie where this build puts
 * it, inside the memory that is really there. */
static bool layout_sane(const struct stack_shm *sh, size_t size)
{
	return sh->n_eps && sh->n_eps <= 1u << 21 && sh->n_frames <= 1u << 24 &&
	       sh->net_off == ROUND_UP(sizeof(struct stack_shm), NET_OFF_ALIGN) &&
	       sh->upper_off >= sh->net_off + net_state_size(sh->n_eps, sh->n_frames) &&
	       sh->frames_off > sh->upper_off && sh->size <= size &&
	       sh->frames_off + ((uint64_t)sh->n_frames << PKT_FRAME_SHIFT) <= size;
}

static int map_arena(struct stack *st, bool writable)
{
	struct stat sb;
	void *p;

	if (fstat(st->arena_fd, &sb) < 0)
		return -errno;
	st->size = (size_t)sb.st_size;
	p = mmap(NULL, st->size, writable ? PROT_READ | PROT_WRITE : PROT_READ, MAP_SHARED, st->arena_fd, 0);
	if (p == MAP_FAILED)
		return -errno;
	st->shm = p;
	return 0;
}

static void attach_net(struct stack *st)
{
	st->upper = (char *)st->shm + st->shm->upper_off;
	net_attach(&st->net, st->shm, st->shm->net_off, &st->cp, st->vis, 0);
	st->vi_gen = 0;
	if (!st->evs_per_poll)
		st->evs_per_poll = 64;
}

/* What a VI looks like before this process has mapped it; ip_tx.c sends nothing there. */
static struct vi_shm unmapped = { .flags = VI_F_DOWN };

static struct stack *stack_new(void)
{
	struct stack *st = calloc(1, sizeof(*st));

	if (!st)
		return NULL;
	st->arena_fd = -1;
	for (int i = 0; i < STACK_N_DOORBELLS; i++)
		st->doorbell[i] = -1;
	for (int i = 0; i < NET_MAX_VIS; i++) {
		st->vis[i].fd = -1;
		st->vis[i].shm = &unmapped;
	}
	return st;
}

static int take_reply(struct stack *st, const struct cp_stack_rep *rep, int *fds, int n_fds)
{
	if (n_fds < 1 + STACK_N_DOORBELLS) {
		for (int i = 0; i < n_fds; i++)
			sys_close(fds[i]);
		return -EPROTO;
	}
	st->id = rep->h.stack_id;
	st->arena_fd = sys_fd_high(fds[0]);
	for (int i = 0; i < STACK_N_DOORBELLS; i++)
		st->doorbell[i] = sys_fd_high(fds[1 + i]);
	return 0;
}

static int open_or_attach(struct stack **out, const struct stack_attr *attr, struct cp_stack_req *req,
			  const struct stack_shm *lay, char why[96])
{
	struct cp_stack_rep rep = { .h.rc = 0 };
	struct stack *st = stack_new();
	int fds[CP_MAX_FDS], n_fds = CP_MAX_FDS;
	uint32_t slot, ident;
	int rc;

	if (!st)
		return -ENOMEM;
	st->client = attr->client;
	st->evs_per_poll = (uint32_t)attr->opts->evs_per_poll;
	st->no_zc = !attr->opts->af_xdp_zerocopy;
	st->rx_size = attr->opts->rxq_size > 0 ? (uint32_t)attr->opts->rxq_size : 0;
	st->tx_size = attr->opts->txq_size > 0 ? (uint32_t)attr->opts->txq_size : 0;
	rc = cp_call(attr->client, req, sizeof(*req), NULL, 0, &rep, sizeof(rep), fds, &n_fds);
	if (rc < 0) {
		snprintf(why, 96, "%s", rep.h.why[0] ? rep.h.why : strerror(-rc));
		goto out_free;
	}
	rc = take_reply(st, &rep, fds, n_fds);
	if (rc < 0)
		goto out_close;
	rc = cp_attach(&st->cp, cp_client_tables_fd(attr->client));
	if (rc < 0) {
		snprintf(why, 96, "control-plane tables: %s", strerror(-rc));
		goto out_close;
	}
	rc = map_arena(st, true);
	if (rc < 0) {
		snprintf(why, 96, "cannot map %zu MiB of stack memory: %s", st->size >> 20, strerror(-rc));
		goto out_close;
	}
	/* The first creator may have died after its work, before it joined. */
	if (rep.flags & CP_STACK_CREATED && atomic_load(&st->shm->state) == STACK_NEW)
		rc = init_arena(st, attr, lay, rep.name);
	else
		rc = wait_ready(st, why);
	if (rc < 0)
		goto out_close;
	if (!layout_sane(st->shm, st->size)) {
		snprintf(why, 96, "the stack's memory is damaged");
		rc = -EPROTO;
		goto out_close;
	}
	attach_net(st);
	ident = stack_proc_ident();
	stack_lock(st);
	st->resumed = stack_proc_resume(st, ident, &slot);
	rc = st->resumed ? 0 : stack_proc_reserve(st, &slot);
	stack_unlock(st);
	/* Whose lock it was may have been found dead just now. */
	if (stack_dead(st))
		rc = -EIO;
	if (rc == 0)
		rc = stack_proc_add(st, slot);
	if (rc < 0) {
		snprintf(why, 96, "cannot join the stack: %s", strerror(-rc));
		goto out_close;
	}
	*out = st;
	return 0;

out_close:
	st->client = NULL;
	stack_close(st);
	return rc;
out_free:
	free(st);
	return rc;
}

int stack_open(struct stack **out, const struct stack_attr *attr, char why[96])
{
	struct cp_stack_req req = { .h = { .type = CP_REQ_STACK_OPEN, .len = sizeof(req) } };
	static const struct timespec dead_wait = { .tv_nsec = DEAD_WAIT_MS * 1000000l };
	struct stack_shm lay = { .n_eps = 0 };	/* only its sizes are used */

	layout(&lay, attr, (uint32_t)attr->opts->max_endpoints, (uint32_t)attr->opts->max_packets);
	snprintf(req.name, sizeof(req.name), "%s", attr->name ? attr->name : "");
	req.n_frames = lay.n_frames;
	req.state_size = lay.frames_off;
	for (int i = 0;; i++) {
		int rc = open_or_attach(out, attr, &req, &lay, why);

		/* Dead, or its creator died before it was ready: there is another soon. */
		if (rc == -EIO && i < DEAD_TRIES)
			sys2(SYS_nanosleep, &dead_wait, NULL);
		else if (rc != -ETIMEDOUT || i > 0)
			return rc;
	}
}

int stack_attach_id(struct stack **out, const struct stack_attr *attr, uint32_t id, char why[96])
{
	struct cp_stack_req req = { .h = { .type = CP_REQ_STACK_ATTACH, .len = sizeof(req), .stack_id = id } };

	return open_or_attach(out, attr, &req, NULL, why);
}

int stack_attach_fds(struct stack **out, int arena_fd, const int *doorbells, int n_doorbells, int cp_fd, bool writable)
{
	char why[96] = "";
	struct stack *st = stack_new();
	int rc;

	if (!st)
		return -ENOMEM;
	st->arena_fd = arena_fd;
	for (int i = 0; i < n_doorbells && i < STACK_N_DOORBELLS; i++)
		st->doorbell[i] = doorbells[i];
	rc = map_arena(st, writable);
	if (rc == 0 && cp_fd >= 0)
		rc = cp_attach(&st->cp, cp_fd);
	if (rc == 0)
		rc = wait_ready(st, why);
	if (rc == 0 && !layout_sane(st->shm, st->size))
		rc = -EPROTO;
	if (rc < 0) {
		/* The descriptors stay the caller's when we fail. */
		st->arena_fd = -1;
		for (int i = 0; i < STACK_N_DOORBELLS; i++)
			st->doorbell[i] = -1;
		stack_close(st);
		return rc;
	}
	st->id = st->shm->id;
	st->ctl_next_ns = UINT64_MAX;	/* without a conversation of its own */
	attach_net(st);
	*out = st;
	return 0;
}

/* Other threads may be reading the rings or about to ring a bell: the memory stays
 * mapped, and the numbers of the descriptors taken, but by nothing. */
void stack_retire(struct stack *st)
{
	if (atomic_exchange(&st->retired, true))
		return;
	st->net.n_vis = 0;
	for (uint32_t i = 0; i < NET_MAX_VIS; i++) {
		if (st->vis[i].fd < 0)
			continue;
		st->vis[i].shm = &unmapped;
		vi_abandon(&st->vis[i], st->doorbell[0]);
	}
}

void stack_close(struct stack *st)
{
	for (uint32_t i = 0; i < NET_MAX_VIS; i++)
		if (st->vis[i].fd >= 0)
			vi_close(&st->vis[i]);
	if (st->shm)
		munmap(st->shm, st->size);
	if (st->cp.shm)
		cp_detach(&st->cp);
	if (st->arena_fd >= 0)
		sys_close(st->arena_fd);
	for (int i = 0; i < STACK_N_DOORBELLS; i++)
		if (st->doorbell[i] >= 0)
			sys_close(st->doorbell[i]);
	free(st);
}
