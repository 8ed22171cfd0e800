// SPDX-License-Identifier: BSD-2-Clause
/*
 * port.c - packet memory of this process on an interface, and its AF_XDP sockets
 *
 * The memory is a sealed memfd that posternd registers with the kernel; this process
 * maps it and the rings and needs no privilege.  The first VI of a port brings the
 * fill and completion rings, further ones share them.
 */
#include "efvi/efvi.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/sys.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

static struct efvi_port *ports;

static int make_memory(struct efvi_port *p)
{
	size_t len = (size_t)p->n_frames << EFVI_FRAME_SHIFT;
	int fd = (int)sys2(SYS_memfd_create, "ef_vi", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	int rc;

	if (fd < 0)
		return fd;
	fd = sys_fd_high(fd);
	rc = (int)sys2(SYS_ftruncate, fd, len);
	if (rc == 0)
		rc = sys_fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
	if (rc < 0)
		goto out_close;
	p->mem = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (p->mem == MAP_FAILED) {
		rc = -errno;
		goto out_close;
	}
	p->mem_fd = fd;
	return 0;

out_close:
	sys_close(fd);
	return rc;
}

static int call(const void *req, size_t len, const int *fds, int n_fds, void *rep, size_t room,
		int *out, int *n_out)
{
	struct cp_client *c;
	int rc = efvi_client(&c);

	if (rc < 0)
		return rc;
	memset(rep, 0, room);
	rc = cp_call(c, req, len, fds, n_fds, rep, room, out, n_out);
	if (rc < 0 && ((struct cp_rep *)rep)->why[0])
		efvi_say("ef_vi: %s", ((struct cp_rep *)rep)->why);
	return rc;
}

static int raw_open(struct efvi_port *p)
{
	struct cp_raw_open_req req = {
		.h = { .type = CP_REQ_RAW_OPEN, .len = sizeof(req) },
		.ifindex = p->ifindex, .n_frames = p->n_frames,
		.flags = efvi_env_int("EF_VI_NO_ZC", 0) ? CP_VI_NO_ZC : 0,
	};
	struct cp_rep rep;
	int rc = call(&req, sizeof(req), &p->mem_fd, 1, &rep, sizeof(rep), NULL, NULL);

	if (rc == 0)
		p->raw_id = rep.stack_id;
	return rc;
}

static void port_free(struct efvi_port *p)
{
	if (p->open)
		for (uint32_t i = 0; i < p->n_q; i++)
			vi_close(&p->q[i]);
	if (p->mem)
		munmap(p->mem, (size_t)p->n_frames << EFVI_FRAME_SHIFT);
	if (p->mem_fd >= 0)
		sys_close(p->mem_fd);
	free(p->q);
	free(p->q_shm);
	free(p->free);
	free(p->owner);
	free(p);
}

int efvi_port_get(uint32_t ifindex, uint32_t n_rx, uint32_t n_tx, struct efvi_port **out)
{
	struct efvi_port *p;
	int rc;

	for (p = ports; p; p = p->next)
		if (p->ifindex == ifindex && p->pid == sys_getpid()) {	/* not a parent's */
			p->refs++;
			*out = p;
			return 0;
		}
	p = calloc(1, sizeof(*p));
	if (!p)
		return -ENOMEM;
	p->mem_fd = -1;
	p->ifindex = ifindex;
	p->pid = sys_getpid();
	p->refs = 1;
	/* Room for further VIs: the kernel pins it all at once. */
	p->n_frames = max_t(uint32_t, 4 * (n_rx + n_tx), 8192);
	p->free = calloc(p->n_frames, sizeof(p->free[0]));
	p->owner = calloc(p->n_frames, 1);
	if (!p->free || !p->owner) {
		port_free(p);
		return -ENOMEM;
	}
	/* Low frames last in, first out. */
	for (uint32_t i = 0; i < p->n_frames; i++)
		p->free[i] = p->n_frames - 1 - i;
	p->n_free = p->n_frames;
	rc = make_memory(p);
	if (rc == 0)
		rc = raw_open(p);
	if (rc < 0) {
		port_free(p);
		return rc;
	}
	p->next = ports;
	ports = p;
	*out = p;
	return 0;
}

int efvi_raw_close(struct efvi_port *p, uint32_t set)
{
	struct cp_raw_vi_req req = { .h = { .type = CP_REQ_RAW_CLOSE, .len = sizeof(req),
					    .stack_id = p->raw_id }, .set = set };
	struct cp_rep rep;

	return call(&req, sizeof(req), NULL, 0, &rep, sizeof(rep), NULL, NULL);
}

int efvi_raw_sets(struct efvi_port *p, uint32_t n, uint32_t *first)
{
	struct cp_raw_vi_req req = { .h = { .type = CP_REQ_RAW_SETS, .len = sizeof(req),
					    .stack_id = p->raw_id, .n = n } };
	struct cp_raw_vi_rep rep;
	int rc = call(&req, sizeof(req), NULL, 0, &rep, sizeof(rep), NULL, NULL);

	if (rc == 0)
		*first = rep.set;
	return rc;
}

void efvi_port_put(struct efvi_port *p)
{
	struct efvi_port **at;

	if (--p->refs)
		return;
	for (at = &ports; *at && *at != p; at = &(*at)->next)
		;
	if (*at)
		*at = p->next;
	(void)efvi_raw_close(p, ID_NONE);
	port_free(p);
}

static int map_queues(struct efvi_port *p, struct vi *q, struct vi_shm *shm,
		      const struct cp_raw_vi_rep *rep, int *fds)
{
	uint32_t n = rep->h.n;
	int rc = 0;

	for (uint32_t i = 0; i < n; i++) {
		shm[i].driver = VI_DRV_XDP;
		shm[i].flags = rep->q[i].flags;
		shm[i].ifindex = p->ifindex;
		shm[i].queue = i;
		shm[i].rx_size = rep->q[i].rx_size;
		shm[i].tx_size = rep->q[i].tx_size;
		shm[i].fill_size = rep->q[i].fill_size;
		shm[i].comp_size = rep->q[i].comp_size;
		shm[i].frame_shift = EFVI_FRAME_SHIFT;
		shm[i].n_frames = p->n_frames;
		if (rc == 0)
			rc = vi_map_xdp(&q[i], &shm[i], fds[i]);
		if (rc < 0)
			sys_close(fds[i]);
	}
	for (uint32_t i = 0; rc < 0 && i < n; i++)
		if (q[i].shm)
			vi_close(&q[i]);
	return rc;
}

/* Frames for a new VI: into the fill rings as many as it has buffers, and its own to
 * send from. */
static int give_frames(struct efvi_port *p, struct efvi_vi *v, uint32_t rx, uint32_t tx)
{
	v->tx_free = calloc(tx ? tx : 1, sizeof(v->tx_free[0]));
	v->tx_back = calloc(tx ? tx : 1, sizeof(v->tx_back[0]));
	if (!v->tx_free || !v->tx_back)
		return -ENOMEM;
	port_lock(p);
	while (v->n_tx_free < tx && p->n_free) {
		uint32_t f = p->free[--p->n_free];

		p->owner[f] = (uint8_t)v->index;
		v->tx_free[v->n_tx_free++] = f;
	}
	v->tx_frames = v->n_tx_free;
	for (uint32_t q = 0; q < p->n_q; q++)
		for (uint32_t i = 0; i < rx && p->n_free; i++) {
			if (vi_rx_refill(&p->q[q], &p->free[p->n_free - 1], 1) != 1)
				break;
			p->n_free--;
		}
	port_unlock(p);
	return v->tx_frames < tx ? -ENOMEM : 0;
}

int efvi_port_vi(struct efvi_port *p, struct efvi_vi *v, uint32_t set, uint32_t rx, uint32_t tx)
{
	struct cp_raw_vi_req req = {
		.h = { .type = CP_REQ_RAW_VI, .len = sizeof(req), .stack_id = p->raw_id },
		.set = set, .rx_size = max_t(uint32_t, rx, EFVI_RING_MIN),
		.tx_size = max_t(uint32_t, tx, EFVI_RING_MIN), .fill_size = EFVI_FILL,
	};
	int fds[CP_MAX_FDS], n_fds = CP_MAX_FDS, rc;
	struct cp_raw_vi_rep rep;

	for (v->index = 0; v->index < EFVI_MAX_VIS && p->vis[v->index]; v->index++)
		;
	if (v->index == EFVI_MAX_VIS)
		return -EBUSY;
	/* Long before a second VI touches the rings: their user may be at it now. */
	p->shared = p->open;
	rc = call(&req, sizeof(req), NULL, 0, &rep, sizeof(rep), fds, &n_fds);
	if (rc < 0)
		return rc;
	if (!rep.h.n || rep.h.n != (uint32_t)n_fds || (p->open && rep.h.n != p->n_q)) {
		for (int i = 0; i < n_fds; i++)
			sys_close(fds[i]);
		return -EPROTO;
	}
	v->set = rep.set;
	v->n_q = rep.h.n;
	/* Taken as many page-table entries now as faults later. */
	(void)madvise(p->mem, (size_t)p->n_frames << EFVI_FRAME_SHIFT, MADV_POPULATE_WRITE);
	v->q = calloc(v->n_q, sizeof(v->q[0]));
	v->q_shm = aligned_alloc(CACHE_LINE, v->n_q * sizeof(v->q_shm[0]));
	rc = v->q && v->q_shm ? 0 : -ENOMEM;
	if (v->q_shm)
		memset(v->q_shm, 0, v->n_q * sizeof(v->q_shm[0]));
	if (rc == 0)
		rc = map_queues(p, v->q, v->q_shm, &rep, fds);
	else
		for (int i = 0; i < n_fds; i++)
			sys_close(fds[i]);
	if (rc < 0) {
		free(v->q);
		free(v->q_shm);
		(void)efvi_raw_close(p, v->set);
		return rc;
	}
	v->virt = rep.q[0].flags & VI_F_VIRTUAL;
	v->txq_no = v->index % v->n_q;
	if (!p->open) {
		p->q = v->q;
		p->q_shm = v->q_shm;
		p->n_q = v->n_q;
		p->open = true;
		v->primary = true;
	}
	p->vis[v->index] = v;
	v->port = p;
	rc = give_frames(p, v, rx, tx);
	if (rc < 0)
		efvi_port_vi_gone(p, v);
	return rc;
}

void efvi_port_vi_gone(struct efvi_port *p, struct efvi_vi *v)
{
	bool last = true;

	(void)efvi_raw_close(p, v->set);
	port_lock(p);
	p->vis[v->index] = NULL;
	while (v->n_tx_free)
		p->free[p->n_free++] = v->tx_free[--v->n_tx_free];
	while (v->n_tx_back)
		p->free[p->n_free++] = v->tx_back[--v->n_tx_back];
	port_unlock(p);
	for (uint32_t i = 0; i < EFVI_MAX_VIS; i++)
		last &= !p->vis[i];
	if (!v->primary) {
		for (uint32_t i = 0; i < v->n_q; i++)
			vi_close(&v->q[i]);
		free(v->q);
		free(v->q_shm);
	}
	/* The port without VIs is as before the first. */
	if (last && p->open) {
		for (uint32_t i = 0; i < p->n_q; i++)
			vi_close(&p->q[i]);
		free(p->q);
		free(p->q_shm);
		p->q = NULL;
		p->q_shm = NULL;
		p->open = false;
		p->shared = false;
		for (uint32_t i = 0; i < p->n_frames; i++)
			p->free[i] = p->n_frames - 1 - i;
		p->n_free = p->n_frames;
	}
	free(v->tx_free);
	free(v->tx_back);
	v->tx_free = v->tx_back = NULL;
}
