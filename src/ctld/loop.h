/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * loop.h - what posternd waits for: descriptors and a few timers
 */
#ifndef POSTERN_CTLD_LOOP_H
#define POSTERN_CTLD_LOOP_H

#include "base/types.h"

/* Lives inside the object that it watches for; the callback may free it. */
struct loop_fd {
	int fd;
	void (*fn)(struct loop_fd *w, uint32_t events);
};

struct loop_timer {
	uint64_t due_ns;	/* CLOCK_MONOTONIC; 0: not armed */
	void (*fn)(struct loop_timer *t);
	struct loop_timer *next;	/* all timers, armed or not */
};

struct loop {
	int epfd;
	bool stop;
	struct loop_timer *timers;
};

int loop_init(struct loop *l);
void loop_fini(struct loop *l);
/* 0 or -errno.  EPOLLIN level-triggered; EPOLLHUP and EPOLLERR come by themselves. */
int loop_add(struct loop *l, struct loop_fd *w, int fd, void (*fn)(struct loop_fd *, uint32_t));
void loop_del(struct loop *l, struct loop_fd *w);	/* leaves the descriptor open */

void loop_timer_init(struct loop *l, struct loop_timer *t, void (*fn)(struct loop_timer *));
void loop_timer_arm(struct loop_timer *t, uint64_t in_ns);
void loop_timer_stop(struct loop_timer *t);

/* Runs until l->stop. */
void loop_run(struct loop *l);

uint64_t now_ns(void);

#endif
