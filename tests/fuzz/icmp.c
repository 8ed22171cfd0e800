/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * icmp.c - fuzz target: ICMPv4 and ICMPv6 error messages
 *
 * The first byte chooses the version.  What must hold: an accepted message
 * quotes the start of a TCP or UDP header inside its bytes.
 */
#include "fuzz.h"
#include "wire/icmp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct icmp_err e;
	bool six, fatal;
	int rc;

	if (size == 0)
		return 0;
	six = data[0] & 1;
	data++;
	size--;
	rc = six ? icmp6_parse(data, size, &e) : icmp4_parse(data, size, &e);
	FUZZ_CHECK(rc == 0 || rc == -EBADMSG);
	if (rc < 0)
		return 0;

	FUZZ_CHECK(e.ip6 == six);
	FUZZ_CHECK(e.flow.proto == IPPROTO_TCP || e.flow.proto == IPPROTO_UDP);
	FUZZ_CHECK((e.flow.pad[0] | e.flow.pad[1] | e.flow.pad[2]) == 0);
	FUZZ_CHECK(e.quote_off == ICMP_HDR_LEN);
	FUZZ_CHECK(e.l4_off >= e.quote_off + 20 && (size_t)e.l4_off + ICMP_QUOTE_MIN <= size);
	FUZZ_CHECK(e.flow.lport.be == to_be16(get_be16(data + e.l4_off)).be);
	FUZZ_CHECK(six || (ipaddr_is4(&e.flow.laddr) && ipaddr_is4(&e.flow.raddr)));
	FUZZ_CHECK(icmp_errno(&e, &fatal) >= 0);
	return 0;
}
