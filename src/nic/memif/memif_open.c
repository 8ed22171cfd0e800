// SPDX-License-Identifier: BSD-2-Clause
/*
 * memif_open.c - making and closing a memif VI
 *
 * Checks what was asked for, allocates the FIFOs of frames, opens the control
 * channel.  A VI belongs to the process that opened it: in a child of fork() it must
 * be closed, or left alone.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/sys.h"
#include "nic/memif/memif_priv.h"

enum { RING_DEFAULT = 1024, RING_MAX = 1 << MEMIF_MAX_LOG2_RING, FIFO_MAX = 1 << 16, BUF_DEFAULT = 2048 };

static bool power_of_two(uint32_t *n, uint32_t dflt, uint32_t max)
{
	if (!*n)
		*n = dflt;
	return *n <= max && !(*n & (*n - 1));
}

static int check(struct memif_attr *a, struct vi_shm *shm)
{
	if (!a->path[0] || !memchr(a->path, 0, sizeof(a->path)) || !a->frames || !a->n_frames ||
	    a->frame_shift < 9 || a->frame_shift > 15)
		return -EINVAL;
	if (!power_of_two(&a->ring_size, RING_DEFAULT, RING_MAX) ||
	    !power_of_two(&shm->fill_size, RING_DEFAULT, FIFO_MAX) ||
	    !power_of_two(&shm->comp_size, RING_DEFAULT, FIFO_MAX))
		return -EINVAL;
	if (!a->buf_size)
		a->buf_size = BUF_DEFAULT;
	if (a->buf_size < 64 || a->buf_size > 1 << 16 || a->buf_size % 64)
		return -EINVAL;
	if (a->flags & MEMIF_MASTER)
		return a->flags & MEMIF_ZEROCOPY ? -EINVAL : 0;
	/* Offsets are 32 bits. */
	if (a->flags & MEMIF_ZEROCOPY &&
	    a->frames_off + ((uint64_t)a->n_frames << a->frame_shift) > 1ull << 32)
		return -ERANGE;
	return 2ull * a->ring_size * (a->buf_size + 16) < 1ull << 31 ? 0 : -ERANGE;
}

static int fifo_init(struct memif_fifo *f, uint32_t size)
{
	f->buf = malloc(size * sizeof(*f->buf));
	f->mask = size - 1;
	return f->buf ? 0 : -ENOMEM;
}

static int rx_arm(struct vi *vi, bool on)
{
	struct memif *m = vi->priv;
	struct memif_ring *r = m->link->rx.ring;

	m->armed = on;
	if (on) {
		memif_rx_flush(m, m->link);
		/* Sequentially consistent: before the owner's last look at the index;
		 * pairs with the peer's in memif_tx_kick(). */
		__atomic_fetch_and(&r->flags, (uint16_t)~MEMIF_RING_MASK_INT, __ATOMIC_SEQ_CST);
		return 0;
	}
	__atomic_fetch_or(&r->flags, MEMIF_RING_MASK_INT, __ATOMIC_RELAXED);
	memif_service(m);
	return 0;
}

static int kstats(const struct vi *vi, struct vi_kstats *out)
{
	/* Without a frame of ours the packet stays in the ring: late, not lost. */
	*out = (struct vi_kstats){ .rx_invalid_descs = vi->shm->rx_bad_desc };
	return 0;
}

static void free_memif(struct memif *m)
{
	free(m->fill.buf);
	free(m->comp.buf);
	free(m);
}

static void close_vi(struct vi *vi)
{
	struct memif *m = vi->priv;

	memif_ctl_close(m);
	free_memif(m);
}

static const struct vi_ops copy_ops = {
	.rx_poll = memif_rx_poll,
	.rx_refill = memif_rx_refill,
	.rx_ready = memif_rx_ready,
	.rx_arm = rx_arm,
	.tx_post = memif_tx_post,
	.tx_poll = memif_tx_poll,
	.tx_kick = memif_tx_kick,
	.kstats = kstats,
	.close = close_vi,
};

static const struct vi_ops zc_ops = {
	.rx_poll = memif_rx_poll_zc,
	.rx_refill = memif_rx_refill_zc,
	.rx_ready = memif_rx_ready,
	.rx_arm = rx_arm,
	.tx_post = memif_tx_post,
	.tx_poll = memif_tx_poll,
	.tx_kick = memif_tx_kick,
	.kstats = kstats,
	.close = close_vi,
};

int memif_open(struct vi *vi, struct vi_shm *shm, const struct memif_attr *attr)
{
	const bool zc = attr->flags & MEMIF_ZEROCOPY;
	struct memif *m;
	int rc;

	m = aligned_alloc(CACHE_LINE, ROUND_UP(sizeof(*m), CACHE_LINE));
	if (!m)
		return -ENOMEM;
	memset(m, 0, sizeof(*m));
	m->attr = *attr;
	rc = check(&m->attr, shm);
	if (rc < 0)
		goto out_free;
	rc = fifo_init(&m->fill, shm->fill_size);
	if (rc == 0)
		rc = fifo_init(&m->comp, shm->comp_size);
	if (rc < 0)
		goto out_free;
	m->frames = m->attr.frames;
	m->frame_room = (1u << attr->frame_shift) - MEMIF_RX_OFF;
	m->shm = shm;
	if (zc) {
		rc = memif_own_frames(m);
		if (rc < 0)
			goto out_free;
	}
	memif_link_none(m);

	shm->driver = VI_DRV_MEMIF;
	shm->flags = (shm->flags & VI_F_SG) | (zc ? VI_F_ZEROCOPY : 0);
	shm->rx_size = shm->tx_size = m->attr.ring_size;
	shm->frame_shift = attr->frame_shift;
	shm->n_frames = attr->n_frames;
	rc = memif_ctl_open(m);
	if (rc < 0)
		goto out_free;
	*vi = (struct vi){
		.shm = shm, .driver = VI_DRV_MEMIF, .fd = m->efd_set, .frame_shift = attr->frame_shift,
		.n_frames = attr->n_frames, .ops = zc ? &zc_ops : &copy_ops, .priv = m,
	};
	return 0;

out_free:
	free_memif(m);
	return rc;
}

bool memif_up(const struct vi *vi)
{
	const struct memif *m = vi->priv;

	return m->state == MEMIF_S_UP;
}
