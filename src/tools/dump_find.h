/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * dump_find.h - the stacks and the accelerated processes of this network namespace
 *
 * Arenas and descriptor tables are memory that processes hold: they are found
 * through /proc, whether the daemon is there or not.  The daemon is asked, when
 * one runs, which of them it knows; none is ever started.
 */
#ifndef POSTERN_TOOLS_DUMP_FIND_H
#define POSTERN_TOOLS_DUMP_FIND_H

#include "preload/fdtab_shm.h"
#include "tools/dump_arena.h"

/* A process with the library in it. */
struct app {
	uint32_t pid, nspid;
	char comm[16];
	bool has_table;
	bool inherited;			/* the table is its parent's, from before fork() */
	uint32_t refused;		/* FDTAB_REFUSED_* */
	uint32_t n_fds;
	struct fdtab_shm_fd *fds;	/* by descriptor number; copies */
};

struct found {
	struct arena **arenas;		/* by id */
	size_t n_arenas;
	struct app *apps;		/* by pid */
	size_t n_apps;
	bool daemon;			/* one answered */
	bool daemon_more;		/* it knows stacks that cannot be seen from here */
};

/* Looks everywhere.  0 or -errno; processes that may not be looked at are skipped. */
int __must_check find_all(struct found *f);
void find_free(struct found *f);

struct arena *find_arena(const struct found *f, uint32_t id);

/* Descriptor table behind @fd (borrowed): 0, -EPROTO, or -errno. */
int __must_check find_table(int fd, struct app *app);

#endif
