# A Unix socket beside a port, with settings of its own.
start_target
url=http://$target/small
cat >"$work/server.toml" <<END
acl = { default = "allow", allow_private = true }
[[listen]]
address = "127.0.0.1:0"
protocols = ["http"]
[[listen]]
path = "$work/proxy.sock"
END
log=$work/server.log
RUST_LOG=info "$server" --config "$work/server.toml" 2>"$log" &
pids+=($!)
wait_for "$log" "listening on $work/proxy.sock" >"$work/found"
works "curl, socks5h over a Unix socket" "protocol=socks5 .*outcome=done" \
  curl -sS --max-time 20 --proxy "socks5h://localhost$work/proxy.sock" "$url"
[ "$(stat -c %a "$work/proxy.sock")" = 660 ] || fail "the socket has other permissions than 660"
kill "${pids[-1]}"
for _ in $(seq 100); do
  [ -e "$work/proxy.sock" ] || break
  sleep 0.05
done
[ ! -e "$work/proxy.sock" ] || fail "the socket is still there"
ok "it is gone with the server"
