/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vi.h - allocating VIs, VI sets and filters; blocking; statistics
 *
 * Source compatible with ef_vi.
 */
#ifndef ETHERFABRIC_VI_H
#define ETHERFABRIC_VI_H

#include <etherfabric/base.h>
#include <etherfabric/ef_vi.h>

#include <netinet/in.h>

#ifdef __cplusplus
extern "C" {
#endif

struct ef_pd;
struct ef_memreg;

/* ---- VIs ---- */

/**
 * ef_vi_alloc_from_pd - allocate a VI
 * @vi: filled in; must not move until it is freed
 * @vi_dh: handle that it belongs to, and by which it is waited for
 * @pd, @pd_dh: its interface and memory
 * @evq_capacity, @rxq_capacity, @txq_capacity: slots, rounded up to a power of two
 *	of at most 4096; 0 none; -1 the default (the environment's EF_VI_EVQ_SIZE,
 *	EF_VI_RXQ_SIZE, EF_VI_TXQ_SIZE; else 512 for rx and tx, and an event queue
 *	that holds the events of both)
 * @evq_opt, @evq_dh: another VI whose event queue to use, then @evq_capacity is 0;
 *	or NULL, -1
 * @flags: enum ef_vi_flags, or'ed with the environment's EF_VI_EXTRA_VI_FLAGS
 *
 * Returns the label of the queues in events, 0 for a VI with its own event queue,
 * or -EINVAL, -ENOMEM, -EOPNOTSUPP (a flag), -EBUSY (the event queue serves
 * EF_VI_MAX_QS, or the interface's queues are taken by another process' rings),
 * -EACCES (the administrator did not give this user the right to have rings),
 * -ECONNREFUSED (no posternd), -ENODEV, -ENETDOWN.
 * One line with the cause goes to stderr when EF_VI_LOG_LEVEL is above 0.
 */
int ef_vi_alloc_from_pd(ef_vi *vi, ef_driver_handle vi_dh, struct ef_pd *pd,
			ef_driver_handle pd_dh, int evq_capacity, int rxq_capacity,
			int txq_capacity, ef_vi *evq_opt, ef_driver_handle evq_dh,
			enum ef_vi_flags flags);

/** ef_vi_free - free a VI and its filters.  Buffers that were posted are the
 * program's again.  Returns 0 or -EINVAL. */
int ef_vi_free(ef_vi *vi, ef_driver_handle nic);

/** ef_vi_flush - take back all posted buffers without events.  Returns 0. */
int ef_vi_flush(ef_vi *vi, ef_driver_handle nic);

/** ef_vi_pace - a gap between frames: -EOPNOTSUPP. */
int ef_vi_pace(ef_vi *vi, ef_driver_handle nic, int val);

/** ef_vi_mtu - longest frame in bytes, with Ethernet header and a VLAN tag. */
unsigned ef_vi_mtu(ef_vi *vi, ef_driver_handle vi_dh);

/** ef_vi_get_mac - the interface's address.  @mac_out: 6 bytes.  Returns 0 or -ENODEV. */
int ef_vi_get_mac(ef_vi *vi, ef_driver_handle vi_dh, void *mac_out);

/* ---- waiting ---- */

/**
 * ef_vi_prime - make a handle readable at the next event
 * @vi: a VI with an event queue
 * @dh: the handle to poll for input
 * @current_ptr: ef_eventq_current(), read before the last ef_eventq_poll() that
 *	found nothing
 *
 * One wake-up for each call; an event that came meanwhile counts.  Several VIs may
 * be primed through one handle.  Returns 0 or -errno.
 */
int ef_vi_prime(ef_vi *vi, ef_driver_handle dh, unsigned current_ptr);

/** ef_eventq_wait - sleep until there is an event.  @timeout: NULL waits without end.
 * Returns 0 or -ETIMEDOUT. */
int ef_eventq_wait(ef_vi *evq, ef_driver_handle evq_dh, unsigned current_ptr,
		   const struct timeval *timeout);

/* ---- filters ---- */

/** Any VLAN, and none, for ef_filter_spec_set_eth_local(). */
#define EF_FILTER_VLAN_ID_ANY (-1)

enum ef_filter_flags {
	EF_FILTER_FLAG_NONE = 0x0,
	EF_FILTER_FLAG_MCAST_LOOP_RECEIVE = 0x2,	/**< accepted */
	EF_FILTER_FLAG_EXCLUSIVE_RXQ = 0x4,		/**< accepted; not with SHARED */
	EF_FILTER_FLAG_SHARED_RXQ = 0x8,		/**< accepted */
	EF_FILTER_FLAG_REQUEST_WAKEUPS = 0x10		/**< accepted; all VIs can wait */
};

/** What a filter matches; by value, members are the library's. */
typedef struct ef_filter_spec {
	unsigned type;
	unsigned flags;
	unsigned data[12];
} ef_filter_spec;

/** Names an installed filter. */
typedef struct ef_filter_cookie {
	int filter_id;
	int filter_type;
} ef_filter_cookie;

/**
 * ef_filter_spec_init - an empty specification
 *
 * The ef_filter_spec_set_*() below each add a condition and return 0, or
 * -EPROTONOSUPPORT when it does not go together with those that are there:
 * addresses and ports go with a VLAN only; an IP protocol or an EtherType with
 * either a VLAN or a local Ethernet address; mismatch with a VLAN; sniff and
 * block_kernel stand alone.  Addresses and ports are in network order.
 */
void ef_filter_spec_init(ef_filter_spec *spec, enum ef_filter_flags flags);
/** TCP or UDP to this address and port. */
int ef_filter_spec_set_ip4_local(ef_filter_spec *spec, int protocol, unsigned host_be32, int port_be16);
/** The same from this other address and port only. */
int ef_filter_spec_set_ip4_full(ef_filter_spec *spec, int protocol, unsigned host_be32,
				int port_be16, unsigned rhost_be32, int rport_be16);
int ef_filter_spec_set_ip6_local(ef_filter_spec *spec, int protocol, const struct in6_addr *host,
				 int port_be16);
int ef_filter_spec_set_ip6_full(ef_filter_spec *spec, int protocol, const struct in6_addr *host,
				int port_be16, const struct in6_addr *rhost, int rport_be16);
/** Frames of this VLAN only (0 to 4095). */
int ef_filter_spec_set_vlan(ef_filter_spec *spec, int vlan_id);
/** Frames to this Ethernet address, in a VLAN or in any. */
int ef_filter_spec_set_eth_local(ef_filter_spec *spec, int vlan_id, const void *mac);
/** All frames to a single host; all to groups, broadcast among them. */
int ef_filter_spec_set_unicast_all(ef_filter_spec *spec);
int ef_filter_spec_set_multicast_all(ef_filter_spec *spec);
/** The same, but only what no other filter, of sockets or VIs, matches. */
int ef_filter_spec_set_unicast_mismatch(ef_filter_spec *spec);
int ef_filter_spec_set_multicast_mismatch(ef_filter_spec *spec);
/** A copy of everything: ef_vi_filter_add() answers -EOPNOTSUPP, AF_XDP has no copies. */
int ef_filter_spec_set_port_sniff(ef_filter_spec *spec, int promiscuous);
int ef_filter_spec_set_tx_port_sniff(ef_filter_spec *spec);
/** Drop what would go to the kernel: everything, or frames to single hosts or groups. */
int ef_filter_spec_set_block_kernel(ef_filter_spec *spec);
int ef_filter_spec_set_block_kernel_unicast(ef_filter_spec *spec);
int ef_filter_spec_set_block_kernel_multicast(ef_filter_spec *spec);
/** Frames of this EtherType, or with this protocol of IPv4 or IPv6. */
int ef_filter_spec_set_eth_type(ef_filter_spec *spec, uint16_t ether_type_be16);
int ef_filter_spec_set_ip_proto(ef_filter_spec *spec, uint8_t ip_proto);
/** Receive queue of the device: -EINVAL outside 0 to 65535; no effect. */
int ef_filter_spec_set_dest(ef_filter_spec *spec, int dest, unsigned flags);
/** Of other devices: -EOPNOTSUPP. */
int ef_filter_spec_set_user_mark(ef_filter_spec *spec, uint32_t user_mark);
int ef_filter_spec_set_user_flag(ef_filter_spec *spec, uint8_t user_flag);

/**
 * ef_vi_filter_add - steer matching frames to the VI
 * @cookie_out: set to the filter's name; may be NULL
 *
 * The kernel does not see these frames any more.  Sockets' filters come first, then
 * those of VIs, the most specific first: addresses and ports; protocol, EtherType;
 * Ethernet address; all; mismatch.  For an address of a multicast group the kernel
 * joins the group on the interface, so that the network sends it.  The filter goes
 * with the VI, or with the process, however it ends.
 *
 * Returns 0, -EINVAL (empty or impossible specification), -EEXIST (another VI or a
 * socket has the same filter), -EOPNOTSUPP (kind), -ENOSPC, -ENODEV.
 */
int ef_vi_filter_add(ef_vi *vi, ef_driver_handle vi_dh, const ef_filter_spec *spec,
		     ef_filter_cookie *cookie_out);
/** ef_vi_filter_del - remove a filter.  Returns 0 or -ENOENT. */
int ef_vi_filter_del(ef_vi *vi, ef_driver_handle vi_dh, ef_filter_cookie *cookie);

enum ef_filter_info_fields {
	EF_FILTER_FIELD_ID = 0x0001,
	EF_FILTER_FIELD_QUEUE = 0x0002
};
enum ef_filter_info_flags {
	EF_FILTER_IS_EXCLUSIVE = 0x4
};
typedef struct ef_filter_info {
	uint64_t valid_fields;	/* enum ef_filter_info_fields */
	unsigned flags;		/* enum ef_filter_info_flags */
	unsigned filter_id;
	unsigned q_id;
} ef_filter_info;
/** ef_vi_filter_query - what is known of a filter.  @filter_info_size:
 * sizeof(ef_filter_info).  Returns 0, -ENOENT or -EINVAL. */
int ef_vi_filter_query(ef_vi *vi, ef_driver_handle vi_dh, const ef_filter_cookie *cookie,
		       ef_filter_info *filter_info, size_t filter_info_size);

/* ---- VI sets: the frames of one filter spread over several VIs ---- */

typedef struct ef_vi_set {
	unsigned vis_res_id;
	struct ef_pd *vis_pd;
} ef_vi_set;

/**
 * ef_vi_set_alloc_from_pd - a set of @n_vis VIs, 1 to 32
 *
 * Frames that a filter of the set matches are spread over its members by a hash of
 * addresses and ports, so that a flow stays with one.
 * Returns 0, -EINVAL, -ENOSPC, or as ef_vi_alloc_from_pd().
 */
int ef_vi_set_alloc_from_pd(ef_vi_set *vi_set, ef_driver_handle vi_set_dh, struct ef_pd *pd,
			    ef_driver_handle pd_dh, int n_vis);
/** ef_vi_set_free - Returns 0.  The members stay, without the set's filters. */
int ef_vi_set_free(ef_vi_set *vi_set, ef_driver_handle vi_set_dh);
/** ef_vi_alloc_from_set - a member; @index_in_set: which, or -1 for any free one.
 * Else as ef_vi_alloc_from_pd(), and -EBUSY (taken).  Any thread. */
int ef_vi_alloc_from_set(ef_vi *vi, ef_driver_handle vi_dh, ef_vi_set *vi_set,
			 ef_driver_handle vi_set_dh, int index_in_set, int evq_capacity,
			 int rxq_capacity, int txq_capacity, ef_vi *evq_opt,
			 ef_driver_handle evq_dh, enum ef_vi_flags flags);
/** As ef_vi_filter_add() and ef_vi_filter_del(). */
int ef_vi_set_filter_add(ef_vi_set *vi_set, ef_driver_handle vi_set_dh, const ef_filter_spec *spec,
			 ef_filter_cookie *cookie_out);
int ef_vi_set_filter_del(ef_vi_set *vi_set, ef_driver_handle vi_set_dh, ef_filter_cookie *cookie);

/* ---- statistics ---- */

typedef struct ef_vi_stats_field_layout {
	char *evsfl_name;
	int evsfl_offset;
	int evsfl_size;
} ef_vi_stats_field_layout;

#ifdef __cplusplus
#define EF_VI_FLEXIBLE_ 1
#else
#define EF_VI_FLEXIBLE_
#endif
typedef struct ef_vi_stats_layout {
	int evsl_data_size;
	int evsl_fields_num;
	ef_vi_stats_field_layout evsl_fields[EF_VI_FLEXIBLE_];
} ef_vi_stats_layout;

/**
 * ef_vi_stats_query_layout - what ef_vi_stats_query() gives
 * @layout_out: set to a constant: the counters of each VI, 4 bytes each, wrapping.
 *	rx_crc_err_cnt, rx_trunc_cnt (too long for a buffer), rx_nodesc_drop_cnt (no
 *	buffer and no room in the ring), rx_abort_cnt (ring damaged), rx_csum_err_cnt
 * Returns 0.
 */
int ef_vi_stats_query_layout(ef_vi *vi, const ef_vi_stats_layout **const layout_out);
/** ef_vi_stats_query - read them.  @data: evsl_data_size bytes.  @do_reset: count
 * from zero afterwards.  Makes system calls.  Returns 0 or -errno. */
int ef_vi_stats_query(ef_vi *vi, ef_driver_handle dh, void *data, int do_reset);

#ifdef __cplusplus
}
#endif
#endif
