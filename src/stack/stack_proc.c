// SPDX-License-Identifier: BSD-2-Clause
/*
 * stack_proc.c - the processes of a stack
 *
 * Each has a slot; a socket's `procs` has a bit for each slot that holds a
 * descriptor of it.  The daemon tells the keeper of each process, and the keeper
 * clears the slot when the process is dead.
 */
#include <errno.h>
#include <string.h>
#include <sys/prctl.h>

#include "base/clock.h"
#include "base/sys.h"
#include "stack/stack.h"

int stack_proc_reserve(struct stack *st, uint32_t *slot)
{
	uint64_t used = st->shm->proc_mask;

	if (~used == 0)
		return -EMFILE;
	*slot = (uint32_t)__builtin_ctzll(~used);
	st->shm->proc_mask = used | 1ull << *slot;
	memset(&st->shm->procs[*slot], 0, sizeof(st->shm->procs[0]));
	return 0;
}

int stack_proc_add(struct stack *st, uint32_t slot)
{
	struct cp_proc_req req = {
		.h = { .type = CP_REQ_PROC_ADD, .len = sizeof(req), .stack_id = st->id },
		.slot = slot,
	};
	struct stack_proc *p = &st->shm->procs[slot];
	struct cp_rep rep;

	st->proc_slot = slot;
	st->pid = (uint32_t)sys_getpid();
	p->started = clock_real_ns() / NSEC_PER_SEC;
	prctl(PR_GET_NAME, p->comm);
	p->pid = st->pid;
	return cp_call(st->client, &req, sizeof(req), NULL, 0, &rep, sizeof(rep), NULL, NULL);
}
