// SPDX-License-Identifier: BSD-2-Clause
/*
 * fork.c - sockets across fork() and exec()
 *
 * Before fork() the parent reserves a process slot for the child in each stack
 * and enters it in every socket that it holds, so that there is no moment at which
 * a socket that the child inherited could be closed under it.  Process-local
 * mutexes are held across fork(), so that the child finds them in order.
 */
#include <pthread.h>
#include <string.h>

#include "sock/sock_priv.h"

enum { MAX_STACKS = 16 };

static uint32_t child_slot[MAX_STACKS];		/* between prepare and parent or child */

static void share_with(uint32_t i, struct stack *st)
{
	uint32_t slot, k = 0;
	struct sock *s;
	bool full;

	stack_lock(st);
	full = stack_proc_reserve(st, &slot) < 0;
	child_slot[i] = full ? ID_NONE : slot;
	while ((s = sock_next_accel(&k))) {
		if (s->st != st || !sock_alive(s))
			continue;
		/* No slot left: only the kernel's word on the last close counts then. */
		if (full) {
			s->shm->flags |= SOCK_SF_PASSED;
			upper(s->st)->passed++;
		} else {
			s->shm->procs |= 1ull << slot;
		}
	}
	stack_unlock(st);
}

void sock_fork_prepare(void)
{
	struct stack *const *sts = sock_stacks();

	proc_open_lock();
	sock_pool_lock();
	for (uint32_t i = 0; i < MAX_STACKS && sts[i]; i++)
		share_with(i, sts[i]);
}

void sock_fork_parent(void)
{
	sock_pool_unlock();
	proc_open_unlock();
}

void sock_fork_failed(void)
{
	struct stack *const *sts = sock_stacks();

	for (uint32_t i = 0; i < MAX_STACKS && sts[i]; i++) {
		uint64_t bit = 1ull << (child_slot[i] & 63);

		if (child_slot[i] == ID_NONE)
			continue;
		stack_lock(sts[i]);
		for (uint32_t k = 0; k < upper(sts[i])->n_socks; k++)
			upper_sock(sts[i], k)->procs &= ~bit;
		sts[i]->shm->proc_mask &= ~bit;
		stack_unlock(sts[i]);
	}
	sock_fork_parent();
}

void sock_fork_child(void)
{
	struct stack *const *sts = sock_stacks();

	sock_pool_after_fork();
	filter_after_fork();
	mcast_after_fork();
	proc_open_after_fork();
	for (uint32_t i = 0; i < MAX_STACKS && sts[i]; i++) {
		if (child_slot[i] == ID_NONE) {
			stack_after_fork_child(sts[i], sts[i]->proc_slot);
			continue;
		}
		stack_after_fork_child(sts[i], child_slot[i]);
		/* Without the daemon the keeper does not learn of us; the
		 * sockets work all the same. */
		(void)stack_proc_add(sts[i], child_slot[i]);
	}
}

static void flush(struct stack *st, struct cp_cookie_req *req)
{
	struct cp_rep rep;

	if (!req->h.n)
		return;
	req->h.type = CP_REQ_COOKIE_SET;
	req->h.stack_id = st->id;
	req->h.len = (uint32_t)(offsetof(struct cp_cookie_req, cookie) + req->h.n * sizeof(req->cookie[0]));
	(void)cp_call(st->client, req, req->h.len, NULL, 0, &rep, sizeof(rep), NULL, NULL);
	req->h.n = 0;
}

void sock_exec_prepare(void)
{
	struct stack *const *sts = sock_stacks();
	struct cp_cookie_req req;
	struct sock *s;

	memset(&req, 0, sizeof(req));
	for (uint32_t i = 0; sts[i]; i++) {
		bool any = false;
		uint32_t k = 0;

		if (!sts[i]->client)
			continue;
		while ((s = sock_next_accel(&k))) {
			if (s->st != sts[i] || !sock_alive(s) || !s->shm->cookie)
				continue;
			/* Descriptors closed by exec, or kept by a program without the
			 * library: only the kernel knows the last close. */
			stack_lock(sts[i]);
			s->shm->flags |= SOCK_SF_PASSED;
			upper(s->st)->passed++;
			stack_unlock(sts[i]);
			any = true;
			req.cookie[req.h.n++] = s->shm->cookie;
			if (req.h.n == CP_MAX_BATCH)
				flush(sts[i], &req);
		}
		flush(sts[i], &req);
		if (any)
			sock_await_keeper(sts[i]);
	}
}
