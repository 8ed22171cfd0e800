/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cp_hash.h - where a neighbour's search starts; shared by writer and reader
 */
#ifndef POSTERN_CP_CP_HASH_H
#define POSTERN_CP_CP_HASH_H

#include "cp/cp_shm.h"

_Static_assert((CP_MAX_NEIGHS & (CP_MAX_NEIGHS - 1)) == 0, "masked");

static inline uint32_t cp_neigh_slot(uint32_t ifindex, const struct cp_addr128 *a)
{
	uint64_t h = (a->d[0] ^ (uint64_t)ifindex << 17) * 0x9e3779b97f4a7c15ull;

	h = (h ^ h >> 32 ^ a->d[1]) * 0xff51afd7ed558ccdull;
	return (uint32_t)(h >> 40) & (CP_MAX_NEIGHS - 1);
}

#endif
