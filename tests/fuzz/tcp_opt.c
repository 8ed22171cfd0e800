/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tcp_opt.c - fuzz target: TCP option lists
 *
 * What must hold: the walk ends and stays inside, the inline and the general
 * parser agree, and what was understood survives being written and read again.
 */
#include <string.h>

#include "fuzz.h"
#include "wire/tcp_opt.h"

static void check_walk(const uint8_t *data, size_t size)
{
	struct tcp_opt_iter it;
	struct tcp_opt o;
	size_t seen = 0;
	int rc;

	tcp_opt_iter_init(&it, data, size);
	while ((rc = tcp_opt_next(&it, &o)) == 1) {
		FUZZ_CHECK(o.kind != TCP_OPT_EOL && o.kind != TCP_OPT_NOP);
		FUZZ_CHECK(o.data >= data && o.data + o.len <= data + size);
		seen += 2u + o.len;
		FUZZ_CHECK(seen <= size);
	}
	FUZZ_CHECK(rc == 0 || rc == -EBADMSG);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct tcp_opts a, b;
	struct tcp_syn_opts s, t;
	uint8_t buf[TCP_OPT_MAX_LEN];
	size_t n;

	check_walk(data, size);

	FUZZ_CHECK(tcp_opt_parse(data, size, &a) == tcp_opt_parse_slow(data, size, &b));
	FUZZ_CHECK(a.ts_ok == b.ts_ok && a.nsack == b.nsack && a.nsack <= TCP_SACK_MAX);
	FUZZ_CHECK(!a.ts_ok || (a.tsval == b.tsval && a.tsecr == b.tsecr));
	n = tcp_opt_put(buf, &a);
	FUZZ_CHECK(n <= sizeof(buf) && n % 4 == 0);
	FUZZ_CHECK(tcp_opt_parse(buf, n, &b) == 0);
	FUZZ_CHECK(a.ts_ok == b.ts_ok && b.nsack == (a.ts_ok && a.nsack > 3 ? 3 : a.nsack));
	FUZZ_CHECK(memcmp(a.sack, b.sack, b.nsack * sizeof(a.sack[0])) == 0);

	(void)tcp_opt_parse_syn(data, size, &s);
	FUZZ_CHECK(s.wscale <= TCP_WSCALE_MAX);
	n = tcp_opt_put_syn(buf, &s);
	FUZZ_CHECK(n <= sizeof(buf) && n % 4 == 0);
	FUZZ_CHECK(tcp_opt_parse_syn(buf, n, &t) == 0);
	FUZZ_CHECK(s.mss == t.mss && s.wscale_ok == t.wscale_ok && s.wscale == t.wscale &&
		   s.sack_ok == t.sack_ok && s.ts_ok == t.ts_ok && s.tsval == t.tsval &&
		   s.tsecr == t.tsecr);
	return 0;
}
