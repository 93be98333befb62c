# The script of [pac]: run by node as browsers run it, for what goes through the proxy and what does not, and fetched by
# Chromium, which then asks the proxy for a page of a name that only the proxy knows how to reach.
packages nodejs chromium || { skip "node or chromium cannot be installed"; return 0; }

cat >"$work/pac.toml" <<'END_OF_FILE'
[metrics]
listen = "127.0.0.1:0"
[pac]
host = "127.0.0.1"
direct = ["*.here.example", "192.0.2.0/24", "xn--bcher-kva.example"]
[acl]
default = "allow"
[[acl.rules]]
name = "'\"; return 'DIRECT'; // </script>"
action = "allow"
to = ["10.1.0.0/16", "*.corp", "wiki", "fd00:1::/32", "127.0.0.0/8"]
[[acl.rules]]
action = "deny"
to = ["192.168.1.1", "denied.example", "*.lan"]
END_OF_FILE
start_server pac --config "$work/pac.toml"
page=$(wait_for "$work/pac.log" "metrics at" | sed 's/.*metrics at //')

# asked WHAT..: what the script says of each host, a line each.
cat >"$work/pac_asked.js" <<'END_OF_FILE'
const [script, ...hosts] = process.argv.slice(2);
const find = new Function(require("fs").readFileSync(script, "utf8") + "; return FindProxyForURL;")();
for (const host of hosts) console.log(host, find("http://" + host + "/", host).split(" ")[0]);
END_OF_FILE
curl -sf -o "$work/proxy.pac" "${page}proxy.pac" || fail "no script"
node "$work/pac_asked.js" "$work/proxy.pac" example.com EXAMPLE.com. a.here.example here.example xn--bcher-kva.example \
  192.0.2.7 192.0.3.7 10.1.2.3 10.2.2.3 8.8.8.8 ::ffff:10.1.2.3 ::ffff:a02:203 fd00:1::5 '[fd00:2::5]' 2606:4700::1111 \
  a.corp corp printer wiki printer.local a.lan lan localhost a.localhost 127.0.0.1 127.1.1.1 ::1 192.168.1.1 denied.example \
  172.31.0.1 172.32.0.1 100.64.0.1 fe80::1%eth0 999.1.1.1 1::2::3 '*' >"$work/pac.out" 2>"$work/node.log" \
  || fail "the script does not run"
cat >"$work/pac.expected" <<'END_OF_FILE'
example.com PROXY
EXAMPLE.com. PROXY
a.here.example DIRECT
here.example PROXY
xn--bcher-kva.example DIRECT
192.0.2.7 DIRECT
192.0.3.7 PROXY
10.1.2.3 PROXY
10.2.2.3 DIRECT
8.8.8.8 PROXY
::ffff:10.1.2.3 PROXY
::ffff:a02:203 DIRECT
fd00:1::5 PROXY
[fd00:2::5] DIRECT
2606:4700::1111 PROXY
a.corp PROXY
corp DIRECT
printer DIRECT
wiki PROXY
printer.local DIRECT
a.lan DIRECT
lan DIRECT
localhost DIRECT
a.localhost DIRECT
127.0.0.1 DIRECT
127.1.1.1 DIRECT
::1 DIRECT
192.168.1.1 DIRECT
denied.example PROXY
172.31.0.1 DIRECT
172.32.0.1 PROXY
100.64.0.1 DIRECT
fe80::1%eth0 DIRECT
999.1.1.1 PROXY
1::2::3 DIRECT
* DIRECT
END_OF_FILE
diff "$work/pac.expected" "$work/pac.out" >"$work/pac.log.diff" || { cat "$work/pac.log.diff"; fail "what the script says"; }
ok "the PAC script, by node: private hosts, rules and hosts of the file"

# A browser that has nothing but the address of the script.
logged "denied.example" chromium --headless --no-sandbox --disable-gpu --disable-quic --no-first-run \
  --disable-background-networking --disable-component-update --disable-sync --disable-dev-shm-usage --log-level=3 \
  "--user-data-dir=$work/profile" --proxy-pac-url="${page}proxy.pac" --dump-dom "http://denied.example/"
ok "the PAC script, by Chromium: a page is asked for through the proxy"
