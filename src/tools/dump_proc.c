// SPDX-License-Identifier: BSD-2-Clause
/*
 * dump_proc.c - the processes of a stack: names, threads, EF_ variables
 *
 * From /proc.  The environment is that which the process was started with: later
 * changes by setenv() do not show, and do not count either.
 */
#include "tools/dump.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/opt.h"

enum { MAX_FILE = 256 << 10, MAX_ENV = 1024 };

/* A file of /proc/PID with its bytes 0 as they are, and one more behind. */
static char *slurp(uint32_t pid, const char *name, size_t *len)
{
	char path[64], *buf = malloc(MAX_FILE + 1);
	size_t n = 0;
	ssize_t r;
	int fd;

	snprintf(path, sizeof(path), "/proc/%u/%s", pid, name);
	fd = buf ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	if (fd < 0) {
		free(buf);
		return NULL;
	}
	while (n < MAX_FILE && (r = read(fd, buf + n, MAX_FILE - n)) > 0)
		n += (size_t)r;
	close(fd);
	buf[n] = 0;
	*len = n;
	return buf;
}

static void cmdline(uint32_t pid, char *out, size_t room)
{
	size_t len = 0;
	char *s = slurp(pid, "cmdline", &len);

	for (size_t i = 0; s && i + 1 < len; i++)
		if (!s[i])
			s[i] = ' ';
	out_clean(out, room, s ? s : "", room);
	free(s);
}

static const char *const roles[] = {
	[HOLDER_APP] = "app", [HOLDER_KEEPER] = "keeper", [HOLDER_DAEMON] = "daemon",
	[HOLDER_FDS] = "holder", [HOLDER_OTHER] = "other",
};

void dump_processes(struct out *o, const struct arena *a)
{
	out_list(o, "processes");
	for (size_t i = 0; i < a->n_holders; i++) {
		const struct holder *h = &a->holders[i];
		char cmd[512];

		cmdline(h->pid, cmd, sizeof(cmd));
		out_line(o, "%-8u %-8u %-6s %s", h->pid, a->st->id, roles[h->role], *cmd ? cmd : h->comm);
		out_enter(o, "processes");
		out_set_u(o, "pid", h->pid);
		out_set_u(o, "stack", a->st->id);
		out_set_s(o, "role", roles[h->role]);
		out_set_s(o, "name", h->comm);
		out_set_s(o, "cmdline", cmd);
		out_leave(o);
	}
}

static bool is_sleeper(const struct arena *a, uint32_t tid)
{
	for (size_t i = 0; i < STACK_N_DOORBELLS; i++)
		if (atomic_load(&a->st->sleepers[i]) == tid)
			return true;
	return false;
}

/* Value of one line of a status file. */
static bool status_line(const char *text, const char *key, char *out, size_t room)
{
	const char *p = strstr(text, key);
	const char *end = p ? strchr(p, '\n') : NULL;

	if (!p || !end)
		return false;
	p += strlen(key);
	while (*p == '\t' || *p == ' ')
		p++;
	out_clean(out, room, p, end > p ? (size_t)(end - p) : 0);
	return true;
}

static void dump_thread(struct out *o, const struct arena *a, uint32_t pid, uint32_t tid)
{
	char name[64], comm[32] = "?", state[16] = "?", cpus[64] = "?", ns[64] = "", *last;
	uint32_t nstid = tid, lock = atomic_load(&a->st->lock) & 0x7fffffffu;
	const char *role;
	size_t len;
	char *s;

	snprintf(name, sizeof(name), "task/%u/status", tid);
	s = slurp(pid, name, &len);
	if (!s)
		return;
	status_line(s, "Name:", comm, 16);
	status_line(s, "State:", state, 2);
	status_line(s, "Cpus_allowed_list:", cpus, sizeof(cpus));
	if (status_line(s, "NSpid:", ns, sizeof(ns))) {
		/* The last number is the thread's own view; tabs were made '?'. */
		last = strrchr(ns, '?');
		nstid = (uint32_t)strtoul(last ? last + 1 : ns, NULL, 10);
	}
	free(s);
	role = nstid == lock ? "holds the lock" :
	       nstid == atomic_load(&a->st->leader) ? "sleeps, leader" :
	       is_sleeper(a, nstid) ? "sleeps" : "";
	out_line(o, "%-8u %-8u %-16s %-2s cpus=%s %s", pid, tid, comm, state, cpus, role);
	out_enter(o, "threads");
	out_set_u(o, "pid", pid);
	out_set_u(o, "tid", tid);
	out_set_s(o, "name", comm);
	out_set_s(o, "state", state);
	out_set_s(o, "cpus", cpus);
	out_set_s(o, "role", role);
	out_leave(o);
}

void dump_threads(struct out *o, const struct arena *a)
{
	out_list(o, "threads");
	for (size_t i = 0; i < a->n_holders; i++) {
		char path[64];
		struct dirent *e;
		DIR *d;

		if (a->holders[i].role != HOLDER_APP)
			continue;
		snprintf(path, sizeof(path), "/proc/%u/task", a->holders[i].pid);
		d = opendir(path);
		while (d && (e = readdir(d)))
			if (isdigit((unsigned char)e->d_name[0]))
				dump_thread(o, a, a->holders[i].pid, (uint32_t)strtoul(e->d_name, NULL, 10));
		if (d)
			closedir(d);
	}
}

/* Start of each variable in @text; NULL-terminated. */
static void split(char *text, size_t len, char *env[MAX_ENV + 1])
{
	size_t n = 0;

	for (size_t i = 0; i < len && n < MAX_ENV; i += strlen(text + i) + 1)
		if (!strncmp(text + i, "EF_", 3))
			env[n++] = text + i;
	env[n] = NULL;
}

static void show_env(struct out *o, char **env)
{
	out_list(o, "env");
	if (!*env)
		out_line(o, "  no EF_ variable");
	for (; *env; env++) {
		char clean[1024];

		out_line(o, "  %s", out_clean(clean, sizeof(clean), *env, sizeof(clean)));
		out_enter(o, "env");
		out_set_s(o, "var", *env);
		out_leave(o);
	}
}

static void show_opts(struct out *o, char **env)
{
	struct opts *opts = malloc(sizeof(*opts));

	if (!opts)
		return;
	opts_parse(opts, env, NULL, NULL);
	for (int i = 0; i < OPT_COUNT; i++) {
		const struct opt_desc *d = &opt_table[i];
		char val[512], def[512], cv[512];

		opt_format(opts, d, val, sizeof(val));
		opt_format_default(d, def, sizeof(def));
		out_clean(cv, sizeof(cv), val, sizeof(val));
		if (opt_is_set(opts, (enum opt_id)i))
			out_line(o, "  %s: %s (default: %s)%s", d->name, cv, def,
				 d->works ? "" : " [no effect]");
		else if (d->works)
			out_line(o, "  %s: %s", d->name, cv);
		else
			continue;
		out_enter(o, "opts");
		out_set_s(o, "name", d->name);
		out_set_s(o, "value", cv);
		out_set_s(o, "default", def);
		out_set_b(o, "set", opt_is_set(opts, (enum opt_id)i));
		out_set_b(o, "works", d->works);
		out_leave(o);
	}
	free(opts);
}

static void each_env(struct out *o, const struct arena *a, void (*show)(struct out *, char **))
{
	char **env = malloc((MAX_ENV + 1) * sizeof(*env));

	out_list(o, "process_env");
	for (size_t i = 0; env && i < a->n_holders; i++) {
		const struct holder *h = &a->holders[i];
		size_t len = 0;
		char *text;

		if (h->role != HOLDER_APP)
			continue;
		text = slurp(h->pid, "environ", &len);
		out_line(o, "pid=%u stack=%u %s%s", h->pid, a->st->id, h->comm,
			 text ? "" : ": environment cannot be read");
		out_enter(o, "process_env");
		out_set_u(o, "pid", h->pid);
		if (text) {
			split(text, len, env);
			show(o, env);
		}
		out_leave(o);
		free(text);
	}
	free(env);
}

void dump_env(struct out *o, const struct arena *a)
{
	each_env(o, a, show_env);
}

void dump_opts(struct out *o, const struct arena *a)
{
	each_env(o, a, show_opts);
}
