// SPDX-License-Identifier: BSD-2-Clause
/*
 * checksum.c - checksums for programs that build frames (RFC 1071, RFC 768, RFC 9293,
 * RFC 8200 section 8.1)
 *
 * Headers are read as bytes, so that the kernel's and libc's structures both fit.
 */
#include "efvi/efvi.h"

#include <string.h>
#include <sys/socket.h>

#include "wire/endian.h"
#include "wire/ip4.h"

enum { P_TCP = 6, P_UDP = 17, P_ICMP6 = 58 };

static uint32_t sum_iov(const struct iovec *iov, int n, size_t *offset, uint32_t sum)
{
	for (int i = 0; i < n; i++) {
		sum = csum_add_at(sum, csum_partial(iov[i].iov_base, iov[i].iov_len, 0), *offset);
		*offset += iov[i].iov_len;
	}
	return sum;
}

/* Addresses, protocol, and the length that the transport has. */
static uint32_t pseudo(int af, const uint8_t *ip, uint8_t proto, uint32_t len)
{
	return af == AF_INET6 ? csum_partial(ip + 8, 32, csum_add(to_be32(len).be, to_be32(proto).be)) :
	       csum_partial(ip + 12, 8, csum_add(to_be32(len).be, to_be32(proto).be));
}

/* The sum over header (its checksum field at @at counted as zero) and payload. */
static uint32_t transport(int af, const void *ip, uint8_t proto, const uint8_t *h, uint32_t hlen,
			  uint32_t at, const struct iovec *iov, int n)
{
	uint8_t copy[60];
	size_t off = hlen, len = hlen;

	for (int i = 0; i < n; i++)
		len += iov[i].iov_len;
	memcpy(copy, h, hlen);
	memset(copy + at, 0, 2);
	return sum_iov(iov, n, &off, csum_partial(copy, hlen, pseudo(af, ip, proto, (uint32_t)len)));
}

static uint16_t field(const uint8_t *h, uint32_t at)
{
	uint16_t v;

	memcpy(&v, h + at, 2);
	return v;
}

static uint32_t udp(int af, const void *ip, const void *h, const struct iovec *iov, int n)
{
	uint16_t c = csum_fold(transport(af, ip, P_UDP, h, 8, 6, iov, n)).be;

	return c ? c : 0xffff;
}

static uint32_t tcp(int af, const void *ip, const void *h, const struct iovec *iov, int n)
{
	uint32_t hlen = max_t(uint32_t, (((const uint8_t *)h)[12] >> 4) * 4u, 20);

	return csum_fold(transport(af, ip, P_TCP, h, hlen, 16, iov, n)).be;
}

EFVI_API uint32_t ef_ip_checksum(const struct iphdr *ip)
{
	const uint8_t *p = (const void *)ip;
	uint8_t copy[60];
	uint32_t len = max_t(uint32_t, (p[0] & 15u) * 4, 20);

	memcpy(copy, p, len);
	memset(copy + 10, 0, 2);
	return csum_fold(csum_partial(copy, len, 0)).be;
}

EFVI_API uint32_t ef_udp_checksum(const struct iphdr *ip, const struct udphdr *h, const struct iovec *iov,
				  int n)
{
	return udp(AF_INET, ip, h, iov, n);
}

EFVI_API uint32_t ef_udp_checksum_ip6(const struct ipv6hdr *ip, const struct udphdr *h,
				      const struct iovec *iov, int n)
{
	return udp(AF_INET6, ip, h, iov, n);
}

EFVI_API uint32_t ef_udp_checksum_ipx(int af, const void *ip, const struct udphdr *h,
				      const struct iovec *iov, int n)
{
	return udp(af, ip, h, iov, n);
}

EFVI_API uint32_t ef_tcp_checksum(const struct iphdr *ip, const struct tcphdr *h, const struct iovec *iov,
				  int n)
{
	return tcp(AF_INET, ip, h, iov, n);
}

EFVI_API uint32_t ef_tcp_checksum_ip6(const struct ipv6hdr *ip, const struct tcphdr *h,
				      const struct iovec *iov, int n)
{
	return tcp(AF_INET6, ip, h, iov, n);
}

EFVI_API uint32_t ef_tcp_checksum_ipx(int af, const void *ip, const struct tcphdr *h,
				      const struct iovec *iov, int n)
{
	return tcp(af, ip, h, iov, n);
}

EFVI_API uint32_t ef_icmpv6_checksum(const struct ipv6hdr *ip, const void *icmp, const struct iovec *iov,
				     int n)
{
	return csum_fold(transport(AF_INET6, ip, P_ICMP6, icmp, 8, 2, iov, n)).be;
}

static int udp_ok(int af, const void *ip, const void *h, const struct iovec *iov, int n)
{
	uint16_t c = field(h, 6);

	/* None; over IPv6 there must be one. */
	return c ? c == udp(af, ip, h, iov, n) : af == AF_INET;
}

EFVI_API int ef_udp_checksum_is_correct(const struct iphdr *ip, const struct udphdr *h,
					const struct iovec *iov, int n)
{
	return udp_ok(AF_INET, ip, h, iov, n);
}

EFVI_API int ef_udp_checksum_ip6_is_correct(const struct ipv6hdr *ip, const struct udphdr *h,
					    const struct iovec *iov, int n)
{
	return udp_ok(AF_INET6, ip, h, iov, n);
}

EFVI_API int ef_tcp_checksum_is_correct(const struct iphdr *ip, const struct tcphdr *h,
					const struct iovec *iov, int n)
{
	return field((const void *)h, 16) == tcp(AF_INET, ip, h, iov, n);
}

EFVI_API int ef_tcp_checksum_ip6_is_correct(const struct ipv6hdr *ip, const struct tcphdr *h,
					    const struct iovec *iov, int n)
{
	return field((const void *)h, 16) == tcp(AF_INET6, ip, h, iov, n);
}
