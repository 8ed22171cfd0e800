// SPDX-License-Identifier: BSD-2-Clause
/*
 * other.c - calls of devices that work otherwise: by reference, by packed streams
 *
 * They answer so that a program which asks goes another way.
 */
#include "efvi/efvi.h"

EFVI_API const void *efct_vi_rxpkt_get(struct ef_vi *vi, uint32_t pkt_id)
{
	(void)vi, (void)pkt_id;
	return NULL;
}

EFVI_API void efct_vi_rxpkt_release(struct ef_vi *vi, uint32_t pkt_id)
{
	(void)vi, (void)pkt_id;
}

EFVI_API const void *efct_vi_rx_future_peek(struct ef_vi *vi)
{
	(void)vi;
	return NULL;
}

EFVI_API int efct_vi_rx_future_poll(struct ef_vi *vi, ef_event *evs, int evs_len)
{
	return ef_eventq_poll(vi, evs, evs_len);
}

EFVI_API int efct_vi_rxpkt_get_timestamp_(struct ef_vi *vi, uint32_t pkt_id, ef_timespec *ts, unsigned *flags)
{
	(void)vi, (void)pkt_id, (void)ts, (void)flags;
	return -EOPNOTSUPP;
}

EFVI_API void efct_vi_start_transmit_warm(struct ef_vi *vi)
{
	ef_vi_start_transmit_warm(vi, NULL, NULL);
}

EFVI_API void efct_vi_stop_transmit_warm(struct ef_vi *vi)
{
	ef_vi_stop_transmit_warm(vi, NULL);
}

EFVI_API int ef_vi_packed_stream_get_params(ef_vi *vi, ef_packed_stream_params *psp_out)
{
	(void)vi, (void)psp_out;
	return -EINVAL;
}

EFVI_API int ef_vi_packed_stream_unbundle(ef_vi *vi, const ef_event *ev, ef_packed_stream_packet **iter,
					  int *n_pkts_out, int *n_bytes_out)
{
	(void)vi, (void)ev, (void)iter;
	*n_pkts_out = *n_bytes_out = 0;
	return -EINVAL;
}
