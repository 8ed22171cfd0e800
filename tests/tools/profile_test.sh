#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Profiles set variables, yield to the user's own, and are refused with file and line when they are not data.
. "${0%/*}/lib.sh"
mkdir -p "$HOME/.postern/profiles/apps"
dir=$HOME/.postern/profiles
lib=$tmp/lib.so
printf 'int nothing_here = 1;\n' > "$tmp/l.c"
cc -shared -fPIC -o "$lib" "$tmp/l.c" || { echo "no compiler"; exit 77; }
onload="$POSTERN onload --preload=$lib"
show='env | grep ^EF_ | sort | tr "\n" " "'
shows() { [ "$(cat "$tmp/out")" = "$1 " ] || bad "environment is '$(cat "$tmp/out")', expected '$1'"; }

printf '# c\n\nonload_set EF_POLL_USEC 10  # why\nonload_set EF_NAME "two words"\n' > "$dir/a.opf"
printf "onload_import a\nonload_import part\nonload_set EF_POLL_USEC 20\n" > "$dir/b.opf"
printf "onload_set EF_TCP '0'" > "$dir/part.opf-fragment"

case_ "by name"
try 0 $onload -p a sh -c "$show"
shows "EF_NAME=two words EF_POLL_USEC=10"

case_ "import, first one wins; last one with --force-profiles"
try 0 $onload --profile=b sh -c "$show"
shows "EF_NAME=two words EF_POLL_USEC=10 EF_TCP=0"
try 0 $onload --force-profiles -p b sh -c "$show"
shows "EF_NAME=two words EF_POLL_USEC=20 EF_TCP=0"

case_ "the user's own variable wins, unless forced"
try 0 env EF_POLL_USEC=5 $onload -p a sh -c "$show"
shows "EF_NAME=two words EF_POLL_USEC=5"
try 0 env EF_POLL_USEC=5 $onload -p a --force-profiles sh -c "$show"
shows "EF_NAME=two words EF_POLL_USEC=10"

case_ "list and path"
printf 'onload_set EF_UDP 0\n' > "$tmp/mine.opf"
try 0 $onload -p "a,$tmp/mine.opf" sh -c "$show"
shows "EF_NAME=two words EF_POLL_USEC=10 EF_UDP=0"

case_ "shipped profiles load, one and all"
mkdir -p "$tmp/shipped"
cp -R "$POSTERN_SRC/profiles/." "$dir/"
for p in latency latency-best throughput safe; do
	try 0 $onload -p $p sh -c "$show"
	err_lines 0
done
try 0 $onload -p latency-best sh -c "$show"
out_has "EF_POLL_USEC=100000"
out_has "EF_EPOLL_MT_SAFE=1"

case_ "profile named after the program"
printf '#!/bin/sh\nenv | grep ^EF_ | sort | tr "\\n" " "\n' > "$tmp/myapp"
chmod +x "$tmp/myapp"
printf 'onload_set EF_TCP 0\nonload_set EF_UDP 0\n' > "$dir/apps/myapp.opf"
try 0 $onload "$tmp/myapp"
shows "EF_TCP=0 EF_UDP=0"
printf 'onload_set EF_UDP 1\n' > "$dir/u.opf"
try 0 $onload -p u "$tmp/myapp"
shows "EF_TCP=0 EF_UDP=1"
try 0 $onload --no-app-handler -p u "$tmp/myapp"
shows "EF_UDP=1"

case_ "no such profile"
try 125 $onload -p nosuch true
err_has "no profile 'nosuch'"
err_lines 1
case_ "fragments are for import only"
try 125 $onload -p part true

refused() { # text, what the message has
	printf '%b' "$1" > "$dir/bad.opf"
	try 125 $onload -p bad touch "$tmp/ran"
	err_has "$2"
	err_lines 1
	[ ! -e "$tmp/ran" ] || bad "the program ran"
	rm -f "$tmp/ran"
}
case_ "shell is not run"
refused 'onload_set EF_TCP 1\ntouch /tmp/x\n' 'bad.opf:2: only onload_set'
refused 'onload_set EF_TCP $(id)\n' 'bad.opf:1: only onload_set'
refused 'onload_set EF_TCP "$HOME"\n' 'bad.opf:1:'
refused 'onload_set EF_TCP 1; true\n' 'bad.opf:1:'
refused 'onload_set EF_TCP "1\n' 'bad.opf:1:'
case_ "only EF_ variables"
refused 'onload_set LD_PRELOAD /x.so\n' "'LD_PRELOAD' is not an EF_ variable"
refused 'onload_set EF_X=Y 1\n' "is not an EF_ variable"
case_ "arguments"
refused 'onload_set EF_TCP\n' 'takes a name and a value'
refused 'onload_import\n' 'takes one name'
refused 'onload_import nosuch\n' "no profile 'nosuch' to import"
case_ "imports in a ring"
refused 'onload_import bad\n' 'nest too deep'

case_ "listing"
try 0 "$POSTERN" profiles
out_has "  latency-best"
try 0 "$POSTERN" profiles latency
out_has "onload_set EF_POLL_USEC 100000"
try 1 "$POSTERN" profiles nosuch

done_
