/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * upper.h - reaching the sockets' part of the arena
 *
 *   upper_off: | sock_upper | sock_shm[n_socks] | epset_shm[n_sets] | epitem_shm[n_items] |
 *
 * Links of struct shm_link are offsets from the arena's base, as everywhere.
 */
#ifndef POSTERN_SOCK_UPPER_H
#define POSTERN_SOCK_UPPER_H

#include <string.h>

#include "sock/sock_shm.h"
#include "stack/stack.h"

static inline struct sock_upper *upper(const struct stack *st) { return st->upper; }

static inline struct sock_shm *upper_sock(const struct stack *st, uint32_t id)
{
	return (struct sock_shm *)((char *)st->upper + upper(st)->socks_off) + id;
}

static inline uint32_t upper_sock_id(const struct stack *st, const struct sock_shm *s)
{
	return (uint32_t)(s - upper_sock(st, 0));
}

static inline struct epset_shm *upper_set(const struct stack *st, uint32_t id)
{
	return (struct epset_shm *)((char *)st->upper + upper(st)->sets_off) + id;
}

static inline struct epitem_shm *upper_item(const struct stack *st, uint32_t id)
{
	return (struct epitem_shm *)((char *)st->upper + upper(st)->items_off) + id;
}

static inline uint32_t upper_item_id(const struct stack *st, const struct epitem_shm *it)
{
	return (uint32_t)(it - upper_item(st, 0));
}

/* Sizes and first contents; given to stack_open() (upper.c). */
size_t upper_size(uint32_t n_eps);
void upper_init(void *up, uint32_t n_eps, void *arena_base);

/* A socket's slot, taken and given back with the endpoint of the same number.  Lock held. */
struct sock_shm *upper_sock_take(struct stack *st, uint32_t id);
void upper_sock_release(struct stack *st, uint32_t id);	/* unlinks its epoll items, raises gen */

/* An epoll item; NULL when none is left.  Lock held. */
struct epitem_shm *upper_item_take(struct stack *st);
void upper_item_release(struct stack *st, struct epitem_shm *it);

/* An epoll set; ID_NONE when none is left.  Lock held. */
uint32_t upper_set_take(struct stack *st);
void upper_set_release(struct stack *st, uint32_t id);

#endif
