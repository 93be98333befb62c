# curl through a server that has two others as its upstreams, of which one is killed in the middle: no request is lost but
# those that were under way. And a route, and probes that find the other one too.
start_target
url=http://$target/small

for choice in failover balance; do
  start_server "$choice-one"
  one=$address one_id=${pids[-1]}
  start_server "$choice-two"
  two=$address two_id=${pids[-1]}
  cat >"$work/$choice.toml" <<END
upstream = "all"

[upstreams.one]
url = "socks5h://$one"

[upstreams.two]
url = "http://$two"
probe = { every = "200ms", rise = 1, fall = 1, target = "$target" }

[upstreams.all]
$choice = ["one", "two"]

[[routes]]
to = "127.0.0.3"
upstream = "refuse"
END
  start_server "$choice" --config "$work/$choice.toml"
  works "curl, through the upstreams ($choice)" "upstream=\(one\|two\)" \
    curl -sS --max-time 20 --proxy "socks5h://$address" "$url"
  lost=0
  for request in $(seq 60); do
    if [ "$request" = 20 ]; then
      kill -KILL "$one_id"
    fi
    curl -sS --max-time 20 --proxy "http://$address" "$url" >"$work/out" 2>>"$work/client.log" &&
      grep -q "it works" "$work/out" || lost=$((lost + 1))
  done
  [ "$lost" = 0 ] || fail "$choice: $lost of 60 requests were lost"
  ok "60 requests of curl, and one of two upstreams is killed at the 20th ($choice): none is lost"
  [ "$(grep -c 'upstream marked down' "$log")" = 1 ] || fail "$choice: not one line of it"
  logged "the route is to refuse it" sh -c "! curl -sS --max-time 20 --proxy socks5h://$address http://127.0.0.3:1/ 2>&1"
  ok "curl, to where a route refuses it ($choice)"
  kill -KILL "$two_id"
  wait_for "$log" "upstream marked down upstream=two" >/dev/null
  ok "a probe finds that the other one is gone ($choice)"
done
