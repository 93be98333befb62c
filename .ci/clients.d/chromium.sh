# Headless Chromium through the one port, by each protocol that its settings know: a page, a script of that page that
# asks the same host again (a kept connection), and a page by HTTPS.
packages chromium openssl || { skip "chromium cannot be installed"; return 0; }

openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj "/CN=localhost" \
  -addext "subjectAltName=DNS:localhost,IP:127.0.0.1" \
  -keyout "$work/key.pem" -out "$work/cert.pem" 2>"$work/openssl.log" || fail "openssl req"

# A site in the clear and one in TLS, with the same page. Its script adds what it was told.
mkdir -p "$work/www"
cat >"$work/www/page.html" <<'END'
<!doctype html><title>page</title><p id="told">nothing yet</p>
<script>
  const ask = new XMLHttpRequest();
  ask.open("POST", "/echo", false);
  ask.send("x".repeat(10000));
  document.getElementById("told").textContent = ask.responseText;
</script>
END
cat >"$work/site.py" <<'END'
import http.server, ssl, sys, threading

class Site(http.server.SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        told = b"it works: %d octets" % len(self.rfile.read(int(self.headers["content-length"])))
        self.send_response(200)
        self.send_header("content-type", "text/plain")
        self.send_header("content-length", str(len(told)))
        self.end_headers()
        self.wfile.write(told)

plain = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Site)
secure = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Site)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[1], sys.argv[2])
secure.socket = context.wrap_socket(secure.socket, server_side=True)
threading.Thread(target=plain.serve_forever, daemon=True).start()
print("serving", plain.server_port, secure.server_port, flush=True)
secure.serve_forever()
END
spawn site env -C "$work/www" "$python" -u "$work/site.py" "$work/cert.pem" "$work/key.pem"
read -r _ plain secure < <(wait_for "$work/site.log" "^serving")

# browses PROXY URL: prints the page as it is once its script has run.
browses() {
  # The site is on loopback, where a browser asks no proxy unless it is told to.
  chromium "${flags[@]}" --ignore-certificate-errors --proxy-server="$1" --proxy-bypass-list="<-loopback>" \
    --dump-dom "$2"
}
flags=(--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking
  --disable-component-update --disable-sync --disable-dev-shm-usage --log-level=3 "--user-data-dir=$work/profile")

# page WHAT LINE PROXY URL: its script has run, and its request was the proxy's as well.
page() {
  logged "$2" bash -c "$(declare -p flags; declare -f browses); browses \"\$@\"" bash "$3" "$4"
  grep -q "it works: 10000 octets" "$work/out" || fail "$1: $(head -c 300 "$work/out")"
  ok "$1"
}

# What the browser wants of its maker stays here.
cat >"$work/loopback.toml" <<'END'
[acl]
default = "allow"
[[acl.rules]]
action = "deny"
to = "*.com"
END

start_server open --config "$work/loopback.toml"
page "Chromium, HTTP proxy" "protocol=http}:request{method=.POST. user=- target=127.0.0.1:$plain.*outcome=done" \
  "http://$address" "http://127.0.0.1:$plain/page.html"
page "Chromium, HTTP proxy, a page by HTTPS" "protocol=http .*command=CONNECT target=localhost:$secure" \
  "http://$address" "https://localhost:$secure/page.html"
page "Chromium, SOCKS5 proxy" "protocol=socks5 .*target=localhost:$plain" \
  "socks5://$address" "http://localhost:$plain/page.html"
page "Chromium, SOCKS5 proxy, a page by HTTPS" "protocol=socks5 .*target=127.0.0.1:$secure" \
  "socks5://$address" "https://127.0.0.1:$secure/page.html"
page "Chromium, SOCKS4 proxy" "protocol=socks4 .*target=127.0.0.1:$plain" \
  "socks4://$address" "http://127.0.0.1:$plain/page.html"

# --ignore-certificate-errors holds for a proxy as well.
start_server tls --config "$work/loopback.toml" --tls-certificate "$work/cert.pem" --tls-key "$work/key.pem"
page "Chromium, HTTPS proxy" "protocol=http}:request{method=.POST. user=- target=127.0.0.1:$plain.*outcome=done" \
  "https://$address" "http://127.0.0.1:$plain/page.html"
page "Chromium, HTTPS proxy, a page by HTTPS" "protocol=http .*command=CONNECT target=localhost:$secure" \
  "https://localhost:$port" "https://localhost:$secure/page.html"

# What a browser shows that has the address of a port without HTTP.
RUST_LOG=debug start_server socks --protocols socks5
logged "HTTP client where HTTP is not served" chromium "${flags[@]}" --no-proxy-server --dump-dom "http://$address/"
grep -q "SOCKS5" "$work/out" || fail "Chromium at a port without HTTP: $(head -c 300 "$work/out")"
ok "Chromium at a port without HTTP: a page says what the port is"
