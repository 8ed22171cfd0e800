/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * csum.c - fuzz target: the checksum of any bytes, whole, copied and in pieces
 *
 * The first two bytes say where to cut.
 */
#include <string.h>

#include "fuzz.h"
#include "wire/csum.h"
#include "wire/endian.h"

static uint32_t naive(const uint8_t *p, size_t len)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < len; i++) {
		sum += i & 1 ? p[i] : (uint32_t)p[i] << 8;
		sum = (sum & 0xffff) + (sum >> 16);
	}
	return sum % 0xffff;
}

static uint32_t host(uint32_t sum)
{
	return from_be16((be16_t){ csum_fold_raw(sum) }) % 0xffff;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint32_t want, sum;
	uint8_t *copy;
	size_t cut;

	if (size < 2)
		return 0;
	cut = get_be16(data) % (size - 1);
	data += 2;
	size -= 2;
	want = naive(data, size);
	FUZZ_CHECK(host(csum_partial(data, size, 0)) == want);

	copy = malloc(size ? size : 1);
	if (!copy)
		return 0;
	FUZZ_CHECK(host(csum_copy(copy, data, size, 0)) == want);
	FUZZ_CHECK(size == 0 || memcmp(copy, data, size) == 0);
	free(copy);

	sum = csum_add_at(csum_partial(data, cut, 0),
			  csum_partial(data + cut, size - cut, 0), cut);
	FUZZ_CHECK(host(sum) == want);
	return 0;
}
