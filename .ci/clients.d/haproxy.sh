# HAProxy in front of the server: PROXY headers of both versions, and its health checks, of ports and of /ready.
packages haproxy curl || { skip "haproxy cannot be installed"; return 0; }
start_target
printf '[metrics]\nlisten = "127.0.0.1:0"\n[timeouts]\ndrain_delay = "1h"\n' >"$work/metrics.toml"
start_server behind --open --proxy-protocol-from 127.0.0.0/8 --config "$work/metrics.toml"
behind=${pids[-1]}
pages=$(wait_for "$log" "metrics at" | sed 's|.*http://[^:]*:\([0-9]*\)/.*|\1|')

v1=$(free_port) v2=$(free_port) checked=$(free_port) bare=$(free_port)
cat >"$work/haproxy.cfg" <<END
global
  stats socket $work/haproxy.sock
defaults
  mode tcp
  timeout connect 5s
  timeout client 30s
  timeout server 30s
listen v1
  bind 127.0.0.1:$v1
  server s $address send-proxy
listen v2
  bind 127.0.0.1:$v2
  server s $address send-proxy-v2 proxy-v2-options crc32c,unique-id
  unique-id-format %{+X}o%ci_%cp
listen checked
  bind 127.0.0.1:$checked
  option tcp-check
  tcp-check connect send-proxy
  tcp-check send-binary 050100
  tcp-check expect binary 0500
  server s $address send-proxy-v2 check inter 100
listen port_alone
  bind 127.0.0.1:$(free_port)
  server s $address send-proxy check inter 100
listen without_a_word
  bind 127.0.0.1:$(free_port)
  option tcp-check
  tcp-check connect addr 127.0.0.1 port $port
  server s $address check inter 100
listen pages
  bind 127.0.0.1:$(free_port)
  option httpchk GET /ready
  server s $address check port $pages inter 100 fall 2
listen bare
  bind 127.0.0.1:$bare
  server s $address
END
spawn haproxy haproxy -db -f "$work/haproxy.cfg"
for port in "$v1" "$v2" "$checked"; do wait_for_port "$port"; done

url=http://$target/small
for port in v1 v2 checked; do
  works "haproxy, $port: the client is the one of the header" "peer=127.0.0.9:.*outcome=done" \
    curl -sS --max-time 20 --interface 127.0.0.9 --proxy "socks5://127.0.0.1:${!port}" "$url"
done

# Some dozens of checks of each kind, by then.
sleep 2
stats() {
  "$python" - "$work/haproxy.sock" >"$work/stats" <<'END'
import socket, sys
with socket.socket(socket.AF_UNIX) as admin:
    admin.connect(sys.argv[1])
    admin.sendall(b"show stat\n")
    while data := admin.recv(65536):
        sys.stdout.buffer.write(data)
END
}
stats
for name in checked port_alone without_a_word pages; do
  grep -q "^$name,s,.*,UP," "$work/stats" || fail "haproxy, $name: $(grep "^$name,s," "$work/stats")"
done
grep WARN "$log" | grep -qv "through this very proxy" && fail "haproxy: a health check is in the log"
[ "$(grep -c "session ended" "$log")" = 3 ] || fail "haproxy: a health check is a session"
ok "haproxy, health checks by a header, by SOCKS octets and by the port alone are in no log"

curl -sS --max-time 20 --proxy "socks5://127.0.0.1:$bare" "$url" >"$work/out" 2>&1 &&
  fail "haproxy: a connection without a header is served"
[ "$(grep -c "WARN.*no PROXY header from a trusted network" "$log")" = 1 ] || fail "haproxy: no warning"
ok "haproxy, without send-proxy: refused, with one warning"

kill -TERM "$behind"
wait_for "$log" "stopping in" >/dev/null
sleep 1
stats
grep -q "^pages,s,.*,DOWN," "$work/stats" || fail "haproxy, pages: $(grep "^pages,s," "$work/stats")"
works "haproxy, a server that will stop: down by /ready, and who comes is served" "peer=127.0.0.9:.*outcome=done" \
  curl -sS --max-time 20 --interface 127.0.0.9 --proxy "socks5://127.0.0.1:$v1" "$url"
