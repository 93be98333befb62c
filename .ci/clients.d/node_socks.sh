# The socks package of node: CONNECT and BIND by SOCKS4, CONNECT by SOCKS4a.
start_target
start_server open
need node=nodejs npm
if npm install --prefix "$work/node" --no-save --no-audit --no-fund --ignore-scripts socks@2.8.10 \
  >"$work/npm.log" 2>&1; then
  export NODE_PATH=$work/node/node_modules
else
  skip "npm install socks"
  return 0
fi
for to in "127.0.0.1" localhost; do
  works "socks of node, SOCKS4 to $to" "protocol=socks4 .*target=$to:${target##*:}.*outcome=done" \
    node "$helpers/node_socks.js" "$address" connect "$to" "${target##*:}"
done
works "socks of node, BIND by SOCKS4" "protocol=socks4 .*command=BIND.*outcome=done" \
  node "$helpers/node_socks.js" "$address" bind 127.0.0.1 0
