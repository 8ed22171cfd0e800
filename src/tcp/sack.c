// SPDX-License-Identifier: BSD-2-Clause
/*
 * sack.c - selective acknowledgement (RFC 2018, RFC 2883, RFC 6675, RFC 8985)
 *
 * Both sides of it; see sack.h.  Retransmits nothing and sends nothing.
 */
#include "tcp/sack.h"

/* ---- receiver ------------------------------------------------------------ */

void sack_rx_add(struct tcp_conn *c, uint32_t start, uint32_t end)
{
	struct tcp_range r = { start, end };
	unsigned n = 0;

	/* Swallow what it touches, keep the order of the others. */
	for (unsigned i = 0; i < c->n_rsack; i++) {
		struct tcp_range b = c->rsack[i];

		if (seq_leq(r.start, b.end) && seq_leq(b.start, r.end)) {
			r.start = seq_min(r.start, b.start);
			r.end = seq_max(r.end, b.end);
		} else {
			c->rsack[n++] = b;
		}
	}
	if (n == ARRAY_SIZE(c->rsack))
		n--;
	memmove(&c->rsack[1], &c->rsack[0], n * sizeof(c->rsack[0]));
	c->rsack[0] = r;
	c->n_rsack = (uint8_t)(n + 1);
}

void sack_rx_advance(struct tcp_conn *c)
{
	unsigned n = 0;

	for (unsigned i = 0; i < c->n_rsack; i++)
		if (seq_after(c->rsack[i].end, c->rcv_nxt))
			c->rsack[n++] = c->rsack[i];
	c->n_rsack = (uint8_t)n;
}

unsigned sack_report(const struct tcp_conn *c, struct tcp_sack_block out[TCP_SACK_MAX])
{
	unsigned n = 0;

	if (!(c->flags & TCP_F_SACK))
		return 0;
	if (c->dsack.start != c->dsack.end)
		out[n++] = (struct tcp_sack_block){ c->dsack.start, c->dsack.end };
	for (unsigned i = 0; i < c->n_rsack && n < TCP_SACK_MAX; i++)
		out[n++] = (struct tcp_sack_block){ c->rsack[i].start, c->rsack[i].end };
	return n;
}

/* ---- sender --------------------------------------------------------------- */

/* Whether a block says something about what is in flight.  One at or below
 * snd_una reports a duplicate (RFC 2883 section 4) or is old; none may reach
 * beyond what was sent. */
static bool block_valid(const struct tcp_conn *c, const struct tcp_sack_block *b)
{
	return seq_before(b->start, b->end) && seq_after(b->end, c->snd_una) &&
	       seq_geq(b->start, c->snd_una) && seq_leq(b->end, c->snd_nxt);
}

/* RFC 8985 section 6.2 step 2: the latest transmission that arrived.  That of a
 * frame sent twice counts only if the ACK cannot be the first one's. */
static void rack_note(const struct net *net, struct tcp_conn *c, const struct pkt *p)
{
	if (p->flags & PKT_F_RETRANS &&
	    net->now - p->stamp_ns < (uint64_t)c->rtt_min_us * 1000)
		return;
	if (p->stamp_ns > c->rack_ns)
		c->rack_ns = p->stamp_ns;
}

static uint32_t mark_block(struct net *net, struct tcp_conn *c, const struct tcp_sack_block *b)
{
	uint32_t id, bytes = 0;

	for (id = c->snd_head; id != c->snd_next; ) {
		struct pkt *p = pkt_get(net, id);

		id = p->next;
		if (seq_geq(p->seq, b->end))
			break;
		if (p->flags & PKT_F_SACKED || seq_before(p->seq, b->start) ||
		    seq_after(p->end_seq, b->end))
			continue;
		if (p->flags & PKT_F_LOST) {
			p->flags &= ~(uint32_t)PKT_F_LOST;
			c->lost_bytes -= pkt_seq_len(p);
		}
		p->flags |= PKT_F_SACKED;
		c->sacked_bytes += pkt_seq_len(p);
		c->sacked_segs++;
		bytes += pkt_seq_len(p);
		if (seq_after(p->end_seq, c->high_sacked))
			c->high_sacked = p->end_seq;
		rack_note(net, c, p);
	}
	return bytes;
}

uint32_t sack_tx_mark(struct net *net, struct tcp_conn *c, const struct tcp_in *in)
{
	uint32_t bytes = 0;

	if (seq_before(c->high_sacked, c->snd_una))
		c->high_sacked = c->snd_una;
	for (unsigned i = 0; i < in->opt.nsack; i++)
		if (block_valid(c, &in->opt.sack[i]))
			bytes += mark_block(net, c, &in->opt.sack[i]);
	return bytes;
}

bool sack_mark_lost(struct net *net, struct tcp_conn *c)
{
	uint32_t id, above = c->sacked_segs;
	uint64_t reo_ns = max_t(uint64_t, (uint64_t)(c->srtt_us >> 5) * 1000, NSEC_PER_MSEC);
	bool found = false;

	if (!c->sacked_segs && !c->rack_ns)
		return false;
	for (id = c->snd_head; id != c->snd_next; ) {
		struct pkt *p = pkt_get(net, id);
		bool lost;

		id = p->next;
		if (p->flags & PKT_F_SACKED) {
			above--;
			continue;
		}
		if (p->flags & PKT_F_LOST)
			continue;
		/* RFC 6675 IsLost(): DupThresh segments above have arrived. */
		lost = above >= TCP_DUPTHRESH && !(p->flags & PKT_F_RETRANS);
		/* RFC 8985: what left a good while later has arrived. */
		lost |= p->stamp_ns + reo_ns < c->rack_ns;
		if (!lost)
			continue;
		p->flags |= PKT_F_LOST;
		c->lost_bytes += pkt_seq_len(p);
		found = true;
	}
	return found;
}

void sack_forget(struct net *net, struct tcp_conn *c)
{
	for (uint32_t id = c->snd_head; id != c->snd_next; ) {
		struct pkt *p = pkt_get(net, id);

		id = p->next;
		p->flags &= ~(uint32_t)PKT_F_SACKED;
	}
	c->sacked_bytes = c->sacked_segs = 0;
	c->high_sacked = c->snd_una;
}
