/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * endian.h - unaligned network-order numbers in packet bytes
 */
#ifndef POSTERN_WIRE_ENDIAN_H
#define POSTERN_WIRE_ENDIAN_H

#include <string.h>

#include "base/types.h"

static inline uint16_t get_be16(const void *p)
{
	be16_t v;

	memcpy(&v, p, sizeof(v));
	return from_be16(v);
}

static inline uint32_t get_be32(const void *p)
{
	be32_t v;

	memcpy(&v, p, sizeof(v));
	return from_be32(v);
}

static inline void put_be16(void *p, uint16_t x)
{
	be16_t v = to_be16(x);

	memcpy(p, &v, sizeof(v));
}

static inline void put_be32(void *p, uint32_t x)
{
	be32_t v = to_be32(x);

	memcpy(p, &v, sizeof(v));
}

#endif
