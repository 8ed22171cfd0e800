# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
#
# Sourced by each script of this folder, which tests one real program: on the kernel,
# then with the client, the server and both under onload.  The script defines
#
#	needs		prints what is missing, or nothing
#	once		one run; the server in namespace b by "server", the client in a by
#			"client"; prints lines
#				= NAME VALUE	must be equal to the kernel's run
#				~ NAME VALUE	a figure, shown beside the kernel's
#			and returns false (or calls "bad") when something went wrong
#	prepare		(optional) once before all runs
#
# and ends with: programs_main "$@".  Modes as arguments: kernel, client, server, both.
# Environment: BUILD or POSTERN_BUILD (Meson's build directory), LONG=1 for long runs,
# HOW=spin to spin instead of sleeping, ONLOAD="" to try a script on the kernel alone.
set -u -o pipefail
here=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
PROG=$(basename "$0" .sh)
NAME=prog
if [ -z "${BUILD:-}" ]; then
	BUILD=${POSTERN_BUILD:-$here/../../build}
	# Meson's directory is build/meson of the Makefile's
	[ ! -x "$BUILD/../bin/onload" ] || BUILD=$BUILD/..
fi
. "$here/../../bench/lib.sh"
need_root
LONG=${LONG:-}
HOW=${HOW:-onload}
LIMIT=${LIMIT:-${LONG:+600}}
LIMIT=${LIMIT:-30}
PORT=7000
NOT_ACCELERATED=	# sides whose kernel rightly sees packets in this test
FAILED=

long() { if [ -n "$LONG" ]; then echo "$1"; else echo "$2"; fi; }
bad() {
	echo "bad: $*" >> "$RUN/bad"
	return 1
}
missing() {
	local p
	for p in "$@"; do command -v "$p" >/dev/null || { echo "$p is not installed"; return; }; done
}
# An unused log file for each command, so that a failure can be shown.
log_of() {
	LOGS=$((LOGS + 1))
	LOG=$RUN/$(printf '%02d' $LOGS)-$(basename "$1").log
}
# server tcp|udp PORT command...: starts it and waits for its port
server() {
	local proto=$1 port=$2
	shift 2
	log_of "${CMD_NAME:-$1}"
	start_in b "$SERVER_CORE" "$HS" "$LOG" "$@"
	wait_port b "$proto" "$port" "$PID" || bad "server did not come up: $*"
}
# client command...: standard output is the command's; its errors are kept
client() {
	log_of "${CMD_NAME:-$1}"
	run_in a "$CLIENT_CORE" "$HC" "$@" 2> "$LOG" || { local rc=$?; bad "client: status $rc: $*"; return $rc; }
}
# server_alive: a server that is to be ended later must still be there
server_alive() {
	kill -0 "$PID" 2>/dev/null || bad "server died"
}

# nginx_start PORT: two workers under an account of their own, files below $RUN/www, PUT
# to /up; NGINX is its command, for signals.
nginx_start() {
	local user=www-data
	id -u $user > /dev/null 2>&1 || user=nobody
	mkdir -p "$RUN/www/up" "$RUN/tmp"
	head -c 1024 /dev/zero | tr '\0' 'a' > "$RUN/www/small"
	chmod 755 "$RUN" "$RUN/www" && chown -R $user "$RUN/www/up" "$RUN/tmp"
	cat > "$RUN/nginx.conf" <<-CONF
		user $user;
		worker_processes 2;
		daemon off;
		pid $RUN/nginx.pid;
		error_log $RUN/nginx-error.log;
		events { worker_connections 1024; }
		http {
			access_log off;
			sendfile on;
			keepalive_requests 100000;
			client_max_body_size 4g;
			client_body_temp_path $RUN/tmp/body;
			proxy_temp_path $RUN/tmp/proxy;
			fastcgi_temp_path $RUN/tmp/fastcgi;
			uwsgi_temp_path $RUN/tmp/uwsgi;
			scgi_temp_path $RUN/tmp/scgi;
			server {
				listen $B4:$1;
				listen [$B6]:$1;
				root $RUN/www;
				location /up/ { dav_methods PUT DELETE; }
			}
		}
	CONF
	NGINX=(nginx -p "$RUN" -c "$RUN/nginx.conf" -e "$RUN/nginx-error.log")
	server tcp "$1" "${NGINX[@]}"
}

# server_ended: one that ends by itself must do so soon, and well
server_ended() {
	local _
	for _ in $(seq 100); do
		kill -0 "$PID" 2>/dev/null || { wait "$PID" || bad "server ended with status $?"; return; }
		sleep 0.05
	done
	bad "server did not end"
}

kernel_packets() {
	ip netns exec "$(ns_of "$1")" cat /proc/net/snmp /proc/net/snmp6 |
		awk '/^Ip: [0-9]/ { n += $4 } /^Ip6InReceives/ { n += $2 } END { print n + 0 }'
}
device_packets() {
	ip netns exec "$(ns_of "$1")" awk -v d="$DEV:" '$1 == d { print $3 }' /proc/net/dev
}

# Unless nearly all packets of an accelerated side have passed its kernel by, a test
# shows nothing.
check_accelerated() {	# SIDE KERNEL_BEFORE DEVICE_BEFORE
	local k=$(($(kernel_packets "$1") - $2)) d=$(($(device_packets "$1") - $3))
	case $NOT_ACCELERATED in *$1*) return 0 ;; esac
	[ -n "$ONLOAD" ] || return 0
	[ $k -le $((d / 10 + 30)) ] || bad "side $1 was not accelerated: its kernel saw $k of $d packets"
}

one_mode() {
	local mode=$1 k_a d_a k_b d_b rc=0
	case $mode in
	kernel) HS=kernel HC=kernel ;;
	client) HS=kernel HC=$HOW ;;
	server) HS=$HOW HC=kernel ;;
	both) HS=$HOW HC=$HOW ;;
	esac
	MODE=$mode LOGS=0 RUN=$TMP/$mode
	mkdir -p "$RUN" && chmod 777 "$RUN"
	: > "$RUN/bad"
	net_make "$mode"
	CLIENT_CORE=- SERVER_CORE=-
	k_a=$(kernel_packets a) d_a=$(device_packets a) k_b=$(kernel_packets b) d_b=$(device_packets b)
	once > "$RUN/facts" 2> "$RUN/stderr" || rc=$?
	[ $rc = 0 ] || [ -s "$RUN/bad" ] || echo "bad: status $rc" >> "$RUN/bad"
	[ "$HC" = kernel ] || check_accelerated a "$k_a" "$d_a"
	[ "$HS" = kernel ] || check_accelerated b "$k_b" "$d_b"
	end_servers
	if [ "$mode" != kernel ]; then
		# one-sided runs may be shorter; whatever they say must be the kernel's word
		if [ "$mode" = both ] || [ -z "${ONE_SIDED_SHORTER:-}" ]; then
			diff <(grep '^= ' "$TMP/kernel/facts") <(grep '^= ' "$RUN/facts") > "$RUN/diff"
		else
			grep '^= ' "$RUN/facts" | grep -vxFf "$TMP/kernel/facts" | sed 's/^/> /' > "$RUN/diff"
		fi
		if [ -s "$RUN/diff" ]; then
			{ echo "bad: result differs from the kernel's (< kernel, > $mode):"; grep '^[<>]' "$RUN/diff" | head -10; } >> "$RUN/bad"
		fi
	fi
	# a crash is a failure even when the figures look right
	grep -hE 'Segmentation fault|core dumped|AddressSanitizer|Aborted' "$RUN"/*.log "$RUN/stderr" >> "$RUN/bad" 2>/dev/null
	if [ -s "$RUN/bad" ]; then
		echo "$PROG $mode: FAIL"
		sed 's/^/    /' "$RUN/bad" | head -20
		show_logs
		[ "$mode" = kernel ] || FAILED="$FAILED $mode"
	else
		echo "$PROG $mode: pass ($(grep -c '^= ' "$RUN/facts") checks) $(figures)"
	fi
	net_del "$mode"
	# on the kernel it must work, or the test is wrong here: no verdict about us
	[ "$mode" != kernel ] || [ ! -s "$RUN/bad" ]
}

show_logs() {
	local f
	tail -n 5 "$RUN/stderr" | sed 's/^/    stderr: /'
	for f in $(ls -t "$RUN"/*.log 2>/dev/null | head -4); do
		[ ! -s "$f" ] || tail -n 5 "$f" | sed "s|^|    $(basename "$f"): |"
	done
}

figures() {
	local out= k v w
	while read -r _ k v; do
		w=$(awk -v k="$k" '$1 == "~" && $2 == k { print $3 }' "$TMP/kernel/facts" 2>/dev/null)
		out="$out $k=$v"
		[ "$MODE" = kernel ] || out="$out(${w:--})"
	done < <(grep '^~ ' "$RUN/facts")
	echo "${out# }${out:+$([ "$MODE" = kernel ] || echo ' (kernel)')}"
}

programs_main() {
	local why m
	why=$(needs)
	[ -z "$why" ] || { echo "$PROG: $why"; exit 77; }
	if [ -n "$ONLOAD" ] && [ ! -x "${ONLOAD%% *}" ]; then
		echo "$PROG: $ONLOAD was not built"
		exit 77
	fi
	if declare -F prepare > /dev/null; then
		prepare > "$TMP/prepare.log" 2>&1 || { tail -5 "$TMP/prepare.log"; echo "$PROG: cannot be prepared here"; exit 77; }
	fi
	[ $# -gt 0 ] || set -- client server both
	one_mode kernel || { echo "$PROG: does not work on this machine's kernel"; exit 77; }
	for m in "$@"; do
		case $m in
		kernel) ;;
		client|server|both) one_mode "$m" || true ;;
		*) die "unknown mode: $m (kernel, client, server, both)" ;;
		esac
	done
	[ -z "$FAILED" ] || { echo "$PROG: failed:$FAILED"; exit 1; }
	exit 0
}
