#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Node.js: http server and client, kept connections, bodies of many lengths.
. "$(dirname "$(readlink -f "$0")")/lib.sh"

needs() { missing node; }

once() {
	PORT=$((PORT + 1))
	server tcp $PORT node "$here/node_http.js" server $B4 $PORT || return
	client node "$here/node_http.js" client $B4 $PORT 20 "$(long 1000 20)" || return
	server_alive
}

programs_main "$@"
