#!/usr/bin/env bash
# The example server in a container's place: behind DNAT, as `docker run -p` makes it, in network namespaces. CONNECT, BIND
# and UDP of a client outside work with the fields set, and the log says what to set where they are not. Then from
# where it leaves: by the address that the client came to, and by an interface. Needs root, `ip netns`, nft and
# python3; says so and skips what the machine does not allow.
set -euo pipefail
cd "$(dirname "$0")/../.."

server=$PWD/${CARGO_TARGET_DIR:-target}/debug/examples/server
case ${CARGO_TARGET_DIR:-} in /*) server=$CARGO_TARGET_DIR/debug/examples/server ;; esac
server=${SERVER:-$server}
helper=$PWD/.ci/namespaces.d/nat.py
python=/usr/bin/python3
# The client with its target, the container's host, the container.
out=socks-out-$$ host=socks-host-$$ box=socks-box-$$
work=$(mktemp -d)
pids=()
cleanup() {
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
  wait 2>/dev/null || true
  for name in "$out" "$host" "$box"; do ip netns del "$name" 2>/dev/null || true; done
  rm -rf "$work"
}
trap cleanup EXIT

passed=0
ok() { passed=$((passed + 1)); echo "ok: $1"; }
fail() {
  echo "FAILED: $1" >&2
  tail -n 20 "$work"/*.log >&2 || true
  exit 1
}
skip() {
  echo "SKIPPED: $1" >&2
  exit 0
}

[ "$(id -u)" -eq 0 ] || skip "network namespaces need root"
for tool in ip nft; do command -v "$tool" >/dev/null || skip "there is no $tool here"; done
[ -x "$server" ] || fail "$server: build it first"
for name in "$out" "$host" "$box"; do
  ip netns add "$name" 2>"$work/why" || skip "no network namespaces here: $(cat "$work/why")"
  ip -n "$name" link set lo up
done

# cable NAME ADDRESS DEVICE NAME ADDRESS DEVICE
cable() {
  ip link add "$3" netns "$1" type veth peer name "$6" netns "$4" 2>"$work/why" || skip "no veth here: $(cat "$work/why")"
  ip -n "$1" address add "$2/24" dev "$3"
  ip -n "$4" address add "$5/24" dev "$6"
  ip -n "$1" link set "$3" up
  ip -n "$4" link set "$6" up
}
cable "$out" 198.51.100.2 out0 "$host" 198.51.100.1 host0
cable "$host" 172.17.0.1 host1 "$box" 172.17.0.2 eth0
cable "$host" 10.88.0.1 host2 "$box" 10.88.0.2 wg0
ip -n "$box" address add 172.17.0.3/24 dev eth0
ip -n "$box" route add default via 172.17.0.1
ip -n "$box" route add default via 10.88.0.1 metric 200
ip netns exec "$host" sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward'

# nat TABLE: as docker does it; `docker-proxy` in place of `docker` hides the client, as its proxy in user space does.
nat() {
  ip netns exec "$host" nft flush ruleset
  ip netns exec "$host" nft -f - <<RULES
table ip nat {
  chain pre {
    type nat hook prerouting priority -100;
    ip daddr 198.51.100.1 tcp dport { 1080, 1081, 1082, 41000-41009 } dnat to 172.17.0.2
    ip daddr 198.51.100.1 udp dport { 40000-40009 } dnat to 172.17.0.2
  }
  chain post {
    type nat hook postrouting priority 100;
    oifname "host0" ip saddr 172.17.0.0/16 masquerade
    $([ "$1" = docker-proxy ] && echo 'oifname "host1" masquerade fully-random')
  }
}
RULES
}
nat docker 2>"$work/why" || skip "the kernel does no NAT here: $(cat "$work/why")"

wait_for() {
  for _ in $(seq 200); do
    grep -q -- "$2" "$1" 2>/dev/null && return
    sleep 0.05
  done
  fail "no line with '$2' in $1"
}
# start NAME ADDRESS CONFIG
start() {
  printf 'listen = "%s"\nopen = true\n%b[acl]\ndefault = "allow"\nallow_private = true\n' "$2" "$3" >"$work/$1.toml"
  RUST_LOG=info ip netns exec "$box" "$server" --config "$work/$1.toml" 2>"$work/$1.log" &
  pids+=($!)
  wait_for "$work/$1.log" "listening on"
}
targets() { # NAMESPACE ADDRESS
  ip netns exec "$1" "$python" "$helper" target "$2" >"$work/target.$1.log" 2>&1 &
  pids+=($!)
  wait_for "$work/target.$1.log" ready
}
# says NAME NAMESPACE EXPECTED COMMAND..: what a client there prints.
says() {
  local said
  said=$(ip netns exec "$2" "$python" "$helper" "${@:4}" 2>"$work/client.log") || fail "$1"
  [ "$said" = "$3" ] || fail "$1: '$said', not '$3'"
  ok "$1: $3"
}
targets "$out" 198.51.100.2
targets "$host" 172.17.0.1

there=198.51.100.2:8000
start bare 0.0.0.0:1080 ''
says "CONNECT from outside" "$out" 198.51.100.1 connect 198.51.100.1:1080 "$there"
says "UDP without the fields" "$out" "172.17.0.2 nothing" udp 198.51.100.1:1080 "$there" zeros
says "BIND without the fields" "$out" "172.17.0.2 nobody" bind 198.51.100.1:1080 0.0.0.0:0
for what in "UDP ASSOCIATE" BIND; do
  grep -q "$what tells an address.*set \`public_address\`.*peer=198.51.100.2" "$work/bare.log" || fail "no hint for $what"
  ok "the log says what to set for $what"
done
[ "$(grep -c public_address "$work/bare.log")" -eq 2 ] || fail "more than one line each"

public='[udp]\npublic_address = "198.51.100.1"\nports = "40000-40009"\n'
public+='[bind]\npublic_address = "198.51.100.1"\nports = "41000-41009"\n'
start public 0.0.0.0:1081 "$public"
says "UDP" "$out" "198.51.100.1 198.51.100.1" udp 198.51.100.1:1081 "$there" zeros
says "UDP of a port that is stated" "$out" "198.51.100.1 198.51.100.1" udp 198.51.100.1:1081 "$there" port
says "BIND of anybody" "$out" "198.51.100.1 198.51.100.2" bind 198.51.100.1:1081 0.0.0.0:0
says "BIND of a peer" "$out" "198.51.100.1 198.51.100.2" bind 198.51.100.1:1081 198.51.100.2:20
! grep -q "tells an address" "$work/public.log" || fail "a hint although the fields are set"

# Every client is the gateway, at a port that is not its own.
nat docker-proxy
says "a hidden client that states its port" "$out" "198.51.100.1 nothing" udp 198.51.100.1:1081 "$there" port
says "a hidden client that states none" "$out" "198.51.100.1 198.51.100.1" udp 198.51.100.1:1081 "$there" zeros
start any 0.0.0.0:1082 "${public/\[bind\]/any_client_port = true\\n[bind]}"
says "the same with any_client_port" "$out" "198.51.100.1 198.51.100.1" udp 198.51.100.1:1082 "$there" port

# From where it leaves.
start reached 0.0.0.0:1083 '[outgoing]\naddress = "as_reached"\n'
for at in 172.17.0.2 172.17.0.3; do
  says "CONNECT out by the address that was reached" "$host" "$at" connect "$at:1083" 172.17.0.1:8000
  says "UDP out by it" "$host" "$at $at" udp "$at:1083" 172.17.0.1:8000 zeros
done
start interface 0.0.0.0:1084 '[outgoing]\ninterface = "wg0"\n'
says "CONNECT out by an interface" "$host" 10.88.0.2 connect 172.17.0.2:1084 172.17.0.1:8000
says "UDP out by it" "$host" "172.17.0.2 10.88.0.2" udp 172.17.0.2:1084 172.17.0.1:8000 zeros

# A reload changes it for those who come then.
sed -i 's/interface = "wg0"/address = "172.17.0.3"/' "$work/interface.toml"
kill -HUP "${pids[-1]}"
wait_for "$work/interface.log" "reloaded"
says "CONNECT out by an address, after a reload" "$host" 172.17.0.3 connect 172.17.0.2:1084 172.17.0.1:8000

! grep -E "panicked| ERROR " "$work"/*.log || fail "errors in a log"
echo "nat: $passed passed"
