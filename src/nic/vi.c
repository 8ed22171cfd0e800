// SPDX-License-Identifier: BSD-2-Clause
/*
 * vi.c - the calls of a VI that are not per packet
 *
 * Dispatches to the driver.  The per-packet calls are inline in nic.h.
 */
#include "nic/nic.h"

#include <string.h>

#include "nic/xdp/xdp_map.h"

void vi_close(struct vi *vi)
{
	switch (vi->driver) {
	case VI_DRV_XDP:
		xdp_unmap(vi);
		break;
	case VI_DRV_NONE:
		return;
	default:
		vi->ops->close(vi);
		break;
	}
	memset(vi, 0, sizeof(*vi));
	vi->fd = -1;
}

void vi_abandon(struct vi *vi, int fd)
{
	if (vi->driver == VI_DRV_XDP)
		xdp_abandon(vi, fd);
}

int vi_kstats(const struct vi *vi, struct vi_kstats *out)
{
	switch (vi->driver) {
	case VI_DRV_XDP:
		return xdp_kstats(vi, out);
	case VI_DRV_NONE:
		return -ENODEV;
	default:
		return vi->ops->kstats(vi, out);
	}
}
