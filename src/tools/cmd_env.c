// SPDX-License-Identifier: BSD-2-Clause
/*
 * cmd_env.c - the table of EF_ options for a human; profiles likewise
 *
 * "postern env" prints every option with its default and what it does, "postern
 * env --check" those that the environment sets and what is wrong with them.
 */
#include "tools/cmd.h"

#include "base/opt.h"
#include "tools/place.h"
#include "tools/profile.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TEXT_WIDTH = 74 };

static void print_wrapped(const char *text)
{
	while (*text) {
		size_t len = strlen(text);

		if (len > TEXT_WIDTH) {
			len = TEXT_WIDTH;
			while (len && text[len] != ' ')
				len--;
			if (!len)
				len = strcspn(text, " ");
		}
		printf("      %.*s\n", (int)len, text);
		text += len;
		text += strspn(text, " ");
	}
}

static void print_table(void)
{
	unsigned int works = 0;

	for (int i = 0; i < OPT_COUNT; i++) {
		const struct opt_desc *d = &opt_table[i];
		const char *title = opt_group_title((enum opt_id)i);
		char def[128];

		if (title)
			printf("%s%s\n\n", i ? "\n" : "", title);
		opt_format_default(d, def, sizeof(def));
		printf("  %s=%s%s%s%s\n", d->name, def, *d->unit ? " " : "", d->unit,
		       d->works ? "" : "   [no effect]");
		print_wrapped(d->help);
		works += d->works;
	}
	printf("\n%d options; %u have an effect in this version, [no effect] marks the others.\n",
	       OPT_COUNT, works);
}

static void print_line(void *arg, enum opt_warn kind, const char *line)
{
	printf("%s\n", line);
}

static int check(void)
{
	struct opts o;
	int problems;

	unsetenv("POSTERN_ENV_CHECKED");
	problems = opts_parse(&o, environ, print_line, NULL);
	for (int i = 0; i < OPT_COUNT; i++) {
		char val[512];

		if (!opt_is_set(&o, (enum opt_id)i))
			continue;
		opt_format(&o, &opt_table[i], val, sizeof(val));
		printf("%s=%s\n", opt_table[i].name, val);
	}
	return problems ? 1 : 0;
}

int cmd_env(int argc, char **argv)
{
	if (argc <= 1) {
		print_table();
		return 0;
	}
	if (argc == 2 && !strcmp(argv[1], "--check"))
		return check();
	fprintf(stderr, "usage: postern env [--check]\n");
	return 2;
}

static int print_file(const char *name)
{
	char path[PATH_MAX], line[4096];
	FILE *f;

	if (profile_find(name, true, path) < 0) {
		fprintf(stderr, "postern: no profile '%s'\n", name);
		return 1;
	}
	f = fopen(path, "re");
	if (!f) {
		fprintf(stderr, "postern: %s: %s\n", path, strerror(errno));
		return 1;
	}
	printf("# %s\n", path);
	while (fgets(line, sizeof(line), f))
		fputs(line, stdout);
	fclose(f);
	return 0;
}

int cmd_profiles(int argc, char **argv)
{
	char dir[PATH_MAX];
	int rc;

	if (argc > 2) {
		fprintf(stderr, "usage: postern profiles [NAME]\n");
		return 2;
	}
	if (argc == 2)
		return print_file(argv[1]);

	for (unsigned int i = 0; (rc = place_profile_dir(i, dir)) != -ERANGE; i++) {
		struct dirent **list;
		char real[PATH_MAX];
		int n;

		if (rc < 0)
			continue;
		n = scandir(dir, &list, NULL, alphasort);
		if (n < 0)
			continue;
		printf("%s\n", realpath(dir, real) ? real : dir);
		for (int k = 0; k < n; k++) {
			size_t len = strlen(list[k]->d_name);

			if (len > 4 && !strcmp(list[k]->d_name + len - 4, ".opf"))
				printf("  %.*s\n", (int)(len - 4), list[k]->d_name);
			free(list[k]);
		}
		free(list);
	}
	return 0;
}
