// SPDX-License-Identifier: BSD-2-Clause
/*
 * pkt_pool.c - the pool of packet frames
 *
 * A stack of free frames, linked by pkt.next, so that the frame used last (whose
 * lines are still in the cache) is used next.  Frames are lent for receiving or
 * for sending, and neither side may take more than three quarters: a slow reader
 * leaves the stack able to send, a stuck sender leaves it able to receive.
 *
 * A frame in a TX ring belongs to the device.  Freeing it only marks it; the
 * completion (net_tx_reap()) carries it out.
 */
#include "net/net.h"

static bool share_taken(const struct net_shm *sh, enum pkt_use use)
{
	uint32_t taken = use == PKT_FOR_RX ? sh->pkt_n_rx : sh->pkt_n_tx;

	return taken >= sh->n_frames - sh->n_frames / 4;
}

static __cold struct pkt *refuse(struct net *net)
{
	NET_STAT(net, pkt_pressure);
	return NULL;
}

struct pkt *pkt_alloc(struct net *net, enum pkt_use use)
{
	struct net_shm *sh = net->shm;
	uint32_t id = sh->pkt_free_head;
	struct pkt *p;

	/* The range check also covers ID_NONE, the end of the list. */
	if (unlikely(id >= net->n_frames || share_taken(sh, use)))
		return refuse(net);

	p = pkt_get(net, id);
	sh->pkt_free_head = p->next;
	sh->pkt_n_free--;
	if (sh->pkt_n_free < sh->pkt_low_water)
		sh->pkt_low_water = sh->pkt_n_free;
	if (use == PKT_FOR_RX)
		sh->pkt_n_rx++;
	else
		sh->pkt_n_tx++;
	p->use = (uint8_t)use;
	p->next = p->frag = ID_NONE;
	p->flags = 0;
	p->where = PKT_USER;
	return p;
}

static void free_one(struct net *net, struct pkt *p)
{
	struct net_shm *sh = net->shm;

	if (p->flags & PKT_F_IN_TX) {
		p->flags |= PKT_F_FREE_ON_TX;
		return;
	}
	if (p->use == PKT_FOR_RX)
		sh->pkt_n_rx--;
	else
		sh->pkt_n_tx--;
	p->where = PKT_FREE;
	p->next = sh->pkt_free_head;
	sh->pkt_free_head = pkt_id(net, p);
	sh->pkt_n_free++;
}

void pkt_free(struct net *net, struct pkt *p)
{
	uint32_t frag = p->frag;

	free_one(net, p);
	while (unlikely(frag < net->n_frames)) {
		p = pkt_get(net, frag);
		frag = p->frag;
		free_one(net, p);
	}
}

/* Completions taken from one VI at a time. */
enum { REAP_BATCH = 64 };

static void reap_vi(struct net *net, struct vi *vi)
{
	uint32_t bufs[REAP_BATCH];
	int n;

	do {
		n = vi_tx_poll(vi, bufs, REAP_BATCH);
		for (int i = 0; i < n; i++) {
			struct pkt *p = pkt_get(net, bufs[i]);
			uint32_t flags = p->flags;

			/* A device that completes a frame twice must not put it
			 * into the pool twice. */
			if (unlikely(!(flags & PKT_F_IN_TX)))
				continue;
			p->flags = flags & ~(uint32_t)(PKT_F_IN_TX | PKT_F_FREE_ON_TX);
			if (flags & PKT_F_FREE_ON_TX)
				free_one(net, p);
		}
	} while (n == REAP_BATCH);
}

void net_tx_reap(struct net *net)
{
	for (uint32_t i = 0; i < net->n_vis; i++)
		if (net->vis[i].shm->tx_inflight)
			reap_vi(net, &net->vis[i]);
}
