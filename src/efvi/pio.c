// SPDX-License-Identifier: BSD-2-Clause
/*
 * pio.c - PIO regions, which are ordinary memory here; tx.c sends from them
 */
#include "efvi/efvi.h"

#include <stdlib.h>
#include <string.h>

enum { PIO_MAX = 65536 };

EFVI_API int ef_pio_alloc(ef_pio *pio, ef_driver_handle dh, struct ef_pd *pd, unsigned len,
			  ef_driver_handle pd_dh)
{
	static unsigned ids;

	(void)dh, (void)pd, (void)pd_dh;
	if (len == (unsigned)-1)
		len = EFVI_PIO_LEN;
	if (!len || len > PIO_MAX)
		return -EINVAL;
	len = ROUND_UP(len, (unsigned)EFVI_PIO_LEN);
	pio->pio_buffer = aligned_alloc(4096, ROUND_UP(len, 4096u));
	if (!pio->pio_buffer)
		return -ENOMEM;
	memset(pio->pio_buffer, 0, len);
	pio->pio_io = pio->pio_buffer;
	pio->pio_len = len;
	pio->pio_resource_id = __atomic_add_fetch(&ids, 1, __ATOMIC_RELAXED);
	return 0;
}

EFVI_API int ef_pio_free(ef_pio *pio, ef_driver_handle dh)
{
	(void)dh;
	if (!pio->pio_buffer)
		return -EINVAL;
	free(pio->pio_buffer);
	memset(pio, 0, sizeof(*pio));
	return 0;
}

EFVI_API int ef_pio_link_vi(ef_pio *pio, ef_driver_handle dh, struct ef_vi *vi, ef_driver_handle vi_dh)
{
	(void)dh, (void)vi_dh;
	if (!pio->pio_buffer)
		return -EINVAL;
	if (vi->vi->pio)
		return -EBUSY;
	vi->vi->pio = pio;
	return 0;
}

EFVI_API int ef_pio_unlink_vi(ef_pio *pio, ef_driver_handle dh, struct ef_vi *vi,
			      ef_driver_handle vi_dh)
{
	(void)dh, (void)vi_dh;
	if (vi->vi->pio != pio)
		return -EINVAL;
	vi->vi->pio = NULL;
	return 0;
}

EFVI_API int ef_vi_get_pio_size(struct ef_vi *vi)
{
	return vi->vi->pio ? (int)vi->vi->pio->pio_len : 0;
}

EFVI_API int ef_pio_memcpy(struct ef_vi *vi, const void *base, int offset, int len)
{
	const struct ef_pio *pio = vi->vi->pio;

	if (!pio || offset < 0 || len < 0 || (unsigned)offset > pio->pio_len ||
	    (unsigned)len > pio->pio_len - (unsigned)offset)
		return -EINVAL;
	memcpy(pio->pio_buffer + offset, base, (size_t)len);
	return 0;
}
