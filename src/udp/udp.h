/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * udp.h - UDP (RFC 768, RFC 8200 section 8.1) over net/
 *
 * Receives into a queue of frames; sends from the caller's memory with one
 * copy.  Datagrams longer than the path's MTU are the kernel's (-EMSGSIZE:
 * sock/ sends them through the kernel socket), and so are received fragments.
 */
#ifndef POSTERN_UDP_UDP_H
#define POSTERN_UDP_UDP_H

#include "net/net.h"
#include "udp/udp_shm.h"

static inline struct udp_ep *udp_ep(struct ep *ep) { return (struct udp_ep *)ep; }

void udp_init(struct net *net, struct udp_ep *u, uint32_t rcvbuf);

/* udp_rx - consumes a datagram for @ep; queues it or counts the drop. */
void udp_rx(struct net *net, struct ep *ep, struct pkt *p, const struct rx_info *ri);
/* udp_rx_mcast - consumes; every member gets a copy. */
void udp_rx_mcast(struct net *net, struct pkt *p, const struct rx_info *ri);

/* udp_icmp - consumes @p, an ICMP error about a datagram of @ep. */
void udp_icmp(struct net *net, struct ep *ep, struct pkt *p, const struct rx_info *ri);

/* An entry of the error queue, as recvmsg(MSG_ERRQUEUE) tells of it. */
struct udp_err {
	struct pkt *pkt;		/* its payload, data_off and data_len, is that of the datagram */
	int32_t err;			/* positive errno */
	bool local;			/* ours, not the network's: no offender */
	uint8_t type, code;
	uint32_t info;
	struct ipaddr dst;		/* where the datagram was to go */
	be16_t dport;
	struct ipaddr offender;		/* who sent the message */
};
/* udp_err_pop - the oldest entry; the caller frees its packet.  False: none.  so_error
 * becomes that of the next, as in Linux' sock_dequeue_err_skb(). */
bool udp_err_pop(struct net *net, struct udp_ep *u, struct udp_err *out);
/* udp_err_local - a datagram to @dst was longer than the path MTU @mtu (IP_RECVERR). */
void udp_err_local(struct net *net, struct udp_ep *u, const struct ipaddr *dst, be16_t dport, uint32_t mtu);
/* udp_pmtu - L3 bytes that the path to @dst is known to carry, 0: not known.  Old knowledge is forgotten. */
uint32_t udp_pmtu(struct net *net, struct udp_ep *u, const struct ipaddr *dst);

/* udp_peek / udp_pop - first queued datagram (borrowed), and its removal (consumes the queue's hold; caller frees). */
struct pkt *udp_peek(struct net *net, struct udp_ep *u);
struct pkt *udp_pop(struct net *net, struct udp_ep *u);
/* Addresses of a queued datagram. */
void udp_addrs(const struct pkt *p, struct ipaddr *src, be16_t *sport, struct ipaddr *dst);
/* Copy payload from @skip into iov; returns bytes copied. */
size_t udp_copy_out(struct net *net, const struct pkt *p, size_t skip, const struct iovec *iov, int n);

struct udp_dst {			/* NULL for a connected endpoint without overrides */
	struct ipaddr addr;		/* where to */
	be16_t port;
	struct ipaddr src;		/* IP_PKTINFO; zero: by route */
	uint32_t oif;			/* 0: by route */
	int16_t ttl, tos;		/* -1: the endpoint's */
};

/* udp_send - one datagram.  Returns 0, -EAGAIN (no frame or ring full),
 * -EMSGSIZE (longer than one frame or the MTU), -ENETUNREACH, -EOPNOTSUPP ... */
int udp_send(struct net *net, struct udp_ep *u, const struct udp_dst *dst,
	     const struct iovec *iov, int n, size_t len);

/* Group membership, for delivery only: the kernel socket joins too.  0, -EINVAL,
 * -EADDRINUSE (joined already), -EADDRNOTAVAIL (not joined), -ENOBUFS. */
int udp_join(struct net *net, struct udp_ep *u, const struct ipaddr *group, uint32_t ifindex);
int udp_leave(struct net *net, struct udp_ep *u, const struct ipaddr *group, uint32_t ifindex);

/* Free the queue and the endpoint. */
void udp_close(struct net *net, struct udp_ep *u);

#endif
