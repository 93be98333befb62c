# curl with every scheme that it knows, through one port.
start_target
url=http://$target/small

start_server open
for scheme in socks5 socks5h; do
  works "curl, $scheme" "protocol=socks5.*outcome=done" \
    curl -sS --max-time 20 --proxy "$scheme://$address" "$url"
done

start_server users --user joe:secret
for scheme in socks5 socks5h; do
  works "curl, $scheme with a password" "protocol=socks5 user=joe.*outcome=done" \
    curl -sS --max-time 20 --proxy "$scheme://joe:secret@$address" "$url"
done
