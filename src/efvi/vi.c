// SPDX-License-Identifier: BSD-2-Clause
/*
 * vi.c - VIs: allocation, the event queue, what they are
 *
 * A VI's event queue is no ring: ef_eventq_poll() makes the events from what the
 * rings of its VIs say at that moment, so it cannot overflow.
 */
#include "efvi/efvi.h"

#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#include "base/sys.h"

static struct efvi_vi *vis;
static unsigned next_id;

struct efvi_vi *efvi_vis(void)
{
	return vis;
}

struct efvi_vi *efvi_vi_by_id(unsigned id)
{
	struct efvi_vi *v;

	for (v = vis; v && v->api->vi_resource_id != id; v = v->next)
		;
	return v;
}

/* ---- events ---- */

static __cold int sw_events(struct efvi_vi *v, ef_event *evs, int max)
{
	uint32_t put = __atomic_load_n(&v->sw_put, __ATOMIC_ACQUIRE);
	int n = 0;

	/* Pairs with the release in ef_eventq_put(). */
	for (; n < max && v->sw_got != put; n++) {
		memset(&evs[n], 0, sizeof(evs[n]));
		evs[n].sw.type = EF_EVENT_TYPE_SW;
		evs[n].sw.data = v->sw[v->sw_got % EFVI_SW_MAX];
		__atomic_store_n(&v->sw_got, v->sw_got + 1, __ATOMIC_RELEASE);
	}
	return n;
}

static inline int poll_vi(ef_vi *vi, ef_event *evs, int max)
{
	struct efvi_vi *v = vi->vi;
	int n = 0;

	if (unlikely(__atomic_load_n(&v->sw_put, __ATOMIC_RELAXED) != v->sw_got))
		n = sw_events(v, evs, max);
	if (likely(n < max) && vi->vi_rxq.mask)
		n += efvi_rx_poll(vi, evs + n, max - n - (max - n > 1));
	/* Frames never take all the room, so that sends are heard of. */
	if (likely(n < max))
		n += efvi_tx_poll(vi, evs + n, max - n, n > 0);
	return n;
}

static int eventq_poll_one(ef_vi *vi, ef_event *evs, int max)
{
	int n = poll_vi(vi, evs, max);

	vi->evq_pos += (uint32_t)n;
	return n;
}

static int eventq_poll_many(ef_vi *vi, ef_event *evs, int max)
{
	/* Not always the same first, or it would starve the others. */
	uint32_t start = vi->evq_pos;
	int n = 0;

	for (uint32_t i = 0; i < EF_VI_MAX_QS && n < max; i++) {
		ef_vi *q = vi->vi_qs[(start + i) % EF_VI_MAX_QS];

		if (q)
			n += poll_vi(q, evs + n, max - n);
	}
	vi->evq_pos += (uint32_t)n;
	return n;
}

static int eventq_poll_none(ef_vi *vi, ef_event *evs, int max)
{
	(void)vi, (void)evs, (void)max;
	return -EINVAL;
}

static uint32_t pending(const ef_vi *vi)
{
	const struct efvi_vi *v = vi->vi;
	uint32_t n = v->sw_put - v->sw_got + v->n_alt_sent + (v->tx_next - vi->vi_txq.done);
	uint32_t room = vi->vi_rxq.posted - v->rx_taken;

	if (vi->vi_txq.done != vi->vi_txq.posted || v->n_alt_flight) {
		const struct vi *q = &v->port->q[v->txq_no];

		n += __atomic_load_n(q->comp.producer, __ATOMIC_RELAXED) !=
		     __atomic_load_n(&q->shm->comp_cons, __ATOMIC_RELAXED);
		n += v->n_tx_back + v->tx_returned;
	}
	for (uint32_t i = 0; i < v->n_q && vi->vi_rxq.mask && room; i++) {
		uint32_t k = __atomic_load_n(v->q[i].rx.producer, __ATOMIC_RELAXED) - v->q_shm[i].rx_cons;

		k = min_t(uint32_t, k, room);
		n += k;
		room -= k;
	}
	return n;
}

EFVI_API int ef_eventq_has_many_events_(const ef_vi *vi, int n_events)
{
	uint32_t n = 0;

	for (int i = 0; i < EF_VI_MAX_QS; i++)
		if (vi->vi_qs[i])
			n += pending(vi->vi_qs[i]);
	return n > (uint32_t)max_t(int, n_events, 0);
}

EFVI_API int ef_eventq_has_event_(const ef_vi *vi)
{
	return ef_eventq_has_many_events_(vi, 0);
}

EFVI_API int ef_eventq_capacity(ef_vi *vi)
{
	return vi->vi_evq == vi ? (int)vi->vi->evq_size - 1 : 0;
}

EFVI_API int ef_eventq_put(unsigned resource_id, ef_driver_handle dh, unsigned ev_bits)
{
	struct efvi_vi *v;
	int rc = 0;

	(void)dh;
	efvi_lock();		/* several threads may put; one polls without it */
	v = efvi_vi_by_id(resource_id);
	if (!v)
		rc = -ENOENT;
	else if (v->sw_put - __atomic_load_n(&v->sw_got, __ATOMIC_ACQUIRE) >= EFVI_SW_MAX)
		rc = -ENOSPC;
	if (rc == 0) {
		v->sw[v->sw_put % EFVI_SW_MAX] = (uint16_t)ev_bits;
		__atomic_store_n(&v->sw_put, v->sw_put + 1, __ATOMIC_RELEASE);
		efvi_wake(v);
	}
	efvi_unlock();
	return rc;
}

/* ---- allocation ---- */

static int ring_size(int want, const char *env, int otherwise)
{
	uint32_t n = EFVI_RING_MIN;

	if (want < 0)
		want = efvi_env_int(env, otherwise);
	if (want < 0 || want > EFVI_RING_MAX)
		return -EINVAL;
	if (!want)
		return 0;
	while (n < (uint32_t)want)
		n <<= 1;
	return (int)n;
}

static uint64_t env_flags(void)
{
	const char *s = getenv("EF_VI_EXTRA_VI_FLAGS");

	return s ? strtoull(s, NULL, 0) : 0;
}

/* Our place in an event queue. */
static int join_evq(ef_vi *vi, ef_vi *evq)
{
	for (int i = 0; i < EF_VI_MAX_QS; i++)
		if (!evq->vi_qs[i]) {
			evq->vi_qs[i] = vi;
			evq->vi_qs_n++;
			vi->vi_q_id = i;
			vi->vi_evq = evq;
			evq->ops.eventq_poll = evq->vi_qs_n == 1 && evq->vi_qs[0] == evq ?
					       eventq_poll_one : eventq_poll_many;
			return i;
		}
	return -EBUSY;
}

static void leave_evq(ef_vi *vi)
{
	ef_vi *evq = vi->vi_evq;

	if (!evq || evq->vi_qs[vi->vi_q_id] != vi)
		return;
	evq->vi_qs[vi->vi_q_id] = NULL;
	evq->vi_qs_n--;
}

static void free_vi(struct efvi_vi *v)
{
	ef_vi *vi = v->api;
	struct efvi_vi **at;

	efvi_filters_free(v);
	if (v->alts)
		efvi_alts_free(v);
	for (at = &vis; *at && *at != v; at = &(*at)->next)
		;
	if (*at)
		*at = v->next;
	leave_evq(vi);
	/* Others that used our event queue are without one. */
	for (int i = 0; i < EF_VI_MAX_QS; i++)
		if (vi->vi_qs[i] && vi->vi_qs[i] != vi)
			vi->vi_qs[i]->vi_evq = vi->vi_qs[i];
	efvi_port_vi_gone(v->port, v);
	efvi_port_put(v->port);
	v->pd->n_vis--;
	if (v->kick_fd >= 0)
		sys_close(v->kick_fd);
	free(vi->vi_rxq.desc);
	free(vi->vi_txq.desc);
	free(v);
	memset(vi, 0, sizeof(*vi));
}

int efvi_vi_alloc(ef_vi *vi, int dh, struct efvi_pd *pd, int evq, int rxq, int txq, ef_vi *evq_opt,
		  uint64_t flags, uint32_t set)
{
	struct efvi_vi *v;
	int rx, tx, rc;

	memset(vi, 0, sizeof(*vi));
	flags |= env_flags();
	if (!pd || (evq_opt && evq > 0))
		return -EINVAL;
	if (flags & (EF_VI_RX_PACKED_STREAM | (uint64_t)EF_VI_RX_FILTER_ID) ||
	    (flags & EF_VI_TX_ALT && flags & EF_VI_TX_TIMESTAMPS))
		return -EOPNOTSUPP;
	rx = ring_size(rxq, "EF_VI_RXQ_SIZE", EFVI_RING_DEFAULT);
	tx = ring_size(txq, "EF_VI_TXQ_SIZE", EFVI_RING_DEFAULT);
	if (rx < 0 || tx < 0)
		return -EINVAL;
	if (evq < 0)
		evq = efvi_env_int("EF_VI_EVQ_SIZE", rx + tx);
	v = calloc(1, sizeof(*v));
	if (!v)
		return -ENOMEM;
	v->api = vi;
	v->pd = pd;
	v->dh = dh;
	v->kick_fd = -1;
	v->ctpio_frame = v->alt_selected = ID_NONE;
	v->evq_size = EFVI_RING_MIN;
	while (v->evq_size < (uint32_t)evq && v->evq_size < 1u << 20)
		v->evq_size <<= 1;
	vi->vi = v;
	vi->vi_rxq.desc = calloc((size_t)rx + 1, sizeof(vi->vi_rxq.desc[0]));
	vi->vi_txq.desc = calloc((size_t)tx + 1, sizeof(vi->vi_txq.desc[0]));
	rc = vi->vi_rxq.desc && vi->vi_txq.desc ? 0 : -ENOMEM;
	if (rc == 0)
		rc = efvi_port_get(pd->ifindex, (uint32_t)rx, (uint32_t)tx, &v->port);
	if (rc < 0)
		goto out_free;
	vi->vi_rxq.mask = rx ? (uint32_t)rx - 1 : 0;
	vi->vi_txq.mask = tx ? (uint32_t)tx - 1 : 0;
	rc = efvi_port_vi(v->port, v, set, (uint32_t)rx, (uint32_t)tx);
	if (rc < 0)
		goto out_put;
	if (flags & EF_VI_RX_ZEROCOPY && !(v->q_shm[0].flags & VI_F_ZEROCOPY)) {
		rc = -EOPNOTSUPP;
		goto out_gone;
	}
	vi->vi_flags = (enum ef_vi_flags)flags;
	vi->nic_type = (struct ef_vi_nic_type){ .arch = EF_VI_ARCH_AF_XDP, .variant = 'x' };
	vi->vi_out_flags = flags & (EF_VI_RX_TIMESTAMPS | EF_VI_TX_TIMESTAMPS) ?
			   EF_VI_OUT_CLOCK_SYNC_STATUS : 0;
	vi->rx_prefix_len = flags & (EF_VI_RX_TIMESTAMPS | EF_VI_RX_EVENT_MERGE) ? EFVI_PREFIX : 0;
	vi->rx_buffer_len = EFVI_BUF_LEN;
	vi->vi_i = next_id;
	vi->vi_resource_id = next_id++;
	vi->ops.eventq_poll = eventq_poll_none;
	efvi_rx_ops(vi);
	efvi_tx_ops(vi);
	efvi_alt_ops(vi);
	efvi_wait_ops(vi);
	if (evq_opt)
		rc = join_evq(vi, evq_opt->vi_evq);
	else
		rc = join_evq(vi, vi);
	if (rc < 0)
		goto out_gone;
	vi->inited = 1;
	v->next = vis;
	vis = v;
	pd->n_vis++;
	return rc;

out_gone:
	efvi_port_vi_gone(v->port, v);
out_put:
	efvi_port_put(v->port);
out_free:
	free(vi->vi_rxq.desc);
	free(vi->vi_txq.desc);
	free(v);
	memset(vi, 0, sizeof(*vi));
	return rc;
}

EFVI_API int ef_vi_alloc_from_pd(ef_vi *vi, ef_driver_handle vi_dh, struct ef_pd *pd,
				 ef_driver_handle pd_dh, int evq, int rxq, int txq, ef_vi *evq_opt,
				 ef_driver_handle evq_dh, enum ef_vi_flags flags)
{
	int rc;

	(void)pd_dh, (void)evq_dh;
	efvi_lock();
	rc = efvi_vi_alloc(vi, vi_dh, efvi_pd(pd), evq, rxq, txq, evq_opt, (uint64_t)flags, ID_NONE);
	efvi_unlock();
	return rc;
}

EFVI_API int ef_vi_free(ef_vi *vi, ef_driver_handle dh)
{
	struct efvi_vi *v;

	(void)dh;
	efvi_lock();
	for (v = vis; v && v->api != vi; v = v->next)
		;
	if (v)
		free_vi(v);
	efvi_unlock();
	return v ? 0 : -EINVAL;
}

void efvi_vis_free(int dh)
{
	for (struct efvi_vi *v = vis, *next; v; v = next) {
		next = v->next;
		if (v->dh == dh)
			free_vi(v);
	}
}

EFVI_API int ef_vi_flush(ef_vi *vi, ef_driver_handle dh)
{
	struct efvi_vi *v = vi->vi;

	(void)dh;
	vi->vi_rxq.added = vi->vi_rxq.posted = vi->vi_rxq.removed = v->rx_taken;
	ef_vi_transmit_init_undo(vi);
	/* Sent frames were copied: the program's buffers are free. */
	return 0;
}

EFVI_API int ef_vi_pace(ef_vi *vi, ef_driver_handle dh, int val)
{
	(void)vi, (void)dh, (void)val;
	return -EOPNOTSUPP;
}

static int link_of(const ef_vi *vi, struct cp_link *l)
{
	struct cp cp;
	int rc;

	efvi_lock();
	rc = efvi_tables(&cp);
	efvi_unlock();
	return rc < 0 ? rc : cp_link_get(&cp, vi->vi->pd->ifindex, l);
}

EFVI_API unsigned ef_vi_mtu(ef_vi *vi, ef_driver_handle dh)
{
	struct cp_link l;

	(void)dh;
	return link_of(vi, &l) < 0 ? 1518 : l.mtu + 18;
}

EFVI_API int ef_vi_get_mac(ef_vi *vi, ef_driver_handle dh, void *mac_out)
{
	struct cp_link l;

	(void)dh;
	if (link_of(vi, &l) < 0)
		return -ENODEV;
	memcpy(mac_out, l.mac, 6);
	return 0;
}

EFVI_API int ef_vi_set_shrub_client_buffer_count_(ef_vi *vi, size_t count)
{
	(void)vi, (void)count;
	return -EOPNOTSUPP;
}
