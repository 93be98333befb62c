# stunnel as a TLS front that states its clients (protocol = proxy).
packages stunnel4 openssl curl || { skip "stunnel4 cannot be installed"; return 0; }
start_target
start_server behind --open --proxy-protocol-from 127.0.0.0/8

openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost \
  -keyout "$work/key.pem" -out "$work/cert.pem" 2>/dev/null
front=$(free_port) tail=$(free_port)
cat >"$work/front.conf" <<END
foreground = yes
pid =
[front]
accept = 127.0.0.1:$front
connect = $address
protocol = proxy
cert = $work/cert.pem
key = $work/key.pem
END
cat >"$work/tail.conf" <<END
foreground = yes
pid =
[tail]
client = yes
accept = 127.0.0.1:$tail
connect = 127.0.0.1:$front
local = 127.0.0.9
END
spawn front stunnel4 "$work/front.conf"
spawn tail stunnel4 "$work/tail.conf"
wait_for_port "$front"
wait_for_port "$tail"
works "stunnel4, protocol = proxy" "peer=127.0.0.9:.*outcome=done" \
  curl -sS --max-time 20 --proxy "socks5://127.0.0.1:$tail" "http://$target/small"
