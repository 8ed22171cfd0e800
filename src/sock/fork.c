// SPDX-License-Identifier: BSD-2-Clause
/*
 * fork.c - sockets across fork() and exec()
 *
 * Before fork() the parent reserves a process slot for the child in each stack
 * and enters it in every socket that it holds, so that there is no moment at which
 * a socket that the child inherited could be closed under it.  Process-local
 * mutexes are held across fork(), so that the child finds them in order.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
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

bool sock_fork_is_full(void)
{
	struct stack *const *sts = sock_stacks();

	for (uint32_t i = 0; i < MAX_STACKS && sts[i]; i++)
		if (__builtin_popcountll(sts[i]->shm->proc_mask) + 1 >= STACK_MAX_PROCS)
			return true;
	return false;
}

void sock_fork_prepare(void)
{
	struct stack *const *sts = sock_stacks();

	proc_open_lock();
	sock_pool_lock();
	sock_pool_bound_unknown();
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
		for (uint32_t k = 0; k < ep_top(&sts[i]->net); k++)
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
	inherit_after_fork();
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

/* ---- exec ------------------------------------------------------------------------- */

enum { MAX_INHERITED = 4096 };

struct dirent64_head {
	uint64_t ino, off;
	uint16_t len;
	uint8_t type;
	char name[];
};

/* Cookies of the sockets among our descriptors; their number, or -errno. */
static int inherited(uint64_t cookies[MAX_INHERITED])
{
	_Alignas(8) char buf[2048];
	int dir, n = 0;
	long len;

	dir = (int)sys4(SYS_openat, AT_FDCWD, "/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	if (dir < 0)
		return dir;
	while ((len = sys3(SYS_getdents64, dir, buf, sizeof(buf))) > 0) {
		for (long at = 0; at < len; ) {
			const struct dirent64_head *d = (const void *)(buf + at);
			int fd = 0;

			at += d->len;
			if (d->name[0] < '0' || d->name[0] > '9')
				continue;
			for (const char *c = d->name; *c; c++)
				fd = fd * 10 + (*c - '0');
			cookies[n] = sock_cookie(fd);
			n += cookies[n] != 0;
			if (n == MAX_INHERITED) {
				len = -ENOSPC;
				break;
			}
		}
		if (len < 0)
			break;
	}
	sys_close(dir);
	return len < 0 ? (int)len : n;
}

static bool among(const uint64_t *cookies, int n, uint64_t cookie)
{
	for (int i = 0; i < n; i++)
		if (cookies[i] == cookie)
			return true;
	return false;
}

/* exec closed the last descriptor of it, and nobody was told before. */
static void close_lost(struct stack *st, uint32_t id)
{
	struct filter_list fl = { .n = 0 };
	struct flow local;
	bool lost;

	sock_lock(st);
	lost = upper_sock(st, id)->in_use && !upper_sock(st, id)->procs && !(upper_sock(st, id)->flags & SOCK_SF_PASSED);
	if (lost && upper_sock(st, id)->flags & SOCK_SF_FILTER)
		filter_list_of(&fl, st, ep_get(&st->net, id));
	local = ep_get(&st->net, id)->flow;
	sock_unlock(st);
	if (!lost)
		return;
	if (fl.n && fl.keep_conns)
		(void)filter_keep_conns(st, &local);
	sock_lock(st);
	if (upper_sock(st, id)->in_use && !upper_sock(st, id)->procs)
		sock_slot_close(st, id, upper_sock(st, id)->linger_s == 0);
	sock_unlock(st);
	filter_list_del(st, &fl);
}

void sock_exec_resume(struct stack *st)
{
	uint64_t bit = 1ull << st->proc_slot, *cookies;
	int n;

	cookies = malloc(MAX_INHERITED * sizeof(*cookies));
	n = cookies ? inherited(cookies) : -ENOMEM;
	stack_lock(st);
	/* A set is of one program: the next one knows only the kernel's. */
	for (uint32_t i = 0; i < upper(st)->n_sets; i++) {
		struct epset_shm *set = upper_set(st, i);

		if (!set->in_use || !(set->procs & bit))
			continue;
		set->procs &= ~bit;
		if (!set->procs)
			upper_set_release(st, i);
	}
	stack_unlock(st);
	for (uint32_t i = 0; n >= 0 && i < ep_top(&st->net); i++) {
		struct sock_shm *s = upper_sock(st, i);
		bool drop;

		if (!s->in_use || !(s->procs & bit) || !s->cookie)
			continue;
		stack_lock(st);
		drop = s->in_use && s->procs & bit && s->cookie && !among(cookies, n, s->cookie);
		if (drop)
			s->procs &= ~bit;
		stack_unlock(st);
		if (drop)
			close_lost(st, i);
	}
	free(cookies);
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
