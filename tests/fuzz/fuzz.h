/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fuzz.h - what the fuzz targets share
 *
 * A target is one file with LLVMFuzzerTestOneInput().  It is linked either with
 * libFuzzer or with fuzz_main.c, and calls FUZZ_CHECK() for what must hold for
 * every input.
 */
#ifndef POSTERN_FUZZ_H
#define POSTERN_FUZZ_H

#include <stdio.h>
#include <stdlib.h>

#include "base/types.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FUZZ_CHECK(cond)                                                \
	do {                                                            \
		if (!(cond)) {                                          \
			fprintf(stderr, "%s:%d: does not hold: %s\n",   \
				__FILE__, __LINE__, #cond);             \
			abort();                                        \
		}                                                       \
	} while (0)

#endif
