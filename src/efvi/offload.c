// SPDX-License-Identifier: BSD-2-Clause
/*
 * offload.c - what a NIC does with checksums, in software
 *
 * Looks at IPv4 and IPv6 (without extension headers) with at most one VLAN tag, and
 * at TCP and UDP in them unless fragmented.  Anything else is left alone and right.
 */
#include "efvi/efvi.h"

#include "wire/eth.h"
#include "wire/ip4.h"

#include <string.h>

enum { P_TCP = 6, P_UDP = 17 };

struct parts {
	uint8_t *ip, *l4;
	uint32_t ip_len;	/* of the IPv4 header; 0: IPv6 */
	uint32_t l4_len;	/* as the IP header says */
	uint32_t pseudo;
	uint8_t proto;		/* P_TCP, P_UDP, or 0 */
};

static uint32_t pseudo(const uint8_t *addrs, size_t len, uint8_t proto, uint32_t l4_len)
{
	return csum_partial(addrs, len, (uint32_t)to_be16(proto).be + to_be16((uint16_t)l4_len).be);
}

/* Returns false when there is nothing to do. */
static inline bool take_apart(uint8_t *p, size_t len, struct parts *o)
{
	uint32_t off = 14, ihl, total;
	uint16_t type;

	if (len < 34)
		return false;
	memcpy(&type, p + 12, 2);
	if (type == to_be16(ETH_T_VLAN).be) {
		memcpy(&type, p + 16, 2);
		off = 18;
	}
	o->ip = p + off;
	o->proto = 0;
	if (type == to_be16(ETH_T_IP4).be) {
		ihl = (o->ip[0] & 15u) * 4;
		total = get_be16(o->ip + 2);
		if (o->ip[0] >> 4 != 4 || ihl < 20 || off + ihl > len)
			return false;
		o->ip_len = ihl;
		if (total < ihl || off + total > len || get_be16(o->ip + 6) & 0x3fff)
			return true;
		o->l4_len = total - ihl;
		o->l4 = o->ip + ihl;
		o->proto = o->ip[9];
		if (o->proto != P_TCP && o->proto != P_UDP)
			o->proto = 0;
		else
			o->pseudo = pseudo(o->ip + 12, 8, o->proto, o->l4_len);
	} else if (type == to_be16(ETH_T_IP6).be) {
		if (len < off + 40)
			return false;
		o->ip_len = 0;
		o->l4_len = get_be16(o->ip + 4);
		o->l4 = o->ip + 40;
		o->proto = o->ip[6];
		if (off + 40 + o->l4_len > len || (o->proto != P_TCP && o->proto != P_UDP))
			return false;
		o->pseudo = pseudo(o->ip + 8, 32, o->proto, o->l4_len);
	} else {
		return false;
	}
	if ((o->proto == P_TCP && o->l4_len < 20) || (o->proto == P_UDP && o->l4_len < 8))
		o->proto = 0;
	return true;
}

/* What the field at @at of @len bytes should hold.  The old value is taken out of the
 * sum rather than zeroed first: a load over a store that is still on its way stalls. */
static inline be16_t should_be(const uint8_t *p, size_t len, uint32_t at, uint32_t sum)
{
	uint16_t old;

	memcpy(&old, p + at, 2);
	return csum_fold(csum_add(csum_partial(p, len, sum), (uint16_t)~old));
}

void efvi_csum_fill(uint8_t *p, size_t len, bool ip, bool l4)
{
	struct parts o;
	be16_t c;

	if (!take_apart(p, len, &o))
		return;
	if (ip && o.ip_len) {
		c = should_be(o.ip, o.ip_len, 10, 0);
		memcpy(o.ip + 10, &c, 2);
	}
	if (l4 && o.proto) {
		uint32_t at = o.proto == P_TCP ? 16 : 6;

		c = should_be(o.l4, o.l4_len, at, o.pseudo);
		if (o.proto == P_UDP && !c.be)
			c.be = 0xffff;
		memcpy(o.l4 + at, &c, 2);
	}
}

unsigned efvi_csum_check(const uint8_t *p, size_t len, bool virt)
{
	unsigned bad = 0;
	struct parts o;
	be16_t c;

	if (!take_apart((uint8_t *)(uintptr_t)p, len, &o))
		return 0;
	if (o.ip_len && !csum_ok(csum_partial(o.ip, o.ip_len, 0)))
		bad |= EF_VI_DISCARD_RX_L3_CSUM_ERR;
	if (!o.proto)
		return bad;
	memcpy(&c, o.l4 + (o.proto == P_TCP ? 16 : 6), 2);
	if (o.proto == P_UDP && !c.be)		/* none; over IPv6 there must be one */
		return o.ip_len ? bad : bad | EF_VI_DISCARD_RX_L4_CSUM_ERR;
	/* Left to hardware that a virtual link does not have. */
	if (virt && csum_is_pseudo(c, o.pseudo))
		return bad;
	if (!csum_ok(csum_partial(o.l4, o.l4_len, o.pseudo)))
		bad |= EF_VI_DISCARD_RX_L4_CSUM_ERR;
	return bad;
}
