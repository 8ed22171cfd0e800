/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * target.h - what kind of program is about to be run
 */
#ifndef POSTERN_TOOLS_TARGET_H
#define POSTERN_TOOLS_TARGET_H

#include "base/types.h"

#include <limits.h>

/* Why a preloaded library would not be loaded, or not work. */
enum target_kind {
	TARGET_OK,
	TARGET_NOT_FOUND,	/* nothing to run */
	TARGET_NOT_EXECUTABLE,	/* no permission, or a directory */
	TARGET_UNREADABLE,	/* may be run but not looked at: let it run */
	TARGET_STATIC,
	TARGET_32BIT,
	TARGET_OTHER_ARCH,
	TARGET_SETUID,		/* setuid, setgid or file capabilities */
	TARGET_MUSL,
};

struct target {
	enum target_kind kind;
	char path[PATH_MAX];	/* the file that was looked at last */
	bool script;		/* path is its interpreter */
};

/**
 * target_check - find a program as the shell does and look at its file
 * @name: as typed: searched in PATH unless it has a slash
 *
 * A script is followed to its interpreter.  Never fails: a file that cannot be
 * judged is TARGET_OK or TARGET_UNREADABLE, for the kernel to decide.
 */
void target_check(const char *name, struct target *t);

/* One line: what is the matter and what to do; NULL when nothing is. */
const char *target_problem(enum target_kind kind);

#endif
