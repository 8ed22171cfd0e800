/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * profile.h - named sets of EF_ variables
 */
#ifndef POSTERN_TOOLS_PROFILE_H
#define POSTERN_TOOLS_PROFILE_H

#include "base/types.h"

#include <limits.h>

struct profile_ctx {
	bool force;	/* a profile's value replaces one that is set already */
	bool verbose;	/* say on standard error what is set */
	int depth;	/* of imports, 0 at the start */
	/* what was wrong, "file:line: ..." */
	char error[PATH_MAX + 256];
};

/**
 * profile_find - the file of a profile
 * @name:   a name, or a path if it has a slash
 * @import: called by onload_import, which may also name a fragment
 *
 * Returns 0 or -ENOENT.
 */
int __must_check profile_find(const char *name, bool import, char out[PATH_MAX]);

/**
 * profile_load - put a profile's variables into this process's environment
 *
 * Returns 0 or -errno with @ctx->error filled; some variables may be set then.
 */
int __must_check profile_load(const char *path, struct profile_ctx *ctx);

#endif
