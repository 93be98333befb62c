# Users of a real RADIUS server, and what they use: Debian's freeradius, with a configuration of its own, on loopback. Groups
# decide; wrong passwords, another secret and forged answers stay outside; records of accounting have the right numbers, and
# wait for a server that is silent.
if ! packages freeradius; then
  skip "radius: freeradius cannot be had"
  return
fi
printf '[radius]\nservers = ["127.0.0.1"]\nsecret = "0123456789abcdef"\n' >"$work/built.toml"
"$server" --config "$work/built.toml" --check >"$work/tool.log" 2>&1 || fail "the server is built without RADIUS, or --check fails"
mistake() { mistake_in radius "$@"; }
mistake 'neither `servers` nor `accounting`' 'secret = "s3cret"'
mistake '`servers` need `secret` or `secret_file`' 'servers = ["127.0.0.1"]'
mistake 'is no server' 'servers = ["127.0.0.1:radius"]' 'secret = "s3cret"'
mistake 'secret: /nowhere: ' 'servers = ["127.0.0.1"]' 'secret_file = "/nowhere"'
mistake 'NAS-Identifier has 1 to 253 octets' 'servers = ["127.0.0.1"]' 'secret = "s3cret"' 'nas_identifier = ""'
mistake 'there is no server' 'secret = "s3cret"' 'accounting = { servers = [] }'
mistake 'there is no `secret`' 'accounting = { servers = ["127.0.0.1"] }'
mistake 'quantity' 'quantity = 1'
ok "mistakes in [radius] are said"

start_target
url=http://$target/small
raddb=$work/raddb
mkdir -p "$raddb"
auth=$(free_port)
acct=$(free_port)
detail=$work/detail
cat >"$raddb/radiusd.conf" <<END
name = radiusd
prefix = /usr
libdir = /usr/lib/freeradius
confdir = $raddb
logdir = $work
run_dir = $work
db_dir = $work
pidfile = $work/radiusd.pid
max_requests = 4096
log {
  destination = stdout
}
security {
  reject_delay = 0
}
client proxy {
  ipaddr = 127.0.0.1
  secret = "a long shared secret of both"
  require_message_authenticator = yes
}
modules {
  pap {
  }
  files {
    filename = $raddb/users
  }
  detail {
    filename = $detail
    header = "%t"
    permissions = 0600
  }
}
server default {
  listen {
    type = auth
    ipaddr = 127.0.0.1
    port = $auth
  }
  listen {
    type = acct
    ipaddr = 127.0.0.1
    port = $acct
  }
  authorize {
    files
    pap
  }
  authenticate {
    Auth-Type PAP {
      pap
    }
  }
  # Versions before 3.2.5 do not by themselves.
  post-auth {
    update reply {
      Message-Authenticator := 0x00
    }
    Post-Auth-Type REJECT {
      update reply {
        Message-Authenticator := 0x00
      }
    }
  }
  accounting {
    detail
  }
}
END
cat >"$raddb/users" <<'END'
joe Cleartext-Password := "secret"
    Filter-Id = "staff",
    Filter-Id += "night",
    Class = "of joe",
    Port-Limit = 7
jane Cleartext-Password := "hidden"
    Filter-Id = "guests"
JILL Cleartext-Password := "secret"
    User-Name = "jill",
    Filter-Id = "staff"
END
spawn radius freeradius -f -l stdout -d "$raddb"
radius_pid=${pids[-1]}
wait_for "$work/radius.log" "Ready to process requests" >"$work/out"

printf 'a long shared secret of both\n' >"$work/secret"
printf 'a long secret of somebody else\n' >"$work/other"
chmod 600 "$work/secret" "$work/other"
# config NAME SERVER SECRET LINES..: a file of the server.
config() {
  local name=$1 to=$2 secret=$3
  shift 3
  { printf '[radius]\nservers = ["%s"]\nsecret_file = "%s"\nnas_identifier = "proxy-1"\ntimeout = "500ms"\n' "$to" "$secret"
    printf '%s\n' "$@"; only_staff
  } >"$work/$name.toml"
}
config plain "127.0.0.1:$auth" "$work/secret"
start_server plain --config "$work/plain.toml"
for scheme in socks5h http; do
  works "freeradius, $scheme as joe" 'user=joe' curl -sS --max-time 20 --proxy "$scheme://joe:secret@$address" "$url"
done
works "freeradius, JILL is jill" 'user=jill' curl -sS --max-time 20 --proxy "http://JILL:secret@$address" "$url"
long=$(printf 'x%.0s' $(seq 129))
for login in joe:wrong joe:hidden "joe:$long" jane:hidden nobody:secret JOE:secret '*:secret'; do
  [ "$(as socks5h "${login%:*}" "${login##*:}")" = 97 ] || fail "$login gets in"
  [ "$(as http "${login%:*}" "${login##*:}")" = 22 ] || fail "$login gets in by HTTP"
done
[ "$(as http joe '')" = 22 ] || fail "joe gets in without a password"
grep -q "shared secret\|hidden\|$long" "$log" && fail "a password or the secret is in the log"
ok "freeradius, others stay outside"

config other "127.0.0.1:$auth" "$work/other"
start_server other --config "$work/other.toml"
[ "$(as socks5h joe secret)" = 97 ] || fail "joe gets in by another secret"
wait_for "$log" "WARN.*RADIUS server 127.0.0.1:$auth: no answer in time: it is away, or has another secret, or does not know" >"$work/out"
ok "freeradius, another secret is said"

# Somebody answers with a yes who does not know the secret, or who leaves out what proves it.
cat >"$work/forger.py" <<'END'
import hashlib, hmac, socket, struct, sys
mode, secret = sys.argv[1], b"a long shared secret of both"
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("127.0.0.1", 0))
other = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
print("port", server.getsockname()[1], flush=True)
def answer(request, secret, signed=True, identifier=None):
    identifier = request[1] if identifier is None else identifier
    attributes = b"\x0b\x07staff" + (b"\x50\x12" + bytes(16) if signed else b"")
    head = struct.pack("!BBH", 2, identifier, 20 + len(attributes))
    if signed:
        code = hmac.new(secret, head + request[4:20] + attributes, hashlib.md5).digest()
        attributes = attributes[:-16] + code
    return head + hashlib.md5(head + request[4:20] + attributes + secret).digest() + attributes
while True:
    request, client = server.recvfrom(4096)
    right = answer(request, secret)
    if mode == "secret":
        server.sendto(answer(request, b"guessed"), client)
    elif mode == "unsigned":
        server.sendto(answer(request, secret, signed=False), client)
    elif mode == "source":
        other.sendto(right, client)
    elif mode == "identifier":
        server.sendto(answer(request, secret, identifier=request[1] ^ 1), client)
    elif mode == "changed":
        server.sendto(right.replace(b"staff", b"staFF"), client)
    elif mode == "garbage":
        for octets in b"", b"\x02", right[:25], right[:2] + b"\xff\xff" + right[4:], bytes(4096), right[:-3] + bytes(3):
            server.sendto(octets, client)
    elif mode == "late":
        server.sendto(answer(request, b"guessed"), client)
        server.sendto(bytes(30), client)
        server.sendto(right, client)
END
for mode in secret unsigned source identifier changed garbage; do
  spawn "forger-$mode" "$python" "$work/forger.py" "$mode"
  forger=$(wait_for "$work/forger-$mode.log" port | sed 's/port //')
  config "$mode" "127.0.0.1:$forger" "$work/secret"
  start_server "$mode" --config "$work/$mode.toml"
  [ "$(as socks5h joe secret)" = 97 ] || fail "joe gets in by a forged answer ($mode)"
done
grep -q "WARN.*signed with our secret, but others" "$work/secret.log" || fail "forged answers are not said"
grep -q "WARN.*have no Message-Authenticator.*CVE-2024-3596" "$work/unsigned.log" || fail "unsigned answers are not said"
spawn forger-late "$python" "$work/forger.py" late
forger=$(wait_for "$work/forger-late.log" port | sed 's/port //')
config late "127.0.0.1:$forger" "$work/secret"
start_server late --config "$work/late.toml"
[ "$(as socks5h joe secret)" = 0 ] || fail "forged answers keep the right one out"
ok "RADIUS, forged answers are ignored"

# Accounting.
config accounting "127.0.0.1:$auth" "$work/secret" "accounting = { servers = [\"127.0.0.1:$acct\"], interim = \"1s\" }"
start_server accounting --config "$work/accounting.toml"
server_pid=${pids[-1]}
cat >"$work/moves.py" <<'END'
import socket, sys, threading, time
host, port = sys.argv[1].split(":")
echo = socket.create_server(("127.0.0.1", 0))
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
udp.bind(("127.0.0.1", 0))
def log_in():
    client = socket.create_connection((host, int(port)))
    client.sendall(b"\x05\x01\x02")
    assert client.recv(2) == b"\x05\x02"
    client.sendall(b"\x01\x03joe\x06secret")
    assert client.recv(2) == b"\x01\x00"
    return client
def request(client, command, to):
    client.sendall(bytes([5, command, 0, 1]) + socket.inet_aton(to[0]) + to[1].to_bytes(2, "big"))
    reply = client.recv(10)
    assert reply[1] == 0, reply
    return socket.inet_ntoa(reply[4:8]), int.from_bytes(reply[8:10], "big")
def read(stream, most):
    got = 0
    while got < most:
        got += len(stream.recv(most - got))
client = log_in()
request(client, 1, echo.getsockname())
target, _ = echo.accept()
sending = threading.Thread(target=client.sendall, args=(bytes(123456),))
sending.start()
read(target, 123456)
sending.join()
target.sendall(bytes(7890))
read(client, 7890)
time.sleep(2.5)
client.close()
target.close()
client = log_in()
relay = request(client, 3, ("0.0.0.0", 0))
own = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
own.settimeout(10)
to = udp.getsockname()
for _ in range(5):
    own.sendto(b"\x00\x00\x00\x01" + socket.inet_aton(to[0]) + to[1].to_bytes(2, "big") + bytes(100), relay)
    _, back = udp.recvfrom(4096)
    udp.sendto(bytes(60), back)
    own.recv(4096)
client.close()
print("moved", flush=True)
END
timeout 60 "$python" "$work/moves.py" "$address" >"$work/out" 2>"$work/client.log" || fail "what moves"
cat >"$work/told.py" <<'END'
import re, sys
records = open(sys.argv[1]).read().split("\n\n")
wanted = [f"Acct-Status-Type = {sys.argv[2]}", *sys.argv[3:]]
sys.exit(not any(all(re.search(one, record, re.M) for one in wanted) for record in records))
END
# told STATUS PATTERN..: until there is a record of this status with a line for each pattern.
told() {
  for _ in $(seq 100); do
    "$python" "$work/told.py" "$detail" "$@" 2>/dev/null && return
    sleep 0.1
  done
  tail -n 60 "$detail" >"$work/detail.log" || true
  fail "no record of accounting with $*"
}
told Accounting-On 'NAS-Identifier = "proxy-1"'
told Start 'User-Name = "joe"' 'Class = 0x6f66206a6f65' 'Connect-Info = "socks5 CONNECT"' 'Calling-Station-Id = "127.0.0.1"' \
  'Acct-Authentic = RADIUS' 'NAS-Port-Type = Virtual'
told Interim-Update 'Acct-Input-Octets = 123456$' 'Acct-Output-Octets = 7890$' 'Acct-Session-Time = 1$'
told Interim-Update 'Acct-Input-Octets = 123456$' 'Acct-Session-Time = 2$'
told Stop 'Connect-Info = "socks5 CONNECT"' 'Acct-Input-Octets = 123456$' 'Acct-Output-Octets = 7890$' \
  'Acct-Terminate-Cause = ' 'Acct-Input-Gigawords = 0$' 'Class = 0x6f66206a6f65'
told Stop 'Connect-Info = "socks5 UDP ASSOCIATE"' 'Acct-Input-Octets = 500$' 'Acct-Input-Packets = 5$' \
  'Acct-Output-Octets = 300$' 'Acct-Output-Packets = 5$'
curl -sS --max-time 20 --proxy "http://joe:secret@$address" "$url" >"$work/out"
told Stop 'Connect-Info = "http CONNECT"' 'Acct-Output-Octets = [1-9]'
ok "freeradius, accounting has the right numbers"

# A server that is silent: nobody waits for it, and it has everything later.
cat >"$work/held.py" <<'END'
import socket, sys, time
host, port = sys.argv[1].split(":")
client = socket.create_connection((host, int(port)))
client.sendall(b"\x05\x01\x02")
client.recv(2)
client.sendall(b"\x01\x03joe\x06secret")
client.recv(2)
at, port = sys.argv[2].split(":")
client.sendall(b"\x05\x01\x00\x01" + socket.inet_aton(at) + int(port).to_bytes(2, "big"))
client.recv(10)
print("open", flush=True)
time.sleep(1)
client.sendall(b"x" * 31)
time.sleep(0.2)
END
spawn held "$python" "$work/held.py" "$address" "$target"
wait_for "$work/held.log" open >"$work/out"
kill -STOP "$radius_pid"
[ "$(as socks5h joe secret)" = 97 ] || fail "joe gets in by a server that is silent"
wait_for "$log" "WARN.*RADIUS server 127.0.0.1:$auth: no answer in time" >"$work/out"
sleep 2
kill -CONT "$radius_pid"
told Stop 'Acct-Input-Octets = 31$' 'Acct-Delay-Time = [1-9]'
for _ in $(seq 40); do
  [ "$(as socks5h joe secret)" = 0 ] && break
  sleep 0.2
done
wait_for "$log" "INFO.*RADIUS server 127.0.0.1:$auth: answers again" >"$work/out"
ok "freeradius, silent and back"
kill "$server_pid"
told Accounting-Off 'NAS-Identifier = "proxy-1"'
"$python" - "$detail" >"$work/out" 2>"$work/client.log" <<'END' || fail "a session has a beginning or an end alone"
import collections, re, sys
counts = collections.Counter()
for record in open(sys.argv[1]).read().split("\n\n"):
    session = re.search(r'Acct-Session-Id = "(.*)"', record)
    status = re.search(r"Acct-Status-Type = (\S+)", record)
    if session and status.group(1) in ("Start", "Stop"):
        counts[session.group(1), status.group(1)] += 1
sessions = {session for session, _ in counts}
assert sessions and all(counts[one, "Start"] >= 1 and counts[one, "Stop"] >= 1 for one in sessions), counts
END
ok "freeradius, each session has begun and ended, and the proxy too"
