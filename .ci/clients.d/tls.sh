# TLS in front of the one port: curl with an HTTPS proxy, stunnel's client in front of curl's SOCKS, and a certificate that
# is replaced while the server runs.
need openssl
start_target
url=http://$target/small

# certificate NAME: for 127.0.0.1 and localhost, signed by itself.
certificate() {
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj "/CN=$1" \
    -addext "subjectAltName=DNS:localhost,IP:127.0.0.1" \
    -keyout "$work/$1.key" -out "$work/$1.pem" 2>"$work/openssl.log" || fail "openssl req"
}
certificate first
certificate second
cp "$work/first.pem" "$work/own.pem"
cp "$work/first.key" "$work/own.key"
echo >"$work/empty.toml"
RUST_LOG=info,tower_socks=debug start_server tls --config "$work/empty.toml" \
  --tls-certificate "$work/own.pem" --tls-key "$work/own.key"
server_pid=${pids[-1]}

through() {
  local what=$1 trusted=$2
  shift 2
  works "$what" "protocol=http" \
    curl -sS --max-time 20 --proxy "https://localhost:$port" --proxy-cacert "$work/$trusted.pem" "$@" "$url"
}
through "curl, https" first
through "curl, https with CONNECT" first --proxytunnel

if packages stunnel4; then
  local_port=$(free_port)
  cat >"$work/stunnel.conf" <<END
foreground = yes
pid =
[socks]
client = yes
accept = 127.0.0.1:$local_port
connect = 127.0.0.1:$port
CAfile = $work/first.pem
verifyChain = yes
checkHost = localhost
END
  spawn stunnel stunnel4 "$work/stunnel.conf"
  wait_for_port "$local_port"
  for scheme in socks5h socks4a; do
    works "curl, $scheme behind stunnel" "protocol=${scheme%[ah]} " \
      curl -sS --max-time 20 --proxy "$scheme://127.0.0.1:$local_port" "$url"
  done
else
  skip "stunnel4 cannot be installed"
fi

# A client that has come to the wrong port is told apart in the log.
code=0
curl -sS --max-time 20 --proxy "http://$address" "$url" >"$work/out" 2>"$work/client.log" || code=$?
[ "$code" != 0 ] || fail "curl, http: a TLS port answers in clear"
wait_for "$log" "this is not TLS: it looks like" >"$work/found"
ok "curl, http at a TLS port: $(sed 's/.*it looks like/looks like/' "$work/found" | cut -c1-40)"

# A pair that does not fit keeps what is in force; one that fits is used.
cp "$work/second.pem" "$work/own.pem"
kill -HUP "$server_pid"
wait_for "$log" "kept what was in force" >"$work/found"
through "curl, https after a bad pair" first
cp "$work/second.key" "$work/own.key"
kill -HUP "$server_pid"
wait_for "$log" "reloaded .*empty.toml" >"$work/found"
through "curl, https with the new certificate" second
