# connect-proxy, the ProxyCommand of many an ssh: by SOCKS4 and SOCKS4a, with the USERID that it takes from its
# environment.
packages connect-proxy || { skip "connect-proxy cannot be installed"; return 0; }
start_target
start_server open

connect_proxy() {
  printf 'GET /small HTTP/1.0\r\n\r\n' | connect-proxy -4 -R "$1" -S "joe@127.0.0.1:$port" "$2" "${target##*:}"
}
export -f connect_proxy
export port target
works "connect-proxy, SOCKS4" "protocol=socks4 .*target=$target.*outcome=done" \
  bash -c "connect_proxy local 127.0.0.1"
works "connect-proxy, SOCKS4a" "protocol=socks4 .*target=localhost:.*outcome=done" \
  bash -c "connect_proxy remote localhost"
