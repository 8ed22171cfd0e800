// SPDX-License-Identifier: BSD-2-Clause
/*
 * cmd_onload.c - run a program with libonload.so preloaded
 *
 * Loads profiles, checks the EF_ variables and the program's file, sets the
 * environment and execs.  Starts no daemon: the library does that at the first
 * socket that can be accelerated, so a program without sockets costs nothing.
 * What prevents acceleration is said in one line; the program then runs on the
 * kernel, or not at all with --strict.
 */
#include "tools/cmd.h"

#include "base/log.h"
#include "base/opt.h"
#include "tools/place.h"
#include "tools/profile.h"
#include "tools/target.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct launch {
	bool verbose;
	bool strict;		/* --strict; EF_NO_FAIL=0 counts as well */
	bool force_profiles;
	bool no_app_handler;
	const char *app;	/* --app: accelerate only this word of the command */
	const char *preload;	/* --preload */
	char self[PATH_MAX];
};

static const char usage[] =
	"usage: onload [OPTIONS] COMMAND [ARGS...]\n"
	"\n"
	"Runs COMMAND with its TCP and UDP sockets accelerated.\n"
	"\n"
	"  -p, --profile=NAME[,NAME...]  set EF_ variables from profiles: names or paths\n"
	"      --force-profiles          profiles win over variables that are set already\n"
	"      --no-app-handler          do not load the profile named after the program\n"
	"  -a, --app=APP                 accelerate only APP, an argument of COMMAND\n"
	"      --strict                  an error, not the kernel, where acceleration fails\n"
	"      --preload=LIB             preload this library instead of libonload.so\n"
	"  -v                            say what is set\n"
	"      --help-env                list the EF_ variables\n"
	"      --version, -h, --help\n"
	"\n"
	"'postern profiles' lists the profiles.  The manual is onload(1).\n";

static int __printf(2, 3) die(int status, const char *fmt, ...)
{
	va_list ap;

	fputs("onload: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	return status;
}

static int load_profile(const struct launch *l, const char *name)
{
	struct profile_ctx ctx = { .force = l->force_profiles, .verbose = l->verbose };
	char path[PATH_MAX];

	if (profile_find(name, false, path) < 0)
		return die(EXIT_LAUNCHER, "no profile '%s' ('postern profiles' lists them)", name);
	if (profile_load(path, &ctx) < 0)
		return die(EXIT_LAUNCHER, "%s", ctx.error);
	return 0;
}

/* -p a,b: in order, so that the first to name a variable wins as well as the
 * user's own environment does (with --force-profiles the last wins). */
static int load_profiles(const struct launch *l, const char *list)
{
	char name[PATH_MAX];
	int rc = 0;

	while (!rc && *list) {
		size_t len = strcspn(list, ",");

		if (len >= sizeof(name))
			return die(EXIT_LAUNCHER, "name of a profile is too long");
		memcpy(name, list, len);
		name[len] = 0;
		if (len)
			rc = load_profile(l, name);
		list += len;
		list += *list == ',';
	}
	return rc;
}

/* The profile named after the program, where there is one: after the others, so
 * that what was asked for by name wins. */
static int load_app_profile(const struct launch *l, const char *command)
{
	const char *base = strrchr(command, '/');
	char dir[PATH_MAX], path[PATH_MAX + 300];
	int rc;

	base = base ? base + 1 : command;
	if (!*base || strlen(base) > 255)
		return 0;
	for (unsigned int i = 0; (rc = place_profile_dir(i, dir)) != -ERANGE; i++) {
		struct profile_ctx ctx = { .verbose = l->verbose };

		snprintf(path, sizeof(path), "%s/apps/%s.opf", dir, base);
		if (rc < 0 || access(path, R_OK) < 0)
			continue;
		if (l->verbose)
			fprintf(stderr, "onload: profile of this program: %s\n", path);
		if (profile_load(path, &ctx) < 0)
			return die(EXIT_LAUNCHER, "%s", ctx.error);
		return 0;
	}
	return 0;
}

static void warn_env(void *arg, enum opt_warn kind, const char *line)
{
	const uint32_t *classes = arg;
	enum log_class c = kind == OPT_WARN_NOEFFECT ? PLOG_MORE_CONFIG : PLOG_CONFIG;

	if (*classes & PLOG_BIT(c))
		fprintf(stderr, "onload: %s\n", line);
}

/* Says what is wrong with the EF_ variables now, and marks the environment so
 * that the library does not say it again. */
static void check_env(const struct launch *l, struct opts *o)
{
	const char *list = getenv("EF_LOG");
	uint32_t classes = list ? log_classes(list) : PLOG_DEFAULT;
	char sum[16];

	if (l->verbose)
		classes |= PLOG_BIT(PLOG_CONFIG) | PLOG_BIT(PLOG_MORE_CONFIG);
	unsetenv("POSTERN_ENV_CHECKED");
	opts_parse(o, environ, warn_env, &classes);
	snprintf(sum, sizeof(sum), "%x", opts_env_sum(environ));
	setenv("POSTERN_ENV_CHECKED", sum, 1);
}

static bool has_word(const char *list, const char *word)
{
	size_t len = strlen(word);

	while (*list) {
		size_t n = strcspn(list, ": ");

		if (n == len && !strncmp(list, word, len))
			return true;
		list += n;
		list += *list != 0;
	}
	return false;
}

static int set_preload(const char *lib)
{
	const char *old = getenv("LD_PRELOAD");
	char *both;
	size_t size;

	if (!old || !*old)
		return setenv("LD_PRELOAD", lib, 1) ? -errno : 0;
	if (has_word(old, lib))
		return 0;
	size = strlen(lib) + strlen(old) + 2;
	both = malloc(size);
	if (!both)
		return -ENOMEM;
	snprintf(both, size, "%s:%s", lib, old);
	setenv("LD_PRELOAD", both, 1);
	free(both);
	return 0;
}

/* The environment by which the library is loaded and finds its daemon. */
static int prepare(const struct launch *l, const struct opts *o)
{
	char lib[PATH_MAX], daemon[PATH_MAX];

	if (l->preload) {
		if (strchr(l->preload, '/') && access(l->preload, R_OK) < 0)
			return die(EXIT_LAUNCHER, "--preload=%s: %s", l->preload, strerror(errno));
		if (snprintf(lib, sizeof(lib), "%s", l->preload) >= (int)sizeof(lib))
			return die(EXIT_LAUNCHER, "--preload: the path is too long");
	} else if (place_library(lib) < 0) {
		if (!o->no_fail)
			return die(EXIT_LAUNCHER, "libonload.so is not installed beside %s", l->self);
		die(0, "warning: libonload.so is not installed beside %s; running on the kernel",
		    l->self);
		return 0;
	}
	/* spaces and colons separate libraries: such a path cannot be said */
	if (strpbrk(lib, ": \t\n"))
		return die(EXIT_LAUNCHER, "'%s': a path with a space or colon cannot be preloaded", lib);
	if (set_preload(lib) < 0)
		return die(EXIT_LAUNCHER, "out of memory");
	if (place_daemon(daemon) == 0)
		setenv("POSTERN_POSTERND", daemon, 0);
	if (l->verbose) {
		const char *d = getenv("POSTERN_POSTERND");

		fprintf(stderr, "onload: LD_PRELOAD=%s\nonload: posternd=%s\n", getenv("LD_PRELOAD"),
			d ? d : "(not found; only one that runs already can be used)");
	}
	return 0;
}

/* 0 to go on with the library, 1 to go on without, else an exit status. */
static int check_target(const char *command, const struct opts *o)
{
	struct target t;
	const char *problem;

	target_check(command, &t);
	if (t.kind == TARGET_NOT_FOUND)
		return die(EXIT_NOTFOUND, "%s: command not found", command);
	if (t.kind == TARGET_NOT_EXECUTABLE)
		return die(EXIT_NOEXEC, "%s: cannot be executed (no permission, or not a file)",
			   command);
	problem = target_problem(t.kind);
	if (!problem)
		return 0;
	if (!o->no_fail)
		return die(EXIT_LAUNCHER, "%s%s %s", t.script ? "interpreter " : "", t.path, problem);
	die(0, "warning: %s%s %s; running it on the kernel", t.script ? "interpreter " : "", t.path,
	    problem);
	/* A static program may start dynamic ones.  The loaders of the others
	 * would complain about the library, or fail. */
	return t.kind == TARGET_STATIC || t.kind == TARGET_SETUID ? 0 : 1;
}

/* With --app the command itself runs as it is, and the word APP in it becomes
 * "onload APP".  Gives a new argv. */
static char **wrap_app(const struct launch *l, int argc, char **argv)
{
	static char name_opt[] = "onload", strict_opt[] = "--strict", handler_opt[] = "--no-app-handler";
	const char *base = strrchr(l->self, '/');
	static char lib_opt[PATH_MAX + 16];
	char **out = calloc((size_t)argc + 8, sizeof(*out));
	bool found = false;
	int n = 0;

	if (!out)
		return NULL;
	for (int i = 0; i < argc; i++) {
		if (!found && i > 0 && !strcmp(argv[i], l->app)) {
			found = true;
			out[n++] = (char *)l->self;
			if (!base || strcmp(base + 1, "onload"))
				out[n++] = name_opt;
			if (l->strict)
				out[n++] = strict_opt;
			if (l->no_app_handler)
				out[n++] = handler_opt;
			if (l->preload) {
				snprintf(lib_opt, sizeof(lib_opt), "--preload=%s", l->preload);
				out[n++] = lib_opt;
			}
		}
		out[n++] = argv[i];
	}
	if (!found) {
		free(out);
		return NULL;
	}
	return out;
}

static int run(const char *command, char **argv)
{
	execvp(command, argv);
	return die(errno == ENOENT ? EXIT_NOTFOUND : EXIT_NOEXEC, "%s: %s", command, strerror(errno));
}

static int launch(struct launch *l, int argc, char **argv)
{
	struct opts o;
	ssize_t n;
	int rc;

	n = readlink("/proc/self/exe", l->self, sizeof(l->self) - 1);
	l->self[n > 0 ? n : 0] = 0;

	if (l->app && !strcmp(argv[0], l->app))
		l->app = NULL;
	if (!l->no_app_handler && !l->app) {
		rc = load_app_profile(l, argv[0]);
		if (rc)
			return rc;
	}
	if (l->strict)
		setenv("EF_NO_FAIL", "0", 1);
	check_env(l, &o);

	if (l->app) {
		char **wrapped = wrap_app(l, argc, argv);

		if (!wrapped)
			return die(EXIT_LAUNCHER, "--app=%s: the command has no such argument", l->app);
		return run(wrapped[0], wrapped);
	}

	rc = check_target(argv[0], &o);
	if (rc > 1)
		return rc;
	if (rc == 0) {
		rc = prepare(l, &o);
		if (rc)
			return rc;
	}
	return run(argv[0], argv);
}

int cmd_onload(int argc, char **argv)
{
	enum { OPT_FORCE = 256, OPT_NO_HANDLER, OPT_STRICT, OPT_PRELOAD, OPT_HELP_ENV, OPT_VERSION };
	static const struct option longs[] = {
		{ "profile", required_argument, NULL, 'p' },
		{ "force-profiles", no_argument, NULL, OPT_FORCE },
		{ "no-app-handler", no_argument, NULL, OPT_NO_HANDLER },
		{ "app", required_argument, NULL, 'a' },
		{ "strict", no_argument, NULL, OPT_STRICT },
		{ "preload", required_argument, NULL, OPT_PRELOAD },
		{ "verbose", no_argument, NULL, 'v' },
		{ "help-env", no_argument, NULL, OPT_HELP_ENV },
		{ "version", no_argument, NULL, OPT_VERSION },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	const char *profiles[32];
	size_t n_profiles = 0;
	struct launch l = { 0 };
	int c;

	/* "+": what follows the command is the command's */
	while ((c = getopt_long(argc, argv, "+p:a:vh", longs, NULL)) != -1) {
		switch (c) {
		case 'p':
			if (n_profiles == ARRAY_SIZE(profiles))
				return die(EXIT_LAUNCHER, "too many profiles");
			profiles[n_profiles++] = optarg;
			break;
		case OPT_FORCE:
			l.force_profiles = true;
			break;
		case OPT_NO_HANDLER:
			l.no_app_handler = true;
			break;
		case 'a':
			l.app = optarg;
			break;
		case OPT_STRICT:
			l.strict = true;
			break;
		case OPT_PRELOAD:
			l.preload = optarg;
			break;
		case 'v':
			l.verbose = true;
			break;
		case OPT_HELP_ENV:
			return cmd_env(0, NULL);
		case OPT_VERSION:
			printf("onload (Postern) %s\n", POSTERN_VERSION);
			return 0;
		case 'h':
			fputs(usage, stdout);
			return 0;
		default:
			fprintf(stderr, "'onload --help' lists the options\n");
			return EXIT_LAUNCHER;
		}
	}
	if (optind >= argc) {
		fputs(usage, stderr);
		return EXIT_LAUNCHER;
	}
	for (size_t i = 0; i < n_profiles; i++) {
		int rc = load_profiles(&l, profiles[i]);

		if (rc)
			return rc;
	}
	return launch(&l, argc - optind, argv + optind);
}
