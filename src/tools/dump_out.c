// SPDX-License-Identifier: BSD-2-Clause
/*
 * dump_out.c - one report, as text or as JSON
 */
#include "tools/dump_out.h"

#include <errno.h>
#include <stdarg.h>

static json_t *cur(struct out *o)
{
	return o->at[o->depth];
}

static void put(struct out *o, json_t *obj, const char *key, json_t *v)
{
	if (!v || !obj || json_object_set_new(obj, key, v) < 0)
		o->failed = true;
}

void out_init(struct out *o, FILE *f, bool json)
{
	*o = (struct out){ .f = f, .json = json };
	if (json) {
		o->at[0] = json_object();
		o->failed = !o->at[0];
	}
}

int out_finish(struct out *o)
{
	if (o->json) {
		if (!o->failed) {
			json_dumpf(o->at[0], o->f, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
			fputc('\n', o->f);
		}
		json_decref(o->at[0]);
	}
	if (o->failed)
		return -ENOMEM;
	return fflush(o->f) == EOF || ferror(o->f) ? -EIO : 0;
}

void out_list(struct out *o, const char *key)
{
	if (o->json && !json_object_get(cur(o), key))
		put(o, cur(o), key, json_array());
}

void out_enter(struct out *o, const char *key)
{
	json_t *obj;

	if (!o->json || o->depth + 1 >= OUT_DEPTH)
		return;
	out_list(o, key);
	obj = json_object();
	if (!obj || json_array_append_new(json_object_get(cur(o), key), obj) < 0) {
		o->failed = true;
		obj = NULL;
	}
	o->at[++o->depth] = obj;
}

void out_leave(struct out *o)
{
	if (o->json && o->depth)
		o->depth--;
}

void out_text(struct out *o, const char *fmt, ...)
{
	va_list ap;

	if (o->json)
		return;
	va_start(ap, fmt);
	vfprintf(o->f, fmt, ap);
	va_end(ap);
}

void out_line(struct out *o, const char *fmt, ...)
{
	va_list ap;

	if (o->json)
		return;
	fprintf(o->f, "%*s", (int)o->indent, "");
	va_start(ap, fmt);
	vfprintf(o->f, fmt, ap);
	va_end(ap);
	fputc('\n', o->f);
}

const char *out_clean(char *buf, size_t room, const char *s, size_t max)
{
	size_t i;

	for (i = 0; i + 1 < room && i < max && s[i]; i++)
		buf[i] = s[i] >= 0x20 && s[i] < 0x7f ? s[i] : '?';
	buf[i] = 0;
	return buf;
}

void out_set_u(struct out *o, const char *key, uint64_t v)
{
	if (o->json)
		put(o, cur(o), key, json_integer((json_int_t)v));
}

void out_set_b(struct out *o, const char *key, bool v)
{
	if (o->json)
		put(o, cur(o), key, json_boolean(v));
}

void out_set_s(struct out *o, const char *key, const char *s)
{
	char buf[1024];

	if (o->json)
		put(o, cur(o), key, json_string(out_clean(buf, sizeof(buf), s, sizeof(buf))));
}

void out_row(struct out *o, const char *label)
{
	if (!o->json) {
		/* Each field brings a space of its own. */
		if (label)
			fprintf(o->f, "%*s%s:", (int)o->indent, "", label);
		else
			fprintf(o->f, "%*s", (int)(o->indent ? o->indent - 1 : 0), "");
		return;
	}
	o->row = cur(o);
	if (!label)
		return;
	if (!json_object_get(cur(o), label))
		put(o, cur(o), label, json_object());
	o->row = json_object_get(cur(o), label);
}

void out_end(struct out *o)
{
	if (!o->json)
		fputc('\n', o->f);
	o->row = NULL;
}

void out_u(struct out *o, const char *key, uint64_t v)
{
	if (o->json)
		put(o, o->row, key, json_integer((json_int_t)v));
	else
		fprintf(o->f, " %s=%llu", key, (unsigned long long)v);
}

void out_i(struct out *o, const char *key, int64_t v)
{
	if (o->json)
		put(o, o->row, key, json_integer((json_int_t)v));
	else
		fprintf(o->f, " %s=%lld", key, (long long)v);
}

void out_x(struct out *o, const char *key, uint64_t v)
{
	if (o->json)
		put(o, o->row, key, json_integer((json_int_t)v));
	else
		fprintf(o->f, " %s=%llx", key, (unsigned long long)v);
}

void out_s(struct out *o, const char *key, const char *s)
{
	char buf[1024];

	out_clean(buf, sizeof(buf), s, sizeof(buf));
	if (o->json)
		put(o, o->row, key, json_string(buf));
	else
		fprintf(o->f, " %s=%s", key, buf);
}

void out_pct(struct out *o, const char *key, uint64_t v, uint64_t of)
{
	if (o->json)
		put(o, o->row, key, json_integer((json_int_t)v));
	else
		fprintf(o->f, " %s=%llu(%llu%%)", key, (unsigned long long)v,
			(unsigned long long)(of ? (unsigned __int128)v * 100 / of : 0));
}

void out_bits(struct out *o, const char *key, uint32_t v, const char *const *names, unsigned int n)
{
	json_t *list = o->json ? json_array() : NULL;
	const char *sep = "";

	if (!o->json)
		fprintf(o->f, " %s=", key);
	for (unsigned int i = 0; i < n; i++) {
		if (!(v >> i & 1) || !names[i])
			continue;
		if (o->json)
			json_array_append_new(list, json_string(names[i]));
		else
			fprintf(o->f, "%s%s", sep, names[i]);
		sep = ",";
	}
	if (o->json)
		put(o, o->row, key, list);
	else if (!*sep)
		fputc('-', o->f);
}
