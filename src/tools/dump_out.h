/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * dump_out.h - one report, as text or as JSON
 *
 * The same calls make both.  A row is a line of text, "  snd: una=1 nxt=2", and
 * in JSON a member of the current object, "snd": {"una": 1, "nxt": 2}; several
 * rows of one label add to one object.  Strings may come from memory that others
 * write: what is not printable ASCII is shown as '?'.
 */
#ifndef POSTERN_TOOLS_DUMP_OUT_H
#define POSTERN_TOOLS_DUMP_OUT_H

#include <jansson.h>
#include <stdio.h>

#include "base/types.h"

enum { OUT_DEPTH = 8 };

struct out {
	FILE *f;
	bool json;
	bool failed;		/* out of memory: the report is not complete */
	json_t *at[OUT_DEPTH];	/* objects that are open, at[0] the whole */
	unsigned int depth;
	json_t *row;
	unsigned int indent;
};

void out_init(struct out *o, FILE *f, bool json);
/* Prints what JSON there is.  0, or -EIO (could not be written), -ENOMEM. */
int out_finish(struct out *o);

/* A new object at the end of list @key of the current one, which becomes current; and back. */
void out_enter(struct out *o, const char *key);
void out_leave(struct out *o);
/* The list @key exists, though nothing may be in it. */
void out_list(struct out *o, const char *key);

/* Text only: a line, or a part of one. */
void out_line(struct out *o, const char *fmt, ...) __printf(2, 3);
void out_text(struct out *o, const char *fmt, ...) __printf(2, 3);

/* JSON only: a member of the current object. */
void out_set_u(struct out *o, const char *key, uint64_t v);
void out_set_b(struct out *o, const char *key, bool v);
void out_set_s(struct out *o, const char *key, const char *s);

/* Both.  @label NULL: the fields are the current object's own. */
void out_row(struct out *o, const char *label);
void out_end(struct out *o);
void out_u(struct out *o, const char *key, uint64_t v);
void out_i(struct out *o, const char *key, int64_t v);
void out_x(struct out *o, const char *key, uint64_t v);		/* hexadecimal in text */
void out_s(struct out *o, const char *key, const char *s);
void out_pct(struct out *o, const char *key, uint64_t v, uint64_t of);
/* Names of the bits that are set, as one word or a JSON list. */
void out_bits(struct out *o, const char *key, uint32_t v, const char *const *names, unsigned int n);

/* @max bytes that may lack a closing 0, made printable. */
const char *out_clean(char *buf, size_t room, const char *s, size_t max);

#endif
