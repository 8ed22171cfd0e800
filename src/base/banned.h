/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * banned.h - calls that write without a bound, made to fail at compile time
 *
 * The build includes this before every C file.  The headers that declare the
 * names come first: after the pragma a declaration would be an error as well.
 */
#ifndef POSTERN_BASE_BANNED_H
#define POSTERN_BASE_BANNED_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#undef strcpy
#undef strcat
#undef stpcpy
#undef strncat
#undef sprintf
#undef vsprintf
#undef strtok
#undef gets

#pragma GCC poison strcpy strcat stpcpy strncat sprintf vsprintf strtok gets
#pragma GCC poison mktemp tmpnam tempnam

#endif
