/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * proof.h - what the kernel says of a socket that a process passed to us
 */
#ifndef POSTERN_CTLD_PROOF_H
#define POSTERN_CTLD_PROOF_H

#include "wire/flow.h"

struct ctld;
struct stack;

struct proof {
	int domain, type, proto;
	bool v6only;
	uint32_t bound_if;		/* SO_BINDTODEVICE, 0: none */
	struct ipaddr laddr, raddr;	/* zero: unbound, unconnected */
	be16_t lport, rport;
	uint32_t scope_id;		/* of a link-local laddr */
};

/**
 * proof_read - ask the kernel about a socket
 * Returns 0, or -EACCES: no TCP or UDP socket, not of this network namespace, not
 * bound to a port, or its cookie is not @want_cookie.
 */
int proof_read(struct ctld *ctl, int fd, uint64_t want_cookie, struct proof *p);

/**
 * proof_udp_strangers - may a socket outside the stack hear groups on this port?
 * Returns 1, 0, or -errno of sock_diag.
 */
int proof_udp_strangers(struct stack *st, be16_t port, uint64_t self);

#endif
