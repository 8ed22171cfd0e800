/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pd.h - protection domains: an interface, and the memory that its VIs may use
 *
 * Source compatible with ef_vi.
 */
#ifndef ETHERFABRIC_PD_H
#define ETHERFABRIC_PD_H

#include <etherfabric/base.h>

#ifdef __cplusplus
extern "C" {
#endif

enum ef_pd_flags {
	EF_PD_DEFAULT = 0x0,
	EF_PD_VF = 0x1,			/**< ignored */
	EF_PD_PHYS_MODE = 0x2,		/**< ignored */
	EF_PD_RX_PACKED_STREAM = 0x4,	/**< -EOPNOTSUPP */
	EF_PD_VPORT = 0x8,		/**< -EOPNOTSUPP */
	EF_PD_MCAST_LOOP = 0x10,	/**< accepted; frames sent by AF_XDP never loop back */
	EF_PD_MEMREG_64KiB = 0x20,	/**< ignored */
	EF_PD_IGNORE_BLACKLIST = 0x40,	/**< ignored */
	EF_PD_EXPRESS = 0x80		/**< ignored */
};

/** No VLAN, for ef_pd_alloc_with_vport(). */
#define EF_PD_VLAN_NONE (-1)

/** A protection domain, by value; its members are the library's. */
typedef struct ef_pd {
	enum ef_pd_flags pd_flags;
	unsigned pd_resource_id;
	char *pd_intf_name;
	char *pd_cluster_name;
	int pd_cluster_sock;
	ef_driver_handle pd_cluster_dh;
	unsigned pd_cluster_viset_resource_id;
	int pd_cluster_viset_index;
} ef_pd;

/**
 * ef_pd_alloc - a domain on an interface
 * @pd: filled in
 * @pd_dh: handle that it belongs to
 * @ifindex: an Ethernet interface of this network namespace; not a bridge, bond or VLAN
 * @flags: or'ed with the environment's EF_VI_PD_FLAGS (comma list: vf, phys,
 *	   default, mcast_loop, express)
 *
 * Returns 0, -ENODEV, -EOPNOTSUPP (a flag, or a kind of interface), -ENOMEM.
 */
int ef_pd_alloc(ef_pd *pd, ef_driver_handle pd_dh, int ifindex, enum ef_pd_flags flags);

/**
 * ef_pd_alloc_by_name - the same by name
 * @cluster_or_intf_name: name of an interface, optionally with a channel in front
 *	   ("2@eth0", the channel is ignored).  There are no clusters here.
 */
int ef_pd_alloc_by_name(ef_pd *pd, ef_driver_handle pd_dh, const char *cluster_or_intf_name,
			enum ef_pd_flags flags);

/** ef_pd_alloc_with_vport - as ef_pd_alloc_by_name() with EF_PD_VLAN_NONE; with a
 * VLAN -EOPNOTSUPP. */
int ef_pd_alloc_with_vport(ef_pd *pd, ef_driver_handle pd_dh, const char *intf_name,
			   enum ef_pd_flags flags, int vlan_id);

/** ef_pd_interface_name - the interface's name; the domain's until it is freed. */
const char *ef_pd_interface_name(ef_pd *pd);

/** ef_pd_free - free a domain without VIs.  Returns 0, -EBUSY or -EINVAL. */
int ef_pd_free(ef_pd *pd, ef_driver_handle pd_dh);

#ifdef __cplusplus
}
#endif
#endif
