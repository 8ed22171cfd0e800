// SPDX-License-Identifier: BSD-2-Clause
/*
 * tx.c - sending: frames into the ring, doorbell, completions, events
 *
 * Frames are copied into packet memory of the port when they are initialised, padded
 * and given their checksums there; the descriptor goes into the ring when pushed.
 * A TX event says that the device is done with a frame.
 */
#include "efvi/efvi.h"

#include <string.h>

#include "base/clock.h"

/* A free slot and a free frame, or NULL. */
static inline struct efvi_tx_desc *slot(ef_vi *vi, struct efvi_vi *v)
{
	ef_vi_txq *q = &vi->vi_txq;
	struct efvi_tx_desc *d;

	if (unlikely(q->added - q->removed >= q->mask) || v->warm || v->tx_stopped)
		return NULL;
	if (unlikely(!v->n_tx_free)) {
		efvi_tx_reap(v);
		if (!v->n_tx_free)
			return NULL;
	}
	d = &q->desc[q->added & q->mask];
	d->frame = v->tx_free[v->n_tx_free - 1];
	d->flags = 0;
	return d;
}

/* Room for @len bytes and the pad; the rest is zeroed. */
static inline uint16_t pad(uint8_t *p, uint32_t len)
{
	if (likely(len >= EFVI_PAD))
		return (uint16_t)len;
	memset(p + len, 0, EFVI_PAD - len);
	return EFVI_PAD;
}

static inline void commit(ef_vi *vi, struct efvi_vi *v, struct efvi_tx_desc *d, uint32_t len,
			  ef_request_id id, bool offload)
{
	uint8_t *p = frame_mem(v->port, d->frame);

	if (offload && (vi->vi_flags & (EF_VI_TX_IP_CSUM_DIS | EF_VI_TX_TCPUDP_CSUM_DIS)) !=
		       (EF_VI_TX_IP_CSUM_DIS | EF_VI_TX_TCPUDP_CSUM_DIS))
		efvi_csum_fill(p, len, !(vi->vi_flags & EF_VI_TX_IP_CSUM_DIS),
			       !(vi->vi_flags & EF_VI_TX_TCPUDP_CSUM_DIS));
	d->len = pad(p, len);
	d->id = id;
	v->n_tx_free--;
	if (unlikely(v->alt_selected != ID_NONE)) {
		/* The alternative has it, or if that is full nobody: done either way. */
		d->flags |= TXD_ALT;
		if (efvi_alt_keep(v, d->frame, d->len) < 0)
			v->tx_free[v->n_tx_free++] = d->frame;
	}
	vi->vi_txq.added++;
}

static int check_len(ef_vi *vi, uint32_t len)
{
	if (unlikely(!vi->vi_txq.mask || len < EFVI_MIN_FRAME))
		return -EINVAL;
	return unlikely(len > EFVI_FRAME) ? -EMSGSIZE : 0;
}

EFVI_API int ef_vi_transmit_init(ef_vi *vi, ef_addr addr, int bytes, ef_request_id id)
{
	struct efvi_vi *v = vi->vi;
	uint32_t len = (uint32_t)bytes;
	struct efvi_tx_desc *d;
	int rc = check_len(vi, len);

	if (unlikely(rc < 0))
		return rc;
	if (unlikely(!efvi_registered(v->pd, (uintptr_t)addr, len)))
		return -EFAULT;
	d = slot(vi, v);
	if (unlikely(!d))
		return -EAGAIN;
	memcpy(frame_mem(v->port, d->frame), (const void *)(uintptr_t)addr, len);
	commit(vi, v, d, len, id, true);
	return 0;
}

static int transmitv_init(ef_vi *vi, const ef_iovec *iov, int n, ef_request_id id)
{
	struct efvi_vi *v = vi->vi;
	struct efvi_tx_desc *d;
	uint32_t len = 0;
	uint8_t *p;
	int rc;

	if (n <= 0)
		return -EINVAL;
	for (int i = 0; i < n; i++) {
		if (iov[i].iov_len > EFVI_FRAME)
			return -EMSGSIZE;
		if (!efvi_registered(v->pd, (uintptr_t)iov[i].iov_base, iov[i].iov_len))
			return -EFAULT;
		len += iov[i].iov_len;
		if (len > EFVI_FRAME)
			return -EMSGSIZE;
	}
	rc = check_len(vi, len);
	if (rc < 0)
		return rc;
	d = slot(vi, v);
	if (!d)
		return -EAGAIN;
	p = frame_mem(v->port, d->frame);
	for (int i = 0; i < n; i++) {
		memcpy(p, (const void *)(uintptr_t)iov[i].iov_base, iov[i].iov_len);
		p += iov[i].iov_len;
	}
	commit(vi, v, d, len, id, true);
	return 0;
}

void efvi_tx_flush(struct efvi_vi *v)
{
	struct vi *q = &v->q[v->txq_no];

	v->tx_looked = efvi_ticks();
	/* A device that is down keeps the frames; ef_eventq_poll() tells. */
	(void)vi_tx_kick(q);
}

bool efvi_tx_raw(struct efvi_vi *v, uint32_t frame, uint16_t len)
{
	return vi_tx_post(&v->q[v->txq_no], frame, 0, len, false) == 0;
}

static void transmit_push(ef_vi *vi)
{
	struct efvi_vi *v = vi->vi;
	ef_vi_txq *q = &vi->vi_txq;
	uint64_t ns = vi->vi_flags & EF_VI_TX_TIMESTAMPS ? clock_real_ns() : 0;

	for (; q->posted != q->added; q->posted++) {
		struct efvi_tx_desc *d = &q->desc[q->posted & q->mask];

		d->sent_ns = ns;
		if (d->flags & TXD_ALT)
			continue;
		/* The ring is at least as large as the queue. */
		if (unlikely(!efvi_tx_raw(v, d->frame, d->len)))
			break;
	}
	efvi_tx_flush(v);
}

static int transmit(ef_vi *vi, ef_addr base, int len, ef_request_id id)
{
	int rc = ef_vi_transmit_init(vi, base, len, id);

	if (likely(rc == 0))
		transmit_push(vi);
	return rc;
}

static int transmitv(ef_vi *vi, const ef_iovec *iov, int n, ef_request_id id)
{
	int rc = transmitv_init(vi, iov, n, id);

	if (rc == 0)
		transmit_push(vi);
	return rc;
}

EFVI_API void ef_vi_transmit_init_undo(ef_vi *vi)
{
	ef_vi_txq *q = &vi->vi_txq;
	struct efvi_vi *v = vi->vi;

	while (q->added != q->posted) {
		struct efvi_tx_desc *d = &q->desc[--q->added & q->mask];

		if (!(d->flags & TXD_ALT))
			v->tx_free[v->n_tx_free++] = d->frame;
	}
}

/* ---- completions ---- */

static inline void mine_back(struct efvi_vi *v, uint32_t frame)
{
	v->tx_free[v->n_tx_free++] = frame;
	if (unlikely(v->alt_of && v->alt_of[frame]))
		efvi_alt_done(v, frame);
	else
		v->tx_returned++;
}

/* Another VI's, whose thread fetches it; or nobody's any more. */
static __cold void others_back(struct efvi_port *p, uint32_t frame)
{
	struct efvi_vi *o = p->vis[p->owner[frame]];

	if (!o)
		p->free[p->n_free++] = frame;
	else if (o->n_tx_back < o->tx_frames)
		o->tx_back[o->n_tx_back++] = frame;
}

void efvi_tx_reap(struct efvi_vi *v)
{
	struct efvi_port *p = v->port;
	uint32_t bufs[EFVI_TX_BATCH];
	int n;

	port_lock(p);
	do {
		n = vi_tx_poll(&p->q[v->txq_no], bufs, EFVI_TX_BATCH);
		for (int i = 0; i < n; i++)
			if (likely(p->owner[bufs[i]] == v->index))
				mine_back(v, bufs[i]);
			else
				others_back(p, bufs[i]);
	} while (n == EFVI_TX_BATCH);
	while (unlikely(v->n_tx_back))
		mine_back(v, v->tx_back[--v->n_tx_back]);
	port_unlock(p);
	/* Copy mode wants more kicks when the device was full. */
	if (unlikely(v->q_shm[v->txq_no].tx_unkicked))
		(void)vi_tx_kick(&v->q[v->txq_no]);
}

/* Slots of which frames have come back, and kept ones, up to the first that has not. */
static inline void advance(ef_vi *vi, struct efvi_vi *v)
{
	ef_vi_txq *q = &vi->vi_txq;

	while (v->tx_next != q->posted) {
		struct efvi_tx_desc *d = &q->desc[v->tx_next & q->mask];

		if (!(d->flags & TXD_ALT)) {
			if (!v->tx_returned)
				break;
			v->tx_returned--;
		}
		v->tx_next++;
	}
}

static int timestamp_events(ef_vi *vi, struct efvi_vi *v, ef_event *evs, int max)
{
	ef_vi_txq *q = &vi->vi_txq;
	int n = 0;

	for (; n < max && q->done != v->tx_next; n++, q->done++, q->removed++) {
		struct efvi_tx_desc *d = &q->desc[q->done & q->mask];
		ef_event *e = &evs[n];

		memset(e, 0, sizeof(*e));
		e->tx_timestamp.type = EF_EVENT_TYPE_TX_WITH_TIMESTAMP;
		e->tx_timestamp.q_id = (unsigned)vi->vi_q_id & 0xff;
		e->tx_timestamp.flags = d->flags & TXD_CTPIO ? EF_EVENT_FLAG_CTPIO : 0;
		e->tx_timestamp.rq_id = (unsigned)d->id;
		e->tx_timestamp.ts_sec = (uint32_t)(d->sent_ns / NSEC_PER_SEC);
		e->tx_timestamp.ts_nsec = (unsigned)(d->sent_ns % NSEC_PER_SEC) & 0x3fffffff;
		e->tx_timestamp.ts_flags = v->sync & 3u;
	}
	return n;
}

static inline int tx_events(ef_vi *vi, struct efvi_vi *v, ef_event *evs, int max)
{
	ef_vi_txq *q = &vi->vi_txq;
	int n = 0;

	for (; n < max && q->done != v->tx_next; n++) {
		unsigned ctpio = q->desc[q->done & q->mask].flags & TXD_CTPIO;
		ef_event *e = &evs[n];
		uint32_t k = 0;

		while (k < EF_VI_TRANSMIT_BATCH && q->done != v->tx_next &&
		       (q->desc[q->done & q->mask].flags & TXD_CTPIO) == ctpio) {
			q->done++;
			k++;
		}
		e->tx.type = EF_EVENT_TYPE_TX;
		e->tx.q_id = (unsigned)vi->vi_q_id & 0xffff;
		e->tx.flags = ctpio ? EF_EVENT_FLAG_CTPIO : 0;
		e->tx.desc_id = q->done & 0xffff;
		e->tx.deferred_evs = 0;
	}
	return n;
}

static int alt_events(ef_vi *vi, struct efvi_vi *v, ef_event *evs, int max)
{
	int n = 0;

	for (uint32_t a = 0; a < v->n_alts && n < max; a++)
		for (; v->alt_sent[a] && n < max; v->alt_sent[a]--, v->n_alt_sent--, n++) {
			memset(&evs[n], 0, sizeof(evs[n]));
			evs[n].tx_alt.type = EF_EVENT_TYPE_TX_ALT;
			evs[n].tx_alt.q_id = (unsigned)vi->vi_q_id & 0xffff;
			evs[n].tx_alt.alt_id = a & 0xffff;
		}
	return n;
}

/* The device is gone or down with frames that will not leave. */
static int reset_event(struct efvi_vi *v, ef_event *e)
{
	if (v->reset_told)
		return 0;
	v->reset_told = true;
	memset(e, 0, sizeof(*e));
	e->generic.type = EF_EVENT_TYPE_RESET;
	return 1;
}

/* Between looks, when nothing else happens.  The other end's core, or the device,
 * writes the completion ring on its way to deliver our frame; a reader that spins on
 * it takes the cache line away each time. */
enum { LOOK_TICKS = 3000 };

int efvi_tx_poll(ef_vi *vi, ef_event *evs, int max, bool now)
{
	struct efvi_vi *v = vi->vi;
	ef_vi_txq *q = &vi->vi_txq;
	int n;

	if (q->done == q->posted && !v->n_alt_flight && !v->n_alt_sent)
		return 0;
	if (!now && q->done == v->tx_next && !v->n_alt_sent) {
		uint64_t t = efvi_ticks();

		if (t && t - v->tx_looked < LOOK_TICKS)
			return 0;
		v->tx_looked = t;
	}
	efvi_tx_reap(v);
	advance(vi, v);
	n = vi->vi_flags & EF_VI_TX_TIMESTAMPS ? timestamp_events(vi, v, evs, max) :
	    tx_events(vi, v, evs, max);
	if (unlikely(v->n_alt_sent))
		n += alt_events(vi, v, evs + n, max - n);
	if (unlikely(n < max && v->q_shm[v->txq_no].flags & VI_F_DOWN))
		n += reset_event(v, evs + n);
	return n;
}

EFVI_API int ef_vi_transmit_unbundle(ef_vi *vi, const ef_event *ev, ef_request_id *ids)
{
	ef_vi_txq *q = &vi->vi_txq;
	uint16_t n = (uint16_t)(ev->tx.desc_id - q->removed);

	if (ev->generic.type != EF_EVENT_TYPE_TX && ev->generic.type != EF_EVENT_TYPE_TX_ERROR)
		return 0;
	if (n > EF_VI_TRANSMIT_BATCH || n > q->done - q->removed)
		return 0;
	for (uint16_t i = 0; i < n; i++)
		ids[i] = q->desc[q->removed++ & q->mask].id;
	return n;
}

EFVI_API int ef_vi_transmitv_init_extra(ef_vi *vi, const struct ef_vi_tx_extra *extra,
					const ef_remote_iovec *iov, int n, ef_request_id id)
{
	(void)vi, (void)extra, (void)iov, (void)n, (void)id;
	return -EOPNOTSUPP;
}

EFVI_API void ef_vi_set_tx_push_threshold(ef_vi *vi, unsigned threshold)
{
	(void)vi, (void)threshold;
}

EFVI_API int ef_vi_tx_failed_next_(ef_vi *vi, uint32_t *pos, ef_request_id *id)
{
	if (!vi->vi->tx_stopped || *pos == vi->vi_txq.added)
		return 0;
	*id = vi->vi_txq.desc[(*pos)++ & vi->vi_txq.mask].id;
	return 1;
}

EFVI_API int ef_vi_reinit_txq_post_error_(ef_vi *vi)
{
	ef_vi_txq *q = &vi->vi_txq;

	if (!vi->vi->tx_stopped)
		return 0;
	ef_vi_transmit_init_undo(vi);
	q->removed = q->done = q->posted;
	vi->vi->tx_stopped = false;
	return 0;
}

/* ---- CTPIO: part 1 copies and sends, part 2 gives the id ---- */

static void transmitv_ctpio(ef_vi *vi, size_t len, const struct iovec *iov, int n, unsigned threshold)
{
	struct efvi_vi *v = vi->vi;
	struct efvi_tx_desc *d;
	size_t at = 0;
	uint8_t *p;

	(void)threshold;
	v->ctpio_frame = ID_NONE;
	if (unlikely(!(vi->vi_flags & EF_VI_TX_CTPIO) || check_len(vi, (uint32_t)len) < 0 ||
		     len > EFVI_FRAME || vi->vi_txq.posted != vi->vi_txq.added ||
		     v->alt_selected != ID_NONE))
		return;
	d = slot(vi, v);
	if (unlikely(!d))
		return;
	p = frame_mem(v->port, d->frame);
	for (int i = 0; i < n && at < len; i++) {
		size_t k = min_t(size_t, iov[i].iov_len, len - at);

		memcpy(p + at, iov[i].iov_base, k);
		at += k;
	}
	if (at < len)
		return;
	d->flags = TXD_CTPIO;
	d->len = pad(p, (uint32_t)len);
	d->sent_ns = vi->vi_flags & EF_VI_TX_TIMESTAMPS ? clock_real_ns() : 0;
	if (unlikely(!efvi_tx_raw(v, d->frame, d->len)))
		return;
	v->n_tx_free--;
	v->ctpio_frame = d->frame;
	efvi_tx_flush(v);
}

static void transmitv_ctpio_copy(ef_vi *vi, size_t len, const struct iovec *iov, int n,
				 unsigned threshold, void *fallback)
{
	char *to = fallback;
	size_t at = 0;

	transmitv_ctpio(vi, len, iov, n, threshold);
	for (int i = 0; i < n && at < len; i++) {
		size_t k = min_t(size_t, iov[i].iov_len, len - at);

		memcpy(to + at, iov[i].iov_base, k);
		at += k;
	}
}

/* Part 1 has sent it: the slot that it used gets its id. */
static bool ctpio_sent(ef_vi *vi, ef_request_id id)
{
	struct efvi_vi *v = vi->vi;
	ef_vi_txq *q = &vi->vi_txq;

	if (v->ctpio_frame == ID_NONE)
		return false;
	v->ctpio_frame = ID_NONE;
	q->desc[q->added & q->mask].id = id;
	q->posted = ++q->added;
	return true;
}

static int transmit_ctpio_fallback(ef_vi *vi, ef_addr addr, size_t len, ef_request_id id)
{
	if (unlikely(!(vi->vi_flags & EF_VI_TX_CTPIO)))
		return -EOPNOTSUPP;
	if (likely(ctpio_sent(vi, id)))
		return 0;
	return transmit(vi, addr, (int)min_t(size_t, len, INT_MAX), id);
}

static int transmitv_ctpio_fallback(ef_vi *vi, const ef_iovec *iov, int n, ef_request_id id)
{
	if (unlikely(!(vi->vi_flags & EF_VI_TX_CTPIO)))
		return -EOPNOTSUPP;
	if (ctpio_sent(vi, id))
		return 0;
	return transmitv(vi, iov, n, id);
}

/* ---- PIO: send from the region that pio.c made ---- */

static int transmit_pio(ef_vi *vi, int offset, int len, ef_request_id id)
{
	struct efvi_vi *v = vi->vi;
	struct efvi_tx_desc *d;

	if (!v->pio || offset < 0 || offset & 63 || len < 16 || (unsigned)offset > v->pio->pio_len ||
	    (unsigned)len > v->pio->pio_len - (unsigned)offset)
		return -EINVAL;
	if (check_len(vi, (uint32_t)len) < 0)
		return check_len(vi, (uint32_t)len);
	d = slot(vi, v);
	if (!d)
		return -EAGAIN;
	memcpy(frame_mem(v->port, d->frame), v->pio->pio_buffer + offset, (size_t)len);
	commit(vi, v, d, (uint32_t)len, id, true);
	transmit_push(vi);
	return 0;
}

static int transmit_copy_pio(ef_vi *vi, int offset, const void *src, int len, ef_request_id id)
{
	int rc = ef_pio_memcpy(vi, src, offset, len);

	return rc < 0 ? rc : transmit_pio(vi, offset, len, id);
}

static void pio_warm(ef_vi *vi)
{
	(void)vi;
}

static void copy_pio_warm(ef_vi *vi, int offset, const void *src, int len)
{
	(void)vi, (void)offset, (void)src, (void)len;
}

/* ---- warm-up ---- */

static void start_warm(ef_vi *vi, ef_vi_tx_warm_state *st, char *warm)
{
	(void)warm;
	if (st)
		memset(st, 0, sizeof(*st));
	vi->vi->warm = true;
}

static void stop_warm(ef_vi *vi, ef_vi_tx_warm_state *st)
{
	(void)st;
	vi->vi->warm = false;
}

void efvi_tx_ops(ef_vi *vi)
{
	vi->ops.transmit = transmit;
	vi->ops.transmitv = transmitv;
	vi->ops.transmitv_init = transmitv_init;
	vi->ops.transmit_push = transmit_push;
	vi->ops.transmit_pio = transmit_pio;
	vi->ops.transmit_copy_pio = transmit_copy_pio;
	vi->ops.transmit_pio_warm = pio_warm;
	vi->ops.transmit_copy_pio_warm = copy_pio_warm;
	vi->ops.transmitv_ctpio = transmitv_ctpio;
	vi->ops.transmitv_ctpio_copy = transmitv_ctpio_copy;
	vi->ops.transmit_ctpio_fallback = transmit_ctpio_fallback;
	vi->ops.transmitv_ctpio_fallback = transmitv_ctpio_fallback;
	vi->ops.start_transmit_warm = start_warm;
	vi->ops.stop_transmit_warm = stop_warm;
}
