// SPDX-License-Identifier: BSD-2-Clause
/*
 * iface.c - the XDP program on an interface: attached with the first stack that
 * opens it, detached with the last
 *
 * Hands out VI sets, of which the program knows XDP_VI_SETS.
 */
#include "ctld/ctld.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct iface *iface_find(struct ctld *ctl, uint32_t ifindex)
{
	for (size_t i = 0; ifindex && i < MAX_IFS; i++)
		if (ctl->ifs[i].ifindex == ifindex)
			return &ctl->ifs[i];
	return NULL;
}

static void hold(struct ctld *ctl, const struct iface *ifc)
{
	int fds[XDP_FD_MAX];
	char key[32];

	xdp_prog_fds(ifc->prog, fds);
	snprintf(key, sizeof(key), "if/%u", ifc->ifindex);
	holder_put(ctl, key, fds, XDP_FD_MAX);
}

/* Wildcard filters match only what is addressed to this host. */
static void set_addr(struct iface *ifc, const struct cp_addr128 *a, bool present)
{
	struct ipaddr ip;

	memcpy(&ip, a, sizeof(ip));
	if (xdp_local_set(ifc->prog, &ip, present) < 0 && present)
		postern_log(PLOG_RESOURCE, "too many local addresses: some get no wildcard traffic");
}

static bool listed(const struct cp_addr *as, uint32_t n, const struct cp_addr128 *a)
{
	for (uint32_t i = 0; i < n; i++)
		if (memcmp(&as[i].addr, a, sizeof(*a)) == 0)
			return true;
	return false;
}

void iface_local_addrs(struct ctld *ctl, struct iface *ifc, const struct cp_addr *old, uint32_t n_old)
{
	const struct cp_shm *t = ctl->tables;

	for (uint32_t i = 0; i < n_old; i++)
		if (!listed(t->addrs, t->n_addrs, &old[i].addr))
			set_addr(ifc, &old[i].addr, false);
	for (uint32_t i = 0; i < t->n_addrs; i++)
		if (!listed(old, n_old, &t->addrs[i].addr))
			set_addr(ifc, &t->addrs[i].addr, true);
}

int iface_get(struct ctld *ctl, uint32_t ifindex, struct iface **out, char why[96])
{
	struct iface *ifc = iface_find(ctl, ifindex);
	int rc;

	if (!ifc) {
		for (size_t i = 0; !ifc && i < MAX_IFS; i++)
			if (!ctl->ifs[i].ifindex)
				ifc = &ctl->ifs[i];
		if (!ifc) {
			snprintf(why, 96, "more than %d accelerated interfaces", MAX_IFS);
			return -ENOSPC;
		}
		memset(ifc, 0, sizeof(*ifc));
		rc = xdp_prog_attach(ifindex, &ifc->prog, &ifc->flags, why, 96);
		if (rc < 0)
			return rc;
		ifc->ifindex = ifindex;
		iface_local_addrs(ctl, ifc, NULL, 0);
		hold(ctl, ifc);
		/* The attachment shows in the link's own attributes. */
		ctl->dirty_links = true;
	}
	*out = ifc;
	return 0;
}

/* Detaches when no set is in use; also after a VI that failed to open. */
void iface_put_set(struct ctld *ctl, struct iface *ifc, uint32_t set)
{
	char key[32];

	if (set < XDP_VI_SETS)
		ifc->sets &= ~(1ull << set);
	if (ifc->sets)
		return;
	snprintf(key, sizeof(key), "if/%u", ifc->ifindex);
	xdp_prog_detach(ifc->prog);
	holder_drop(ctl, key);
	memset(ifc, 0, sizeof(*ifc));
}

/* The device is no more, and took program and sockets with it. */
void iface_gone(struct ctld *ctl, uint32_t ifindex)
{
	struct iface *ifc = iface_find(ctl, ifindex);

	if (!ifc)
		return;
	for (size_t i = 0; i < ST_MAX_STACKS; i++)
		if (ctl->stacks[i])
			stack_vi_gone(ctl->stacks[i], ifindex);
	raw_iface_gone(ctl, ifindex);
	ifc = iface_find(ctl, ifindex);
	if (!ifc)
		return;
	/* The last of them detached it; if none had it, then now. */
	if (ifc->ifindex)
		iface_put_set(ctl, ifc, XDP_VI_SETS);
}

int iface_restore(struct ctld *ctl, uint32_t ifindex, const int *fds, int n)
{
	struct iface *ifc = NULL;
	int rc;

	for (size_t i = 0; !ifc && i < MAX_IFS; i++)
		if (!ctl->ifs[i].ifindex)
			ifc = &ctl->ifs[i];
	if (!ifc || n != XDP_FD_MAX || !ifindex)
		return -EINVAL;
	memset(ifc, 0, sizeof(*ifc));
	rc = xdp_prog_from_fds(ifindex, fds, &ifc->prog);
	if (rc < 0)
		return rc;
	ifc->ifindex = ifindex;
	ifc->flags = xdp_prog_flags(ifc->prog);
	return 0;
}
