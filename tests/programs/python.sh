#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# python3: asyncio streams and datagrams; the threading web server, http.client in threads;
# a child started by subprocess while sockets are open.
. "$(dirname "$(readlink -f "$0")")/lib.sh"

py=/usr/bin/python3
needs() { missing $py; }

once() {
	PORT=$((PORT + 2))
	mkdir -p "$RUN/www" && head -c 1024 /dev/zero | tr '\0' 'a' > "$RUN/www/small"
	CMD_NAME=asyncio server tcp $PORT $py "$here/python_asyncio.py" server $B4 $PORT || return
	CMD_NAME=asyncio client $py "$here/python_asyncio.py" client $B4 $PORT 50 "$(long 500 20)" || return
	server_alive
	CMD_NAME=httpd server tcp $((PORT + 1)) $py "$here/python_httpd.py" $B4 $((PORT + 1)) "$RUN/www" || return
	CMD_NAME=threads client $py "$here/python_threads.py" $B4 $((PORT + 1)) 8 "$(long 500 20)" || return
	# vfork and exec with an open connection
	echo "= child $(CMD_NAME=child client $py -c '
import http.client, subprocess, sys
c = http.client.HTTPConnection(sys.argv[1], int(sys.argv[2]), timeout=10)
c.request("GET", "/small"); a = len(c.getresponse().read())
out = subprocess.run(["sh", "-c", "echo child; ls /proc/self/fd | wc -l"], capture_output=True, text=True).stdout.split()
c.request("GET", "/small"); b = len(c.getresponse().read())
print(a, out[0], b, sep="-")' $B4 $((PORT + 1)))"
	server_alive
}

programs_main "$@"
