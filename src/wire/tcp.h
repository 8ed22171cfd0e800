/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tcp.h - the TCP header (RFC 9293 section 3.1)
 *
 * Options are in tcp_opt.h.  The checksum is not verified here: csum.h, with
 * the pseudo-header.
 */
#ifndef POSTERN_WIRE_TCP_H
#define POSTERN_WIRE_TCP_H

#include <errno.h>
#include <netinet/in.h>

#include "wire/endian.h"

enum {
	TCP_HDR_LEN     = 20,
	TCP_HDR_MAX     = 60,
	TCP_OPT_MAX_LEN = 40,
};

/* Control bits; ECE and CWR are RFC 3168's. */
enum tcp_flag {
	TCP_FIN = 0x01,
	TCP_SYN = 0x02,
	TCP_RST = 0x04,
	TCP_PSH = 0x08,
	TCP_ACK = 0x10,
	TCP_URG = 0x20,
	TCP_ECE = 0x40,
	TCP_CWR = 0x80,
};

struct tcp_hdr {
	be16_t sport;
	be16_t dport;
	be32_t seq;
	be32_t ack;
	uint8_t off;		/* data offset in the upper four bits, in words */
	uint8_t flags;
	be16_t wnd;
	be16_t csum;
	be16_t urg;
} __attribute__((packed));
_Static_assert(sizeof(struct tcp_hdr) == TCP_HDR_LEN, "wire format");

/* A parsed header. */
struct tcp_seg {
	uint32_t seq;
	uint32_t ack;
	be16_t sport;
	be16_t dport;
	uint16_t wnd;		/* as on the wire, not scaled */
	uint16_t urg;
	be16_t csum;
	uint8_t flags;		/* enum tcp_flag */
	uint8_t hdr_len;	/* 20 to 60, with options; options are at p + 20 */
};

/* @len: header, options and payload.  Returns 0 or -EBADMSG. */
static inline int __must_check tcp_parse(const void *buf, size_t len, struct tcp_seg *out)
{
	struct tcp_hdr h;

	if (unlikely(len < TCP_HDR_LEN))
		return -EBADMSG;
	memcpy(&h, buf, sizeof(h));
	out->seq = from_be32(h.seq);
	out->ack = from_be32(h.ack);
	out->sport = h.sport;
	out->dport = h.dport;
	out->wnd = from_be16(h.wnd);
	out->urg = from_be16(h.urg);
	out->csum = h.csum;
	out->flags = h.flags;
	out->hdr_len = (uint8_t)(h.off >> 4 << 2);
	if (unlikely(out->hdr_len < TCP_HDR_LEN || out->hdr_len > len))
		return -EBADMSG;
	return 0;
}

/* @s->hdr_len: with the options, which follow (tcp_opt.h); a multiple of 4. */
static inline void tcp_put(void *buf, const struct tcp_seg *s)
{
	struct tcp_hdr h = {
		.sport = s->sport,
		.dport = s->dport,
		.seq = to_be32(s->seq),
		.ack = to_be32(s->ack),
		.off = (uint8_t)(s->hdr_len >> 2 << 4),
		.flags = s->flags,
		.wnd = to_be16(s->wnd),
		.csum = s->csum,
		.urg = to_be16(s->urg),
	};

	memcpy(buf, &h, sizeof(h));
}

#endif
