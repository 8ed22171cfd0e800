// SPDX-License-Identifier: BSD-2-Clause
/*
 * filter.c - filter specifications, and asking posternd for them
 *
 * A specification gathers conditions; when it is installed they become one filter of
 * the XDP program (enum nic_raw_kind).  Groups are joined through a kernel socket of
 * this process, so that switches forward them; it ends with the filter.
 */
#include "efvi/efvi.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/sys.h"
#include "wire/flow.h"

/* ef_filter_spec.type: conditions that are there */
enum {
	S_IP_LOCAL = 1, S_IP_FULL = 2, S_VLAN = 4, S_MAC = 8, S_UCAST = 0x10, S_MCAST = 0x20,
	S_UCAST_REST = 0x40, S_MCAST_REST = 0x80, S_SNIFF = 0x100, S_TX_SNIFF = 0x200,
	S_BLOCK_U = 0x400, S_BLOCK_M = 0x800, S_ETYPE = 0x1000, S_PROTO = 0x2000, S_DEST = 0x4000,
};

/* ef_filter_spec.data; MAC and addresses do not go together */
struct spec {
	uint8_t laddr[16], raddr[16];
	uint16_t lport, rport;
	uint16_t vlan, etype;
	uint8_t proto, pad[3];
	uint32_t dest;
};
_Static_assert(sizeof(struct spec) == sizeof(((ef_filter_spec *)0)->data), "fits");

static struct spec *inside(ef_filter_spec *s)
{
	return (struct spec *)(void *)s->data;
}

/* Adds a condition to a specification that has none but those of @with. */
static int add(ef_filter_spec *s, unsigned what, unsigned with)
{
	if (s->type & ~(with | S_DEST))
		return -EPROTONOSUPPORT;
	s->type |= what;
	return 0;
}

EFVI_API void ef_filter_spec_init(ef_filter_spec *s, enum ef_filter_flags flags)
{
	memset(s, 0, sizeof(*s));
	s->flags = (unsigned)flags;
}

static int set_ip(ef_filter_spec *s, unsigned what, int proto, struct ipaddr l, int lport,
		  struct ipaddr r, int rport)
{
	int rc = add(s, what, S_VLAN);

	if (rc < 0)
		return rc;
	memcpy(inside(s)->laddr, l.b, 16);
	memcpy(inside(s)->raddr, r.b, 16);
	inside(s)->lport = (uint16_t)lport;
	inside(s)->rport = (uint16_t)rport;
	inside(s)->proto = (uint8_t)proto;
	return 0;
}

static struct ipaddr addr6(const struct in6_addr *a)
{
	struct ipaddr r;

	memcpy(r.b, a, 16);
	return r;
}

EFVI_API int ef_filter_spec_set_ip4_local(ef_filter_spec *s, int protocol, unsigned host, int port)
{
	return set_ip(s, S_IP_LOCAL, protocol, ipaddr_from4((be32_t){ host }), port, IPADDR_ANY, 0);
}

EFVI_API int ef_filter_spec_set_ip4_full(ef_filter_spec *s, int protocol, unsigned host, int port,
					 unsigned rhost, int rport)
{
	return set_ip(s, S_IP_FULL, protocol, ipaddr_from4((be32_t){ host }), port,
		      ipaddr_from4((be32_t){ rhost }), rport);
}

EFVI_API int ef_filter_spec_set_ip6_local(ef_filter_spec *s, int protocol, const struct in6_addr *host,
					  int port)
{
	return set_ip(s, S_IP_LOCAL, protocol, addr6(host), port, IPADDR_ANY, 0);
}

EFVI_API int ef_filter_spec_set_ip6_full(ef_filter_spec *s, int protocol, const struct in6_addr *host,
					 int port, const struct in6_addr *rhost, int rport)
{
	return set_ip(s, S_IP_FULL, protocol, addr6(host), port, addr6(rhost), rport);
}

EFVI_API int ef_filter_spec_set_vlan(ef_filter_spec *s, int vlan_id)
{
	int rc;

	if (vlan_id < 0 || vlan_id > 4095)
		return -EINVAL;
	rc = add(s, S_VLAN, S_IP_LOCAL | S_IP_FULL | S_UCAST_REST | S_MCAST_REST | S_ETYPE | S_PROTO);
	if (rc == 0)
		inside(s)->vlan = (uint16_t)(vlan_id + 1);
	return rc;
}

EFVI_API int ef_filter_spec_set_eth_local(ef_filter_spec *s, int vlan_id, const void *mac)
{
	int rc;

	if (vlan_id != EF_FILTER_VLAN_ID_ANY && (vlan_id < 0 || vlan_id > 4095))
		return -EINVAL;
	/* With a protocol or a type there is no room for a VLAN. */
	rc = add(s, S_MAC, vlan_id == EF_FILTER_VLAN_ID_ANY ? S_ETYPE | S_PROTO : 0);
	if (rc < 0)
		return rc;
	memcpy(inside(s)->laddr, mac, 6);
	if (vlan_id != EF_FILTER_VLAN_ID_ANY) {
		s->type |= S_VLAN;
		inside(s)->vlan = (uint16_t)(vlan_id + 1);
	}
	return 0;
}

EFVI_API int ef_filter_spec_set_unicast_all(ef_filter_spec *s)
{
	return add(s, S_UCAST, 0);
}

EFVI_API int ef_filter_spec_set_multicast_all(ef_filter_spec *s)
{
	return add(s, S_MCAST, 0);
}

EFVI_API int ef_filter_spec_set_unicast_mismatch(ef_filter_spec *s)
{
	return add(s, S_UCAST_REST, S_VLAN);
}

EFVI_API int ef_filter_spec_set_multicast_mismatch(ef_filter_spec *s)
{
	return add(s, S_MCAST_REST, S_VLAN);
}

EFVI_API int ef_filter_spec_set_port_sniff(ef_filter_spec *s, int promiscuous)
{
	(void)promiscuous;
	return s->type ? -EPROTONOSUPPORT : add(s, S_SNIFF, 0);
}

EFVI_API int ef_filter_spec_set_tx_port_sniff(ef_filter_spec *s)
{
	return s->type ? -EPROTONOSUPPORT : add(s, S_TX_SNIFF, 0);
}

EFVI_API int ef_filter_spec_set_block_kernel(ef_filter_spec *s)
{
	return s->type ? -EPROTONOSUPPORT : add(s, S_BLOCK_U | S_BLOCK_M, 0);
}

EFVI_API int ef_filter_spec_set_block_kernel_unicast(ef_filter_spec *s)
{
	return s->type ? -EPROTONOSUPPORT : add(s, S_BLOCK_U, 0);
}

EFVI_API int ef_filter_spec_set_block_kernel_multicast(ef_filter_spec *s)
{
	return s->type ? -EPROTONOSUPPORT : add(s, S_BLOCK_M, 0);
}

EFVI_API int ef_filter_spec_set_eth_type(ef_filter_spec *s, uint16_t ether_type_be16)
{
	int rc = s->type & S_MAC && s->type & S_VLAN ? -EPROTONOSUPPORT : add(s, S_ETYPE, S_VLAN | S_MAC);

	if (rc == 0)
		inside(s)->etype = ether_type_be16;
	return rc;
}

EFVI_API int ef_filter_spec_set_ip_proto(ef_filter_spec *s, uint8_t ip_proto)
{
	int rc = s->type & S_MAC && s->type & S_VLAN ? -EPROTONOSUPPORT : add(s, S_PROTO, S_VLAN | S_MAC);

	if (rc == 0)
		inside(s)->proto = ip_proto;
	return rc;
}

EFVI_API int ef_filter_spec_set_dest(ef_filter_spec *s, int dest, unsigned flags)
{
	if (dest < 0 || dest > 65535 || (dest == 0 && flags & EF_FILTER_FLAG_EXCLUSIVE_RXQ))
		return -EINVAL;
	if (s->type & (S_SNIFF | S_TX_SNIFF | S_BLOCK_U | S_BLOCK_M))
		return -EPROTONOSUPPORT;
	s->type |= S_DEST;
	inside(s)->dest = (uint32_t)dest;
	return 0;
}

EFVI_API int ef_filter_spec_set_user_mark(ef_filter_spec *s, uint32_t user_mark)
{
	(void)s, (void)user_mark;
	return -EOPNOTSUPP;
}

EFVI_API int ef_filter_spec_set_user_flag(ef_filter_spec *s, uint8_t user_flag)
{
	(void)s, (void)user_flag;
	return -EOPNOTSUPP;
}

/* The kinds of filter, by the conditions that make them. */
static const struct {
	unsigned type;
	enum nic_raw_kind kind;
} kinds[] = {
	{ S_IP_FULL | S_VLAN, NIC_RAW_FULL_VLAN }, { S_IP_FULL, NIC_RAW_FULL },
	{ S_IP_LOCAL | S_VLAN, NIC_RAW_LOCAL_VLAN }, { S_IP_LOCAL, NIC_RAW_LOCAL },
	{ S_PROTO | S_MAC, NIC_RAW_PROTO_MAC }, { S_PROTO | S_VLAN, NIC_RAW_PROTO_VLAN },
	{ S_PROTO, NIC_RAW_PROTO }, { S_ETYPE | S_MAC, NIC_RAW_ETYPE_MAC },
	{ S_ETYPE | S_VLAN, NIC_RAW_ETYPE_VLAN }, { S_ETYPE, NIC_RAW_ETYPE },
	{ S_MAC | S_VLAN, NIC_RAW_MAC_VLAN }, { S_MAC, NIC_RAW_MAC }, { S_UCAST, NIC_RAW_UCAST },
	{ S_MCAST, NIC_RAW_MCAST }, { S_UCAST_REST | S_VLAN, NIC_RAW_UCAST_REST_VLAN },
	{ S_MCAST_REST | S_VLAN, NIC_RAW_MCAST_REST_VLAN }, { S_UCAST_REST, NIC_RAW_UCAST_REST },
	{ S_MCAST_REST, NIC_RAW_MCAST_REST }, { S_BLOCK_U, NIC_RAW_BLOCK_UCAST },
	{ S_BLOCK_M, NIC_RAW_BLOCK_MCAST }, { S_BLOCK_U | S_BLOCK_M, NIC_RAW_BLOCK_UCAST },
};

int efvi_filter_encode(const ef_filter_spec *spec, struct cp_raw_filter *f)
{
	const struct spec *s = (const struct spec *)(const void *)spec->data;
	unsigned both = EF_FILTER_FLAG_EXCLUSIVE_RXQ | EF_FILTER_FLAG_SHARED_RXQ;

	memset(f, 0, sizeof(*f));
	if ((spec->flags & both) == both)
		return -EINVAL;
	if (spec->type & (S_SNIFF | S_TX_SNIFF))
		return -EOPNOTSUPP;
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (kinds[i].type != (spec->type & ~(unsigned)S_DEST))
			continue;
		f->kind = (uint8_t)kinds[i].kind;
		f->proto = s->proto;
		f->vlan = s->vlan;
		f->etype = s->etype;
		f->lport = s->lport;
		f->rport = s->rport;
		if (spec->type & S_MAC) {
			memcpy(f->mac, s->laddr, 6);
		} else {
			memcpy(f->laddr, s->laddr, 16);
			memcpy(f->raddr, s->raddr, 16);
		}
		/* Both directions of block_kernel are two filters; see install(). */
		return spec->type & S_BLOCK_U && spec->type & S_BLOCK_M ? 1 : 0;
	}
	return -EINVAL;
}

int efvi_filter_request(struct efvi_port *p, struct cp_raw_filter *f)
{
	char buf[sizeof(struct cp_req) + sizeof(*f)];
	struct cp_req h = { .type = CP_REQ_RAW_FILTER, .len = sizeof(buf), .stack_id = p->raw_id, .n = 1 };
	struct cp_filter_rep rep;
	struct cp_client *c;
	int rc = efvi_client(&c);

	if (rc < 0)
		return rc;
	memcpy(buf, &h, sizeof(h));
	memcpy(buf + sizeof(h), f, sizeof(*f));
	rc = cp_call(c, buf, sizeof(buf), NULL, 0, &rep, sizeof(rep), NULL, NULL);
	return rc < 0 ? rc : rep.rc[0];
}

/* The group that a filter names is joined by the kernel.  Returns a socket, or -1
 * when there is no group; that the kernel does not join is no error: on a link
 * without switch the frames come anyway. */
int efvi_group_join(uint32_t ifindex, const struct cp_raw_filter *f)
{
	struct ipaddr a;
	int fd, rc;

	memcpy(a.b, f->laddr, 16);
	if (f->kind > NIC_RAW_LOCAL || !ipaddr_is_mcast(&a))
		return -1;
	if (ipaddr_is4(&a)) {
		struct ip_mreqn m = { .imr_ifindex = (int)ifindex };

		memcpy(&m.imr_multiaddr, a.b + 12, 4);
		fd = sys_socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
		if (fd < 0)
			return -1;
		rc = sys_setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &m, sizeof(m));
	} else {
		struct ipv6_mreq m = { .ipv6mr_interface = ifindex };

		memcpy(&m.ipv6mr_multiaddr, a.b, 16);
		fd = sys_socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
		if (fd < 0)
			return -1;
		rc = sys_setsockopt(fd, IPPROTO_IPV6, IPV6_JOIN_GROUP, &m, sizeof(m));
	}
	if (rc < 0)
		efvi_say("ef_vi: the kernel does not join a group: %s", strerror(-rc));
	return sys_fd_high(fd);
}

/* Under efvi_lock(). */
static int install(struct efvi_vi *v, struct cp_raw_filter *f, ef_filter_cookie *cookie, bool both)
{
	struct efvi_filter *more;
	uint32_t i;
	int rc;

	for (i = v->filter_hint; i < v->n_filters && v->filters[i].used; i++)
		;
	if (i == v->max_filters) {
		more = realloc(v->filters, (v->max_filters * 2 + 16) * sizeof(*more));
		if (!more)
			return -ENOMEM;
		v->filters = more;
		v->max_filters = v->max_filters * 2 + 16;
	}
	rc = efvi_filter_request(v->port, f);
	if (rc < 0)
		return rc;
	if (both) {
		struct cp_raw_filter second = *f;

		second.kind = NIC_RAW_BLOCK_MCAST;
		rc = efvi_filter_request(v->port, &second);
		if (rc < 0) {
			f->del = 1;
			(void)efvi_filter_request(v->port, f);
			return rc;
		}
	}
	v->filters[i] = (struct efvi_filter){ .f = *f, .used = true, .both = both,
					      .group_fd = efvi_group_join(v->port->ifindex, f) };
	v->filter_hint = i + 1;
	if (i == v->n_filters)
		v->n_filters++;
	if (cookie) {
		cookie->filter_id = (int)i;
		cookie->filter_type = f->kind;
	}
	return 0;
}

static void uninstall(struct efvi_vi *v, struct efvi_filter *f, bool tell)
{
	if (tell) {
		f->f.del = 1;
		(void)efvi_filter_request(v->port, &f->f);
		if (f->both) {
			f->f.kind = NIC_RAW_BLOCK_MCAST;
			(void)efvi_filter_request(v->port, &f->f);
		}
	}
	if (f->group_fd >= 0)
		sys_close(f->group_fd);
	f->used = false;
	v->filter_hint = min_t(uint32_t, v->filter_hint, (uint32_t)(f - v->filters));
}

void efvi_filters_free(struct efvi_vi *v)
{
	/* The daemon drops them with the VI. */
	for (uint32_t i = 0; i < v->n_filters; i++)
		if (v->filters[i].used)
			uninstall(v, &v->filters[i], false);
	free(v->filters);
	v->filters = NULL;
	v->n_filters = v->max_filters = 0;
}

EFVI_API int ef_vi_filter_add(ef_vi *vi, ef_driver_handle dh, const ef_filter_spec *spec,
			      ef_filter_cookie *cookie_out)
{
	struct cp_raw_filter f;
	int rc = efvi_filter_encode(spec, &f), both = rc;

	(void)dh;
	if (rc < 0)
		return rc;
	f.set = vi->vi->set;
	efvi_lock();
	rc = install(vi->vi, &f, cookie_out, both == 1);
	efvi_unlock();
	return rc;
}

static struct efvi_filter *named(struct efvi_vi *v, const ef_filter_cookie *c)
{
	return c->filter_id >= 0 && (uint32_t)c->filter_id < v->n_filters &&
	       v->filters[c->filter_id].used && v->filters[c->filter_id].f.kind == c->filter_type ?
	       &v->filters[c->filter_id] : NULL;
}

EFVI_API int ef_vi_filter_del(ef_vi *vi, ef_driver_handle dh, ef_filter_cookie *cookie)
{
	struct efvi_filter *f;

	(void)dh;
	efvi_lock();
	f = named(vi->vi, cookie);
	if (f)
		uninstall(vi->vi, f, true);
	efvi_unlock();
	return f ? 0 : -ENOENT;
}

EFVI_API int ef_vi_filter_query(ef_vi *vi, ef_driver_handle dh, const ef_filter_cookie *cookie,
				ef_filter_info *info, size_t size)
{
	int rc = 0;

	(void)dh;
	if (size < sizeof(*info))
		return -EINVAL;
	memset(info, 0, size);
	efvi_lock();
	if (!named(vi->vi, cookie))
		rc = -ENOENT;
	efvi_unlock();
	if (rc == 0) {
		info->valid_fields = EF_FILTER_FIELD_ID;
		info->filter_id = (unsigned)cookie->filter_id;
	}
	return rc;
}
