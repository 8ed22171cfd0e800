// SPDX-License-Identifier: BSD-2-Clause
/*
 * postern.c - one program, many names
 *
 * Looks at the name it was called by, then at its first argument, and hands over
 * to the subcommand.  "onload ..." is "postern onload ...".
 */
#include "tools/cmd.h"

#include "base/types.h"

#include <stdio.h>
#include <string.h>

static int cmd_version(int argc, char **argv)
{
	printf("postern %s\n", POSTERN_VERSION);
	return 0;
}

static int cmd_help(int argc, char **argv);

static const struct command {
	const char *name;	/* postern NAME */
	const char *link;	/* called by this name, or NULL */
	int (*run)(int argc, char **argv);
	const char *help;
} commands[] = {
	{ "onload", "onload", cmd_onload, "run a program with accelerated sockets" },
	{ "stackdump", "onload_stackdump", cmd_stackdump, "show stacks, sockets, counters; why a socket is not accelerated" },
	{ "env", NULL, cmd_env, "list the EF_ options, or check those that are set (--check)" },
	{ "profiles", NULL, cmd_profiles, "list profiles, or print one" },
	{ "version", NULL, cmd_version, "print the version" },
	{ "help", NULL, cmd_help, "print this" },
};

static int cmd_help(int argc, char **argv)
{
	printf("usage: postern COMMAND [ARGS...]\n\n");
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		printf("  %-12s %s%s%s%s\n", commands[i].name, commands[i].help,
		       commands[i].link ? " (also '" : "", commands[i].link ? commands[i].link : "",
		       commands[i].link ? "')" : "");
	printf("\npostern(1), onload(1) and posternd(8) are the manual.\n");
	return 0;
}

int main(int argc, char **argv)
{
	const char *base = argc ? strrchr(argv[0], '/') : NULL;
	const char *name = base ? base + 1 : argc ? argv[0] : "postern";

	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		if (commands[i].link && !strcmp(commands[i].link, name))
			return commands[i].run(argc, argv);

	if (argc < 2) {
		cmd_help(0, NULL);
		return 2;
	}
	if (!strcmp(argv[1], "--version") || !strcmp(argv[1], "-V"))
		return cmd_version(0, NULL);
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))
		return cmd_help(0, NULL);
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		if (!strcmp(commands[i].name, argv[1]))
			return commands[i].run(argc - 1, argv + 1);
	fprintf(stderr, "postern: no command '%s'; 'postern help' lists them\n", argv[1]);
	return 2;
}
