// SPDX-License-Identifier: BSD-2-Clause
/*
 * stack_proc.c - the processes of a stack
 *
 * Each has a slot; a socket's `procs` has a bit for each slot that holds a
 * descriptor of it.  The daemon tells the keeper of each process, and the keeper
 * clears the slot when the process is dead.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
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

static uint32_t hash(uint32_t h, const char *s)
{
	for (; *s; s++)
		h = (h ^ (uint8_t)*s) * 16777619u;
	return h;
}

/* Process ids are used again, start times not, and exec keeps both. */
uint32_t stack_proc_ident(void)
{
	char buf[1024], *p, *end;
	uint32_t h = 2166136261u;
	ssize_t n;
	int fd;

	fd = (int)sys4(SYS_openat, AT_FDCWD, "/proc/self/stat", O_RDONLY | O_CLOEXEC, 0);
	if (fd < 0)
		return 0;
	n = sys_read(fd, buf, sizeof(buf) - 1);
	sys_close(fd);
	buf[n > 0 ? n : 0] = 0;
	p = strrchr(buf, ')');		/* the name before it may hold anything */
	for (int field = 2; p && field < 22; field++)
		p = strchr(p + 1, ' ');
	end = p ? strchr(p + 1, ' ') : NULL;
	if (!end)
		return 0;
	*end = 0;
	h = hash(h, p);
	n = sys4(SYS_readlinkat, AT_FDCWD, "/proc/self/ns/pid", buf, sizeof(buf) - 1);
	if (n <= 0)
		return 0;
	buf[n] = 0;
	return hash(h, buf) | 1;
}

static uint32_t image(void)
{
	const void *random = (const void *)getauxval(AT_RANDOM);
	uint32_t v = 0;

	if (random)
		memcpy(&v, random, sizeof(v));
	return v | 1;
}

/* Its threads are gone, or are ours now: none of them watches the sockets. */
static void depose(struct stack *st, uint32_t pid)
{
	uint32_t leader = atomic_load(&st->shm->leader);

	if (leader && (leader == pid || sys2(SYS_tkill, leader, 0) == -ESRCH) &&
	    atomic_compare_exchange_strong(&st->shm->leader, &leader, 0))
		stack_ring(st, (1u << STACK_N_DOORBELLS) - 1);
}

bool stack_proc_resume(struct stack *st, uint32_t ident, uint32_t *slot)
{
	uint32_t pid = (uint32_t)sys_getpid(), img = image();

	for (uint32_t i = 0; ident && i < STACK_MAX_PROCS; i++) {
		struct stack_proc *p = &st->shm->procs[i];

		if (!(st->shm->proc_mask >> i & 1) || p->pid != pid || p->ident != ident || p->image == img)
			continue;
		stack_forget_sleepers(st, i);
		depose(st, pid);
		p->image = img;
		*slot = i;
		return true;
	}
	return false;
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
	p->ident = stack_proc_ident();
	p->image = image();
	p->pid = st->pid;
	return cp_call(st->client, &req, sizeof(req), NULL, 0, &rep, sizeof(rep), NULL, NULL);
}
