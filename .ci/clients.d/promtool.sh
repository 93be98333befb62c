# What examples/monitoring has for Prometheus, and the numbers of the server, by the tool of Prometheus.
# Its package would start it: what is needed of it is one program.
promtool=$(command -v promtool || true)
if [ -z "$promtool" ]; then
  (cd "$work" && apt-get download prometheus && dpkg-deb -x prometheus_*.deb prometheus) >"$work/promtool.log" 2>&1 || true
  promtool=$work/prometheus/usr/bin/promtool
fi
if [ ! -x "$promtool" ]; then
  skip "promtool: the package prometheus cannot be had"
  return
fi
monitoring=$helpers/../../examples/monitoring
(cd "$monitoring" && "$promtool" check config prometheus.yml) >"$work/config.log" 2>&1 || fail "prometheus.yml"
(cd "$monitoring" && "$promtool" test rules alerts_test.yml) >"$work/rules.log" 2>&1 || fail "alerts_test.yml"
ok "promtool: the alerts are right, and fire when they should"

printf '[metrics]\nlisten = "127.0.0.1:0"\n' >"$work/metrics.toml"
start_server promtool --config "$work/metrics.toml"
line=$(wait_for "$work/promtool.log" "metrics at http://")
metrics=${line##*metrics at }
curl -sS --max-time 20 "${metrics}metrics" >"$work/numbers"
"$promtool" check metrics <"$work/numbers" >"$work/metrics.log" 2>&1 || fail "names and texts of metrics"
ok "promtool: the numbers of the server have good names and texts"
