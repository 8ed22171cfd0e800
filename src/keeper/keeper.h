/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * keeper.h - one postern-keeper: the stack that it keeps, and who told it what
 *
 *   main.c   arguments, the event loop
 *   conv.c   the conversation with posternd (cp/cp_keeper.h)
 *   drive.c  polling a stack that nobody polls
 *   reap.c   dead processes, last closes, filters that must go
 *
 * One process keeps one stack: whatever a hostile arena makes it do, it does to
 * itself.  It has no privilege; ids from the arena are range-checked by the
 * layers below or by the size of the tables walked here.
 */
#ifndef POSTERN_KEEPER_KEEPER_H
#define POSTERN_KEEPER_KEEPER_H

#include "cp/cp_keeper.h"
#include "sock/sock.h"

enum { KEEPER_MAX_PENDING = 4096 };

struct keeper_proc {
	int pidfd;		/* -1: slot not in use */
	uint32_t pid;
};

/* A filter whose socket is gone; it goes when no connection uses the port any more. */
struct keeper_filter {
	uint64_t cookie;
	be16_t lport;
	uint8_t proto;
};

struct keeper {
	int ctl;			/* posternd; -1 when it has gone for good */
	int epfd;
	int diag;			/* sock_diag destroy notices; -1 until needed */
	struct stack *st;		/* NULL before KP_INIT */
	struct kp_init init;
	int init_fds[2 + CP_N_DOORBELLS];
	bool have_init;
	uint32_t n_proc_msgs;
	struct keeper_proc procs[STACK_MAX_PROCS];
	struct { uint32_t ifindex, n; int fds[CP_MAX_FDS]; } vi[16];	/* waiting for the arena's entry */
	uint32_t n_vi;
	struct keeper_filter pending[KEEPER_MAX_PENDING];
	uint32_t n_pending;
	uint64_t filters_next_ns;	/* when to look at them again */
	uint32_t watched_vis;		/* AF_XDP sockets in epfd; 0 while somebody else polls */
	bool done_said, broken_said, quit;
	uint64_t started_ns, done_ns;
};

/* Tags in epoll_data.u64: kind << 32 | index. */
enum { KEEPER_EV_CTL, KEEPER_EV_PROC, KEEPER_EV_XSK, KEEPER_EV_DIAG };

int keeper_watch(struct keeper *k, int fd, uint32_t kind, uint32_t index, uint32_t events);

void conv_receive(struct keeper *k);
void conv_send(struct keeper *k, void *msg, uint32_t type, uint32_t len, uint32_t n);
bool conv_try_init(struct keeper *k);		/* the arena may not be ready yet */
void conv_try_vis(struct keeper *k);

/* One tick: poll if nobody does.  Returns ms until the next, -1 none needed. */
int drive_tick(struct keeper *k);
void drive_poll(struct keeper *k);

void reap_proc(struct keeper *k, uint32_t slot);
void reap_tick(struct keeper *k);
void reap_diag(struct keeper *k);
bool reap_empty(const struct keeper *k);	/* no process, no orphan */

#endif
