/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cmd.h - the subcommands of the postern program
 *
 * Each takes its own argc and argv, argv[0] being the name it was called by, and
 * returns the program's exit status.
 */
#ifndef POSTERN_TOOLS_CMD_H
#define POSTERN_TOOLS_CMD_H

int cmd_onload(int argc, char **argv);
int cmd_env(int argc, char **argv);
int cmd_profiles(int argc, char **argv);
int cmd_stackdump(int argc, char **argv);

/* Statuses of a program that runs another, as env(1) and timeout(1) have them. */
enum {
	EXIT_LAUNCHER = 125,	/* our own failure: options, profiles, refusal */
	EXIT_NOEXEC = 126,	/* found but cannot be executed */
	EXIT_NOTFOUND = 127,
};

#endif
