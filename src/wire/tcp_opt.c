/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tcp_opt.c - TCP options: the cases that are not decided inline
 *
 * Reading: SYN options, and segments with SACK blocks or an unusual layout.
 * Writing: the layouts that other stacks expect, padded to whole words.
 * Whether an option may be used at all on this connection is not known here.
 */
#include "wire/tcp_opt.h"

static void get_ts(const struct tcp_opt *o, uint32_t *tsval, uint32_t *tsecr)
{
	*tsval = get_be32(o->data);
	*tsecr = get_be32(o->data + 4);
}

int tcp_opt_parse_syn(const void *opts, size_t len, struct tcp_syn_opts *out)
{
	struct tcp_opt_iter it;
	struct tcp_opt o;
	int rc;

	memset(out, 0, sizeof(*out));
	tcp_opt_iter_init(&it, opts, len);
	while ((rc = tcp_opt_next(&it, &o)) == 1) {
		switch (o.kind) {
		case TCP_OPT_MSS:
			if (o.len == 2)
				out->mss = get_be16(o.data);
			break;
		case TCP_OPT_WSCALE:
			/* More than 14 is used as 14 (RFC 7323 section 2.3). */
			if (o.len == 1) {
				out->wscale_ok = true;
				out->wscale = min_t(uint8_t, o.data[0], TCP_WSCALE_MAX);
			}
			break;
		case TCP_OPT_SACK_OK:
			if (o.len == 0)
				out->sack_ok = true;
			break;
		case TCP_OPT_TS:
			if (o.len == 8) {
				out->ts_ok = true;
				get_ts(&o, &out->tsval, &out->tsecr);
			}
			break;
		}
	}
	return rc;
}

int tcp_opt_parse_slow(const void *opts, size_t len, struct tcp_opts *out)
{
	struct tcp_opt_iter it;
	struct tcp_opt o;
	int rc;

	out->ts_ok = false;
	out->nsack = 0;
	tcp_opt_iter_init(&it, opts, len);
	while ((rc = tcp_opt_next(&it, &o)) == 1) {
		switch (o.kind) {
		case TCP_OPT_TS:
			if (o.len == 8) {
				out->ts_ok = true;
				get_ts(&o, &out->tsval, &out->tsecr);
			}
			break;
		case TCP_OPT_SACK:
			/* 40 bytes of options cannot hold more than four blocks,
			 * but callers may hand in more than 40 bytes. */
			if (o.len == 0 || o.len % 8 || o.len > TCP_SACK_MAX * 8)
				break;
			out->nsack = o.len / 8;
			for (unsigned int i = 0; i < out->nsack; i++) {
				out->sack[i].start = get_be32(o.data + 8 * i);
				out->sack[i].end = get_be32(o.data + 8 * i + 4);
			}
			break;
		}
	}
	return rc;
}

size_t tcp_opt_put_syn(void *buf, const struct tcp_syn_opts *o)
{
	uint8_t *p = buf;

	if (o->mss) {
		*p++ = TCP_OPT_MSS;
		*p++ = 4;
		put_be16(p, o->mss);
		p += 2;
	}
	/* SACK-permitted takes the place of the two NOPs before a timestamp. */
	if (o->ts_ok || o->sack_ok) {
		*p++ = o->sack_ok ? TCP_OPT_SACK_OK : TCP_OPT_NOP;
		*p++ = o->sack_ok ? 2 : TCP_OPT_NOP;
		if (o->ts_ok) {
			*p++ = TCP_OPT_TS;
			*p++ = 10;
			put_be32(p, o->tsval);
			put_be32(p + 4, o->tsecr);
			p += 8;
		} else {
			*p++ = TCP_OPT_NOP;
			*p++ = TCP_OPT_NOP;
		}
	}
	if (o->wscale_ok) {
		*p++ = TCP_OPT_NOP;
		*p++ = TCP_OPT_WSCALE;
		*p++ = 3;
		*p++ = o->wscale;
	}
	return (size_t)(p - (uint8_t *)buf);
}

size_t tcp_opt_put(void *buf, const struct tcp_opts *o)
{
	uint8_t *p = buf;
	unsigned int n;

	if (o->ts_ok)
		p += tcp_opt_put_ts(p, o->tsval, o->tsecr);
	n = min_t(unsigned int, o->nsack, o->ts_ok ? TCP_SACK_MAX - 1 : TCP_SACK_MAX);
	if (n) {
		*p++ = TCP_OPT_NOP;
		*p++ = TCP_OPT_NOP;
		*p++ = TCP_OPT_SACK;
		*p++ = (uint8_t)(2 + 8 * n);
		for (unsigned int i = 0; i < n; i++, p += 8) {
			put_be32(p, o->sack[i].start);
			put_be32(p + 4, o->sack[i].end);
		}
	}
	return (size_t)(p - (uint8_t *)buf);
}
