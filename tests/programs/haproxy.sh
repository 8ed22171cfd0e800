#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# haproxy, in HTTP and TCP mode, between wrk or curl and a web server in the client's
# namespace: its connections come in and go out over the same device.
. "$(dirname "$(readlink -f "$0")")/lib.sh"

needs() { missing haproxy wrk curl python3; }
NOT_ACCELERATED=a	# the web server there is on the kernel

once() {
	local out
	PORT=$((PORT + 4))
	mkdir -p "$RUN/www"
	head -c 1024 /dev/zero | tr '\0' 'a' > "$RUN/www/small"
	seq 300000 > "$RUN/www/big"
	log_of backend
	start_in a - kernel "$LOG" /usr/bin/python3 "$here/python_httpd.py" $A4 $((PORT + 2)) "$RUN/www"
	wait_port a tcp $((PORT + 2)) || { bad "no web server"; return; }
	cat > "$RUN/haproxy.cfg" <<-CONF
		global
			nbthread 2
			log stdout format raw local0 err
		defaults
			timeout connect 5s
			timeout client 10s
			timeout server 10s
		frontend web
			mode http
			bind $B4:$PORT
			default_backend web
		backend web
			mode http
			server one $A4:$((PORT + 2))
		listen raw
			mode tcp
			bind $B4:$((PORT + 1))
			server one $A4:$((PORT + 2))
	CONF
	server tcp $PORT haproxy -db -f "$RUN/haproxy.cfg" || return
	for m in "http $PORT" "tcp $((PORT + 1))"; do
		set -- $m
		out=$(client wrk -t 1 -c 8 -d "$(long 10 1)" --timeout 5 "http://$B4:$2/small") || return
		echo "= $1.errors $(grep -cE 'Socket errors|Non-2xx' <<< "$out")"
		echo "~ $1/s $(awk '/Requests\/sec/ { print int($2) }' <<< "$out")"
		echo "= $1.sum $(client curl -sS --fail "http://$B4:$2/big" | md5sum | cut -d' ' -f1)"
	done
	server_alive
}

programs_main "$@"
