/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * udp_priv.h - what the files of this folder share
 */
#ifndef POSTERN_UDP_UDP_PRIV_H
#define POSTERN_UDP_UDP_PRIV_H

#include "udp/udp.h"

/* udp_check - length and checksum of a datagram; sets data_off and data_len.
 * False: a drop, counted; the caller frees. */
bool udp_check(struct net *net, struct pkt *p, const struct rx_info *ri);
bool udp_has_room(const struct net *net, const struct udp_ep *u);
void udp_drop_full(struct net *net, struct udp_ep *u);
/* udp_enqueue - consumes a checked datagram; there is room. */
void udp_enqueue(struct net *net, struct udp_ep *u, struct pkt *p);

#endif
