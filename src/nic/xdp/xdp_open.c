// SPDX-License-Identifier: BSD-2-Clause
/*
 * xdp_open.c - the privileged half of an AF_XDP VI
 *
 * Makes the socket, registers packet memory, sizes the rings, binds to the
 * queue.  Modes are found by trying them.  Does not map the rings
 * (vi_map_xdp()), does not look into packet memory: it is mapped only while the
 * kernel pins its pages.
 */
#include "nic/xdp/xdp_open.h"

#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/ethtool.h>
#include <linux/if_link.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "nic/nic.h"

#ifndef SOL_XDP
#define SOL_XDP 283
#endif

enum { RING_DEFAULT = 2048, RING_MAX = 1u << 17 };

/* Packets from these carry checksums that were never completed. */
static const char *const virtual_drivers[] = { "veth", "virtio_net", "tun", "bridge", "netkit" };

static int xsk_opt(int fd, int opt, const void *val, socklen_t len)
{
	return setsockopt(fd, SOL_XDP, opt, val, len) < 0 ? -errno : 0;
}

/* Returns the size to ask for, 0 for "no ring", or -EINVAL. */
static int ring_size(uint32_t want, bool may_lack)
{
	uint32_t n = 1;

	if (want == XDP_RING_NONE)
		return may_lack ? 0 : -EINVAL;
	if (!want)
		want = RING_DEFAULT;
	if (want > RING_MAX)
		return -EINVAL;
	while (n < want)
		n <<= 1;
	return (int)n;
}

static int ethtool(unsigned ifindex, void *cmd)
{
	struct ifreq ifr;
	int fd, rc;

	memset(&ifr, 0, sizeof(ifr));
	if (!if_indextoname(ifindex, ifr.ifr_name))
		return -ENODEV;
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	ifr.ifr_data = cmd;
	rc = ioctl(fd, SIOCETHTOOL, &ifr) < 0 ? -errno : 0;
	close(fd);
	return rc;
}

static bool is_virtual(unsigned ifindex)
{
	struct ethtool_drvinfo info = { .cmd = ETHTOOL_GDRVINFO };
	size_t i;

	if (ethtool(ifindex, &info) < 0)
		return false;
	for (i = 0; i < ARRAY_SIZE(virtual_drivers); i++)
		if (!strncmp(info.driver, virtual_drivers[i], sizeof(info.driver)))
			return true;
	return false;
}

static bool is_generic(unsigned ifindex)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, q);

	return bpf_xdp_query((int)ifindex, 0, &q) == 0 && q.attach_mode == XDP_ATTACHED_SKB;
}

int xdp_n_queues(unsigned ifindex)
{
	struct ethtool_channels ch = { .cmd = ETHTOOL_GCHANNELS };
	unsigned n;
	int rc;

	rc = ethtool(ifindex, &ch);
	if (rc == -EOPNOTSUPP)
		return 1;	/* a driver without channels has one queue */
	if (rc < 0)
		return rc;
	n = ch.rx_count + ch.combined_count;
	return n ? (int)n : 1;
}

/* Registers the arena's frames.  They stay pinned until the last socket of the
 * UMEM is closed, the mapping goes at once. */
static int reg_umem(int fd, const struct xdp_open_attr *a)
{
	struct xdp_umem_reg reg;
	struct stat st;
	uint64_t page, delta;
	char *p;
	int rc;

	if (fstat(a->arena_fd, &st) < 0)
		return -errno;
	if (a->umem_off > (uint64_t)st.st_size || a->umem_len > (uint64_t)st.st_size - a->umem_off)
		return -EINVAL;
	/* Of hugetlbfs this is the huge page, in whose units it maps. */
	page = st.st_blksize > 4096 ? (uint64_t)st.st_blksize : 4096;
	delta = a->umem_off % page;
	p = mmap(NULL, a->umem_len + delta, PROT_READ | PROT_WRITE, MAP_SHARED, a->arena_fd,
		 (off_t)(a->umem_off - delta));
	if (p == MAP_FAILED)
		return -errno;

	memset(&reg, 0, sizeof(reg));
	reg.addr = (uint64_t)(uintptr_t)(p + delta);
	reg.len = a->umem_len;
	reg.chunk_size = a->frame_size;
	rc = xsk_opt(fd, XDP_UMEM_REG, &reg, sizeof(reg));
	munmap(p, a->umem_len + delta);
	return rc;
}

static int try_bind(int fd, const struct xdp_open_attr *a, uint16_t flags)
{
	struct sockaddr_xdp sxdp;

	memset(&sxdp, 0, sizeof(sxdp));
	sxdp.sxdp_family = AF_XDP;
	sxdp.sxdp_ifindex = a->ifindex;
	sxdp.sxdp_queue_id = a->queue;
	sxdp.sxdp_flags = flags;
	if (a->shared_umem_fd >= 0)
		sxdp.sxdp_shared_umem_fd = (uint32_t)a->shared_umem_fd;
	return bind(fd, (struct sockaddr *)&sxdp, sizeof(sxdp)) < 0 ? -errno : 0;
}

/* Binds in the best mode that is wanted and works.  *sg says whether packets
 * may span frames. */
static int bind_queue(int fd, const struct xdp_open_attr *a, bool *sg)
{
	uint16_t flags = XDP_USE_NEED_WAKEUP;
	int rc;

	*sg = false;
	if (a->shared_umem_fd >= 0)	/* modes are those of the UMEM */
		return try_bind(fd, a, XDP_SHARED_UMEM);

	/* With neither XDP_ZEROCOPY nor XDP_COPY the kernel tries the first
	 * and falls back to the second within one bind(). */
	if (a->want_flags & XDP_WANT_ZC_ONLY)
		flags |= XDP_ZEROCOPY;
	else if (!(a->want_flags & XDP_WANT_ZC))
		flags |= XDP_COPY;

	if (a->want_flags & XDP_WANT_SG) {
		rc = try_bind(fd, a, flags | XDP_USE_SG);
		if (rc != -EINVAL && rc != -EOPNOTSUPP) {
			*sg = !rc;
			return rc;
		}
	}
	return try_bind(fd, a, flags);
}

static bool is_zerocopy(int fd)
{
	struct xdp_options opts = { 0 };
	socklen_t len = sizeof(opts);

	return getsockopt(fd, SOL_XDP, XDP_OPTIONS, &opts, &len) == 0 &&
	       (opts.flags & XDP_OPTIONS_ZEROCOPY);
}

int xdp_open(const struct xdp_open_attr *a, struct xdp_open_result *out)
{
	bool shared = a->shared_umem_fd >= 0, sg;
	int rx, tx, fill, comp, fd, rc, sndbuf;
	struct xdp_open_result r;

	if (a->size != sizeof(*a))
		return -EINVAL;
	rx = ring_size(a->rx_size, false);
	tx = ring_size(a->tx_size, false);
	fill = ring_size(a->fill_size, shared);
	comp = ring_size(a->comp_size, shared);
	if (rx < 0 || tx < 0 || fill < 0 || comp < 0 || !fill != !comp)
		return -EINVAL;

	memset(&r, 0, sizeof(r));
	if (is_generic(a->ifindex)) {
		if (a->want_flags & XDP_WANT_NO_GENERIC)
			return -EOPNOTSUPP;
		r.flags |= VI_F_GENERIC;
	}

	fd = socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (!shared) {
		rc = reg_umem(fd, a);
		if (rc < 0)
			goto out_close;
	}
	if (fill) {
		rc = xsk_opt(fd, XDP_UMEM_FILL_RING, &fill, sizeof(fill));
		if (rc < 0)
			goto out_close;
		rc = xsk_opt(fd, XDP_UMEM_COMPLETION_RING, &comp, sizeof(comp));
		if (rc < 0)
			goto out_close;
	}
	rc = xsk_opt(fd, XDP_RX_RING, &rx, sizeof(rx));
	if (rc < 0)
		goto out_close;
	rc = xsk_opt(fd, XDP_TX_RING, &tx, sizeof(tx));
	if (rc < 0)
		goto out_close;
	rc = bind_queue(fd, a, &sg);
	if (rc < 0)
		goto out_close;

	/* Copy mode charges each frame in flight, with its skb, to the socket:
	 * the default stops at some 90 frames.  Failing costs only speed. */
	sndbuf = tx * (int)a->frame_size * 2;
	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &sndbuf, sizeof(sndbuf)) < 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &sndbuf, sizeof(sndbuf));

	r.fd = fd;
	r.flags |= VI_F_NEED_WAKEUP;
	if (is_zerocopy(fd))
		r.flags |= VI_F_ZEROCOPY;
	if (sg)
		r.flags |= VI_F_SG;
	if (is_virtual(a->ifindex))
		r.flags |= VI_F_VIRTUAL;
	r.rx_size = (uint32_t)rx;
	r.tx_size = (uint32_t)tx;
	r.fill_size = (uint32_t)fill;
	r.comp_size = (uint32_t)comp;
	*out = r;
	return 0;

out_close:
	close(fd);
	return rc;
}
