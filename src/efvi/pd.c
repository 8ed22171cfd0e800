// SPDX-License-Identifier: BSD-2-Clause
/*
 * pd.c - protection domains and registered memory
 *
 * A DMA address is the virtual address: the library and the kernel reach the memory
 * through the program's own page tables.  Registration is bookkeeping, so that a
 * wrong address is an error and not a wild copy.
 */
#include "efvi/efvi.h"

#include <net/if.h>
#include <stdlib.h>
#include <string.h>

#include "base/sys.h"

struct memreg {
	struct memreg *next;
	struct efvi_pd *pd;
	int dh;
	struct efvi_region r;
	ef_addr addrs[];
};

static struct efvi_pd *pds;
static struct memreg *memregs;

struct efvi_pd *efvi_pd(struct ef_pd *pd)
{
	struct efvi_pd *p;

	if (!pd || !pd->pd_intf_name)
		return NULL;
	for (p = pds; p && p->name != pd->pd_intf_name; p = p->next)
		;
	return p;
}

static unsigned env_flags(void)
{
	static const struct {
		const char *name;
		unsigned flag;
	} words[] = {
		{ "vf", EF_PD_VF }, { "phys", EF_PD_PHYS_MODE }, { "default", 0 },
		{ "mcast_loop", EF_PD_MCAST_LOOP }, { "express", EF_PD_EXPRESS },
	};
	const char *s = getenv("EF_VI_PD_FLAGS");
	unsigned flags = 0;

	while (s && *s) {
		size_t len = strcspn(s, ",");

		for (size_t i = 0; i < ARRAY_SIZE(words); i++)
			if (strlen(words[i].name) == len && strncmp(words[i].name, s, len) == 0)
				flags |= words[i].flag;
		s += len + (s[len] == ',');
	}
	return flags;
}

EFVI_API int ef_pd_alloc(ef_pd *pd, ef_driver_handle pd_dh, int ifindex, enum ef_pd_flags flags)
{
	struct efvi_pd *p;
	static unsigned ids;

	memset(pd, 0, sizeof(*pd));
	pd->pd_cluster_sock = -1;
	flags = (enum ef_pd_flags)((unsigned)flags | env_flags());
	if (flags & (EF_PD_RX_PACKED_STREAM | EF_PD_VPORT))
		return -EOPNOTSUPP;
	p = calloc(1, sizeof(*p));
	if (!p)
		return -ENOMEM;
	if (ifindex <= 0 || !if_indextoname((unsigned)ifindex, p->name)) {
		free(p);
		return -ENODEV;
	}
	p->dh = pd_dh;
	p->ifindex = (uint32_t)ifindex;
	efvi_lock();
	p->next = pds;
	pds = p;
	pd->pd_resource_id = ++ids;
	efvi_unlock();
	pd->pd_flags = flags;
	pd->pd_intf_name = p->name;
	return 0;
}

EFVI_API int ef_pd_alloc_by_name(ef_pd *pd, ef_driver_handle pd_dh, const char *name,
				 enum ef_pd_flags flags)
{
	const char *at;
	unsigned ifindex;

	if (!name)
		return -EINVAL;
	at = strchr(name, '@');
	if (at && strspn(name, "0123456789") == (size_t)(at - name))
		name = at + 1;
	ifindex = if_nametoindex(name);
	if (!ifindex)
		return -ENODEV;
	return ef_pd_alloc(pd, pd_dh, (int)ifindex, flags);
}

EFVI_API int ef_pd_alloc_with_vport(ef_pd *pd, ef_driver_handle pd_dh, const char *intf_name,
				    enum ef_pd_flags flags, int vlan_id)
{
	if (vlan_id != EF_PD_VLAN_NONE)
		return -EOPNOTSUPP;
	return ef_pd_alloc_by_name(pd, pd_dh, intf_name, flags);
}

EFVI_API const char *ef_pd_interface_name(ef_pd *pd)
{
	return pd->pd_intf_name;
}

static void pd_free(struct efvi_pd *p)
{
	struct efvi_pd **at;

	for (at = &pds; *at && *at != p; at = &(*at)->next)
		;
	if (*at)
		*at = p->next;
	for (struct memreg *m = memregs; m; m = m->next)
		if (m->pd == p)
			m->pd = NULL;
	free(p->regions);
	free(p);
}

EFVI_API int ef_pd_free(ef_pd *pd, ef_driver_handle pd_dh)
{
	struct efvi_pd *p;
	int rc = 0;

	(void)pd_dh;
	efvi_lock();
	p = efvi_pd(pd);
	if (!p)
		rc = -EINVAL;
	else if (p->n_vis)
		rc = -EBUSY;
	else
		pd_free(p);
	efvi_unlock();
	if (rc == 0)
		memset(pd, 0, sizeof(*pd));
	return rc;
}

void efvi_pds_free(int dh)
{
	for (struct efvi_pd *p = pds, *next; p; p = next) {
		next = p->next;
		if (p->dh == dh && !p->n_vis)
			pd_free(p);
	}
}

/* The one that was not first: it will be. */
bool efvi_region_slow(struct efvi_pd *pd, uintptr_t p, size_t len)
{
	for (uint32_t i = 1; i < pd->n_regions; i++) {
		struct efvi_region r = pd->regions[i];

		if (p - r.base < r.len && len <= r.len - (p - r.base)) {
			pd->regions[i] = pd->regions[0];
			pd->regions[0] = r;
			return true;
		}
	}
	return false;
}

static int region_add(struct efvi_pd *p, struct efvi_region r)
{
	struct efvi_region *more;

	if (p->n_regions == p->max_regions) {
		more = realloc(p->regions, (p->max_regions * 2 + 8) * sizeof(*more));
		if (!more)
			return -ENOMEM;
		p->regions = more;
		p->max_regions = p->max_regions * 2 + 8;
	}
	p->regions[p->n_regions++] = r;
	return 0;
}

static void region_del(struct efvi_pd *p, struct efvi_region r)
{
	for (uint32_t i = 0; i < p->n_regions; i++)
		if (p->regions[i].base == r.base && p->regions[i].len == r.len) {
			p->regions[i] = p->regions[--p->n_regions];
			return;
		}
}

EFVI_API int ef_memreg_alloc(ef_memreg *mr, ef_driver_handle mr_dh, struct ef_pd *pd,
			     ef_driver_handle pd_dh, void *p_mem, size_t len)
{
	size_t n = (len + EF_VI_NIC_PAGE_SIZE - 1) >> EF_VI_NIC_PAGE_SHIFT;
	struct memreg *m;
	int rc;

	(void)pd_dh;
	if (!len || (uintptr_t)p_mem & (EF_VI_NIC_PAGE_SIZE - 1) || (uintptr_t)p_mem + len < len)
		return -EINVAL;
	m = calloc(1, sizeof(*m) + n * sizeof(m->addrs[0]));
	if (!m)
		return -ENOMEM;
	m->dh = mr_dh;
	m->r = (struct efvi_region){ (uintptr_t)p_mem, len };
	for (size_t i = 0; i < n; i++)
		m->addrs[i] = (uintptr_t)p_mem + (i << EF_VI_NIC_PAGE_SHIFT);
	efvi_lock();
	m->pd = efvi_pd(pd);
	rc = m->pd ? region_add(m->pd, m->r) : -EINVAL;
	if (rc == 0) {
		m->next = memregs;
		memregs = m;
	}
	efvi_unlock();
	if (rc < 0) {
		free(m);
		return rc;
	}
	mr->mr_dma_addrs = mr->mr_dma_addrs_base = m->addrs;
	return 0;
}

static void memreg_free(struct memreg **at)
{
	struct memreg *m = *at;

	*at = m->next;
	if (m->pd)
		region_del(m->pd, m->r);
	free(m);
}

EFVI_API int ef_memreg_free(ef_memreg *mr, ef_driver_handle mr_dh)
{
	struct memreg **at;
	int rc = -EINVAL;

	(void)mr_dh;
	efvi_lock();
	for (at = &memregs; *at && (*at)->addrs != mr->mr_dma_addrs_base; at = &(*at)->next)
		;
	if (*at) {
		memreg_free(at);
		rc = 0;
	}
	efvi_unlock();
	if (rc == 0)
		mr->mr_dma_addrs = mr->mr_dma_addrs_base = NULL;
	return rc;
}

void efvi_memregs_free(int dh)
{
	for (struct memreg **at = &memregs; *at;)
		if ((*at)->dh == dh)
			memreg_free(at);
		else
			at = &(*at)->next;
}
