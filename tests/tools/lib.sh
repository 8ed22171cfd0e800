# SPDX-License-Identifier: BSD-2-Clause
# Sourced by the tests of the tools: one case is "try STATUS command..." and then
# checks of what it printed.  Needs POSTERN, the program.
set -u
: "${POSTERN:?path of the postern program}"
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
export HOME=$tmp/home
mkdir -p "$HOME"
for v in $(env | sed -n 's/^\(EF_[A-Z0-9_]*\)=.*/\1/p') LD_PRELOAD POSTERN_ENV_CHECKED POSTERN_POSTERND; do
	unset "$v"
done
fails=0
what=

case_() { what=$1; }
bad() {
	echo "FAIL: $what: $1"
	sed 's/^/  out: /' "$tmp/out"
	sed 's/^/  err: /' "$tmp/err"
	fails=$((fails + 1))
}
try() {
	want=$1
	shift
	rc=0
	"$@" > "$tmp/out" 2> "$tmp/err" || rc=$?
	[ $rc = "$want" ] || bad "status $rc, expected $want"
}
out_has() { grep -qF -- "$1" "$tmp/out" || bad "output lacks '$1'"; }
err_has() { grep -qF -- "$1" "$tmp/err" || bad "error output lacks '$1'"; }
err_lines() { [ "$(wc -l < "$tmp/err")" = "$1" ] || bad "expected $1 lines of error output"; }
done_() {
	[ $fails = 0 ] || exit 1
	echo "ok"
}
