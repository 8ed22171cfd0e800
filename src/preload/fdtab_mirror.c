// SPDX-License-Identifier: BSD-2-Clause
/*
 * fdtab_mirror.c - the copy of the table that the tools read, see fdtab_shm.h
 *
 * Made when the first Internet socket is, so that programs without any open no
 * descriptor.  Everything here runs under fdtab_lock().  Without memory or a
 * descriptor for it there is no copy, and nothing else changes.
 */
#include <fcntl.h>
#include <linux/memfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "base/sys.h"
#include "preload/fdtab.h"
#include "stack/stack.h"

static struct fdtab_shm *mirror;
static size_t mirror_size;
static int mirror_fd = -1;
static bool failed, inherited;

static uint32_t n_fds(void)
{
	struct rlimit lim = { 1024, 1024 };
	int want = sock_opts()->fdtable_size;

	sys4(SYS_prlimit64, 0, RLIMIT_NOFILE, NULL, &lim);
	if (want <= 0)
		want = (int)min_t(uint64_t, lim.rlim_max, FDTAB_SIZE);
	return (uint32_t)min_t(uint64_t, max_t(uint64_t, (uint64_t)want, 64), FDTAB_SIZE);
}

static struct fdtab_shm_fd *entry(int fd)
{
	if (!mirror || (uint32_t)fd >= mirror->n_fds)
		return NULL;
	return (struct fdtab_shm_fd *)(mirror + 1) + fd;
}

static void create(void)
{
	uint32_t n = n_fds();
	size_t size = sizeof(*mirror) + (size_t)n * sizeof(struct fdtab_shm_fd);
	struct fdtab_shm *m;
	long map;
	int fd;

	fd = sys_fd_high((int)sys2(SYS_memfd_create, FDTAB_SHM_NAME, MFD_CLOEXEC));
	if (fd < 0) {
		failed = true;
		return;
	}
	map = sys2(SYS_ftruncate, fd, size);
	if (map >= 0)
		map = sys6_(SYS_mmap, NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (map < 0 && map > -4096) {
		sys_close(fd);
		failed = true;
		return;
	}
	m = (struct fdtab_shm *)map;
	m->version = FDTAB_SHM_VERSION;
	m->pid = (uint32_t)sys_getpid();
	sys5(SYS_prctl, PR_GET_NAME, m->comm, 0, 0, 0);
	m->n_fds = n;
	m->entry_size = sizeof(struct fdtab_shm_fd);
	/* Last (release): a tool that sees the magic sees the rest. */
	__atomic_store_n(&m->magic, FDTAB_SHM_MAGIC, __ATOMIC_RELEASE);
	mirror = m;
	mirror_size = size;
	mirror_fd = fd;
}

static void write_entry(int fd, const struct fdtab_shm_fd *new)
{
	struct fdtab_shm_fd *e = entry(fd);
	uint16_t seq;

	if (!e)
		return;
	seq = atomic_load_explicit(&e->seq, memory_order_relaxed);
	atomic_store_explicit(&e->seq, (uint16_t)(seq | 1), memory_order_relaxed);
	atomic_thread_fence(memory_order_release);
	e->kind = new->kind;
	e->mode = new->mode;
	e->family = new->family;
	e->type = new->type;
	e->reason = new->reason;
	e->stack_id = new->stack_id;
	e->ep_id = new->ep_id;
	e->cookie = new->cookie;
	/* Release: a reader that sees the even number sees the entry. */
	atomic_store_explicit(&e->seq, (uint16_t)((seq | 1) + 1), memory_order_release);
	if (new->kind && (uint32_t)fd > atomic_load_explicit(&mirror->max_fd, memory_order_relaxed))
		atomic_store_explicit(&mirror->max_fd, (uint32_t)fd, memory_order_relaxed);
}

static void describe(struct fdtab_shm_fd *e, uintptr_t word)
{
	struct sock *s = word_sock(word);

	if (s) {
		e->kind = FDTAB_SOCK;
		e->mode = s->mode;
		e->family = (uint8_t)s->family;
		e->type = s->type;
		e->reason = s->reason;
		e->cookie = s->cookie;
		if (s->mode == SOCK_ACCEL && s->st) {
			e->stack_id = s->st->id;
			e->ep_id = s->id;
		}
	} else if (word_epoll(word)) {
		e->kind = FDTAB_EPOLL;
	}
}

/* In a child of fork() the mapping is still the parent's: leave it alone and
 * begin anew.  Sockets of the kernel that have no object are forgotten. */
static void begin_again(void)
{
	if (mirror_fd >= 0) {
		sys_close(mirror_fd);
		sys2(SYS_munmap, mirror, mirror_size);
	}
	mirror = NULL;
	mirror_fd = -1;
	inherited = false;
	create();
	for (int fd = 0; mirror && fd <= fdtab_max(); fd++) {
		uintptr_t word = fdtab_word(fd);

		if (word_sock(word) || word_epoll(word)) {
			struct fdtab_shm_fd e = { 0 };

			describe(&e, word);
			write_entry(fd, &e);
		}
	}
}

static bool ready(bool wanted)
{
	if (inherited)
		begin_again();
	if (!mirror && wanted && !failed)
		create();
	return mirror;
}

void mirror_update(int fd, uintptr_t word)
{
	struct fdtab_shm_fd e = { 0 };

	if (!ready(word_sock(word)))
		return;
	describe(&e, word);
	if (e.kind || (entry(fd) && entry(fd)->kind))
		write_entry(fd, &e);
}

void mirror_kernel(int fd, int family, int type, enum sock_reason reason)
{
	struct fdtab_shm_fd e = {
		.kind = FDTAB_KERNEL,
		.mode = SOCK_KERNEL,
		.family = (uint8_t)family,
		.type = (uint8_t)type,
		.reason = (uint16_t)reason,
	};

	if (ready(true))
		write_entry(fd, &e);
}

void mirror_after_fork(void)
{
	inherited = mirror != NULL;
}

void mirror_refused(uint32_t bit)
{
	fdtab_lock();
	if (ready(true))
		atomic_fetch_or_explicit(&mirror->refused, bit, memory_order_relaxed);
	fdtab_unlock();
}
