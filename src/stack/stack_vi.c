// SPDX-License-Identifier: BSD-2-Clause
/*
 * stack_vi.c - interfaces of a stack
 *
 * An interface joins the stack at the first socket that needs it.  The daemon
 * binds an AF_XDP socket to each queue; the process that asked enters them into
 * the arena, and the others map them when they see vi_gen move.  VIs are never
 * renumbered: a connection's cached route names one.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "base/sys.h"
#include "stack/stack.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

/* One at a time in this process; the arena's part is under the stack lock. */
static pthread_mutex_t open_mutex = PTHREAD_MUTEX_INITIALIZER;

static struct stack_if *find_if(struct stack *st, uint32_t ifindex)
{
	for (uint32_t i = 0; i < st->shm->n_ifs && i < NET_MAX_VIS; i++)
		if (st->shm->ifs[i].ifindex == ifindex)
			return &st->shm->ifs[i];
	return NULL;
}

static void init_vi_shm(struct stack *st, struct vi_shm *sh, uint32_t ifindex, const struct cp_vi_info *q)
{
	memset(sh, 0, sizeof(*sh));
	sh->driver = VI_DRV_XDP;
	sh->flags = q->flags;
	sh->ifindex = ifindex;
	sh->queue = q->queue;
	sh->rx_size = q->rx_size;
	sh->tx_size = q->tx_size;
	sh->fill_size = q->fill_size;
	sh->comp_size = q->comp_size;
	sh->frame_shift = PKT_FRAME_SHIFT;
	sh->n_frames = st->shm->n_frames;
}

/* Map the sockets of an interface that is in the arena.  Takes the descriptors. */
static int map_if(struct stack *st, const struct stack_if *sif, const int *fds, uint32_t n)
{
	int rc = 0;

	for (uint32_t i = 0; i < n; i++) {
		uint32_t v = sif->first + i;

		if (i >= sif->n || v >= NET_MAX_VIS || st->vis[v].fd >= 0 || rc < 0) {
			sys_close(fds[i]);
			continue;
		}
		rc = vi_map_xdp(&st->vis[v], &st->shm->vis[v], sys_fd_high(fds[i]));
	}
	return rc;
}

/* VIs are polled in order, as far as they are mapped without a gap. */
static void count_vis(struct stack *st)
{
	uint32_t n = 0;

	while (n < st->shm->n_vis && n < NET_MAX_VIS && st->vis[n].fd >= 0)
		n++;
	st->net.n_vis = n;
}

/* Enter a new interface into the arena and fill its rings.  Lock held. */
static struct stack_if *enter_if(struct stack *st, const struct cp_vi_rep *rep)
{
	struct stack_shm *sh = st->shm;
	struct stack_if *sif;

	if (sh->n_ifs >= NET_MAX_VIS || sh->n_vis + rep->h.n > NET_MAX_VIS)
		return NULL;
	sif = &sh->ifs[sh->n_ifs];
	sif->ifindex = rep->ifindex;
	sif->first = sh->n_vis;
	sif->n = rep->h.n;
	sif->flags = rep->q[0].flags;
	for (uint32_t i = 0; i < rep->h.n; i++)
		init_vi_shm(st, &sh->vis[sif->first + i], rep->ifindex, &rep->q[i]);
	return sif;
}

static int ask_daemon(struct stack *st, uint32_t ifindex, struct cp_vi_rep *rep, int *fds, int *n_fds, char why[96])
{
	struct cp_vi_req req = {
		.h = { .type = CP_REQ_VI_OPEN, .len = sizeof(req), .stack_id = st->id },
		.ifindex = ifindex,
		.flags = st->no_zc ? CP_VI_NO_ZC : 0,
		.rx_size = st->rx_size,
		.tx_size = st->tx_size,
	};
	int rc;

	memset(rep, 0, sizeof(*rep));
	rc = cp_call(st->client, &req, sizeof(req), NULL, 0, rep, sizeof(*rep), fds, n_fds);
	if (rc >= 0 && (rep->h.n == 0 || rep->h.n != (uint32_t)*n_fds)) {
		for (int i = 0; i < *n_fds; i++)
			sys_close(fds[i]);
		rc = -EPROTO;
	}
	if (rc < 0 && why)
		snprintf(why, 96, "%s", rep->h.why[0] ? rep->h.why : strerror(-rc));
	return rc;
}

static bool if_mapped(struct stack *st, const struct stack_if *sif)
{
	return sif && sif->first + sif->n <= st->net.n_vis;
}

static int add_if_locked_out(struct stack *st, uint32_t ifindex, char why[96])
{
	int fds[CP_MAX_FDS], n_fds = CP_MAX_FDS, rc;
	struct stack_if *sif;
	struct cp_vi_rep rep;
	bool entered = false;

	rc = ask_daemon(st, ifindex, &rep, fds, &n_fds, why);
	if (rc < 0)
		return rc;
	/* The kernel has pinned all frames by now: take their page-table
	 * entries at once instead of a fault each on the packet path. */
	madvise(st->net.frames, (size_t)st->net.n_frames << PKT_FRAME_SHIFT, MADV_POPULATE_WRITE);

	stack_lock(st);
	sif = find_if(st, ifindex);
	if (!sif) {
		sif = enter_if(st, &rep);
		entered = true;
	}
	rc = sif ? map_if(st, sif, fds, (uint32_t)n_fds) : -ENOSPC;
	if (rc == 0 && entered) {
		st->shm->n_ifs++;
		st->shm->n_vis += sif->n;
	}
	if (rc == 0) {
		count_vis(st);
		if (entered) {
			for (uint32_t i = 0; i < sif->n; i++)
				stack_fill_vi(st, sif->first + i);
			st->vi_gen = 1 + atomic_fetch_add(&st->shm->vi_gen, 1);
		}
	}
	stack_unlock(st);
	if (!sif)
		for (int i = 0; i < n_fds; i++)
			sys_close(fds[i]);
	if (rc < 0 && why)
		snprintf(why, 96, "cannot map the rings: %s", strerror(-rc));
	return rc;
}

int stack_add_if(struct stack *st, uint32_t ifindex, char why[96])
{
	int rc;

	if (if_mapped(st, find_if(st, ifindex)))
		return 0;
	pthread_mutex_lock(&open_mutex);
	/* Earlier interfaces first: VIs are mapped without a gap. */
	rc = stack_sync_vis(st);
	if (rc == 0 && !if_mapped(st, find_if(st, ifindex)))
		rc = add_if_locked_out(st, ifindex, why);
	pthread_mutex_unlock(&open_mutex);
	return rc;
}

int stack_sync_vis(struct stack *st)
{
	uint32_t gen = atomic_load_explicit(&st->shm->vi_gen, memory_order_acquire);
	int rc = 0;

	if (st->vi_gen == gen || !st->client)
		return 0;
	for (uint32_t i = 0; i < st->shm->n_ifs && rc == 0; i++)
		if (!if_mapped(st, &st->shm->ifs[i]))
			rc = add_if_locked_out(st, st->shm->ifs[i].ifindex, NULL);
	if (rc == 0)
		st->vi_gen = gen;
	return rc;
}

int stack_map_if(struct stack *st, uint32_t ifindex, const int *xsk_fds, uint32_t n)
{
	struct stack_if *sif;
	int rc;

	stack_lock(st);
	sif = find_if(st, ifindex);
	rc = sif ? map_if(st, sif, xsk_fds, n) : -EAGAIN;
	if (rc == 0)
		count_vis(st);
	stack_unlock(st);
	return rc;
}
