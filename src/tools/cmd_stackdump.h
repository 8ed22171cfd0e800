/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cmd_stackdump.h - onload_stackdump behind its command line
 */
#ifndef POSTERN_TOOLS_CMD_STACKDUMP_H
#define POSTERN_TOOLS_CMD_STACKDUMP_H

#include "tools/dump.h"

/* stackdump_run - the command line @argv over what was found, printed to @f: the exit status. */
int stackdump_run(int argc, char **argv, struct found *found, FILE *f);

#endif
