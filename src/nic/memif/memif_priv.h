/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * memif_priv.h - the inside of the memif driver
 *
 *	struct memif        a VI: our frames on their way (FIFOs), the control socket
 *	struct memif_link   one connection: mapped regions, rings, our ring positions
 *	struct memif_sock   a listening socket, shared by the masters of one process
 *
 * vi_rx_ready() and vi_tx_kick() look at the link without the owner's lock, while it
 * may just be going down.  So a link that ended stays mapped for a while (`dead`),
 * and the VI has another in the meantime: `none`, whose rings are empty.
 */
#ifndef POSTERN_NIC_MEMIF_PRIV_H
#define POSTERN_NIC_MEMIF_PRIV_H

#include <stdatomic.h>

#include "nic/memif/memif.h"
#include "nic/memif/memif_proto.h"

enum {
	MEMIF_REGIONS    = 16,		/* of one peer */
	MEMIF_LINKS      = 4,		/* dead ones kept mapped + the live one */
	MEMIF_POLL_EMPTY = 64,		/* empty polls between looks at the clock */
	MEMIF_BATCH      = 32,
};
#define MEMIF_RETRY_NS  (50 * NSEC_PER_MSEC)	/* between attempts to connect */
#define MEMIF_POLL_NS   (500 * NSEC_PER_USEC)	/* between looks at the control socket */
#define MEMIF_GRACE_NS  (500 * NSEC_PER_MSEC)	/* how long a dead link stays mapped */
#define MEMIF_HELLO_NS  (2 * NSEC_PER_SEC)	/* for a peer to finish the handshake */

struct memif_region {
	uint8_t *base;
	uint64_t size;
	int fd;		/* slave: to send; -1 once mapped by a master */
};

/* One direction as the link sees it.  `ours` is the index that we move, `theirs` the
 * peer's; what they may differ by is `size`, counted with `bias` (see proto.h:
 * a slave's head runs one ring ahead of what it has used). */
struct memif_q {
	struct memif_ring *ring;
	uint16_t *ours, *theirs;
	uint16_t pos;		/* descriptors used; all that we keep of the ring's state */
	uint16_t seen;		/* tx: `theirs` when we last looked: its line is the peer's */
	uint16_t shown;		/* rx: pos when we last gave descriptors back */
	uint16_t batch;		/* rx: give back so many at once, or when there is nothing to do */
	uint16_t bias;
	uint16_t mask;
	int efd;		/* doorbell, or -1 */
	uint8_t *bufs;		/* slave with copies: buffer of descriptor 0 */
	uint32_t bufs_off;	/* in region 0 */
};

struct memif_link {
	struct memif_q rx, tx;
	struct memif_region region[MEMIF_REGIONS];
	uint32_t n_regions;
	uint32_t buf_size;	/* slave with copies */
	bool slave, zc;
	bool in_use;
	uint64_t dead_ns;	/* when it ended; 0 lives */
};

enum memif_state { MEMIF_S_DOWN, MEMIF_S_HANDSHAKE, MEMIF_S_UP };

/* Frames in order.  Positions run free. */
struct memif_fifo {
	uint32_t *buf;
	uint32_t mask;
	uint32_t head, tail;	/* put at head, taken from tail */
	uint32_t ready;		/* completions: may be taken up to here */
};

struct memif {
	struct memif_link *link;	/* what the packet path uses; &none while down */
	struct memif_fifo fill;		/* frames to receive into */
	struct memif_fifo comp;		/* posted frames: [tail, ready) are done, [ready, head) on their way */
	uint32_t posted;		/* zero-copy: fill entries [tail, posted) are in the ring */
	uint8_t *frames;
	uint32_t frame_room;		/* bytes behind MEMIF_RX_OFF */
	uint32_t empty;			/* polls */
	uint16_t tx_part;		/* descriptors written of a packet that goes on */
	bool rx_skip;			/* zero-copy: the rest of a frame that is dropped */
	bool armed;			/* interrupts wanted */
	bool fault;			/* of the peer: the next service ends the link */

	/* cold */
	struct vi_shm *shm;
	struct memif_attr attr;
	int efd_set;			/* epoll: vi->fd */
	int timer_fd;			/* slave: ticks while there is no peer */
	int ctl;			/* to the peer, -1 */
	_Atomic int incoming;		/* master: a peer that gave our id, -1; written by whoever accepted it */
	enum memif_state state;		/* DOWN without ctl */
	uint32_t step;			/* slave: what ACK brings next */
	uint64_t state_ns, poll_ns, retry_ns;
	struct memif_link *shaking;	/* the link that is being made */
	struct memif_sock *sock;	/* master */
	struct memif *next;		/* of the same sock */
	struct memif_link links[MEMIF_LINKS];
	struct memif_link none;
	struct memif_ring none_ring[2];
	char why[96];			/* the last end of a link */
};

/* memif_ctl.c */
void memif_service(struct memif *m);		/* whatever the control channel wants; never blocks */
void memif_link_end(struct memif *m, const char *why);
int memif_ctl_open(struct memif *m);
void memif_ctl_close(struct memif *m);
int memif_ctl_watch(struct memif *m, int fd);

/* memif_listen.c */
int memif_listen(struct memif *m);
void memif_unlisten(struct memif *m);
void memif_accept(struct memif_sock *s);
void memif_msg_text(char *dst, size_t room, const char *text);
int memif_msg_send(int sock, struct memif_msg *msg, int fd);
int memif_connect(const char *path);
int memif_msg_recv(int sock, struct memif_msg *msg, int *fd);

/* memif_link.c: memory of a connection. */
struct memif_link *memif_link_new(struct memif *m);
void memif_link_free(struct memif_link *l);
int memif_link_make(struct memif *m, struct memif_link *l, uint32_t max_log2);	/* slave */
int memif_link_add_region(struct memif *m, struct memif_link *l, const struct memif_msg_add_region *r, int fd);
int memif_link_add_ring(struct memif_link *l, const struct memif_msg_add_ring *r, int *fd);
int memif_link_check(struct memif_link *l);	/* both rings are there and are rings */
void memif_link_none(struct memif *m);
int memif_own_frames(struct memif *m);

/* memif_rx.c, memif_tx.c */
int memif_rx_poll(struct vi *vi, struct vi_event *ev, int max);
int memif_rx_poll_zc(struct vi *vi, struct vi_event *ev, int max);
int memif_rx_refill(struct vi *vi, const uint32_t *bufs, int n);
int memif_rx_refill_zc(struct vi *vi, const uint32_t *bufs, int n);
void memif_rx_repost(struct memif *m, struct memif_link *l);	/* zero-copy: waiting frames into the ring */
void memif_rx_flush(struct memif *m, struct memif_link *l);	/* what was held back for a batch */
bool memif_rx_ready(const struct vi *vi);
int memif_tx_post(struct vi *vi, uint32_t buf, uint16_t off, uint16_t len, bool more);
int memif_tx_poll(struct vi *vi, uint32_t *bufs, int max);
int memif_tx_kick(struct vi *vi);

/* Now and then while there is nothing to do. */
void memif_idle(struct memif *m);

static inline uint16_t memif_load(const uint16_t *p)
{
	return __atomic_load_n(p, __ATOMIC_ACQUIRE);
}

static inline bool memif_fifo_full(const struct memif_fifo *f)
{
	return f->head - f->tail > f->mask;
}

#endif
