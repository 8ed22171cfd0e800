// SPDX-License-Identifier: BSD-2-Clause
/*
 * reason.c - names and sentences of enum sock_reason
 */
#include "sock/reason.h"

#include "base/types.h"

static const char *const names[SOCK_N_REASONS] = {
#define X(name, text) [SOCK_REASON_##name] = #name,
	SOCK_REASONS(X)
#undef X
};

static const char *const texts[SOCK_N_REASONS] = {
#define X(name, text) [SOCK_REASON_##name] = text,
	SOCK_REASONS(X)
#undef X
};

const char *sock_reason_name(enum sock_reason r)
{
	return (unsigned)r < ARRAY_SIZE(names) ? names[r] : "unknown";
}

const char *sock_reason_text(enum sock_reason r)
{
	return (unsigned)r < ARRAY_SIZE(texts) ? texts[r] : "unknown";
}
