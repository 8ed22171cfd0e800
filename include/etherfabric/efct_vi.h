/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * efct_vi.h - receiving by reference, which VIs here do not do
 *
 * Programs that ask EF_VI_CAP_RX_REF or nic_type.arch never come here; the calls
 * exist so that they link.
 */
#ifndef ETHERFABRIC_EFCT_VI_H
#define ETHERFABRIC_EFCT_VI_H

#include <etherfabric/ef_vi.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Bytes that may be read of a frame that is still arriving. */
#define EFCT_FUTURE_VALID_BYTES 62

/** The frame of an RX_REF event: NULL, there are no such events. */
const void *efct_vi_rxpkt_get(struct ef_vi *vi, uint32_t pkt_id);
/** Give it back: no effect. */
void efct_vi_rxpkt_release(struct ef_vi *vi, uint32_t pkt_id);
/** A frame that is still arriving: NULL. */
const void *efct_vi_rx_future_peek(struct ef_vi *vi);
/** As ef_eventq_poll(). */
int efct_vi_rx_future_poll(struct ef_vi *vi, ef_event *evs, int evs_len);
/** Deprecated: -EOPNOTSUPP. */
int efct_vi_rxpkt_get_timestamp_(struct ef_vi *vi, uint32_t pkt_id, ef_timespec *ts, unsigned *flags);
ef_vi_inline int efct_vi_rxpkt_get_timestamp(struct ef_vi *vi, uint32_t pkt_id, ef_timespec *ts_out,
					     unsigned *flags_out)
{
	return efct_vi_rxpkt_get_timestamp_(vi, pkt_id, ts_out, flags_out);
}
/** Deprecated: as ef_vi_start_transmit_warm() and ef_vi_stop_transmit_warm(). */
void efct_vi_start_transmit_warm(struct ef_vi *vi);
void efct_vi_stop_transmit_warm(struct ef_vi *vi);

#ifdef __cplusplus
}
#endif
#endif
