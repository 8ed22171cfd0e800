// SPDX-License-Identifier: BSD-2-Clause
/*
 * pkt_pool.c - the pool of packet frames
 *
 * A stack of free frames, linked by pkt.next, so that the frame used last (whose
 * lines are still in the cache) is used next; behind it, those never used yet.  Frames are lent for receiving or
 * for sending, and neither side may take more than three quarters: a slow reader
 * leaves the stack able to send, a stuck sender leaves it able to receive.
 *
 * A frame in a TX ring belongs to the device.  Freeing it only marks it; the
 * completion (net_tx_reap()) carries it out.
 */
#include "net/net.h"

static __cold struct pkt *refuse(struct net *net)
{
	NET_STAT(net, pkt_pressure);
	return NULL;
}

/* The count of frames that @use has taken. */
static inline uint32_t *taken_by(struct net_shm *sh, uint8_t use)
{
	return use == PKT_FOR_RX ? &sh->pkt_n_rx : &sh->pkt_n_tx;
}

struct pkt *pkt_alloc(struct net *net, enum pkt_use use)
{
	struct net_shm *sh = net->shm;
	uint32_t id = sh->pkt_free_head, *taken = taken_by(sh, use);
	struct pkt *p;

	if (unlikely(*taken >= net->pkt_share))
		return refuse(net);
	/* The range check also covers ID_NONE, the end of the list. */
	if (likely(id < net->n_frames)) {
		p = pkt_get(net, id);
		sh->pkt_free_head = p->next;
	} else {
		if (unlikely(sh->pkt_fresh >= net->n_frames))
			return refuse(net);
		p = pkt_get(net, sh->pkt_fresh++);
	}
	++*taken;
	if (--sh->pkt_n_free < sh->pkt_low_water)
		sh->pkt_low_water = sh->pkt_n_free;
	p->next = p->frag = ID_NONE;
	p->flags = 0;
	p->use = (uint8_t)use;
	p->where = PKT_USER;
	return p;
}

static inline void free_one(struct net *net, struct pkt *p)
{
	struct net_shm *sh = net->shm;

	if (p->flags & PKT_F_IN_TX) {
		p->flags |= PKT_F_FREE_ON_TX;
		return;
	}
	--*taken_by(sh, p->use);
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
