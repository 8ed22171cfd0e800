// SPDX-License-Identifier: BSD-2-Clause
/*
 * info.c - statistics and capabilities
 */
#include "efvi/efvi.h"

#include <net/if.h>
#include <string.h>

enum { F_CRC, F_TRUNC, F_NODESC, F_ABORT, F_CSUM, N_FIELDS };

static const struct {
	int size, n;
	ef_vi_stats_field_layout f[N_FIELDS];
} layout = {
	N_FIELDS * 4, N_FIELDS, {
		[F_CRC] = { (char *)(uintptr_t)"rx_crc_err_cnt", 0, 4 },
		[F_TRUNC] = { (char *)(uintptr_t)"rx_trunc_cnt", 4, 4 },
		[F_NODESC] = { (char *)(uintptr_t)"rx_nodesc_drop_cnt", 8, 4 },
		[F_ABORT] = { (char *)(uintptr_t)"rx_abort_cnt", 12, 4 },
		[F_CSUM] = { (char *)(uintptr_t)"rx_csum_err_cnt", 16, 4 },
	},
};
_Static_assert(offsetof(ef_vi_stats_layout, evsl_fields) == 2 * sizeof(int), "same form");

EFVI_API int ef_vi_stats_query_layout(ef_vi *vi, const ef_vi_stats_layout **const layout_out)
{
	(void)vi;
	*layout_out = (const ef_vi_stats_layout *)(const void *)&layout;
	return 0;
}

EFVI_API int ef_vi_stats_query(ef_vi *vi, ef_driver_handle dh, void *data, int do_reset)
{
	struct efvi_vi *v = vi->vi;
	uint32_t now[N_FIELDS] = { 0 }, out[N_FIELDS];

	(void)dh;
	now[F_TRUNC] = v->n_trunc;
	now[F_CSUM] = v->n_csum;
	for (uint32_t i = 0; i < v->n_q; i++) {
		struct vi_kstats k;
		int rc = vi_kstats(&v->q[i], &k);

		if (rc < 0)
			return rc;
		/* Copy mode counts a dry fill ring per socket as dropped; with zero copy
		 * the drivers drop, and only the ring says so. */
		now[F_NODESC] += (uint32_t)(k.rx_ring_full + (v->q_shm[i].flags & VI_F_ZEROCOPY ?
					    k.rx_fill_ring_empty_descs : k.rx_dropped));
		now[F_ABORT] += (uint32_t)v->q_shm[i].rx_bad_desc;
	}
	for (int i = 0; i < N_FIELDS; i++) {
		out[i] = now[i] - v->base[i];
		if (do_reset)
			v->base[i] = now[i];
	}
	memcpy(data, out, sizeof(out));
	return 0;
}

/* ---- capabilities ---- */

#define NAMES(X)                                                                             \
	X(PIO) X(PIO_BUFFER_SIZE) X(PIO_BUFFER_COUNT) X(HW_MULTICAST_LOOPBACK)               \
	X(HW_MULTICAST_REPLICATION) X(HW_RX_TIMESTAMPING) X(HW_TX_TIMESTAMPING)              \
	X(PACKED_STREAM) X(PACKED_STREAM_BUFFER_SIZES) X(VPORTS) X(PHYS_MODE) X(BUFFER_MODE) \
	X(MULTICAST_FILTER_CHAINING) X(MAC_SPOOFING) X(RX_FILTER_TYPE_UDP_LOCAL)             \
	X(RX_FILTER_TYPE_TCP_LOCAL) X(RX_FILTER_TYPE_UDP_FULL) X(RX_FILTER_TYPE_TCP_FULL)    \
	X(RX_FILTER_TYPE_IP_VLAN) X(RX_FILTER_TYPE_UDP6_LOCAL) X(RX_FILTER_TYPE_TCP6_LOCAL)  \
	X(RX_FILTER_TYPE_UDP6_FULL) X(RX_FILTER_TYPE_TCP6_FULL) X(RX_FILTER_TYPE_IP6_VLAN)   \
	X(RX_FILTER_TYPE_ETH_LOCAL) X(RX_FILTER_TYPE_ETH_LOCAL_VLAN)                         \
	X(RX_FILTER_TYPE_UCAST_ALL) X(RX_FILTER_TYPE_MCAST_ALL)                              \
	X(RX_FILTER_TYPE_UCAST_MISMATCH) X(RX_FILTER_TYPE_MCAST_MISMATCH)                    \
	X(RX_FILTER_TYPE_SNIFF) X(TX_FILTER_TYPE_SNIFF) X(RX_FILTER_IP4_PROTO)               \
	X(RX_FILTER_ETHERTYPE) X(RXQ_SIZES) X(TXQ_SIZES) X(EVQ_SIZES) X(ZERO_RX_PREFIX)      \
	X(TX_PUSH_ALWAYS) X(NIC_PACE) X(RX_MERGE) X(TX_ALTERNATIVES)                         \
	X(TX_ALTERNATIVES_VFIFOS) X(TX_ALTERNATIVES_CP_BUFFERS) X(RX_FW_VARIANT)             \
	X(TX_FW_VARIANT) X(CTPIO) X(TX_ALTERNATIVES_CP_BUFFER_SIZE)                          \
	X(RX_FORCE_EVENT_MERGING) X(MIN_BUFFER_MODE_SIZE) X(CTPIO_ONLY) X(RX_SHARED)         \
	X(RX_FILTER_MAC_IP4_PROTO) X(RX_FILTER_SET_DEST) X(RX_POLL) X(RX_REF)                \
	X(EXTRA_DATAPATHS) X(RX_FILTER_ID)

EFVI_API const char *ef_vi_capabilities_name(enum ef_vi_capability cap)
{
	static const char *const names[EF_VI_CAP_MAX] = {
#define X(n) [EF_VI_CAP_##n] = #n,
		NAMES(X)
#undef X
	};

	return (unsigned)cap < EF_VI_CAP_MAX ? names[cap] : NULL;
}

EFVI_API int ef_vi_capabilities_max(void)
{
	return EF_VI_CAP_MAX - 1;
}

/* 0 with a value, or -errno. */
static int answer(enum ef_vi_capability cap, unsigned long *value)
{
	unsigned long sizes = 0;

	*value = 0;
	for (unsigned n = EFVI_RING_MIN; n <= EFVI_RING_MAX; n <<= 1)
		sizes |= n;
	switch (cap) {
	case EF_VI_CAP_PIO:
	case EF_VI_CAP_BUFFER_MODE:
	case EF_VI_CAP_MAC_SPOOFING:
	case EF_VI_CAP_RX_FILTER_TYPE_UDP_LOCAL ... EF_VI_CAP_RX_FILTER_TYPE_MCAST_MISMATCH:
	case EF_VI_CAP_RX_FILTER_IP4_PROTO:
	case EF_VI_CAP_RX_FILTER_ETHERTYPE:
	case EF_VI_CAP_RX_FILTER_MAC_IP4_PROTO:
	case EF_VI_CAP_ZERO_RX_PREFIX:
	case EF_VI_CAP_RX_MERGE:
	case EF_VI_CAP_TX_ALTERNATIVES:
	case EF_VI_CAP_CTPIO:
	case EF_VI_CAP_RX_POLL:
		*value = 1;
		return 0;
	case EF_VI_CAP_PIO_BUFFER_SIZE:
		*value = EFVI_PIO_LEN;
		return 0;
	case EF_VI_CAP_PIO_BUFFER_COUNT:
	case EF_VI_CAP_TX_ALTERNATIVES_VFIFOS:
		*value = EFVI_ALTS_MAX;
		return 0;
	case EF_VI_CAP_RXQ_SIZES:
	case EF_VI_CAP_TXQ_SIZES:
	case EF_VI_CAP_EVQ_SIZES:
		*value = sizes;
		return 0;
	case EF_VI_CAP_MIN_BUFFER_MODE_SIZE:
		*value = EF_VI_NIC_PAGE_SIZE;
		return 0;
	case EF_VI_CAP_RX_FW_VARIANT:
	case EF_VI_CAP_TX_FW_VARIANT:
	case EF_VI_CAP_EXTRA_DATAPATHS:
		return 0;
	case EF_VI_CAP_RX_FILTER_TYPE_SNIFF:
	case EF_VI_CAP_TX_FILTER_TYPE_SNIFF:
		return -ENOSYS;
	default:
		return (unsigned)cap < EF_VI_CAP_MAX ? -EOPNOTSUPP : -ENOSYS;
	}
}

EFVI_API int ef_vi_capabilities_get(ef_driver_handle dh, int ifindex, enum ef_vi_capability cap,
				    unsigned long *value)
{
	char name[IF_NAMESIZE];

	(void)dh;
	*value = 0;
	cap = (enum ef_vi_capability)((unsigned)cap & ~(unsigned)EF_VI_CAP_F_ALL);
	if (ifindex <= 0 || !if_indextoname((unsigned)ifindex, name))
		return -ENODEV;
	return answer(cap, value);
}

EFVI_API int ef_pd_capabilities_get(ef_driver_handle dh, struct ef_pd *pd, ef_driver_handle pd_dh,
				    enum ef_vi_capability cap, unsigned long *value)
{
	(void)dh, (void)pd, (void)pd_dh;
	return answer((enum ef_vi_capability)((unsigned)cap & ~(unsigned)EF_VI_CAP_F_ALL), value);
}

EFVI_API int ef_vi_capabilities_get_from_pd_flags(ef_driver_handle dh, int ifindex,
						  enum ef_pd_flags flags, enum ef_vi_capability cap,
						  unsigned long *value)
{
	*value = 0;
	if (flags & (EF_PD_RX_PACKED_STREAM | EF_PD_VPORT))
		return -EOPNOTSUPP;
	return ef_vi_capabilities_get(dh, ifindex, cap, value);
}
