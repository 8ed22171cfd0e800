#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# What libonload.so is to a program that has nothing to do with networks: no descriptor,
# no noticeable time, kept in the environment of what it starts.  And what it exports.
set -u
: "${POSTERN_BUILD:?}" "${POSTERN_SRC:?}"
lib=${LIBONLOAD:-$POSTERN_BUILD/src/preload/libonload.so}
[ -f "$lib" ] || { echo "skipped: no libonload.so"; exit 77; }
failed=0
check() {	# WHAT GOT WANT
	if [ "$2" = "$3" ]; then
		echo "ok: $1"
	else
		printf 'FAIL: %s\n  got:  %s\n  want: %s\n' "$1" "$2" "$3"
		failed=1
	fi
}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
with() { LD_PRELOAD=$lib "$@"; }

check "runs as a program" "$("$lib" | head -c 8)" "Postern "
check "opens no descriptor" "$(with ls /proc/self/fd | tr '\n' ' ')" "$(ls /proc/self/fd | tr '\n' ' ')"
check "exit status" "$(with sh -c 'exit 7'; echo $?)" 7
check "pipes" "$(with sh -c 'printf "b\na\n" | sort | tr "\n" "."')" "a.b."
check "environment is kept" "$(EF_NAME=x with env -i sh -c 'echo "$EF_NAME ${LD_PRELOAD##*/}"')" "x libonload.so"
check "other preloads are kept" \
	"$(with env LD_PRELOAD=libm.so.6 sh -c 'echo "${LD_PRELOAD##*/}"')" "$(basename "$lib"):libm.so.6"
check "not restored when told so" \
	"$(EF_NO_PRELOAD_RESTORE=1 with env -i sh -c 'echo "[${LD_PRELOAD:-}]"')" "[]"

# a socket of the kernel works, its object is seen by the tools, no daemon is started
cat > "$tmp/sock.py" <<'PY'
import os, socket
s = socket.socket()
s.bind(("127.0.0.1", 0))
s.listen()
c = socket.create_connection(s.getsockname())
a = s.accept()[0]
c.sendall(b"hello")
f = a.makefile("rb")
names = [os.readlink("/proc/self/fd/" + n) for n in os.listdir("/proc/self/fd") if os.path.islink("/proc/self/fd/" + n)]
print(f.read(5).decode(), sum("postern-fds" in n for n in names), max(s.fileno(), c.fileno(), a.fileno()) < 10)
PY
if command -v python3 >/dev/null; then
	check "sockets of the kernel" "$(POSTERN_POSTERND='' with python3 "$tmp/sock.py" 2>/dev/null 9>&-)" "hello 1 True"
fi

# time of a small program, best of several: 2 ms at most for the library
best() {
	local i t0 t1 min=999999
	for i in 1 2 3 4 5 6 7 8 9 10; do
		t0=$(date +%s%N)
		"$@"
		t1=$(date +%s%N)
		[ $(((t1 - t0) / 1000)) -ge $min ] || min=$(((t1 - t0) / 1000))
	done
	echo $min
}
cost=$(($(best env LD_PRELOAD="$lib" /bin/true) - $(best env /bin/true)))
check "start costs under 2 ms ($cost us)" "$([ $cost -lt 2000 ] && echo yes || echo no)" yes

# the library's exports: what the map says, and for libc's calls names that libc has
nm -D --defined-only "$lib" | awk '{ print $3 }' | sort > "$tmp/exports"
sed -n 's/^[ \t]*\([A-Za-z_0-9]*\);.*/\1/p' "$POSTERN_SRC/src/preload/exports.map" | grep -v '^\*' | sort > "$tmp/map"
check "exports are those of the map" "$(comm -3 "$tmp/exports" "$tmp/map" | tr '\n' ' ')" ""
libc=$(ldd /bin/sh | awk '/libc\.so/ { print $3 }')
nm -D --defined-only "$libc" | awk '{ sub("@.*", "", $3); print $3 }' | sort -u > "$tmp/libc"
check "names of libc" "$(grep -v -e ^onload_ -e ^io_uring_ -e ^io_submit -e ^pidfd_getfd "$tmp/map" | comm -23 - "$tmp/libc" | tr '\n' ' ')" ""

# libraries below must not call an interposed name on a descriptor by way of libc
for l in base stack sock net tcp udp wire; do
	f=$POSTERN_BUILD/src/$l/lib$l.a
	[ -f "$f" ] || continue
	check "lib$l calls no interposed name" \
		"$(nm -u "$f" 2>/dev/null | awk '/ U / { print $2 }' | sort -u | comm -12 - "$tmp/map" | grep -v '^syscall$' | tr '\n' ' ')" ""
done
exit $failed
