# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
#
# Sourced by the measuring scripts and the tests with real programs.  Makes pairs of
# network namespaces, starts programs in them, and ends exactly what it started:
#
#	pt-NAME-PID-TAG-a  10.77.0.1/24 fd00:77::1/64 ---- veth ---- (b) 10.77.0.2/24 fd00:77::2/64
#
# A second address for each end (10.77.0.11, .12, fd00:77::11, ::12) is there as well.
# Neighbours are resolved by the kernel as on any network.  Set before sourcing:
# BUILD (the build directory), NAME (of the caller).  ONLOAD is the launcher; when it is
# set to nothing, programs "under onload" run on the kernel, to try the scripts.
: "${BUILD:?build directory}" "${NAME:?name of the caller}"
BUILD=$(readlink -f "$BUILD")
ONLOAD=${ONLOAD-$BUILD/bin/onload}
PATH=$PATH:/usr/sbin:/sbin
A4=10.77.0.1 B4=10.77.0.2 A4b=10.77.0.11 B4b=10.77.0.12
A6=fd00:77::1 B6=fd00:77::2
DEV=veth0
NS_LIST=()		# namespaces made
PIDS=()			# servers started
TMP=$(mktemp -d "${TMPDIR:-/tmp}/pt-$NAME.XXXXXX")
chmod 755 "$TMP"
tag=

say() { printf '%s\n' "$*" >&2; }
die() { say "$NAME: $*"; exit 1; }

# Ends a process that this shell started, and waits for it.
end() {
	local p
	for p in "$@"; do
		kill "$p" 2>/dev/null || continue
		# one that ignores TERM or hangs must not hang us
		for _ in $(seq 150); do
			kill -0 "$p" 2>/dev/null || break
			sleep 0.02
		done
		kill -9 "$p" 2>/dev/null || true
		wait "$p" 2>/dev/null || true
	done
}

end_servers() {
	[ ${#PIDS[@]} = 0 ] || end "${PIDS[@]}"
	PIDS=()
}

# Removes the namespaces of a tag, with the daemons that onload started in them.
net_del() {
	local n p left=()
	for n in "${NS_LIST[@]}"; do
		case $n in
		*-"$1"-[ab]) ;;
		*) left+=("$n"); continue ;;
		esac
		for p in $(ip netns pids "$n" 2>/dev/null); do kill "$p" 2>/dev/null || true; done
		for _ in 1 2 3 4 5 6 7 8 9 10; do
			[ -n "$(ip netns pids "$n" 2>/dev/null)" ] || break
			sleep 0.1
		done
		for p in $(ip netns pids "$n" 2>/dev/null); do kill -9 "$p" 2>/dev/null || true; done
		ip netns del "$n" 2>/dev/null || true
	done
	NS_LIST=("${left[@]}")
}

cleanup() {
	trap '' INT TERM
	end_servers
	local n t
	for n in "${NS_LIST[@]}"; do
		t=${n%-[ab]}
		net_del "${t##*-}"
	done
	[ -n "${KEEP_TMP:-}" ] && say "kept: $TMP" || rm -rf "$TMP"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# net_make TAG [mtu=N] [offload=off]: and uses it from now on
net_make() {
	local mtu=1500 offload=on n o
	tag=$1
	shift
	for o in "$@"; do
		case $o in
		mtu=*) mtu=${o#mtu=} ;;
		offload=*) offload=${o#offload=} ;;
		esac
	done
	net_use "$tag"
	for n in "$NS_A" "$NS_B"; do
		ip netns add "$n" || die "cannot make network namespace $n"
		NS_LIST+=("$n")
		ip -n "$n" link set lo up
	done
	ip link add $DEV netns "$NS_A" mtu "$mtu" type veth peer name $DEV mtu "$mtu" netns "$NS_B" ||
		die "cannot make a veth pair"
	ip -n "$NS_A" addr add $A4/24 dev $DEV
	ip -n "$NS_B" addr add $B4/24 dev $DEV
	ip -n "$NS_A" addr add $A4b/24 dev $DEV
	ip -n "$NS_B" addr add $B4b/24 dev $DEV
	ip -n "$NS_A" addr add $A6/64 dev $DEV nodad
	ip -n "$NS_B" addr add $B6/64 dev $DEV nodad
	ip -n "$NS_A" addr add fd00:77::11/64 dev $DEV nodad
	ip -n "$NS_B" addr add fd00:77::12/64 dev $DEV nodad
	for n in "$NS_A" "$NS_B"; do
		[ "$offload" = on ] || ip netns exec "$n" ethtool -K $DEV tso off gso off >/dev/null
		ip -n "$n" link set $DEV up
	done
	for _ in $(seq 50); do
		ip -n "$NS_A" link show $DEV | grep -q 'state UP' &&
			ip -n "$NS_B" link show $DEV | grep -q 'state UP' && return 0
		sleep 0.05
	done
	die "the veth pair did not come up"
}

net_use() {
	tag=$1
	NS_A=pt-$NAME-$$-$tag-a
	NS_B=pt-$NAME-$$-$tag-b
}

ns_of() { if [ "$1" = a ]; then echo "$NS_A"; else echo "$NS_B"; fi; }

# What is attached and offloaded, in one word for a table.
net_state() {
	local s n x out=
	for s in a b; do
		n=$(ns_of $s)
		x=none
		ip -n "$n" -d link show $DEV | grep -qE 'prog/xdp|xdp(generic|drv|offload)?/id| xdp ' && x=xdp
		out="$out$s:$x,tso=$(ip netns exec "$n" ethtool -k $DEV | awk '/^tcp-segmentation-offload/ { print $2 }') "
	done
	echo "${out% }"
}

# run_in SIDE CORE HOW command...: in the foreground.  CORE "-" does not pin.  HOW:
# kernel; onload (sleeping); spin (onload, spinning for up to 100 ms);
# spin-conn (in accept() and connect() as well, which EF_POLL_USEC alone does not switch on).
# Words "NAME=VALUE" before the command set variables for it alone.
prefix_of() {
	local how=$3 core=$2
	PREFIX=(ip netns exec "$(ns_of "$1")")
	[ "$core" = - ] || PREFIX+=(taskset -c "$core")
	PREFIX+=(env)
	case $how in
	kernel) ;;
	onload) [ -z "$ONLOAD" ] || PREFIX+=($ONLOAD) ;;
	spin) [ -z "$ONLOAD" ] || PREFIX+=(EF_POLL_USEC=100000 $ONLOAD) ;;
	spin-conn) [ -z "$ONLOAD" ] || PREFIX+=(EF_POLL_USEC=100000 EF_TCP_ACCEPT_SPIN=1 EF_TCP_CONNECT_SPIN=1 $ONLOAD) ;;
	*) die "unknown way to run: $how" ;;
	esac
}

run_in() {
	local PREFIX vars=()
	prefix_of "$1" "$2" "$3"
	shift 3
	while [[ $1 =~ ^[A-Za-z_][A-Za-z_0-9]*= ]]; do vars+=("$1"); shift; done
	env "${vars[@]}" timeout -k 5 "${LIMIT:-60}" "${PREFIX[@]}" "$@"
}

# start_in SIDE CORE HOW LOG command...: in the background; PID is the program's own.
start_in() {
	local PREFIX vars=() log=$4
	prefix_of "$1" "$2" "$3"
	shift 4
	while [[ $1 =~ ^[A-Za-z_][A-Za-z_0-9]*= ]]; do vars+=("$1"); shift; done
	env "${vars[@]}" "${PREFIX[@]}" "$@" > "$log" 2>&1 < /dev/null &
	PID=$!
	PIDS+=("$PID")
}

# wait_port SIDE tcp|udp PORT [PID]: until somebody has it, or the process is gone
wait_port() {
	local flags=-Hltn
	[ "$2" = tcp ] || flags=-Hlun
	for _ in $(seq "${PORT_WAIT:-100}"); do
		ip netns exec "$(ns_of "$1")" ss $flags "sport = :$3" | grep -q . && { sleep 0.05; return 0; }
		[ -z "${4:-}" ] || kill -0 "$4" 2>/dev/null || return 1
		sleep 0.1
	done
	return 1
}

# CPU time in ns that all processes of a side have used so far.
cpu_of_side() {
	local p f=() total=0 v
	for p in $(ip netns pids "$(ns_of "$1")" 2>/dev/null); do f+=(/proc/"$p"/task/*/schedstat); done
	for v in $(cat "${f[@]}" 2>/dev/null | awk '{ s += $1 } END { printf "%.0f\n", s }'); do total=$v; done
	echo "$total"
}

need_root() { [ "$(id -u)" = 0 ] || { echo "$NAME: makes network namespaces: needs root"; exit 77; }; }
