/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * reasm.h - the reassembly queue: segments that arrived before their turn
 *
 * Sorted by sequence number, without overlap.  What is already there wins: bytes
 * of a later segment that overlap are cut off.
 */
#ifndef POSTERN_TCP_REASM_H
#define POSTERN_TCP_REASM_H

#include "tcp/tcp_int.h"

static inline bool reasm_empty(const struct tcp_conn *c)
{
	return c->ooo_head == ID_NONE;
}

/* reasm_insert - consumes a segment beyond rcv_nxt (seq, end_seq, data_len, PKT_F_FIN
 * are set).  True: at least one octet was new; *@start, *@end say what range of
 * the queue it belongs to now. */
bool reasm_insert(struct net *net, struct tcp_conn *c, struct pkt *p,
		  uint32_t *start, uint32_t *end);

/* reasm_pop - the first segment if its turn has come (seq == rcv_nxt after cutting off
 * what was received otherwise); the caller's then.  NULL: none. */
struct pkt *reasm_pop(struct net *net, struct tcp_conn *c);

#endif
