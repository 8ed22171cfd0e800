// SPDX-License-Identifier: BSD-2-Clause
/*
 * profile.c - reading .opf files
 *
 * A line is empty, a comment, "onload_set EF_NAME VALUE" or "onload_import NAME".
 * Existing profiles are shell scripts; ours are data: nothing is executed, and a
 * line of any other form is an error that names it, rather than half a profile.
 * A value that is set already stays, be it the user's or an earlier profile's,
 * unless ctx->force.
 */
#include "tools/profile.h"

#include "tools/place.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	DEPTH_MAX = 16,		/* of imports: a ring of them ends here */
	WORDS_MAX = 4,
	LINE_LEN = 4096,
};

static int __printf(4, 5)
fail(struct profile_ctx *ctx, const char *path, int line, const char *fmt, ...)
{
	va_list ap;
	int n;

	n = snprintf(ctx->error, sizeof(ctx->error), "%s:%d: ", path, line);
	va_start(ap, fmt);
	if (n > 0 && (size_t)n < sizeof(ctx->error))
		vsnprintf(ctx->error + n, sizeof(ctx->error) - n, fmt, ap);
	va_end(ap);
	return -EINVAL;
}

static bool is_file(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

int profile_find(const char *name, bool import, char out[PATH_MAX])
{
	static const char *const suffix[] = { ".opf", ".opf-fragment", "" };
	char dir[PATH_MAX];
	int rc;

	if (strchr(name, '/')) {
		if (strlen(name) >= PATH_MAX || !is_file(name))
			return -ENOENT;
		memcpy(out, name, strlen(name) + 1);
		return 0;
	}
	for (unsigned int i = 0; (rc = place_profile_dir(i, dir)) != -ERANGE; i++) {
		if (rc < 0)
			continue;
		for (size_t s = 0; s < ARRAY_SIZE(suffix); s++) {
			size_t len = strlen(name);
			/* "latency.opf" is the name with its suffix given */
			bool whole = len > 4 && !strcmp(name + len - 4, ".opf");

			if ((s == 1 && !import) || (s == 2 && !whole))
				continue;
			if (snprintf(out, PATH_MAX, "%s/%s%s", dir, name, suffix[s]) < PATH_MAX &&
			    is_file(out))
				return 0;
		}
	}
	return -ENOENT;
}

/* Splits @line in place.  Quotes group; a comment ends it.  Gives the number of
 * words, or -1 for what only a shell could read. */
static int split(char *line, char **word)
{
	char *in = line, *out;
	int n = 0;

	for (;;) {
		in += strspn(in, " \t\r\n");
		if (!*in || *in == '#')
			return n;
		if (n == WORDS_MAX)
			return -1;
		word[n++] = out = in;
		while (*in && !strchr(" \t\r\n", *in)) {
			if (*in == '\'' || *in == '"') {
				char quote = *in++;

				while (*in && *in != quote) {
					if (quote == '"' && strchr("$`\\", *in))
						return -1;
					*out++ = *in++;
				}
				if (!*in)
					return -1;
				in++;
			} else if (strchr("$`\\;&|<>()*?[]{}", *in)) {
				return -1;
			} else {
				*out++ = *in++;
			}
		}
		if (*in)
			in++;
		*out = 0;
	}
}

static bool is_ef_name(const char *s)
{
	return !strncmp(s, "EF_", 3) && s[3] &&
	       strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") == strlen(s);
}

static void set(const char *name, const char *value, struct profile_ctx *ctx)
{
	const char *old = getenv(name);

	if (old && !ctx->force) {
		if (ctx->verbose && strcmp(old, value))
			fprintf(stderr, "onload: %s=%s stays (profile: %s)\n", name, old, value);
		return;
	}
	if (ctx->verbose)
		fprintf(stderr, "onload: %s=%s\n", name, value);
	setenv(name, value, 1);
}

static int run_line(const char *path, int no, char *line, struct profile_ctx *ctx)
{
	char found[PATH_MAX];
	char *word[WORDS_MAX];
	int n = split(line, word);
	int rc;

	if (n == 0)
		return 0;
	if (n > 0 && !strcmp(word[0], "onload_set")) {
		if (n != 3)
			return fail(ctx, path, no, "onload_set takes a name and a value");
		if (!is_ef_name(word[1]))
			return fail(ctx, path, no, "'%.60s' is not an EF_ variable", word[1]);
		set(word[1], word[2], ctx);
		return 0;
	}
	if (n > 0 && !strcmp(word[0], "onload_import")) {
		if (n != 2)
			return fail(ctx, path, no, "onload_import takes one name");
		if (ctx->depth >= DEPTH_MAX)
			return fail(ctx, path, no, "imports nest too deep: '%.60s'", word[1]);
		if (profile_find(word[1], true, found) < 0)
			return fail(ctx, path, no, "no profile '%.60s' to import", word[1]);
		ctx->depth++;
		rc = profile_load(found, ctx);
		ctx->depth--;
		return rc;
	}
	return fail(ctx, path, no, "only onload_set, onload_import and comments are understood "
		    "(profiles are not run by a shell)");
}

int profile_load(const char *path, struct profile_ctx *ctx)
{
	char line[LINE_LEN];
	FILE *f = fopen(path, "re");
	int no = 0;
	int rc = 0;

	if (!f) {
		rc = -errno;
		snprintf(ctx->error, sizeof(ctx->error), "%s: %s", path, strerror(-rc));
		return rc;
	}
	while (!rc && fgets(line, sizeof(line), f)) {
		no++;
		if (!strchr(line, '\n') && !feof(f))
			rc = fail(ctx, path, no, "line is too long");
		else
			rc = run_line(path, no, line, ctx);
	}
	if (!rc && ferror(f)) {
		rc = -EIO;
		snprintf(ctx->error, sizeof(ctx->error), "%s: cannot be read", path);
	}
	fclose(f);
	return rc;
}
