// SPDX-License-Identifier: BSD-2-Clause
/*
 * cmd_stackdump.c - onload_stackdump: what stacks and sockets do, seen from outside
 *
 * Words of the command line are commands, stacks (number or name) or sockets
 * (STACK:SOCK).  Never takes a stack's lock and writes nothing: safe on a machine
 * in production, also on a stack whose process is stopped or has gone mad.
 */
#include "tools/cmd_stackdump.h"

#include <ctype.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "tools/cmd.h"

enum { MAX_WORDS = 64 };

enum {
	P_LIST     = 1u << 0,
	P_STACKS   = 1u << 1,
	P_NETIF    = 1u << 2,
	P_VIS      = 1u << 3,
	P_SOCKS    = 1u << 4,
	P_NETSTAT  = 1u << 5,
	P_STATS    = 1u << 6,
	P_MORE     = 1u << 7,
	P_OPTS     = 1u << 8,
	P_ENV      = 1u << 9,
	P_PROCS    = 1u << 10,
	P_THREADS  = 1u << 11,
	P_FILTERS  = 1u << 12,
	P_WHY      = 1u << 13,
	P_DESCRIBE = 1u << 14,
	P_DOC      = 1u << 15,
	/* what needs no stack */
	P_FREE     = P_DESCRIBE | P_DOC | P_WHY,
	/* what is printed stack by stack */
	P_EACH     = P_NETIF | P_VIS | P_SOCKS | P_NETSTAT | P_STATS | P_MORE | P_OPTS | P_ENV | P_PROCS |
		     P_THREADS | P_FILTERS,
};

static const struct command {
	const char *name;
	uint32_t parts;
	const char *help;
} commands[] = {
	{ "list", P_LIST, "stacks: number, name, processes (as without a command)" },
	{ "stacks", P_STACKS, "the same with owner, sockets, frames, state" },
	{ "lots", P_NETIF | P_VIS | P_SOCKS | P_STATS | P_MORE | P_OPTS | P_ENV | P_PROCS,
	  "everything: what a report of a problem should hold" },
	{ "all", P_NETIF | P_VIS | P_SOCKS, NULL },
	{ "dump", P_NETIF | P_VIS | P_SOCKS, "the stack and all its sockets" },
	{ "netstat", P_NETSTAT, "one line for each socket" },
	{ "netif", P_NETIF | P_VIS, "memory, lock and interfaces of the stack" },
	{ "netif_extra", P_NETIF | P_VIS, NULL },
	{ "vi_info", P_VIS, "interfaces: rings, frames, losses in the kernel" },
	{ "vi_stats", P_VIS, NULL },
	{ "stats", P_STATS, "counters" },
	{ "more_stats", P_MORE, "state of sockets and memory in figures" },
	{ "describe_stats", P_DESCRIBE, "what each counter means" },
	{ "opts", P_OPTS, "options in effect, for each process" },
	{ "env", P_ENV, "EF_ variables of each process" },
	{ "processes", P_PROCS, "processes that have the stack: number, stack, role, command" },
	{ "threads", P_THREADS, "their threads, and who sleeps or holds the lock" },
	{ "filters", P_FILTERS, "which packets the network card's filter gives to which socket" },
	{ "why", P_WHY, "each socket of each process, or of one (why PID): accelerated, or why not" },
	{ "doc", P_DOC, "what each field, counter and reason means" },
};

struct word {			/* a stack, and a socket of it */
	const char *text;
	bool has_sock;
	uint32_t sock;		/* ID_NONE: all */
};

struct job {
	struct word words[MAX_WORDS];
	size_t n_words;
	uint32_t parts;
	uint32_t why_pid;
	bool json, nopids, zombie, help;
};

static void usage(FILE *f)
{
	fprintf(f, "usage: onload_stackdump [OPTIONS] [STACK...] [COMMAND...]\n"
		   "       onload_stackdump [OPTIONS] STACK:SOCK|STACK:*|*:* [COMMAND...]\n\n"
		   "STACK is a number or a name. Commands:\n");
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		if (commands[i].help)
			fprintf(f, "  %-15s %s\n", commands[i].name, commands[i].help);
	fprintf(f, "\nOptions:\n"
		   "  -j, --json      the same as JSON\n"
		   "  -d, --dump      dump all stacks\n"
		   "  -z, --zombie    only stacks that no process has any more\n"
		   "      --nopids    leave out the processes in lists\n"
		   "  -n, --nolock    do not take the lock of the stack (it never is taken)\n"
		   "  -h, --help      this\n");
}

static const struct command *command(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		if (!strcmp(commands[i].name, name))
			return &commands[i];
	return NULL;
}

static bool number(const char *s, uint32_t *out)
{
	unsigned long long v;
	char *end;

	if (!isdigit((unsigned char)s[0]))
		return false;
	v = strtoull(s, &end, 10);
	if (*end || v >= ID_NONE)
		return false;
	*out = (uint32_t)v;
	return true;
}

/* "STACK", "STACK:SOCK", "STACK:*"; cuts @s at the colon. */
static int word(struct job *j, char *s)
{
	char *colon = strrchr(s, ':');
	struct word *w = &j->words[j->n_words];

	if (j->n_words == MAX_WORDS) {
		fprintf(stderr, "onload_stackdump: too many arguments\n");
		return -1;
	}
	*w = (struct word){ .text = s, .sock = ID_NONE };
	if (colon) {
		if (strcmp(colon + 1, "*") && !number(colon + 1, &w->sock)) {
			fprintf(stderr, "onload_stackdump: '%s': a socket is STACK:NUMBER or STACK:*\n", s);
			return -1;
		}
		w->has_sock = true;
		*colon = 0;
	}
	j->n_words++;
	return 0;
}

static int parse(struct job *j, int argc, char **argv)
{
	enum { OPT_NOPIDS = 256 };
	static const struct option opts[] = {
		{ "help", no_argument, NULL, 'h' },
		{ "json", no_argument, NULL, 'j' },
		{ "dump", no_argument, NULL, 'd' },
		{ "zombie", no_argument, NULL, 'z' },
		{ "nolock", no_argument, NULL, 'n' },
		{ "nosocklock", no_argument, NULL, 'n' },
		{ "nopids", no_argument, NULL, OPT_NOPIDS },
		{ NULL, 0, NULL, 0 },
	};
	int c;

	optind = 0;	/* also where this runs several times, in tests */
	while ((c = getopt_long(argc, argv, "hjdzn", opts, NULL)) != -1) {
		switch (c) {
		case 'h':
			j->help = true;
			break;
		case 'j':
			j->json = true;
			break;
		case 'd':
			j->parts |= P_NETIF | P_VIS | P_SOCKS;
			break;
		case 'z':
			j->zombie = true;
			break;
		case 'n':
			break;
		case OPT_NOPIDS:
			j->nopids = true;
			break;
		default:
			fprintf(stderr, "onload_stackdump --help lists options and commands\n");
			return -1;
		}
	}
	for (int i = optind; i < argc; i++) {
		const struct command *cmd = command(argv[i]);

		if (!cmd) {
			if (word(j, argv[i]) < 0)
				return -1;
			continue;
		}
		j->parts |= cmd->parts;
		if (cmd->parts == P_WHY && i + 1 < argc && number(argv[i + 1], &j->why_pid))
			i++;
	}
	if (!j->parts)
		j->parts = j->n_words ? P_NETIF | P_VIS | P_SOCKS : P_LIST;
	return 0;
}

static bool matches(const struct arena *a, const struct word *w)
{
	char name[sizeof(a->st->name) + 1] = "";
	uint32_t id;

	if (!strcmp(w->text, "*") || (number(w->text, &id) && id == a->st->id))
		return true;
	memcpy(name, a->st->name, sizeof(a->st->name));
	return *w->text && !strcmp(name, w->text);
}

static bool is_zombie(const struct arena *a)
{
	for (size_t i = 0; i < a->n_holders; i++)
		if (a->holders[i].role == HOLDER_APP)
			return false;
	return true;
}

static bool wanted(const struct job *j, const struct arena *a)
{
	if (j->zombie && !is_zombie(a))
		return false;
	for (size_t i = 0; i < j->n_words; i++)
		if (matches(a, &j->words[i]))
			return true;
	return !j->n_words;
}

/* Does the user want this socket?  Words without a socket mean all. */
static bool wanted_sock(const struct job *j, const struct arena *a, uint32_t id)
{
	for (size_t i = 0; i < j->n_words; i++)
		if (matches(a, &j->words[i]) && (j->words[i].sock == ID_NONE || j->words[i].sock == id))
			return true;
	return !j->n_words;
}

/* Words that all name single sockets: the stack itself is then left out of a dump. */
static bool only_socks(const struct job *j)
{
	for (size_t i = 0; i < j->n_words; i++)
		if (!j->words[i].has_sock)
			return false;
	return j->n_words;
}

static void walk(const struct job *j, struct out *o, struct arena *a, uint64_t now, uint32_t part)
{
	struct sock_view v;
	uint32_t n = 0;

	if (part == P_NETSTAT)
		dump_netstat_head(o);
	out_list(o, part == P_FILTERS ? "filters" : "sockets");
	for (uint32_t i = 0; i < a->top; i++) {
		if (!wanted_sock(j, a, i) || arena_sock(a, i, &v) < 0)
			continue;
		n++;
		if (part == P_NETSTAT)
			dump_netstat(o, a, &v);
		else if (part == P_FILTERS)
			dump_filters(o, a, &v);
		else
			dump_sock(o, a, &v, now);
	}
	if (!n && part == P_SOCKS)
		out_line(o, "no sockets");
}

static void each(const struct job *j, struct out *o, struct arena *a)
{
	uint64_t now = clock_ns();
	uint32_t parts = j->parts;

	if (only_socks(j))
		parts &= ~(uint32_t)(P_NETIF | P_VIS);
	out_enter(o, "stacks");
	/* Tables of processes are one table: no title between. */
	if (parts & ~(uint32_t)(P_PROCS | P_FREE | P_LIST | P_STACKS))
		dump_title(o, a);
	else
		out_set_u(o, "id", a->st->id);
	if (parts & P_NETIF)
		dump_netif(o, a, now);
	if (parts & P_VIS)
		dump_vis(o, a);
	if (parts & P_PROCS)
		dump_processes(o, a);
	if (parts & P_THREADS)
		dump_threads(o, a);
	if (parts & P_SOCKS)
		walk(j, o, a, now, P_SOCKS);
	if (parts & P_NETSTAT)
		walk(j, o, a, now, P_NETSTAT);
	if (parts & P_FILTERS)
		walk(j, o, a, now, P_FILTERS);
	if (parts & P_STATS)
		dump_stats(o, a);
	if (parts & P_MORE)
		dump_more_stats(o, a);
	if (parts & P_OPTS)
		dump_opts(o, a);
	if (parts & P_ENV)
		dump_env(o, a);
	out_leave(o);
}

/* Every word must name something that is there. */
static bool all_there(const struct job *j, const struct found *f)
{
	for (size_t i = 0; i < j->n_words; i++) {
		const struct word *w = &j->words[i];
		struct sock_view v;
		bool stack = !strcmp(w->text, "*"), sock = w->sock == ID_NONE;

		for (size_t k = 0; k < f->n_arenas; k++) {
			if (!matches(f->arenas[k], w))
				continue;
			stack = true;
			if (!sock)
				sock = arena_sock(f->arenas[k], w->sock, &v) == 0;
		}
		if (!stack) {
			fprintf(stderr, "onload_stackdump: no stack and no command '%s'\n", w->text);
			return false;
		}
		if (!sock) {
			fprintf(stderr, "onload_stackdump: stack %s has no socket %u\n", w->text, w->sock);
			return false;
		}
	}
	return true;
}

static int report(const struct job *j, struct out *o, struct found *found)
{
	bool wide = j->parts & P_STACKS;
	size_t n = 0;
	int rc = 0;

	if (j->parts & P_DESCRIBE)
		dump_describe(o);
	if (j->parts & P_DOC)
		dump_doc(o);
	if (j->parts & P_WHY && !dump_why(o, found, j->why_pid)) {
		if (j->why_pid) {
			fprintf(stderr, "onload_stackdump: process %u does not run under onload "
					"in this network namespace, or may not be looked at\n", j->why_pid);
			rc = 1;
		} else {
			out_line(o, "no process under onload in this network namespace");
		}
	}
	if (!(j->parts & ~(uint32_t)P_FREE))
		return rc;
	out_list(o, "stacks");
	for (size_t i = 0; i < found->n_arenas; i++)
		n += wanted(j, found->arenas[i]);
	if (!n) {
		if (found->daemon_more)
			out_line(o, "posternd has stacks, but their memory cannot be seen from here (try as root)");
		else if (j->zombie)
			out_line(o, "no stacks without a process");
		else
			out_line(o, "no stacks in this network namespace; start a program under onload");
		return rc;
	}
	if (j->parts & (P_LIST | P_STACKS)) {
		dump_list_head(o, wide);
		for (size_t i = 0; i < found->n_arenas; i++)
			if (wanted(j, found->arenas[i]))
				dump_list(o, found->arenas[i], wide, !j->nopids);
	}
	if (j->parts & P_PROCS && !(j->parts & P_NETIF))
		out_line(o, "#%-7s %-8s %-6s %s", "pid", "stack-id", "role", "cmdline");
	for (size_t i = 0; j->parts & P_EACH && i < found->n_arenas; i++)
		if (wanted(j, found->arenas[i]))
			each(j, o, found->arenas[i]);
	return rc;
}

int stackdump_run(int argc, char **argv, struct found *found, FILE *f)
{
	struct job *j = calloc(1, sizeof(*j));
	struct out o;
	int rc = 2;

	if (!j)
		return 1;
	if (parse(j, argc, argv) < 0)
		goto out;
	rc = 0;
	if (j->help) {
		usage(f);
		goto out;
	}
	if (!all_there(j, found)) {
		rc = 1;
		goto out;
	}
	out_init(&o, f, j->json);
	rc = report(j, &o, found);
	if (out_finish(&o) < 0) {
		fprintf(stderr, "onload_stackdump: the report could not be written\n");
		rc = 1;
	}
out:
	free(j);
	return rc;
}

int cmd_stackdump(int argc, char **argv)
{
	struct found found;
	int rc;

	rc = find_all(&found);
	if (rc < 0) {
		fprintf(stderr, "onload_stackdump: cannot look for stacks: %s\n", strerror(-rc));
		return 1;
	}
	rc = stackdump_run(argc, argv, &found, stdout);
	find_free(&found);
	return rc;
}
