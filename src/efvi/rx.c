// SPDX-License-Identifier: BSD-2-Clause
/*
 * rx.c - receiving: buffers in, frames into them, events out
 *
 * A frame is taken from the ring only when the program has given a buffer; the ring
 * is the room that a NIC has before it drops.  The frame's memory goes back to the
 * fill ring at once.  No system call but the driver's wish for a wake-up.
 */
#include "efvi/efvi.h"

#include <string.h>

#include "base/clock.h"

#include <sys/timex.h>

enum { BATCH = 32 };

static int receive_init(ef_vi *vi, ef_addr addr, ef_request_id id)
{
	ef_vi_rxq *q = &vi->vi_rxq;
	struct efvi_rx_desc *d;

	if (unlikely(q->added - q->removed >= q->mask))
		return -EAGAIN;
	if (unlikely(!efvi_registered(vi->vi->pd, (uintptr_t)addr, vi->rx_buffer_len)))
		return -EFAULT;
	d = &q->desc[q->added & q->mask];
	d->buf = (uint8_t *)(uintptr_t)addr;
	d->id = id;
	q->added++;
	return 0;
}

static void receive_push(ef_vi *vi)
{
	vi->vi_rxq.posted = vi->vi_rxq.added;
}

EFVI_API int ef_vi_receive_post(ef_vi *vi, ef_addr addr, ef_request_id id)
{
	int rc = receive_init(vi, addr, id);

	if (rc == 0)
		receive_push(vi);
	return rc;
}

/* Is the kernel's clock in step with its reference? */
static uint16_t sync_flags(void)
{
	struct timex t = { 0 };
	int rc = adjtimex(&t);

	return (uint16_t)(EF_VI_SYNC_FLAG_CLOCK_SET |
			  (rc >= 0 && rc != TIME_ERROR ? EF_VI_SYNC_FLAG_CLOCK_IN_SYNC : 0));
}

static inline void put_prefix(uint8_t *buf, uint64_t ns, uint16_t len)
{
	uint32_t sec = (uint32_t)(ns / NSEC_PER_SEC), nsec = (uint32_t)(ns % NSEC_PER_SEC);

	memcpy(buf + PREFIX_SEC, &sec, 4);
	memcpy(buf + PREFIX_NSEC, &nsec, 4);
	memcpy(buf + PREFIX_LEN, &len, 2);
	memset(buf + PREFIX_FLAGS, 0, EFVI_PREFIX - PREFIX_FLAGS);
}

/* Puts one frame into one buffer.  Returns 0 or EF_VI_DISCARD_RX_* of its faults. */
static inline unsigned take(ef_vi *vi, struct efvi_vi *v, uint8_t *buf, const uint8_t *frame,
			    uint16_t *len, uint64_t ns)
{
	const uint32_t prefix = (uint32_t)vi->rx_prefix_len;
	const unsigned mask = (unsigned)vi->rx_discard_mask;
	unsigned bad = 0;

	if (unlikely(*len + prefix > vi->rx_buffer_len)) {
		*len = (uint16_t)(vi->rx_buffer_len - prefix);
		v->n_trunc++;
		bad = EF_VI_DISCARD_RX_ETH_LEN_ERR;
	} else if (mask & (EF_VI_DISCARD_RX_L3_CSUM_ERR | EF_VI_DISCARD_RX_L4_CSUM_ERR)) {
		bad = efvi_csum_check(frame, *len, v->virt);
		v->n_csum += bad != 0;
	}
	memcpy(buf + prefix, frame, *len);
	if (prefix)
		put_prefix(buf, ns, *len);
	return bad & mask;
}

static inline void rx_event(ef_event *e, const ef_vi *vi, ef_request_id id, uint32_t len, bool mcast,
			    unsigned bad)
{
	e->rx.type = EF_EVENT_TYPE_RX;
	e->rx.q_id = (unsigned)vi->vi_q_id & 0xffff;
	e->rx.rq_id = (unsigned)id;
	e->rx.len = len & 0xffff;
	e->rx.flags = EF_EVENT_FLAG_SOP | (mcast ? EF_EVENT_FLAG_MULTICAST : 0);
	e->rx.ofs = 0;
	if (unlikely(bad)) {
		e->rx_discard.type = EF_EVENT_TYPE_RX_DISCARD;
		e->rx_discard.subtype = ef_vi_get_rx_discard_subtype_from_flags(bad) & 0xffff;
	}
}

/* Merged: the same kind of frame goes on the same event. */
static inline ef_event *multi_event(ef_event *e, ef_event *first, const ef_vi *vi, unsigned bad)
{
	unsigned type = bad ? EF_EVENT_TYPE_RX_MULTI_DISCARD : EF_EVENT_TYPE_RX_MULTI;
	unsigned subtype = bad ? ef_vi_get_rx_discard_subtype_from_flags(bad) : 0;

	if (e > first && e[-1].rx_multi.type == type && e[-1].rx_multi.n_descs < EF_VI_RECEIVE_BATCH &&
	    (!bad || e[-1].rx_multi_discard.subtype == subtype)) {
		e[-1].rx_multi.n_descs++;
		return e;
	}
	memset(e, 0, sizeof(*e));
	e->rx_multi.type = type & 0xffff;
	e->rx_multi.q_id = (unsigned)vi->vi_q_id & 0xffff;
	e->rx_multi.n_descs = 1;
	e->rx_multi.flags = EF_EVENT_FLAG_SOP;
	if (bad)
		e->rx_multi_discard.subtype = subtype & 0xffff;
	return e + 1;
}

static inline int poll_queue(ef_vi *vi, struct efvi_vi *v, uint32_t qn, ef_event *evs, int max)
{
	const bool merge = vi->vi_flags & EF_VI_RX_EVENT_MERGE;
	struct efvi_port *p = v->port;
	ef_vi_rxq *rq = &vi->vi_rxq;
	struct vi_event ev[BATCH];
	uint32_t bufs[BATCH];
	ef_event *e = evs;
	uint64_t ns = 0;
	uint32_t room = rq->posted - v->rx_taken;
	int n, i;

	if (unlikely(!room))
		return 0;
	n = (int)min_t(uint32_t, min_t(uint32_t, room, (uint32_t)max), BATCH);
	n = vi_rx_poll(&v->q[qn], ev, n);
	if (!n)
		return 0;
	if (vi->rx_prefix_len)
		ns = clock_real_ns();
	for (i = 0; i < n; i++) {
		const uint8_t *frame = frame_mem(p, ev[i].buf) + ev[i].off;
		struct efvi_rx_desc *d = &rq->desc[v->rx_taken++ & rq->mask];
		uint16_t len = ev[i].len;
		unsigned bad;

		bufs[i] = ev[i].buf;
		bad = take(vi, v, d->buf, frame, &len, ns);
		if (unlikely(merge)) {
			e = multi_event(e, evs, vi, bad);
		} else {
			rx_event(e++, vi, d->id, len + (uint32_t)vi->rx_prefix_len, frame[0] & 1, bad);
			rq->removed++;
		}
	}
	port_lock(p);
	(void)vi_rx_refill(&p->q[qn], bufs, n);
	port_unlock(p);
	return (int)(e - evs);
}

int efvi_rx_poll(ef_vi *vi, ef_event *evs, int max)
{
	struct efvi_vi *v = vi->vi;
	int n = 0;

	for (uint32_t q = 0; q < v->n_q && n < max; q++)
		n += poll_queue(vi, v, q, evs + n, max - n);
	return n;
}

EFVI_API int ef_vi_receive_unbundle(ef_vi *vi, const ef_event *ev, ef_request_id *ids)
{
	ef_vi_rxq *q = &vi->vi_rxq;
	int n = (int)ev->rx_multi.n_descs;

	if ((uint32_t)n > vi->vi->rx_taken - q->removed)
		n = (int)(vi->vi->rx_taken - q->removed);
	for (int i = 0; i < n; i++)
		ids[i] = q->desc[q->removed++ & q->mask].id;
	return n;
}

EFVI_API int ef_vi_receive_get_bytes(ef_vi *vi, const void *pkt, uint16_t *bytes_out)
{
	if (!vi->rx_prefix_len)
		return -EINVAL;
	memcpy(bytes_out, (const char *)pkt + PREFIX_LEN, 2);
	return 0;
}

EFVI_API int ef_vi_receive_query_layout(ef_vi *vi, const ef_vi_layout_entry **const layout_out,
					int *layout_len_out)
{
	static const ef_vi_layout_entry plain[] = {
		{ EF_VI_LAYOUT_FRAME, 0, "Ethernet frame" },
	}, prefixed[] = {
		{ EF_VI_LAYOUT_FRAME, EFVI_PREFIX, "Ethernet frame" },
		{ EF_VI_LAYOUT_PACKET_LENGTH, PREFIX_LEN, "length of the frame, 16 bits" },
		{ EF_VI_LAYOUT_COMPAT_TS, PREFIX_SEC, "seconds and nanoseconds, 32 bits each" },
	};

	*layout_out = vi->rx_prefix_len ? prefixed : plain;
	*layout_len_out = vi->rx_prefix_len ? (int)ARRAY_SIZE(prefixed) : (int)ARRAY_SIZE(plain);
	return 0;
}

EFVI_API ef_request_id ef_vi_rxq_next_desc_id(ef_vi *vi)
{
	return vi->vi_rxq.desc[vi->vi_rxq.removed & vi->vi_rxq.mask].id;
}

static int get_timestamp(ef_vi *vi, const void *pkt, ef_precisetime *ts)
{
	uint32_t sec, nsec;

	if (!(vi->vi_flags & EF_VI_RX_TIMESTAMPS))
		return -ENODATA;
	memcpy(&sec, (const char *)pkt + PREFIX_SEC, 4);
	memcpy(&nsec, (const char *)pkt + PREFIX_NSEC, 4);
	ts->tv_sec = sec;
	ts->tv_nsec = nsec;
	ts->tv_nsec_frac = 0;
	ts->tv_flags = vi->vi->sync;
	return 0;
}

EFVI_API int ef_vi_receive_get_timestamp_with_sync_flags(ef_vi *vi, const void *pkt,
							 ef_timespec *ts_out, unsigned *flags_out)
{
	ef_precisetime ts;
	int rc = get_timestamp(vi, pkt, &ts);

	if (rc < 0)
		return rc;
	ts_out->tv_sec = (time_t)ts.tv_sec;
	ts_out->tv_nsec = ts.tv_nsec;
	*flags_out = ts.tv_flags;
	return 0;
}

EFVI_API int ef_vi_receive_get_timestamp(ef_vi *vi, const void *pkt, ef_timespec *ts_out)
{
	unsigned flags;

	return ef_vi_receive_get_timestamp_with_sync_flags(vi, pkt, ts_out, &flags);
}

EFVI_API int ef_vi_receive_get_user_data(ef_vi *vi, const void *pkt, uint32_t *mark, uint8_t *flag)
{
	(void)vi, (void)pkt, (void)mark, (void)flag;
	return -EOPNOTSUPP;
}

EFVI_API int ef_vi_receive_get_discard_flags(ef_vi *vi, const void *pkt, unsigned *flags)
{
	(void)vi, (void)pkt, (void)flags;
	return -EOPNOTSUPP;
}

static int set_discards(ef_vi *vi, unsigned flags)
{
	vi->rx_discard_mask = flags & 0x3ff;
	return 0;
}

static uint64_t get_discards(ef_vi *vi)
{
	return vi->rx_discard_mask;
}

static int32_t get_filter_id(ef_vi *vi, const ef_event *ev, const void *pkt)
{
	(void)vi, (void)ev, (void)pkt;
	return -EOPNOTSUPP;
}

static int receive_poll(ef_vi *vi, ef_event *evs, int max)
{
	int n = 0;

	for (int i = 0; i < EF_VI_MAX_QS && n < max; i++)
		if (vi->vi_qs[i])
			n += efvi_rx_poll(vi->vi_qs[i], evs + n, max - n);
	vi->evq_pos += (uint32_t)n;
	return n;
}

void efvi_rx_ops(ef_vi *vi)
{
	vi->ops.receive_init = receive_init;
	vi->ops.receive_push = receive_push;
	vi->ops.receive_get_timestamp = get_timestamp;
	vi->ops.receive_set_discards = set_discards;
	vi->ops.receive_get_discards = get_discards;
	vi->ops.receive_get_filter_id = get_filter_id;
	vi->ops.receive_poll = receive_poll;
	vi->rx_discard_mask = EF_VI_DISCARD_RX_L3_CSUM_ERR | EF_VI_DISCARD_RX_L4_CSUM_ERR |
			      EF_VI_DISCARD_RX_ETH_LEN_ERR;
	vi->vi->sync = sync_flags();
}
