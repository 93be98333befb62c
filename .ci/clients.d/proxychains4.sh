# proxychains4: curl, which knows of no proxy there, by SOCKS4 and SOCKS4a.
packages proxychains4 || { skip "proxychains4 cannot be installed"; return 0; }
start_target
start_server open

# proxychains4_config FLAGS..: one proxy. Loopback goes through it like all else.
proxychains4_config() {
  printf '%s\n' strict_chain "$@" "[ProxyList]" "socks4 127.0.0.1 $port" >"$work/proxychains.conf"
}
chained=(proxychains4 -q -f "$work/proxychains.conf" curl -sS --max-time 20)
proxychains4_config
works "proxychains4, SOCKS4" "protocol=socks4 .*target=$target.*outcome=done" \
  "${chained[@]}" "http://$target/small"
# A name goes as a name: curl knows localhost by itself, a name of the reserved .example it does not.
proxychains4_config proxy_dns
logged "protocol=socks4 .*target=nobody.example:80.*outcome=unreachable" \
  bash -c '"$@" http://nobody.example/ || true' bash "${chained[@]}"
ok "proxychains4, SOCKS4a"
