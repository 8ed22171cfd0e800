/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * checksum.h - checksums for frames that a program builds itself
 *
 * Source compatible with ef_vi.  The results go into the header field as they are
 * (network order).  The checksum field of the header counts as zero whatever it
 * holds.  Lengths are those that the headers say.  Pure functions; any thread.
 */
#ifndef ETHERFABRIC_CHECKSUM_H
#define ETHERFABRIC_CHECKSUM_H

#include <etherfabric/ef_vi.h>

#include <stdint.h>
#include <sys/uio.h>

#ifdef __cplusplus
extern "C" {
#endif

struct iphdr;
struct ipv6hdr;
struct tcphdr;
struct udphdr;
struct icmp6hdr;

/** ef_ip_checksum - of an IPv4 header with options (RFC 791). */
uint32_t ef_ip_checksum(const struct iphdr *ip);

/** ef_udp_checksum - of a UDP datagram over IPv4 whose payload is @iov; never 0. */
uint32_t ef_udp_checksum(const struct iphdr *ip, const struct udphdr *udp, const struct iovec *iov,
			 int iovlen);
/** ef_udp_checksum_ip6 - over IPv6. */
uint32_t ef_udp_checksum_ip6(const struct ipv6hdr *ip6, const struct udphdr *udp,
			     const struct iovec *iov, int iovlen);
/** ef_udp_checksum_ipx - over @ip of family @af (AF_INET, AF_INET6). */
uint32_t ef_udp_checksum_ipx(int af, const void *ip, const struct udphdr *udp,
			     const struct iovec *iov, int iovlen);

/** ef_tcp_checksum - of a TCP segment over IPv4 whose payload is @iov; options are
 * taken from behind the header. */
uint32_t ef_tcp_checksum(const struct iphdr *ip, const struct tcphdr *tcp, const struct iovec *iov,
			 int iovlen);
uint32_t ef_tcp_checksum_ip6(const struct ipv6hdr *ip6, const struct tcphdr *tcp,
			     const struct iovec *iov, int iovlen);
uint32_t ef_tcp_checksum_ipx(int af, const void *ip, const struct tcphdr *tcp,
			     const struct iovec *iov, int iovlen);

/** ef_icmpv6_checksum - of an ICMPv6 message: @icmp is its header of @icmp's first 8
 * bytes, @iov what follows. */
uint32_t ef_icmpv6_checksum(const struct ipv6hdr *ip6, const void *icmp, const struct iovec *iov,
			    int iovlen);

/** Is the checksum of a received packet right?  1 or 0.  A UDP checksum of 0 over
 * IPv4 is right (there is none). */
int ef_udp_checksum_is_correct(const struct iphdr *ip, const struct udphdr *udp,
			       const struct iovec *iov, int iovlen);
int ef_udp_checksum_ip6_is_correct(const struct ipv6hdr *ip6, const struct udphdr *udp,
				   const struct iovec *iov, int iovlen);
int ef_tcp_checksum_is_correct(const struct iphdr *ip, const struct tcphdr *tcp,
			       const struct iovec *iov, int iovlen);
int ef_tcp_checksum_ip6_is_correct(const struct ipv6hdr *ip6, const struct tcphdr *tcp,
				   const struct iovec *iov, int iovlen);

#ifndef AF_INET6
#define EF_AF_INET6_ 10
#else
#define EF_AF_INET6_ AF_INET6
#endif

ef_vi_inline uint32_t ef_udp_checksum_ipx_buf(int af, const void *ip, const struct udphdr *udp,
					      const void *payload, size_t payload_len)
{
	struct iovec iov;

	iov.iov_base = (void *)(uintptr_t)payload;
	iov.iov_len = payload_len;
	return ef_udp_checksum_ipx(af, ip, udp, &iov, 1);
}

ef_vi_inline uint32_t ef_tcp_checksum_ipx_buf(int af, const void *ip, const struct tcphdr *tcp,
					      const void *payload, size_t payload_len)
{
	struct iovec iov;

	iov.iov_base = (void *)(uintptr_t)payload;
	iov.iov_len = payload_len;
	return ef_tcp_checksum_ipx(af, ip, tcp, &iov, 1);
}

ef_vi_inline int ef_udp_checksum_ipx_is_correct(int af, const void *ip, const struct udphdr *udp,
						const struct iovec *iov, int iovlen)
{
	return af == EF_AF_INET6_ ?
	       ef_udp_checksum_ip6_is_correct((const struct ipv6hdr *)ip, udp, iov, iovlen) :
	       ef_udp_checksum_is_correct((const struct iphdr *)ip, udp, iov, iovlen);
}

ef_vi_inline int ef_tcp_checksum_ipx_is_correct(int af, const void *ip, const struct tcphdr *tcp,
						const struct iovec *iov, int iovlen)
{
	return af == EF_AF_INET6_ ?
	       ef_tcp_checksum_ip6_is_correct((const struct ipv6hdr *)ip, tcp, iov, iovlen) :
	       ef_tcp_checksum_is_correct((const struct iphdr *)ip, tcp, iov, iovlen);
}

#ifdef __cplusplus
}
#endif
#endif
