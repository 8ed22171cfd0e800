// SPDX-License-Identifier: BSD-2-Clause
/*
 * memif_tx.c - frames to the peer, and the doorbell
 *
 * With copies a frame is copied into the peer's (or, as slave, our own) buffer when
 * it is posted, and is done at once.  With zero-copy the descriptor points into our
 * packet memory, and the frame is done when the master has moved tail past it.
 *
 * The first frame of a burst is shown to the peer at once, by a plain store: an atomic
 * operation in vi_tx_kick() would let it wait until all earlier stores are out.  The
 * kick shows the rest, in one; it may run without the lock, beside another kick, so it
 * moves the shared index forward only.  It makes a system call only when the peer asked
 * for interrupts.
 */
#include <errno.h>
#include <string.h>

#include "base/sys.h"
#include "nic/memif/memif_priv.h"

enum { FREE_ENOUGH = 16 };	/* descriptors; with fewer a frame may not fit: look at the peer's index */

/* The frame is ours again. */
static inline void done(struct memif *m, uint32_t buf)
{
	m->comp.buf[m->comp.head++ & m->comp.mask] = buf;
	m->comp.ready = m->comp.head;
}

/* A buffer of descriptor @slot: its bytes and how many; NULL if the peer's word for
 * it is nonsense. */
static inline uint8_t *target(const struct memif_link *l, uint32_t slot, uint32_t *room)
{
	const struct memif_desc *d = &l->tx.ring->desc[slot];
	uint32_t off, region;

	if (l->slave) {
		*room = l->buf_size;
		return l->tx.bufs + (size_t)slot * l->buf_size;
	}
	*room = __atomic_load_n(&d->length, __ATOMIC_RELAXED);
	off = __atomic_load_n(&d->offset, __ATOMIC_RELAXED);
	region = __atomic_load_n(&d->region, __ATOMIC_RELAXED);
	if (region >= l->n_regions || (uint64_t)off + *room > l->region[region].size)
		return NULL;
	return l->region[region].base + off;
}

static inline void describe(struct memif_link *l, uint32_t slot, uint32_t len, bool next)
{
	struct memif_desc *d = &l->tx.ring->desc[slot];

	d->flags = next ? MEMIF_DESC_NEXT : 0;
	d->length = len;
	if (l->slave) {		/* whoever wrote here last: the peer had it */
		d->region = 0;
		d->offset = l->tx.bufs_off + slot * l->buf_size;
	}
}

/* Copy into as many buffers as it takes, from descriptor @at on.  Returns how many, 0
 * when there is no room, or -1: one of the peer's buffers is bad. */
static int copy_out(struct memif_link *l, uint32_t at, uint32_t free, const uint8_t *src, uint32_t len, bool more)
{
	uint32_t used = 0, room;

	do {
		uint32_t slot = (at + used) & l->tx.mask;
		uint8_t *dst;

		if (used == free)
			return 0;
		dst = target(l, slot, &room);
		if (unlikely(!dst || !room))
			return -1;
		if (room > len)
			room = len;
		memcpy(dst, src, room);
		src += room;
		len -= room;
		describe(l, slot, room, len || more);
		used++;
	} while (len);
	return (int)used;
}

static __cold int lose(struct memif *m, uint32_t buf, bool more)
{
	done(m, buf);
	m->shm->tx_lost += !more;
	m->shm->tx_inflight = m->comp.head - m->comp.tail;
	return 0;
}

/* A buffer that the slave described badly is given back empty, and with it goes our
 * frame. */
static __cold int skip_bad(struct memif *m, struct memif_link *l, uint32_t buf, bool more)
{
	describe(l, l->tx.pos & l->tx.mask, 0, false);
	__atomic_store_n(&l->tx.pos, (uint16_t)(l->tx.pos + 1), __ATOMIC_RELEASE);
	m->tx_part = 0;
	m->shm->tx_errors++;
	m->shm->tx_unkicked++;
	return lose(m, buf, more);
}

static int full(struct memif *m)
{
	m->shm->tx_ring_full++;
	m->tx_part = 0;
	return -EAGAIN;
}

/* Zero-copy: what the master has taken. */
static void reap(struct memif *m, struct memif_link *l)
{
	uint32_t flying = m->comp.head - m->comp.ready;
	uint16_t first = (uint16_t)(l->tx.pos + m->tx_part - flying);
	uint32_t n = (uint16_t)(memif_load(l->tx.theirs) - first);

	if (unlikely(n > flying)) {
		m->fault = true;
		return;
	}
	m->comp.ready += n;
}

int memif_tx_post(struct vi *vi, uint32_t buf, uint16_t off, uint16_t len, bool more)
{
	struct memif *m = vi->priv;
	struct memif_link *l = m->link;
	struct memif_q *q = &l->tx;
	struct vi_shm *sh = vi->shm;
	uint32_t at, free;
	int used = 1;

	if (unlikely(m->comp.head - m->comp.tail > m->comp.mask))
		return full(m);
	if (unlikely(buf >= vi->n_frames || (uint32_t)off + len > 1u << vi->frame_shift || !len)) {
		sh->tx_errors++;	/* as a kernel does: not sent, not completed */
		return 0;
	}
	if (unlikely(l == &m->none))
		return lose(m, buf, more);
	at = q->pos + m->tx_part;
	free = (uint16_t)(q->seen + q->bias - (uint16_t)at);
	if (unlikely(free < FREE_ENOUGH)) {
		/* Acquire: the peer has read the descriptor before we write it. */
		q->seen = memif_load(q->theirs);
		free = (uint16_t)(q->seen + q->bias - (uint16_t)at);
		if (unlikely(free > q->mask + 1u)) {
			m->fault = true;
			memif_idle(m);
			return lose(m, buf, more);
		}
		if (!free)
			return full(m);
	}
	if (l->zc) {
		struct memif_desc *d = &q->ring->desc[at & q->mask];

		d->flags = more ? MEMIF_DESC_NEXT : 0;
		d->region = 1;
		d->length = len;
		d->offset = (uint32_t)(m->attr.frames_off + ((uint64_t)buf << m->attr.frame_shift) + off);
		m->comp.buf[m->comp.head++ & m->comp.mask] = buf;
	} else {
		const uint8_t *src = m->frames + ((size_t)buf << m->attr.frame_shift) + off;

		used = copy_out(l, at, free, src, len, more);
		if (unlikely(!used)) {
			q->seen = memif_load(q->theirs);
			free = (uint16_t)(q->seen + q->bias - (uint16_t)at);
			used = free <= q->mask + 1u ? copy_out(l, at, free, src, len, more) : 0;
		}
		if (unlikely(used <= 0))
			return used ? skip_bad(m, l, buf, more) : full(m);
		done(m, buf);
	}
	m->tx_part = (uint16_t)(m->tx_part + used);
	if (likely(!more)) {
		uint16_t pos = (uint16_t)(q->pos + m->tx_part);

		/* Release: descriptors and data before the index; pairs with the acquire
		 * in memif_tx_kick(), and of the peer. */
		__atomic_store_n(&q->pos, pos, __ATOMIC_RELEASE);
		if (!sh->tx_unkicked)
			__atomic_store_n(q->ours, pos, __ATOMIC_RELEASE);
		m->tx_part = 0;
	}
	sh->tx_inflight = m->comp.head - m->comp.tail;
	sh->tx_pkts += !more;
	sh->tx_bytes += len;
	__atomic_store_n(&sh->tx_unkicked, sh->tx_unkicked + 1, __ATOMIC_RELAXED);
	return 0;
}

int memif_tx_poll(struct vi *vi, uint32_t *bufs, int max)
{
	struct memif *m = vi->priv;
	int n = 0;

	if (m->link->zc)
		reap(m, m->link);
	while (n < max && m->comp.tail != m->comp.ready)
		bufs[n++] = m->comp.buf[m->comp.tail++ & m->comp.mask];
	vi->shm->tx_inflight = m->comp.head - m->comp.tail;
	if (!n && unlikely(++m->empty >= MEMIF_POLL_EMPTY))
		memif_idle(m);
	return n;
}

static __cold void ring_doorbell(struct vi *vi, int fd)
{
	const uint64_t one = 1;

	vi->shm->tx_kicks++;
	(void)sys_write(fd, &one, sizeof(one));
}

int memif_tx_kick(struct vi *vi)
{
	struct memif *m = vi->priv;
	struct memif_link *l = __atomic_load_n(&m->link, __ATOMIC_ACQUIRE);
	struct memif_q *q = &l->tx;
	uint16_t shown, pos;

	if (!__atomic_load_n(&vi->shm->tx_unkicked, __ATOMIC_RELAXED))
		return 0;
	/* A full fence: a post whose count this swallows is seen in pos below. */
	__atomic_exchange_n(&vi->shm->tx_unkicked, 0, __ATOMIC_SEQ_CST);
	pos = __atomic_load_n(&q->pos, __ATOMIC_ACQUIRE);
	shown = __atomic_load_n(q->ours, __ATOMIC_RELAXED);
	/* Forward only: another thread may have shown more already.  Release: pairs with
	 * the peer's acquire; sequentially consistent: the index is out before the flag
	 * is read, as the peer clears the flag before it looks at the index. */
	while ((int16_t)(pos - shown) > 0)
		if (__atomic_compare_exchange_n(q->ours, &shown, pos, false, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED))
			break;
	/* While the peer reads: the buffer that is next. */
	if (l->slave ? !l->zc : false)
		__builtin_prefetch(q->bufs + (size_t)(pos & q->mask) * l->buf_size, 1);
	if (unlikely(!(__atomic_load_n(&q->ring->flags, __ATOMIC_RELAXED) & MEMIF_RING_MASK_INT) && q->efd >= 0))
		ring_doorbell(vi, q->efd);
	return 0;
}
