/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * icmp.h - ICMPv4 and ICMPv6 error messages (RFC 792, RFC 4443)
 *
 * An error message quotes the beginning of the packet that caused it.  The
 * parsers turn the quotation into the flow of ours that it belongs to.  The
 * checksum is not verified here: icmp4_csum_ok(), icmp6_csum_ok().  Echo and
 * everything else that is not an error is the kernel's.
 */
#ifndef POSTERN_WIRE_ICMP_H
#define POSTERN_WIRE_ICMP_H

#include <errno.h>
#include <netinet/in.h>

#include "wire/csum.h"
#include "wire/endian.h"
#include "wire/flow.h"

enum icmp4_type {
	ICMP4_T_ECHO_REPLY    = 0,
	ICMP4_T_UNREACH       = 3,
	ICMP4_T_SOURCE_QUENCH = 4,	/* deprecated: RFC 6633 */
	ICMP4_T_REDIRECT      = 5,
	ICMP4_T_ECHO          = 8,
	ICMP4_T_TIME_EXCEEDED = 11,
	ICMP4_T_PARAM_PROBLEM = 12,
};

enum icmp4_unreach {
	ICMP4_C_NET          = 0,
	ICMP4_C_HOST         = 1,
	ICMP4_C_PROTO        = 2,
	ICMP4_C_PORT         = 3,
	ICMP4_C_FRAG_NEEDED  = 4,	/* RFC 1191 */
	ICMP4_C_SR_FAILED    = 5,
	ICMP4_C_NET_UNKNOWN  = 6,
	ICMP4_C_HOST_UNKNOWN = 7,
	ICMP4_C_HOST_ISOLATED = 8,
	ICMP4_C_NET_PROHIB   = 9,
	ICMP4_C_HOST_PROHIB  = 10,
	ICMP4_C_NET_TOS      = 11,
	ICMP4_C_HOST_TOS     = 12,
	ICMP4_C_FILTERED     = 13,
	ICMP4_C_PREC_VIOL    = 14,
	ICMP4_C_PREC_CUTOFF  = 15,
};

enum icmp6_type {
	ICMP6_T_UNREACH       = 1,
	ICMP6_T_TOO_BIG       = 2,
	ICMP6_T_TIME_EXCEEDED = 3,
	ICMP6_T_PARAM_PROBLEM = 4,
	ICMP6_T_ECHO          = 128,
	ICMP6_T_ECHO_REPLY    = 129,
};

enum icmp6_unreach {
	ICMP6_C_NO_ROUTE     = 0,
	ICMP6_C_PROHIBITED   = 1,
	ICMP6_C_BEYOND_SCOPE = 2,
	ICMP6_C_ADDR         = 3,
	ICMP6_C_PORT         = 4,
	ICMP6_C_POLICY       = 5,
	ICMP6_C_REJECT       = 6,
};

enum {
	ICMP_HDR_LEN   = 8,
	ICMP_QUOTE_MIN = 8,	/* bytes of transport header: ports, and a TCP sequence number */
};

struct icmp_hdr {
	uint8_t type;
	uint8_t code;
	be16_t csum;
	be32_t rest;		/* by type: MTU, pointer, id and sequence number */
} __attribute__((packed));
_Static_assert(sizeof(struct icmp_hdr) == ICMP_HDR_LEN, "wire format");

/* A parsed error message. */
struct icmp_err {
	struct flow flow;	/* of the quoted packet, which we sent: laddr and lport were its source */
	bool ip6;
	uint8_t type;
	uint8_t code;
	uint8_t ptr;		/* ICMPv4 parameter problem: the octet in question */
	uint32_t mtu;		/* fragmentation needed, packet too big: next hop's MTU as it
				 * stands there (0 from old routers, RFC 1191 section 5);
				 * otherwise 0 */
	uint32_t seq;		/* TCP: sequence number of the quoted segment (RFC 5927
				 * section 4.1 wants it in the window) */
	uint32_t tot_len;	/* of the quoted packet as we sent it, with IP header */
	uint32_t ptr6;		/* ICMPv6 parameter problem: the octet in question */
	uint16_t quote_off;	/* of the quoted IP header, from the ICMP header's start */
	uint16_t l4_off;	/* of the quoted transport header, likewise */
};

/**
 * icmp4_parse - an ICMPv4 error message
 * @buf: the ICMP header, @len bytes to the end of the IP payload
 *
 * Returns 0, or -EBADMSG: cut off, not an error that we know, or not about a
 * TCP or UDP packet whose ports are quoted.
 */
int __must_check icmp4_parse(const void *buf, size_t len, struct icmp_err *out);

/* The same for ICMPv6. */
int __must_check icmp6_parse(const void *buf, size_t len, struct icmp_err *out);

/**
 * icmp_errno - what the socket is told
 * @fatal: whether the kernel treats the error as hard (with it a connection
 *         attempt ends; an established TCP connection does not, RFC 5461)
 *
 * Returns a positive errno value, or 0 when there is nothing to tell.
 */
int icmp_errno(const struct icmp_err *e, bool *fatal);

static inline bool icmp4_csum_ok(const void *buf, size_t len)
{
	return csum_ok(csum_partial(buf, len, 0));
}

static inline bool icmp6_csum_ok(const void *buf, size_t len,
				 const struct ipaddr *src, const struct ipaddr *dst)
{
	return csum_ok(csum_partial(buf, len, csum_pseudo(src, dst, IPPROTO_ICMPV6,
							  (uint32_t)len)));
}

#endif
