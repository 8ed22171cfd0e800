/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * epoll_int.h - what poll.c must know of an epoll set
 */
#ifndef POSTERN_SOCK_EPOLL_INT_H
#define POSTERN_SOCK_EPOLL_INT_H

#include "sock/sock.h"

/* k-th stack that the set has members in; NULL after the last. */
struct stack *epoll_stack(struct sock_epoll *e, int k);
/* This thread is about to sleep until the set has something. */
void epoll_set_wait_bits(struct sock_epoll *e);

#endif
