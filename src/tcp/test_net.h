/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_net.h - an engine without devices, for the unit tests of this folder
 */
#ifndef POSTERN_TCP_TEST_NET_H
#define POSTERN_TCP_TEST_NET_H

#include <stdlib.h>

#include "tcp/tcp_int.h"

struct test_net {
	struct net net;
	struct cp cp;
	struct cp_shm *cp_shm;
	void *arena;
};

static inline void test_net_init(struct test_net *t, uint32_t n_frames)
{
	size_t off = 4096, frames = ROUND_UP(off + net_state_size(16, n_frames), 2u << 20);
	uint8_t secret[16] = { 1, 2, 3 };

	t->arena = aligned_alloc(2u << 20, ROUND_UP(frames + ((size_t)n_frames << PKT_FRAME_SHIFT),
						   2u << 20));
	t->cp_shm = calloc(1, sizeof(*t->cp_shm));
	t->cp.shm = t->cp_shm;
	net_init(t->arena, off, 16, n_frames, frames, secret, NSEC_PER_SEC);
	net_attach(&t->net, t->arena, off, &t->cp, NULL, 0);
	t->net.now = NSEC_PER_SEC;
}

static inline void test_net_fini(struct test_net *t)
{
	free(t->arena);
	free(t->cp_shm);
}

static inline struct tcp_conn *test_conn(struct test_net *t)
{
	struct tcp_conn *c = tcp_conn(ep_alloc(&t->net));

	c->ep.flow.laddr = ipaddr_from4(to_be32(0x0a000001));
	c->ep.flow.raddr = ipaddr_from4(to_be32(0x0a000002));
	tcp_conn_init(&t->net, c);
	tcp_conn_start(&t->net, c, 1000);
	c->state = TCPS_ESTABLISHED;
	return c;
}

#endif
