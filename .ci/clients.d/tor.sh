# tor-resolve and torsocks: lookups by SOCKS5 and SOCKS4a, and a program whose names the proxy resolves.
if ! packages tor torsocks; then
  skip "tor-resolve and torsocks, whose packages cannot be had"
  return
fi

# tells WHAT EXPECTED LINE COMMAND..: runs a command, which has to print EXPECTED and no more.
tells() {
  local what=$1 expected=$2
  shift 2
  logged "$@"
  [ "$(cat "$work/out")" = "$expected" ] || fail "$what: $(head -c 200 "$work/out")"
  ok "$what"
}

# refused WHAT LINE COMMAND..: runs a command that has to fail, and waits for the line of its session.
refused() {
  local what=$1 line=$2
  shift 2
  logged "$line" sh -c '! "$@"' sh "$@"
  ok "$what"
}

start_server lookups --resolve
tells "tor-resolve, SOCKS5" 127.0.0.1 "protocol=socks5.*command=RESOLVE target=localhost:0.*outcome=done" \
  tor-resolve -5 localhost "$address"
tells "tor-resolve, SOCKS4a" 127.0.0.1 "protocol=socks4.*command=RESOLVE target=localhost:0.*outcome=done" \
  tor-resolve -4 localhost "$address"
tells "tor-resolve, the name of an address" localhost \
  "protocol=socks5.*command=RESOLVE PTR target=127.0.0.1:0.*outcome=done" \
  tor-resolve -5 -x 127.0.0.1 "$address"
refused "tor-resolve, a name that does not exist" "command=RESOLVE target=nowhere.invalid:0.*outcome=unreachable" \
  tor-resolve -5 nowhere.invalid "$address"

# The fault is the client's: at debug.
RUST_LOG=debug start_server off
refused "tor-resolve, where lookups are off" "command=RESOLVE target=localhost:0.*session ended" \
  tor-resolve -5 localhost "$address"

# Without --allow-private.
log=$work/private.log
RUST_LOG=info "$server" --listen 127.0.0.1:0 --resolve 2>"$log" &
pids+=($!)
address=$(wait_for "$log" "listening on" | sed 's/.*listening on //')
refused "tor-resolve, an address inside" "command=RESOLVE target=localhost:0.*outcome=refused.*special-purpose" \
  tor-resolve -5 localhost "$address"

# torsocks connects to no loopback address. So there is a network of its own, with another one on its loopback
# interface; only the server reads the hosts file that has its name.
net=socks-tor-$$
if [ "$(id -u)" -ne 0 ] || ! command -v ip >/dev/null || ! ip netns add "$net" 2>"$work/why"; then
  skip "torsocks: no network namespaces here: $(cat "$work/why" 2>/dev/null || echo 'needs root and iproute2')"
  return
fi
leave_net() {
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
  ip netns del "$net"
  rm -rf "/etc/netns/$net"
}
trap 'leave_net; cleanup' EXIT
ip -n "$net" link set lo up
ip -n "$net" address add 192.0.2.7/32 dev lo
mkdir -p "/etc/netns/$net"
printf '127.0.0.1 localhost\n192.0.2.7 target.example\n' >"/etc/netns/$net/hosts"
there=(nsenter "--net=/run/netns/$net")

mkdir -p "$work/www"
echo "it works" >"$work/www/small"
spawn target "${there[@]}" env -C "$work/www" "$python" -u -m http.server 8000 --bind 192.0.2.7
wait_for "$work/target.log" "^Serving" >/dev/null
printf '#!/bin/sh\nexec ip netns exec %s %s "$@"\n' "$net" "$server" >"$work/server"
chmod +x "$work/server"
server=$work/server
start_server torsocks --resolve
torsocks=("${there[@]}" torsocks -a 127.0.0.1 -P "$port")
works "torsocks, curl: its connection" "command=CONNECT target=192.0.2.7:8000.*outcome=done" \
  "${torsocks[@]}" curl -sS --max-time 20 http://target.example:8000/small
grep -q "command=RESOLVE target=target.example:0.*outcome=done" "$log" || fail "torsocks, curl: its lookup"
ok "torsocks, curl: its lookup"
works "torsocks, Python" "command=CONNECT target=192.0.2.7:8000.*outcome=done" \
  "${torsocks[@]}" "$python" -c \
  'import urllib.request; print(urllib.request.urlopen("http://target.example:8000/small", timeout=20).read())'
tells "torsocks, the name of an address" "('target.example', [], ['192.0.2.7'])" \
  "command=RESOLVE PTR target=192.0.2.7:0.*outcome=done" \
  "${torsocks[@]}" "$python" -c 'import socket; print(socket.gethostbyaddr("192.0.2.7"))'
