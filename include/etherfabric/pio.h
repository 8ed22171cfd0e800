/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pio.h - a small region to prepare frames in (in software)
 *
 * Source compatible with ef_vi.  On the devices that this interface was made for a
 * frame in the PIO region needs no DMA; here it is ordinary memory, and sending
 * from it costs one copy.
 */
#ifndef ETHERFABRIC_PIO_H
#define ETHERFABRIC_PIO_H

#include <etherfabric/base.h>

#ifdef __cplusplus
extern "C" {
#endif

struct ef_pd;

/** A region, by value. */
typedef struct ef_pio {
	uint8_t *pio_buffer;
	uint8_t *pio_io;
	unsigned pio_resource_id;
	unsigned pio_len;
} ef_pio;

/** ef_pio_alloc - a region of @len_hint bytes (-1: 2048), rounded up to 2048.
 * Returns 0, -ENOMEM, or -EINVAL (above 65536). */
int ef_pio_alloc(ef_pio *pio, ef_driver_handle pio_dh, struct ef_pd *pd, unsigned len_hint,
		 ef_driver_handle pd_dh);
/** ef_pio_free - free it, unlinked.  Returns 0 or -EINVAL. */
int ef_pio_free(ef_pio *pio, ef_driver_handle pio_dh);
/** ef_pio_link_vi - let a VI send from it.  Returns 0, or -EBUSY (the VI has one). */
int ef_pio_link_vi(ef_pio *pio, ef_driver_handle pio_dh, struct ef_vi *vi, ef_driver_handle vi_dh);
/** ef_pio_unlink_vi - the opposite.  Returns 0 or -EINVAL. */
int ef_pio_unlink_vi(ef_pio *pio, ef_driver_handle pio_dh, struct ef_vi *vi, ef_driver_handle vi_dh);
/** ef_vi_get_pio_size - bytes of the VI's region, 0 without one. */
int ef_vi_get_pio_size(struct ef_vi *vi);
/** ef_pio_memcpy - write into the region of the VI.  Returns 0 or -EINVAL (bounds). */
int ef_pio_memcpy(struct ef_vi *vi, const void *base, int offset, int len);

#ifdef __cplusplus
}
#endif
#endif
