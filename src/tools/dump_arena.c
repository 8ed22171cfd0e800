// SPDX-License-Identifier: BSD-2-Clause
/*
 * dump_arena.c - reading a stack's arena from outside, whatever is in it
 *
 * See the header.  The sizes that bound every access are the kernel's word about
 * the memory (fstat), taken once, and our own copies of the heads.
 */
#include "tools/dump_arena.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	WINDOW = 256,			/* slots read at once */
	MAX_EPS = 1 << 21,		/* what stack_open() takes */
	NET_OFF_ALIGN = 4096,
};

int arena_read(const struct arena *a, uint64_t off, void *buf, size_t len)
{
	size_t done = 0;

	if (off > a->size || len > a->size - off)
		return -ERANGE;
	while (done < len) {
		ssize_t n = pread(a->fd, (char *)buf + done, len - done, (off_t)(off + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return -EIO;
		done += (size_t)n;
	}
	return 0;
}

/* How many things of @size there is room for at @off, at most @n. */
static uint32_t fit(const struct arena *a, uint64_t off, uint32_t n, size_t size)
{
	uint64_t room;

	if (off > a->size)
		return 0;
	room = (a->size - off) / size;
	return (uint32_t)min_t(uint64_t, n, room);
}

static void open_net(struct arena *a)
{
	uint64_t off = a->st->net_off;

	a->net = malloc(sizeof(*a->net));
	if (!a->net || arena_read(a, off, a->net, sizeof(*a->net)) < 0) {
		free(a->net);
		a->net = NULL;
		snprintf(a->problem, sizeof(a->problem), "the engine's part lies outside the memory");
		return;
	}
	a->eps_off = a->net->eps_off;
	a->n_eps = fit(a, a->eps_off, min_t(uint32_t, a->net->n_eps, MAX_EPS), EP_SLOT_SIZE);
	a->top = min_t(uint32_t, a->n_eps, a->net->ep_fresh);
	if (a->n_eps != a->st->n_eps || a->net->n_eps != a->st->n_eps)
		snprintf(a->problem, sizeof(a->problem), "endpoints do not fit: %u named, %u readable",
			 a->st->n_eps, a->n_eps);
}

static void open_upper(struct arena *a)
{
	uint64_t off = a->st->upper_off;

	if (arena_read(a, off, &a->upper, sizeof(a->upper)) < 0 ||
	    __builtin_add_overflow(off, a->upper.socks_off, &a->socks_off))
		return;
	/* The upper part is the sockets' only where it has one for each endpoint. */
	if (a->upper.n_socks == a->st->n_eps)
		a->n_socks = fit(a, a->socks_off, min_t(uint32_t, a->upper.n_socks, MAX_EPS),
				 sizeof(struct sock_shm));
}

int arena_open(struct arena **out, int fd)
{
	struct arena *a = calloc(1, sizeof(*a));
	struct stat sb;
	int rc = -ENOMEM;

	if (!a)
		return -ENOMEM;
	a->fd = fd;
	a->st = malloc(sizeof(*a->st));
	a->win = malloc((size_t)WINDOW * EP_SLOT_SIZE);
	a->sock_win = malloc(WINDOW * sizeof(struct sock_shm));
	if (!a->st || !a->win || !a->sock_win)
		goto out_free;
	if (fstat(fd, &sb) < 0 || !S_ISREG(sb.st_mode) || sb.st_size < 0) {
		rc = -EPROTO;
		goto out_free;
	}
	a->size = (uint64_t)sb.st_size;
	a->ino = sb.st_ino;
	rc = arena_read(a, 0, a->st, sizeof(*a->st));
	if (rc < 0) {
		rc = -EPROTO;
		goto out_free;
	}
	if (a->st->magic != STACK_MAGIC) {
		rc = a->st->magic ? -EPROTO : -EAGAIN;
		goto out_free;
	}
	if (a->st->layout != STACK_LAYOUT ||
	    a->st->net_off != ROUND_UP(sizeof(struct stack_shm), (uint64_t)NET_OFF_ALIGN)) {
		snprintf(a->problem, sizeof(a->problem), "made by another version of Postern");
	} else {
		open_net(a);
		open_upper(a);
	}
	*out = a;
	return 0;

out_free:
	a->fd = -1;
	arena_close(a);
	return rc;
}

void arena_close(struct arena *a)
{
	if (!a)
		return;
	if (a->fd >= 0)
		close(a->fd);
	free(a->st);
	free(a->net);
	free(a->win);
	free(a->sock_win);
	free(a->holders);
	free(a);
}

/* Fills the window that has @id; a walk upwards then reads ahead. */
static int window(const struct arena *a, uint32_t id, uint32_t n, uint64_t off, size_t size,
		  uint8_t *win, uint32_t *first, uint32_t *have)
{
	int rc;

	if (*have && id >= *first && id - *first < *have)
		return 0;
	*have = 0;
	*first = id;
	rc = arena_read(a, off + (uint64_t)id * size, win, min_t(uint32_t, n - id, WINDOW) * size);
	if (rc < 0)
		return rc;
	*have = min_t(uint32_t, n - id, WINDOW);
	return 0;
}

int arena_sock(struct arena *a, uint32_t id, struct sock_view *v)
{
	int rc;

	if (id >= a->n_eps)
		return -ERANGE;
	rc = window(a, id, a->n_eps, a->eps_off, EP_SLOT_SIZE, a->win, &a->win_first, &a->win_n);
	if (rc < 0)
		return rc;
	memcpy(v->slot, a->win + (size_t)(id - a->win_first) * EP_SLOT_SIZE, EP_SLOT_SIZE);
	v->id = id;
	v->has_sock = false;
	memset(&v->sk, 0, sizeof(v->sk));
	if (v->ep.kind == EP_FREE)
		return -ENOENT;
	if (id >= a->n_socks ||
	    window(a, id, a->n_socks, a->socks_off, sizeof(v->sk), a->sock_win, &a->sock_first,
		   &a->sock_n) < 0)
		return 0;
	memcpy(&v->sk, a->sock_win + (id - a->sock_first) * sizeof(v->sk), sizeof(v->sk));
	v->has_sock = v->sk.in_use;
	return 0;
}

bool arena_proc(const struct arena *a, uint32_t slot, struct stack_proc *out)
{
	if (slot >= STACK_MAX_PROCS || !(a->st->proc_mask >> slot & 1) || !a->st->procs[slot].pid)
		return false;
	*out = a->st->procs[slot];
	return true;
}

int arena_proc_slot(const struct arena *a, uint32_t nspid)
{
	struct stack_proc p;

	for (uint32_t i = 0; i < STACK_MAX_PROCS; i++)
		if (arena_proc(a, i, &p) && p.pid == nspid)
			return (int)i;
	return -1;
}
