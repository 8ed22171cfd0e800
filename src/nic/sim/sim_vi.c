// SPDX-License-Identifier: BSD-2-Clause
/*
 * sim_vi.c - the VI of a simulated port
 *
 * The driver calls of nic/nic.h over rings in ordinary memory.  Keeps the
 * promises of AF_XDP: a receive frame is needed for each frame that arrives, a
 * sent one comes back only when it has left.
 */
#include "nic/sim/sim_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int rx_poll(struct vi *vi, struct vi_event *ev, int max)
{
	struct sim_port *p = vi->priv;
	struct vi_shm *sh = vi->shm;
	int n = 0;

	while (n < max && p->rx_tail != p->rx_head) {
		ev[n] = p->rx[p->rx_tail++ & (sh->rx_size - 1)];
		sh->rx_bytes += ev[n].len;
		sh->rx_pkts += !(ev[n].flags & VI_EV_CONT);
		n++;
	}
	sh->rx_cons = p->rx_tail;
	sh->fill_level -= (uint32_t)n;
	return n;
}

static bool rx_ready(const struct vi *vi)
{
	const struct sim_port *p = vi->priv;

	return p->rx_tail != p->rx_head;
}

static int rx_refill(struct vi *vi, const uint32_t *bufs, int n)
{
	struct sim_port *p = vi->priv;
	struct vi_shm *sh = vi->shm;
	int i;

	for (i = 0; i < n && p->fill_head - p->fill_tail < sh->fill_size; i++) {
		if (bufs[i] >= vi->n_frames) {
			sh->rx_bad_desc++;
			continue;
		}
		p->fill[p->fill_head++ & (sh->fill_size - 1)] = bufs[i];
	}
	sh->fill_prod = p->fill_head;
	sh->fill_level += (uint32_t)i;
	return i;
}

static int tx_post(struct vi *vi, uint32_t buf, uint16_t off, uint16_t len, bool more)
{
	struct sim_port *p = vi->priv;
	struct vi_shm *sh = vi->shm;

	/* In flight until polled: also the completion ring has a slot for it. */
	if (p->tx_head - p->tx_tail >= sh->tx_size || sh->tx_inflight >= sh->comp_size) {
		sh->tx_ring_full++;
		return -EAGAIN;
	}
	if (buf >= vi->n_frames || (uint32_t)off + len > 1u << vi->frame_shift) {
		sh->tx_errors++;	/* the kernel drops such a descriptor, and does not complete it */
		return 0;
	}
	p->tx[p->tx_head++ & (sh->tx_size - 1)] =
		(struct sim_piece){ .buf = buf, .off = off, .len = len, .more = more };
	sh->tx_prod = p->tx_head;
	sh->tx_inflight++;
	sh->tx_unkicked++;
	sh->tx_pkts += !more;
	sh->tx_bytes += len;
	return 0;
}

static int tx_poll(struct vi *vi, uint32_t *bufs, int max)
{
	struct sim_port *p = vi->priv;
	struct vi_shm *sh = vi->shm;
	int n = 0;

	while (n < max && p->comp_tail != p->comp_head)
		bufs[n++] = p->comp[p->comp_tail++ & (sh->comp_size - 1)];
	sh->comp_cons = p->comp_tail;
	sh->tx_inflight -= (uint32_t)n;
	return n;
}

static int tx_kick(struct vi *vi)
{
	struct sim_port *p = vi->priv;
	struct vi_shm *sh = vi->shm;
	struct sim_piece pieces[64];
	uint32_t pos;
	unsigned n = 0;

	if (!sh->tx_unkicked)
		return 0;
	if (sh->flags & VI_F_DOWN)
		return -ENXIO;
	sh->tx_unkicked = 0;
	sh->tx_kicks++;
	for (pos = p->tx_tail; pos != p->tx_head; pos++) {
		if (n == ARRAY_SIZE(pieces))	/* longer than any packet: cut it */
			n = 0;
		pieces[n++] = p->tx[pos & (sh->tx_size - 1)];
		if (pieces[n - 1].more)
			continue;
		p->tx_tail = pos + 1;
		sim_send(p, pieces, n);
		n = 0;
	}
	return 0;
}

static int kstats(const struct vi *vi, struct vi_kstats *out)
{
	const struct sim_port *p = vi->priv;

	*out = (struct vi_kstats){
		.rx_dropped = p->stats.no_buffer_dropped,
		.rx_fill_ring_empty_descs = p->stats.no_buffer_dropped,
		.rx_ring_full = p->stats.ring_dropped,
	};
	return 0;
}

static void close_port(struct vi *vi)
{
	struct sim_port *p = vi->priv;
	struct sim_net *net = p->net;
	size_t i;

	/* What is still under way arrives, but completes for nobody. */
	for (i = 0; i < net->n_events; i++)
		if (net->heap[i].kind == SIM_EV_SENT && net->heap[i].port == p->index)
			net->heap[i].n_pieces = 0;
	free(p->fill);
	free(p->comp);
	free(p->rx);
	free(p->tx);
	p->fill = p->comp = NULL;
	p->rx = NULL;
	p->tx = NULL;
	p->shm = NULL;
}

static const struct vi_ops sim_ops = {
	.rx_poll = rx_poll,
	.rx_refill = rx_refill,
	.rx_ready = rx_ready,
	.tx_post = tx_post,
	.tx_poll = tx_poll,
	.tx_kick = tx_kick,
	.kstats = kstats,
	.close = close_port,
};

void sim_complete(struct sim_port *p, const struct sim_piece *pieces, unsigned n)
{
	unsigned i;

	for (i = 0; i < n; i++)
		p->comp[p->comp_head++ & (p->shm->comp_size - 1)] = pieces[i].buf;
}

void sim_deliver(struct sim_port *p, const struct sim_frame *f)
{
	struct vi_shm *sh = p->shm;
	uint32_t room = (1u << sh->frame_shift) - SIM_RX_OFF, done = 0, part, buf;
	uint32_t n = f->len ? (f->len + room - 1) / room : 1;

	if (sh->flags & VI_F_DOWN)
		return;
	if (n > 1 && !(sh->flags & VI_F_SG)) {
		p->stats.too_big_dropped++;
		return;
	}
	if (p->fill_head - p->fill_tail < n) {
		p->stats.no_buffer_dropped++;
		return;
	}
	if (sh->rx_size - (p->rx_head - p->rx_tail) < n) {
		p->stats.ring_dropped++;
		return;
	}
	do {
		part = min_t(uint32_t, f->len - done, room);
		buf = p->fill[p->fill_tail++ & (sh->fill_size - 1)];
		memcpy(p->frames + ((size_t)buf << sh->frame_shift) + SIM_RX_OFF, f->data + done,
		       part);
		done += part;
		p->rx[p->rx_head++ & (sh->rx_size - 1)] = (struct vi_event){
			.buf = buf, .off = SIM_RX_OFF, .len = (uint16_t)part,
			.flags = done < f->len ? VI_EV_CONT : 0,
		};
	} while (done < f->len);
	p->stats.delivered++;
}

void sim_port_down(struct sim_net *net, unsigned port)
{
	if (net->port[port].shm)
		net->port[port].shm->flags |= VI_F_DOWN;
}

static bool default_size(uint32_t *size)
{
	if (!*size)
		*size = SIM_RING_DEFAULT;
	return !(*size & (*size - 1)) && *size <= 1u << 16;
}

int sim_vi_open(struct sim_net *net, void *frames, uint32_t frame_shift, uint32_t n_frames,
		struct vi_shm *shm, struct vi *vi)
{
	struct sim_port *p = NULL;
	unsigned i;

	for (i = 0; i < net->n_ports && !p; i++)
		if (!net->port[i].shm)
			p = &net->port[i];
	if (!p)
		return -ENOSPC;
	if (frame_shift < 9 || frame_shift > 15 || !n_frames)
		return -EINVAL;
	if (!default_size(&shm->rx_size) || !default_size(&shm->tx_size) ||
	    !default_size(&shm->fill_size) || !default_size(&shm->comp_size))
		return -EINVAL;

	p->fill_head = p->fill_tail = p->comp_head = p->comp_tail = 0;
	p->rx_head = p->rx_tail = p->tx_head = p->tx_tail = 0;
	p->fill = calloc(shm->fill_size, sizeof(*p->fill));
	if (!p->fill)
		return -ENOMEM;
	p->comp = calloc(shm->comp_size, sizeof(*p->comp));
	if (!p->comp)
		goto out_fill;
	p->rx = calloc(shm->rx_size, sizeof(*p->rx));
	if (!p->rx)
		goto out_comp;
	p->tx = calloc(shm->tx_size, sizeof(*p->tx));
	if (!p->tx)
		goto out_rx;

	shm->driver = VI_DRV_SIM;
	shm->flags &= VI_F_VIRTUAL | VI_F_SG;
	if (!shm->ifindex)
		shm->ifindex = p->index + 1;
	shm->frame_shift = frame_shift;
	shm->n_frames = n_frames;
	p->frames = frames;
	p->shm = shm;
	*vi = (struct vi){
		.shm = shm, .driver = VI_DRV_SIM, .fd = -1, .frame_shift = frame_shift,
		.n_frames = n_frames, .ops = &sim_ops, .priv = p,
	};
	return (int)p->index;

out_rx:
	free(p->rx);
	p->rx = NULL;
out_comp:
	free(p->comp);
	p->comp = NULL;
out_fill:
	free(p->fill);
	p->fill = NULL;
	return -ENOMEM;
}
