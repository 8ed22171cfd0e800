// SPDX-License-Identifier: BSD-2-Clause
/*
 * opt.c - reading and checking the EF_ variables
 *
 * One walk over the environment collects the values, then each is parsed by the
 * type that opt_def.h gives it.  Runs inside other people's programs, possibly
 * before their main(): no allocation, no locale, no standard I/O streams.  A bad
 * value never stops a program; it is named in one line and the default is used.
 */
#include "base/opt.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
	UNKNOWN_MAX = 16,	/* unknown names reported in one run */
	LINE_LEN = 512,
	NAME_LEN = 48,		/* longer names have no near relative */
};

#define WORKS    true
#define NOEFFECT false

const struct opt_desc opt_table[OPT_COUNT] = {
#define OPT_GROUP(id, title)
#define OPT_INT(name_, field, def_, lo_, hi_, unit_, st, help_) \
	[OPT_##name_] = { .name = "EF_" #name_, .help = help_, .unit = unit_, \
		.def = def_, .lo = lo_, .hi = hi_, .off = offsetof(struct opts, field), \
		.type = OPT_TYPE_INT, .works = st },
#define OPT_BOOL(name_, field, def_, st, help_) \
	[OPT_##name_] = { .name = "EF_" #name_, .help = help_, .unit = "", \
		.def = def_, .lo = 0, .hi = 1, .off = offsetof(struct opts, field), \
		.type = OPT_TYPE_BOOL, .works = st },
#define OPT_HEX(name_, field, def_, hi_, st, help_) \
	[OPT_##name_] = { .name = "EF_" #name_, .help = help_, .unit = "", \
		.def = def_, .lo = 0, .hi = hi_, .off = offsetof(struct opts, field), \
		.type = OPT_TYPE_HEX, .works = st },
#define OPT_STR(name_, field, def_, size_, st, help_) \
	[OPT_##name_] = { .name = "EF_" #name_, .help = help_, .unit = "", \
		.def_str = def_, .off = offsetof(struct opts, field), .size = size_, \
		.type = OPT_TYPE_STR, .works = st },
#include "base/opt_def.h"
};

static const struct { uint16_t id; const char *title; } groups[] = {
#define OPT_GROUP(id, title) { OPT_GROUP_##id, title },
#define OPT_INT(name, field, def, lo, hi, unit, st, help)
#define OPT_BOOL(name, field, def, st, help)
#define OPT_HEX(name, field, def, hi, st, help)
#define OPT_STR(name, field, def, size, st, help)
#include "base/opt_def.h"
};

/* Options whose default is the kernel's; the file's number times @scale. */
static const struct { uint16_t id; uint16_t scale; const char *path; } sysctls[] = {
	{ OPT_RETRANSMIT_THRESHOLD, 1, "/proc/sys/net/ipv4/tcp_retries2" },
	{ OPT_RETRANSMIT_THRESHOLD_ORPHAN, 1, "/proc/sys/net/ipv4/tcp_orphan_retries" },
	{ OPT_RETRANSMIT_THRESHOLD_SYN, 1, "/proc/sys/net/ipv4/tcp_syn_retries" },
	{ OPT_RETRANSMIT_THRESHOLD_SYNACK, 1, "/proc/sys/net/ipv4/tcp_synack_retries" },
	{ OPT_KEEPALIVE_TIME, 1000, "/proc/sys/net/ipv4/tcp_keepalive_time" },
	{ OPT_KEEPALIVE_INTVL, 1000, "/proc/sys/net/ipv4/tcp_keepalive_intvl" },
	{ OPT_KEEPALIVE_PROBES, 1, "/proc/sys/net/ipv4/tcp_keepalive_probes" },
	{ OPT_TCP_FIN_TIMEOUT, 1, "/proc/sys/net/ipv4/tcp_fin_timeout" },
	{ OPT_TCP_BACKLOG_MAX, 1, "/proc/sys/net/ipv4/tcp_max_syn_backlog" },
	{ OPT_ACCEPTQ_MAX_BACKLOG, 1, "/proc/sys/net/core/somaxconn" },
	{ OPT_INVALID_ACK_RATELIMIT, 1, "/proc/sys/net/ipv4/tcp_invalid_ratelimit" },
	{ OPT_USE_DSACK, 1, "/proc/sys/net/ipv4/tcp_dsack" },
	{ OPT_TAIL_DROP_PROBE, 1, "/proc/sys/net/ipv4/tcp_early_retrans" },
	{ OPT_AUTO_FLOWLABELS, 1, "/proc/sys/net/ipv6/auto_flowlabels" },
};

struct warner {
	opt_warn_fn fn;
	void *arg;
	int problems;
};

static void __printf(3, 4)
say(struct warner *w, enum opt_warn kind, const char *fmt, ...)
{
	char line[LINE_LEN];
	va_list ap;

	if (kind != OPT_WARN_NOEFFECT)
		w->problems++;
	if (!w->fn)
		return;
	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	w->fn(w->arg, kind, line);
}

const char *opt_group_title(enum opt_id id)
{
	for (size_t i = 0; i < ARRAY_SIZE(groups); i++)
		if (groups[i].id == id)
			return groups[i].title;
	return NULL;
}

static enum opt_id id_of(const struct opt_desc *d)
{
	return (enum opt_id)(d - opt_table);
}

static void *field_of(struct opts *o, const struct opt_desc *d)
{
	return (char *)o + d->off;
}

static void mark(struct opts *o, const struct opt_desc *d)
{
	o->set[id_of(d) / 32] |= 1u << (id_of(d) % 32);
}

static void store_int(struct opts *o, const struct opt_desc *d, int64_t v)
{
	void *f = field_of(o, d);

	switch (d->type) {
	case OPT_TYPE_INT:
		*(int32_t *)f = (int32_t)v;
		break;
	case OPT_TYPE_BOOL:
		*(bool *)f = v != 0;
		break;
	default:
		*(uint32_t *)f = (uint32_t)v;
	}
}

static int64_t load_int(const struct opts *o, const struct opt_desc *d)
{
	const void *f = (const char *)o + d->off;

	switch (d->type) {
	case OPT_TYPE_INT:
		return *(const int32_t *)f;
	case OPT_TYPE_BOOL:
		return *(const bool *)f;
	default:
		return *(const uint32_t *)f;
	}
}

void opts_defaults(struct opts *o)
{
	memset(o, 0, sizeof(*o));
	for (size_t i = 0; i < OPT_COUNT; i++) {
		const struct opt_desc *d = &opt_table[i];

		if (d->type == OPT_TYPE_STR)
			memcpy(field_of(o, d), d->def_str, strlen(d->def_str) + 1);
		else
			store_int(o, d, d->def);
	}
}

/* A whole string of digits.  Saturates far outside of any range, so that a
 * number that is too long is out of range and not a bad value. */
static int parse_int(const char *s, unsigned int base, int64_t *out)
{
	const int64_t big = INT64_MAX / 32;
	bool neg = false;
	int64_t v = 0;

	if (*s == '-' || *s == '+')
		neg = *s++ == '-';
	if (base == 16 && s[0] == '0' && (s[1] == 'x' || s[1] == 'X'))
		s += 2;
	if (!*s)
		return -EINVAL;
	for (; *s; s++) {
		unsigned int dig;

		if (*s >= '0' && *s <= '9')
			dig = *s - '0';
		else if (base == 16 && (*s | 32) >= 'a' && (*s | 32) <= 'f')
			dig = (*s | 32) - 'a' + 10;
		else
			return -EINVAL;
		v = v > big ? big : v * base + dig;
	}
	*out = neg ? -v : v;
	return 0;
}

static unsigned int base_of(const struct opt_desc *d)
{
	return d->type == OPT_TYPE_HEX ? 16 : 10;
}

static int format_int(const struct opt_desc *d, int64_t v, char *buf, size_t size)
{
	if (d->type == OPT_TYPE_HEX)
		return snprintf(buf, size, "0x%llx", (unsigned long long)v);
	return snprintf(buf, size, "%lld", (long long)v);
}

int opt_format(const struct opts *o, const struct opt_desc *d, char *buf, size_t size)
{
	if (d->type == OPT_TYPE_STR)
		return snprintf(buf, size, "%s", (const char *)o + d->off);
	return format_int(d, load_int(o, d), buf, size);
}

int opt_format_default(const struct opt_desc *d, char *buf, size_t size)
{
	if (d->type == OPT_TYPE_STR)
		return snprintf(buf, size, "%s", d->def_str);
	return format_int(d, d->def, buf, size);
}

const struct opt_desc *opt_find(const char *name)
{
	for (size_t i = 0; i < OPT_COUNT; i++)
		if (!strcmp(opt_table[i].name, name))
			return &opt_table[i];
	return NULL;
}

int opt_set_int(struct opts *o, const char *name, int64_t value)
{
	const struct opt_desc *d = opt_find(name);

	if (!d)
		return -ENOENT;
	if (d->type == OPT_TYPE_STR)
		return -EINVAL;
	if (value < d->lo || value > d->hi)
		return -ERANGE;
	store_int(o, d, value);
	mark(o, d);
	return 0;
}

int opt_set(struct opts *o, const char *name, const char *value)
{
	const struct opt_desc *d = opt_find(name);
	int64_t v;
	int rc;

	if (!d)
		return -ENOENT;
	if (d->type != OPT_TYPE_STR) {
		rc = parse_int(value, base_of(d), &v);
		return rc < 0 ? rc : opt_set_int(o, name, v);
	}
	if (strlen(value) >= d->size)
		return -ERANGE;
	memcpy(field_of(o, d), value, strlen(value) + 1);
	mark(o, d);
	return 0;
}

/* One variable of the environment: used, clamped, or named in a line. */
static void take_value(struct opts *o, const struct opt_desc *d, const char *val,
		       struct warner *w)
{
	char def[64], lo[24], hi[24];
	const char *sp = *d->unit ? " " : "";
	int64_t v;

	if (d->type == OPT_TYPE_STR) {
		size_t len = strlen(val);

		if (len >= d->size) {
			opt_format_default(d, def, sizeof(def));
			say(w, OPT_WARN_BAD,
			    "%s=%.40s...: too long, expected up to %d characters; using the default '%s'",
			    d->name, val, d->size - 1, def);
			return;
		}
		memcpy(field_of(o, d), val, len + 1);
		mark(o, d);
		return;
	}

	format_int(d, d->lo, lo, sizeof(lo));
	format_int(d, d->hi, hi, sizeof(hi));
	if (parse_int(val, base_of(d), &v) < 0) {
		opt_format_default(d, def, sizeof(def));
		say(w, OPT_WARN_BAD,
		    "%s=%.80s: not a %s, expected %s to %s%s%s; using the default %s", d->name, val,
		    d->type == OPT_TYPE_HEX ? "hexadecimal number" : "whole number", lo, hi, sp,
		    d->unit, def);
		return;
	}
	if (v < d->lo || v > d->hi) {
		v = v < d->lo ? d->lo : d->hi;
		say(w, OPT_WARN_RANGE, "%s=%.80s: out of range, expected %s to %s%s%s; using %s",
		    d->name, val, lo, hi, sp, d->unit, v == d->lo ? lo : hi);
	}
	store_int(o, d, v);
	mark(o, d);
}

/* Edits (insert, delete, replace) that lead from @a to @b. */
static unsigned int distance(const char *a, size_t alen, const char *b)
{
	uint8_t row[NAME_LEN + 1];
	size_t blen = strlen(b);

	for (size_t j = 0; j <= blen; j++)
		row[j] = (uint8_t)j;
	for (size_t i = 1; i <= alen; i++) {
		uint8_t diag = row[0];

		row[0] = (uint8_t)i;
		for (size_t j = 1; j <= blen; j++) {
			uint8_t keep = row[j];
			uint8_t best = (uint8_t)(diag + (a[i - 1] != b[j - 1]));

			best = min_t(uint8_t, best, row[j] + 1);
			best = min_t(uint8_t, best, row[j - 1] + 1);
			row[j] = best;
			diag = keep;
		}
	}
	return row[blen];
}

static const struct opt_desc *nearest(const char *name, size_t len)
{
	const struct opt_desc *found = NULL;
	unsigned int best = 5;	/* more edits than this is another word */

	if (len > NAME_LEN)
		return NULL;
	for (size_t i = 0; i < OPT_COUNT; i++) {
		unsigned int d;

		if (strlen(opt_table[i].name) > NAME_LEN)
			continue;
		d = distance(name, len, opt_table[i].name);
		if (d < best && d <= len / 3) {
			best = d;
			found = &opt_table[i];
		}
	}
	return found;
}

static void warn_unknown(const char *var, struct warner *w)
{
	size_t len = strcspn(var, "=");
	const struct opt_desc *d = nearest(var, len);

	if (d)
		say(w, OPT_WARN_UNKNOWN, "%.*s: unknown option, ignored; did you mean %s?",
		    (int)min_t(size_t, len, 80), var, d->name);
	else
		say(w, OPT_WARN_UNKNOWN,
		    "%.*s: unknown option, ignored ('onload --help-env' lists all)",
		    (int)min_t(size_t, len, 80), var);
}

static void warn_noeffect(const struct opts *o, struct warner *w)
{
	char list[LINE_LEN - 80];
	size_t n = 0;

	for (size_t i = 0; i < OPT_COUNT; i++) {
		if (opt_table[i].works || !opt_is_set(o, (enum opt_id)i))
			continue;
		if (n + NAME_LEN + 8 > sizeof(list)) {
			n += snprintf(list + n, sizeof(list) - n, " ...");
			break;
		}
		n += snprintf(list + n, sizeof(list) - n, "%s%s", n ? " " : "", opt_table[i].name);
	}
	if (n)
		say(w, OPT_WARN_NOEFFECT, "%s: accepted, without effect in this version", list);
}

void opts_derive(struct opts *o)
{
/* sets a field unless somebody named it */
#define FOLLOW(NAME, field, value)				\
	do {							\
		if (!opt_is_set(o, OPT_##NAME))			\
			o->field = (value);			\
	} while (0)

	/* Accept, connect and pipes stay out of it: those waits are long, and
	 * users who tuned with EF_POLL_USEC never had them spin. */
	if (o->poll_usec) {
		FOLLOW(SPIN_USEC, spin_usec, o->poll_usec);
		FOLLOW(UDP_RECV_SPIN, udp_recv_spin, true);
		FOLLOW(UDP_SEND_SPIN, udp_send_spin, true);
		FOLLOW(TCP_RECV_SPIN, tcp_recv_spin, true);
		FOLLOW(TCP_SEND_SPIN, tcp_send_spin, true);
		FOLLOW(SELECT_SPIN, select_spin, true);
		FOLLOW(POLL_SPIN, poll_spin, true);
		FOLLOW(EPOLL_SPIN, epoll_spin, true);
		FOLLOW(PKT_WAIT_SPIN, pkt_wait_spin, true);
		FOLLOW(SOCK_LOCK_BUZZ, sock_lock_buzz, true);
		FOLLOW(STACK_LOCK_BUZZ, stack_lock_buzz, true);
		FOLLOW(BUZZ_USEC, buzz_usec,
		       o->poll_usec < 0 ? 100 : min_t(int32_t, o->poll_usec, 100));
	}
	if (o->spin_usec)
		FOLLOW(INT_DRIVEN, int_driven, false);

	FOLLOW(MAX_RX_PACKETS, max_rx_packets, o->max_packets / 4 * 3);
	FOLLOW(MAX_TX_PACKETS, max_tx_packets, o->max_packets / 4 * 3);
	FOLLOW(CLUSTER_IGNORE, cluster_ignore, o->cluster_size == 0);
	if (opt_is_set(o, OPT_MULTICAST_LOOP_OFF) && !o->multicast_loop_off)
		FOLLOW(MCAST_SEND, mcast_send, 1);
	if (opt_is_set(o, OPT_TCP_BACKLOG_MAX))
		FOLLOW(TCP_SYNRECV_MAX, tcp_synrecv_max,
		       o->tcp_backlog_max > INT32_MAX / 4 ? INT32_MAX : 4 * o->tcp_backlog_max);
#undef FOLLOW

	o->dynamic_ack_thresh = max_t(int32_t, o->dynamic_ack_thresh, o->delack_thresh);
	o->rfc_rto_max = max_t(int32_t, o->rfc_rto_max, o->rfc_rto_min);
	for (int32_t n = 16; n <= 1 << 21; n <<= 1)
		if (n >= o->max_endpoints) {
			o->max_endpoints = n;
			break;
		}
}

/* Order of the variables must not matter: exec wrappers shuffle them. */
uint32_t opts_env_sum(char **envp)
{
	uint32_t sum = 0;

	for (char **e = envp; e && *e; e++) {
		uint32_t h = 2166136261u;	/* FNV-1a */

		if (strncmp(*e, "EF_", 3))
			continue;
		for (const char *p = *e; *p; p++)
			h = (h ^ (unsigned char)*p) * 16777619u;
		sum += h;
	}
	return sum | 1;
}

int opts_parse(struct opts *o, char **envp, opt_warn_fn warn, void *arg)
{
	static const char checked_name[] = "POSTERN_ENV_CHECKED=";
	const char *val[OPT_COUNT] = { NULL };
	const char *unknown[UNKNOWN_MAX];
	const char *checked = NULL;
	struct warner w = { warn, arg, 0 };
	size_t n_unknown = 0;
	int64_t sum;

	opts_defaults(o);
	for (char **e = envp; e && *e; e++) {
		size_t len;
		size_t i;

		if (!strncmp(*e, checked_name, sizeof(checked_name) - 1))
			checked = *e + sizeof(checked_name) - 1;
		if (strncmp(*e, "EF_", 3))
			continue;
		len = strcspn(*e, "=");
		if ((*e)[len] != '=')
			continue;
		for (i = 0; i < OPT_COUNT; i++)
			if (!strncmp(opt_table[i].name, *e, len) && !opt_table[i].name[len])
				break;
		if (i < OPT_COUNT) {
			if (!val[i])
				val[i] = *e + len + 1;
		} else if (n_unknown < UNKNOWN_MAX) {
			unknown[n_unknown++] = *e;
		}
	}

	if (checked && !parse_int(checked, 16, &sum) && sum == opts_env_sum(envp))
		w.fn = NULL;

	if (val[OPT_LOAD_ENV]) {
		take_value(o, &opt_table[OPT_LOAD_ENV], val[OPT_LOAD_ENV], &w);
		val[OPT_LOAD_ENV] = NULL;
	}
	if (o->load_env) {
		for (size_t i = 0; i < OPT_COUNT; i++)
			if (val[i])
				take_value(o, &opt_table[i], val[i], &w);
		if (o->validate_env)
			for (size_t i = 0; i < n_unknown; i++)
				warn_unknown(unknown[i], &w);
		warn_noeffect(o, &w);
	}
	opts_derive(o);
	return w.problems;
}

void opts_sysctl(struct opts *o)
{
	const int saved = errno;

	for (size_t i = 0; i < ARRAY_SIZE(sysctls); i++) {
		const struct opt_desc *d = &opt_table[sysctls[i].id];
		char buf[32];
		int64_t v;
		ssize_t n;
		int fd;

		if (opt_is_set(o, id_of(d)))
			continue;
		/* past our own interposed open() and read() */
		fd = (int)syscall(SYS_openat, AT_FDCWD, sysctls[i].path, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			continue;
		n = syscall(SYS_read, fd, buf, sizeof(buf) - 1);
		syscall(SYS_close, fd);
		if (n <= 0)
			continue;
		buf[n] = 0;
		buf[strcspn(buf, " \t\n")] = 0;
		if (parse_int(buf, 10, &v) < 0)
			continue;
		/* 0 of tcp_orphan_retries means the kernel's own 8. */
		if (sysctls[i].id == OPT_RETRANSMIT_THRESHOLD_ORPHAN && v == 0)
			continue;
		v = min_t(int64_t, v, INT32_MAX) * sysctls[i].scale;
		v = v < d->lo ? d->lo : v > d->hi ? d->hi : v;
		store_int(o, d, v);
	}
	errno = saved;
}
