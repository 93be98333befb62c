# The access log in squid's format as goaccess and calamaris read it: they count what was asked for. And the one in JSON,
# as Debian's logrotate moves it away.
if ! packages goaccess calamaris logrotate; then
  skip "access log: goaccess, calamaris or logrotate cannot be had"
  return
fi
start_target
squid=$work/squid.log
printf '[users]\njoe = "secret"\n[access_log]\nfile = "%s"\nformat = "squid"\n[acl]\ndefault = "allow"\n[[acl.rules]]\naction = "deny"\nname = "no mail"\nport = 25\n' \
  "$squid" >"$work/squid.toml"
start_server access_log_squid --config "$work/squid.toml"
for _ in 1 2 3 4 5; do
  works "access log, squid" "user=joe" curl -sS --max-time 20 --proxy "socks5h://joe:secret@$address" "http://$target/small"
done
curl -sS --max-time 20 --proxy "socks5h://joe:secret@$address" "http://$target:25/" >"$work/out" 2>&1 || true
curl -sS --max-time 20 --proxy "socks5h://joe:secret@$address" "http://127.0.0.1:25/" >"$work/out" 2>&1 || true
curl -sS --max-time 20 --proxy "socks5h://joe:wrong@$address" "http://$target/small" >"$work/out" 2>&1 || true
wait_for "$squid" TCP_DENIED/403 >"$work/out"
wait_for "$squid" TCP_DENIED/407 >"$work/out"
curl -sS --max-time 20 --proxy "http://joe:secret@$address" "http://$target/small?secret=1" >"$work/out" 2>&1 || fail "HTTP"
wait_for "$squid" " TCP_MISS/200 [0-9]* GET http://$target/small joe " >"$work/out"
lines=$(wc -l <"$squid")
tunnels=$(grep -c TCP_TUNNEL/200 "$squid")
[ "$tunnels" = 5 ] || fail "five tunnels, and lines of $tunnels"

# Its own SQUID is that format behind the columns of syslog.
goaccess "$squid" --log-format='%x.%^ %~%L %h %^/%s %b %m %U' --date-format=%s --time-format=%s \
  --datetime-format=%s --no-global-config -o "$work/report.json" >"$work/goaccess.log" 2>&1 ||
  fail "goaccess does not take the log"
# counts FIELD: a number of the report of goaccess.
counts() {
  "$python" -c 'import json, sys; print(json.load(open(sys.argv[1]))["general"][sys.argv[2]])' "$work/report.json" "$1"
}
[ "$(counts failed_requests)" = 0 ] || fail "goaccess cannot read $(counts failed_requests) of $lines lines"
[ "$(counts valid_requests)" = "$lines" ] || fail "goaccess counts $(counts valid_requests) of $lines lines"
ok "goaccess counts the lines of squid's format"

calamaris -a <"$squid" >"$work/calamaris.txt" 2>"$work/calamaris.log" || fail "calamaris does not take the log"
grep -Eq "lines parsed: .* $lines *\$" "$work/calamaris.txt" || fail "calamaris: $(grep -i 'lines' "$work/calamaris.txt")"
grep -Eq "invalid lines: .* 0 *\$" "$work/calamaris.txt" || fail "calamaris: $(grep -i 'invalid' "$work/calamaris.txt")"
grep -Eq "^CONNECT +$((lines - 1)) " "$work/calamaris.txt" || fail "calamaris: $(grep CONNECT "$work/calamaris.txt")"
ok "calamaris counts the lines of squid's format"

# logrotate, with `create` and SIGHUP, and with `copytruncate`.
json=$work/access.log
chmod 755 "$work"
printf '[access_log]\nfile = "%s"\n' "$json" >"$work/json.toml"
start_server access_log_json --config "$work/json.toml"
pid=${pids[-1]}
for how in "create 0640
  postrotate
    kill -HUP $pid
  endscript" copytruncate; do
  rm -f "$json".*
  works "access log, JSON" "session ended" curl -sS --max-time 20 --proxy "socks5h://$address" "http://$target/small"
  wait_for "$json" session.end >"$work/out"
  printf '%s {\n  rotate 2\n  %s\n}\n' "$json" "$how" >"$work/logrotate.conf"
  chmod 644 "$work/logrotate.conf"
  logrotate -f -s "$work/logrotate.state" "$work/logrotate.conf" >"$work/logrotate.log" 2>&1 || fail "logrotate"
  grep -q session.end "$json.1" || fail "nothing was moved by $how"
  sleep 0.3
  works "access log, JSON" "session ended" curl -sS --max-time 20 --proxy "socks5h://$address" "http://$target/small"
  wait_for "$json" session.end >"$work/out"
  cat "$json" "$json.1" | "$python" -c 'import json, sys; [json.loads(line) for line in sys.stdin]' || fail "lines of JSON"
  ok "access log, logrotate ${how%% *}"
done
