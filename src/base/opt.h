/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * opt.h - the options of a process, read from its EF_ variables
 *
 * Takes an environment, gives a struct with every option checked and in range.
 * The table itself is opt_def.h.  struct opts holds no pointers: it can be
 * copied, and kept in shared memory.  Nothing here allocates, and only
 * opts_sysctl() opens files.
 */
#ifndef POSTERN_BASE_OPT_H
#define POSTERN_BASE_OPT_H

#include "base/types.h"

/* OPT_POLL_USEC, ... in the order of the table. */
enum opt_id {
#define OPT_GROUP(id, title) \
	OPT_GROUP_##id, OPT_GROUP_##id##_BACK = OPT_GROUP_##id - 1,	/* no place of its own */
#define OPT_INT(name, field, def, lo, hi, unit, st, help)  OPT_##name,
#define OPT_BOOL(name, field, def, st, help)               OPT_##name,
#define OPT_HEX(name, field, def, hi, st, help)            OPT_##name,
#define OPT_STR(name, field, def, size, st, help)          OPT_##name,
#include "base/opt_def.h"
	OPT_COUNT
};

/* One field an option, named like the variable without EF_. */
struct opts {
#define OPT_GROUP(id, title)
#define OPT_INT(name, field, def, lo, hi, unit, st, help)  int32_t field;
#define OPT_BOOL(name, field, def, st, help)               bool field;
#define OPT_HEX(name, field, def, hi, st, help)            uint32_t field;
#define OPT_STR(name, field, def, size, st, help)          char field[size];
#include "base/opt_def.h"
	/* which options somebody named, as against defaults; see opt_is_set() */
	uint32_t set[(OPT_COUNT + 31) / 32];
};

enum opt_type { OPT_TYPE_INT, OPT_TYPE_BOOL, OPT_TYPE_HEX, OPT_TYPE_STR };

/* What the manual and the tools know of an option. */
struct opt_desc {
	const char *name;	/* "EF_POLL_USEC" */
	const char *help;
	const char *unit;	/* "" for none */
	const char *def_str;	/* OPT_TYPE_STR only */
	int64_t def, lo, hi;	/* numbers only */
	uint16_t off;		/* of the field in struct opts */
	uint16_t size;		/* OPT_TYPE_STR: with the closing 0 */
	uint8_t type;		/* enum opt_type */
	bool works;		/* false: known, checked, without effect */
};

extern const struct opt_desc opt_table[OPT_COUNT];

/**
 * opt_group_title - the title of the section that begins at this option, or NULL
 */
const char *opt_group_title(enum opt_id id);

/* Why a line is given to the opt_warn_fn. */
enum opt_warn {
	OPT_WARN_BAD,		/* not a value of this type: the default is used */
	OPT_WARN_RANGE,		/* out of range: clamped */
	OPT_WARN_UNKNOWN,	/* no option has this name */
	OPT_WARN_NOEFFECT,	/* known names without effect: one line for all */
};

/* @line has no newline and lives only during the call. */
typedef void (*opt_warn_fn)(void *arg, enum opt_warn kind, const char *line);

/**
 * opts_defaults - every option at the default of the table
 */
void opts_defaults(struct opts *o);

/**
 * opts_parse - read the EF_ variables of an environment
 * @o:       filled in any case: what cannot be used keeps its default
 * @envp:    as execve() takes it; walked once, not kept
 * @warn:    called once for each problem, or NULL
 * @arg:     passed to @warn
 *
 * The first of several variables of one name counts, as with getenv().
 * EF_LOAD_ENV=0 leaves everything else at its default; EF_VALIDATE_ENV=0 keeps
 * quiet about unknown names.  Options that follow from others (EF_POLL_USEC
 * turns on spinning) are set unless they were named themselves.
 *
 * @warn is not called when POSTERN_ENV_CHECKED holds opts_env_sum() of this
 * environment: the launcher has said it all before.
 *
 * Returns the number of variables with a bad value, a value out of range or an
 * unknown name; 0 when all is well.
 */
int opts_parse(struct opts *o, char **envp, opt_warn_fn warn, void *arg);

/**
 * opts_sysctl - take what nobody named from the kernel's own settings
 *
 * Reads /proc/sys for the options whose default is the kernel's (retries,
 * keepalive, backlogs); what cannot be read keeps the table's default.  About
 * fifteen small files: once a process or stack.
 */
void opts_sysctl(struct opts *o);

/**
 * opts_env_sum - a number that changes with any EF_ variable, in any order
 */
uint32_t opts_env_sum(char **envp);

/**
 * opt_find - the option of this name ("EF_..."), or NULL
 */
const struct opt_desc *opt_find(const char *name);

/**
 * opt_set - give one option a value, as if the environment had named it
 *
 * Does not change options that follow from this one; see opts_derive().
 * Returns 0, -ENOENT (no such option), -EINVAL (not a value of its type) or
 * -ERANGE (number out of range or string too long; nothing changed).
 */
int __must_check opt_set(struct opts *o, const char *name, const char *value);
int __must_check opt_set_int(struct opts *o, const char *name, int64_t value);

/**
 * opts_derive - set the options that follow from others and were not named
 */
void opts_derive(struct opts *o);

/**
 * opt_format - the value of an option as the environment would write it
 *
 * Returns the length as snprintf() does.
 */
int opt_format(const struct opts *o, const struct opt_desc *d, char *buf, size_t size);
int opt_format_default(const struct opt_desc *d, char *buf, size_t size);

/* Did somebody name this option? */
static inline bool opt_is_set(const struct opts *o, enum opt_id id)
{
	return o->set[id / 32] >> (id % 32) & 1;
}

#endif
