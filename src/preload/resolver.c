// SPDX-License-Identifier: BSD-2-Clause
/*
 * resolver.c - name look-ups: their sockets stay with the kernel
 *
 * NSS modules make short-lived sockets for which a stack would only cost time.
 */
#include <netdb.h>

#include "preload/libc.h"
#include "preload/preload.h"

#define RESOLVE(type, call)                            \
	do {                                           \
		type rc_;                              \
						       \
		preload_thread.resolver++;             \
		rc_ = call;                            \
		preload_thread.resolver--;             \
		return rc_;                            \
	} while (0)

EXPORT int getaddrinfo(const char *restrict name, const char *restrict service,
		       const struct addrinfo *restrict hints, struct addrinfo **restrict res)
{
	RESOLVE(int, libc.getaddrinfo(name, service, hints, res));
}

EXPORT int getnameinfo(const struct sockaddr *restrict addr, socklen_t len, char *restrict host,
		       socklen_t hostlen, char *restrict serv, socklen_t servlen, int flags)
{
	RESOLVE(int, libc.getnameinfo(addr, len, host, hostlen, serv, servlen, flags));
}

EXPORT struct hostent *gethostbyname(const char *name)
{
	RESOLVE(struct hostent *, libc.gethostbyname(name));
}

EXPORT struct hostent *gethostbyname2(const char *name, int af)
{
	RESOLVE(struct hostent *, libc.gethostbyname2(name, af));
}

EXPORT struct hostent *gethostbyaddr(const void *addr, socklen_t len, int type)
{
	RESOLVE(struct hostent *, libc.gethostbyaddr(addr, len, type));
}

EXPORT int gethostbyname_r(const char *restrict name, struct hostent *restrict h, char *restrict buf,
			   size_t len, struct hostent **restrict res, int *restrict err)
{
	RESOLVE(int, libc.gethostbyname_r(name, h, buf, len, res, err));
}

EXPORT int gethostbyname2_r(const char *restrict name, int af, struct hostent *restrict h,
			    char *restrict buf, size_t len, struct hostent **restrict res, int *restrict err)
{
	RESOLVE(int, libc.gethostbyname2_r(name, af, h, buf, len, res, err));
}

EXPORT int gethostbyaddr_r(const void *restrict addr, socklen_t alen, int type, struct hostent *restrict h,
			   char *restrict buf, size_t len, struct hostent **restrict res, int *restrict err)
{
	RESOLVE(int, libc.gethostbyaddr_r(addr, alen, type, h, buf, len, res, err));
}
