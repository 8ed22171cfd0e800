#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# memcached with two threads, and a Python client of eight threads that checks each value.
. "$(dirname "$(readlink -f "$0")")/lib.sh"

needs() { missing memcached python3; }

once() {
	PORT=$((PORT + 1))
	server tcp $PORT memcached -u "$(id -un)" -t 2 -l $B4 -p $PORT -U $PORT -c 500 || return
	CMD_NAME=load client /usr/bin/python3 "$here/memcached_load.py" $B4 $PORT 8 "$(long 20000 800)" || return
	server_alive
}

programs_main "$@"
