# Clients of UDP over TCP that were written from the formats alone: no program that speaks one of them is in the
# registries as a package of moderate size.
need openssl
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj "/CN=localhost" \
  -addext "subjectAltName=DNS:localhost,IP:127.0.0.1" \
  -keyout "$work/own.key" -out "$work/own.pem" 2>"$work/openssl.log" || fail "openssl req"
echo >"$work/empty.toml"
start_server tls --config "$work/empty.toml" --tls-certificate "$work/own.pem" --tls-key "$work/own.key"
tls_port=$port
start_server clear
timeout 300 "$python" "$helpers/udp_over_tcp.py" "$port" "$tls_port" "$work/own.pem" >"$work/out" 2>"$work/client.log" ||
  fail "udp_over_tcp: $(tail -n 1 "$work/out")"
while read -r line; do ok "UDP over TCP $line"; done <"$work/out"
# Malformed frames, and nothing else, are errors.
for name in tls clear; do
  grep "outcome=broken" "$work/$name.log" | grep -v "malformed frame of UDP over TCP" >"$work/broken" &&
    fail "UDP over TCP: $(head -n 1 "$work/broken")"
done
grep -q "outcome=broken.*malformed frame of UDP over TCP" "$work/clear.log" || fail "UDP over TCP: no line for a malformed frame"
ok "UDP over TCP, malformed frames have a line of the log"
