// SPDX-License-Identifier: BSD-2-Clause
/*
 * upper.c - the sockets' part of the arena: layout, pools of sockets, epoll
 * sets and epoll items
 *
 * Runs with the stack lock held (upper_init(): before anybody else can see the
 * arena).
 */
#include "sock/upper.h"

static uint32_t items_for(uint32_t n_eps)
{
	/* A socket is in one epoll set as a rule, in two now and then. */
	return n_eps * 2 + 1024;
}

size_t upper_size(uint32_t n_eps)
{
	return ROUND_UP(sizeof(struct sock_upper), CACHE_LINE) +
	       ROUND_UP(n_eps * sizeof(struct sock_shm), CACHE_LINE) +
	       ROUND_UP(EPSET_MAX * sizeof(struct epset_shm), CACHE_LINE) +
	       items_for(n_eps) * sizeof(struct epitem_shm);
}

static void item_reset(void *base, struct epitem_shm *it)
{
	shm_list_init(base, &it->of_set);
	shm_list_init(base, &it->of_sock);
	shm_list_init(base, &it->ready);
	it->in_use = 0;
}

void upper_init(void *up, uint32_t n_eps, void *arena_base)
{
	struct sock_upper *u = up;
	(void)arena_base;	/* zero, and taken as it is when it is first used */
	u->n_socks = n_eps;
	u->n_sets = EPSET_MAX;
	u->n_items = items_for(n_eps);
	u->socks_off = ROUND_UP(sizeof(*u), CACHE_LINE);
	u->sets_off = u->socks_off + ROUND_UP(n_eps * sizeof(struct sock_shm), CACHE_LINE);
	u->items_off = u->sets_off + ROUND_UP(EPSET_MAX * sizeof(struct epset_shm), CACHE_LINE);
	u->item_free_head = ID_NONE;
}

struct sock_shm *upper_sock_take(struct stack *st, uint32_t id)
{
	struct sock_shm *s = upper_sock(st, id);
	uint32_t gen = s->gen, edges = s->edges;

	memset(s, 0, sizeof(*s));
	shm_list_init(st->net.base, &s->items);
	s->gen = gen;
	s->edges = edges;
	s->in_use = 1;
	s->linger_s = -1;
	s->rcvlowat = 1;
	s->procs = 1ull << st->proc_slot;
	s->created_ns = st->net.now;
	return s;
}

void upper_sock_release(struct stack *st, uint32_t id)
{
	struct sock_shm *s = upper_sock(st, id);
	struct shm_link *l;

	while ((l = shm_list_first(st->net.base, &s->items)))
		upper_item_release(st, container_of(l, struct epitem_shm, of_sock));
	s->in_use = 0;
	s->gen++;
	/* Whoever sleeps on it finds gen changed. */
	stack_ring(st, atomic_exchange(&s->wait_mask, 0));
}

struct epitem_shm *upper_item_take(struct stack *st)
{
	struct sock_upper *u = upper(st);
	struct epitem_shm *it;

	if (u->item_free_head < u->n_items) {
		it = upper_item(st, u->item_free_head);
		u->item_free_head = it->next_free;
	} else {
		if (u->item_fresh >= u->n_items)
			return NULL;
		it = upper_item(st, u->item_fresh++);
		item_reset(st->net.base, it);
	}
	it->in_use = 1;
	return it;
}

void upper_item_release(struct stack *st, struct epitem_shm *it)
{
	void *base = st->net.base;

	if (shm_link_linked(base, &it->of_set))
		upper_set(st, it->set)->n_items--;
	shm_list_del(base, &it->of_set);
	shm_list_del(base, &it->of_sock);
	shm_list_del(base, &it->ready);
	it->in_use = 0;
	it->next_free = upper(st)->item_free_head;
	upper(st)->item_free_head = upper_item_id(st, it);
}

uint32_t upper_set_take(struct stack *st)
{
	for (uint32_t i = 0; i < upper(st)->n_sets; i++) {
		struct epset_shm *set = upper_set(st, i);

		if (set->in_use)
			continue;
		set->in_use = 1;
		/* Empty since the last user; of the first zero. */
		shm_list_init(st->net.base, &set->items);
		shm_list_init(st->net.base, &set->ready);
		set->procs = 1ull << st->proc_slot;
		set->n_items = 0;
		set->gen++;
		atomic_store(&set->wait_mask, 0);
		return i;
	}
	return ID_NONE;
}

void upper_set_release(struct stack *st, uint32_t id)
{
	struct epset_shm *set = upper_set(st, id);
	struct shm_link *l;

	while ((l = shm_list_first(st->net.base, &set->items)))
		upper_item_release(st, container_of(l, struct epitem_shm, of_set));
	set->in_use = 0;
	set->procs = 0;
}
