/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * place.h - where the other parts of Postern are, relative to this program
 */
#ifndef POSTERN_TOOLS_PLACE_H
#define POSTERN_TOOLS_PLACE_H

#include "base/types.h"

#include <limits.h>

/**
 * place_library - absolute path of libonload.so
 * place_daemon  - absolute path of posternd
 *
 * Looked for beside this program's own file: in an installation, in build/, and
 * in a Meson build directory.  Returns 0 or -ENOENT.
 */
int __must_check place_library(char out[PATH_MAX]);
int __must_check place_daemon(char out[PATH_MAX]);

/**
 * place_profile_dir - the i-th directory in which profiles are looked for
 *
 * In order of precedence: the user's own, then those shipped.  Returns 0,
 * -ENOENT for a directory that does not apply here (go on with the next), or
 * -ERANGE past the last.
 */
int __must_check place_profile_dir(unsigned int i, char out[PATH_MAX]);

#endif
