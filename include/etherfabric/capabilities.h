/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * capabilities.h - what VIs on an interface can do
 *
 * Source compatible with ef_vi.
 */
#ifndef ETHERFABRIC_CAPABILITIES_H
#define ETHERFABRIC_CAPABILITIES_H

#include <etherfabric/base.h>
#include <etherfabric/pd.h>

#ifdef __cplusplus
extern "C" {
#endif

/** What can be asked.  Behind each: what this library answers ("no" is -EOPNOTSUPP,
 * "yes" the value 1). */
enum ef_vi_capability {
	EF_VI_CAP_PIO = 0,	/**< software */
	EF_VI_CAP_PIO_BUFFER_SIZE = 1,	/**< bytes */
	EF_VI_CAP_PIO_BUFFER_COUNT = 2,	/**< regions */
	EF_VI_CAP_HW_MULTICAST_LOOPBACK = 3,	/**< no */
	EF_VI_CAP_HW_MULTICAST_REPLICATION = 4,	/**< no */
	EF_VI_CAP_HW_RX_TIMESTAMPING = 5,	/**< no */
	EF_VI_CAP_HW_TX_TIMESTAMPING = 6,	/**< no */
	EF_VI_CAP_PACKED_STREAM = 7,	/**< no */
	EF_VI_CAP_PACKED_STREAM_BUFFER_SIZES = 8,	/**< no */
	EF_VI_CAP_VPORTS = 9,	/**< no */
	EF_VI_CAP_PHYS_MODE = 10,	/**< no */
	EF_VI_CAP_BUFFER_MODE = 11,	/**< yes */
	EF_VI_CAP_MULTICAST_FILTER_CHAINING = 12,	/**< no */
	EF_VI_CAP_MAC_SPOOFING = 13,	/**< yes */
	EF_VI_CAP_RX_FILTER_TYPE_UDP_LOCAL = 14,	/**< yes */
	EF_VI_CAP_RX_FILTER_TYPE_TCP_LOCAL = 15,	/**< yes */
	EF_VI_CAP_RX_FILTER_TYPE_UDP_FULL = 16,	/**< yes */
	EF_VI_CAP_RX_FILTER_TYPE_TCP_FULL = 17,	/**< yes */
	EF_VI_CAP_RX_FILTER_TYPE_IP_VLAN = 18,	/**< yes */
	EF_VI_CAP_RX_FILTER_TYPE_UDP6_LOCAL = 19,	/**< yes */
	EF_VI_CAP_RX_FILTER_TYPE_TCP6_LOCAL = 20,	/**< yes */
	EF_VI_CAP_RX_FILTER_TYPE_UDP6_FULL = 21,	/**< yes */
	EF_VI_CAP_RX_FILTER_TYPE_TCP6_FULL = 22,	/**< yes */
	EF_VI_CAP_RX_FILTER_TYPE_IP6_VLAN = 23,	/**< yes */
	EF_VI_CAP_RX_FILTER_TYPE_ETH_LOCAL = 24,	/**< yes */
	EF_VI_CAP_RX_FILTER_TYPE_ETH_LOCAL_VLAN = 25,	/**< yes */
	EF_VI_CAP_RX_FILTER_TYPE_UCAST_ALL = 26,	/**< yes */
	EF_VI_CAP_RX_FILTER_TYPE_MCAST_ALL = 27,	/**< yes */
	EF_VI_CAP_RX_FILTER_TYPE_UCAST_MISMATCH = 28,	/**< yes */
	EF_VI_CAP_RX_FILTER_TYPE_MCAST_MISMATCH = 29,	/**< yes */
	EF_VI_CAP_RX_FILTER_TYPE_SNIFF = 30,	/**< -ENOSYS */
	EF_VI_CAP_TX_FILTER_TYPE_SNIFF = 31,	/**< -ENOSYS */
	EF_VI_CAP_RX_FILTER_IP4_PROTO = 32,	/**< yes */
	EF_VI_CAP_RX_FILTER_ETHERTYPE = 33,	/**< yes */
	EF_VI_CAP_RXQ_SIZES = 34,	/**< bitmask of sizes */
	EF_VI_CAP_TXQ_SIZES = 35,	/**< bitmask of sizes */
	EF_VI_CAP_EVQ_SIZES = 36,	/**< bitmask of sizes */
	EF_VI_CAP_ZERO_RX_PREFIX = 37,	/**< yes */
	EF_VI_CAP_TX_PUSH_ALWAYS = 38,	/**< no */
	EF_VI_CAP_NIC_PACE = 39,	/**< no */
	EF_VI_CAP_RX_MERGE = 40,	/**< yes */
	EF_VI_CAP_TX_ALTERNATIVES = 41,	/**< in software */
	EF_VI_CAP_TX_ALTERNATIVES_VFIFOS = 42,	/**< number of alternatives */
	EF_VI_CAP_TX_ALTERNATIVES_CP_BUFFERS = 43,	/**< no */
	EF_VI_CAP_RX_FW_VARIANT = 44,	/**< 0 */
	EF_VI_CAP_TX_FW_VARIANT = 45,	/**< 0 */
	EF_VI_CAP_CTPIO = 46,	/**< in software */
	EF_VI_CAP_TX_ALTERNATIVES_CP_BUFFER_SIZE = 47,	/**< no */
	EF_VI_CAP_RX_FORCE_EVENT_MERGING = 48,	/**< no */
	EF_VI_CAP_MIN_BUFFER_MODE_SIZE = 49,	/**< bytes */
	EF_VI_CAP_CTPIO_ONLY = 50,	/**< no */
	EF_VI_CAP_RX_SHARED = 51,	/**< no */
	EF_VI_CAP_RX_FILTER_MAC_IP4_PROTO = 52,	/**< yes */
	EF_VI_CAP_RX_FILTER_SET_DEST = 53,	/**< no */
	EF_VI_CAP_RX_POLL = 54,	/**< yes */
	EF_VI_CAP_RX_REF = 55,	/**< no */
	EF_VI_CAP_EXTRA_DATAPATHS = 56,	/**< 0 */
	EF_VI_CAP_RX_FILTER_ID = 57,	/**< no */
	EF_VI_CAP_MAX = 58
};

/** Bits of the value of EF_VI_CAP_EXTRA_DATAPATHS. */
enum ef_vi_extra_datapaths {
	EF_VI_EXTRA_DATAPATH_EXPRESS = 0x1
};

/** Or'ed to a capability by devices with more than one datapath; ignored. */
__extension__ enum ef_vi_capability_flags {
	EF_VI_CAP_F_LLCT = 0x80000000u,
	EF_VI_CAP_F_ALL = EF_VI_CAP_F_LLCT
};

/**
 * ef_vi_capabilities_get - ask about an interface
 * @handle: an open handle
 * @value: set on success; 0 when the capability is not there
 * Returns 0, -EOPNOTSUPP (not there), -ENOSYS (not known), -ENODEV.
 */
int ef_vi_capabilities_get(ef_driver_handle handle, int ifindex, enum ef_vi_capability cap,
			   unsigned long *value);
/** ef_pd_capabilities_get - the same about the interface of a domain. */
int ef_pd_capabilities_get(ef_driver_handle handle, struct ef_pd *pd, ef_driver_handle pd_dh,
			   enum ef_vi_capability cap, unsigned long *value);
/** ef_vi_capabilities_get_from_pd_flags - the same about a domain with these flags. */
int ef_vi_capabilities_get_from_pd_flags(ef_driver_handle handle, int ifindex, enum ef_pd_flags flags,
					 enum ef_vi_capability cap, unsigned long *value);
/** ef_vi_capabilities_max - the highest number that can be asked. */
int ef_vi_capabilities_max(void);
/** ef_vi_capabilities_name - its name in lower case, or NULL. */
const char *ef_vi_capabilities_name(enum ef_vi_capability cap);

#ifdef __cplusplus
}
#endif
#endif
