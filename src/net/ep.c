// SPDX-License-Identifier: BSD-2-Clause
/*
 * ep.c - the pool of endpoints
 *
 * Slots that came back form a list by hash_next; when it is empty the next one that was
 * never used is taken, so low numbers come first.  A slot is zeroed when it is handed out,
 * not when it comes back: what a closed connection looked like stays visible to
 * the tools until its slot is used again.
 */
#include "net/net.h"

#include <string.h>

struct ep *ep_alloc(struct net *net)
{
	struct net_shm *sh = net->shm;
	uint32_t id = sh->ep_free_head;
	struct ep *ep;

	if (likely(id < net->n_eps)) {
		ep = ep_get(net, id);
		sh->ep_free_head = ep->hash_next;
	} else {
		id = sh->ep_fresh;
		if (unlikely(id >= net->n_eps)) {
			NET_DROP(net, no_ep);
			return NULL;
		}
		sh->ep_fresh++;
		ep = ep_get(net, id);
	}
	sh->ep_n_used++;

	memset(ep, 0, EP_SLOT_SIZE);
	ep->id = id;
	ep->hash_next = ID_NONE;
	ep->kind = EP_RESERVED;
	shm_list_init(net->base, &ep->ready);
	return ep;
}

void ep_free(struct net *net, struct ep *ep)
{
	struct net_shm *sh = net->shm;

	if (ep->flags & EP_F_HASHED)
		demux_remove(net, ep);
	shm_list_del(net->base, &ep->ready);
	ep->events = 0;
	ep->flags = 0;
	ep->kind = EP_FREE;
	ep->hash_next = sh->ep_free_head;
	sh->ep_free_head = ep->id;
	sh->ep_n_used--;
}
