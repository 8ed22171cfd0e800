// SPDX-License-Identifier: BSD-2-Clause
/*
 * tcp_recv.c - received bytes to the user; the window opens
 *
 * Copies out of the frames on the receive queue and frees what was read.  Tells the
 * peer of new room once it is worth a segment (RFC 9293 section 3.8.6.2.2), and lets
 * the buffer grow to twice what is read in a round trip (dynamic right-sizing, as
 * Linux' tcp_moderate_rcvbuf).
 */
#include "tcp/tcp_int.h"

/* Bytes scattered to an iovec. */
struct dst {
	const struct iovec *v;
	size_t off;
};

static void dst_skip(struct dst *d, size_t n)
{
	while (n && n >= d->v->iov_len - d->off) {
		n -= d->v->iov_len - d->off;
		d->v++;
		d->off = 0;
	}
	d->off += n;
}

static inline void put(struct dst *d, const uint8_t *src, size_t n)
{
	while (n) {
		size_t piece = d->v->iov_len - d->off;

		if (piece > n)
			piece = n;
		memcpy((char *)d->v->iov_base + d->off, src, piece);
		src += piece;
		n -= piece;
		d->off += piece;
		if (d->off == d->v->iov_len) {
			d->v++;
			d->off = 0;
		}
	}
}

/* The first @n payload bytes of a packet, from @from on. */
static inline void put_pkt(struct net *net, struct dst *d, const struct pkt *p, uint32_t from,
			   uint32_t n)
{
	uint32_t off = p->data_off, here = pkt_len_in_frame(p);

	while (unlikely(from >= here)) {
		from -= here;
		p = pkt_get(net, p->frag);
		off = p->off;
		here = p->len;
	}
	for (;;) {
		uint32_t piece = min_t(uint32_t, here - from, n);

		put(d, (const uint8_t *)p + off + from, piece);
		n -= piece;
		if (likely(!n))
			return;
		p = pkt_get(net, p->frag);
		off = p->off;
		here = p->len;
		from = 0;
	}
}

static __cold ssize_t recv_empty(struct tcp_conn *c)
{
	if (c->ep.so_error)
		return tcp_pending_error(c);
	if (c->flags & (TCP_F_FIN_RCVD | TCP_F_SHUT_RD))
		return 0;
	return c->state == TCPS_CLOSED ? -ENOTCONN : -EAGAIN;
}

/* RFC 7323 section 4: the echo tells when the sender had our ACK. */
void tcp_rcv_rtt_sample(struct net *net, struct tcp_conn *c, uint32_t tsecr)
{
	uint32_t ticks = conn_ts_now(net, c) - tsecr, us;

	c->rcv_tsecr = tsecr;
	if (!tsecr || ticks > 60000)
		return;
	us = max_t(uint32_t, ticks, 1) * TCP_TS_TICK_US;
	/* The least of late: what is above it is waiting for the user. */
	if (!c->rcv_rtt_us || us < c->rcv_rtt_us)
		c->rcv_rtt_us = us;
	else
		c->rcv_rtt_us += (us - c->rcv_rtt_us) >> 3;
}

static void grow_rcvbuf(struct net *net, struct tcp_conn *c)
{
	uint64_t want, grow;

	if (c->flags & TCP_F_RCVBUF_LOCKED || net_pressure(net))
		return;
	/* The sender may double its rate each round trip: room for twice as much, and
	 * for the rate at which it was growing. */
	want = 2ull * c->rcv_copied + 16ull * c->mss_adv;
	grow = c->rcv_space ? want * (c->rcv_copied - c->rcv_space) / c->rcv_space : 0;
	want = min_t(uint64_t, (want + 2 * grow) * 2, tcp_rmem_max(net));
	if (want > c->rcvbuf)
		c->rcvbuf = (uint32_t)want;
}

static inline void tune(struct net *net, struct tcp_conn *c, uint32_t n)
{
	uint32_t rtt_us = c->rcv_rtt_us ? c->rcv_rtt_us : c->srtt_us >> 3;

	c->rcv_copied += n;
	if (likely(net->now - c->rcv_space_ns < (uint64_t)rtt_us * 1000))
		return;
	if (c->rcv_copied > c->rcv_space) {
		grow_rcvbuf(net, c);
		c->rcv_space = c->rcv_copied;
	}
	c->rcv_copied = 0;
	c->rcv_space_ns = net->now;
}

/* Whether the window that we would announce is worth a segment of its own. */
static inline bool window_worth_telling(const struct tcp_conn *c)
{
	uint32_t cap = conn_rcv_cap(c);
	uint32_t space = cap > c->rxq_bytes ? cap - c->rxq_bytes : 0;

	return space >= 2 * c->rcv_wnd &&
	       space - c->rcv_wnd >= min_t(uint32_t, cap >> 1, c->mss_adv) &&
	       !(c->flags & TCP_F_FIN_RCVD);
}

ssize_t tcp_recv(struct net *net, struct tcp_conn *c, const struct iovec *iov, int n,
		 size_t skip, size_t len, size_t peek_off, uint32_t flags)
{
	struct dst dst = { iov, 0 };
	bool peek = flags & TCP_RECV_PEEK;
	size_t left = len;
	uint32_t id;

	(void)n;
	if (c->rxq_head == ID_NONE)
		return recv_empty(c);
	if (skip && !(flags & TCP_RECV_TRUNC))
		dst_skip(&dst, skip);

	for (id = c->rxq_head; id != ID_NONE && left; ) {
		struct pkt *p = pkt_get(net, id);
		uint32_t have = p->data_len, take, from = 0;

		if (unlikely(peek && peek_off)) {
			if (peek_off >= have) {
				peek_off -= have;
				id = p->next;
				continue;
			}
			from = (uint32_t)peek_off;
			peek_off = 0;
		}
		take = min_t(size_t, have - from, left);
		if (likely(!(flags & TCP_RECV_TRUNC)))
			put_pkt(net, &dst, p, from, take);
		left -= take;
		if (unlikely(peek)) {
			id = p->next;
			continue;
		}
		c->rxq_bytes -= take;
		if (likely(take == have)) {
			id = p->next;
			c->rxq_head = id;
			c->rxq_frames--;
			pkt_free(net, p);
		} else {
			p = tcp_pkt_pull(net, p, take);
			if (c->rxq_tail == c->rxq_head)
				c->rxq_tail = pkt_id(net, p);
			c->rxq_head = pkt_id(net, p);
			break;
		}
	}
	if (c->rxq_head == ID_NONE)
		c->rxq_tail = ID_NONE;
	if (unlikely(peek))
		return (ssize_t)(len - left) ? (ssize_t)(len - left) :
		       c->flags & (TCP_F_FIN_RCVD | TCP_F_SHUT_RD) ? 0 : -EAGAIN;

	tune(net, c, (uint32_t)(len - left));
	if (unlikely(window_worth_telling(c)) && conn_in(c, TCPS_SET_RX))
		tcp_send_ack(net, c);
	return (ssize_t)(len - left);
}
