// SPDX-License-Identifier: BSD-2-Clause
/*
 * raw.c - raw frames for ef_vi: packet memory, AF_XDP sockets and filters of a
 * process on an interface
 *
 * A raw port is one process' packet memory on one interface.  Its VIs share that
 * memory: the first socket of a queue brings it, the others join (XDP_SHARED_UMEM).
 * All of it belongs to one client connection and goes with it; nothing is kept for
 * the next daemon.  Like a stack's queues, those of a port are exclusive.
 */
#include "ctld/ctld.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
	FRAME_SIZE = 2048,
	MIN_FRAMES = 64,
	MAX_FRAMES = 1 << 20,
	MAX_RING = 16384,
	BUSY_MS = 600,		/* for the kernel to release a queue whose sockets were closed */
};

struct raw_vi {
	bool used;
	uint32_t set;
	int xsk[CP_MAX_FDS];
};

struct raw {
	struct raw *next;
	struct client *owner;
	uint32_t id, ifindex, flags, n_frames, n_q;
	uint64_t sets;		/* reserved or in use */
	uint64_t uid_bytes;
	int mem_fd;
	struct raw_vi vis[CP_RAW_MAX_VIS];
};

struct raw *raw_by_id(struct client *c, uint32_t id)
{
	for (struct raw *r = c->ctl->raws; r; r = r->next)
		if (r->id == id && r->owner == c)
			return r;
	return NULL;
}

bool raw_on_iface(const struct ctld *ctl, uint32_t ifindex)
{
	for (const struct raw *r = ctl->raws; r; r = r->next)
		if (r->ifindex == ifindex)
			return true;
	return false;
}

uint64_t raw_used_by(const struct ctld *ctl, uid_t uid)
{
	uint64_t sum = 0;

	for (const struct raw *r = ctl->raws; r; r = r->next)
		if (r->owner->uid == uid)
			sum += (uint64_t)r->n_frames * FRAME_SIZE;
	return sum;
}

/* Memory that its owner can neither shrink under the kernel nor grow. */
static int check_memory(int fd, uint32_t n_frames)
{
	const int want = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
	struct stat st;

	if (fstat(fd, &st) < 0 || fcntl(fd, F_GET_SEALS) < 0 ||
	    (fcntl(fd, F_GET_SEALS) & want) != want ||
	    (uint64_t)st.st_size < (uint64_t)n_frames * FRAME_SIZE)
		return -EINVAL;
	return 0;
}

int raw_open(struct client *c, const struct cp_raw_open_req *q, const int *fds, int n_fds,
	     uint32_t *id, char why[96])
{
	struct ctld *ctl = c->ctl;
	struct iface *ifc;
	struct cp_link l;
	struct raw *r;
	int rc, n_q;

	if (n_fds != 1 || q->n_frames < MIN_FRAMES || q->n_frames > MAX_FRAMES ||
	    check_memory(fds[0], q->n_frames) < 0) {
		snprintf(why, 96, "packet memory is not what it should be");
		return -EINVAL;
	}
	if (raw_used_by(ctl, c->uid) + (uint64_t)q->n_frames * FRAME_SIZE > ctl->conf.quota_bytes) {
		snprintf(why, 96, "uid %u has too much packet memory already", c->uid);
		return -EDQUOT;
	}
	rc = stack_check_link(ctl, q->ifindex, &l, why);
	if (rc < 0)
		return rc;
	if (raw_on_iface(ctl, q->ifindex) || stack_on_iface(ctl, q->ifindex)) {
		snprintf(why, 96, "the queues of %s are taken by another program's rings", l.name);
		return -EBUSY;
	}
	n_q = xdp_n_queues(q->ifindex);
	if (n_q < 0)
		return n_q;
	if (n_q > CP_MAX_FDS || n_q > XDP_MAX_QUEUES) {
		snprintf(why, 96, "%s has %d receive queues, more than %d: see ethtool -L", l.name, n_q,
			 CP_MAX_FDS);
		return -EOPNOTSUPP;
	}
	r = calloc(1, sizeof(*r));
	if (!r)
		return -ENOMEM;
	r->mem_fd = fcntl(fds[0], F_DUPFD_CLOEXEC, 3);
	if (r->mem_fd < 0) {
		rc = -errno;
		free(r);
		return rc;
	}
	rc = iface_get(ctl, q->ifindex, &ifc, why);
	if (rc < 0) {
		close(r->mem_fd);
		free(r);
		return rc;
	}
	r->owner = c;
	r->id = ++ctl->next_raw_id;
	r->ifindex = q->ifindex;
	r->flags = q->flags;
	r->n_frames = q->n_frames;
	r->n_q = (uint32_t)n_q;
	for (size_t i = 0; i < CP_RAW_MAX_VIS; i++)
		memset(r->vis[i].xsk, 0xff, sizeof(r->vis[i].xsk));
	r->next = ctl->raws;
	ctl->raws = r;
	*id = r->id;
	return 0;
}

int raw_reserve(struct client *c, struct raw *r, uint32_t n, uint32_t *first)
{
	struct iface *ifc = iface_find(c->ctl, r->ifindex);
	uint64_t mask;

	if (!ifc)
		return -ENODEV;
	if (n == 0 || n > CP_RAW_MAX_VIS)
		return -EINVAL;
	mask = (1ull << n) - 1;
	for (uint32_t s = 0; s + n <= XDP_VI_SETS; s++) {
		if (ifc->sets >> s & mask)
			continue;
		ifc->sets |= mask << s;
		r->sets |= mask << s;
		*first = s;
		return 0;
	}
	return -ENOSPC;
}

/* A live socket of the port on this queue, or -1: the next one brings the memory. */
static int sibling(const struct raw *r, uint32_t q)
{
	for (size_t i = 0; i < CP_RAW_MAX_VIS; i++)
		if (r->vis[i].used && r->vis[i].xsk[q] >= 0)
			return r->vis[i].xsk[q];
	return -1;
}

static int open_queue(const struct xdp_open_attr *attr, struct xdp_open_result *res)
{
	struct timespec ms2 = { .tv_nsec = 2000000 };
	int rc = -EBUSY;

	/* Closing a socket frees its queue from a kernel worker, a little later. */
	for (int i = 0; i < BUSY_MS / 2 && rc == -EBUSY; i++) {
		rc = xdp_open(attr, res);
		if (rc == -EBUSY)
			nanosleep(&ms2, NULL);
	}
	return rc;
}

static void close_vi(struct ctld *ctl, struct raw *r, struct raw_vi *vi)
{
	struct iface *ifc = iface_find(ctl, r->ifindex);

	/* Filters first: a filter whose queue has no socket drops. */
	if (ifc)
		xdp_raw_del_set(ifc->prog, vi->set);
	for (uint32_t q = 0; q < CP_MAX_FDS; q++) {
		if (vi->xsk[q] < 0)
			continue;
		if (ifc)
			xdp_xsk_clear(ifc->prog, vi->set, q);
		close(vi->xsk[q]);
		vi->xsk[q] = -1;
	}
	if (vi->used && ifc)
		ifc->sets &= ~(1ull << vi->set);
	r->sets &= ~(1ull << vi->set);
	vi->used = false;
}

int raw_vi_open(struct client *c, struct raw *r, const struct cp_raw_vi_req *q,
		struct cp_raw_vi_rep *rep, int *out_fds, char why[96])
{
	struct iface *ifc = iface_find(c->ctl, r->ifindex);
	struct raw_vi *vi = NULL;
	uint32_t set = q->set;
	int rc = 0;

	if (!ifc)
		return -ENODEV;
	if (q->rx_size > MAX_RING || q->tx_size > MAX_RING || q->fill_size > MAX_RING)
		return -EINVAL;
	for (size_t i = 0; i < CP_RAW_MAX_VIS; i++) {
		if (!r->vis[i].used && !vi)
			vi = &r->vis[i];
		if (r->vis[i].used && r->vis[i].set == set)
			return -EBUSY;
	}
	if (!vi)
		return -ENOSPC;
	if (set == ID_NONE)
		rc = raw_reserve(c, r, 1, &set);
	else if (set >= XDP_VI_SETS || !(r->sets >> set & 1))
		rc = -EINVAL;
	if (rc < 0)
		return rc;
	vi->used = true;
	vi->set = set;
	for (uint32_t i = 0; i < r->n_q; i++) {
		struct xdp_open_attr attr = {
			.size = sizeof(attr), .ifindex = r->ifindex, .queue = i,
			.arena_fd = r->mem_fd, .umem_len = (uint64_t)r->n_frames * FRAME_SIZE,
			.frame_size = FRAME_SIZE, .rx_size = q->rx_size, .tx_size = q->tx_size,
			.fill_size = q->fill_size, .comp_size = q->fill_size,
			.want_flags = (r->flags & CP_VI_NO_ZC ? 0 : (uint32_t)XDP_WANT_ZC) |
				      (r->flags & CP_VI_NO_GENERIC ? (uint32_t)XDP_WANT_NO_GENERIC : 0),
			.shared_umem_fd = sibling(r, i),
		};
		struct xdp_open_result res;

		if (attr.shared_umem_fd >= 0) {
			attr.fill_size = attr.comp_size = XDP_RING_NONE;
			rep->flags |= CP_RAW_SHARED;
		}
		rc = open_queue(&attr, &res);
		if (rc < 0) {
			snprintf(why, 96, "AF_XDP on queue %u of interface %u: %s", i, r->ifindex,
				 rc == -EBUSY ? "taken by another AF_XDP program" : strerror(-rc));
			goto out_close;
		}
		vi->xsk[i] = out_fds[i] = res.fd;
		rep->q[i] = (struct cp_vi_info){ i, res.flags | ifc->flags, res.rx_size, res.tx_size,
						 res.fill_size, res.comp_size };
		rc = xdp_xsk_set(ifc->prog, set, i, res.fd);
		if (rc < 0) {
			snprintf(why, 96, "XSKMAP: %s", strerror(-rc));
			goto out_close;
		}
	}
	rep->set = set;
	return (int)r->n_q;

out_close:
	close_vi(c->ctl, r, vi);
	return rc;
}

int raw_vi_close(struct client *c, struct raw *r, uint32_t set)
{
	for (size_t i = 0; i < CP_RAW_MAX_VIS; i++)
		if (r->vis[i].used && r->vis[i].set == set) {
			close_vi(c->ctl, r, &r->vis[i]);
			return 0;
		}
	/* Reserved and never opened. */
	if (set < XDP_VI_SETS && r->sets >> set & 1) {
		struct iface *ifc = iface_find(c->ctl, r->ifindex);

		r->sets &= ~(1ull << set);
		if (ifc) {
			xdp_raw_del_set(ifc->prog, set);
			ifc->sets &= ~(1ull << set);
		}
		return 0;
	}
	return -ENOENT;
}

void raw_close(struct ctld *ctl, struct raw *r)
{
	struct iface *ifc;
	struct raw **at;

	for (size_t i = 0; i < CP_RAW_MAX_VIS; i++)
		if (r->vis[i].used)
			close_vi(ctl, r, &r->vis[i]);
	ifc = iface_find(ctl, r->ifindex);
	for (uint32_t s = 0; ifc && s < XDP_VI_SETS; s++)
		if (r->sets >> s & 1) {
			xdp_raw_del_set(ifc->prog, s);
			ifc->sets &= ~(1ull << s);
		}
	for (at = &ctl->raws; *at && *at != r; at = &(*at)->next)
		;
	if (*at)
		*at = r->next;
	if (ifc)
		iface_put_set(ctl, ifc, XDP_VI_SETS);
	close(r->mem_fd);
	free(r);
}

void raw_client_gone(struct client *c)
{
	for (struct raw *r = c->ctl->raws, *next; r; r = next) {
		next = r->next;
		if (r->owner == c)
			raw_close(c->ctl, r);
	}
}

/* The interface is no more: the owner's sockets say so themselves. */
void raw_iface_gone(struct ctld *ctl, uint32_t ifindex)
{
	for (struct raw *r = ctl->raws, *next; r; r = next) {
		next = r->next;
		if (r->ifindex == ifindex)
			raw_close(ctl, r);
	}
}

int raw_filter(struct client *c, struct raw *r, const struct cp_raw_filter *f)
{
	struct iface *ifc = iface_find(c->ctl, r->ifindex);
	struct nic_raw n = {
		.kind = f->kind, .spread = f->spread, .proto = f->proto, .vlan = f->vlan,
		.vi_set = f->set, .etype = { f->etype }, .lport = { f->lport }, .rport = { f->rport },
	};

	if (!ifc)
		return -ENODEV;
	if (f->spread > CP_RAW_MAX_VIS)
		return -EINVAL;
	for (uint32_t i = 0; i < max_t(uint32_t, f->spread, 1); i++)
		if (f->set + i >= XDP_VI_SETS || !(r->sets >> (f->set + i) & 1))
			return -EACCES;
	memcpy(n.mac, f->mac, 6);
	memcpy(n.laddr.b, f->laddr, 16);
	memcpy(n.raddr.b, f->raddr, 16);
	return f->del ? xdp_raw_del(ifc->prog, &n) : xdp_raw_add(ifc->prog, &n);
}
