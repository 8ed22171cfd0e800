/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * log.h - lines for a human, from slow paths
 *
 * One line a call, to EF_LOG_FILE or to standard error, with a prefix that names
 * the program: "oo:nginx[1234]: ".  Never called on the packet path.  Safe in any
 * thread, in a program that has closed or reused descriptor 2, and with errno
 * in use; not in a signal handler (vsnprintf).
 */
#ifndef POSTERN_BASE_LOG_H
#define POSTERN_BASE_LOG_H

#include "base/types.h"

/* What a line is about.  Users choose by EF_LOG, but errors are always said. */
enum log_class {
	PLOG_ERROR,
	PLOG_BANNER,		/* "Using Postern ..." */
	PLOG_RESOURCE,		/* resource_warnings: out of packets, ports, ... */
	PLOG_CONFIG,		/* config_warnings: bad and unknown options */
	PLOG_USAGE,		/* usage_warnings: calls that we cannot accelerate */
	PLOG_CONN_DROP,		/* conn_drop: why a connection was dropped */
	PLOG_MORE_CONFIG,	/* more_config_warnings: options without effect */
	PLOG_DEBUG,		/* only by log_init() with PLOG_DEBUG set in the mask */
	PLOG_COUNT
};

#define PLOG_BIT(c) (1u << (c))
#define PLOG_DEFAULT \
	(PLOG_BIT(PLOG_ERROR) | PLOG_BIT(PLOG_BANNER) | PLOG_BIT(PLOG_RESOURCE) | \
	 PLOG_BIT(PLOG_CONFIG) | PLOG_BIT(PLOG_USAGE))

/**
 * log_init - choose where lines go and which
 * @classes: bits of PLOG_BIT(); errors are added
 * @file:    a path that is appended to, or NULL or "" for standard error
 * @stamp:   begin each line with the time
 *
 * Optional: without it, PLOG_DEFAULT goes to standard error.  Call it before
 * other threads log.  Standard error is remembered by what it is now, so that a
 * later file or socket of the program at descriptor 2 is not written to.
 */
void log_init(uint32_t classes, const char *file, bool stamp);

/**
 * log_classes - the bits that a value of EF_LOG names
 *
 * Comma-separated; a leading - removes a class.  A list of removals alone starts
 * from the default.  Unknown words are skipped.
 */
uint32_t log_classes(const char *list);

/**
 * postern_log - say one line; @fmt needs no newline
 */
void postern_log(enum log_class class, const char *fmt, ...) __printf(2, 3) __cold;

#endif
