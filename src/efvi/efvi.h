/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * efvi.h - the inside of libciul1: what stands behind handles, domains and VIs
 *
 *   ef_driver_handle  struct efvi_dh    an epoll set that ef_vi_prime() fills
 *   ef_pd             struct efvi_pd    an interface and its registered regions
 *   -                 struct efvi_port  packet memory of this process on an interface
 *   ef_vi             struct efvi_vi    rings on that memory
 *
 * The lists are under one mutex of the process (efvi_lock()), which allocation takes
 * and the packet path never.  A port with more than one VI has a lock for the rings
 * that they share, fill and completion.
 */
#ifndef POSTERN_EFVI_EFVI_H
#define POSTERN_EFVI_EFVI_H

#include "cp/cp_client.h"
#include "cp/cp_lookup.h"
#include "nic/filter.h"
#include "nic/nic.h"

#include <etherfabric/capabilities.h>
#include <etherfabric/checksum.h>
#include <etherfabric/efct_vi.h>
#include <etherfabric/memreg.h>
#include <etherfabric/packedstream.h>
#include <etherfabric/pd.h>
#include <etherfabric/pio.h>
#include <etherfabric/timer.h>
#include <etherfabric/vi.h>

/* The library's functions are hidden but for these. */
#define EFVI_API __attribute__((visibility("default")))

enum {
	EFVI_FRAME_SHIFT = 11,
	EFVI_FRAME = 1 << EFVI_FRAME_SHIFT,
	EFVI_BUF_LEN = 1792,		/* a frame less what XDP keeps in front */
	EFVI_PREFIX = 14,		/* with time stamps or merged events */
	EFVI_RING_MIN = 64, EFVI_RING_DEFAULT = 512, EFVI_RING_MAX = 4096,
	EFVI_FILL = 8192,		/* fill and completion ring of a port */
	EFVI_MAX_VIS = CP_RAW_MAX_VIS,
	EFVI_TX_BATCH = 64,
	EFVI_PIO_LEN = 2048,
	EFVI_ALTS_MAX = 32,
	EFVI_SW_MAX = 256,		/* unread software events */
	EFVI_MIN_FRAME = 14, EFVI_PAD = 60,
};

/* The prefix of a received frame. */
enum { PREFIX_SEC = 0, PREFIX_NSEC = 4, PREFIX_LEN = 8, PREFIX_FLAGS = 10 };

struct efvi_rx_desc {
	uint8_t *buf;
	ef_request_id id;
};

enum { TXD_CTPIO = 1, TXD_ALT = 2 };	/* ALT: complete as soon as it is kept */
struct efvi_tx_desc {
	ef_request_id id;
	uint32_t frame;
	uint16_t len;
	uint16_t flags;
	uint64_t sent_ns;	/* CLOCK_REALTIME, with EF_VI_TX_TIMESTAMPS */
};

struct efvi_dh {
	struct efvi_dh *next;
	int fd;			/* the program's: an epoll set */
	int timer_fd;		/* wakes who waits for a transmission; -1: none yet */
};

struct efvi_region {
	uintptr_t base;
	size_t len;
};

struct efvi_pd {
	struct efvi_pd *next;
	int dh;
	uint32_t ifindex;
	uint32_t n_vis;
	struct efvi_region *regions;	/* the last hit first */
	uint32_t n_regions, max_regions;
	char name[16];
};

struct efvi_port {
	struct efvi_port *next;
	uint32_t ifindex;
	int pid;
	uint32_t raw_id;
	uint32_t refs;		/* VIs and sets */
	uint32_t n_q;
	bool open;		/* q[] is mapped */
	uint8_t *mem;
	uint32_t n_frames;
	int mem_fd;

	/* Shared by its VIs. */
	bool shared;		/* more than one ever: take the lock */
	uint32_t lock;
	uint32_t *free;		/* frames that are nowhere */
	uint32_t n_free;
	uint8_t *owner;		/* of a frame on its way out: index of vis */
	struct efvi_vi *vis[EFVI_MAX_VIS];

	struct vi *q;		/* of the first VI; fill and completion rings of all */
	struct vi_shm *q_shm;
};

struct efvi_alt {
	uint32_t *frames;	/* kept */
	uint16_t *lens;
	uint32_t n, max;
	bool go;
};

struct efvi_vi {
	struct ef_vi *api;
	struct efvi_vi *next;
	struct efvi_port *port;
	struct efvi_pd *pd;
	int dh;
	uint32_t index;		/* in port->vis */
	uint32_t set;
	uint32_t n_q;
	struct vi *q;		/* n_q */
	struct vi_shm *q_shm;
	bool primary;		/* q is the port's */

	/* receiving */
	uint32_t rx_taken;	/* descriptors that frames were put into */
	uint32_t rx_frames;	/* that we brought to the fill rings */
	uint16_t sync;		/* EF_VI_SYNC_FLAG_* */
	bool virt;		/* partial checksums are valid */

	/* sending */
	uint32_t txq_no;	/* queue that we send on */
	uint32_t *tx_free;
	uint32_t n_tx_free, tx_frames;
	uint32_t tx_next;	/* first slot whose frame has not come back */
	uint32_t tx_returned;	/* frames of slots that came back */
	uint32_t *tx_back;	/* ours, that another VI's thread found; under the port's lock */
	uint32_t n_tx_back;
	uint64_t tx_looked;	/* efvi_ticks() when completions were looked for */
	bool warm;
	bool tx_stopped;	/* TX_ERROR was reported */
	bool reset_told;
	uint32_t ctpio_frame;	/* between part 1 and 2, or ID_NONE */
	uint16_t ctpio_len;

	struct ef_pio *pio;
	struct efvi_alt *alts;
	uint32_t n_alts, alt_selected;	/* ID_NONE: the wire */
	uint8_t *alt_of;	/* of each tx frame number in flight: alternative + 1 */
	uint32_t *alt_sent;	/* TX_ALT events to come, by alternative */
	uint32_t n_alt_sent, n_alt_flight;

	/* software events: any thread puts */
	uint32_t sw_put, sw_got;
	uint16_t sw[EFVI_SW_MAX];

	/* counters */
	uint32_t n_trunc, n_csum;
	uint32_t base[5];	/* values at the last reset */

	uint32_t evq_size;
	int primed_dh;		/* of our event queue: handle + 1, 0 never */
	int kick_fd;		/* always readable; armed when there is something already */
	struct efvi_filter *filters;
	uint32_t n_filters, max_filters, filter_hint;
};

struct efvi_filter {
	struct cp_raw_filter f;
	bool used;
	bool both;		/* block_kernel: the other kind too */
	int group_fd;
};

/* wait.c */
void efvi_wake(struct efvi_vi *v);

/* lib.c */
void efvi_lock(void);
void efvi_unlock(void);
struct efvi_dh *efvi_dh_find(int fd);
/* Under the lock. */
int efvi_client(struct cp_client **out);
int efvi_tables(struct cp *out);
__printf(1, 2) void efvi_say(const char *fmt, ...);
int efvi_env_int(const char *name, int otherwise);

/* pd.c */
struct efvi_pd *efvi_pd(struct ef_pd *pd);
bool efvi_region_slow(struct efvi_pd *pd, uintptr_t p, size_t len);
void efvi_pds_free(int dh);
void efvi_memregs_free(int dh);

static inline bool efvi_registered(struct efvi_pd *pd, uintptr_t p, size_t len)
{
	const struct efvi_region *r = pd->regions;

	if (likely(pd->n_regions && p - r->base < r->len && len <= r->len - (p - r->base)))
		return true;
	return efvi_region_slow(pd, p, len);
}

/* port.c; under efvi_lock() */
int efvi_port_get(uint32_t ifindex, uint32_t n_rx, uint32_t n_tx, struct efvi_port **out);
void efvi_port_put(struct efvi_port *p);
int efvi_port_vi(struct efvi_port *p, struct efvi_vi *v, uint32_t set, uint32_t rx, uint32_t tx);
void efvi_port_vi_gone(struct efvi_port *p, struct efvi_vi *v);
int efvi_raw_sets(struct efvi_port *p, uint32_t n, uint32_t *first);
int efvi_raw_close(struct efvi_port *p, uint32_t set);

/* A cheap clock without a unit; 0 where there is none. */
static inline uint64_t efvi_ticks(void)
{
#if defined(__x86_64__)
	return __builtin_ia32_rdtsc();
#else
	return 0;
#endif
}

static inline void cpu_relax(void)
{
#if defined(__x86_64__)
	__builtin_ia32_pause();
#else
	__asm__ volatile("yield");
#endif
}

static inline void port_lock(struct efvi_port *p)
{
	if (likely(!p->shared))
		return;
	while (__atomic_exchange_n(&p->lock, 1, __ATOMIC_ACQUIRE))
		while (__atomic_load_n(&p->lock, __ATOMIC_RELAXED))
			cpu_relax();
}

static inline void port_unlock(struct efvi_port *p)
{
	if (unlikely(p->shared))
		__atomic_store_n(&p->lock, 0, __ATOMIC_RELEASE);
}

static inline uint8_t *frame_mem(const struct efvi_port *p, uint32_t frame)
{
	return p->mem + ((size_t)frame << EFVI_FRAME_SHIFT);
}

/* vi.c */
struct efvi_vi *efvi_vi_by_id(unsigned resource_id);
int efvi_vi_alloc(ef_vi *vi, int dh, struct efvi_pd *pd, int evq, int rxq, int txq, ef_vi *evq_opt,
		  uint64_t flags, uint32_t set);
void efvi_vis_free(int dh);
struct efvi_vi *efvi_vis(void);

/* rx.c, tx.c, alt.c */
void efvi_rx_ops(ef_vi *vi);
void efvi_tx_ops(ef_vi *vi);
void efvi_alt_ops(ef_vi *vi);
void efvi_wait_ops(ef_vi *vi);
int efvi_rx_poll(ef_vi *vi, ef_event *evs, int max);
int efvi_tx_poll(ef_vi *vi, ef_event *evs, int max, bool now);
void efvi_tx_reap(struct efvi_vi *v);
void efvi_tx_flush(struct efvi_vi *v);
int efvi_alt_keep(struct efvi_vi *v, uint32_t frame, uint16_t len);
void efvi_alt_done(struct efvi_vi *v, uint32_t frame);
void efvi_alts_free(struct efvi_vi *v);
/* One frame for the wire without a slot; false when the ring is full. */
bool efvi_tx_raw(struct efvi_vi *v, uint32_t frame, uint16_t len);

/* offload.c */
/* Fills in checksums; @len bytes at @p are writable. */
void efvi_csum_fill(uint8_t *p, size_t len, bool ip, bool l4);
/* EF_VI_DISCARD_RX_* of what is wrong. */
unsigned efvi_csum_check(const uint8_t *p, size_t len, bool virt);

/* filter.c */
void efvi_filters_free(struct efvi_vi *v);
int efvi_filter_encode(const ef_filter_spec *s, struct cp_raw_filter *f);
int efvi_filter_request(struct efvi_port *p, struct cp_raw_filter *f);
int efvi_group_join(uint32_t ifindex, const struct cp_raw_filter *f);

/* set.c */
void efvi_sets_free(int dh);

#endif
