# curl with every scheme that it knows, and wget, through one port.
need wget
start_target
url=http://$target/small

start_server open
for scheme in socks5 socks5h; do
  works "curl, $scheme" "protocol=socks5 .*outcome=done" \
    curl -sS --max-time 20 --proxy "$scheme://$address" "$url"
done
for scheme in socks4 socks4a; do
  works "curl, $scheme" "protocol=socks4 .*outcome=done" \
    curl -sS --max-time 20 --proxy "$scheme://$address" "$url"
done
works "curl, socks4a to a name" "protocol=socks4 .*target=localhost:" \
  curl -sS --max-time 20 --proxy "socks4a://$address" "http://localhost:${target##*:}/small"
works "curl, http" "protocol=http" curl -sS --max-time 20 --proxy "http://$address" "$url"
works "curl, http, two requests on one connection" "protocol=http" \
  curl -sS --max-time 20 --proxy "http://$address" "$url" "$url"
works "curl, http with CONNECT" "protocol=http .*command=CONNECT" \
  curl -sS --max-time 20 --proxytunnel --proxy "http://$address" "$url"
works "wget" "protocol=http" \
  env http_proxy="http://$address" wget -q -O - --timeout 20 --tries 1 "$url"

start_server users --user joe:secret
for scheme in socks5 socks5h http; do
  works "curl, $scheme with a password" "protocol=${scheme%h}.*user=joe" \
    curl -sS --max-time 20 --proxy "$scheme://joe:secret@$address" "$url"
done
works "curl, http with CONNECT and a password" "protocol=http.*user=joe" \
  curl -sS --max-time 20 --proxytunnel --proxy "http://joe:secret@$address" "$url"
works "curl, which asks what is wanted first" "protocol=http.*user=joe" \
  curl -sS --max-time 20 --proxy-anyauth --proxy "http://joe:secret@$address" "$url"

# refused WHAT CODE COMMAND..: the command ends with this status.
refused() {
  local what=$1 expected=$2 code=0
  shift 2
  "$@" >"$work/out" 2>"$work/client.log" || code=$?
  [ "$code" = "$expected" ] || fail "$what: status $code instead of $expected"
  ok "$what"
}
refused "curl, http without a password: 407" 22 \
  curl -sS -f --max-time 20 --proxy "http://$address" "$url"
grep -q 407 "$work/client.log" || fail "no 407 in what curl says"
refused "curl, http with a wrong password: 407" 22 \
  curl -sS -f --max-time 20 --proxy "http://joe:wrong@$address" "$url"
refused "curl, socks4a where there are users: 5B" 97 \
  curl -sS --max-time 20 --proxy "socks4a://$address" "$url"

start_server socks --protocols socks5
refused "curl, http where it is not taken: 501" 22 \
  curl -sS -f --max-time 20 --proxy "http://$address" "$url"
grep -q 501 "$work/client.log" || fail "no 501 in what curl says"
