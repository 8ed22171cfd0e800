// SPDX-License-Identifier: BSD-2-Clause
/*
 * stack.c - the registry of stacks: arena, doorbells, AF_XDP sockets, processes
 *
 * A stack belongs to (uid, name).  It lives while a registered process is alive or
 * its keeper has orphans, and takes all its filters with it when it ends.  The
 * daemon never maps an arena, but for the kernel to register its frames.
 */
#include "ctld/ctld.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum {
	FRAME_SIZE = 2048,
	MIN_FRAMES = 64,
	MAX_FRAMES = 1 << 21,
	MAX_RING = 16384,
	STATE_UNIT = 2 << 20,
	MAX_PER_UID = 128,	/* root: all */
	BUSY_MS = 300,		/* for the kernel to release a queue whose sockets were closed */
};
static const uint64_t max_state = 4ull << 30;

static struct stack *stack_alloc(struct ctld *ctl, struct st_stack *rec)
{
	struct stack *st = calloc(1, sizeof(*st));

	if (!st)
		return NULL;
	st->ctl = ctl;
	st->rec = rec;
	st->arena_fd = -1;
	st->kp.fd = st->kp_pid.fd = -1;
	memset(st->doorbell, 0xff, sizeof(st->doorbell));
	memset(st->xsk, 0xff, sizeof(st->xsk));
	for (size_t i = 0; i < ST_MAX_PROCS; i++)
		st->procs[i].w.fd = -1;
	return st;
}

struct stack *stack_by_id(struct ctld *ctl, uint32_t id)
{
	for (size_t i = 0; id && i < ST_MAX_STACKS; i++)
		if (ctl->stacks[i] && ctl->stacks[i]->rec->id == id)
			return ctl->stacks[i];
	return NULL;
}

struct stack *stack_by_name(struct ctld *ctl, uid_t uid, const char *name)
{
	for (size_t i = 0; i < ST_MAX_STACKS; i++)
		if (ctl->stacks[i] && ctl->stacks[i]->rec->uid == uid &&
		    strncmp(ctl->stacks[i]->rec->name, name, CP_STACK_NAME) == 0)
			return ctl->stacks[i];
	return NULL;
}

bool ctld_has_stacks(const struct ctld *ctl)
{
	for (size_t i = 0; i < ST_MAX_STACKS; i++)
		if (ctl->stacks[i])
			return true;
	return false;
}

static uint64_t arena_size(const struct st_stack *r)
{
	return r->state_size + (uint64_t)r->n_frames * FRAME_SIZE;
}

static uint64_t used_by(const struct ctld *ctl, uid_t uid, uint32_t *n)
{
	uint64_t sum = 0;

	*n = 0;
	for (size_t i = 0; i < ST_MAX_STACKS; i++)
		if (ctl->stacks[i] && ctl->stacks[i]->rec->uid == uid) {
			sum += arena_size(ctl->stacks[i]->rec);
			++*n;
		}
	return sum;
}

/* The kernel would let anybody who has it shrink an unsealed memfd, under the UMEM
 * and everybody's mapping. */
static int arena_open(const struct st_stack *r)
{
	int fd, rc;

	fd = memfd_create("postern-stack", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return -errno;
	if (ftruncate(fd, (off_t)arena_size(r)) < 0 ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0) {
		rc = -errno;
		close(fd);
		return rc;
	}
	return fd;
}

static void hold(struct stack *st)
{
	int fds[1 + CP_N_DOORBELLS];
	char key[32];

	fds[0] = st->arena_fd;
	memcpy(fds + 1, st->doorbell, sizeof(st->doorbell));
	snprintf(key, sizeof(key), "st/%u/arena", st->rec->id);
	holder_put(st->ctl, key, fds, ARRAY_SIZE(fds));
}

static void stack_free(struct stack *st)
{
	fds_close(&st->arena_fd, 1);
	fds_close(st->doorbell, CP_N_DOORBELLS);
	free(st);
}

static int check_sizes(struct ctld *ctl, uid_t uid, const struct cp_stack_req *req, char why[96])
{
	uint64_t size, used;
	uint32_t n;

	if (memchr(req->name, 0, CP_STACK_NAME) == NULL ||
	    req->n_frames < MIN_FRAMES || req->n_frames > MAX_FRAMES ||
	    req->state_size == 0 || req->state_size > max_state || req->state_size % STATE_UNIT) {
		snprintf(why, 96, "stack of %u frames and %llu bytes of state is out of bounds",
			 req->n_frames, (unsigned long long)req->state_size);
		return -EINVAL;
	}
	size = req->state_size + (uint64_t)req->n_frames * FRAME_SIZE;
	used = used_by(ctl, uid, &n);
	if (used + size > ctl->conf.quota_bytes) {
		snprintf(why, 96, "uid %u would have %llu MiB of stacks, quota is %llu: lower EF_MAX_PACKETS",
			 uid, (unsigned long long)((used + size) >> 20),
			 (unsigned long long)(ctl->conf.quota_bytes >> 20));
		return -EDQUOT;
	}
	if (uid && n >= MAX_PER_UID) {
		snprintf(why, 96, "uid %u has %u stacks already", uid, n);
		return -EDQUOT;
	}
	return 0;
}

int stack_create(struct ctld *ctl, struct client *c, const struct cp_stack_req *req,
		 struct stack **out, char why[96])
{
	struct st_stack *rec = NULL;
	struct stack *st;
	size_t slot;
	int rc;

	rc = check_sizes(ctl, c->uid, req, why);
	if (rc < 0)
		return rc;
	for (slot = 0; slot < ST_MAX_STACKS && ctl->st->stacks[slot].id; slot++)
		;
	if (slot == ST_MAX_STACKS) {
		snprintf(why, 96, "there are %d stacks already", ST_MAX_STACKS);
		return -ENOSPC;
	}
	rec = &ctl->st->stacks[slot];
	memset(rec, 0, sizeof(*rec));
	rec->uid = c->uid;
	rec->gid = c->gid;
	rec->n_frames = req->n_frames;
	rec->state_size = req->state_size;
	memcpy(rec->name, req->name, CP_STACK_NAME);
	st = stack_alloc(ctl, rec);
	if (!st)
		return -ENOMEM;
	rc = arena_open(rec);
	if (rc < 0)
		goto out_free;
	st->arena_fd = rc;
	for (size_t i = 0; i < CP_N_DOORBELLS; i++) {
		rc = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
		if (rc < 0) {
			rc = -errno;
			goto out_free;
		}
		st->doorbell[i] = rc;
	}
	ctl->st->next_stack_id++;
	rec->id = ctl->st->next_stack_id;
	ctl->stacks[slot] = st;
	hold(st);
	rc = keeper_start(st, false);
	if (rc < 0) {
		snprintf(why, 96, "cannot start the keeper %.60s", ctl->conf.keeper);
		stack_destroy(st, "its keeper does not start");
		return rc;
	}
	*out = st;
	return 0;

out_free:
	stack_free(st);
	return rc;
}

static struct st_vi *vi_find(struct stack *st, uint32_t ifindex)
{
	for (size_t i = 0; i < ST_MAX_VIS; i++)
		if (st->rec->vis[i].ifindex == ifindex)
			return &st->rec->vis[i];
	return NULL;
}

int stack_check_link(struct ctld *ctl, uint32_t ifindex, struct cp_link *l, char why[96])
{
	if (cp_link_get(&ctl->cp, ifindex, l) < 0) {
		snprintf(why, 96, "no interface %u in this network namespace", ifindex);
		return -ENODEV;
	}
	if (l->flags & CP_LINK_LOOPBACK || !(l->flags & CP_LINK_ETHER)) {
		snprintf(why, 96, "%s is not an Ethernet interface", l->name);
		return -EOPNOTSUPP;
	}
	if (l->flags & CP_LINK_NOACCEL) {
		snprintf(why, 96, "%s is virtual or belongs to a bridge or bond: not accelerated", l->name);
		return -EOPNOTSUPP;
	}
	if (!(l->flags & CP_LINK_UP)) {
		snprintf(why, 96, "%s is down", l->name);
		return -ENETDOWN;
	}
	return 0;
}

/* Another stack that has the queues of this interface. */
static struct stack *rival(struct stack *st, uint32_t ifindex)
{
	for (size_t i = 0; i < ST_MAX_STACKS; i++) {
		struct stack *o = st->ctl->stacks[i];

		if (o && o != st && vi_find(o, ifindex))
			return o;
	}
	return NULL;
}

bool stack_on_iface(const struct ctld *ctl, uint32_t ifindex)
{
	for (size_t i = 0; i < ST_MAX_STACKS; i++)
		if (ctl->stacks[i] && vi_find(ctl->stacks[i], ifindex))
			return true;
	return false;
}

static int open_queue(const struct xdp_open_attr *attr, struct xdp_open_result *res)
{
	struct timespec ms2 = { .tv_nsec = 2000000 };
	int rc;

	/* Closing a socket frees its queue from a kernel worker, a little later:
	 * the last user of the queue may just have gone. */
	for (int i = 0; i < BUSY_MS / 2; i++) {
		rc = xdp_open(attr, res);
		if (rc != -EBUSY)
			return rc;
		nanosleep(&ms2, NULL);
	}
	return rc;
}

static void close_queues(struct stack *st, struct st_vi *vi, struct iface *ifc)
{
	int *xsk = st->xsk[vi - st->rec->vis];

	for (uint32_t q = 0; q < CP_MAX_FDS; q++) {
		if (xsk[q] < 0)
			continue;
		if (ifc)
			xdp_xsk_clear(ifc->prog, vi->vi_set, q);
		close(xsk[q]);
		xsk[q] = -1;
	}
}

static int open_queues(struct stack *st, struct st_vi *vi, struct iface *ifc,
		       const struct cp_vi_req *req, const char *name, char why[96])
{
	struct xdp_open_attr attr = {
		.size = sizeof(attr), .ifindex = req->ifindex, .arena_fd = st->arena_fd,
		.umem_off = st->rec->state_size,
		.umem_len = (uint64_t)st->rec->n_frames * FRAME_SIZE, .frame_size = FRAME_SIZE,
		.rx_size = req->rx_size, .tx_size = req->tx_size,
		.fill_size = req->rx_size, .comp_size = req->tx_size,
		.want_flags = (req->flags & CP_VI_NO_ZC ? 0 : (uint32_t)XDP_WANT_ZC) |
			      (req->flags & CP_VI_NO_GENERIC ? (uint32_t)XDP_WANT_NO_GENERIC : 0),
		.shared_umem_fd = -1,
	};
	int *xsk = st->xsk[vi - st->rec->vis];
	struct xdp_open_result res;
	int rc;

	for (uint32_t q = 0; q < vi->n_q; q++) {
		attr.queue = q;
		rc = open_queue(&attr, &res);
		if (rc < 0) {
			if (rc == -EBUSY)
				snprintf(why, 96, "queue %u of %s is taken by another AF_XDP program", q, name);
			else
				snprintf(why, 96, "AF_XDP on queue %u of %s: %s", q, name, strerror(-rc));
			return rc;
		}
		xsk[q] = res.fd;
		vi->q[q] = (struct cp_vi_info){ q, res.flags | ifc->flags, res.rx_size, res.tx_size,
						res.fill_size, res.comp_size };
	}
	/* All queues before any filter: what is filtered must have where to go. */
	for (uint32_t q = 0; q < vi->n_q; q++) {
		rc = xdp_xsk_set(ifc->prog, vi->vi_set, q, xsk[q]);
		if (rc < 0) {
			snprintf(why, 96, "XSKMAP of %s: %s", name, strerror(-rc));
			return rc;
		}
	}
	return 0;
}

int stack_vi_open(struct stack *st, const struct cp_vi_req *req, struct st_vi **out, char why[96])
{
	struct st_vi *vi = vi_find(st, req->ifindex);
	struct ctld *ctl = st->ctl;
	struct iface *ifc;
	struct cp_link l;
	struct stack *o;
	char key[40];
	int rc, n_q;

	if (!req->ifindex || req->rx_size > MAX_RING || req->tx_size > MAX_RING)
		return -EINVAL;
	if (vi) {
		*out = vi;
		return 0;
	}
	rc = stack_check_link(ctl, req->ifindex, &l, why);
	if (rc < 0)
		return rc;
	o = rival(st, req->ifindex);
	if (o) {
		snprintf(why, 96, "%s is in use by stack %.31s of uid %u: share EF_NAME",
			 l.name, o->rec->name, o->rec->uid);
		return -EBUSY;
	}
	if (raw_on_iface(ctl, req->ifindex)) {
		snprintf(why, 96, "%s is in use by an ef_vi program", l.name);
		return -EBUSY;
	}
	n_q = xdp_n_queues(req->ifindex);
	if (n_q < 0)
		return n_q;
	if (n_q > CP_MAX_FDS || n_q > XDP_MAX_QUEUES) {
		snprintf(why, 96, "%s has %d receive queues, more than %d: see ethtool -L",
			 l.name, n_q, CP_MAX_FDS);
		return -EOPNOTSUPP;
	}
	vi = vi_find(st, 0);
	if (!vi) {
		snprintf(why, 96, "more than %d interfaces in one stack", ST_MAX_VIS);
		return -ENOSPC;
	}
	rc = iface_get(ctl, req->ifindex, &ifc, why);
	if (rc < 0)
		return rc;
	memset(vi, 0, sizeof(*vi));
	vi->n_q = (uint32_t)n_q;
	for (vi->vi_set = 0; vi->vi_set < XDP_VI_SETS && ifc->sets >> vi->vi_set & 1; vi->vi_set++)
		;
	if (vi->vi_set == XDP_VI_SETS) {
		rc = -ENOSPC;
		goto out_put;
	}
	rc = open_queues(st, vi, ifc, req, l.name, why);
	if (rc < 0)
		goto out_close;
	ifc->sets |= 1ull << vi->vi_set;
	snprintf(key, sizeof(key), "st/%u/vi/%u", st->rec->id, req->ifindex);
	holder_put(ctl, key, st->xsk[vi - st->rec->vis], n_q);
	vi->ifindex = req->ifindex;
	rc = filter_vi_opened(st, ifc, vi->vi_set);
	if (rc < 0)
		postern_log(PLOG_RESOURCE, "stack %u: some filters do not fit %s: %s",
			    st->rec->id, l.name, strerror(-rc));
	keeper_send_vi(st, vi, st->xsk[vi - st->rec->vis]);
	*out = vi;
	return 0;

out_close:
	close_queues(st, vi, ifc);
out_put:
	iface_put_set(ctl, ifc, XDP_VI_SETS);
	return rc;
}

static void vi_close(struct stack *st, struct st_vi *vi)
{
	struct iface *ifc = iface_find(st->ctl, vi->ifindex);
	uint32_t set = vi->vi_set;
	char key[40];

	/* Filters first: a filter whose queue has no socket drops. */
	if (ifc)
		xdp_filter_del_set(ifc->prog, set);
	close_queues(st, vi, ifc);
	snprintf(key, sizeof(key), "st/%u/vi/%u", st->rec->id, vi->ifindex);
	holder_drop(st->ctl, key);
	memset(vi, 0, sizeof(*vi));
	if (ifc)
		iface_put_set(st->ctl, ifc, set);
}

void stack_vi_gone(struct stack *st, uint32_t ifindex)
{
	struct st_vi *vi = vi_find(st, ifindex);

	if (!vi)
		return;
	vi_close(st, vi);
	keeper_send_vi_gone(st, ifindex);
}

void stack_destroy(struct stack *st, const char *reason)
{
	struct ctld *ctl = st->ctl;
	char key[32];

	postern_log(PLOG_DEBUG, "stack %u \"%s\" of uid %u ends: %s", st->rec->id, st->rec->name,
		    st->rec->uid, reason);
	for (size_t i = 0; i < ST_MAX_VIS; i++)
		if (st->rec->vis[i].ifindex)
			vi_close(st, &st->rec->vis[i]);
	filter_stack_gone(st);
	lease_close(st);
	keeper_stop(st);
	for (size_t i = 0; i < ST_MAX_PROCS; i++)
		if (st->procs[i].w.fd >= 0) {
			loop_del(&ctl->loop, &st->procs[i].w);
			close(st->procs[i].w.fd);
		}
	snprintf(key, sizeof(key), "st/%u/", st->rec->id);
	memset(st->rec, 0, sizeof(*st->rec));
	holder_drop(ctl, key);
	for (size_t i = 0; i < ST_MAX_STACKS; i++)
		if (ctl->stacks[i] == st)
			ctl->stacks[i] = NULL;
	stack_free(st);
	if (!ctld_has_stacks(ctl))
		neigh_unmanage(ctl, 0);
}

bool stack_is_being_joined(const struct stack *st, const struct client *except)
{
	for (const struct client *c = st->ctl->clients; c; c = c->next)
		for (size_t i = 0; c != except && i < ARRAY_SIZE(c->joining); i++)
			if (c->joining[i] == st->rec->id)
				return true;
	return false;
}

void stack_check_done(struct stack *st)
{
	if (st->rec->done && st->rec->n_proc_done == st->rec->n_proc_msgs && !stack_is_being_joined(st, NULL))
		stack_destroy(st, "no process and no orphan left");
}

uint32_t stack_n_procs(const struct stack *st)
{
	uint32_t n = 0;

	for (size_t i = 0; i < ST_MAX_PROCS; i++)
		n += st->rec->procs[i].pid != 0;
	return n;
}

static void on_proc_death(struct loop_fd *w, uint32_t events)
{
	struct proc *p = container_of(w, struct proc, w);
	struct stack *st = p->st;
	size_t i = (size_t)(p - st->procs);
	char key[40];

	loop_del(&st->ctl->loop, w);
	close(w->fd);
	w->fd = -1;
	snprintf(key, sizeof(key), "st/%u/pr/%zu", st->rec->id, i);
	holder_drop(st->ctl, key);
	memset(&st->rec->procs[i], 0, sizeof(st->rec->procs[i]));
	/* With a keeper, the keeper knows when there are no orphans either. */
	if (st->ctl->conf.no_keeper && stack_n_procs(st) == 0 && !stack_is_being_joined(st, NULL))
		stack_destroy(st, "its last process is gone");
}

/* @pidfd is kept. */
int stack_proc_add(struct stack *st, uint32_t slot, pid_t pid, int pidfd)
{
	struct st_proc *r = NULL;
	char key[40];
	size_t i;
	int rc;

	for (i = 0; i < ST_MAX_PROCS; i++)
		if (st->rec->procs[i].pid == (uint32_t)pid && st->rec->procs[i].slot == slot) {
			close(pidfd);
			return 0;
		}
	for (i = 0; i < ST_MAX_PROCS && st->rec->procs[i].pid; i++)
		;
	if (i == ST_MAX_PROCS) {
		close(pidfd);
		return -ENOSPC;
	}
	r = &st->rec->procs[i];
	st->procs[i].st = st;
	rc = loop_add(&st->ctl->loop, &st->procs[i].w, pidfd, on_proc_death);
	if (rc < 0) {
		st->procs[i].w.fd = -1;
		close(pidfd);
		return rc;
	}
	r->slot = slot;
	r->pid = (uint32_t)pid;
	st->rec->n_joins++;
	st->rec->done = 0;
	snprintf(key, sizeof(key), "st/%u/pr/%zu", st->rec->id, i);
	holder_put(st->ctl, key, &pidfd, 1);
	keeper_send_proc(st, r, pidfd);
	return 0;
}

struct stack *stack_restore(struct ctld *ctl, struct st_stack *rec)
{
	size_t slot = (size_t)(rec - ctl->st->stacks);

	ctl->stacks[slot] = stack_alloc(ctl, rec);
	return ctl->stacks[slot];
}

/* One group of descriptors from the holder; the key's part behind "st/ID/".
 * Consumes them on success. */
int stack_take_fds(struct stack *st, const char *what, const int *fds, int n)
{
	uint32_t k;

	if (strcmp(what, "arena") == 0 && n == 1 + CP_N_DOORBELLS) {
		st->arena_fd = fds[0];
		memcpy(st->doorbell, fds + 1, sizeof(st->doorbell));
		return 0;
	}
	if (strcmp(what, "kp") == 0)
		return keeper_restore(st, fds, n);
	if (strncmp(what, "ls/", 3) == 0)
		return lease_restore(st, fds, n);
	if (sscanf(what, "vi/%u", &k) == 1) {
		struct st_vi *vi = k ? vi_find(st, k) : NULL;

		if (!vi || (uint32_t)n != vi->n_q)
			return -ENOENT;
		memcpy(st->xsk[vi - st->rec->vis], fds, (size_t)n * sizeof(int));
		return 0;
	}
	if (sscanf(what, "pr/%u", &k) == 1 && k < ST_MAX_PROCS && n == 1 && st->rec->procs[k].pid) {
		st->procs[k].st = st;
		return loop_add(&st->ctl->loop, &st->procs[k].w, fds[0], on_proc_death);
	}
	return -ENOENT;
}

/* After all groups: is anything missing?  Makes what can be made again. */
int stack_restored(struct stack *st)
{
	if (st->arena_fd < 0)
		return -ENOENT;
	for (size_t v = 0; v < ST_MAX_VIS; v++) {
		struct st_vi *vi = &st->rec->vis[v];
		struct iface *ifc = iface_find(st->ctl, vi->ifindex);

		if (!vi->ifindex)
			continue;
		/* The interface went while nobody looked. */
		if (!ifc || st->xsk[v][0] < 0) {
			uint32_t ifindex = vi->ifindex;

			vi_close(st, vi);
			keeper_send_vi_gone(st, ifindex);
			continue;
		}
		ifc->sets |= 1ull << vi->vi_set;
		for (uint32_t q = 0; q < vi->n_q; q++)
			if (xdp_xsk_set(ifc->prog, vi->vi_set, q, st->xsk[v][q]) < 0)
				postern_log(PLOG_ERROR, "stack %u: queue %u is lost", st->rec->id, q);
		filter_vi_opened(st, ifc, vi->vi_set);
	}
	for (size_t i = 0; i < ST_MAX_PROCS; i++)
		if (st->rec->procs[i].pid && st->procs[i].w.fd < 0)
			memset(&st->rec->procs[i], 0, sizeof(st->rec->procs[i]));
	return 0;
}
