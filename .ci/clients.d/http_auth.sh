# Users whom a service of HTTP knows: a small one in Python, which answers right, and then misbehaves in all the usual forms.
need openssl
printf '[http_auth]\nurl = "http://127.0.0.1/login"\n' >"$work/built.toml"
"$server" --config "$work/built.toml" --check >"$work/tool.log" 2>&1 || fail "the server is built without http-auth, or --check fails"
mistake() { mistake_in http_auth "$@"; }
mistake 'the URL is none' 'url = "auth.example/s3cret"'
mistake 'the URL is none' 'url = "ftp://auth.example/s3cret"'
mistake 'in clear text: take https://, or write `allow_clear_text = true`' 'url = "http://auth.example/s3cret"'
mistake 'has a name or a password' 'url = "http://joe:s3cret@127.0.0.1/"'
mistake 'token: /nowhere: ' 'url = "http://127.0.0.1/"' 'token_file = "/nowhere"'
mistake 'has a value that cannot be' 'url = "http://127.0.0.1/"' 'token = "s3cret\n"'
mistake 'authorities /nowhere: ' 'url = "https://127.0.0.1/"' 'authorities = "/nowhere"'
mistake 'quantity' 'quantity = 1'
ok "mistakes in [http_auth] are said"

start_target
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=authority \
  -keyout "$work/ca.key" -out "$work/ca.pem" 2>"$work/tool.log"
openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=localhost \
  -keyout "$work/server.key" -out "$work/csr.pem" 2>"$work/tool.log"
printf 'subjectAltName=IP:127.0.0.1,DNS:localhost\nbasicConstraints=CA:FALSE\n' >"$work/ext"
openssl x509 -req -in "$work/csr.pem" -CA "$work/ca.pem" -CAkey "$work/ca.key" -CAcreateserial -days 2 \
  -extfile "$work/ext" -out "$work/server.crt" 2>"$work/tool.log"
cat >"$work/service.py" <<'END'
import http.server, json, ssl, sys, time
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def log_message(self, *_):
        pass
    def answer(self, status, body=b"", kind="application/json", fields=()):
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        for name, value in fields:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        print(self.client_address[1], self.path, self.headers["authorization"], self.headers["host"],
              " ".join(f"{name}={value}" for name, value in sorted(asked.items()) if name != "password"), flush=True)
        name, staff = asked["user"], json.dumps({"groups": ["staff"]}).encode()
        if name == "joe" or name == "JOE":
            if asked["password"] != "secret":
                return self.answer(401, b"{}")
            return self.answer(200, json.dumps({"name": "joe", "groups": ["staff"], "amounts": {"tunnels": 9}, "more": 1}).encode())
        if name == "jane":
            return self.answer(200, b'{"groups": []}')
        if name == "forbidden":
            return self.answer(403, staff)
        if name.isdigit():
            return self.answer(int(name), staff, fields=[("location", "/other")])
        if name == "html":
            return self.answer(200, b"<html>log in at this network", "text/html")
        if name == "json-as-text":
            return self.answer(200, staff, "text/plain")
        if name == "no-json":
            return self.answer(200, b"staff")
        if name == "list":
            return self.answer(200, b'["staff"]')
        if name == "number":
            return self.answer(200, b'{"groups": ["staff"], "name": 7}')
        if name == "no-name":
            return self.answer(200, b'{"groups": ["staff"], "name": ""}')
        if name == "amounts":
            return self.answer(200, b'{"groups": ["staff"], "amounts": {"tunnel": 1}}')
        if name == "groups":
            return self.answer(200, json.dumps({"groups": ["staff", *map(str, range(2000))]}).encode())
        if name == "large":
            return self.answer(200, staff + b" " * 70000)
        if name == "announced":
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(1 << 60))
            self.end_headers()
            try:
                while True:
                    self.wfile.write(b" " * 65536)
            except OSError:
                return
        if name == "fields":
            return self.answer(200, staff, fields=[(f"x-{at}", "y" * 1000) for at in range(90)])
        if name == "silent":
            time.sleep(3)
        if name == "drips":
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", "1000")
            self.end_headers()
            try:
                for _ in range(40):
                    self.wfile.write(b" ")
                    time.sleep(0.1)
            except OSError:
                pass
        if name == "garbage":
            self.wfile.write(b"\x00\x01\x02 200 OK\r\n\r\n")
        if name == "short":
            self.wfile.write(b'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n{"groups":["staff"]}')
        self.close_connection = True
port = int(sys.argv[1]) if len(sys.argv) > 1 else 0
server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
server.daemon_threads = True
if len(sys.argv) > 2:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[2], sys.argv[3])
    server.socket = context.wrap_socket(server.socket, server_side=True)
print("port", server.server_address[1], flush=True)
server.serve_forever()
END
spawn clear "$python" "$work/service.py"
service_pid=${pids[-1]}
clear=$(wait_for "$work/clear.log" port | sed 's/port //')
spawn secured "$python" "$work/service.py" 0 "$work/server.crt" "$work/server.key"
secured=$(wait_for "$work/secured.log" port | sed 's/port //')
printf 'a token of the proxy\n' >"$work/token"
chmod 600 "$work/token"
# config NAME URL LINES..: a file of the server.
config() {
  local name=$1 to=$2
  shift 2
  { printf '[http_auth]\nurl = "%s"\ntoken_file = "%s"\ntimeout = "1s"\n' "$to" "$work/token"; printf '%s\n' "$@"; only_staff
  } >"$work/$name.toml"
}
url=http://$target/small
config tls "https://localhost:$secured/login?a=b" "authorities = \"$work/ca.pem\""
config stranger "https://localhost:$secured/login"
config plain "http://127.0.0.1:$clear/login?a=b"
for kind in tls plain; do
  start_server "$kind" --config "$work/$kind.toml"
  for scheme in socks5h http; do
    works "HTTP service by $kind, $scheme as JOE, who is joe" 'user=joe' curl -sS --max-time 20 --proxy "$scheme://JOE:secret@$address" "$url"
    [ "$(as "$scheme" joe wrong)" != 0 ] || fail "$kind: joe gets in with a wrong password"
    [ "$(as "$scheme" forbidden secret)" != 0 ] || fail "$kind: 403 gets in"
    [ "$(as "$scheme" jane secret)" != 0 ] || fail "$kind: jane is no staff and gets in"
  done
done
grep -q '/login?a=b Bearer a token of the proxy localhost:.*client=127.0.0.1:.*listener=.*local=127.0.0.1:.*protocol=socks5 session=.*user=JOE' \
  "$work/secured.log" || fail "what is asked: $(tail -n 3 "$work/secured.log")"
grep -q 'protocol=http' "$work/secured.log" || fail "HTTP is not said"
ok "HTTP service, what it is asked"
start_server stranger --config "$work/stranger.toml"
[ "$(as socks5h joe secret)" = 97 ] || fail "joe gets in by a service with a certificate of nobody"
wait_for "$log" "WARN.*HTTP service https://localhost:$secured: TLS: " >"$work/out"
ok "HTTP service, an unknown authority"

config bad "http://127.0.0.1:$clear/login"
start_server bad --config "$work/bad.toml"
for name in 201 204 301 302 307 400 404 429 500 503 html json-as-text no-json list number no-name amounts groups large \
  announced fields silent drips garbage short; do
  [ "$(as socks5h "$name" secret)" = 97 ] || fail "the answer '$name' lets in"
  # One that failed is left alone for a moment.
  for _ in $(seq 50); do
    [ "$(as socks5h joe secret)" = 0 ] && break
    sleep 0.1
  done
  [ "$(as socks5h joe secret)" = 0 ] || fail "joe does not get in after '$name'"
done
grep -q "/other" "$work/clear.log" && fail "a redirect was followed"
grep -q 'secret\|a token of' "$work"/{tls,plain,stranger,bad}.log && fail "a password or the token is in the log"
ok "HTTP service, answers that are none let nobody in"

# Connections are kept, and one that has ended meanwhile is no reason to fail.
for _ in 1 2 3 4 5; do [ "$(as socks5h joe secret)" = 0 ] || fail "joe does not get in"; done
[ "$(tail -n 5 "$work/clear.log" | cut -d' ' -f1 | sort -u | wc -l)" = 1 ] || fail "five logins took more than a connection"
kill "$service_pid"
wait "$service_pid" 2>/dev/null || true
spawn again "$python" "$work/service.py" "$clear"
wait_for "$work/again.log" port >"$work/out"
[ "$(as socks5h joe secret)" = 0 ] || fail "joe does not get in by a connection that was kept"
ok "HTTP service, connections are kept"
service_pid=${pids[-1]}
# Another server: lines about a service that comes and goes are bounded in number.
start_server silent --config "$work/bad.toml"
kill -STOP "$service_pid"
since=$SECONDS
[ "$(as socks5h joe secret)" = 97 ] || fail "joe gets in by a service that is silent"
[ $((SECONDS - since)) -le 3 ] || fail "a silent service takes $((SECONDS - since)) s"
wait_for "$log" "WARN.*HTTP service http://127.0.0.1:$clear: no answer in time" >"$work/out"
kill -CONT "$service_pid"
for _ in $(seq 40); do
  [ "$(as socks5h joe secret)" = 0 ] && break
  sleep 0.2
done
wait_for "$log" "INFO.*answers again" >"$work/out"
ok "HTTP service, silent and back"
# Nobody knows how many users the service has.
kill -HUP "${pids[-1]}"
wait_for "$log" 'reloaded directories="http_auth" rules=\|reloaded .*directories="http_auth"' >"$work/out"
grep -q 'users=' "$work/out" && fail "users that nobody has counted: $(cat "$work/out")"
ok "HTTP service, reloaded"
