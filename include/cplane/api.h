/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * api.h - the control plane for ef_vi programs: interfaces, addresses, routes,
 * next hops, as the kernel has them
 *
 * Source compatible with Onload's <cplane/api.h>; link with -lefcp.  Answers come from
 * tables that posternd mirrors from the kernel, without a system call.  They may be
 * out of date the moment they are given.  Any thread at any time, but for
 * ef_cp_init() and ef_cp_fini() of the same handle.
 *
 * Calls return 0, a count or flags, or a negative errno.  Addresses are 16 bytes,
 * IPv4 mapped.  `flags' arguments without named bits must be 0 (-EINVAL).
 */
#ifndef CPLANE_API_H
#define CPLANE_API_H

#include <endian.h>
#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct ef_cp_handle;

/** ef_cp_init - connect to posternd.  *cp is freed by ef_cp_fini().
 * Returns 0, -ENOENT (no posternd here), -ELIBACC (of another release), -ENOMEM. */
int ef_cp_init(struct ef_cp_handle **cp, unsigned flags);
void ef_cp_fini(struct ef_cp_handle *cp);

typedef struct {
	uint32_t addr[4];
} ef_cp_ipaddr;

/** ef_cp_intf.flags */
#define EF_CP_INTF_F_UP 0x00000001u
#define EF_CP_INTF_F_ALIEN 0x00000002u	/**< no VIs on it */
/** ef_cp_intf.encap; BOND, BOND_PORT, VLAN, MACVLAN and IPVLAN are not told apart here:
 * such interfaces are ALIEN. */
#define EF_CP_ENCAP_F_VLAN 0x00000001
#define EF_CP_ENCAP_F_BOND 0x00000002
#define EF_CP_ENCAP_F_BOND_PORT 0x00000004
#define EF_CP_ENCAP_F_LOOP 0x00000040
#define EF_CP_ENCAP_F_MACVLAN 0x00000080
#define EF_CP_ENCAP_F_VETH 0x00000100
#define EF_CP_ENCAP_F_IPVLAN 0x00000400

typedef struct ef_cp_intf {
	int ifindex;
	uint32_t encap;			/* EF_CP_ENCAP_F_* */
	uint32_t encap_data[4];
	uint64_t flags;			/* EF_CP_INTF_F_* */
	void *registered_cookie;	/* of ef_cp_register_intf(), or NULL */
	int mtu;
	uint8_t mac[6];
	char name[IFNAMSIZ + 1];
} ef_cp_intf;

typedef struct ef_cp_ifaddr {
	int ifindex;
	int scope;			/* RT_SCOPE_* */
	uint64_t flags;			/* 0 */
	int prefix_len;			/* of the address' own family */
	ef_cp_ipaddr ip;
	ef_cp_ipaddr bcast;		/* IPv4; else zero */
} ef_cp_ifaddr;

/** Is it an IPv4 address (or the unspecified one)? */
static inline bool ef_cp_ipaddr_is_ipv4(ef_cp_ipaddr ip)
{
	return !(ip.addr[0] | ip.addr[1]) &&
	       (ip.addr[2] == htobe32(0xffff) || !(ip.addr[2] | ip.addr[3]));
}
static inline bool ef_cp_ipaddr_is_ipv6(ef_cp_ipaddr ip)
{
	return !ef_cp_ipaddr_is_ipv4(ip);
}

/** Which interfaces to list; 0 lists none. */
#define EF_CP_GET_INTFS_F_NATIVE 0x0001		/**< none here */
#define EF_CP_GET_INTFS_F_GENERIC 0x0002	/**< those that take VIs */
#define EF_CP_GET_INTFS_F_OTHER 0x0004		/**< the rest */
#define EF_CP_GET_INTFS_F_UP_ONLY 0x0100	/**< of these only those that are up */
#define EF_CP_GET_INTFS_F_MOST_DERIVED 0x10000

/** ef_cp_get_all_intfs - list interfaces: up to @n into @ifindices.  Returns how many
 * there are, which may be more than @n. */
int ef_cp_get_all_intfs(struct ef_cp_handle *cp, int *ifindices, size_t n, unsigned flags);
/** Below an interface: with MOST_DERIVED itself, else none.  Above it: none. */
int ef_cp_get_lower_intfs(struct ef_cp_handle *cp, int child, int *ifindices, size_t n, unsigned flags);
int ef_cp_get_upper_intfs(struct ef_cp_handle *cp, int parent, int *ifindices, size_t n, unsigned flags);

/** ef_cp_get_intf - all about one.  Returns 0 or -ENOENT. */
int ef_cp_get_intf(struct ef_cp_handle *cp, int ifindex, struct ef_cp_intf *intf, unsigned flags);
int ef_cp_get_intf_by_name(struct ef_cp_handle *cp, const char *name, struct ef_cp_intf *intf,
			   unsigned flags);

/** When the interfaces were looked at; opaque. */
typedef struct ef_cp_intf_verinfo {
	unsigned generation;
	unsigned version;
} ef_cp_intf_verinfo;
#ifdef __cplusplus
#define EF_CP_INTF_VERINFO_INIT ef_cp_intf_verinfo()
#else
#define EF_CP_INTF_VERINFO_INIT (struct ef_cp_intf_verinfo){ 0, 0 }
#endif
/** ef_cp_intf_version_get - now; take it before reading what is to be kept. */
struct ef_cp_intf_verinfo ef_cp_intf_version_get(struct ef_cp_handle *cp);
/** ef_cp_intf_version_verify - true while nothing has changed since. */
bool ef_cp_intf_version_verify(struct ef_cp_handle *cp, const struct ef_cp_intf_verinfo *ver);

/** ef_cp_get_intf_addrs - addresses of an interface, as ef_cp_get_all_intfs(). */
int ef_cp_get_intf_addrs(struct ef_cp_handle *cp, int ifindex, struct ef_cp_ifaddr *addrs, size_t n,
			 unsigned flags);

/** ef_cp_register_intf - the program uses this interface; @user_cookie comes back from
 * ef_cp_resolve().  Again: another cookie.  Returns 0, -ENOENT or -ENOSPC. */
int ef_cp_register_intf(struct ef_cp_handle *cp, int ifindex, void *user_cookie, unsigned flags);
/** ef_cp_unregister_intf - Returns 0 or -ENOENT. */
int ef_cp_unregister_intf(struct ef_cp_handle *cp, int ifindex, unsigned flags);

typedef struct ef_cp_fwd_meta {
	int ifindex;		/* in: interface to use, or -1; out: interface to send on */
	int iif_ifindex;	/* in: -1 (frames are not forwarded for others) */
	void *intf_cookie;	/* out */
	int mtu;		/* out: bytes */
} ef_cp_fwd_meta;

typedef struct ef_cp_route_verinfo {
	unsigned row;
	unsigned version;
	unsigned generation;
} ef_cp_route_verinfo;
#ifdef __cplusplus
#define EF_CP_ROUTE_VERINFO_INIT ef_cp_route_verinfo()
#else
#define EF_CP_ROUTE_VERINFO_INIT (struct ef_cp_route_verinfo){ 0, 0, 0 }
#endif

#define EF_CP_RESOLVE_F_BIND_SRC 0x0001		/**< keep the packet's source address */
#define EF_CP_RESOLVE_F_TRANSPARENT 0x0002	/**< no effect */
#define EF_CP_RESOLVE_F_UNREGISTERED 0x0004	/**< any interface will do */
#define EF_CP_RESOLVE_F_NO_CTXT_SW 0x0008	/**< do not ask posternd for a next hop */
#define EF_CP_RESOLVE_F_NO_ARP 0x0010		/**< an unknown next hop is no error */

#define EF_CP_RESOLVE_S_LOOPBACK 0x0001
#define EF_CP_RESOLVE_S_UNREGISTERED 0x0002
#define EF_CP_RESOLVE_S_ARP_INVALID 0x0004

/**
 * ef_cp_resolve - where a packet goes, and the Ethernet header that takes it there
 * @ip_hdr: IPv4 or IPv6 header with version and destination; source address and TTL
 *	(hop limit) are filled in, and the Ethernet header is written before it
 * @prefix_space: in: bytes before @ip_hdr; out: bytes written there (14)
 * @meta: in and out
 * @ver: for ef_cp_route_verify()
 * @flags: EF_CP_RESOLVE_F_*
 *
 * The IPv4 checksum is not updated: VIs do that.
 *
 * Returns EF_CP_RESOLVE_S_* or -ENOENT (no route), -EAGAIN (next hop being asked for:
 * again later), -EHOSTUNREACH (it does not answer), -E2BIG (@prefix_space),
 * -EADDRNOTAVAIL (an interface that is not registered), -EOPNOTSUPP (policy rules or
 * several paths: only the kernel can tell), -EINVAL.
 */
int64_t ef_cp_resolve(struct ef_cp_handle *cp, void *ip_hdr, size_t *prefix_space,
		      struct ef_cp_fwd_meta *meta, struct ef_cp_route_verinfo *ver, uint64_t flags);

/** ef_cp_route_verify - true while an earlier answer still holds; a few loads. */
bool ef_cp_route_verify(struct ef_cp_handle *cp, const struct ef_cp_route_verinfo *ver);

#ifdef __cplusplus
}
#endif
#endif
