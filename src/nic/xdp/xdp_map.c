// SPDX-License-Identifier: BSD-2-Clause
/*
 * xdp_map.c - the unprivileged half of an AF_XDP VI
 *
 * Takes a bound AF_XDP socket (xdp_open.c made it, in another process) and maps
 * its rings into this one.  Sizes come from struct vi_shm, which a less trusted
 * process may have written: they are checked here once, the kernel refuses a
 * mapping longer than the ring, and the fast path uses the copies in struct vi.
 */
#include "nic/nic.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "base/sys.h"
#include "nic/xdp/xdp_map.h"

enum { RING_MAX = 1u << 20, RX = 0, TX, FILL, COMP };

/* Stand-ins for rings that this socket lacks (it shares a queue and so the
 * fill and completion rings of another) and for flags of a kernel that was not
 * asked to set them.  Never written: xdp_rx_refill() sees no room. */
static uint32_t no_index;
static uint32_t always_wake = XDP_RING_NEED_WAKEUP;

static bool ring_size_ok(uint32_t n)
{
	return n && n <= RING_MAX && !(n & (n - 1));
}

static int map_ring(struct vi *vi, int which, struct vi_ring *r, uint32_t size,
		    size_t entry, const struct xdp_ring_offset *off, off_t pgoff)
{
	size_t len = off->desc + size * entry;
	char *p;

	p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, vi->fd, pgoff);
	if (p == MAP_FAILED)
		return -errno;
	vi->map[which] = p;
	vi->map_len[which] = len;
	r->producer = (uint32_t *)(p + off->producer);
	r->consumer = (uint32_t *)(p + off->consumer);
	r->flags = (uint32_t *)(p + off->flags);
	r->desc = p + off->desc;
	r->mask = size - 1;
	return 0;
}

static void no_ring(struct vi_ring *r)
{
	r->producer = r->consumer = r->flags = &no_index;
	r->desc = NULL;
	r->mask = UINT32_MAX;	/* size 0 */
}

static void unmap_rings(struct vi *vi)
{
	int i;

	for (i = 0; i < 4; i++)
		if (vi->map[i])
			munmap(vi->map[i], vi->map_len[i]);
}

int vi_map_xdp(struct vi *out, struct vi_shm *shm, int xsk_fd)
{
	const uint32_t rx = shm->rx_size, tx = shm->tx_size;
	const uint32_t fill = shm->fill_size, comp = shm->comp_size;
	struct xdp_mmap_offsets off;
	socklen_t len = sizeof(off);
	struct vi vi;
	int rc;

	memset(&vi, 0, sizeof(vi));
	vi.shm = shm;
	vi.driver = VI_DRV_XDP;
	vi.fd = xsk_fd;
	vi.frame_shift = shm->frame_shift;
	vi.n_frames = shm->n_frames;

	/* Aligned chunks are 2048 bytes to a page; both ends of an event are
	 * 16 bits. */
	if (vi.frame_shift < 11 || vi.frame_shift > 15 || !vi.n_frames)
		return -EINVAL;
	if (!ring_size_ok(rx) || !ring_size_ok(tx) || !fill != !comp)
		return -EINVAL;
	if (fill && (!ring_size_ok(fill) || !ring_size_ok(comp)))
		return -EINVAL;

	rc = sys_getsockopt(xsk_fd, SOL_XDP, XDP_MMAP_OFFSETS, &off, &len);
	if (rc < 0)
		return rc;
	if (len != sizeof(off))		/* before 5.4: no flags */
		return -EOPNOTSUPP;

	rc = map_ring(&vi, RX, &vi.rx, rx, sizeof(struct xdp_desc), &off.rx, XDP_PGOFF_RX_RING);
	if (rc < 0)
		goto out_unmap;
	rc = map_ring(&vi, TX, &vi.tx, tx, sizeof(struct xdp_desc), &off.tx, XDP_PGOFF_TX_RING);
	if (rc < 0)
		goto out_unmap;
	if (fill) {
		rc = map_ring(&vi, FILL, &vi.fill, fill, sizeof(uint64_t), &off.fr,
			      XDP_UMEM_PGOFF_FILL_RING);
		if (rc < 0)
			goto out_unmap;
		rc = map_ring(&vi, COMP, &vi.comp, comp, sizeof(uint64_t), &off.cr,
			      XDP_UMEM_PGOFF_COMPLETION_RING);
		if (rc < 0)
			goto out_unmap;
	} else {
		no_ring(&vi.fill);
		no_ring(&vi.comp);
	}
	if (!(shm->flags & VI_F_NEED_WAKEUP))
		vi.tx.flags = &always_wake;

	*out = vi;
	return 0;

out_unmap:
	unmap_rings(&vi);
	return rc;
}

void xdp_unmap(struct vi *vi)
{
	unmap_rings(vi);
	sys_close(vi->fd);
}

void xdp_abandon(struct vi *vi, int fd)
{
	/* A mapping holds the socket as a descriptor does. */
	for (int i = 0; i < 4; i++)
		if (vi->map[i])
			(void)mmap(vi->map[i], vi->map_len[i], PROT_READ | PROT_WRITE,
				   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	(void)sys3(SYS_dup3, fd, vi->fd, O_CLOEXEC);
}

int xdp_kstats(const struct vi *vi, struct vi_kstats *out)
{
	struct xdp_statistics st;
	socklen_t len = sizeof(st);
	int rc;

	memset(&st, 0, sizeof(st));	/* before 5.9 the kernel fills half */
	rc = sys_getsockopt(vi->fd, SOL_XDP, XDP_STATISTICS, &st, &len);
	if (rc < 0)
		return rc;
	*out = (struct vi_kstats){
		.rx_dropped = st.rx_dropped,
		.rx_fill_ring_empty_descs = st.rx_fill_ring_empty_descs,
		.rx_ring_full = st.rx_ring_full,
		.rx_invalid_descs = st.rx_invalid_descs,
		.tx_invalid_descs = st.tx_invalid_descs,
		.tx_ring_empty_descs = st.tx_ring_empty_descs,
	};
	return 0;
}
