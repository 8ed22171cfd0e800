// SPDX-License-Identifier: BSD-2-Clause
/*
 * memif_link.c - the memory of a connection: regions and rings
 *
 * A slave makes them: region 0 has both rings and, with copies, their buffers;
 * region 1 with zero-copy is its packet memory.  A master maps what a slave sends
 * and believes none of it: a region must be as long as it says and sealed against
 * becoming shorter (access behind the end of a file is SIGBUS), a ring must lie in
 * it.  Nothing here is on the path of a frame.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "base/sys.h"
#include "nic/memif/memif_priv.h"

#define HUGETLBFS_SUPER 0x958458f6u
#define REGION_MAX (64ull << 30)	/* address space that one region may take */

static struct memif_link *link_clear(struct memif_link *l)
{
	memset(l, 0, sizeof(*l));
	l->rx.efd = l->tx.efd = -1;
	for (int i = 0; i < MEMIF_REGIONS; i++)
		l->region[i].fd = -1;
	return l;
}

struct memif_link *memif_link_new(struct memif *m)
{
	for (int i = 0; i < MEMIF_LINKS; i++) {
		if (m->links[i].in_use)
			continue;
		link_clear(&m->links[i])->in_use = true;
		return &m->links[i];
	}
	return NULL;
}

void memif_link_free(struct memif_link *l)
{
	for (uint32_t i = 0; i < l->n_regions; i++) {
		/* A slave's packet memory is its owner's. */
		if (l->region[i].base && !(l->slave && i > 0))
			munmap(l->region[i].base, l->region[i].size);
		if (l->region[i].fd >= 0 && !(l->slave && i > 0))
			sys_close(l->region[i].fd);
	}
	if (l->rx.efd >= 0)
		sys_close(l->rx.efd);
	if (l->tx.efd >= 0)
		sys_close(l->tx.efd);
	link_clear(l);
}

/* What the packet path looks at while there is no peer. */
void memif_link_none(struct memif *m)
{
	struct memif_q *q[2] = { &m->none.rx, &m->none.tx };

	link_clear(&m->none);
	for (int i = 0; i < 2; i++) {
		q[i]->ring = &m->none_ring[i];
		q[i]->ring->flags = MEMIF_RING_MASK_INT;
		q[i]->ours = &q[i]->ring->head;
		q[i]->theirs = &q[i]->ring->tail;
	}
	m->link = &m->none;
}

/* ---- slave ------------------------------------------------------------------------ */

static int sealed_memfd(const char *name, uint64_t size)
{
	int fd = (int)sys2(SYS_memfd_create, name, MFD_CLOEXEC | MFD_ALLOW_SEALING), rc;

	if (fd < 0)
		return fd;
	rc = (int)sys2(SYS_ftruncate, fd, size);
	/* Without the seals VPP and we ourselves would refuse the region. */
	if (rc == 0)
		rc = sys_fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
	if (rc < 0) {
		sys_close(fd);
		return rc;
	}
	return sys_fd_high(fd);
}

/* Move the owner's packet memory into a memfd, in its place. */
int memif_own_frames(struct memif *m)
{
	const size_t len = (size_t)m->attr.n_frames << m->attr.frame_shift;
	void *p;
	int fd;

	if (m->attr.frames_fd >= 0)
		return 0;
	if ((uintptr_t)m->attr.frames & 4095 || len & 4095)
		return -EINVAL;
	fd = sealed_memfd("memif frames", len);
	if (fd < 0)
		return fd;
	p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		goto out_close;
	memcpy(p, m->attr.frames, len);
	munmap(p, len);
	p = mmap(m->attr.frames, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0);
	if (p == MAP_FAILED)
		goto out_close;
	m->attr.frames_fd = fd;
	m->attr.frames_off = 0;
	return 0;

out_close:
	sys_close(fd);
	return -ENOMEM;
}

static void place_q(struct memif_q *q, uint8_t *base, uint64_t off, uint32_t n, bool slave, bool rx)
{
	q->ring = (struct memif_ring *)(base + off);
	q->mask = (uint16_t)(n - 1);
	q->bias = slave ? (uint16_t)n : 0;
	q->batch = (uint16_t)(n / 4 < MEMIF_BATCH ? n / 4 : MEMIF_BATCH);
	q->ours = slave ? &q->ring->head : &q->ring->tail;
	q->theirs = slave ? &q->ring->tail : &q->ring->head;
	/* Whoever receives says whether it wants interrupts: not until vi_rx_arm(). */
	if (rx)
		__atomic_fetch_or(&q->ring->flags, MEMIF_RING_MASK_INT, __ATOMIC_RELAXED);
}

static void fill_bufs(struct memif_link *l, struct memif_q *q, uint64_t off)
{
	q->bufs = l->region[0].base + off;
	q->bufs_off = (uint32_t)off;
	for (uint32_t i = 0; i <= q->mask; i++) {
		q->ring->desc[i].length = l->buf_size;
		q->ring->desc[i].offset = (uint32_t)off + i * l->buf_size;
	}
}

int memif_link_make(struct memif *m, struct memif_link *l, uint32_t max_log2)
{
	uint32_t n = m->attr.ring_size;
	uint64_t ring, size, bufs;
	int fd;

	if (max_log2 < 15 && n > 1u << max_log2)
		n = 1u << max_log2;
	l->slave = true;
	l->zc = m->attr.flags & MEMIF_ZEROCOPY;
	l->buf_size = m->attr.buf_size;
	ring = ROUND_UP(MEMIF_RING_HDR + (uint64_t)n * sizeof(struct memif_desc), 4096);
	bufs = l->zc ? 0 : (uint64_t)n * l->buf_size;
	size = 2 * (ring + bufs);
	fd = sealed_memfd("memif region 0", size);
	if (fd < 0)
		return fd;
	l->region[0].fd = fd;
	l->region[0].size = size;
	l->n_regions = 1;
	l->region[0].base = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);
	if (l->region[0].base == MAP_FAILED) {
		l->region[0].base = NULL;
		return -ENOMEM;
	}
	place_q(&l->tx, l->region[0].base, 0, n, true, false);
	place_q(&l->rx, l->region[0].base, ring, n, true, true);
	l->tx.ring->cookie = l->rx.ring->cookie = MEMIF_COOKIE;
	l->rx.efd = sys_fd_high((int)sys2(SYS_eventfd2, 0, EFD_CLOEXEC | EFD_NONBLOCK));
	l->tx.efd = sys_fd_high((int)sys2(SYS_eventfd2, 0, EFD_CLOEXEC | EFD_NONBLOCK));
	if (l->rx.efd < 0 || l->tx.efd < 0)
		return -EMFILE;
	if (l->zc) {
		l->region[1].fd = m->attr.frames_fd;
		l->region[1].base = m->frames - m->attr.frames_off;
		l->region[1].size = m->attr.frames_off + ((uint64_t)m->attr.n_frames << m->attr.frame_shift);
		l->n_regions = 2;
		memif_rx_repost(m, l);
	} else {
		fill_bufs(l, &l->tx, 2 * ring);
		fill_bufs(l, &l->rx, 2 * ring + bufs);
		/* All receive buffers are the peer's from the start. */
		__atomic_store_n(l->rx.ours, l->rx.bias, __ATOMIC_RELEASE);
	}
	return 0;
}

/* ---- master ----------------------------------------------------------------------- */

/* Can reading and writing @size bytes of @fd ever fault? */
static int region_fd_ok(int fd, uint64_t size, bool trust)
{
	struct statfs fs;
	struct stat sb;
	int seals;

	if (sys2(SYS_fstat, fd, &sb) < 0 || !S_ISREG(sb.st_mode) || sb.st_size < 0 || (uint64_t)sb.st_size < size)
		return -EINVAL;
	if (trust)
		return 0;
	seals = sys_fcntl(fd, F_GET_SEALS, 0);
	if (seals < 0 || !(seals & F_SEAL_SHRINK))
		return -EPERM;
	/* A hole punched into huge pages may find no page to fill it. */
	if (sys2(SYS_fstatfs, fd, &fs) < 0 || (uint32_t)fs.f_type == HUGETLBFS_SUPER)
		return -EPERM;
	return 0;
}

int memif_link_add_region(struct memif *m, struct memif_link *l, const struct memif_msg_add_region *r, int fd)
{
	const uint64_t size = r->size;
	void *p;
	int rc;

	if (fd < 0 || r->index != l->n_regions || l->n_regions >= MEMIF_REGIONS || !size || size > REGION_MAX)
		return -EINVAL;
	rc = region_fd_ok(fd, size, m->attr.flags & MEMIF_TRUST);
	if (rc < 0)
		return rc;
	p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		return -ENOMEM;
	l->region[l->n_regions].base = p;
	l->region[l->n_regions].size = size;
	l->n_regions++;
	return 0;
}

/* The peer's doorbell is written to from the packet path: only an eventfd, which
 * cannot block.  Others of anonymous inodes refuse the write. */
static int doorbell_ok(int fd)
{
	struct stat sb;
	int fl;

	if (sys2(SYS_fstat, fd, &sb) < 0 || sb.st_mode & S_IFMT)
		return -EINVAL;
	fl = sys_fcntl(fd, F_GETFL, 0);
	return fl < 0 ? fl : sys_fcntl(fd, F_SETFL, fl | O_NONBLOCK);
}

int memif_link_add_ring(struct memif_link *l, const struct memif_msg_add_ring *r, int *fd)
{
	bool s2m = r->flags & MEMIF_ADD_RING_S2M;
	struct memif_q *q = s2m ? &l->rx : &l->tx;
	uint64_t len;

	if (r->index != 0 || q->ring || r->region >= l->n_regions || r->log2_ring_size > MEMIF_MAX_LOG2_RING)
		return -EINVAL;
	len = MEMIF_RING_HDR + (sizeof(struct memif_desc) << r->log2_ring_size);
	if (r->offset % sizeof(struct memif_desc) || r->offset + len > l->region[r->region].size)
		return -EINVAL;
	if (*fd >= 0 && doorbell_ok(*fd) < 0)
		return -EINVAL;
	place_q(q, l->region[r->region].base, r->offset, 1u << r->log2_ring_size, false, s2m);
	q->efd = *fd;
	*fd = -1;
	return 0;
}

int memif_link_check(struct memif_link *l)
{
	if (!l->rx.ring || !l->tx.ring || l->rx.ring->cookie != MEMIF_COOKIE || l->tx.ring->cookie != MEMIF_COOKIE)
		return -EINVAL;
	return 0;
}
