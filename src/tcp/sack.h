/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sack.h - selective acknowledgement: what we report and what we are told
 *
 * Receiver's side: up to four ranges beyond rcv_nxt, the one that changed last
 * first (RFC 2018 section 4), and a duplicate to report (RFC 2883).  Sender's side:
 * blocks become PKT_F_SACKED on frames of the send queue, and the scoreboard says
 * which frames are lost (RFC 6675 section 4; RFC 8985 for what has no three
 * segments behind it, or was retransmitted).
 */
#ifndef POSTERN_TCP_SACK_H
#define POSTERN_TCP_SACK_H

#include "tcp/tcp_int.h"

/* [start, end) lies on the reassembly queue. */
void sack_rx_add(struct tcp_conn *c, uint32_t start, uint32_t end);
/* rcv_nxt has moved. */
void sack_rx_advance(struct tcp_conn *c);
/* Blocks for the next ACK, a duplicate first; returns how many. */
unsigned sack_report(const struct tcp_conn *c, struct tcp_sack_block out[TCP_SACK_MAX]);

/* Mark frames that @in's blocks cover; returns bytes newly reported. */
uint32_t sack_tx_mark(struct net *net, struct tcp_conn *c, const struct tcp_in *in);
/* Mark frames that must be lost; returns whether there are new ones. */
bool sack_mark_lost(struct net *net, struct tcp_conn *c);
/* The receiver took back what it reported, or may have (RFC 2018 section 8). */
void sack_forget(struct net *net, struct tcp_conn *c);

#endif
