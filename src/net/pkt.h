/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pkt.h - a packet frame and the words about it
 *
 * Packet memory is an array of frames of PKT_FRAME_SIZE bytes: the UMEM of the
 * stack's AF_XDP sockets.  A frame is named by its index.  Its first bytes are
 * the struct below; the driver never writes there (received data begin at
 * PKT_RX_OFF, behind the kernel's XDP headroom), so what we know about a packet
 * shares its page with the packet.
 *
 *   0        128            256 (PKT_DATA_OFF)                        2048
 *   | struct pkt | XDP headroom | Ethernet header ... payload ... tail |
 *
 * A packet longer than one frame (jumbo, XDP_PKT_CONTD) is a chain by `frag`;
 * `len` of the first frame counts its own bytes, `tot_len` those of the chain.
 *
 * Ownership.  A frame is in exactly one place, named by `where`; functions say
 * consumes / borrows / keeps.  The stack lock guards all of it.
 */
#ifndef POSTERN_NET_PKT_H
#define POSTERN_NET_PKT_H

#include "base/types.h"

enum {
	PKT_FRAME_SHIFT = 11,
	PKT_FRAME_SIZE  = 1 << PKT_FRAME_SHIFT,
	PKT_DATA_OFF    = 256,	/* XDP_PACKET_HEADROOM */
	PKT_ROOM        = PKT_FRAME_SIZE - PKT_DATA_OFF,
};

enum pkt_where {
	PKT_FREE,	/* in the pool */
	PKT_FILL,	/* in a fill ring: the kernel's */
	PKT_RXQ,	/* on the receive queue of an endpoint */
	PKT_OOO,	/* on a reassembly queue */
	PKT_TXQ,	/* on a send or retransmission queue of an endpoint */
	PKT_DEFER,	/* waits for a neighbour */
	PKT_USER,	/* held by a caller */
};

enum {
	/* Posted to a TX ring, not yet completed: must not be rewritten or
	 * freed.  pkt_free() of such a frame is carried out by the completion. */
	PKT_F_IN_TX      = 1u << 0,
	PKT_F_FREE_ON_TX = 1u << 1,	/* nobody waits for it after completion */
	PKT_F_CSUM_OK    = 1u << 2,	/* transport checksum known good */
	PKT_F_PARTIAL_OK = 1u << 3,	/* arrived on a virtual link: partial checksums are valid (design 3.8) */
	PKT_F_RETRANS    = 1u << 4,	/* RFC 6298 Karn: has been retransmitted */
	PKT_F_SACKED     = 1u << 5,	/* RFC 2018: the receiver has it */
	PKT_F_LOST       = 1u << 6,	/* RFC 6675: deemed lost, not yet retransmitted */
	PKT_F_SYN        = 1u << 7,
	PKT_F_FIN        = 1u << 8,
	PKT_F_PSH        = 1u << 9,
	PKT_F_MCAST      = 1u << 10,	/* destination is a multicast group */
	PKT_F_IP6        = 1u << 11,
	PKT_F_CE         = 1u << 12,	/* ECN congestion experienced (RFC 3168) */
};

struct pkt {
	/* set when the frame enters, and by whoever queues it */
	uint32_t next;		/* next on a queue, or ID_NONE */
	uint32_t frag;		/* next frame of the same packet, or ID_NONE */
	uint16_t off;		/* of the first byte (Ethernet) from the frame's start */
	uint16_t len;		/* bytes in this frame from off */
	uint32_t tot_len;	/* bytes in the whole chain */
	uint32_t flags;
	uint8_t where;		/* enum pkt_where */
	uint8_t vi;		/* index of the VI that it came by or leaves by */
	uint8_t refs;		/* spare: multicast replication copies */
	uint8_t use;		/* enum pkt_use that it was allocated for: whose share it counts against */

	/* filled by ip_rx(): offsets from the frame's start */
	uint16_t l3_off;
	uint16_t l4_off;
	uint16_t data_off;	/* transport payload; sock/ advances it as bytes are read */
	uint8_t ttl;		/* TTL or hop limit as received */
	uint8_t tos;		/* TOS or traffic class as received */
	uint32_t data_len;	/* payload bytes left, whole chain */
	uint32_t flowlabel;

	/* TCP: host order.  Of a queued segment, seq is that of data_off. */
	uint32_t seq;
	uint32_t end_seq;	/* seq + payload + SYN + FIN */

	uint64_t stamp_ns;	/* RX: CLOCK_REALTIME of arrival, 0 until asked for; TX: monotonic time of last transmission */
	uint32_t sack_link;	/* spare id for tcp/ */
	uint32_t ifindex;	/* interface that it arrived on */
	/* UDP datagrams keep their addresses in the packet headers (l3_off). */
	uint64_t user[4];	/* whoever owns the frame: sock/ and tcp/ cookies */
};
_Static_assert(sizeof(struct pkt) <= 128, "shares the frame's head with the XDP headroom");

static inline void *pkt_at(const struct pkt *p, uint16_t off)
{
	return (char *)p + off;
}

static inline void *pkt_l2(const struct pkt *p)   { return pkt_at(p, p->off); }
static inline void *pkt_l3(const struct pkt *p)   { return pkt_at(p, p->l3_off); }
static inline void *pkt_l4(const struct pkt *p)   { return pkt_at(p, p->l4_off); }
static inline void *pkt_data(const struct pkt *p) { return pkt_at(p, p->data_off); }

#endif
