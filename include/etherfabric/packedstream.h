/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * packedstream.h - many frames in one large buffer: not offered here
 *
 * EF_VI_RX_PACKED_STREAM and EF_PD_RX_PACKED_STREAM are -EOPNOTSUPP; types and
 * calls exist so that programs compile and find that out.
 */
#ifndef ETHERFABRIC_PACKEDSTREAM_H
#define ETHERFABRIC_PACKEDSTREAM_H

#include <etherfabric/ef_vi.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct {
	uint16_t ps_next_offset;
	uint8_t ps_pkt_start_offset;
	uint8_t ps_flags;
	uint16_t ps_cap_len;
	uint16_t ps_orig_len;
	uint32_t ps_ts_sec;
	uint32_t ps_ts_nsec;
} ef_packed_stream_packet;

#define EF_VI_PS_FLAG_CLOCK_SET 0x1
#define EF_VI_PS_FLAG_CLOCK_IN_SYNC 0x2
#define EF_VI_PS_FLAG_BAD_FCS 0x4
#define EF_VI_PS_FLAG_BAD_L4_CSUM 0x8
#define EF_VI_PS_FLAG_BAD_L3_CSUM 0x10
#define EF_VI_PS_FLAG_BAD_IP_CSUM 0x18

typedef struct {
	int psp_buffer_size;
	int psp_buffer_align;
	int psp_start_offset;
	int psp_max_usable_buffers;
} ef_packed_stream_params;

/** -EINVAL: the VI is not in that mode. */
int ef_vi_packed_stream_get_params(ef_vi *vi, ef_packed_stream_params *psp_out);
/** -EINVAL, nothing unbundled. */
int ef_vi_packed_stream_unbundle(ef_vi *vi, const ef_event *ev, ef_packed_stream_packet **pkt_iter,
				 int *n_pkts_out, int *n_bytes_out);

ef_vi_inline ef_packed_stream_packet *ef_packed_stream_packet_first(void *start_of_buffer,
								    int psp_start_offset)
{
	return (ef_packed_stream_packet *)(void *)((char *)start_of_buffer + psp_start_offset);
}
ef_vi_inline ef_packed_stream_packet *ef_packed_stream_packet_next(ef_packed_stream_packet *pkt)
{
	return (ef_packed_stream_packet *)(void *)((char *)pkt + pkt->ps_next_offset);
}
ef_vi_inline void *ef_packed_stream_packet_payload(ef_packed_stream_packet *pkt)
{
	return (char *)pkt + pkt->ps_pkt_start_offset;
}

#ifdef __cplusplus
}
#endif
#endif
