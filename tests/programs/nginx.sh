#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# nginx with two workers and wrk: keep-alive, a connection per request, and reloads under
# load without a failed request.
. "$(dirname "$(readlink -f "$0")")/lib.sh"

needs() { missing nginx wrk curl; }

load() {	# NAME seconds path options...
	local name=$1 secs=$2 path=$3 out
	shift 3
	out=$(client wrk -t 1 -d "$secs" --timeout 5 "$@" "http://$B4:$PORT/$path") || return
	echo "$out" > "$RUN/wrk-$name"
	echo "= $name.errors $(grep -cE 'Socket errors|Non-2xx' <<< "$out")"
	echo "~ $name/s $(awk '/Requests\/sec/ { print int($2) }' <<< "$out")"
	awk '/Requests\/sec/ { if ($2 >= 10) ok = 1 } END { exit !ok }' <<< "$out" || bad "$name: hardly any request was answered"
}

once() {
	local i reloader
	PORT=$((PORT + 1))
	nginx_start $PORT || return
	load keepalive "$(long 10 1)" small -c 20 || return
	load close "$(long 10 1)" small -c 10 -H 'Connection: close' || return
	# SIGHUP, as nginx -s reload sends it
	( for i in 1 2 3; do
		sleep 0.4
		run_in b - kernel "${NGINX[@]}" -s reload
	done ) > "$RUN/reload.log" 2>&1 &
	reloader=$!
	load reload "$(long 10 2)" small -c 10 -H 'Connection: close' || return
	wait $reloader || bad "nginx -s reload failed"
	echo "= after $(client curl -s -o /dev/null -w '%{http_code}' "http://$B4:$PORT/small")"
	echo "= ip6 $(client curl -s -o /dev/null -w '%{http_code}' "http://[$B6]:$PORT/small")"
	server_alive
	grep -E 'alert|emerg|crit' "$RUN/nginx-error.log" >> "$RUN/bad"
	sed 's/^/wrk: /' "$RUN"/wrk-* | grep -E 'errors|Non-2xx' >&2
	return 0
}

programs_main "$@"
