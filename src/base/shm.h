/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * shm.h - naming things inside a shared region
 *
 * A region may be mapped at any address, so nothing in it is a pointer.  An
 * offset is stored as 32 bits in units of 8 bytes, which names 32 GiB.  Lists
 * are circular and doubly linked, of links that live inside the objects, and
 * the head is itself a link inside the region: an unlinked link names itself.
 *
 * Callers hold the lock of the region.
 */
#ifndef POSTERN_BASE_SHM_H
#define POSTERN_BASE_SHM_H

#include "base/types.h"

/* Offset from the start of the region, in units of 8 bytes.  0 is "none"
 * (the region's own header is there). */
typedef uint32_t shm_off_t;

static inline void *shm_ptr(void *base, shm_off_t off)
{
	return (char *)base + ((size_t)off << 3);
}

static inline shm_off_t shm_off(const void *base, const void *p)
{
	return (shm_off_t)(((const char *)p - (const char *)base) >> 3);
}

/* One link of a list; 8 bytes, 8-byte aligned. */
struct shm_link {
	_Alignas(8) shm_off_t next;
	shm_off_t prev;
};

static inline void shm_list_init(void *base, struct shm_link *head)
{
	head->next = head->prev = shm_off(base, head);
}

static inline bool shm_list_empty(void *base, const struct shm_link *head)
{
	return head->next == shm_off(base, head);
}

/* A link is "on a list" when it does not name itself; links are initialised
 * with shm_list_init() and left so by shm_list_del(). */
static inline bool shm_link_linked(void *base, const struct shm_link *l)
{
	return !shm_list_empty(base, l);
}

static inline void shm_list_insert(void *base, struct shm_link *l,
				   struct shm_link *prev, struct shm_link *next)
{
	l->prev = shm_off(base, prev);
	l->next = shm_off(base, next);
	prev->next = next->prev = shm_off(base, l);
}

static inline void shm_list_add_tail(void *base, struct shm_link *head,
				     struct shm_link *l)
{
	shm_list_insert(base, l, shm_ptr(base, head->prev), head);
}

static inline void shm_list_add_head(void *base, struct shm_link *head,
				     struct shm_link *l)
{
	shm_list_insert(base, l, head, shm_ptr(base, head->next));
}

static inline void shm_list_del(void *base, struct shm_link *l)
{
	struct shm_link *n = shm_ptr(base, l->next), *p = shm_ptr(base, l->prev);

	n->prev = l->prev;
	p->next = l->next;
	shm_list_init(base, l);
}

/* First link of a list, or NULL. */
static inline struct shm_link *shm_list_first(void *base, struct shm_link *head)
{
	return shm_list_empty(base, head) ? NULL : shm_ptr(base, head->next);
}

static inline struct shm_link *shm_list_next(void *base, struct shm_link *l)
{
	return shm_ptr(base, l->next);
}

#define shm_list_for_each(base, l, head)                     \
	for ((l) = shm_ptr((base), (head)->next); (l) != (head); \
	     (l) = shm_ptr((base), (l)->next))

#endif
