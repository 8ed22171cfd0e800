// SPDX-License-Identifier: BSD-2-Clause
/*
 * xdp_prog.c - loading, attaching and taking over the XDP program
 *
 * The attachment is a bpf_link: the kernel removes it with the last fd, however
 * its holder dies.  A foreign program is never replaced and never chained to.
 * Filters are in xdp_filter.c.
 */
#include "nic/xdp/xdp_prog_priv.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "nic/nic.h"
#include "xdp_filter.skel.h"

__printf(3, 4) static void say(char *why, size_t len, const char *fmt, ...)
{
	va_list ap;

	if (!why || !len)
		return;
	va_start(ap, fmt);
	vsnprintf(why, len, fmt, ap);
	va_end(ap);
}

static const char *ifname(unsigned ifindex, char buf[IF_NAMESIZE])
{
	if (!if_indextoname(ifindex, buf))
		snprintf(buf, IF_NAMESIZE, "#%u", ifindex);
	return buf;
}

/* Id of the program that is attached in any mode, or 0. */
static uint32_t attached_prog(unsigned ifindex, bool *skb_mode)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, q);

	if (bpf_xdp_query((int)ifindex, 0, &q) < 0)
		return 0;
	if (skb_mode)
		*skb_mode = q.attach_mode == XDP_ATTACHED_SKB;
	if (q.prog_id)
		return q.prog_id;
	if (q.drv_prog_id)
		return q.drv_prog_id;
	return q.hw_prog_id ? q.hw_prog_id : q.skb_prog_id;
}

static void say_foreign(char *why, size_t len, unsigned ifindex, uint32_t id)
{
	struct bpf_prog_info info;
	uint32_t info_len = sizeof(info);
	char ifn[IF_NAMESIZE];
	int fd;

	memset(&info, 0, sizeof(info));
	fd = bpf_prog_get_fd_by_id(id);
	if (fd >= 0) {
		if (bpf_obj_get_info_by_fd(fd, &info, &info_len) < 0)
			info.name[0] = 0;
		close(fd);
	}
	say(why, len, "%s has XDP program %u \"%s\"; detach it or use another interface",
	    ifname(ifindex, ifn), id, info.name[0] ? info.name : "?");
}

/* Loads as a multi-buffer program, which jumbo frames need (5.18), or plainly. */
static int load(struct xdp_filter **out, uint32_t *flags)
{
	libbpf_print_fn_t print;
	struct xdp_filter *skel;
	int rc;

	skel = xdp_filter__open();
	if (!skel)
		return -errno;
	print = libbpf_set_print(NULL);	/* the first try may fail rightly */
	rc = xdp_filter__load(skel);
	libbpf_set_print(print);
	if (!rc) {
		*flags |= VI_F_SG;
		goto out_loaded;
	}
	xdp_filter__destroy(skel);

	skel = xdp_filter__open();
	if (!skel)
		return -errno;
	bpf_program__set_flags(skel->progs.xdp_filter, 0);
	rc = xdp_filter__load(skel);
	if (rc) {
		xdp_filter__destroy(skel);
		return rc;
	}
out_loaded:
	*out = skel;
	return 0;
}

/* Returns the fd of the link, or -errno. */
static int attach(int prog_fd, unsigned ifindex, uint32_t *flags)
{
	LIBBPF_OPTS(bpf_link_create_opts, opts);
	int rc;

	opts.flags = XDP_FLAGS_DRV_MODE;
	rc = bpf_link_create(prog_fd, (int)ifindex, BPF_XDP, &opts);
	if (rc >= 0)
		return rc;
	/* Drivers have many ways to say that they cannot (no support, MTU,
	 * queues, memory); these would be the same in generic mode. */
	if (rc == -EBUSY || rc == -EEXIST || rc == -EPERM || rc == -ENODEV)
		return rc;
	if (*flags & XDP_ATTACH_NO_GENERIC)
		return rc;
	opts.flags = XDP_FLAGS_SKB_MODE;
	rc = bpf_link_create(prog_fd, (int)ifindex, BPF_XDP, &opts);
	if (rc >= 0)
		*flags |= VI_F_GENERIC;
	return rc;
}

static int dup_cloexec(int fd)
{
	int rc = fcntl(fd, F_DUPFD_CLOEXEC, 3);

	return rc < 0 ? -errno : rc;
}

static void close_fds(struct xdp_prog *p)
{
	int i;

	for (i = 0; i < XDP_FD_MAX; i++)
		if (p->fd[i] >= 0)
			close(p->fd[i]);
}

int xdp_prog_attach(unsigned ifindex, struct xdp_prog **out, uint32_t *flags,
		    char *why, size_t why_len)
{
	struct xdp_filter *skel = NULL;
	struct xdp_prog *p;
	char ifn[IF_NAMESIZE];
	uint32_t id;
	int rc, i;

	say(why, why_len, "%s", "");
	id = attached_prog(ifindex, NULL);
	if (id) {
		say_foreign(why, why_len, ifindex, id);
		return -EEXIST;
	}

	p = calloc(1, sizeof(*p));
	if (!p)
		return -ENOMEM;
	p->ifindex = ifindex;
	p->flags = *flags & XDP_ATTACH_NO_GENERIC;
	for (i = 0; i < XDP_FD_MAX; i++)
		p->fd[i] = -1;

	rc = load(&skel, &p->flags);
	if (rc < 0) {
		say(why, why_len, "the kernel refused the XDP program: %s", strerror(-rc));
		goto out_free;
	}
	const struct bpf_map *maps[XDP_FD_MAX] = {
		[XDP_FD_FLOW4] = skel->maps.flow4,
		[XDP_FD_FLOW6] = skel->maps.flow6,
		[XDP_FD_LOCAL] = skel->maps.local_addrs,
		[XDP_FD_XSKS] = skel->maps.xsks,
		[XDP_FD_CFG] = skel->maps.cfg,
		[XDP_FD_STATS] = skel->maps.stats,
		[XDP_FD_RAW] = skel->maps.raw,
	};
	for (i = XDP_FD_FLOW4; i < XDP_FD_MAX; i++) {
		rc = dup_cloexec(bpf_map__fd(maps[i]));
		if (rc < 0)
			goto out_close;
		p->fd[i] = rc;
	}

	rc = attach(bpf_program__fd(skel->progs.xdp_filter), ifindex, &p->flags);
	if (rc < 0) {
		id = attached_prog(ifindex, NULL);
		if (id && (rc == -EBUSY || rc == -EEXIST)) {
			say_foreign(why, why_len, ifindex, id);
			rc = -EEXIST;
		} else {
			say(why, why_len, "%s does not take an XDP program: %s",
			    ifname(ifindex, ifn), strerror(-rc));
		}
		goto out_close;
	}
	p->fd[XDP_FD_LINK] = rc;

	xdp_filter__destroy(skel);	/* the link keeps the program */
	p->flags &= ~XDP_ATTACH_NO_GENERIC;
	*flags = p->flags;
	*out = p;
	return 0;

out_close:
	close_fds(p);
	xdp_filter__destroy(skel);
out_free:
	free(p);
	return rc;
}

static const struct map_form {
	uint32_t type, key, value;
} forms[XDP_FD_MAX] = {
	[XDP_FD_FLOW4] = { BPF_MAP_TYPE_HASH, sizeof(struct xdp_key4), sizeof(struct xdp_flow_val) },
	[XDP_FD_FLOW6] = { BPF_MAP_TYPE_HASH, sizeof(struct xdp_key6), sizeof(struct xdp_flow_val) },
	[XDP_FD_LOCAL] = { BPF_MAP_TYPE_HASH, sizeof(struct xdp_local_key), sizeof(uint32_t) },
	[XDP_FD_XSKS] = { BPF_MAP_TYPE_XSKMAP, sizeof(uint32_t), sizeof(uint32_t) },
	[XDP_FD_CFG] = { BPF_MAP_TYPE_ARRAY, sizeof(uint32_t), sizeof(struct xdp_filter_cfg) },
	[XDP_FD_STATS] = { BPF_MAP_TYPE_PERCPU_ARRAY, sizeof(uint32_t), sizeof(struct xdp_filter_stats) },
	[XDP_FD_RAW] = { BPF_MAP_TYPE_HASH, sizeof(struct xdp_raw_key), sizeof(struct xdp_flow_val) },
};

static int check_link(int fd, unsigned ifindex)
{
	struct bpf_link_info info;
	uint32_t len = sizeof(info);

	memset(&info, 0, sizeof(info));
	if (bpf_obj_get_info_by_fd(fd, &info, &len) < 0 || info.type != BPF_LINK_TYPE_XDP)
		return -EINVAL;
	if (!info.xdp.ifindex)
		return -ENOLINK;
	return info.xdp.ifindex == ifindex ? 0 : -EINVAL;
}

static int check_map(int fd, const struct map_form *form)
{
	struct bpf_map_info info;
	uint32_t len = sizeof(info);

	memset(&info, 0, sizeof(info));
	if (bpf_obj_get_info_by_fd(fd, &info, &len) < 0 || info.type != form->type ||
	    info.key_size != form->key || info.value_size != form->value)
		return -EINVAL;
	return 0;
}

int xdp_prog_from_fds(unsigned ifindex, const int fds[XDP_FD_MAX], struct xdp_prog **out)
{
	struct xdp_prog *p;
	bool skb_mode = false;
	int rc, i;

	rc = check_link(fds[XDP_FD_LINK], ifindex);
	if (rc < 0)
		return rc;
	for (i = XDP_FD_FLOW4; i < XDP_FD_MAX; i++) {
		rc = check_map(fds[i], &forms[i]);
		if (rc < 0)
			return rc;
	}

	p = calloc(1, sizeof(*p));
	if (!p)
		return -ENOMEM;
	p->ifindex = ifindex;
	memcpy(p->fd, fds, sizeof(p->fd));
	rc = xdp_filter_recount(p);
	if (rc < 0) {
		free(p);
		return rc;
	}
	attached_prog(ifindex, &skb_mode);
	p->flags = skb_mode ? VI_F_GENERIC : 0;
	*out = p;
	return 0;
}

void xdp_prog_fds(const struct xdp_prog *p, int fds[XDP_FD_MAX])
{
	memcpy(fds, p->fd, sizeof(p->fd));
}

unsigned xdp_prog_ifindex(const struct xdp_prog *p)
{
	return p->ifindex;
}

uint32_t xdp_prog_flags(const struct xdp_prog *p)
{
	return p->flags;
}

void xdp_prog_close(struct xdp_prog *p)
{
	if (!p)
		return;
	close_fds(p);
	free(p);
}

void xdp_prog_detach(struct xdp_prog *p)
{
	if (!p)
		return;
	(void)bpf_link_detach(p->fd[XDP_FD_LINK]);
	xdp_prog_close(p);
}
