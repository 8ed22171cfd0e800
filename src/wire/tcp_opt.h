/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tcp_opt.h - TCP options (RFC 9293 section 3.2, RFC 7323, RFC 2018)
 *
 * tcp_opt_next() is the only code that moves over an option list.  The parsers
 * on top of it know MSS, window scale, SACK and timestamps; any other kind is
 * ignored (MUST-6), and so is a known kind with a length that it cannot have.
 */
#ifndef POSTERN_WIRE_TCP_OPT_H
#define POSTERN_WIRE_TCP_OPT_H

#include <errno.h>

#include "wire/endian.h"
#include "wire/tcp.h"

enum tcp_opt_kind {
	TCP_OPT_EOL     = 0,
	TCP_OPT_NOP     = 1,
	TCP_OPT_MSS     = 2,
	TCP_OPT_WSCALE  = 3,
	TCP_OPT_SACK_OK = 4,
	TCP_OPT_SACK    = 5,
	TCP_OPT_TS      = 8,
};

enum {
	TCP_OPT_TS_LEN   = 12,	/* NOP NOP TS: what a segment with timestamps carries */
	TCP_WSCALE_MAX   = 14,	/* RFC 7323 section 2.3 */
	TCP_SACK_MAX     = 4,	/* blocks that fit; 3 beside timestamps */
};

struct tcp_opt_iter {
	const uint8_t *p;
	const uint8_t *end;
};

struct tcp_opt {
	uint8_t kind;
	uint8_t len;		/* of data: kind and length octet not counted */
	const uint8_t *data;
};

/* What a SYN or SYN-ACK says. */
struct tcp_syn_opts {
	uint16_t mss;		/* 0: absent; 536 is then to be assumed for IPv4 and 1220 for
				 * IPv6 (RFC 9293 section 3.7.1, MUST-15) */
	uint8_t wscale;		/* at most 14 */
	bool wscale_ok;
	bool sack_ok;
	bool ts_ok;
	uint32_t tsval;
	uint32_t tsecr;
};

/* [start, end) */
struct tcp_sack_block {
	uint32_t start;
	uint32_t end;
};

/* What any other segment says. */
struct tcp_opts {
	bool ts_ok;
	uint8_t nsack;
	uint32_t tsval;
	uint32_t tsecr;
	struct tcp_sack_block sack[TCP_SACK_MAX];	/* the first nsack are set */
};

/* @opts: behind the 20 bytes of the header, hdr_len - 20 of them. */
static inline void tcp_opt_iter_init(struct tcp_opt_iter *it, const void *opts, size_t len)
{
	it->p = opts;
	it->end = it->p + len;
}

/* Returns 1 and the next option, 0 at the end, or -EBADMSG.  @o->data points
 * into the packet. */
static inline int __must_check tcp_opt_next(struct tcp_opt_iter *it, struct tcp_opt *o)
{
	size_t left;

	while (it->p < it->end && *it->p == TCP_OPT_NOP)
		it->p++;
	if (it->p == it->end || *it->p == TCP_OPT_EOL)
		return 0;

	/* The length octet counts itself and the kind (RFC 9293 section 3.1,
	 * MUST-7): below 2 the walk would stand still or go back. */
	left = (size_t)(it->end - it->p);
	if (left < 2 || it->p[1] < 2 || it->p[1] > left)
		return -EBADMSG;

	o->kind = it->p[0];
	o->len = (uint8_t)(it->p[1] - 2);
	o->data = it->p + 2;
	it->p += it->p[1];
	return 1;
}

/**
 * tcp_opt_parse_syn - the options of a SYN
 * @opts: behind the 20 bytes of the header
 * @len:  hdr_len - 20
 * @out:  always set: to what stood before the fault if there is one
 *
 * Returns 0, or -EBADMSG when the list is malformed.
 */
int tcp_opt_parse_syn(const void *opts, size_t len, struct tcp_syn_opts *out);

/* The general case of tcp_opt_parse(). */
int tcp_opt_parse_slow(const void *opts, size_t len, struct tcp_opts *out);

/**
 * tcp_opt_parse - the options of a segment without SYN
 *
 * Arguments and result as for tcp_opt_parse_syn().  Settles inline what nearly
 * all segments have: nothing, or NOP NOP TS (RFC 7323 appendix A).
 */
static inline int tcp_opt_parse(const void *opts, size_t len, struct tcp_opts *out)
{
	const uint8_t *p = opts;

	out->ts_ok = false;
	out->nsack = 0;
	if (len == 0)
		return 0;
	if (likely(len == TCP_OPT_TS_LEN && get_be32(p) == 0x0101080a)) {
		out->ts_ok = true;
		out->tsval = get_be32(p + 4);
		out->tsecr = get_be32(p + 8);
		return 0;
	}
	return tcp_opt_parse_slow(opts, len, out);
}

/* Writes NOP NOP TS; returns its length. */
static inline size_t tcp_opt_put_ts(void *buf, uint32_t tsval, uint32_t tsecr)
{
	uint8_t *p = buf;

	put_be32(p, 0x0101080a);
	put_be32(p + 4, tsval);
	put_be32(p + 8, tsecr);
	return TCP_OPT_TS_LEN;
}

/**
 * tcp_opt_put_syn - write the options of a SYN
 * @buf: room for 40 bytes
 *
 * An mss of 0 is left out.  Returns the length, a multiple of 4.
 */
size_t tcp_opt_put_syn(void *buf, const struct tcp_syn_opts *o);

/**
 * tcp_opt_put - write timestamps and SACK blocks
 * @buf: room for 40 bytes
 *
 * Blocks that do not fit are left out, the last first.  Returns the length, a
 * multiple of 4.
 */
size_t tcp_opt_put(void *buf, const struct tcp_opts *o);

#endif
