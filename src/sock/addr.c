// SPDX-License-Identifier: BSD-2-Clause
/*
 * addr.c - socket addresses of the BSD interface and the stack's own form
 *
 * Lengths and families are checked as the kernel checks them; what it would
 * refuse is left to it (the caller passes the call on and the kernel's error is
 * exact).
 */
#include <string.h>

#include "sock/sock_priv.h"

enum { SIN6_LEN_RFC2133 = 24 };		/* without sin6_scope_id */

bool addr_from_user(struct addr *out, uint16_t family, const struct sockaddr *sa, socklen_t len)
{
	struct sockaddr_in6 s6;
	struct sockaddr_in s4;

	if (!sa || len < (socklen_t)sizeof(sa->sa_family))
		return false;
	if (sa->sa_family == AF_INET) {
		if (len < (socklen_t)sizeof(s4))
			return false;
		memcpy(&s4, sa, sizeof(s4));
		out->ip = s4.sin_addr.s_addr ? ipaddr_from4((be32_t){ s4.sin_addr.s_addr }) : IPADDR_ANY;
		out->port = (be16_t){ s4.sin_port };
		out->scope = 0;
		return true;
	}
	if (sa->sa_family != AF_INET6 || family != AF_INET6 || len < SIN6_LEN_RFC2133)
		return false;
	memset(&s6, 0, sizeof(s6));
	memcpy(&s6, sa, len < (socklen_t)sizeof(s6) ? len : (socklen_t)sizeof(s6));
	memcpy(out->ip.b, &s6.sin6_addr, 16);
	out->port = (be16_t){ s6.sin6_port };
	out->scope = ipaddr_is_linklocal6(&out->ip) || ipaddr_is_mcast(&out->ip) ? s6.sin6_scope_id : 0;
	return true;
}

socklen_t addr_to_storage(struct sockaddr_storage *ss, uint16_t family, const struct ipaddr *ip,
			  be16_t port, uint32_t scope)
{
	struct sockaddr_in6 s6 = { .sin6_family = AF_INET6, .sin6_port = port.be };
	struct sockaddr_in s4 = { .sin_family = AF_INET, .sin_port = port.be };

	if (family == AF_INET) {
		s4.sin_addr.s_addr = ip->w[3];
		memcpy(ss, &s4, sizeof(s4));
		return sizeof(s4);
	}
	memcpy(&s6.sin6_addr, ip->b, 16);
	if (ipaddr_is_linklocal6(ip))
		s6.sin6_scope_id = scope;
	memcpy(ss, &s6, sizeof(s6));
	return sizeof(s6);
}

int addr_to_user(struct sockaddr *sa, socklen_t *len, uint16_t family, const struct ipaddr *ip,
		 be16_t port, uint32_t scope)
{
	struct sockaddr_storage ss;
	socklen_t n = addr_to_storage(&ss, family, ip, port, scope);

	if (!len || (!sa && *len))
		return -EFAULT;
	if ((int)*len < 0)
		return -EINVAL;
	memcpy(sa, &ss, *len < n ? *len : n);
	*len = n;
	return 0;
}

static int from_kernel(int rc, const struct sockaddr_storage *ss, socklen_t len, uint16_t family, struct addr *out)
{
	if (rc < 0)
		return rc;
	if (!addr_from_user(out, family, (const struct sockaddr *)ss, len))
		return -EAFNOSUPPORT;
	if (ipaddr_is_any(&out->ip))
		out->ip = IPADDR_ANY;
	return 0;
}

int addr_kernel_local(int fd, uint16_t family, struct addr *out)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	int rc = sys_getsockname(fd, &ss, &len);

	return from_kernel(rc, &ss, len, family, out);
}

int addr_kernel_remote(int fd, uint16_t family, struct addr *out)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	int rc = sys_getpeername(fd, &ss, &len);

	return from_kernel(rc, &ss, len, family, out);
}
