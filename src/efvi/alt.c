// SPDX-License-Identifier: BSD-2-Clause
/*
 * alt.c - alternatives: frames that are prepared now, and sent or dropped later
 *
 * An alternative keeps frames of packet memory.  The slot of the TX queue is done as
 * soon as the frame is kept; a TX_ALT event follows for each frame that was sent or
 * dropped.
 */
#include "efvi/efvi.h"

#include <stdlib.h>
#include <string.h>

enum { FRAME_COST = 64 };	/* the least that a frame counts for */

EFVI_API int ef_vi_transmit_alt_alloc(struct ef_vi *vi, ef_driver_handle dh, int n, size_t space)
{
	struct efvi_vi *v = vi->vi;
	uint32_t max = (uint32_t)min_t(size_t, space / FRAME_COST + 1, vi->vi_txq.mask);

	(void)dh;
	if (!(vi->vi_flags & EF_VI_TX_ALT) || n <= 0 || n > EFVI_ALTS_MAX || !vi->vi_txq.mask)
		return -EINVAL;
	if (v->alts)
		return -EALREADY;
	v->alts = calloc((size_t)n, sizeof(v->alts[0]));
	v->alt_sent = calloc((size_t)n, sizeof(v->alt_sent[0]));
	v->alt_of = calloc(v->port->n_frames, 1);
	v->n_alts = (uint32_t)n;
	for (int i = 0; v->alts && i < n; i++) {
		v->alts[i].max = max;
		v->alts[i].frames = calloc(max, sizeof(uint32_t));
		v->alts[i].lens = calloc(max, sizeof(uint16_t));
		if (!v->alts[i].frames || !v->alts[i].lens)
			n = -1;
	}
	if (!v->alts || !v->alt_sent || !v->alt_of || n < 0) {
		efvi_alts_free(v);
		return -ENOMEM;
	}
	return 0;
}

static void drop(struct efvi_vi *v, struct efvi_alt *a)
{
	while (a->n)
		v->tx_free[v->n_tx_free++] = a->frames[--a->n];
}

void efvi_alts_free(struct efvi_vi *v)
{
	for (uint32_t i = 0; v->alts && i < v->n_alts; i++) {
		drop(v, &v->alts[i]);
		free(v->alts[i].frames);
		free(v->alts[i].lens);
	}
	free(v->alts);
	free(v->alt_sent);
	free(v->alt_of);
	v->alts = NULL;
	v->alt_sent = NULL;
	v->alt_of = NULL;
	v->n_alts = v->n_alt_sent = v->n_alt_flight = 0;
	v->alt_selected = ID_NONE;
}

EFVI_API int ef_vi_transmit_alt_free(struct ef_vi *vi, ef_driver_handle dh)
{
	(void)dh;
	if (!vi->vi->alts)
		return -EINVAL;
	efvi_alts_free(vi->vi);
	return 0;
}

EFVI_API unsigned ef_vi_transmit_alt_num_ids(ef_vi *vi)
{
	return vi->vi->n_alts;
}

EFVI_API int ef_vi_transmit_alt_query_buffering(struct ef_vi *vi, int ifindex, ef_driver_handle dh, int n)
{
	(void)ifindex, (void)dh;
	if (!(vi->vi_flags & EF_VI_TX_ALT) || n <= 0 || n > EFVI_ALTS_MAX)
		return -EINVAL;
	return (int)vi->vi_txq.mask * FRAME_COST;
}

EFVI_API int ef_vi_transmit_alt_query_overhead(ef_vi *vi, struct ef_vi_transmit_alt_overhead *o)
{
	(void)vi;
	/* Each frame counts for at least 64 bytes, and a multiple of it. */
	o->pre_round = FRAME_COST - 1;
	o->mask = ~(uint32_t)(FRAME_COST - 1);
	o->post_round = 0;
	return 0;
}

static void send_kept(struct efvi_vi *v, uint32_t id)
{
	struct efvi_alt *a = &v->alts[id];
	uint32_t i;

	for (i = 0; i < a->n; i++) {
		v->alt_of[a->frames[i]] = (uint8_t)(id + 1);
		if (!efvi_tx_raw(v, a->frames[i], a->lens[i])) {
			v->alt_of[a->frames[i]] = 0;
			break;
		}
		v->n_alt_flight++;
	}
	memmove(a->frames, a->frames + i, (a->n - i) * sizeof(a->frames[0]));
	memmove(a->lens, a->lens + i, (a->n - i) * sizeof(a->lens[0]));
	a->n -= i;
	efvi_tx_flush(v);
}

int efvi_alt_keep(struct efvi_vi *v, uint32_t frame, uint16_t len)
{
	struct efvi_alt *a = &v->alts[v->alt_selected];

	if (a->n == a->max)
		return -ENOSPC;
	a->frames[a->n] = frame;
	a->lens[a->n++] = len;
	if (a->go)
		send_kept(v, v->alt_selected);
	return 0;
}

/* A frame of an alternative has left. */
void efvi_alt_done(struct efvi_vi *v, uint32_t frame)
{
	v->alt_sent[v->alt_of[frame] - 1]++;
	v->alt_of[frame] = 0;
	v->n_alt_sent++;
	v->n_alt_flight--;
}

static struct efvi_alt *alt(ef_vi *vi, unsigned id)
{
	return id < vi->vi->n_alts ? &vi->vi->alts[id] : NULL;
}

static int alt_select(ef_vi *vi, unsigned id)
{
	if (!alt(vi, id))
		return -EINVAL;
	vi->vi->alt_selected = id;
	return 0;
}

static int alt_select_default(ef_vi *vi)
{
	vi->vi->alt_selected = ID_NONE;
	return 0;
}

static int alt_stop(ef_vi *vi, unsigned id)
{
	if (!alt(vi, id))
		return -EINVAL;
	alt(vi, id)->go = false;
	return 0;
}

static int alt_go(ef_vi *vi, unsigned id)
{
	if (!alt(vi, id))
		return -EINVAL;
	alt(vi, id)->go = true;
	send_kept(vi->vi, id);
	return 0;
}

static int alt_discard(ef_vi *vi, unsigned id)
{
	struct efvi_alt *a = alt(vi, id);

	if (!a)
		return -EINVAL;
	vi->vi->alt_sent[id] += a->n;
	vi->vi->n_alt_sent += a->n;
	a->go = false;
	drop(vi->vi, a);
	return 0;
}

void efvi_alt_ops(ef_vi *vi)
{
	vi->ops.transmit_alt_select = alt_select;
	vi->ops.transmit_alt_select_default = alt_select_default;
	vi->ops.transmit_alt_stop = alt_stop;
	vi->ops.transmit_alt_go = alt_go;
	vi->ops.transmit_alt_discard = alt_discard;
}
