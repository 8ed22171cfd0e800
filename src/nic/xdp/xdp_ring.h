/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * xdp_ring.h - AF_XDP rings, the path of each packet
 *
 * Works by hand on the four rings that the kernel shares (linux/if_xdp.h).  The
 * kernel's words are the producer and consumer index of each ring; what we
 * remember of them (our own index, the last seen other index) lies in struct
 * vi_shm, because the next process of the stack to hold the lock goes on from
 * there.  Included by nic/nic.h only; sets nothing up (xdp_map.c, xdp_open.c).
 *
 *            producer   consumer   entries
 *   rx       kernel     we         struct xdp_desc: frames received
 *   fill     we         kernel     addresses: frames to receive into
 *   tx       we         kernel     struct xdp_desc: frames to send
 *   comp     kernel     we         addresses: frames that were sent
 *
 * Indices run free and are masked on use.  The partner of each acquire and
 * release below is in the kernel's net/xdp/xsk_queue.h, named at the place.
 *
 * The address of frame i is i << frame_shift: packet memory is the UMEM, in
 * aligned-chunk mode.
 */
#ifndef POSTERN_NIC_XDP_RING_H
#define POSTERN_NIC_XDP_RING_H

#ifndef POSTERN_NIC_NIC_H
#error "include nic/nic.h"
#endif

#include <errno.h>
#include <linux/if_xdp.h>

/* Since 6.6; the build must not need headers of that age. */
#ifndef XDP_PKT_CONTD
#define XDP_PKT_CONTD (1 << 0)
#endif
#ifndef XDP_USE_SG
#define XDP_USE_SG (1 << 4)
#endif

/* Out of line, in xdp_wake.c: these make system calls. */
void xdp_rx_wake(struct vi *vi);
int xdp_tx_wake(struct vi *vi);

static inline bool xdp_rx_ready(const struct vi *vi)
{
	/* Only a hint, so relaxed: xdp_rx_poll() synchronises. */
	return __atomic_load_n(vi->rx.producer, __ATOMIC_RELAXED) !=
	       __atomic_load_n(&vi->shm->rx_cons, __ATOMIC_RELAXED);
}

static inline int xdp_rx_poll(struct vi *vi, struct vi_event *ev, int max)
{
	struct vi_shm *sh = vi->shm;
	const struct xdp_desc *ring = vi->rx.desc;
	const uint32_t frame_size = 1u << vi->frame_shift;
	uint32_t cons = sh->rx_cons;
	uint32_t n = sh->rx_prod_cached - cons;
	uint32_t pkts = 0, bytes = 0, i;
	struct vi_event *e = ev;

	if (n == 0) {
		/* Pairs with the release in xskq_prod_submit(): descriptors
		 * and frames are read after it. */
		n = __atomic_load_n(vi->rx.producer, __ATOMIC_ACQUIRE) - cons;
		if (n == 0) {
			if (unlikely(__atomic_load_n(vi->fill.flags, __ATOMIC_RELAXED) &
				     XDP_RING_NEED_WAKEUP))
				xdp_rx_wake(vi);
			return 0;
		}
		sh->rx_prod_cached = cons + n;
	}
	if (n > (uint32_t)max)
		n = (uint32_t)max;

	for (i = 0; i < n; i++) {
		const struct xdp_desc *d = &ring[(cons + i) & vi->rx.mask];
		uint64_t addr = d->addr, buf = addr >> vi->frame_shift;
		uint32_t off = (uint32_t)addr & (frame_size - 1), len = d->len;

		/* The index names memory of ours from here on. */
		if (unlikely(buf >= vi->n_frames || len > frame_size - off)) {
			sh->rx_bad_desc++;
			continue;
		}
		e->buf = (uint32_t)buf;
		e->off = (uint16_t)off;
		e->len = (uint16_t)len;
		e->flags = d->options & XDP_PKT_CONTD ? VI_EV_CONT : 0;
		pkts += !e->flags;
		bytes += len;
		e++;
	}

	__atomic_store_n(&sh->rx_cons, cons + n, __ATOMIC_RELAXED);
	/* Pairs with the control dependency in xskq_prod_reserve_desc(): our
	 * reads of the descriptors are done before the slots are reused. */
	__atomic_store_n(vi->rx.consumer, cons + n, __ATOMIC_RELEASE);
	sh->fill_level -= n;
	sh->rx_pkts += pkts;
	sh->rx_bytes += bytes;
	return (int)(e - ev);
}

static inline int xdp_rx_refill(struct vi *vi, const uint32_t *bufs, int n_bufs)
{
	struct vi_shm *sh = vi->shm;
	uint64_t *ring = vi->fill.desc;
	const uint32_t size = vi->fill.mask + 1;	/* 0: no fill ring of its own */
	uint32_t prod = sh->fill_prod, n = (uint32_t)n_bufs, i;
	uint32_t room = size - (prod - sh->fill_cons_cached);

	if (room < n || room > size) {
		/* Pairs with the release in __xskq_cons_release(). */
		sh->fill_cons_cached = __atomic_load_n(vi->fill.consumer, __ATOMIC_ACQUIRE);
		room = size - (prod - sh->fill_cons_cached);
		if (unlikely(room > size))	/* positions were damaged */
			room = 0;
		if (n > room)
			n = room;
		if (n == 0)
			return 0;
	}
	for (i = 0; i < n; i++)
		ring[(prod + i) & vi->fill.mask] = (uint64_t)bufs[i] << vi->frame_shift;

	sh->fill_prod = prod + n;
	sh->fill_level += n;
	/* Pairs with the acquire in __xskq_cons_peek(). */
	__atomic_store_n(vi->fill.producer, prod + n, __ATOMIC_RELEASE);
	if (unlikely(__atomic_load_n(vi->fill.flags, __ATOMIC_RELAXED) & XDP_RING_NEED_WAKEUP))
		xdp_rx_wake(vi);
	return (int)n;
}

static inline int xdp_tx_post(struct vi *vi, uint32_t buf, uint16_t off,
			      uint16_t len, bool more_frags)
{
	struct vi_shm *sh = vi->shm;
	uint32_t prod = sh->tx_prod;
	struct xdp_desc *d = (struct xdp_desc *)vi->tx.desc + (prod & vi->tx.mask);

	if (unlikely(prod - sh->tx_cons_cached > vi->tx.mask)) {
		/* Pairs with the release in __xskq_cons_release(): the slot
		 * was read before we write it. */
		sh->tx_cons_cached = __atomic_load_n(vi->tx.consumer, __ATOMIC_ACQUIRE);
		if (prod - sh->tx_cons_cached > vi->tx.mask) {
			sh->tx_ring_full++;
			return -EAGAIN;
		}
	}
	d->addr = ((uint64_t)buf << vi->frame_shift) + off;
	d->len = len;
	d->options = more_frags ? XDP_PKT_CONTD : 0;

	sh->tx_prod = prod + 1;
	/* Pairs with the acquire in __xskq_cons_peek(): descriptor and frame
	 * are written before. */
	__atomic_store_n(vi->tx.producer, prod + 1, __ATOMIC_RELEASE);
	sh->tx_inflight++;
	sh->tx_pkts += !more_frags;
	sh->tx_bytes += len;
	__atomic_store_n(&sh->tx_unkicked, sh->tx_unkicked + 1, __ATOMIC_RELAXED);
	return 0;
}

static inline int xdp_tx_poll(struct vi *vi, uint32_t *bufs, int max)
{
	struct vi_shm *sh = vi->shm;
	const uint64_t *ring = vi->comp.desc;
	uint32_t cons = sh->comp_cons, n = sh->comp_prod_cached - cons, i;
	uint32_t *b = bufs;

	if (n == 0) {
		/* Pairs with the release in xskq_prod_submit(). */
		n = __atomic_load_n(vi->comp.producer, __ATOMIC_ACQUIRE) - cons;
		if (n == 0)
			return 0;
		sh->comp_prod_cached = cons + n;
	}
	if (unlikely(n > vi->comp.mask + 1))	/* positions were damaged, or no ring */
		return 0;
	if (n > (uint32_t)max)
		n = (uint32_t)max;

	for (i = 0; i < n; i++) {
		uint64_t buf = ring[(cons + i) & vi->comp.mask] >> vi->frame_shift;

		if (unlikely(buf >= vi->n_frames)) {
			sh->tx_errors++;
			continue;
		}
		*b++ = (uint32_t)buf;
	}
	sh->comp_cons = cons + n;
	/* Pairs with the control dependency in xskq_prod_reserve(). */
	__atomic_store_n(vi->comp.consumer, cons + n, __ATOMIC_RELEASE);
	sh->tx_inflight -= n;
	return (int)(b - bufs);
}

static inline int xdp_tx_kick(struct vi *vi)
{
	if (!__atomic_load_n(&vi->shm->tx_unkicked, __ATOMIC_RELAXED))
		return 0;
	/* A full fence, for two races.  A post whose count this swallows is
	 * already visible to the kernel when we enter it, so its own thread may
	 * find 0 and leave.  And the flag is read after the producer was
	 * written, as the driver writes the flag before it reads the producer. */
	__atomic_exchange_n(&vi->shm->tx_unkicked, 0, __ATOMIC_SEQ_CST);
	if (!(__atomic_load_n(vi->tx.flags, __ATOMIC_RELAXED) & XDP_RING_NEED_WAKEUP))
		return 0;
	return xdp_tx_wake(vi);
}

#endif
