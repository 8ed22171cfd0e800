/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ef_vi.h - the virtual interface (VI): sending, receiving, events
 *
 * Source compatible with ef_vi, on any network interface.  A program written for
 * <etherfabric/...> compiles unmodified and links with -lciul1.
 *
 * A VI has an RX queue, to which the program gives empty buffers, a TX queue, to
 * which it gives frames, and an event queue, from which it learns what became of
 * both.  Frames are whole Ethernet frames without FCS.  Buffers are named by DMA
 * address (<etherfabric/memreg.h>) and come back with the dma_id under which they
 * were given.
 *
 * Copies.  Frames are received into and sent from memory that the library shares
 * with the kernel, and copied once between it and the program's buffers.  So any
 * number of regions, at any offsets, and any number of VIs on a queue work alike; a
 * buffer that was given to be sent is never written, and may be reused as soon as
 * its event came.
 *
 * Threads.  A VI is used by one thread at a time; different VIs by different
 * threads at the same time.  VIs that share an event queue count as one.
 *
 * Signs.  Calls return 0, a count or a negative errno.  Lengths are bytes.
 */
#ifndef ETHERFABRIC_EF_VI_H
#define ETHERFABRIC_EF_VI_H

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- helpers ---- */

/** Alignment of DMA buffers that suits every device. */
#define EF_VI_DMA_ALIGN 64
#define EF_VI_ALIGN(n) __attribute__((aligned(n)))
#define ef_vi_inline static inline
#define ef_vi_pure __attribute__((pure))
#define ef_vi_cold __attribute__((cold))
#define ef_vi_noinline __attribute__((noinline))
#define ef_vi_deprecated __attribute__((deprecated))

/** Most VIs that may share one event queue. */
#define EF_VI_MAX_QS 32
/** Most shared receive queues of a VI on devices that have such; none here. */
#define EF_VI_MAX_EFCT_RXQS 8
/** ef_eventq_poll() needs room for at least this many events. */
#define EF_VI_EVENT_POLL_MIN_EVS 2
/** Most ids that one RX_MULTI event stands for. */
#define EF_VI_RECEIVE_BATCH 15
/** Most ids that one TX event stands for. */
#define EF_VI_TRANSMIT_BATCH 64

typedef int ef_driver_handle;
/** A DMA address; 0 and EF_INVALID_ADDR never name registered memory. */
typedef uint64_t ef_addr;
typedef uint64_t ef_addrspace;
typedef char *ef_vi_ioaddr_t;
typedef uint32_t ef_eventq_ptr;
/** The program's own name for a buffer; comes back in the event. */
typedef int ef_request_id;
struct timespec;
#define ef_timespec struct timespec

#define EF_ADDR_FMT "%" PRIx64
#define EF_INVALID_ADDR ((ef_addr)-1)
#define EF_ADDRSPACE_LOCAL ((uint64_t)-1)
/** The id that no frame may have: it marks completions of a warm-up. */
#define EF_REQUEST_ID_MASK 0xffffffff

/** A piece of a frame to send: DMA address and length. */
typedef struct ef_iovec {
	ef_addr iov_base EF_VI_ALIGN(8);
	unsigned iov_len;
} ef_iovec;

/** Declared for source compatibility; no device here has remote memory. */
#define EF_RIOV_FLAG_TRANSLATE_ADDR 0x1
typedef struct ef_remote_iovec {
	ef_addr iov_base EF_VI_ALIGN(8);
	unsigned iov_len;
	uint32_t flags;
	ef_addrspace addrspace;
} ef_remote_iovec;

/** Time of day with a fraction of 2^-16 ns, and EF_VI_SYNC_FLAG_*. */
typedef struct ef_precisetime {
	int64_t tv_sec;
	uint32_t tv_nsec;
	uint16_t tv_nsec_frac;
	uint16_t tv_flags;
} ef_precisetime;

/* ---- events ---- */

enum {
	/** A frame was received. */
	EF_EVENT_TYPE_RX = 0,
	/** Frames were sent: ef_vi_transmit_unbundle() says which. */
	EF_EVENT_TYPE_TX = 1,
	/** A bad frame was received. */
	EF_EVENT_TYPE_RX_DISCARD = 2,
	/** A frame could not be sent; the TX queue stands still until
	 * ef_vi_reinit_txq_post_error(). */
	EF_EVENT_TYPE_TX_ERROR = 3,
	/** A frame was lost for lack of a buffer; not sent here: see ef_vi_stats_query(). */
	EF_EVENT_TYPE_RX_NO_DESC_TRUNC = 4,
	/** ef_eventq_put(). */
	EF_EVENT_TYPE_SW = 5,
	EF_EVENT_TYPE_OFLOW = 6,
	/** A frame was sent, and when (EF_VI_TX_TIMESTAMPS). */
	EF_EVENT_TYPE_TX_WITH_TIMESTAMP = 7,
	EF_EVENT_TYPE_RX_PACKED_STREAM = 8,
	/** Frames were received: ef_vi_receive_unbundle() (EF_VI_RX_EVENT_MERGE). */
	EF_EVENT_TYPE_RX_MULTI = 9,
	/** A frame of an alternative was sent. */
	EF_EVENT_TYPE_TX_ALT = 10,
	EF_EVENT_TYPE_RX_MULTI_DISCARD = 11,
	/** The device is gone: free the VI. */
	EF_EVENT_TYPE_RESET = 12,
	EF_EVENT_TYPE_RX_MULTI_PKTS = 13,
	EF_EVENT_TYPE_RX_REF = 14,
	EF_EVENT_TYPE_RX_REF_DISCARD = 15,
	EF_EVENT_TYPE_MAX = 16
};

/** EF_EVENT_RX_DISCARD_TYPE(): what was wrong. */
enum {
	EF_EVENT_RX_DISCARD_CSUM_BAD = 0,
	EF_EVENT_RX_DISCARD_MCAST_MISMATCH = 1,
	EF_EVENT_RX_DISCARD_CRC_BAD = 2,
	EF_EVENT_RX_DISCARD_TRUNC = 3,
	EF_EVENT_RX_DISCARD_RIGHTS = 4,
	EF_EVENT_RX_DISCARD_EV_ERROR = 5,
	EF_EVENT_RX_DISCARD_OTHER = 6,
	EF_EVENT_RX_DISCARD_INNER_CSUM_BAD = 7,
	EF_EVENT_RX_DISCARD_MAX = 8
};

/** EF_EVENT_TX_ERROR_TYPE(). */
enum {
	EF_EVENT_TX_ERROR_RIGHTS = 0,
	EF_EVENT_TX_ERROR_OFLOW = 1,
	EF_EVENT_TX_ERROR_2BIG = 2,
	EF_EVENT_TX_ERROR_BUS = 3
};

#define EF_EVENT_FLAG_SOP 0x1
#define EF_EVENT_FLAG_CONT 0x2
#define EF_EVENT_FLAG_ISCSI_OK 0x4
#define EF_EVENT_FLAG_MULTICAST 0x8
#define EF_EVENT_FLAG_PS_NEXT_BUFFER 0x10
#define EF_EVENT_FLAG_CTPIO 0x1

/** One event.  Read it with the macros below; rx_ref by its members. */
typedef union ef_event {
	struct {
		unsigned type : 16;
	} generic;
	struct {
		unsigned type : 16;
		unsigned q_id : 16;
		unsigned rq_id : 32;
		unsigned len : 16;
		unsigned flags : 16;
		unsigned ofs : 16;
	} rx;
	struct {
		unsigned type : 16;
		unsigned q_id : 16;
		unsigned rq_id : 32;
		unsigned len : 16;
		unsigned flags : 16;
		unsigned subtype : 16;
	} rx_discard;
	struct {
		unsigned type : 16;
		unsigned q_id : 16;
		unsigned flags : 16;
		unsigned desc_id : 16;
		unsigned deferred_evs : 16;
	} tx;
	struct {
		unsigned type : 16;
		unsigned q_id : 16;
		unsigned flags : 16;
		unsigned desc_id : 16;
		unsigned subtype : 16;
	} tx_error;
	struct {
		unsigned type : 16;
		unsigned q_id : 8;
		unsigned flags : 8;
		unsigned rq_id : 32;
		uint32_t ts_sec;
		unsigned ts_nsec : 30;
		unsigned ts_flags : 2;
	} tx_timestamp;
	struct {
		unsigned type : 16;
		unsigned q_id : 16;
		unsigned alt_id : 16;
		unsigned desc_id : 16;
	} tx_alt;
	struct {
		unsigned type : 16;
		unsigned q_id : 16;
	} rx_no_desc_trunc;
	struct {
		unsigned type : 16;
		unsigned q_id : 16;
		unsigned flags : 16;
		unsigned n_pkts : 16;
		unsigned ps_flags : 8;
	} rx_packed_stream;
	struct {
		unsigned type : 16;
		unsigned data;
	} sw;
	struct {
		unsigned type : 16;
		unsigned q_id : 16;
		unsigned n_descs : 16;
		unsigned flags : 16;
	} rx_multi;
	struct {
		unsigned type : 16;
		unsigned q_id : 16;
		unsigned n_descs : 16;
		unsigned flags : 16;
		unsigned subtype : 16;
	} rx_multi_discard;
	struct {
		unsigned type : 16;
		unsigned q_id : 16;
		unsigned n_pkts : 16;
		unsigned flags : 16;
	} rx_multi_pkts;
	struct {
		unsigned type : 16;
		unsigned q_id : 8;
		unsigned filter_id : 8;
		unsigned user : 16;
		unsigned len : 16;
		uint32_t pkt_id;
	} rx_ref;
	struct {
		unsigned type : 16;
		unsigned q_id : 8;
		unsigned filter_id : 8;
		unsigned user : 16;
		unsigned len : 16;
		uint32_t pkt_id;
		unsigned flags : 16;
	} rx_ref_discard;
} ef_event;

#define EF_EVENT_TYPE(e) ((e).generic.type)

/* EF_EVENT_TYPE_RX.  RX_BYTES counts the prefix (ef_vi_receive_prefix_len()) and,
 * where a frame takes several buffers (RX_CONT in all events but the last), all
 * bytes of it so far. */
#define EF_EVENT_RX_BYTES(e) ((e).rx.len)
#define EF_EVENT_RX_Q_ID(e) ((e).rx.q_id)
#define EF_EVENT_RX_RQ_ID(e) ((e).rx.rq_id)
#define EF_EVENT_RX_CONT(e) ((e).rx.flags & EF_EVENT_FLAG_CONT)
#define EF_EVENT_RX_SOP(e) ((e).rx.flags & EF_EVENT_FLAG_SOP)
#define EF_EVENT_RX_PS_NEXT_BUFFER(e) ((e).rx_packed_stream.flags & EF_EVENT_FLAG_PS_NEXT_BUFFER)
#define EF_EVENT_RX_ISCSI_OKAY(e) ((e).rx.flags & EF_EVENT_FLAG_ISCSI_OK)

/* EF_EVENT_TYPE_RX_DISCARD */
#define EF_EVENT_RX_DISCARD_Q_ID(e) ((e).rx_discard.q_id)
#define EF_EVENT_RX_DISCARD_RQ_ID(e) ((e).rx_discard.rq_id)
#define EF_EVENT_RX_DISCARD_CONT(e) ((e).rx_discard.flags & EF_EVENT_FLAG_CONT)
#define EF_EVENT_RX_DISCARD_SOP(e) ((e).rx_discard.flags & EF_EVENT_FLAG_SOP)
#define EF_EVENT_RX_DISCARD_TYPE(e) ((e).rx_discard.subtype)
#define EF_EVENT_RX_DISCARD_BYTES(e) ((e).rx_discard.len)

/* EF_EVENT_TYPE_RX_MULTI and _DISCARD */
#define EF_EVENT_RX_MULTI_Q_ID(e) ((e).rx_multi.q_id)
#define EF_EVENT_RX_MULTI_CONT(e) ((e).rx_multi.flags & EF_EVENT_FLAG_CONT)
#define EF_EVENT_RX_MULTI_SOP(e) ((e).rx_multi.flags & EF_EVENT_FLAG_SOP)
#define EF_EVENT_RX_MULTI_DISCARD_TYPE(e) ((e).rx_multi_discard.subtype)

/* EF_EVENT_TYPE_TX, _TX_ERROR, _TX_ALT */
#define EF_EVENT_TX_Q_ID(e) ((e).tx.q_id)
#define EF_EVENT_TX_CTPIO(e) ((e).tx.flags & EF_EVENT_FLAG_CTPIO)
#define EF_EVENT_TX_ERROR_Q_ID(e) ((e).tx_error.q_id)
#define EF_EVENT_TX_ERROR_TYPE(e) ((e).tx_error.subtype)
#define EF_EVENT_TX_ALT_Q_ID(e) ((e).tx_alt.q_id)
#define EF_EVENT_TX_ALT_ALT_ID(e) ((e).tx_alt.alt_id)

/* EF_EVENT_TYPE_TX_WITH_TIMESTAMP */
#define EF_EVENT_TX_WITH_TIMESTAMP_Q_ID(e) ((e).tx_timestamp.q_id)
#define EF_EVENT_TX_WITH_TIMESTAMP_RQ_ID(e) ((e).tx_timestamp.rq_id)
#define EF_EVENT_TX_WITH_TIMESTAMP_SEC(e) ((e).tx_timestamp.ts_sec)
#define EF_EVENT_TX_WITH_TIMESTAMP_NSEC(e) ((e).tx_timestamp.ts_nsec)
#define EF_EVENT_TX_WITH_TIMESTAMP_NSEC_FRAC16(e) ((void)(e), 0)
#define EF_EVENT_TX_WITH_TIMESTAMP_SYNC_MASK (EF_VI_SYNC_FLAG_CLOCK_SET | EF_VI_SYNC_FLAG_CLOCK_IN_SYNC)
#define EF_EVENT_TX_WITH_TIMESTAMP_SYNC_FLAGS(e) ((e).tx_timestamp.ts_flags)
#define EF_VI_TX_TS_FRAC_NS_BITS 0

#define EF_EVENT_RX_NO_DESC_TRUNC_Q_ID(e) ((e).rx_no_desc_trunc.q_id)
#define EF_EVENT_SW_DATA_MASK 0xffff
#define EF_EVENT_SW_DATA(e) ((e).sw.data)

/** For printf(): printf("event " EF_EVENT_FMT "\n", EF_EVENT_PRI_ARG(ev)) */
#define EF_EVENT_FMT "[ev:%x]"
#define EF_EVENT_PRI_ARG(e) (unsigned)(e).generic.type

/** Sync flags of time stamps: the clock is set; and follows its reference. */
#define EF_VI_SYNC_FLAG_CLOCK_SET 1
#define EF_VI_SYNC_FLAG_CLOCK_IN_SYNC 2

/* ---- what a VI is ---- */

enum ef_vi_arch {
	EF_VI_ARCH_FALCON = 0,
	EF_VI_ARCH_EF10 = 1,
	EF_VI_ARCH_EF100 = 2,
	EF_VI_ARCH_EFCT = 3,
	/** what every VI of this library reports: descriptors, any NIC */
	EF_VI_ARCH_AF_XDP = 4,
	EF_VI_ARCH_EF10CT = 5
};

struct ef_vi_nic_type {
	unsigned char arch;	/* enum ef_vi_arch */
	char variant;
	unsigned char revision;
	unsigned char nic_flags;
};

enum ef_timestamp_format {
	TS_FORMAT_SECONDS_27FRACTION = 0,
	TS_FORMAT_SECONDS_QTR_NANOSECONDS = 1
};

/*
 * How a VI works.  The enum shares its name with the function ef_vi_flags(), so
 * that C++ has to say `enum ef_vi_flags'.
 */
__extension__ enum ef_vi_flags {
	EF_VI_FLAGS_DEFAULT = 0x0,
	EF_VI_ISCSI_RX_HDIG = 0x2,		/**< ignored */
	EF_VI_ISCSI_TX_HDIG = 0x4,		/**< ignored */
	EF_VI_ISCSI_RX_DDIG = 0x8,		/**< ignored */
	EF_VI_ISCSI_TX_DDIG = 0x10,		/**< ignored */
	EF_VI_TX_PHYS_ADDR = 0x20,		/**< ignored */
	EF_VI_RX_PHYS_ADDR = 0x40,		/**< ignored */
	/** leave IPv4 header checksums of sent frames alone; without it they are filled in */
	EF_VI_TX_IP_CSUM_DIS = 0x80,
	/** leave TCP and UDP checksums alone; without it they are filled in */
	EF_VI_TX_TCPUDP_CSUM_DIS = 0x100,
	EF_VI_TX_TCPUDP_ONLY = 0x200,		/**< ignored */
	EF_VI_TX_FILTER_IP = 0x400,		/**< ignored */
	EF_VI_TX_FILTER_MAC = 0x800,		/**< ignored */
	EF_VI_TX_FILTER_MASK_1 = 0x1000,	/**< ignored */
	EF_VI_TX_FILTER_MASK_2 = 0x2000,	/**< ignored */
	EF_VI_TX_FILTER_MASK_3 = 0x3000,	/**< ignored */
	EF_VI_TX_PUSH_DISABLE = 0x4000,		/**< ignored */
	EF_VI_TX_PUSH_ALWAYS = 0x8000,		/**< ignored */
	/** time stamps of received frames; adds a prefix */
	EF_VI_RX_TIMESTAMPS = 0x10000,
	/** TX events are EF_EVENT_TYPE_TX_WITH_TIMESTAMP */
	EF_VI_TX_TIMESTAMPS = 0x20000,
	EF_VI_RX_PACKED_STREAM = 0x80000,	/**< -EOPNOTSUPP */
	EF_VI_RX_PS_BUF_SIZE_64K = 0x100000,	/**< ignored */
	/** RX events are EF_EVENT_TYPE_RX_MULTI; adds a prefix */
	EF_VI_RX_EVENT_MERGE = 0x200000,
	/** the VI may have alternatives, see ef_vi_transmit_alt_alloc() */
	EF_VI_TX_ALT = 0x400000,
	EF_VI_ENABLE_EV_TIMER = 0x800000,	/**< ignored */
	/** ef_vi_transmit_ctpio() may be used */
	EF_VI_TX_CTPIO = 0x1000000,
	EF_VI_TX_CTPIO_NO_POISON = 0x2000000,	/**< always so */
	/** -EOPNOTSUPP unless the driver receives without a copy of its own */
	EF_VI_RX_ZEROCOPY = 0x4000000,
	EF_VI_ALLOW_MEMCPY = 0x8000000,		/**< ignored */
	EF_VI_EFCT_UNIQUEUE = 0x10000000,	/**< ignored */
	EF_VI_RX_EXCLUSIVE = 0x20000000,	/**< ignored */
	EF_VI_ENABLE_TPH = 0x40000000,		/**< ignored */
	EF_VI_TPH_TAG_MODE = 0x80000000u,	/**< ignored */
	EF_VI_RX_FILTER_ID = 0x100000000ll	/**< -EOPNOTSUPP */
};

/** vi.vi_out_flags after allocation. */
enum ef_vi_out_flags {
	/** time stamps come with sync flags */
	EF_VI_OUT_CLOCK_SYNC_STATUS = 0x1
};

/** Reasons to discard: ef_vi_receive_set_discards(). */
enum ef_vi_rx_discard_err_flags {
	EF_VI_DISCARD_RX_L4_CSUM_ERR = 0x1,
	EF_VI_DISCARD_RX_L3_CSUM_ERR = 0x2,
	EF_VI_DISCARD_RX_ETH_FCS_ERR = 0x4,
	EF_VI_DISCARD_RX_ETH_LEN_ERR = 0x8,
	EF_VI_DISCARD_RX_TOBE_DISC = 0x10,
	EF_VI_DISCARD_RX_INNER_L4_CSUM_ERR = 0x20,
	EF_VI_DISCARD_RX_INNER_L3_CSUM_ERR = 0x40,
	EF_VI_DISCARD_RX_L2_CLASS_OTHER = 0x80,
	EF_VI_DISCARD_RX_L3_CLASS_OTHER = 0x100,
	EF_VI_DISCARD_RX_L4_CLASS_OTHER = 0x200
};

/** What stands where in front of a received frame. */
enum ef_vi_layout_type {
	EF_VI_LAYOUT_FRAME = 0,
	EF_VI_LAYOUT_MINOR_TICKS = 1,
	EF_VI_LAYOUT_PACKET_LENGTH = 2,
	EF_VI_LAYOUT_COMPAT_TS = 3,
	EF_VI_LAYOUT_FILTER_ID = 4
};

typedef struct ef_vi_layout_entry {
	enum ef_vi_layout_type evle_type;
	int evle_offset;	/* bytes from the start of the buffer */
	const char *evle_description;
} ef_vi_layout_entry;

/** Saved by ef_vi_start_transmit_warm(). */
typedef struct ef_vi_tx_warm_state {
	uint32_t removed;
	char *vi_ctpio_mmap_ptr;
} ef_vi_tx_warm_state;

/** How much of an alternative's memory a frame takes: see
 * ef_vi_transmit_alt_usage(). */
struct ef_vi_transmit_alt_overhead {
	uint32_t pre_round;
	uint32_t mask;
	uint32_t post_round;
};

enum ef_vi_tx_extra_flags {
	EF_VI_TX_EXTRA_MARK = 0x1,
	EF_VI_TX_EXTRA_INGRESS_MPORT = 0x2,
	EF_VI_TX_EXTRA_EGRESS_MPORT = 0x4,
	EF_VI_TX_EXTRA_CAPSULE_METADATA = 0x8
};
struct ef_vi_tx_extra {
	enum ef_vi_tx_extra_flags flags;
	uint32_t mark;
	uint16_t ingress_mport;
	uint16_t egress_mport;
};

typedef struct {
	uint32_t rx_ev_lost, rx_ev_bad_desc_i, rx_ev_bad_q_label, evq_gap;
} ef_vi_stats;

struct ef_vi;
struct efvi_vi;		/* the library's */
struct efvi_rx_desc;
struct efvi_tx_desc;

/* Positions run free; a slot is position & mask. */
typedef struct {
	uint32_t mask;
	uint32_t added;		/* initialised by the program */
	uint32_t posted;	/* of these, pushed */
	uint32_t removed;	/* of these, given back in an event */
	struct efvi_rx_desc *desc;
} ef_vi_rxq;

typedef struct {
	uint32_t mask;
	uint32_t added;		/* initialised by the program */
	uint32_t posted;	/* of these, pushed */
	uint32_t done;		/* of these, sent and reported by an event */
	uint32_t removed;	/* of these, unbundled */
	struct efvi_tx_desc *desc;
} ef_vi_txq;

/**
 * struct ef_vi - a virtual interface, by value wherever the program likes
 *
 * It must not move after allocation.  Programs may read nic_type, vi_flags and
 * vi_out_flags; everything else is the library's.
 */
typedef struct ef_vi {
	uint32_t inited;
	unsigned vi_i;
	unsigned vi_resource_id;
	int rx_prefix_len;
	unsigned rx_buffer_len;
	unsigned vi_out_flags;			/* enum ef_vi_out_flags */
	enum ef_vi_flags vi_flags;
	struct ef_vi_nic_type nic_type;
	int vi_q_id;				/* label of our queues in events */
	uint32_t evq_pos;			/* events that were polled */
	uint64_t rx_discard_mask;
	ef_vi_rxq vi_rxq;
	ef_vi_txq vi_txq;
	ef_vi_stats *vi_stats;
	struct efvi_vi *vi;
	struct ef_vi *vi_evq;			/* whose event queue we use; may be ourselves */
	struct ef_vi *vi_qs[EF_VI_MAX_QS];	/* who uses ours, by q_id */
	int vi_qs_n;

	struct ops {
		int (*transmit)(struct ef_vi *, ef_addr, int, ef_request_id);
		int (*transmitv)(struct ef_vi *, const ef_iovec *, int, ef_request_id);
		int (*transmitv_init)(struct ef_vi *, const ef_iovec *, int, ef_request_id);
		void (*transmit_push)(struct ef_vi *);
		int (*transmit_pio)(struct ef_vi *, int, int, ef_request_id);
		int (*transmit_copy_pio)(struct ef_vi *, int, const void *, int, ef_request_id);
		void (*transmit_pio_warm)(struct ef_vi *);
		void (*transmit_copy_pio_warm)(struct ef_vi *, int, const void *, int);
		void (*transmitv_ctpio)(struct ef_vi *, size_t, const struct iovec *, int, unsigned);
		void (*transmitv_ctpio_copy)(struct ef_vi *, size_t, const struct iovec *, int, unsigned,
					     void *);
		int (*transmit_ctpio_fallback)(struct ef_vi *, ef_addr, size_t, ef_request_id);
		int (*transmitv_ctpio_fallback)(struct ef_vi *, const ef_iovec *, int, ef_request_id);
		int (*transmit_alt_select)(struct ef_vi *, unsigned);
		int (*transmit_alt_select_default)(struct ef_vi *);
		int (*transmit_alt_stop)(struct ef_vi *, unsigned);
		int (*transmit_alt_go)(struct ef_vi *, unsigned);
		int (*transmit_alt_discard)(struct ef_vi *, unsigned);
		int (*receive_init)(struct ef_vi *, ef_addr, ef_request_id);
		void (*receive_push)(struct ef_vi *);
		int (*receive_get_timestamp)(struct ef_vi *, const void *, ef_precisetime *);
		int (*receive_set_discards)(struct ef_vi *, unsigned);
		uint64_t (*receive_get_discards)(struct ef_vi *);
		int32_t (*receive_get_filter_id)(struct ef_vi *, const ef_event *, const void *);
		int (*receive_poll)(struct ef_vi *, ef_event *, int);
		int (*eventq_poll)(struct ef_vi *, ef_event *, int);
		void (*eventq_prime)(struct ef_vi *);
		void (*eventq_timer_prime)(struct ef_vi *, unsigned);
		void (*eventq_timer_run)(struct ef_vi *, unsigned);
		void (*eventq_timer_clear)(struct ef_vi *);
		void (*eventq_timer_zero)(struct ef_vi *);
		void (*start_transmit_warm)(struct ef_vi *, ef_vi_tx_warm_state *, char *);
		void (*stop_transmit_warm)(struct ef_vi *, ef_vi_tx_warm_state *);
	} ops;
} ef_vi;

/* ---- identity ---- */

/** ef_vi_version_str - the release of this library; never NULL. */
const char *ef_vi_version_str(void);
/** ef_vi_driver_interface_str - the version of the conversation with the daemon. */
const char *ef_vi_driver_interface_str(void);

/** ef_vi_flags - flags that the VI was allocated with. */
ef_vi_inline enum ef_vi_flags ef_vi_flags(ef_vi *vi)
{
	return vi->vi_flags;
}

/** ef_vi_instance - a small number that no other VI of this process has. */
ef_vi_inline unsigned ef_vi_instance(ef_vi *vi)
{
	return vi->vi_i;
}

/** ef_vi_resource_id - the number for ef_eventq_put(). */
ef_vi_inline unsigned ef_vi_resource_id(ef_vi *vi)
{
	return vi->vi_resource_id;
}

ef_vi_inline ef_vi *ef_vi_get_vi_from_q_id_(ef_vi *vi, int q_id)
{
	ef_vi *evq = vi->vi_evq;

	return q_id >= 0 && q_id < EF_VI_MAX_QS ? evq->vi_qs[q_id] : NULL;
}
/** ef_vi_get_vi_from_q_id - the VI whose queue has the label q_id in the event
 * queue of @vi; NULL if there is none. */
#define ef_vi_get_vi_from_q_id(vi, q_id) ef_vi_get_vi_from_q_id_((vi), (q_id))

/* ---- receiving ---- */

/** ef_vi_receive_prefix_len - bytes in front of each received frame: 0, or 14 with
 * EF_VI_RX_TIMESTAMPS or EF_VI_RX_EVENT_MERGE. */
ef_vi_inline int ef_vi_receive_prefix_len(const ef_vi *vi)
{
	return vi->rx_prefix_len;
}

/** ef_vi_receive_buffer_len - how many bytes of a buffer may be written, prefix
 * included; every posted buffer must have them. */
ef_vi_inline int ef_vi_receive_buffer_len(const ef_vi *vi)
{
	return (int)vi->rx_buffer_len;
}

/** ef_vi_receive_set_buffer_len - buffers are of this size; before the first is
 * posted.  Above the default of 1792 it is taken as 1792. */
ef_vi_inline void ef_vi_receive_set_buffer_len(ef_vi *vi, unsigned buf_len)
{
	vi->rx_buffer_len = buf_len < 1792 ? buf_len : 1792;
}

/** ef_vi_receive_capacity - most buffers that can be posted at a time: ring size
 * less 1; 0 without an RX queue. */
ef_vi_inline int ef_vi_receive_capacity(const ef_vi *vi)
{
	return (int)vi->vi_rxq.mask;
}

/** ef_vi_receive_fill_level - buffers posted and not yet returned. */
ef_vi_inline int ef_vi_receive_fill_level(const ef_vi *vi)
{
	return (int)(vi->vi_rxq.added - vi->vi_rxq.removed);
}

/** ef_vi_receive_space - buffers that can be posted now. */
ef_vi_inline int ef_vi_receive_space(const ef_vi *vi)
{
	return ef_vi_receive_capacity(vi) - ef_vi_receive_fill_level(vi);
}

/**
 * ef_vi_receive_init - give an empty buffer, not yet visible to the device
 * int ef_vi_receive_init(ef_vi *vi, ef_addr addr, ef_request_id dma_id)
 *
 * The buffer is the device's until an event returns @dma_id, which may be any
 * value.  ef_vi_receive_buffer_len() bytes from @addr on must be registered.
 * Returns 0, -EAGAIN (queue full) or -EFAULT (not registered memory).
 */
#define ef_vi_receive_init(vi, addr, dma_id) ((vi)->ops.receive_init((vi), (addr), (dma_id)))

/** ef_vi_receive_push - make initialised buffers visible to the device, all of them. */
#define ef_vi_receive_push(vi) ((vi)->ops.receive_push((vi)))

/** ef_vi_receive_post - ef_vi_receive_init() and ef_vi_receive_push(). */
int ef_vi_receive_post(ef_vi *vi, ef_addr addr, ef_request_id dma_id);

/**
 * ef_vi_receive_unbundle - the buffers of an RX_MULTI or RX_MULTI_DISCARD event
 * @ids: room for EF_VI_RECEIVE_BATCH
 *
 * Once for each such event, in order.  Returns the number of ids.
 */
int ef_vi_receive_unbundle(ef_vi *ep, const ef_event *event, ef_request_id *ids);

/**
 * ef_vi_receive_get_bytes - length of a frame by its prefix (EF_VI_RX_EVENT_MERGE)
 * @pkt: start of the buffer that was posted
 * @bytes_out: set to the length without prefix
 * Returns 0, or -EINVAL on a VI without such a prefix.
 */
int ef_vi_receive_get_bytes(ef_vi *vi, const void *pkt, uint16_t *bytes_out);

/**
 * ef_vi_receive_query_layout - what a received buffer looks like
 * @layout_out: set to a constant array
 * @layout_len_out: set to its length
 * Returns 0.  Offsets are from the address that was posted.
 */
int ef_vi_receive_query_layout(ef_vi *vi, const ef_vi_layout_entry **const layout_out,
			       int *layout_len_out);

/** ef_vi_rxq_next_desc_id - dma_id of the buffer that has been posted longest; only
 * while ef_vi_receive_fill_level() is above 0. */
ef_request_id ef_vi_rxq_next_desc_id(ef_vi *vi);

/**
 * ef_vi_receive_set_discards - what makes a frame an RX_DISCARD event
 * int ef_vi_receive_set_discards(ef_vi *vi, unsigned flags)
 * @flags: EF_VI_DISCARD_RX_*; by default L3_CSUM_ERR, L4_CSUM_ERR and ETH_LEN_ERR
 *
 * A frame with a fault whose bit is clear is an ordinary RX event.  Checksums are
 * verified by the library, so clearing both bits saves that time; frames that a
 * virtual link carries with an unfinished checksum are good.  Returns 0.
 */
#define ef_vi_receive_set_discards(vi, flags) ((vi)->ops.receive_set_discards((vi), (flags)))
/** ef_vi_receive_get_discards - uint64_t: the mask in force. */
#define ef_vi_receive_get_discards(vi) ((vi)->ops.receive_get_discards((vi)))

/** ef_vi_receive_get_filter_id - the filter that a frame matched: -EOPNOTSUPP. */
#define ef_vi_receive_get_filter_id(vi, ev, pkt) ((vi)->ops.receive_get_filter_id((vi), (ev), (pkt)))

/**
 * ef_vi_receive_get_precise_timestamp - when a frame was received
 * int ef_vi_receive_get_precise_timestamp(ef_vi *vi, const void *pkt, ef_precisetime *ts_out)
 * @pkt: start of the buffer that was posted
 *
 * The time is the host's CLOCK_REALTIME when the library took the frame from the
 * ring: software's time, so later than the wire's by the time that the frame
 * waited.  tv_flags says that the clock is set, and in sync if the kernel's clock
 * is.  Returns 0, or -ENODATA (no time stamp; EF_VI_RX_TIMESTAMPS was not asked for).
 */
#define ef_vi_receive_get_precise_timestamp(vi, pkt, ts_out) \
	((vi)->ops.receive_get_timestamp((vi), (pkt), (ts_out)))

/** ef_vi_receive_get_timestamp_with_sync_flags - the same in nanoseconds;
 * @flags_out: EF_VI_SYNC_FLAG_*. */
int ef_vi_receive_get_timestamp_with_sync_flags(ef_vi *vi, const void *pkt, ef_timespec *ts_out,
						unsigned *flags_out);
/** ef_vi_receive_get_timestamp - the same without flags. */
int ef_vi_receive_get_timestamp(ef_vi *vi, const void *pkt, ef_timespec *ts_out);

/** Of devices of other kinds: -EOPNOTSUPP. */
int ef_vi_receive_get_user_data(ef_vi *vi, const void *pkt, uint32_t *user_mark, uint8_t *user_flag);
int ef_vi_receive_get_discard_flags(ef_vi *vi, const void *pkt, unsigned *discard_flags);

/** ef_vi_get_rx_discard_subtype_from_flags - EF_VI_DISCARD_RX_* of an RX_REF_DISCARD
 * event as EF_EVENT_RX_DISCARD_*. */
ef_vi_inline unsigned ef_vi_get_rx_discard_subtype_from_flags(unsigned flags)
{
	if (flags & EF_VI_DISCARD_RX_ETH_FCS_ERR)
		return EF_EVENT_RX_DISCARD_CRC_BAD;
	if (flags & EF_VI_DISCARD_RX_ETH_LEN_ERR)
		return EF_EVENT_RX_DISCARD_TRUNC;
	if (flags & (EF_VI_DISCARD_RX_L3_CSUM_ERR | EF_VI_DISCARD_RX_L4_CSUM_ERR))
		return EF_EVENT_RX_DISCARD_CSUM_BAD;
	if (flags & (EF_VI_DISCARD_RX_INNER_L3_CSUM_ERR | EF_VI_DISCARD_RX_INNER_L4_CSUM_ERR))
		return EF_EVENT_RX_DISCARD_INNER_CSUM_BAD;
	return EF_EVENT_RX_DISCARD_OTHER;
}

/* ---- sending ---- */

/** ef_vi_transmit_capacity - most frames that can be in the TX queue: ring size
 * less 1; 0 without a TX queue. */
ef_vi_inline int ef_vi_transmit_capacity(const ef_vi *vi)
{
	return (int)vi->vi_txq.mask;
}

/** ef_vi_transmit_fill_level - frames given and not yet unbundled. */
ef_vi_inline int ef_vi_transmit_fill_level(const ef_vi *vi)
{
	return (int)(vi->vi_txq.added - vi->vi_txq.removed);
}

/** ef_vi_transmit_space - frames that can be given now. */
ef_vi_inline int ef_vi_transmit_space(const ef_vi *vi)
{
	return ef_vi_transmit_capacity(vi) - ef_vi_transmit_fill_level(vi);
}

/** ef_vi_transmit_space_bytes - room for CTPIO: without bound. */
ef_vi_inline int ef_vi_transmit_space_bytes(const ef_vi *vi)
{
	(void)vi;
	return INT_MAX;
}

/** ef_vi_transmit_fill_level_bytes - 0. */
ef_vi_inline int ef_vi_transmit_fill_level_bytes(const ef_vi *vi)
{
	(void)vi;
	return 0;
}

/**
 * ef_vi_transmit - send a frame
 * int ef_vi_transmit(ef_vi *vi, ef_addr base, int len, ef_request_id dma_id)
 * @len: 14 to ef_vi_mtu(); a frame below 60 bytes is padded with zeroes
 *
 * The buffer must not change until an event returns @dma_id, which may be any
 * value but EF_REQUEST_ID_MASK.  Unless EF_VI_TX_IP_CSUM_DIS or
 * EF_VI_TX_TCPUDP_CSUM_DIS say otherwise the checksums of IPv4, TCP and UDP are
 * filled in.  Returns 0, -EAGAIN (queue full), -EFAULT (not registered memory),
 * -EMSGSIZE, or -EINVAL (no TX queue, len below 14).
 */
#define ef_vi_transmit(vi, base, len, dma_id) ((vi)->ops.transmit((vi), (base), (len), (dma_id)))

/** ef_vi_transmit_init - the same, but nothing is sent before ef_vi_transmit_push(). */
int ef_vi_transmit_init(ef_vi *vi, ef_addr addr, int bytes, ef_request_id dma_id);

/** ef_vi_transmitv - send a frame that lies in @iov_len pieces; one event.
 * int ef_vi_transmitv(ef_vi *vi, const ef_iovec *iov, int iov_len, ef_request_id dma_id) */
#define ef_vi_transmitv(vi, iov, iov_len, dma_id) \
	((vi)->ops.transmitv((vi), (iov), (iov_len), (dma_id)))
/** ef_vi_transmitv_init - the same without the push. */
#define ef_vi_transmitv_init(vi, iov, iov_len, dma_id) \
	((vi)->ops.transmitv_init((vi), (iov), (iov_len), (dma_id)))

/** ef_vi_transmit_push - send what was initialised: one doorbell, if the driver
 * needs one. */
#define ef_vi_transmit_push(vi) ((vi)->ops.transmit_push((vi)))

/** ef_vi_transmit_init_undo - forget what was initialised and not pushed. */
void ef_vi_transmit_init_undo(ef_vi *vi);

/**
 * ef_vi_transmit_unbundle - the frames of a TX or TX_ERROR event
 * @ids: room for EF_VI_TRANSMIT_BATCH
 *
 * Once for each such event, in order.  Frees the slots: until then the queue stays
 * as full as it was.  Returns the number of ids.
 */
int ef_vi_transmit_unbundle(ef_vi *ep, const ef_event *event, ef_request_id *ids);

/** Deprecated form with metadata for the device: -EOPNOTSUPP. */
int ef_vi_transmitv_init_extra(ef_vi *vi, const struct ef_vi_tx_extra *extra,
			       const ef_remote_iovec *iov, int iov_len, ef_request_id dma_id);

/** ef_vi_set_tx_push_threshold - there is no push: no effect. */
void ef_vi_set_tx_push_threshold(ef_vi *vi, unsigned threshold);

/** ef_vi_reinit_txq_post_error - set the TX queue going after TX_ERROR; frames that
 * were not sent are forgotten.  Returns 0. */
int ef_vi_reinit_txq_post_error_(ef_vi *vi);
#define ef_vi_reinit_txq_post_error(vi) ef_vi_reinit_txq_post_error_((vi))

/* Position of the next frame that an error left unsent, or the end. */
int ef_vi_tx_failed_next_(ef_vi *vi, uint32_t *pos, ef_request_id *id);
/** ef_vi_for_each_tx_error_failed_transmit - after TX_ERROR was unbundled and before
 * ef_vi_reinit_txq_post_error(): runs the block that follows with the id of each
 * frame that will never complete in dma_id_var. */
#define ef_vi_for_each_tx_error_failed_transmit(vi, dma_id_var)                            \
	for (uint32_t ef_vi_pos_ = (vi)->vi_txq.removed;                                   \
	     ef_vi_tx_failed_next_((vi), &ef_vi_pos_, &(dma_id_var));)

/* ---- sending by CTPIO ---- */

/** Send only what is complete; the only way here. */
#define EF_VI_CTPIO_CT_THRESHOLD_SNF 0xffff

/**
 * ef_vi_transmitv_ctpio - send at once, part 1 of 2
 * void ef_vi_transmitv_ctpio(ef_vi *vi, size_t frame_len, const struct iovec *iov,
 *			      int iovcnt, unsigned threshold)
 * @iov: ordinary memory, free again on return
 *
 * The frame is copied into the TX ring and the doorbell rung.  Checksums are not
 * filled in.  Must be followed by ef_vi_transmit_ctpio_fallback().
 */
#define ef_vi_transmitv_ctpio(vi, frame_len, iov, iovcnt, threshold) \
	((vi)->ops.transmitv_ctpio((vi), (frame_len), (iov), (iovcnt), (threshold)))
/** ef_vi_transmitv_ctpio_copy - the same, with a copy to @fallback. */
#define ef_vi_transmitv_ctpio_copy(vi, frame_len, iov, iovcnt, threshold, fallback) \
	((vi)->ops.transmitv_ctpio_copy((vi), (frame_len), (iov), (iovcnt), (threshold), (fallback)))

/** ef_vi_transmit_ctpio - the same for a frame in one piece. */
ef_vi_inline void ef_vi_transmit_ctpio(ef_vi *vi, const void *frame_buf, size_t frame_len,
				       unsigned ct_threshold)
{
	struct iovec iov;

	iov.iov_base = (void *)(uintptr_t)frame_buf;
	iov.iov_len = frame_len;
	vi->ops.transmitv_ctpio(vi, frame_len, &iov, 1, ct_threshold);
}

/**
 * ef_vi_transmit_ctpio_fallback - part 2 of 2: what to send if part 1 could not
 * int ef_vi_transmit_ctpio_fallback(ef_vi *vi, ef_addr dma_addr, size_t len, ef_request_id dma_id)
 *
 * The event that follows says by EF_EVENT_TX_CTPIO() which of both it was.
 * Returns 0, -EAGAIN (queue full; part 1 was not sent either) or -EOPNOTSUPP (no
 * EF_VI_TX_CTPIO).
 */
#define ef_vi_transmit_ctpio_fallback(vi, dma_addr, len, dma_id) \
	((vi)->ops.transmit_ctpio_fallback((vi), (dma_addr), (len), (dma_id)))
/** ef_vi_transmitv_ctpio_fallback - the same for a frame in pieces. */
#define ef_vi_transmitv_ctpio_fallback(vi, dma_iov, dma_iov_len, dma_id) \
	((vi)->ops.transmitv_ctpio_fallback((vi), (dma_iov), (dma_iov_len), (dma_id)))

/**
 * ef_vi_start_transmit_warm - from now on sends go through the motions only
 * void ef_vi_start_transmit_warm(ef_vi *vi, ef_vi_tx_warm_state *saved_state, char *warm_ctpio_mmap_ptr)
 *
 * Every send returns -EAGAIN and sends nothing, until ef_vi_stop_transmit_warm().
 */
#define ef_vi_start_transmit_warm(vi, saved_state, warm_ctpio_mmap_ptr) \
	((vi)->ops.start_transmit_warm((vi), (saved_state), (warm_ctpio_mmap_ptr)))
/** ef_vi_stop_transmit_warm - sends are sends again. */
#define ef_vi_stop_transmit_warm(vi, state) ((vi)->ops.stop_transmit_warm((vi), (state)))

/* ---- sending by PIO: <etherfabric/pio.h> ---- */

/** PIO is there (in software). */
#define EF_VI_CONFIG_PIO 1

/** ef_vi_transmit_pio - send from the PIO region of the VI
 * int ef_vi_transmit_pio(ef_vi *vi, int offset, int len, ef_request_id dma_id)
 * @offset: multiple of 64; @len: at least 16
 * Returns as ef_vi_transmit(), and -EINVAL without a region. */
#define ef_vi_transmit_pio(vi, offset, len, dma_id) \
	((vi)->ops.transmit_pio((vi), (offset), (len), (dma_id)))
/** ef_vi_transmit_copy_pio - copy ordinary memory into the region, and send. */
#define ef_vi_transmit_copy_pio(vi, pio_offset, src_buf, len, dma_id) \
	((vi)->ops.transmit_copy_pio((vi), (pio_offset), (src_buf), (len), (dma_id)))
/** Deprecated warm-ups: no effect. */
#define ef_vi_transmit_pio_warm(vi) ((vi)->ops.transmit_pio_warm((vi)))
#define ef_vi_transmit_copy_pio_warm(vi, pio_offset, src_buf, len) \
	((vi)->ops.transmit_copy_pio_warm((vi), (pio_offset), (src_buf), (len)))

/* ---- alternatives: frames that are prepared, and sent or dropped later ---- */

/**
 * ef_vi_transmit_alt_alloc - make alternatives
 * @num_alts: how many; their ids are 0 to num_alts - 1
 * @buf_space: bytes of frames that all of them together can hold
 *
 * Returns 0, -EINVAL (no EF_VI_TX_ALT, bad number), -EALREADY, -EBUSY or -ENOMEM.
 * Each frame is kept by a copy.
 */
int ef_vi_transmit_alt_alloc(struct ef_vi *vi, ef_driver_handle vi_dh, int num_alts,
			     size_t buf_space);
/** ef_vi_transmit_alt_free - drop them all.  Returns 0, or -EINVAL without any. */
int ef_vi_transmit_alt_free(struct ef_vi *vi, ef_driver_handle vi_dh);
/** ef_vi_transmit_alt_num_ids - how many there are. */
unsigned ef_vi_transmit_alt_num_ids(ef_vi *vi);
/** ef_vi_transmit_alt_query_buffering - bytes that @n alternatives can hold, or -EINVAL. */
int ef_vi_transmit_alt_query_buffering(struct ef_vi *vi, int ifindex, ef_driver_handle dh, int n_alts);
/** ef_vi_transmit_alt_query_overhead - the parameters of ef_vi_transmit_alt_usage().
 * Returns 0. */
int ef_vi_transmit_alt_query_overhead(ef_vi *vi, struct ef_vi_transmit_alt_overhead *params);
/** ef_vi_transmit_alt_usage - bytes that a frame takes. */
ef_vi_inline uint32_t ef_vi_transmit_alt_usage(const struct ef_vi_transmit_alt_overhead *params,
					       uint32_t pkt_len)
{
	return ((pkt_len + params->pre_round) & params->mask) + params->post_round;
}
/** ef_vi_transmit_alt_select - sends go to this alternative from now on; -EINVAL. */
#define ef_vi_transmit_alt_select(vi, alt_id) ((vi)->ops.transmit_alt_select((vi), (alt_id)))
/** ef_vi_transmit_alt_select_normal - sends go to the wire again. */
#define ef_vi_transmit_alt_select_normal(vi) ((vi)->ops.transmit_alt_select_default((vi)))
/** ef_vi_transmit_alt_stop - keep frames (the state after allocation). */
#define ef_vi_transmit_alt_stop(vi, alt_id) ((vi)->ops.transmit_alt_stop((vi), (alt_id)))
/** ef_vi_transmit_alt_go - send what is kept, and what comes at once; a TX_ALT event
 * for each frame. */
#define ef_vi_transmit_alt_go(vi, alt_id) ((vi)->ops.transmit_alt_go((vi), (alt_id)))
/** ef_vi_transmit_alt_discard - drop what is kept; a TX_ALT event for each frame. */
#define ef_vi_transmit_alt_discard(vi, alt_id) ((vi)->ops.transmit_alt_discard((vi), (alt_id)))

/* ---- the event queue ---- */

/**
 * ef_eventq_poll - take events, without waiting
 * int ef_eventq_poll(ef_vi *vi, ef_event *evs, int evs_len)
 * @evs_len: at least EF_VI_EVENT_POLL_MIN_EVS
 *
 * Makes no system call.  Events of one queue come in order.  On a VI whose events
 * go to another VI's queue poll the other one.  Returns the number of events;
 * -EINVAL when there is no event queue.
 */
#define ef_eventq_poll(vi, evs, evs_len) ((vi)->ops.eventq_poll((vi), (evs), (evs_len)))
/** ef_receive_poll - the same, received frames only. */
#define ef_receive_poll(vi, evs, evs_len) ((vi)->ops.receive_poll((vi), (evs), (evs_len)))

/** ef_eventq_has_event - may ef_eventq_poll() find something? */
int ef_eventq_has_event_(const ef_vi *vi);
#define ef_eventq_has_event(vi) ef_eventq_has_event_((vi))
/** ef_eventq_has_many_events - are more than @n_events pending? */
int ef_eventq_has_many_events_(const ef_vi *vi, int n_events);
#define ef_eventq_has_many_events(vi, n_events) ef_eventq_has_many_events_((vi), (n_events))
/* Deprecated names. */
#define ef_eventq_check_event(vi) ef_eventq_has_event_((vi))
#define ef_eventq_check_event_phase_bit(vi, look_ahead) ef_eventq_has_many_events_((vi), (look_ahead))
#define efxdp_ef_eventq_check_event(vi) ef_eventq_has_event_((vi))
#define efct_ef_eventq_check_event(vi) ef_eventq_has_event_((vi))

/** ef_eventq_capacity - events that the queue holds before it must be polled. */
int ef_eventq_capacity(ef_vi *vi);

/** ef_eventq_current - how far the queue was polled, for ef_vi_prime() and
 * ef_eventq_wait(). */
ef_vi_inline unsigned ef_eventq_current(ef_vi *vi)
{
	return vi->vi_evq->evq_pos;
}

/** ef_eventq_prime - as ef_vi_prime() at the present position, through the handle by
 * which the VI was allocated. */
#define ef_eventq_prime(vi) ((vi)->ops.eventq_prime((vi)))

/**
 * ef_eventq_put - send a software event
 * @resource_id: ef_vi_resource_id() of a VI of this process
 * @ev_bits: EF_EVENT_SW_DATA(), 16 bits
 * Any thread.  Returns 0, -ENOENT (no such VI), or -ENOSPC (too many unread).
 */
int ef_eventq_put(unsigned resource_id, ef_driver_handle evq_dh, unsigned ev_bits);

/* Of other devices: -EOPNOTSUPP. */
int ef_vi_set_shrub_client_buffer_count_(ef_vi *vi, size_t count);
#define ef_vi_set_shrub_client_buffer_count(vi, n) ef_vi_set_shrub_client_buffer_count_((vi), (n))

#ifdef __cplusplus
}
#endif
#endif
