/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tcp.h - TCP (RFC 9293) over net/: connections and listeners
 *
 * Calls from above (sockets, zockets, simulator) and from the poll loop.  All
 * run under the stack's lock, never block, return 0 / a count / -errno.  What a
 * caller may wait for is told by ep_ready() events and asked by tcp_events().
 *
 * Send path: bytes are copied once into frames of at most one segment, with
 * headers in front; the frame goes on the wire and is kept on the
 * retransmission queue until acknowledged, and is never rewritten while it is in a TX ring.
 * Receive path: in-order frames queue on the connection, `data_off`/`data_len`
 * of each being what is still unread.
 */
#ifndef POSTERN_TCP_TCP_H
#define POSTERN_TCP_TCP_H

#include "net/net.h"
#include "tcp/tcp_shm.h"

static inline struct tcp_conn *tcp_conn(struct ep *ep) { return (struct tcp_conn *)ep; }
static inline struct tcp_listen *tcp_listener(struct ep *ep) { return (struct tcp_listen *)ep; }

/* ---- life (tcp_state.c, tcp_listen.c) ------------------------------------ */

/* Make an EP_RESERVED endpoint a closed connection with host defaults. */
void tcp_conn_init(struct net *net, struct tcp_conn *c);

/* tcp_connect - active open; ep.flow is complete, the route decided.  Sends the
 * SYN.  0, -EADDRINUSE (4-tuple taken; an old TIME_WAIT one is reused where RFC 6191 allows), -ENOBUFS, route errors. */
int tcp_connect(struct net *net, struct tcp_conn *c);

/* tcp_listen - make an EP_RESERVED endpoint a listener on ep.flow's laddr/lport,
 * or change the backlog of one. */
int tcp_listen_start(struct net *net, struct tcp_listen *l, uint32_t backlog);
/* tcp_accept - next established connection, now the caller's; NULL when none. */
struct tcp_conn *tcp_accept(struct net *net, struct tcp_listen *l);
/* Close a listener: embryonic and unaccepted connections are reset (as the kernel does), the slot is freed. */
void tcp_listen_close(struct net *net, struct tcp_listen *l);

/* tcp_shutdown - how = SHUT_RD, SHUT_WR, SHUT_RDWR.  0 or -ENOTCONN. */
int tcp_shutdown(struct net *net, struct tcp_conn *c, int how);

/* tcp_close - the last reference is gone: FIN after queued data, or RST when
 * unread data is lost (RFC 9293 section 3.10.4, RFC 2525 2.17), or RST at once with linger_zero.
 * The connection becomes an orphan and frees its own slot when done; @c must not be used afterwards. */
void tcp_close(struct net *net, struct tcp_conn *c, bool linger_zero);

/* tcp_abort - RST to the peer, error for the owner (ECONNABORTED, ETIMEDOUT ...); the slot stays the owner's. */
void tcp_abort(struct net *net, struct tcp_conn *c, int err);

/* ---- data (tcp_tx.c, tcp_rx.c) ------------------------------------------- */

enum { TCP_SEND_MORE = 1u << 0, TCP_SEND_OOB = 1u << 1 };

/* tcp_send - queue up to @len bytes gathered from @iov starting @skip bytes in;
 * sends what windows and Nagle allow.  Returns bytes taken (> 0), -EAGAIN (send buffer
 * full or no frame), -EPIPE (our side is shut), or the pending error (taken). */
ssize_t tcp_send(struct net *net, struct tcp_conn *c, const struct iovec *iov, int n,
		 size_t skip, size_t len, uint32_t flags);

enum { TCP_RECV_PEEK = 1u << 0, TCP_RECV_TRUNC = 1u << 1 /* discard */ };
/* tcp_recv - copy out up to @len bytes to @iov from @skip bytes in.  @peek_off: with PEEK, where to begin.
 * Returns bytes, 0 at end of stream, -EAGAIN, -ENOTCONN, or the pending error (taken). Opens the window. */
ssize_t tcp_recv(struct net *net, struct tcp_conn *c, const struct iovec *iov, int n,
		 size_t skip, size_t len, size_t peek_off, uint32_t flags);

/* Bytes that tcp_recv() would give now; unsent + unacknowledged bytes; unsent bytes. */
uint32_t tcp_rcv_avail(const struct tcp_conn *c);
uint32_t tcp_snd_queued(const struct tcp_conn *c);
uint32_t tcp_snd_unsent(const struct tcp_conn *c);

/* Level readiness, EP_IN EP_OUT EP_ERR EP_HUP EP_RDHUP EP_PRI, as Linux' tcp_poll() would say. */
uint32_t tcp_events(const struct ep *ep);

/* Send what options or windows newly allow (NODELAY set, CORK cleared ...). */
void tcp_push(struct net *net, struct tcp_conn *c);
/* Send an ACK now if one is owed (TCP_QUICKACK). */
void tcp_ack_now(struct net *net, struct tcp_conn *c);

/* May connect() have the tuple of this endpoint?  An old incarnation may be forgotten once
 * what its peer said last is a second old: whatever the peer's clock, its timestamps
 * then tell the two apart (RFC 6191 section 2, RFC 7323 section 5.4).  net.now is used. */
bool tcp_time_wait_reusable(const struct net *net, const struct ep *ep);
/* ACKs that wait for what their user does next: answer, read on, close.  Who owns the
 * poll loop sends them before it waits, and when they are old. */
void tcp_flush_acks(struct net *net);
static inline bool tcp_soft_acks_due(const struct net *net, uint64_t now)
{
	return unlikely(net->shm->soft_n) && now - net->shm->soft_ns > net->shm->conf.soft_ack_ns;
}

struct tcp_info;	/* <linux/tcp.h> */
void tcp_fill_info(struct net *net, const struct ep *ep, struct tcp_info *ti);

/* ---- from the poll loop --------------------------------------------------- */

/* tcp_rx - consumes a segment for @ep (connection or listener). */
void tcp_rx(struct net *net, struct ep *ep, struct pkt *p, const struct rx_info *ri);
/* Send the ACKs that tcp_rx() put off while net->rx_more was set. */
void tcp_flush_burst(struct net *net);
/* A segment that nobody wants: consumes; answers with RST (RFC 9293 section 3.10.7.1). */
void tcp_rx_nobody(struct net *net, struct pkt *p, const struct rx_info *ri);
/* An expired timer of kind TCP_TIMER_*: tm->id names the endpoint. */
void tcp_timer(struct net *net, struct timer *tm);
/* ICMP error about @ep's flow: soft or hard error, or path MTU (@mtu > 0). */
void tcp_icmp(struct net *net, struct ep *ep, int err, bool hard, uint32_t mtu, uint32_t seq);
/* Completion of a frame on a retransmission queue needs nothing: PKT_F_IN_TX was cleared. */

#endif
