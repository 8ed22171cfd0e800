// SPDX-License-Identifier: BSD-2-Clause
/*
 * set.c - VI sets: one filter, several VIs
 *
 * A set is a run of VI-set numbers of the filter maps; its filters name the first
 * and how many, and the XDP program adds a hash of the flow.
 */
#include "efvi/efvi.h"

#include <stdlib.h>
#include <string.h>

#include "base/sys.h"

struct set {
	struct set *next;
	unsigned id;
	int dh;
	struct efvi_pd *pd;
	struct efvi_port *port;
	uint32_t first, n;
	struct efvi_filter *filters;
	uint32_t n_filters;
};

static struct set *sets;
static unsigned next_id;

static struct set *find(const ef_vi_set *s)
{
	struct set *p;

	for (p = sets; p && p->id != s->vis_res_id; p = p->next)
		;
	return p;
}

EFVI_API int ef_vi_set_alloc_from_pd(ef_vi_set *vi_set, ef_driver_handle dh, struct ef_pd *pd,
				     ef_driver_handle pd_dh, int n_vis)
{
	struct set *s;
	int rc;

	(void)pd_dh;
	if (n_vis < 1 || n_vis > EFVI_MAX_VIS)
		return -EINVAL;
	s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	efvi_lock();
	s->pd = efvi_pd(pd);
	s->dh = dh;
	s->n = (uint32_t)n_vis;
	rc = s->pd ? efvi_port_get(s->pd->ifindex, EFVI_RING_DEFAULT * (uint32_t)n_vis,
				   EFVI_RING_DEFAULT * (uint32_t)n_vis, &s->port) : -EINVAL;
	if (rc == 0) {
		rc = efvi_raw_sets(s->port, s->n, &s->first);
		if (rc < 0)
			efvi_port_put(s->port);
	}
	if (rc == 0) {
		s->id = ++next_id;
		s->next = sets;
		sets = s;
		s->pd->n_vis++;
		vi_set->vis_res_id = s->id;
		vi_set->vis_pd = pd;
	}
	efvi_unlock();
	if (rc < 0)
		free(s);
	return rc;
}

static void uninstall(struct set *s, struct efvi_filter *f)
{
	f->f.del = 1;
	(void)efvi_filter_request(s->port, &f->f);
	if (f->group_fd >= 0)
		sys_close(f->group_fd);
	f->used = false;
}

static bool member(const struct set *s, uint32_t i)
{
	for (const struct efvi_vi *v = efvi_vis(); v; v = v->next)
		if (v->port == s->port && v->set == s->first + i)
			return true;
	return false;
}

static void set_free(struct set *s)
{
	struct set **at;

	for (uint32_t i = 0; i < s->n_filters; i++)
		if (s->filters[i].used)
			uninstall(s, &s->filters[i]);
	/* Members keep their numbers. */
	for (uint32_t i = 0; i < s->n; i++)
		if (!member(s, i))
			(void)efvi_raw_close(s->port, s->first + i);
	for (at = &sets; *at && *at != s; at = &(*at)->next)
		;
	if (*at)
		*at = s->next;
	s->pd->n_vis--;
	efvi_port_put(s->port);
	free(s->filters);
	free(s);
}

EFVI_API int ef_vi_set_free(ef_vi_set *vi_set, ef_driver_handle dh)
{
	struct set *s;

	(void)dh;
	efvi_lock();
	s = find(vi_set);
	if (s)
		set_free(s);
	efvi_unlock();
	return s ? 0 : -EINVAL;
}

void efvi_sets_free(int dh)
{
	for (struct set *s = sets, *next; s; s = next) {
		next = s->next;
		if (s->dh == dh)
			set_free(s);
	}
}

EFVI_API int ef_vi_alloc_from_set(ef_vi *vi, ef_driver_handle vi_dh, ef_vi_set *vi_set,
				  ef_driver_handle set_dh, int index, int evq, int rxq, int txq,
				  ef_vi *evq_opt, ef_driver_handle evq_dh, enum ef_vi_flags flags)
{
	struct set *s;
	int rc = -EINVAL;

	(void)set_dh, (void)evq_dh;
	efvi_lock();
	s = find(vi_set);
	if (s && index == -1)
		for (index = 0; (uint32_t)index < s->n && member(s, (uint32_t)index); index++)
			;
	if (s && index >= 0 && (uint32_t)index < s->n)
		rc = member(s, (uint32_t)index) ? -EBUSY :
		     efvi_vi_alloc(vi, vi_dh, s->pd, evq, rxq, txq, evq_opt, (uint64_t)flags,
				   s->first + (uint32_t)index);
	else if (s)
		rc = (uint32_t)index == s->n ? -EBUSY : -EINVAL;
	efvi_unlock();
	return rc;
}

EFVI_API int ef_vi_set_filter_add(ef_vi_set *vi_set, ef_driver_handle dh, const ef_filter_spec *spec,
				  ef_filter_cookie *cookie_out)
{
	struct efvi_filter *more;
	struct cp_raw_filter f;
	struct set *s;
	int rc = efvi_filter_encode(spec, &f);

	(void)dh;
	if (rc)
		return rc < 0 ? rc : -EINVAL;	/* both kinds of block_kernel: not a set's */
	efvi_lock();
	s = find(vi_set);
	more = s ? realloc(s->filters, (s->n_filters + 1) * sizeof(*more)) : NULL;
	if (more) {
		s->filters = more;
		f.set = s->first;
		f.spread = (uint8_t)s->n;
		rc = efvi_filter_request(s->port, &f);
		if (rc == 0) {
			s->filters[s->n_filters] = (struct efvi_filter){
				.f = f, .used = true,
				.group_fd = efvi_group_join(s->port->ifindex, &f) };
			if (cookie_out)
				*cookie_out = (ef_filter_cookie){ (int)s->n_filters, f.kind };
			s->n_filters++;
		}
	} else {
		rc = s ? -ENOMEM : -EINVAL;
	}
	efvi_unlock();
	return rc;
}

EFVI_API int ef_vi_set_filter_del(ef_vi_set *vi_set, ef_driver_handle dh, ef_filter_cookie *cookie)
{
	struct set *s;
	int rc = -ENOENT;

	(void)dh;
	efvi_lock();
	s = find(vi_set);
	if (s && cookie->filter_id >= 0 && (uint32_t)cookie->filter_id < s->n_filters &&
	    s->filters[cookie->filter_id].used) {
		uninstall(s, &s->filters[cookie->filter_id]);
		rc = 0;
	}
	efvi_unlock();
	return rc;
}
