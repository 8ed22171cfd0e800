/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * icmp.c - ICMP error messages: whom they concern and what they mean
 *
 * Takes the bytes behind the IP header of an arriving message and gives the
 * flow of ours that it quotes.  Nothing is believed here: whether such a flow
 * exists and whether the sequence number is plausible is for tcp/ and udp/ to
 * say.  The meaning of the codes (RFC 1122 section 3.2.2.1, RFC 4443) is given
 * in the errno values and the hard/soft distinction of Linux.
 */
#include "wire/icmp.h"

#include "wire/ip4.h"
#include "wire/ip6.h"

/* The first eight bytes of the quoted TCP or UDP header. */
static int quoted_ports(const uint8_t *p, size_t len, uint8_t proto,
			struct icmp_err *out)
{
	if (len < ICMP_QUOTE_MIN)
		return -EBADMSG;
	if (proto != IPPROTO_TCP && proto != IPPROTO_UDP)
		return -EBADMSG;
	out->flow.proto = proto;
	out->flow.lport = to_be16(get_be16(p));
	out->flow.rport = to_be16(get_be16(p + 2));
	if (proto == IPPROTO_TCP)
		out->seq = get_be32(p + 4);
	return 0;
}

int icmp4_parse(const void *buf, size_t len, struct icmp_err *out)
{
	const uint8_t *p = buf;
	struct ip4 ip;

	if (len < ICMP_HDR_LEN)
		return -EBADMSG;
	memset(out, 0, sizeof(*out));
	out->type = p[0];
	out->code = p[1];
	switch (out->type) {
	case ICMP4_T_UNREACH:
		if (out->code == ICMP4_C_FRAG_NEEDED)
			out->mtu = get_be16(p + 6);
		break;
	case ICMP4_T_PARAM_PROBLEM:
		out->ptr = p[4];
		break;
	case ICMP4_T_TIME_EXCEEDED:
		break;
	default:
		return -EBADMSG;
	}

	p += ICMP_HDR_LEN;
	len -= ICMP_HDR_LEN;
	if (ip4_parse_cut(p, len, &ip) < 0)
		return -EBADMSG;
	/* Later fragments have no ports. */
	if (ip.frag_off)
		return -EBADMSG;
	out->tot_len = ip.tot_len;
	out->quote_off = ICMP_HDR_LEN;
	out->l4_off = (uint16_t)(ICMP_HDR_LEN + ip.hdr_len);
	out->flow.laddr = ipaddr_from4(ip.src);
	out->flow.raddr = ipaddr_from4(ip.dst);
	len = min_t(size_t, len, ip.tot_len);
	return quoted_ports(p + ip.hdr_len, len - ip.hdr_len, ip.proto, out);
}

int icmp6_parse(const void *buf, size_t len, struct icmp_err *out)
{
	const uint8_t *p = buf;
	struct ip6 ip;

	if (len < ICMP_HDR_LEN)
		return -EBADMSG;
	memset(out, 0, sizeof(*out));
	out->ip6 = true;
	out->type = p[0];
	out->code = p[1];
	switch (out->type) {
	case ICMP6_T_TOO_BIG:
		out->mtu = get_be32(p + 4);
		break;
	case ICMP6_T_PARAM_PROBLEM:
		out->ptr6 = get_be32(p + 4);
		break;
	case ICMP6_T_UNREACH:
	case ICMP6_T_TIME_EXCEEDED:
		break;
	default:
		return -EBADMSG;
	}

	p += ICMP_HDR_LEN;
	len -= ICMP_HDR_LEN;
	if (ip6_parse_cut(p, len, &ip) < 0)
		return -EBADMSG;
	if (ip.frag && ip.frag_off)
		return -EBADMSG;
	out->tot_len = ip.tot_len;
	out->quote_off = ICMP_HDR_LEN;
	out->l4_off = (uint16_t)(ICMP_HDR_LEN + ip.l4_off);
	out->flow.laddr = ip.src;
	out->flow.raddr = ip.dst;
	len = min_t(size_t, len, ip.tot_len);
	return quoted_ports(p + ip.l4_off, len - ip.l4_off, ip.proto, out);
}

static int errno4(const struct icmp_err *e, bool *fatal)
{
	static const struct {
		uint8_t err;
		bool fatal;
	} unreach[] = {
		[ICMP4_C_NET]           = { ENETUNREACH,  false },
		[ICMP4_C_HOST]          = { EHOSTUNREACH, false },
		[ICMP4_C_PROTO]         = { ENOPROTOOPT,  true  },
		[ICMP4_C_PORT]          = { ECONNREFUSED, true  },
		[ICMP4_C_FRAG_NEEDED]   = { EMSGSIZE,     false },
		[ICMP4_C_SR_FAILED]     = { EOPNOTSUPP,   false },
		[ICMP4_C_NET_UNKNOWN]   = { ENETUNREACH,  true  },
		[ICMP4_C_HOST_UNKNOWN]  = { EHOSTDOWN,    true  },
		[ICMP4_C_HOST_ISOLATED] = { ENONET,       true  },
		[ICMP4_C_NET_PROHIB]    = { ENETUNREACH,  true  },
		[ICMP4_C_HOST_PROHIB]   = { EHOSTUNREACH, true  },
		[ICMP4_C_NET_TOS]       = { ENETUNREACH,  false },
		[ICMP4_C_HOST_TOS]      = { EHOSTUNREACH, false },
		[ICMP4_C_FILTERED]      = { EHOSTUNREACH, true  },
		[ICMP4_C_PREC_VIOL]     = { EHOSTUNREACH, true  },
		[ICMP4_C_PREC_CUTOFF]   = { EHOSTUNREACH, true  },
	};

	switch (e->type) {
	case ICMP4_T_UNREACH:
		if (e->code >= ARRAY_SIZE(unreach))
			return 0;
		*fatal = unreach[e->code].fatal;
		return unreach[e->code].err;
	case ICMP4_T_TIME_EXCEEDED:
		return EHOSTUNREACH;
	case ICMP4_T_PARAM_PROBLEM:
		*fatal = true;
		return EPROTO;
	}
	return 0;
}

static int errno6(const struct icmp_err *e, bool *fatal)
{
	static const struct {
		uint8_t err;
		bool fatal;
	} unreach[] = {
		[ICMP6_C_NO_ROUTE]     = { ENETUNREACH,  false },
		[ICMP6_C_PROHIBITED]   = { EACCES,       true  },
		[ICMP6_C_BEYOND_SCOPE] = { EHOSTUNREACH, false },
		[ICMP6_C_ADDR]         = { EHOSTUNREACH, false },
		[ICMP6_C_PORT]         = { ECONNREFUSED, true  },
		[ICMP6_C_POLICY]       = { EACCES,       true  },
		[ICMP6_C_REJECT]       = { EACCES,       true  },
	};

	switch (e->type) {
	case ICMP6_T_UNREACH:
		*fatal = true;
		if (e->code >= ARRAY_SIZE(unreach))
			return EPROTO;
		*fatal = unreach[e->code].fatal;
		return unreach[e->code].err;
	case ICMP6_T_TOO_BIG:
		return EMSGSIZE;
	case ICMP6_T_TIME_EXCEEDED:
		return EHOSTUNREACH;
	case ICMP6_T_PARAM_PROBLEM:
		*fatal = true;
		return EPROTO;
	}
	return 0;
}

int icmp_errno(const struct icmp_err *e, bool *fatal)
{
	*fatal = false;
	return e->ip6 ? errno6(e, fatal) : errno4(e, fatal);
}
