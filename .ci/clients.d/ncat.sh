# ncat, of nmap: by SOCKS4, which it knows without names.
packages ncat || { skip "ncat cannot be installed"; return 0; }
start_target
start_server open

by_ncat() {
  printf 'GET /small HTTP/1.0\r\n\r\n' | ncat --proxy "127.0.0.1:$port" --proxy-type "$1" 127.0.0.1 "${target##*:}"
}
export -f by_ncat
export port target
for type in socks4 socks5; do
  works "ncat, $type" "protocol=$type .*target=$target.*outcome=done" bash -c "by_ncat $type"
done

start_server users --user joe:secret
bash -c "by_ncat socks4" >"$work/out" 2>"$work/client.log" && grep -q "it works" "$work/out" &&
  fail "ncat, socks4: a server with users lets it in"
ok "ncat, socks4: 5B where there are users"
