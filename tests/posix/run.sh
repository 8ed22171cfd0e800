#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# Runs programs of this folder on the kernel and under the library, and compares what
# they print:  run.sh [-v] program...   (a suffix ":6" or ":4" chooses IPv6 or IPv4 alone)
# POSTERN_BUILD is Meson's build directory.
set -u
here=$(dirname "$(readlink -f "$0")")
# shellcheck source=tests/netns/lib.sh
. "$here/../netns/lib.sh"
: "${POSTERN_BUILD:?}"
lib=${LIBONLOAD:-$POSTERN_BUILD/src/preload/libonload.so}
bin=$POSTERN_BUILD/tests/posix
verbose=
[ "${1:-}" != -v ] || { verbose=1; shift; }
[ -f "$lib" ] || net_skip "no libonload.so"

# Ask the kernel about its members in every wait, so that sets of both kinds compare.
export EF_POLL_FAST=0 EF_SELECT_FAST=0 EF_POLL_NONBLOCK_FAST_USEC=0

net_up
net_daemon "$NS_A" || exit 1
port=5000
failed=

one() {
	local name=$1 fam=$2
	# each run has its own ports: the kernel's TIME_WAIT must not meet the next
	"$bin/pair" "$NS_A" "$NS_B" - 30 "$bin/posix-$name" "$fam" $port > "$NET_TMP/want" 2> "$NET_TMP/want.err"
	case $? in
	0) ;;
	77) echo "$name v$fam: skipped: $(cat "$NET_TMP/want.err")"; port=$((port + 20)); return ;;
	*)
		echo "$name v$fam: FAIL on the kernel"
		cat "$NET_TMP/want.err" "$NET_TMP/want"
		failed="$failed $name" port=$((port + 20))
		return ;;
	esac
	port=$((port + 20))
	if ! "$bin/pair" "$NS_A" "$NS_B" "$lib" 30 "$bin/posix-$name" "$fam" $port > "$NET_TMP/got" 2> "$NET_TMP/got.err"; then
		echo "$name v$fam: FAIL"
		cat "$NET_TMP/got.err"
		diff "$NET_TMP/want" "$NET_TMP/got" | sed 's/^</kernel:/;s/^>/ours:  /'
		failed="$failed $name"
	elif ! cmp -s "$NET_TMP/want" "$NET_TMP/got"; then
		echo "$name v$fam: FAIL, differs"
		cat "$NET_TMP/got.err"
		diff "$NET_TMP/want" "$NET_TMP/got" | sed 's/^</kernel:/;s/^>/ours:  /'
		failed="$failed $name"
	else
		echo "$name v$fam: pass, $(wc -l < "$NET_TMP/want") lines"
		[ -z "$verbose" ] || cat "$NET_TMP/got"
	fi
	port=$((port + 20))
}

for p in "$@"; do
	case $p in
	*:4) one "${p%:4}" 4 ;;
	*:6) one "${p%:6}" 6 ;;
	*) one "$p" 4; one "$p" 6 ;;
	esac
done
if [ -n "$failed" ]; then
	[ -z "$verbose" ] || cat "$NET_TMP"/posternd-*.log
	exit 1
fi
