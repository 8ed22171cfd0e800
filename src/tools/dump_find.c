// SPDX-License-Identifier: BSD-2-Clause
/*
 * dump_find.c - the stacks and the accelerated processes of this network namespace
 *
 * Walks /proc/PID/fd for memfds with our names; where a process has closed the
 * descriptor and only maps the memory, /proc/PID/map_files.  Needs the right to
 * look (root, or the same user).  A name proves nothing: before a file is opened
 * its device must be that of memfds, so that a look at a hostile process cannot
 * block in a file system of its making.
 */
#include "tools/dump_find.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "cp/cp_client.h"

#define ARENA_LINK "/memfd:postern-stack"
#define TABLE_LINK "/memfd:" FDTAB_SHM_NAME

enum {
	MAX_ARENAS = 512,
	MAX_HOLDERS = 4096,		/* of one arena */
	MAX_APPS = 1 << 16,
	MAX_TABLE = 1 << 20,		/* descriptors of one process */
	TABLE_READS = 8,
};

struct scan {
	struct found *f;
	dev_t memfd_dev;
	ino_t netns;
	uint32_t pid, nspid;
	char comm[16];
	bool has_lib;
	struct app app;			/* of this process, being gathered */
};

static int grow(void **list, size_t n, size_t size)
{
	void *p;

	/* Room doubles whenever the number is a power of two. */
	if (n & (n - 1))
		return 0;
	p = realloc(*list, (n ? n * 2 : 1) * size);
	if (!p)
		return -ENOMEM;
	*list = p;
	return 0;
}

/* Opens @path for reading if it is a memfd; -errno otherwise. */
static int open_memfd(const struct scan *s, const char *path)
{
	struct statx sx;
	char self[48];
	int at, fd;

	/* O_PATH touches nothing but the name; the rest goes by our descriptor. */
	at = open(path, O_PATH | O_CLOEXEC);
	if (at < 0)
		return -errno;
	if (statx(at, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE, &sx) < 0 ||
	    makedev(sx.stx_dev_major, sx.stx_dev_minor) != s->memfd_dev || !S_ISREG(sx.stx_mode)) {
		close(at);
		return -EPROTO;
	}
	snprintf(self, sizeof(self), "/proc/self/fd/%d", at);
	fd = open(self, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		fd = -errno;
	close(at);
	return fd;
}

static void add_holder(struct scan *s, struct arena *a)
{
	struct holder *h;

	for (size_t i = 0; i < a->n_holders; i++)
		if (a->holders[i].pid == s->pid)
			return;
	if (a->n_holders >= MAX_HOLDERS ||
	    grow((void **)&a->holders, a->n_holders, sizeof(*a->holders)) < 0)
		return;
	h = &a->holders[a->n_holders++];
	*h = (struct holder){ .pid = s->pid, .nspid = s->nspid, .role = HOLDER_OTHER };
	memcpy(h->comm, s->comm, sizeof(h->comm));
}

static void saw_arena(struct scan *s, const char *path)
{
	struct found *f = s->f;
	struct arena *a = NULL;
	struct stat sb;
	int fd;

	fd = open_memfd(s, path);
	if (fd < 0)
		return;
	if (fstat(fd, &sb) < 0)
		goto out;
	for (size_t i = 0; i < f->n_arenas && !a; i++)
		if (f->arenas[i]->ino == sb.st_ino)
			a = f->arenas[i];
	if (a) {
		add_holder(s, a);
		goto out;
	}
	if (f->n_arenas >= MAX_ARENAS || grow((void **)&f->arenas, f->n_arenas, sizeof(*f->arenas)) < 0 ||
	    arena_open(&a, fd) < 0)
		goto out;
	f->arenas[f->n_arenas++] = a;
	add_holder(s, a);
	return;
out:
	close(fd);
}

static int read_at(int fd, void *buf, size_t len, off_t off)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = pread(fd, (char *)buf + done, len - done, off + (off_t)done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return -EIO;
		done += (size_t)n;
	}
	return 0;
}

/* An entry that its owner is not writing: even, and the same twice. */
static int read_entry(int fd, uint32_t i, struct fdtab_shm_fd *e)
{
	off_t off = (off_t)(sizeof(struct fdtab_shm) + (size_t)i * sizeof(*e));
	struct fdtab_shm_fd again;

	for (int k = 0; k < TABLE_READS; k++) {
		if (read_at(fd, e, sizeof(*e), off) < 0 || read_at(fd, &again, sizeof(again), off) < 0)
			break;
		if (!(e->seq & 1) && !memcmp(e, &again, sizeof(again)))
			return 0;
	}
	memset(e, 0, sizeof(*e));
	return -EIO;
}

int find_table(int fd, struct app *app)
{
	struct fdtab_shm_fd *a = NULL, *b = NULL;
	struct fdtab_shm head;
	struct stat sb;
	uint64_t n;

	if (fstat(fd, &sb) < 0)
		return -errno;
	if (read_at(fd, &head, sizeof(head), 0) < 0 || head.magic != FDTAB_SHM_MAGIC ||
	    head.version != FDTAB_SHM_VERSION || head.entry_size != sizeof(struct fdtab_shm_fd))
		return -EPROTO;
	n = min_t(uint64_t, ((uint64_t)sb.st_size - sizeof(head)) / sizeof(*a), head.n_fds);
	n = min_t(uint64_t, n, (uint64_t)head.max_fd + 1);
	n = min_t(uint64_t, n, MAX_TABLE);
	if (n) {
		a = malloc(n * sizeof(*a));
		b = malloc(n * sizeof(*b));
	}
	if (n && (!a || !b)) {
		free(a);
		free(b);
		return -ENOMEM;
	}
	/* Two copies: what differs was being written and is read by itself. */
	if (n && (read_at(fd, a, n * sizeof(*a), sizeof(head)) < 0 ||
		  read_at(fd, b, n * sizeof(*b), sizeof(head)) < 0)) {
		free(a);
		free(b);
		return -EIO;
	}
	for (uint32_t i = 0; i < n; i++)
		if ((a[i].seq & 1) || memcmp(&a[i], &b[i], sizeof(a[i])))
			(void)!read_entry(fd, i, &a[i]);
	free(b);
	app->has_table = true;
	app->inherited = head.pid != app->nspid;
	app->refused = head.refused;
	app->n_fds = (uint32_t)n;
	app->fds = a;
	return 0;
}

/* A process may also hold its parent's: its own is the better one. */
static void saw_table(struct scan *s, const char *path)
{
	struct app t = { .nspid = s->nspid };
	int fd;

	if (s->app.has_table && !s->app.inherited)
		return;
	fd = open_memfd(s, path);
	if (fd < 0)
		return;
	if (find_table(fd, &t) == 0) {
		if (s->app.has_table && t.inherited) {
			free(t.fds);
		} else {
			free(s->app.fds);
			s->app = t;
		}
	}
	close(fd);
}

static void saw_link(struct scan *s, const char *path, const char *to)
{
	if (!strncmp(to, ARENA_LINK, sizeof(ARENA_LINK) - 1))
		saw_arena(s, path);
	else if (!strncmp(to, TABLE_LINK, sizeof(TABLE_LINK) - 1))
		saw_table(s, path);
}

static void scan_fds(struct scan *s)
{
	char path[320], to[128];
	struct dirent *e;
	DIR *d;

	snprintf(path, sizeof(path), "/proc/%u/fd", s->pid);
	d = opendir(path);
	if (!d)
		return;
	while ((e = readdir(d))) {
		ssize_t n;

		if (!isdigit((unsigned char)e->d_name[0]))
			continue;
		snprintf(path, sizeof(path), "/proc/%u/fd/%s", s->pid, e->d_name);
		n = readlink(path, to, sizeof(to) - 1);
		if (n < 0)
			continue;
		to[n] = 0;
		saw_link(s, path, to);
	}
	closedir(d);
}

/* The maps: is our library there, and memory whose descriptor was closed. */
static void scan_maps(struct scan *s)
{
	char path[96], *line = NULL;
	size_t room = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%u/maps", s->pid);
	f = fopen(path, "re");
	if (!f)
		return;
	while (getline(&line, &room, f) > 0) {
		unsigned long long from, to;
		const char *name = strchr(line, '/');

		if (!name || sscanf(line, "%llx-%llx", &from, &to) != 2)
			continue;
		if (strstr(name, "/libonload.so"))
			s->has_lib = true;
		if (strncmp(name, "/memfd:postern-", 15))
			continue;
		snprintf(path, sizeof(path), "/proc/%u/map_files/%llx-%llx", s->pid, from, to);
		saw_link(s, path, name);
	}
	free(line);
	fclose(f);
}

/* Name, and the number by which the process knows itself. */
static bool read_status(struct scan *s)
{
	char path[64], line[256];
	bool seen = false;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%u/status", s->pid);
	f = fopen(path, "re");
	if (!f)
		return false;
	s->nspid = s->pid;
	s->comm[0] = 0;
	while (fgets(line, sizeof(line), f)) {
		if (!strncmp(line, "Name:\t", 6)) {
			line[strcspn(line, "\n")] = 0;
			snprintf(s->comm, sizeof(s->comm), "%.15s", line + 6);
			seen = true;
		} else if (!strncmp(line, "NSpid:", 6)) {
			char *last = strrchr(line, '\t');

			if (last)
				s->nspid = (uint32_t)strtoul(last + 1, NULL, 10);
		}
	}
	fclose(f);
	return seen;
}

static void scan_proc(struct scan *s, uint32_t pid)
{
	struct stat sb;
	char path[64];

	s->pid = pid;
	s->has_lib = false;
	s->app = (struct app){ 0 };
	snprintf(path, sizeof(path), "/proc/%u/ns/net", pid);
	if (stat(path, &sb) < 0 || sb.st_ino != s->netns || !read_status(s))
		return;
	scan_fds(s);
	scan_maps(s);
	if ((!s->has_lib && !s->app.has_table) || s->f->n_apps >= MAX_APPS ||
	    grow((void **)&s->f->apps, s->f->n_apps, sizeof(*s->f->apps)) < 0) {
		free(s->app.fds);
		return;
	}
	s->app.pid = pid;
	s->app.nspid = s->nspid;
	memcpy(s->app.comm, s->comm, sizeof(s->comm));
	s->f->apps[s->f->n_apps++] = s->app;
}

static int scan_all(struct scan *s)
{
	uint32_t self = (uint32_t)getpid();
	struct dirent *e;
	DIR *d;

	d = opendir("/proc");
	if (!d)
		return -errno;
	while ((e = readdir(d))) {
		unsigned long pid = strtoul(e->d_name, NULL, 10);

		if (pid && pid != self)
			scan_proc(s, (uint32_t)pid);
	}
	closedir(d);
	return 0;
}

/* What the daemon says of a stack; arenas that it does not know stay unlisted. */
static void mark(struct found *f, const struct cp_stack_info *si)
{
	bool seen = false;

	for (size_t i = 0; i < f->n_arenas; i++) {
		struct arena *a = f->arenas[i];

		/* Whoever writes a stack can write another's number into it: the
		 * right one is that which the keeper holds.  Only root sees keepers,
		 * and only root sees arenas of others. */
		if (a->st->id != si->stack_id || a->listed)
			continue;
		a->listed = geteuid() != 0 || !si->keeper_pid;
		for (size_t k = 0; k < a->n_holders && !a->listed; k++)
			a->listed = a->holders[k].pid == si->keeper_pid;
		if (!a->listed)
			continue;
		a->keeper_pid = si->keeper_pid;
		a->st->uid = si->uid;
		memcpy(a->st->name, si->name, sizeof(a->st->name));
		seen = true;
	}
	if (!seen)
		f->daemon_more = true;
}

static void ask_daemon(struct found *f)
{
	struct cp_req req = { .type = CP_REQ_LIST, .len = sizeof(req) };
	struct cp_list_rep *rep;
	struct cp_client *c;
	char why[96];

	if (cp_client_open(&c, NULL, why) < 0)
		return;
	f->daemon = true;
	rep = calloc(1, sizeof(*rep));
	/* Bounded: a daemon has not more than this many batches of stacks. */
	for (int batch = 0; rep && batch < 64; batch++) {
		uint32_t n;

		if (cp_call(c, &req, sizeof(req), NULL, 0, rep, sizeof(*rep), NULL, NULL) < 0)
			break;
		n = min_t(uint32_t, rep->h.n, CP_MAX_BATCH);
		for (uint32_t i = 0; i < n; i++)
			mark(f, &rep->s[i]);
		if (n < CP_MAX_BATCH)
			break;
		req.n += n;
	}
	free(rep);
	cp_client_close(c);
}

static void set_roles(struct arena *a)
{
	for (size_t i = 0; i < a->n_holders; i++) {
		struct holder *h = &a->holders[i];

		if (h->pid == a->keeper_pid || !strcmp(h->comm, "postern-keeper"))
			h->role = HOLDER_KEEPER;
		else if (!strcmp(h->comm, "posternd"))
			h->role = HOLDER_DAEMON;
		else if (!strcmp(h->comm, "postern-hold"))
			h->role = HOLDER_FDS;
		else if (arena_proc_slot(a, h->nspid) >= 0)
			h->role = HOLDER_APP;
	}
}

static int by_id(const void *a, const void *b)
{
	const struct arena *x = *(struct arena *const *)a, *y = *(struct arena *const *)b;

	return x->st->id < y->st->id ? -1 : x->st->id > y->st->id;
}

static int by_pid(const void *a, const void *b)
{
	uint32_t x = ((const struct app *)a)->pid, y = ((const struct app *)b)->pid;

	return x < y ? -1 : x > y;
}

int find_all(struct found *f)
{
	struct scan s = { .f = f };
	struct stat sb;
	int fd, rc;

	memset(f, 0, sizeof(*f));
	if (stat("/proc/self/ns/net", &sb) < 0)
		return -errno;
	s.netns = sb.st_ino;
	fd = memfd_create("postern-tool", MFD_CLOEXEC);
	if (fd < 0)
		return -errno;
	rc = fstat(fd, &sb) < 0 ? -errno : 0;
	close(fd);
	if (rc < 0)
		return rc;
	s.memfd_dev = sb.st_dev;
	rc = scan_all(&s);
	if (rc < 0)
		return rc;
	ask_daemon(f);
	for (size_t i = 0; i < f->n_arenas; i++)
		set_roles(f->arenas[i]);
	if (f->n_arenas)
		qsort(f->arenas, f->n_arenas, sizeof(*f->arenas), by_id);
	if (f->n_apps)
		qsort(f->apps, f->n_apps, sizeof(*f->apps), by_pid);
	return 0;
}

void find_free(struct found *f)
{
	for (size_t i = 0; i < f->n_arenas; i++)
		arena_close(f->arenas[i]);
	for (size_t i = 0; i < f->n_apps; i++)
		free(f->apps[i].fds);
	free(f->arenas);
	free(f->apps);
	memset(f, 0, sizeof(*f));
}

struct arena *find_arena(const struct found *f, uint32_t id)
{
	struct arena *other = NULL;

	for (size_t i = 0; i < f->n_arenas; i++) {
		if (f->arenas[i]->st->id != id)
			continue;
		if (f->arenas[i]->listed)
			return f->arenas[i];
		other = f->arenas[i];
	}
	return other;
}
