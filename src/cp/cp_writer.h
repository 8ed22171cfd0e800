/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cp_writer.h - writing the control-plane tables (posternd; tests with private
 * memory).  One writer thread.  Calls between cp_begin() and cp_end() are one
 * change to readers; cp_end() raises `gen` when a forwarding answer may differ.
 */
#ifndef POSTERN_CP_CP_WRITER_H
#define POSTERN_CP_CP_WRITER_H

#include "cp/cp_shm.h"

void cp_init(struct cp_shm *shm, uint64_t netns_ino);
void cp_begin(struct cp_shm *shm);
void cp_end(struct cp_shm *shm, bool forwarding_changed);
/* All return 0, or -ENOSPC when the table is full. Idempotent: the same key replaces. */
int cp_set_link(struct cp_shm *shm, const struct cp_link *l);
void cp_del_link(struct cp_shm *shm, uint32_t ifindex);
int cp_set_addr(struct cp_shm *shm, const struct cp_addr *a);
void cp_del_addr(struct cp_shm *shm, const struct cp_addr *a);
int cp_set_route(struct cp_shm *shm, const struct cp_route *r);
void cp_del_route(struct cp_shm *shm, const struct cp_route *r);
/* The whole table at once; sorts @r in place.  Returns 1 when it differs from
 * the one before, 0 when not.  Calls cp_begin() and cp_end() itself. */
int cp_replace_routes(struct cp_shm *shm, struct cp_route *r, uint32_t n, bool has_rules);
/* Returns 1 when a forwarding answer changed (MAC or validity), 0 when not. */
int cp_set_neigh(struct cp_shm *shm, const struct cp_neigh *n);
int cp_del_neigh(struct cp_shm *shm, uint32_t ifindex, const void *addr);

#endif
