/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fuzz_main.c - runs a fuzz target without libFuzzer
 *
 *	fuzz-x-run [-n runs] [-s seed] file-or-folder...
 *
 * First every file as it is, then @runs mutations of them, the same ones for
 * the same seed.  It looks for no coverage: it is there so that every build,
 * with any compiler, runs each target under the sanitizers for a moment.  The
 * input that brought a target down is printed in hexadecimal.
 */
#include <dirent.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fuzz.h"

enum {
	INPUT_MAX = 4096,
	FILES_MAX = 256,
};

struct input {
	size_t len;
	uint8_t *data;
};

static struct input files[FILES_MAX];
static unsigned int nfiles;
static uint64_t rnd_state;

/* What runs now, for the report. */
static const uint8_t *cur_data;
static size_t cur_len;

void __sanitizer_set_death_callback(void (*f)(void)) __attribute__((weak));

static uint32_t rnd(uint32_t below)
{
	rnd_state ^= rnd_state << 13;
	rnd_state ^= rnd_state >> 7;
	rnd_state ^= rnd_state << 17;
	return (uint32_t)((rnd_state >> 32) * below >> 32);
}

static void print_input(void)
{
	if (!cur_data)
		return;
	fprintf(stderr, "input of %zu bytes:", cur_len);
	for (size_t i = 0; i < cur_len; i++)
		fprintf(stderr, "%s%02x", i % 32 ? " " : "\n  ", cur_data[i]);
	fprintf(stderr, "\n");
}

static void on_abort(int sig)
{
	(void)sig;
	print_input();
	_exit(1);
}

/* The target gets memory of exactly the right size: a byte too far is noticed. */
static void run(const uint8_t *p, size_t len)
{
	uint8_t *m = malloc(len ? len : 1);

	if (!m)
		exit(1);
	if (len)
		memcpy(m, p, len);
	cur_data = m;
	cur_len = len;
	LLVMFuzzerTestOneInput(m, len);
	cur_data = NULL;
	free(m);
}

static size_t mutate(uint8_t *p, size_t len)
{
	static const uint8_t edge[] = { 0, 1, 2, 4, 5, 6, 7, 8, 15, 16, 40, 44, 60, 127, 128, 254, 255 };
	size_t at = len ? rnd((uint32_t)len) : 0, n;
	const struct input *other;

	if (len == 0) {
		p[0] = (uint8_t)rnd(256);
		return 1;
	}
	switch (rnd(8)) {
	case 0:
		p[at] ^= (uint8_t)(1u << rnd(8));
		return len;
	case 1:
		p[at] = edge[rnd(ARRAY_SIZE(edge))];
		return len;
	case 2:
		p[at] = (uint8_t)rnd(256);
		return len;
	case 3:
		p[at] = (uint8_t)(p[at] + rnd(2) * 2 - 1);
		return len;
	case 4:
		return at;
	case 5:				/* take bytes out */
		n = 1 + rnd(8);
		if (n > len - at)
			n = len - at;
		memmove(p + at, p + at + n, len - at - n);
		return len - n;
	case 6:				/* double some */
		n = 1 + rnd(40);
		if (n > len - at)
			n = len - at;
		if (len + n > INPUT_MAX)
			return len;
		memmove(p + at + n, p + at, len - at);
		return len + n;
	default:			/* the rest of another file */
		other = &files[rnd(nfiles)];
		if (at >= other->len)
			return len;
		memcpy(p + at, other->data + at, other->len - at);
		return other->len;
	}
}

static int read_file(const char *path)
{
	struct input *in = &files[nfiles];
	FILE *f;

	if (nfiles == FILES_MAX)
		return 0;
	f = fopen(path, "rb");
	if (!f) {
		perror(path);
		return -1;
	}
	in->data = malloc(INPUT_MAX);
	if (!in->data)
		exit(1);
	in->len = fread(in->data, 1, INPUT_MAX, f);
	fclose(f);
	nfiles++;
	return 0;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int read_path(const char *path)
{
	struct dirent **names;
	struct stat st;
	int n, rc = 0;

	if (stat(path, &st) < 0) {
		perror(path);
		return -1;
	}
	if (!S_ISDIR(st.st_mode))
		return read_file(path);
	n = scandir(path, &names, NULL, by_name);
	if (n < 0) {
		perror(path);
		return -1;
	}
	for (int i = 0; i < n; i++) {
		char file[1024];

		if (names[i]->d_name[0] != '.' && rc == 0) {
			snprintf(file, sizeof(file), "%s/%s", path, names[i]->d_name);
			rc = read_file(file);
		}
		free(names[i]);
	}
	free(names);
	return rc;
}

int main(int argc, char **argv)
{
	unsigned long runs = 500000;
	uint64_t seed = 1;
	int c;

	while ((c = getopt(argc, argv, "n:s:")) != -1) {
		switch (c) {
		case 'n':
			runs = strtoul(optarg, NULL, 0);
			break;
		case 's':
			seed = strtoull(optarg, NULL, 0);
			break;
		default:
			fprintf(stderr, "usage: %s [-n runs] [-s seed] file-or-folder...\n", argv[0]);
			return 1;
		}
	}
	for (; optind < argc; optind++)
		if (read_path(argv[optind]) < 0)
			return 1;
	if (nfiles == 0) {
		fprintf(stderr, "%s: no inputs to start from\n", argv[0]);
		return 1;
	}

	signal(SIGABRT, on_abort);
	if (__sanitizer_set_death_callback)
		__sanitizer_set_death_callback(print_input);
	/* Any seed but zero keeps the generator running. */
	rnd_state = seed * 0x9e3779b97f4a7c15ull | 1;

	printf("%u files, then %lu mutations, seed %llu\n", nfiles, runs,
	       (unsigned long long)seed);
	fflush(stdout);
	for (unsigned int i = 0; i < nfiles; i++)
		run(files[i].data, files[i].len);
	for (unsigned long i = 0; i < runs; i++) {
		const struct input *in = &files[rnd(nfiles)];
		static uint8_t buf[2 * INPUT_MAX];
		size_t len = in->len;

		memcpy(buf, in->data, len);
		for (uint32_t k = 1 + rnd(6); k; k--)
			len = mutate(buf, len);
		run(buf, len);
	}
	for (unsigned int i = 0; i < nfiles; i++)
		free(files[i].data);
	return 0;
}
