// SPDX-License-Identifier: BSD-2-Clause
/*
 * lease.c - TCP ports reserved for a stack in advance
 *
 * So that connect() needs no request of its own: a kernel socket of ours, bound
 * to the address and a free ephemeral port and never listening, keeps the port
 * from every other program, and the filter is in place before the first SYN.
 * Ports are given back when the stack ends.
 */
#include "ctld/ctld.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { LEFT_PART = 128 };	/* of the range stays the kernel's */

/* How many more may be leased.  A port is asked for only when no tuple is free on those
 * that are there, so who has nearly all of the range has as many connections to one
 * destination; some are left for the programs beside. */
static uint32_t room(const struct ctld *ctl)
{
	uint32_t range = ctl->tables->port_max - ctl->tables->port_min;
	uint32_t max = min_t(uint32_t, range - range / LEFT_PART, ctl->conf.max_leases), used = 0;

	for (size_t i = 0; i < ST_MAX_STACKS; i++)
		if (ctl->stacks[i])
			used += ctl->stacks[i]->rec->n_leases;
	return used < max ? max - used : 0;
}

static int bind_free_port(const struct ipaddr *laddr, uint32_t ifindex, uint16_t *port)
{
	bool v4 = ipaddr_is4(laddr);
	union {
		struct sockaddr sa;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
	} a = { 0 };
	socklen_t len = v4 ? sizeof(a.in) : sizeof(a.in6);
	int fd, rc;

	if (v4) {
		a.in.sin_family = AF_INET;
		a.in.sin_addr.s_addr = ipaddr_to4(laddr).be;
	} else {
		a.in6.sin6_family = AF_INET6;
		memcpy(&a.in6.sin6_addr, laddr->b, 16);
		if (ipaddr_is_linklocal6(laddr))
			a.in6.sin6_scope_id = ifindex;
	}
	fd = socket(v4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_TCP);
	if (fd < 0)
		return -errno;
	if (bind(fd, &a.sa, len) < 0 || getsockname(fd, &a.sa, &len) < 0) {
		rc = -errno;
		close(fd);
		return rc;
	}
	*port = v4 ? a.in.sin_port : a.in6.sin6_port;
	return fd;
}

static void keep(struct stack *st, struct lease_fds *l)
{
	char key[32];

	l->next = st->leases;
	st->leases = l;
	st->rec->n_leases += (uint32_t)l->n;
	snprintf(key, sizeof(key), "st/%u/ls/%u", st->rec->id, st->rec->lease_seq++);
	holder_put(st->ctl, key, l->fd, l->n);
}

int lease_ports(struct stack *st, const struct ipaddr *laddr, uint32_t n, uint16_t *out)
{
	uint32_t owner = cp_addr_owner(&st->ctl->cp, laddr), got = 0, left;
	struct iface *ifc = iface_find(st->ctl, owner);
	const struct st_vi *vi = NULL;
	int rc = 0;

	for (size_t i = 0; owner && i < ST_MAX_VIS; i++)
		if (st->rec->vis[i].ifindex == owner)
			vi = &st->rec->vis[i];
	if (ipaddr_is_any(laddr) || ipaddr_is_mcast(laddr))
		return -EINVAL;
	if (!ifc || !vi)
		return owner ? -ENODEV : -EADDRNOTAVAIL;

	while (got < n && (left = room(st->ctl)) > 0) {
		struct lease_fds *l = calloc(1, sizeof(*l));
		uint32_t want = min_t(uint32_t, min_t(uint32_t, n - got, LEASE_BATCH), left), ok;

		if (!l) {
			rc = -ENOMEM;
			break;
		}
		for (; (uint32_t)l->n < want; l->n++) {
			rc = bind_free_port(laddr, owner, &out[got + (uint32_t)l->n]);
			if (rc < 0)
				break;
			l->fd[l->n] = rc;
		}
		ok = filter_lease_add(st, ifc, vi->vi_set, laddr, &out[got], (uint32_t)l->n);
		fds_close(l->fd + ok, l->n - (int)ok);
		l->n = (int)ok;
		if (!ok) {
			free(l);
			break;
		}
		got += ok;
		keep(st, l);
		if (ok < want)
			break;
	}
	if (got)
		return (int)got;
	return rc < 0 ? rc : -ENOSPC;
}

void lease_close(struct stack *st)
{
	while (st->leases) {
		struct lease_fds *l = st->leases;

		st->leases = l->next;
		fds_close(l->fd, l->n);
		free(l);
	}
}

int lease_restore(struct stack *st, const int *fds, int n)
{
	struct lease_fds *l = calloc(1, sizeof(*l));

	if (!l || n > LEASE_BATCH) {
		free(l);
		return -EINVAL;
	}
	memcpy(l->fd, fds, (size_t)n * sizeof(int));
	l->n = n;
	l->next = st->leases;
	st->leases = l;
	return 0;
}
