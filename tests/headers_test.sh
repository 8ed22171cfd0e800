#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# The installed headers compile alone, as C and as C++, without a warning.
set -e
src=$(cd "$(dirname "$0")/.." && pwd)
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
n=0
for h in "$src"/include/*/*.h; do
	name=${h#"$src"/include/}
	printf '#include <%s>\n#include <%s>\nint main(void) { return 0; }\n' "$name" "$name" >"$tmp/h.c"
	cp "$tmp/h.c" "$tmp/h.cc"
	for c in "gcc -std=gnu11" "gcc -std=gnu99" "clang -std=gnu11"; do
		command -v "${c%% *}" >/dev/null || continue
		$c -Wall -Wextra -Wpedantic -Werror -fsyntax-only -I"$src/include" "$tmp/h.c"
		n=$((n + 1))
	done
	for c in "g++ -std=c++11" "g++ -std=c++20" "clang++ -std=c++17"; do
		command -v "${c%% *}" >/dev/null || continue
		$c -Wall -Wextra -Wpedantic -Werror -fsyntax-only -I"$src/include" "$tmp/h.cc"
		n=$((n + 1))
	done
done
echo "$n compilations"
