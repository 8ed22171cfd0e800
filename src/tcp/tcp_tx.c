// SPDX-License-Identifier: BSD-2-Clause
/*
 * tcp_tx.c - bytes from the user to segments on the wire, predicted case
 *
 * tcp_send() copies once, with the checksum, into frames of at most one segment
 * and tcp_output() posts what the windows (RFC 9293 section 3.8.6), Nagle (RFC
 * 9293 section 3.7.4, with Minshall's change) and cwnd allow.  A frame stays on the
 * queue until it is acknowledged; sending it again costs a header, since the sum of
 * its payload is kept.  Retransmission and everything without payload is in
 * tcp_tx_slow.c.
 *
 *   snd_head -> sent ... sent -> snd_next -> unsent ... -> snd_tail
 */
#include "tcp/tcp_int.h"

/* Bytes gathered from an iovec. */
struct src {
	const struct iovec *v;
	size_t off;
};

static inline void src_skip(struct src *s, size_t n)
{
	while (n >= s->v->iov_len - s->off && n) {
		n -= s->v->iov_len - s->off;
		s->v++;
		s->off = 0;
	}
	s->off += n;
}

/* Append @n bytes to @p, which has the room. */
static inline void fill(struct pkt *p, struct src *s, uint32_t n)
{
	while (n) {
		size_t piece = s->v->iov_len - s->off;
		uint32_t sum;

		if (piece > n)
			piece = n;
		sum = csum_copy(pkt_at(p, (uint16_t)(p->data_off + p->data_len)),
				(const char *)s->v->iov_base + s->off, piece, 0);
		p->user[TXQ_CSUM] = csum_add_at((uint32_t)p->user[TXQ_CSUM], sum, p->data_len);
		p->data_len += (uint32_t)piece;
		p->end_seq += (uint32_t)piece;
		n -= (uint32_t)piece;
		s->off += piece;
		if (s->off == s->v->iov_len) {
			s->v++;
			s->off = 0;
		}
	}
}

struct pkt *tcp_tx_frame(struct net *net, struct tcp_conn *c)
{
	struct pkt *p = pkt_alloc(net, PKT_FOR_TX);

	if (unlikely(!p))
		return NULL;
	p->where = PKT_TXQ;
	p->data_off = c->tx_data_off;
	p->data_len = 0;
	p->seq = p->end_seq = c->snd_end;
	p->user[TXQ_CSUM] = 0;
	return p;
}

void tcp_tx_enqueue(struct net *net, struct tcp_conn *c, struct pkt *p)
{
	uint32_t id = pkt_id(net, p);

	if (c->snd_head == ID_NONE)
		c->snd_head = id;
	else
		pkt_get(net, c->snd_tail)->next = id;
	c->snd_tail = id;
	if (c->snd_next == ID_NONE)
		c->snd_next = id;
	c->snd_frames++;
}

static __cold ssize_t send_refused(struct tcp_conn *c)
{
	if (c->ep.so_error)
		return tcp_pending_error(c);
	if ((c->flags & TCP_F_SHUT_WR) || (c->state != TCPS_SYN_SENT && c->state != TCPS_SYN_RCVD))
		return -EPIPE;
	c->flags |= TCP_F_SND_WAIT;
	return -EAGAIN;
}


/* The right edge may move by something worth while: recompute. */
static __attribute__((noinline)) void raise_window(struct net *net, struct tcp_conn *c)
{
	uint32_t cap = conn_rcv_cap(c), space, ws = c->rcv_wscale;

	if (unlikely(net_pressure(net)))
		cap = min_t(uint32_t, cap, 4u * c->mss_adv);
	space = cap > c->rxq_bytes ? cap - c->rxq_bytes : 0;
	space = min_t(uint32_t, space >> ws, 65535) << ws;
	if (space > c->rcv_wnd)
		c->rcv_wnd = space;
}

/* Silly window avoidance, receiver's side (RFC 9293 section 3.8.6.2.2): the right edge
 * stays where it is or moves by a segment or half the buffer; it never moves back. */
static inline uint16_t window(struct net *net, struct tcp_conn *c)
{
	uint32_t ws = c->rcv_wscale, cap = conn_rcv_cap(c), field;
	int32_t gain = (int32_t)(cap - c->rxq_bytes - c->rcv_wnd);

	if (gain >= (int32_t)c->mss_adv || unlikely(gain > 0 && gain >= (int32_t)(cap >> 1)))
		raise_window(net, c);
	field = (c->rcv_wnd + (1u << ws) - 1) >> ws;
	c->rcv_wnd = field << ws;
	c->rcv_adv = c->rcv_nxt + c->rcv_wnd;
	return (uint16_t)field;
}

uint16_t tcp_window(struct net *net, struct tcp_conn *c)
{
	return window(net, c);
}

/* The cached route is checked by one load. */
static inline bool route_stale(const struct net *net, const struct tcp_conn *c)
{
	return c->ep.route.gen != cp_gen(net->cp) || !c->ep.route.valid;
}

static __cold int route_again(struct net *net, struct tcp_conn *c)
{
	uint16_t mtu = c->ep.route.mtu;
	int rc = net_route(net, &c->ep);

	if (c->ep.route.mtu != mtu)
		tcp_mss_update(net, c);
	return rc;
}

/* A header with timestamps, as words that may lie anywhere. */
struct words {
	uint32_t w[8];
} __attribute__((packed, may_alias));

/* Urgent pointer of a segment, in its place in the fifth word. */
static __cold uint32_t urgent_word(const struct tcp_conn *c, const struct pkt *p)
{
	uint32_t n = c->snd_up - p->seq;

	if (!seq_after(c->snd_up, p->seq))
		return 0;
	return (uint32_t)to_be16((uint16_t)min_t(uint32_t, n, 65535)).be << 16;
}

/* Everything is loaded before anything is stored: the compiler cannot know that
 * packet, header and connection do not overlap. */
static inline __attribute__((always_inline)) int
xmit(struct net *net, struct tcp_conn *c, struct pkt *p, bool consume)
{
	uint32_t hlen = c->tx_hlen, room = c->tx_room, seg_len, w1, w2, w3, w4 = 0, w6, w7, rcv_nxt;
	uint16_t l4_off = (uint16_t)(p->data_off - hlen);
	struct words *h = pkt_at(p, l4_off);
	uint64_t sum, now = net->now;
	int rc;

	if (unlikely(route_stale(net, c))) {
		rc = route_again(net, c);
		/* Without the next hop's address ip_tx() has it resolved. */
		if (rc < 0 && rc != -EAGAIN) {
			if (consume)
				pkt_free(net, p);
			return rc;
		}
	}
	_Static_assert(PKT_F_PSH << 2 == TCP_PSH << 8 && PKT_F_FIN == TCP_FIN << 8, "used below");
	rcv_nxt = c->rcv_nxt;
	seg_len = hlen + p->data_len;
	w1 = to_be32(p->seq).be;
	w2 = to_be32(rcv_nxt).be;
	w3 = hlen << 2 | TCP_ACK << 8 | (p->flags << 2 & TCP_PSH << 8) | (p->flags & TCP_FIN << 8) |
	     (uint32_t)to_be16(window(net, c)).be << 16;
	if (unlikely(c->flags & TCP_F_URG)) {
		w4 = urgent_word(c, p);
		w3 |= w4 ? TCP_URG << 8 : 0;
	}
	w6 = to_be32((uint32_t)(now >> 20) + c->ts_off).be;
	w7 = to_be32(c->ts_recent).be;
	sum = p->user[TXQ_CSUM] + c->pseudo + to_be32(seg_len).be + c->ports + w1 + w2 + w3 + w4;
	if (likely(hlen != TCP_HDR_LEN))
		sum += (uint64_t)to_be32(0x0101080a).be + w6 + w7;

	/* Assume that it will leave: what is written here is right either way. */
	p->l4_off = l4_off;
	p->tot_len = room + seg_len;
	p->len = (uint16_t)(room + seg_len);
	h->w[0] = c->ports;
	h->w[1] = w1;
	h->w[2] = w2;
	h->w[3] = w3;
	h->w[4] = w4 | csum_fold(csum_from64(sum)).be;
	if (likely(hlen != TCP_HDR_LEN)) {
		h->w[5] = to_be32(0x0101080a).be;
		h->w[6] = w6;
		h->w[7] = w7;
	}
	rc = ip_tx(net, &c->ep, &c->ep.route, &c->ep.flow.laddr, &c->ep.flow.raddr,
		   IPPROTO_TCP, p, consume);
	if (unlikely(rc < 0))
		return rc;
	ack_sent(c);
	c->last_tx_ns = now;
	c->segs_out++;
	return 0;
}

int tcp_xmit_frame(struct net *net, struct tcp_conn *c, struct pkt *p, bool consume)
{
	return xmit(net, c, p, consume);
}

/* The window ends inside @p: cut it where that is worth while (RFC 9293 section
 * 3.8.6.2.1: half of the largest window, or the override timer). */
static __cold bool fit_window(struct net *net, struct tcp_conn *c, struct pkt *p)
{
	uint32_t room = c->snd_una + c->snd_wnd - p->seq;

	if ((int32_t)room <= 0 || (room < c->snd_wnd_max >> 1 && !(c->flags & TCP_F_PUSH_NOW)))
		return false;
	if (room >= p->data_len) {
		/* Only the FIN does not fit. */
		return false;
	}
	return tcp_split(net, c, p, room) == 0;
}

/* Whether the last frame, which is not full, had better wait. */
static inline bool nagle_holds(const struct tcp_conn *c, enum tcp_push_how how)
{
	if (c->flags & TCP_F_PUSH_NOW)
		return false;
	if (how == TCP_PUSH_MORE || c->flags & TCP_F_CORK)
		return true;
	/* Minshall: a small segment is in flight already. */
	return !(c->flags & TCP_F_NODELAY) && c->snd_sml - c->snd_una - 1 < conn_flight(c);
}

/* RFC 5681 section 4.1: after an idle time the window no longer tells anything. */
static __cold void restart_idle(struct net *net, struct tcp_conn *c)
{
	uint64_t idle = net->now - c->last_tx_ns;
	uint64_t rto = conn_rto_ns(net, c);
	uint32_t floor = min_t(uint32_t, 10u * c->mss, max_t(uint32_t, 2u * c->mss, 14600u));

	/* RFC 1191 section 6.3: now and then a larger MTU is tried, as long as nothing is lost by it. */
	if (net_pmtu_old(net, &c->ep))
		(void)route_again(net, c);
	if (c->cwnd <= floor)
		return;
	for (; idle > rto && c->cwnd > floor; idle -= rto)
		c->cwnd >>= 1;
	c->cwnd = max_t(uint32_t, c->cwnd, floor);
}

void tcp_output(struct net *net, struct tcp_conn *c, enum tcp_push_how how)
{
	uint32_t edge = c->snd_una + c->snd_wnd, pipe = conn_pipe(c), id, sent = 0;
	int rc;

	if (unlikely(!conn_in(c, TCPS_SET_TX)))
		return;
	if (unlikely((c->flags & (TCP_F_SHUT_WR | TCP_F_FIN_QUEUED)) == TCP_F_SHUT_WR))
		tcp_queue_fin(net, c);
	if (conn_flight(c) == 0 &&
	    unlikely(net->now - c->last_tx_ns > (uint64_t)c->rto_us * 1000))
		restart_idle(net, c);

	while ((id = c->snd_next) != ID_NONE) {
		struct pkt *p = pkt_get(net, id);

		if (unlikely(p->data_len > c->mss) && tcp_split(net, c, p, c->mss) < 0) {
			tcp_retry_soon(net, c);
			break;
		}
		if (pipe && pipe + p->data_len > c->cwnd)
			break;
		if (unlikely(seq_after(p->end_seq, edge)) && !fit_window(net, c, p))
			break;
		if (p->data_len < c->mss && p->next == ID_NONE && !(p->flags & PKT_F_FIN) &&
		    nagle_holds(c, how))
			break;
		rc = xmit(net, c, p, false);
		if (unlikely(rc < 0)) {
			tcp_retry_soon(net, c);
			break;
		}
		p->stamp_ns = net->now;
		NET_STAT(net, tcp_out_segs);
		if (p->data_len < c->mss)
			c->snd_sml = p->end_seq;
		c->snd_nxt = p->end_seq;
		c->snd_next = p->next;
		pipe += p->data_len;
		sent++;
	}

	c->flags &= ~(uint32_t)TCP_F_PUSH_NOW;
	if (likely(sent)) {
		/* An answer to what came: ACKs may ride on answers. */
		if (c->pingpong & 2)
			c->pingpong = 1;
		if (!c->rexmit_deadline || c->flags & TCP_F_PERSIST)
			tcp_rexmit_update(net, c);
		else if (conn_flight(c) > c->mss && !(c->flags & TCP_F_PTO))
			tcp_pto_arm(net, c);
	} else if (c->snd_next != ID_NONE && conn_flight(c) == 0 && !c->rexmit_deadline) {
		tcp_rexmit_update(net, c);
	}
}

/* ---- the user's call -------------------------------------------------------- */

static ssize_t send_any(struct net *net, struct tcp_conn *c, const struct iovec *iov,
			size_t skip, size_t len, uint32_t flags)
{
	struct src src = { iov, 0 };
	size_t left = len;
	uint32_t fresh = 0;
	struct pkt *p;

	if (unlikely(!conn_in(c, TCPS_SET_CAN_SEND) || c->ep.so_error ||
		     (c->flags & TCP_F_SHUT_WR)))
		return send_refused(c);
	if (unlikely(!len))
		return 0;
	src_skip(&src, skip);

	/* The last frame is still ours to fill while it has not been sent. */
	if (c->snd_next != ID_NONE) {
		p = pkt_get(net, c->snd_tail);
		if (p->data_len < c->mss) {
			uint32_t room = min_t(uint32_t, c->mss - p->data_len,
					      PKT_FRAME_SIZE - p->data_off - p->data_len);
			uint32_t take = min_t(size_t, room, left);

			fill(p, &src, take);
			c->snd_end += take;
			left -= take;
		}
	}
	while (left) {
		uint32_t take = min_t(size_t, c->mss, left);

		if (unlikely(!conn_snd_room(c) || net_tx_scarce(net)))
			break;
		p = tcp_tx_frame(net, c);
		if (unlikely(!p))
			break;
		fill(p, &src, take);
		c->snd_end += take;
		left -= take;
		tcp_tx_enqueue(net, c, p);
		/* A long write is on its way while the rest is copied. */
		if (unlikely(++fresh % 8 == 0))
			tcp_output(net, c, TCP_PUSH_MORE);
	}
	if (unlikely(left)) {
		c->flags |= TCP_F_SND_WAIT;
		/* Nothing of ours will come back to wake us: look again later. */
		if (c->snd_head == ID_NONE)
			tcp_retry_soon(net, c);
		if (left == len)
			return -EAGAIN;
	}
	c->bytes_out += len - left;
	if (unlikely(flags & TCP_SEND_OOB)) {
		c->snd_up = c->snd_end;
		c->flags |= TCP_F_URG;
		tcp_predict_update(c);
	}
	if (flags & TCP_SEND_MORE && !left) {
		tcp_output(net, c, TCP_PUSH_MORE);
	} else {
		if (c->snd_next != ID_NONE)
			pkt_get(net, c->snd_tail)->flags |= PKT_F_PSH;
		tcp_output(net, c, TCP_PUSH_NORMAL);
	}
	return (ssize_t)(len - left);
}

/* Whether @len bytes make one segment that may leave at once. */
static inline bool send_predicted(const struct net *net, const struct tcp_conn *c, size_t len,
				  uint32_t flags)
{
	uint32_t flight = conn_flight(c), room = min_t(uint32_t, c->snd_wnd, c->cwnd);

	/* `predict`: established, nothing lost, no urgent data, no closed window. */
	return c->predict && c->snd_next == ID_NONE && len - 1 < c->mss &&
	       !(flags | c->ep.so_error | (c->flags & TCP_F_CORK)) &&
	       (size_t)flight + len <= room &&
	       (c->flags & TCP_F_NODELAY || c->snd_sml - c->snd_una - 1 >= flight) &&
	       (flight || net->now - c->last_tx_ns <= (uint64_t)c->rto_us * 1000) &&
	       conn_snd_room(c) && !net_tx_scarce(net);
}

ssize_t tcp_send(struct net *net, struct tcp_conn *c, const struct iovec *iov, int n,
		 size_t skip, size_t len, uint32_t flags)
{
	struct pkt *p;
	uint32_t id;

	(void)n;
	if (unlikely(!send_predicted(net, c, len, flags)))
		return send_any(net, c, iov, skip, len, flags);
	p = pkt_alloc(net, PKT_FOR_TX);
	if (unlikely(!p))
		return send_any(net, c, iov, skip, len, flags);

	p->where = PKT_TXQ;
	p->data_off = c->tx_data_off;
	p->flags = PKT_F_PSH;
	p->seq = c->snd_end;
	if (likely(iov->iov_len >= skip + len)) {
		p->data_len = (uint32_t)len;
		p->end_seq = p->seq + (uint32_t)len;
		p->user[TXQ_CSUM] = csum_copy(pkt_data(p), (const char *)iov->iov_base + skip,
					      len, 0);
	} else {
		struct src src = { iov, 0 };

		p->data_len = 0;
		p->end_seq = p->seq;
		p->user[TXQ_CSUM] = 0;
		src_skip(&src, skip);
		fill(p, &src, (uint32_t)len);
	}
	id = pkt_id(net, p);
	if (c->snd_head == ID_NONE)
		c->snd_head = id;
	else
		pkt_get(net, c->snd_tail)->next = id;
	c->snd_tail = id;
	c->snd_frames++;
	c->snd_end = p->end_seq;
	c->bytes_out += len;

	if (unlikely(xmit(net, c, p, false) < 0)) {
		c->snd_next = id;
		tcp_retry_soon(net, c);
		return (ssize_t)len;
	}
	NET_STAT(net, tcp_out_segs);
	p->stamp_ns = net->now;
	c->snd_nxt = p->end_seq;
	if (len < c->mss)
		c->snd_sml = p->end_seq;
	/* An answer to what came: ACKs may ride on answers. */
	c->pingpong = c->pingpong & 2 ? 1 : c->pingpong;
	if (!c->rexmit_deadline)
		rexmit_set(net, c, net->now + (uint64_t)c->rto_us * 1000);
	else if (conn_flight(c) > c->mss && !(c->flags & TCP_F_PTO))
		tcp_pto_arm(net, c);
	return (ssize_t)len;
}

void tcp_push(struct net *net, struct tcp_conn *c)
{
	tcp_keepalive_update(net, c);
	tcp_output(net, c, TCP_PUSH_NORMAL);
}
