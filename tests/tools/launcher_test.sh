#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# The launcher sets the environment and execs; what cannot be accelerated is one line with the cure.
. "${0%/*}/lib.sh"
onload="$POSTERN onload"

# a library that can be preloaded, so that nothing here needs libonload.so
printf 'int nothing_here = 1;\n' > "$tmp/l.c"
cc -shared -fPIC -o "$tmp/lib.so" "$tmp/l.c" || { echo "no compiler to make test programs"; exit 77; }
pre="$onload --preload=$tmp/lib.so"
printf '#include <stdio.h>\nint main(void) { puts("ran"); return 7; }\n' > "$tmp/p.c"
cc -o "$tmp/dynamic" "$tmp/p.c"

case_ "no command"
try 125 $onload
err_has "usage: onload"

case_ "unknown option"
try 125 $onload --nosuch true
err_has "--help"

case_ "help and version"
try 0 $onload --help
out_has "usage: onload"
try 0 $onload --version
out_has "onload (Postern) "
try 0 $onload --help-env
out_has "EF_POLL_USEC=0 us"
out_has "260 options"

case_ "called by the name onload"
ln -s "$POSTERN" "$tmp/onload"
try 0 "$tmp/onload" --version
out_has "onload (Postern) "

case_ "not found"
try 127 $pre no-such-program-anywhere
err_has "onload: no-such-program-anywhere: command not found"
err_lines 1
try 127 $pre "$tmp/nosuch"
try 127 $pre ""

case_ "not executable"
try 126 $pre "$tmp/p.c"
err_has "cannot be executed"
err_lines 1
try 126 $pre "$tmp"

case_ "runs, status and arguments pass through"
try 7 $pre "$tmp/dynamic"
out_has "ran"
err_lines 0
try 0 $pre sh -c 'echo "$0|$1|$2"' a 'b c' -v
out_has "a|b c|-v"
try 0 $pre -- sh -c 'exit 0'

case_ "preload is set, in front of one that is there"
try 0 $pre sh -c 'echo "$LD_PRELOAD"'
[ "$(cat "$tmp/out")" = "$tmp/lib.so" ] || bad "LD_PRELOAD"
cp "$tmp/lib.so" "$tmp/other.so"
try 0 env LD_PRELOAD="$tmp/other.so" $pre sh -c 'echo "$LD_PRELOAD"'
[ "$(cat "$tmp/out")" = "$tmp/lib.so:$tmp/other.so" ] || bad "LD_PRELOAD with one there"

case_ "twice is once"
try 0 $pre $pre sh -c 'echo "$LD_PRELOAD"'
[ "$(cat "$tmp/out")" = "$tmp/lib.so" ] || bad "LD_PRELOAD twice"

case_ "preload library that is not there"
try 125 $onload --preload="$tmp/nosuch.so" true
err_has "nosuch.so: No such file"

case_ "script"
printf '#!/bin/sh\necho script "$LD_PRELOAD"\n' > "$tmp/s"
chmod +x "$tmp/s"
try 0 $pre "$tmp/s"
out_has "script $tmp/lib.so"
err_lines 0

case_ "script without #!"
printf 'echo plain "$1"\n' > "$tmp/plain"
chmod +x "$tmp/plain"
try 0 $pre "$tmp/plain" x
out_has "plain x"

case_ "empty and truncated files do not upset it"
: > "$tmp/empty"
printf '\177ELF\002' > "$tmp/short"
printf '#!' > "$tmp/bang"
chmod +x "$tmp/empty" "$tmp/short" "$tmp/bang"
for f in empty short bang; do
	"$POSTERN" onload --preload="$tmp/lib.so" "$tmp/$f" > "$tmp/out" 2> "$tmp/err"
	[ $? -lt 128 ] || bad "crashed on $f"
done

if cc -static -o "$tmp/static" "$tmp/p.c" 2>/dev/null; then
	case_ "static program runs with a warning"
	try 7 $pre "$tmp/static"
	out_has "ran"
	err_has "warning: $tmp/static is statically linked"
	err_has "running it on the kernel"
	err_lines 1
	case_ "static program is an error with --strict, and with EF_NO_FAIL=0"
	try 125 $pre --strict "$tmp/static"
	err_has "link it dynamically"
	err_lines 1
	try 125 env EF_NO_FAIL=0 $pre "$tmp/static"
	case_ "script whose interpreter is static"
	printf '#!%s\n' "$tmp/static" > "$tmp/s2"
	chmod +x "$tmp/s2"
	try 7 $pre "$tmp/s2"
	err_has "interpreter $tmp/static is statically linked"
fi
if cc -static-pie -o "$tmp/spie" "$tmp/p.c" 2>/dev/null; then
	case_ "static position-independent program"
	try 125 $pre --strict "$tmp/spie"
	err_has "statically linked"
fi

case_ "32-bit program"
# an ELF header is enough to say it
printf '\177ELF\001\001\001\000\000\000\000\000\000\000\000\000\002\000\003\000\001\000\000\000' > "$tmp/elf32"
dd if=/dev/zero bs=64 count=2 >> "$tmp/elf32" 2>/dev/null
chmod +x "$tmp/elf32"
try 125 $pre --strict "$tmp/elf32"
err_has "32-bit"

case_ "dynamic linker called by name"
ld=$(ls /lib64/ld-linux-*.so.* /lib/ld-linux-*.so.* 2>/dev/null | head -1)
if [ -n "$ld" ]; then
	try 7 $pre --strict "$ld" "$tmp/dynamic"
	err_lines 0
fi

if [ "$(id -u)" = 0 ]; then
	case_ "setuid program of another user"
	cp "$tmp/dynamic" "$tmp/suid"
	chown 65534 "$tmp/suid"
	chmod 4755 "$tmp/suid"
	try 125 $pre --strict "$tmp/suid"
	err_has "gains privileges"
	case_ "setuid to oneself gains nothing"
	chown 0 "$tmp/suid"
	chmod 4755 "$tmp/suid"
	try 7 $pre --strict "$tmp/suid"
	err_lines 0
fi

case_ "--strict sets EF_NO_FAIL=0 for the library"
try 0 env EF_NO_FAIL=1 $pre --strict sh -c 'echo "nf=$EF_NO_FAIL"'
out_has "nf=0"

case_ "--app: only the named word is accelerated"
try 0 $pre --app="$tmp/s" env SEEN=1 "$tmp/s"
out_has "script $tmp/lib.so"
try 0 $pre --app=sh env sh -c 'echo "in=$LD_PRELOAD"'
out_has "in=$tmp/lib.so"
try 125 $pre --app=nosuch env true
err_has "has no such argument"

case_ "bad variables: one line, and the library need not repeat it"
try 0 env EF_POLL_USEC=abc $pre sh -c 'echo "m=$POSTERN_ENV_CHECKED"'
err_has "onload: EF_POLL_USEC=abc: not a whole number, expected -1 to 2147483647 us; using the default 0"
err_lines 1
grep -q '^m=[0-9a-f]*[0-9a-f]$' "$tmp/out" || bad "no mark"

done_
