/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * memreg.h - memory that frames are received into and sent from
 *
 * Source compatible with ef_vi.
 */
#ifndef ETHERFABRIC_MEMREG_H
#define ETHERFABRIC_MEMREG_H

#include <etherfabric/base.h>

#ifdef __cplusplus
extern "C" {
#endif

struct ef_pd;

/** A registered region.  mr_dma_addrs[i] is the DMA address of its i-th 4 KiB. */
typedef struct ef_memreg {
	ef_addr *mr_dma_addrs;
	ef_addr *mr_dma_addrs_base;
} ef_memreg;

/**
 * ef_memreg_alloc - register memory with a protection domain
 * @mr: filled in
 * @mr_dh: handle that the registration belongs to
 * @pd, @pd_dh: the domain whose VIs may use it
 * @p_mem: start, aligned to 4096 bytes
 * @len_bytes: any length above 0
 *
 * Any number of regions, and a region with any number of domains.  The memory stays
 * the program's to free, after ef_memreg_free() and after the VIs have returned
 * its buffers.
 *
 * Returns 0, -EINVAL (alignment, length), -ENOMEM.  Any thread.
 */
int ef_memreg_alloc(ef_memreg *mr, ef_driver_handle mr_dh, struct ef_pd *pd,
		    ef_driver_handle pd_dh, void *p_mem, size_t len_bytes);

/** ef_memreg_free - end the registration.  Returns 0 or -EINVAL. */
int ef_memreg_free(ef_memreg *mr, ef_driver_handle mr_dh);

/** ef_memreg_dma_addr - DMA address of the byte at @offset.  Contiguous within each
 * 4 KiB of the region. */
ef_vi_inline ef_addr ef_memreg_dma_addr(ef_memreg *mr, size_t offset)
{
	return mr->mr_dma_addrs[offset >> EF_VI_NIC_PAGE_SHIFT] |
	       (offset & (EF_VI_NIC_PAGE_SIZE - 1));
}

#ifdef __cplusplus
}
#endif
#endif
