/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cp_keeper.h - what posternd and the postern-keeper of a stack say to each other
 *
 * One AF_UNIX SOCK_SEQPACKET socketpair per keeper.  posternd starts
 *
 *	postern-keeper --fd N
 *
 * with N its end (no other descriptors but 0, 1 and 2 are open), already as the
 * uid that shall keep the stack, without capabilities.  The keeper's first act is
 * prctl(PR_SET_DUMPABLE, 0): other processes of `nobody` must not read root's
 * arena out of it.
 *
 * Every message is one of union kp_msg, with descriptors as SCM_RIGHTS in the
 * order stated.  Nothing is acknowledged; messages keep their order; neither side
 * blocks on sending: the keeper keeps what it could not send (EAGAIN) and tries
 * again on its next tick.  Descriptors that arrive are shared with posternd and the
 * holder: closing one does not take it out of an epoll set, EPOLL_CTL_DEL does.
 *
 *   posternd -> keeper                         keeper -> posternd
 *   KP_INIT       first, once                  KP_READY      after KP_INIT: arena mapped
 *   KP_VI         each VI set, also later      KP_DONE       the stack is empty (see below)
 *   KP_VI_GONE    interface vanished           KP_FILTER_DEL filters of sockets that a dead
 *   KP_PROC       a process joins                            process left behind
 *   KP_QUIT       leave now                    KP_NEIGH      resolve or confirm a neighbour
 *                                              KP_BROKEN     cannot keep this stack (KP_QUIT follows)
 *
 * Life.  A keeper that is started again after a crash gets the same sequence:
 * KP_INIT with KP_F_AGAIN, then KP_VI and KP_PROC for all that is alive.  The
 * arena of a new stack may not yet be initialised by its creator when KP_INIT
 * arrives: wait for its magic, and no longer than there is a living process.
 *
 * The end.  When no registered process is alive and no orphan is left (FIN,
 * retransmission, TIME_WAIT), the keeper sends KP_DONE with the number of KP_PROC
 * messages that it has seen (all its life, KP_F_AGAIN or not).  posternd answers
 * KP_QUIT if no process joined meanwhile; else a KP_PROC is under way and the
 * keeper goes on, and says KP_DONE again when that one is gone.  A stack whose
 * keeper saw no KP_PROC at all says KP_DONE after 10 s.  A KP_DONE that stays
 * without answer for 30 s (posternd is away): exit.
 *
 * posternd may be restarted: its end of the pair is kept by the fd-holder, so the
 * keeper sees only silence.  End of file means that posternd and the holder are
 * gone for good: finish as above, then exit.
 */
#ifndef POSTERN_CP_CP_KEEPER_H
#define POSTERN_CP_CP_KEEPER_H

#include "cp/cp_proto.h"

#define KP_VERSION 1

enum { KP_MAX_FILTERS = 32 };	/* per KP_FILTER_DEL */

enum kp_type {
	KP_INIT = 1,	/* fds: arena, tables, CP_N_DOORBELLS eventfds */
	KP_VI,		/* fds: AF_XDP sockets, n of them, in order of q[] */
	KP_VI_GONE,
	KP_PROC,	/* fd: pidfd */
	KP_QUIT,

	KP_READY = 64,
	KP_DONE,
	KP_FILTER_DEL,
	KP_NEIGH,
	KP_BROKEN,
};

enum { KP_F_AGAIN = 1u << 0 };	/* KP_INIT: a keeper of this stack ran before */

struct kp_hdr {
	uint32_t type;		/* enum kp_type */
	uint32_t len;		/* of the whole message */
	uint32_t stack_id;
	uint32_t n;		/* entries in a list, 0 where there is none */
};

struct kp_init {
	struct kp_hdr h;
	uint32_t version;	/* KP_VERSION */
	uint32_t flags;		/* KP_F_* */
	uint32_t uid;		/* owner of the stack (root: the keeper itself is nobody) */
	uint32_t n_frames;
	uint64_t state_size;	/* bytes before the frames */
	char name[CP_STACK_NAME];
};

struct kp_vi {
	struct kp_hdr h;	/* h.n queues */
	uint32_t ifindex;
	uint32_t first_vi;
	struct cp_vi_info q[CP_MAX_FDS];
};

struct kp_vi_gone {
	struct kp_hdr h;
	uint32_t ifindex;
	uint32_t pad;
};

struct kp_proc {
	struct kp_hdr h;
	uint32_t slot;		/* index in the stack's process table; the keeper checks it */
	uint32_t pid;		/* as seen in posternd's PID namespace */
};

struct kp_done {
	struct kp_hdr h;
	uint32_t n_proc_msgs;	/* KP_PROC messages seen */
	uint32_t pad;
};

struct kp_filter_del {
	struct kp_hdr h;
	struct cp_filter f[KP_MAX_FILTERS];	/* h.n are sent; has_fd is 0; matched as in CP_REQ_FILTER_DEL */
};

struct kp_neigh {
	struct kp_hdr h;
	uint32_t ifindex;
	uint8_t addr[16];
	uint8_t pad[4];
};

struct kp_broken {
	struct kp_hdr h;
	char why[96];
};

/* QUIT and READY are a bare header. */
union kp_msg {
	struct kp_hdr h;
	struct kp_init init;
	struct kp_vi vi;
	struct kp_vi_gone vi_gone;
	struct kp_proc proc;
	struct kp_done done;
	struct kp_filter_del filter_del;
	struct kp_neigh neigh;
	struct kp_broken broken;
};

#endif
