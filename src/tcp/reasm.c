// SPDX-License-Identifier: BSD-2-Clause
/*
 * reasm.c - the reassembly queue
 *
 * See reasm.h.  Small segments that follow one another share a frame.  How much may
 * lie here is the caller's decision.
 */
#include "tcp/reasm.h"

static struct pkt *at(struct net *net, uint32_t id)
{
	return id == ID_NONE ? NULL : pkt_get(net, id);
}

/* The last segment that begins at or before @seq. */
static struct pkt *find_before(struct net *net, struct tcp_conn *c, uint32_t seq)
{
	struct pkt *p = at(net, c->ooo_tail), *prev = NULL;

	/* Usually the new one comes last. */
	if (p && seq_leq(p->seq, seq))
		return p;
	for (p = at(net, c->ooo_head); p && seq_leq(p->seq, seq); p = at(net, p->next))
		prev = p;
	return prev;
}

static void cut_tail(struct pkt *p, uint32_t end)
{
	uint32_t n = p->end_seq - end;

	if (p->flags & PKT_F_FIN) {
		p->flags &= ~(uint32_t)PKT_F_FIN;
		n--;
	}
	p->data_len -= n;
	p->end_seq = end;
}

static void unlink_next(struct net *net, struct tcp_conn *c, struct pkt *prev, struct pkt *q)
{
	if (prev)
		prev->next = q->next;
	else
		c->ooo_head = q->next;
	if (q->next == ID_NONE)
		c->ooo_tail = prev ? pkt_id(net, prev) : ID_NONE;
	c->ooo_bytes -= q->data_len;
	c->ooo_frames--;
	pkt_free(net, q);
}

bool reasm_insert(struct net *net, struct tcp_conn *c, struct pkt *p,
		  uint32_t *start, uint32_t *end)
{
	struct pkt *prev = find_before(net, c, p->seq), *next;

	if (prev && seq_geq(prev->end_seq, p->end_seq)) {
		pkt_free(net, p);
		return false;
	}
	if (prev && seq_after(prev->end_seq, p->seq))
		p = tcp_pkt_pull(net, p, prev->end_seq - p->seq);

	/* Those that the new one covers go, one that it reaches into stays. */
	for (;;) {
		next = at(net, prev ? prev->next : c->ooo_head);
		if (!next || seq_before(p->end_seq, next->end_seq))
			break;
		unlink_next(net, c, prev, next);
	}
	if (next && seq_after(p->end_seq, next->seq))
		cut_tail(p, next->seq);
	*start = p->seq;
	*end = p->end_seq;

	c->ooo_bytes += p->data_len;
	if (prev && prev->end_seq == p->seq && tcp_pkt_merge(net, prev, p))
		return true;
	p->where = PKT_OOO;
	p->next = next ? pkt_id(net, next) : ID_NONE;
	if (prev)
		prev->next = pkt_id(net, p);
	else
		c->ooo_head = pkt_id(net, p);
	if (!next)
		c->ooo_tail = pkt_id(net, p);
	c->ooo_frames++;
	return true;
}

struct pkt *reasm_pop(struct net *net, struct tcp_conn *c)
{
	struct pkt *p;

	while ((p = at(net, c->ooo_head)) && seq_leq(p->seq, c->rcv_nxt)) {
		c->ooo_head = p->next;
		if (c->ooo_head == ID_NONE)
			c->ooo_tail = ID_NONE;
		c->ooo_bytes -= p->data_len;
		c->ooo_frames--;
		p->next = ID_NONE;
		if (seq_leq(p->end_seq, c->rcv_nxt)) {
			pkt_free(net, p);
			continue;
		}
		if (p->seq != c->rcv_nxt)
			p = tcp_pkt_pull(net, p, c->rcv_nxt - p->seq);
		return p;
	}
	return NULL;
}
