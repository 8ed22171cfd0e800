#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# The checks of the sources find what they are for: a copy with one offence fails.
set -eu
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
mkdir -p "$tmp/scripts" "$tmp/src/base" "$tmp/src/wire" "$tmp/src/tcp" "$tmp/src/tools"
cp "$POSTERN_SRC/scripts/check-layers" "$POSTERN_SRC/scripts/check-shm" "$POSTERN_SRC/scripts/check-opts" "$tmp/scripts/"

expect() { # what, status, command...
	what=$1 want=$2
	shift 2
	rc=0
	"$@" > "$tmp/out" 2>&1 || rc=$?
	if [ $rc != "$want" ]; then
		echo "FAIL: $what: status $rc, expected $want"
		cat "$tmp/out"
		exit 1
	fi
}

echo '#include "base/types.h"' > "$tmp/src/wire/a.c"
echo '#include "net/net_shm.h"' > "$tmp/src/tools/t.c"
cat > "$tmp/src/wire/ok_shm.h" <<'X'
/* a * in a comment */
struct fine { uint32_t a[2 * 8]; _Alignas(64) struct { uint8_t b; } c; };
static inline void *f(struct fine *x) { return x; }
X
expect "clean tree, layers" 0 "$tmp/scripts/check-layers"
expect "clean tree, shm" 0 "$tmp/scripts/check-shm"

echo '#include "sock/sock.h"' > "$tmp/src/tcp/b.c"
expect "upward include" 1 "$tmp/scripts/check-layers"
grep -q 'src/tcp/b.c:1: tcp must not include sock/sock.h' "$tmp/out"

printf 'struct bad {\n\tuint32_t a;\n\tchar *p;\n};\n' > "$tmp/src/wire/bad_shm.h"
expect "pointer in shared memory" 1 "$tmp/scripts/check-shm"
grep -q 'src/wire/bad_shm.h:3: pointer' "$tmp/out"

printf 'struct bad {\n\tstruct {\n\t\tlong n;\n\t} in;\n};\n' > "$tmp/src/wire/bad_shm.h"
expect "type without fixed width" 1 "$tmp/scripts/check-shm"

printf 'OPT_INT(ONE, one, 0, 0, 1, "", WORKS,\n\t"x")\nOPT_BOOL(TWO, two, 0, NOEFFECT, "x")\n' > "$tmp/src/base/opt_def.h"
echo 'int f(void) { return o->one; }' > "$tmp/src/wire/o.c"
expect "options as the table says" 0 "$tmp/scripts/check-opts"
echo 'int f(void) { return opts->two; }' > "$tmp/src/wire/o.c"
expect "options not as the table says" 1 "$tmp/scripts/check-opts"
grep -q 'EF_ONE: marked WORKS' "$tmp/out"
grep -q 'EF_TWO: marked NOEFFECT' "$tmp/out"
