# Users of a real database: Debian's PostgreSQL, with a cluster of its own, on loopback. Hashes of argon2 and bcrypt are right
# and wrong; groups decide; disabled users, hostile names and a database that is silent or down stay outside.
if ! packages postgresql apache2-utils openssl; then
  skip "postgres: postgresql cannot be had"
  return
fi
printf '[postgres]\ndatabase = "postgres://a@127.0.0.1/b"\nquery = "SELECT hash FROM users WHERE name = $1"\n' >"$work/built.toml"
"$server" --config "$work/built.toml" --check >"$work/tool.log" 2>&1 || fail "the server is built without PostgreSQL, or --check fails"
start_target
url=http://$target/small
bin=$(ls -d /usr/lib/postgresql/*/bin | tail -n 1)
data=$work/data
sql=$(free_port)

# The database does not run as root.
as_owner() {
  if [ "$(id -u)" = 0 ]; then runuser -u postgres -- "$@"; else "$@"; fi
}
chmod 711 "$work"
mkdir "$data"
echo ownerpw >"$work/ownerpw"
[ "$(id -u)" != 0 ] || chown postgres "$data"
as_owner "$bin/initdb" -D "$data" -A scram-sha-256 -U owner --pwfile="$work/ownerpw" >"$work/tool.log" 2>&1 || fail "initdb"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=authority \
  -keyout "$work/ca.key" -out "$work/ca.pem" 2>"$work/tool.log"
openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=localhost \
  -keyout "$work/server.key" -out "$work/csr.pem" 2>"$work/tool.log"
printf 'subjectAltName=IP:127.0.0.1,DNS:localhost\nbasicConstraints=CA:FALSE\n' >"$work/ext"
openssl x509 -req -in "$work/csr.pem" -CA "$work/ca.pem" -CAkey "$work/ca.key" -CAcreateserial -days 2 \
  -extfile "$work/ext" -out "$work/server.crt" 2>"$work/tool.log"
cp "$work/server.key" "$work/server.crt" "$data/"
[ "$(id -u)" != 0 ] || chown postgres "$data/server.key" "$data/server.crt"
chmod 600 "$data/server.key"
start_database() {
  as_owner "$bin/pg_ctl" -D "$data" -w -t 20 -l "$data/log" \
    -o "-p $sql -h 127.0.0.1 -k $data -c ssl=on -c fsync=off" start >"$work/tool.log" 2>&1 || fail "pg_ctl start"
  pids+=("$(head -n 1 "$data/postmaster.pid")")
}
start_database
psql() {
  PGPASSWORD=ownerpw "$bin/psql" -q -v ON_ERROR_STOP=1 -h 127.0.0.1 -p "$sql" -U owner -d postgres "$@" >"$work/tool.log" 2>&1 ||
    fail "psql"
}
argon2=$(echo secret | "$server" hash-password)
bcrypt=$(htpasswd -nbB -C 6 x hidden | head -n 1 | cut -d: -f2)
psql <<END
CREATE TABLE people (name text PRIMARY KEY, hash text, groups text[], disabled boolean NOT NULL DEFAULT false, tunnels int);
INSERT INTO people VALUES
  ('joe', '$argon2', '{staff,night}', false, 3),
  ('jane', '$bcrypt', '{}', false, NULL),
  ('jill', '$bcrypt', '{staff}', false, NULL),
  ('gone', '$argon2', '{staff}', true, NULL),
  ('nohash', NULL, '{staff}', false, NULL),
  ('weak', '\$1\$salt\$hash', '{staff}', false, NULL);
CREATE ROLE proxy LOGIN PASSWORD 'service';
GRANT SELECT ON people TO proxy;
END
printf 'service\n' >"$work/password"
chmod 600 "$work/password"

# config NAME DATABASE QUERY LINES..: a file of the server.
config() {
  local name=$1 database=$2 query=$3
  shift 3
  { printf '[postgres]\ndatabase = "%s"\nquery = "%s"\npassword_file = "%s"\nanswer_timeout = "2s"\n' \
      "$database" "$query" "$work/password"; printf '%s\n' "$@"; only_staff 'recheck = "500ms"'
  } >"$work/$name.toml"
}
query='SELECT hash, groups, disabled, tunnels FROM people WHERE name = $1'
config tcp "postgres://proxy@127.0.0.1:$sql/postgres" "$query"
config tls "postgres://proxy@localhost:$sql/postgres?sslmode=require" "$query" "authorities = \"$work/ca.pem\""
config socket "host=$data port=$sql user=proxy dbname=postgres" "$query"

for kind in tcp tls socket; do
  if [ "$kind" = socket ]; then chmod 711 "$data"; fi
  start_server "$kind" --config "$work/$kind.toml"
  works "PostgreSQL by $kind, socks5h as joe" 'user=joe' curl -sS --max-time 20 --proxy "socks5h://joe:secret@$address" "$url"
  works "PostgreSQL by $kind, http as jill" 'user=jill' curl -sS --max-time 20 --proxy "http://jill:hidden@$address" "$url"
  [ "$(as http jane hidden)" = 22 ] || fail "$kind: jane is no staff and gets in"
  for login in joe:wrong joe:hidden gone:secret nohash:secret nobody:secret JOE:secret "joe' OR '1'='1:secret" "' OR 1=1 --:secret" \
    "joe\";:secret" '$1:secret' '%:secret'; do
    [ "$(as socks5h "${login%:*}" "${login##*:}")" = 97 ] || fail "$kind: $login gets in"
  done
  ok "PostgreSQL by $kind, others stay outside"
  chmod 700 "$data"
done
[ "$(as socks5h weak secret)" = 97 ] || fail "a weak hash is taken"
start_server weak --config "$work/tcp.toml"
[ "$(as socks5h weak secret)" = 97 ] || fail "a weak hash is taken"
wait_for "$log" 'WARN.*hashes of MD5 are found too fast' >"$work/out"
grep -q "secret\|hidden\|service\b" "$work"/{tcp,tls,socket,weak}.log && fail "a password is in the log"
ok "PostgreSQL, a weak hash is said, and no password in the log"

# Who is disabled loses what is open.
cat >"$work/long.py" <<'END'
import socket, sys, time
host, port = sys.argv[1].split(":")
client = socket.create_connection((host, int(port)))
client.sendall(b"\x05\x01\x02")
client.recv(2)
client.sendall(b"\x01\x04jill\x06hidden")
assert client.recv(2) == b"\x01\x00"
at, port = sys.argv[2].split(":")
client.sendall(b"\x05\x01\x00\x01" + socket.inet_aton(at) + int(port).to_bytes(2, "big"))
client.recv(10)
print("open", flush=True)
since = time.time()
client.settimeout(20)
try:
    client.recv(1)
except ConnectionResetError:
    pass
print("closed after", time.time() - since, flush=True)
END
spawn long "$python" "$work/long.py" "$address" "$target"
wait_for "$work/long.log" open >"$work/out"
psql -c "UPDATE people SET disabled = true WHERE name = 'jill'"
wait_for "$work/long.log" "closed after" >"$work/out"
wait_for "$log" 'postgres no longer knows a user' >"$work/out"
ok "PostgreSQL, who is disabled loses what is open"

config columns "postgres://proxy@127.0.0.1:$sql/postgres" 'SELECT name, groups FROM people WHERE name = $1'
start_server columns --config "$work/columns.toml"
[ "$(as socks5h joe secret)" = 97 ] || fail "joe gets in without a hash"
wait_for "$log" 'WARN.*the query gives no column `hash`' >"$work/out"
config role "postgres://proxy@127.0.0.1:$sql/postgres" 'SELECT hash FROM nothing WHERE name = $1'
start_server role --config "$work/role.toml"
[ "$(as socks5h joe secret)" = 97 ] || fail "joe gets in by a table that is not there"
wait_for "$log" 'WARN.*relation .*nothing.* does not exist' >"$work/out"
ok "PostgreSQL, a wrong query is said"

start_server away --config "$work/tcp.toml"
[ "$(as socks5h joe secret)" = 0 ] || fail "joe does not get in"
kill -STOP $(pgrep -u "$(stat -c %U "$data")" -f "postgres: proxy postgres")
since=$SECONDS
[ "$(as socks5h joe secret)" = 97 ] || fail "joe gets in by a database that is silent"
[ $((SECONDS - since)) -le 6 ] || fail "a silent database takes $((SECONDS - since)) s"
wait_for "$log" "WARN.*PostgreSQL at 127.0.0.1:$sql: query: no answer in time" >"$work/out"
kill -CONT $(pgrep -u "$(stat -c %U "$data")" -f "postgres: proxy postgres") || true
for _ in $(seq 40); do
  [ "$(as socks5h joe secret)" = 0 ] && break
  sleep 0.2
done
wait_for "$log" "INFO.*answers again" >"$work/out"
as_owner "$bin/pg_ctl" -D "$data" -w -m immediate stop >"$work/tool.log" 2>&1 || fail "pg_ctl stop"
[ "$(as socks5h joe secret)" = 97 ] || fail "joe gets in by a database that is down"
start_database
for _ in $(seq 40); do
  [ "$(as socks5h joe secret)" = 0 ] && break
  sleep 0.2
done
[ "$(as socks5h joe secret)" = 0 ] || fail "joe stays outside although the database is back"
as_owner "$bin/pg_ctl" -D "$data" -w -m immediate stop >"$work/tool.log" 2>&1 || fail "pg_ctl stop"
ok "PostgreSQL, silent, down and back"
