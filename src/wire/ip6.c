/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ip6.c - the walk over IPv6 extension headers (RFC 8200 section 4)
 *
 * Takes a packet whose first 40 bytes have been read and finds the transport
 * header.  It keeps what a host needs to know on the way: whether this is a
 * fragment, and whether an option or routing header wants the packet discarded
 * (the sender would then be told by ICMP, which is the kernel's business).
 * AH and ESP end the walk: they are protocols to us, and not ours.
 */
#include "wire/ip6.h"

enum {
	FRAG_HDR_LEN = 8,
	OPT_PAD1     = 0,
	OPT_PADN     = 1,
	OPT_ROUTER_ALERT = 5,	/* RFC 2711 */
};

/* The options of a hop-by-hop or destination header; section 4.2. */
static int walk_opts(const uint8_t *p, size_t len)
{
	while (len) {
		size_t n;

		if (*p == OPT_PAD1) {
			p++;
			len--;
			continue;
		}
		if (len < 2)
			return -EBADMSG;
		n = 2u + p[1];
		if (n > len)
			return -EBADMSG;
		/* Of an unknown option the two highest bits say what to do; all
		 * but 00 mean discard.  Jumbo payload (RFC 2675) is 11 and
		 * unknown to us. */
		if (*p != OPT_PADN && *p != OPT_ROUTER_ALERT && *p >> 6)
			return -EBADMSG;
		p += n;
		len -= n;
	}
	return 0;
}

int ip6_walk(const void *buf, size_t len, struct ip6 *h)
{
	const uint8_t *start = buf;
	size_t off = IP6_HDR_LEN, n;
	uint8_t next = h->next;
	uint16_t fo;

	if (len < off)
		return -EBADMSG;
	for (unsigned int i = 0; i < IP6_EXT_MAX; i++) {
		const uint8_t *p = start + off;

		switch (next) {
		case IP6_NEXT_HBH:
			/* Only first (section 4.1). */
			if (i)
				return -EBADMSG;
			break;
		case IP6_NEXT_ROUTE:
		case IP6_NEXT_DSTOPT:
			break;
		case IP6_NEXT_FRAG:
			if (len - off < FRAG_HDR_LEN)
				return -EBADMSG;
			fo = get_be16(p + 2);
			h->frag_id = get_be32(p + 4);
			h->frag_off = fo & 0xfff8;
			h->mf = fo & 1;
			next = p[0];
			off += FRAG_HDR_LEN;
			if (h->frag_off || h->mf) {
				h->frag = true;
				goto out;
			}
			/* An atomic fragment is a whole packet (RFC 6946). */
			continue;
		default:
			goto out;
		}

		if (len - off < 8)
			return -EBADMSG;
		n = ((size_t)p[1] + 1) * 8;
		if (n > len - off)
			return -EBADMSG;
		if (next == IP6_NEXT_ROUTE) {
			/* Of whatever type, it is none of our business only
			 * when its way is over (section 4.4, RFC 5095). */
			if (p[3] != 0)
				return -EBADMSG;
		} else if (walk_opts(p + 2, n - 2) < 0) {
			return -EBADMSG;
		}
		next = p[0];
		off += n;
	}
	/* One look more than headers walked: the last of them may end here. */
	if (next == IP6_NEXT_HBH || next == IP6_NEXT_ROUTE ||
	    next == IP6_NEXT_FRAG || next == IP6_NEXT_DSTOPT)
		return -EBADMSG;
out:
	h->proto = next;
	h->l4_off = (uint16_t)off;
	return 0;
}
