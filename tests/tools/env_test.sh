#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# The table of options and the check of the environment, and the program's own commands.
. "${0%/*}/lib.sh"

case_ "table"
try 0 "$POSTERN" env
out_has "Spinning and locking"
out_has "EF_CTPIO=1   [no effect]"
[ "$(grep -c '^  EF_' "$tmp/out")" = 260 ] || bad "not 260 options"

case_ "check"
try 0 env EF_TCP=0 "$POSTERN" env --check
out_has "EF_TCP=0"
try 1 env EF_POL_USEC=3 EF_UL_EPOLL=7 "$POSTERN" env --check
out_has "EF_POL_USEC: unknown option, ignored; did you mean EF_POLL_USEC?"
out_has "EF_UL_EPOLL=7: out of range, expected 0 to 3; using 3"
out_has "EF_UL_EPOLL=3"

case_ "commands"
try 2 "$POSTERN"
try 2 "$POSTERN" nosuch
err_has "no command 'nosuch'"
try 0 "$POSTERN" help
out_has "onload"
try 0 "$POSTERN" version
out_has "postern 0."
try 2 "$POSTERN" env --nosuch

done_
