# What SIGHUP changes of [gssapi], and what --explain says.
config reload "$keytab"
explain() { "$server" --config "$work/reload.toml" --explain "user=$1 connect 192.0.2.1:443" >"$work/tool.log" 2>&1; }
explain joe@EXAMPLE.TEST || fail "--explain: joe is not allowed"
! explain ann@EXAMPLE.TEST || fail "--explain: ann is allowed"
ok "--explain knows principals"
start_server reload --config "$work/reload.toml"
pid=${pids[-1]}
by_octets=("$python" "$helpers/gssapi/client.py" "$port")
spawn hold "${by_octets[@]}" 2 hold
hold=${pids[-1]}
wait_for "$work/hold.log" "^open" >"$work/out"

# reloaded LINE: until the log says it once more.
reloaded() {
  local before
  before=$(grep -c -- "$1" "$log" || true)
  kill -HUP "$pid"
  for _ in $(seq 200); do
    [ "$(grep -c -- "$1" "$log" || true)" -gt "$before" ] && return
    sleep 0.05
  done
  fail "no line with '$1' after SIGHUP"
}
sed -i "s|^keytab = .*|keytab = \"$kdc/old.keytab\"|" "$work/reload.toml"
reloaded "old.keytab is read after a restart only"
config reload "$keytab" 'levels = ["integrity"]'
reloaded "reloaded"
logged "user=joe@EXAMPLE.TEST.*outcome=done" "${by_octets[@]}" 1 connect
! "${by_octets[@]}" 2 connect >"$work/out" 2>&1 || fail "a level that is not allowed any more is agreed on"
kill -0 "$hold" 2>/dev/null || fail "a tunnel is gone, though its user has a ticket still"
ok "SIGHUP: other levels are in force, a keytab takes a restart"

: >"$work/reload.toml"
reloaded "there was \[gssapi\] and now there is none, so that nobody would be asked for a ticket"
printf '[users]\njane = "hidden"\n' >"$work/reload.toml"
reloaded "reloaded"
timeout 20 tail --pid="$hold" -f /dev/null || fail "the tunnel of who has no ticket any more is open"
! "${by_octets[@]}" 1 connect >"$work/out" 2>&1 || fail "joe gets in without [gssapi]"
ok "SIGHUP: without [gssapi] tickets are nothing, and their tunnels are closed"
