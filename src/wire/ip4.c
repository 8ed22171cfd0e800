/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ip4.c - IPv4 options (RFC 791 section 3.1)
 *
 * Packets with options are rare, and the only thing a host must learn from them
 * is whether they are well formed and whether they ask for source routing.
 * The hot parts of IPv4 are in ip4.h.
 */
#include "wire/ip4.h"

enum {
	OPT_END   = 0,
	OPT_NOP   = 1,
	OPT_LSRR  = 131,
	OPT_SSRR  = 137,
};

int ip4_opts_check(const void *buf, size_t hdr_len, bool *src_rt)
{
	const uint8_t *p = (const uint8_t *)buf + IP4_HDR_LEN;
	const uint8_t *end = (const uint8_t *)buf + hdr_len;

	*src_rt = false;
	while (p < end && *p != OPT_END) {
		if (*p == OPT_NOP) {
			p++;
			continue;
		}
		/* The length octet counts itself and the type. */
		if (end - p < 2 || p[1] < 2 || p[1] > end - p)
			return -EBADMSG;
		if (*p == OPT_LSRR || *p == OPT_SSRR)
			*src_rt = true;
		p += p[1];
	}
	return 0;
}
