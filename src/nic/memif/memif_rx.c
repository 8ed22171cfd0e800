// SPDX-License-Identifier: BSD-2-Clause
/*
 * memif_rx.c - frames from the peer
 *
 * With copies: takes descriptors that the peer filled, copies each frame into the
 * oldest of ours and gives the descriptor back.  Without frames of ours nothing is
 * taken, so the loss is the sender's to count.  With zero-copy our frames are in the
 * ring themselves and come back in their order.
 *
 * Everything in the ring is the peer's word, and may change while we look: each
 * descriptor is read once, checked, and only the checked copy is used.
 *
 * Descriptors are given back in batches, or when there is nothing to do.  Stores become
 * visible in order, and the line of an index that the peer reads takes longest: an
 * answer must not wait behind it.
 */
#include <string.h>

#include "nic/memif/memif_priv.h"

enum { CHAIN_MAX = 64 };	/* descriptors of one frame */

static struct memif_desc read_desc(const struct memif_desc *p)
{
	struct memif_desc d;
	uint64_t w[2];

	w[0] = __atomic_load_n((const uint64_t *)p, __ATOMIC_RELAXED);
	w[1] = __atomic_load_n((const uint64_t *)p + 1, __ATOMIC_RELAXED);
	memcpy(&d, w, sizeof(d));
	return d;
}

/* Where the bytes of descriptor @d are, or NULL when it says nonsense. */
static inline const uint8_t *source(const struct memif_link *l, uint32_t slot, const struct memif_desc *d)
{
	if (l->slave)		/* a buffer of ours: where it is we know ourselves */
		return d->length <= l->buf_size ? l->rx.bufs + (size_t)slot * l->buf_size : NULL;
	if (d->region >= l->n_regions || (uint64_t)d->offset + d->length > l->region[d->region].size)
		return NULL;
	return l->region[d->region].base + d->offset;
}

/* Descriptors that we are done with go back.  It is the slave's to make them ready:
 * the master wrote length and flags. */
static void give_back(struct memif_link *l)
{
	struct memif_q *q = &l->rx;

	for (; l->slave && q->shown != q->pos; q->shown++) {
		uint32_t slot = q->shown & q->mask;
		struct memif_desc *d = &q->ring->desc[slot];

		d->flags = 0;
		d->region = 0;
		d->length = l->buf_size;
		d->offset = q->bufs_off + slot * l->buf_size;
	}
	q->shown = q->pos;
	/* Release: we are done with the buffers before the peer has them again. */
	__atomic_store_n(q->ours, (uint16_t)(q->pos + q->bias), __ATOMIC_RELEASE);
}

void memif_rx_flush(struct memif *m, struct memif_link *l)
{
	if (l->zc) {
		if (m->posted != m->fill.head)
			memif_rx_repost(m, l);
	} else if (l->rx.shown != l->rx.pos) {
		give_back(l);
	}
}

static inline uint8_t *take_frame(struct memif *m, struct vi_event *ev, uint32_t len)
{
	uint32_t buf = m->fill.buf[m->fill.tail++ & m->fill.mask];

	ev->buf = buf;
	ev->off = MEMIF_RX_OFF;
	ev->len = (uint16_t)len;
	ev->flags = 0;
	return m->frames + ((size_t)buf << m->attr.frame_shift) + MEMIF_RX_OFF;
}

/* A frame of several descriptors, or larger than one of ours, or bad.  Returns how
 * many descriptors it takes, 0 to leave it for now; *n grows by its events. */
static __cold uint32_t rx_chain(struct vi *vi, uint32_t avail, struct vi_event *ev, int max, int *n)
{
	struct memif *m = vi->priv;
	struct memif_link *l = m->link;
	struct memif_q *q = &l->rx;
	const uint32_t room = m->frame_room;
	const uint8_t *src[CHAIN_MAX];
	uint32_t len[CHAIN_MAX], used = 0, need, left = 0;
	struct memif_desc d;
	uint64_t total = 0;
	bool bad = false;
	uint8_t *dst = NULL;

	do {
		uint32_t slot = (q->pos + used) & q->mask;

		/* The peer shows whole frames only; half a one is never finished. */
		if (used == avail) {
			if (avail <= q->mask && used < CHAIN_MAX)
				return 0;
			bad = true;
			break;
		}
		d = read_desc(&q->ring->desc[slot]);
		if (used < CHAIN_MAX) {
			src[used] = source(l, slot, &d);
			len[used] = d.length;
			bad |= !src[used];
		}
		total += d.length;
		used++;
	} while (d.flags & MEMIF_DESC_NEXT);
	bad |= used > CHAIN_MAX || total == 0;
	need = bad ? 0 : (uint32_t)((total + room - 1) / room);
	if (bad) {
		vi->shm->rx_bad_desc++;
		goto out;
	}
	if ((need > 1 && !(vi->shm->flags & VI_F_SG)) || need > (uint32_t)max || need > m->fill.mask) {
		if (need > (uint32_t)max && *n > 0 && vi->shm->flags & VI_F_SG)
			return 0;	/* the next call has more room */
		vi->shm->rx_oversize++;
		goto out;
	}
	if (need > (uint32_t)max - (uint32_t)*n || need > m->fill.head - m->fill.tail)
		return 0;
	for (uint32_t i = 0; i < used; i++) {
		uint32_t done = 0;

		while (done < len[i]) {
			uint32_t part;

			if (!left) {
				left = room;
				if (dst)
					ev[*n - 1].flags = VI_EV_CONT;
				dst = take_frame(m, &ev[*n], 0);
				(*n)++;
			}
			part = len[i] - done < left ? len[i] - done : left;
			memcpy(dst, src[i] + done, part);
			ev[*n - 1].len = (uint16_t)(ev[*n - 1].len + part);
			dst += part;
			left -= part;
			done += part;
		}
	}
	vi->shm->rx_pkts++;
	vi->shm->rx_bytes += total;
out:
	return used;
}

static void nothing(struct memif *m, struct memif_link *l)
{
	/* A slave with zero-copy may wait for its frames; for buffers to send into nobody
	 * waits, three quarters of the ring are there. */
	if (!l->slave)
		memif_rx_flush(m, l);
	if (unlikely(++m->empty >= MEMIF_POLL_EMPTY))
		memif_idle(m);
}

int memif_rx_poll(struct vi *vi, struct vi_event *ev, int max)
{
	struct memif *m = vi->priv;
	struct memif_link *l = m->link;
	struct memif_q *q = &l->rx;
	/* Acquire: descriptors and data are read after it; pairs with the release of the
	 * peer when it moved its index. */
	uint32_t avail = (uint16_t)(memif_load(q->theirs) - q->pos), used;
	uint64_t bytes = 0;
	uint32_t pkts = 0;
	int n = 0;

	if (!avail) {
		nothing(m, l);
		return 0;
	}
	if (unlikely(avail > q->mask + 1u)) {
		m->fault = true;
		memif_idle(m);
		return 0;
	}
	while (avail && n < max) {
		uint32_t slot = q->pos & q->mask;
		struct memif_desc d = read_desc(&q->ring->desc[slot]);
		const uint8_t *src = source(l, slot, &d);

		if (unlikely(m->fill.tail == m->fill.head)) {
			m->shm->rx_no_frame++;
			nothing(m, l);
			break;
		}
		used = 1;
		if (likely(src && !(d.flags & MEMIF_DESC_NEXT) && d.length - 1 < m->frame_room)) {
			memcpy(take_frame(m, &ev[n], d.length), src, d.length);
			bytes += d.length;
			pkts++;
			n++;
		} else {
			used = rx_chain(vi, avail, ev, max, &n);
			if (!used)
				break;
		}
		q->pos = (uint16_t)(q->pos + used);
		avail -= used;
	}
	if ((uint16_t)(q->pos - q->shown) >= q->batch)
		give_back(l);
	/* The next frame to copy into has not been touched for a while. */
	__builtin_prefetch(m->frames + ((size_t)m->fill.buf[m->fill.tail & m->fill.mask] << m->attr.frame_shift) +
			   MEMIF_RX_OFF, 1);
	vi->shm->rx_pkts += pkts;
	vi->shm->rx_bytes += bytes;
	vi->shm->fill_level = m->fill.head - m->fill.tail;
	return n;
}

int memif_rx_refill(struct vi *vi, const uint32_t *bufs, int n_bufs)
{
	struct memif *m = vi->priv;
	int i;

	for (i = 0; i < n_bufs && !memif_fifo_full(&m->fill); i++)
		m->fill.buf[m->fill.head++ & m->fill.mask] = bufs[i];
	vi->shm->fill_level = m->fill.head - m->fill.tail;
	return i;
}

bool memif_rx_ready(const struct vi *vi)
{
	const struct memif *m = vi->priv;
	const struct memif_link *l = __atomic_load_n(&m->link, __ATOMIC_ACQUIRE);

	return __atomic_load_n(l->rx.theirs, __ATOMIC_RELAXED) != __atomic_load_n(&l->rx.pos, __ATOMIC_RELAXED);
}

/* ---- zero-copy ------------------------------------------------------------------------ */

/* Frames that wait in the FIFO go into the ring, as far as there is room. */
void memif_rx_repost(struct memif *m, struct memif_link *l)
{
	struct memif_q *q = &l->rx;
	uint32_t in_ring = m->posted - m->fill.tail, room = q->mask + 1u - in_ring;
	uint16_t at = (uint16_t)(q->pos + in_ring);

	while (m->posted != m->fill.head && room--) {
		uint32_t buf = m->fill.buf[m->posted++ & m->fill.mask];
		struct memif_desc *d = &q->ring->desc[at++ & q->mask];

		d->flags = 0;
		d->region = 1;
		d->length = m->frame_room;
		d->offset = (uint32_t)(m->attr.frames_off + ((uint64_t)buf << m->attr.frame_shift) + MEMIF_RX_OFF);
	}
	/* Release: pairs with the acquire of the master's load of head. */
	__atomic_store_n(q->ours, at, __ATOMIC_RELEASE);
}

int memif_rx_refill_zc(struct vi *vi, const uint32_t *bufs, int n_bufs)
{
	struct memif *m = vi->priv;
	int n = memif_rx_refill(vi, bufs, n_bufs);

	if (m->link != &m->none && m->fill.head - m->posted >= m->link->rx.batch)
		memif_rx_repost(m, m->link);
	return n;
}

int memif_rx_poll_zc(struct vi *vi, struct vi_event *ev, int max)
{
	struct memif *m = vi->priv;
	struct memif_link *l = m->link;
	struct memif_q *q = &l->rx;
	uint32_t avail = (uint16_t)(memif_load(q->theirs) - q->pos);
	const bool sg = vi->shm->flags & VI_F_SG;
	int n = 0;

	if (!avail) {
		nothing(m, l);
		return 0;
	}
	if (unlikely(avail > m->posted - m->fill.tail)) {
		m->fault = true;
		memif_idle(m);
		return 0;
	}
	for (; avail && n < max; avail--) {
		struct memif_desc d = read_desc(&q->ring->desc[q->pos++ & q->mask]);
		struct vi_event *e = &ev[n];

		(void)take_frame(m, e, d.length);
		e->flags = d.flags & MEMIF_DESC_NEXT && sg ? VI_EV_CONT : 0;
		if (likely(d.length - 1 < m->frame_room && !(d.flags & MEMIF_DESC_NEXT && !sg) && !m->rx_skip)) {
			vi->shm->rx_pkts += !e->flags;
			vi->shm->rx_bytes += d.length;
			n++;
			continue;
		}
		/* Dropped; in a chain that we do not take, to its end. */
		if (d.length - 1 >= m->frame_room)
			vi->shm->rx_bad_desc++;
		else if (!m->rx_skip)
			vi->shm->rx_oversize++;
		m->rx_skip = d.flags & MEMIF_DESC_NEXT && !sg;
		m->fill.buf[m->fill.head++ & m->fill.mask] = e->buf;
	}
	if (m->fill.head - m->posted >= q->batch)
		memif_rx_repost(m, l);
	vi->shm->fill_level = m->fill.head - m->fill.tail;
	return n;
}
