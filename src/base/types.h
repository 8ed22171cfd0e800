/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * types.h - the words that every file of the project may use
 *
 * Byte-order types are one-member structs, so that a missing conversion does
 * not compile.  Nothing here allocates, prints or makes a system call.
 */
#ifndef POSTERN_BASE_TYPES_H
#define POSTERN_BASE_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CACHE_LINE 64

#define likely(x)   __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)
#define __cold      __attribute__((cold, noinline))
#ifndef __must_check
#define __must_check __attribute__((warn_unused_result))
#endif
#define __printf(f, a) __attribute__((format(printf, f, a)))

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define container_of(p, type, member) \
	((type *)((char *)(p) - offsetof(type, member)))
#define min_t(type, a, b) ((type)(a) < (type)(b) ? (type)(a) : (type)(b))
#define max_t(type, a, b) ((type)(a) > (type)(b) ? (type)(a) : (type)(b))
#define ROUND_UP(x, to) (((x) + (to) - 1) / (to) * (to))

/* Network byte order. */
typedef struct { uint16_t be; } be16_t;
typedef struct { uint32_t be; } be32_t;

static inline be16_t to_be16(uint16_t v) { return (be16_t){ __builtin_bswap16(v) }; }
static inline be32_t to_be32(uint32_t v) { return (be32_t){ __builtin_bswap32(v) }; }
static inline uint16_t from_be16(be16_t v) { return __builtin_bswap16(v.be); }
static inline uint32_t from_be32(be32_t v) { return __builtin_bswap32(v.be); }

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
	       "big-endian hosts need to_be16() and friends to be identities");

/* "No object": the id or index that no pool hands out. */
#define ID_NONE UINT32_MAX

#define NSEC_PER_USEC 1000ull
#define NSEC_PER_MSEC 1000000ull
#define NSEC_PER_SEC  1000000000ull

#endif
