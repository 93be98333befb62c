# dante, which Debian builds without GSS-API, from Debian's source: its client through our server, and ours through its server.
build_dante() {
  local at own=(ACLOCAL=: AUTOCONF=: AUTOMAKE=: AUTOHEADER=:)
  at=$(source_of dante) || return
  [ -e "$built/dante/out/.done" ] && return
  (
    cd "$at"
    ./configure --prefix="$built/dante/out" --with-gssapi --without-pam --without-libwrap --without-bsdauth --without-upnp --without-sasl \
      --without-ldap --without-krb5
    make -j"$(nproc)" "${own[@]}"
    make install "${own[@]}"
    touch "$built/dante/out/.done"
  ) >"$work/build.log" 2>&1
}
if ! build_dante; then
  skip "dante with GSS-API cannot be built"
  return
fi


# Where data comes right behind the second reply of BIND, dante's client takes the last octet of the reply for its first.
spawn targets "$python" -u "$PWD/.ci/interop.d/targets.py" 0.3
wait_for "$work/targets.log" "^ready" >"$work/ready"
udp=$(sed -n "s/^udp //p" "$work/targets.log")
ftp=$(sed -n "s/^ftp //p" "$work/targets.log")

for level in integrity confidentiality; do
  # No other level is agreed on.
  config protected_dante "$keytab" "levels = [\"$level\"]"
  start_server dante --config "$work/protected_dante.toml"
  cat >"$work/socks.conf" <<END
resolveprotocol: fake
logoutput: stderr
route {
  from: 0.0.0.0/0 to: 0.0.0.0/0 via: localhost port = $port
  proxyprotocol: socks_v5
  protocol: tcp udp
  command: connect bind udpassociate bindreply udpreply
  method: gssapi
  gssapi.servicename: socks
  gssapi.enctype: $level
}
END
  dante=(env SOCKS_CONF="$work/socks.conf" SOCKS_AUTOADD_LANROUTES=no "LD_PRELOAD=$built/dante/out/lib/libdsocks.so")
  works "dante's client, $level: CONNECT" "user=joe@EXAMPLE.TEST command=CONNECT.*outcome=done" \
    "${dante[@]}" curl -sS --max-time 20 "$url"
  logged "user=joe@EXAMPLE.TEST command=UDP ASSOCIATE.*outcome=done up=10 down=10" \
    "${dante[@]}" "$python" "$PWD/.ci/interop.d/dante_udp.py" sendto "$udp"
  ok "dante's client, $level: UDP"
  logged "user=joe@EXAMPLE.TEST command=BIND.*outcome=done up=0 down=1000000" \
    "${dante[@]}" "$python" "$PWD/.ci/interop.d/dante_bind.py" 127.0.0.1 "$ftp"
  ok "dante's client, $level: BIND"
done

# Its server, for our client. It asks for nothing but a ticket.
sockd_port=$(free_port)
ours=$(dirname "$server")/kerberos
for level in integrity confidentiality; do
  cat >"$work/sockd.conf" <<END
logoutput: stderr
internal: 127.0.0.1 port = $sockd_port
external: 127.0.0.1
clientmethod: none
socksmethod: gssapi
user.privileged: root
user.unprivileged: root
client pass {
  from: 127.0.0.0/8 to: 0.0.0.0/0
  gssapi.servicename: socks
  gssapi.keytab: FILE:$kdc/keytab
  gssapi.enctype: $level
}
socks pass {
  from: 127.0.0.0/8 to: 0.0.0.0/0
  command: connect bind udpassociate bindreply udpreply
  gssapi.servicename: socks
  gssapi.keytab: FILE:$kdc/keytab
  gssapi.enctype: $level
  log: connect disconnect error
}
END
  spawn "sockd_$level" "$built/dante/out/sbin/sockd" -f "$work/sockd.conf" -p "$work/sockd.pid"
  sockd=${pids[-1]}
  wait_for_port "$sockd_port"
  log=$work/sockd_$level.log
  printf 'GET /small HTTP/1.0\r\n\r\n' >"$work/request"
  works "our client and dante's server, $level: CONNECT" "joe@EXAMPLE.TEST" \
    sh -c '"$1" "localhost:$2" connect "$3" "$4" <"$5"' sh "$ours" "$sockd_port" "$target" "$level" "$work/request"
  echo "it works" >"$work/request"
  works "our client and dante's server, $level: UDP" "joe@EXAMPLE.TEST" \
    sh -c '"$1" "localhost:$2" udp "$3" "$4" <"$5"' sh "$ours" "$sockd_port" "127.0.0.2:$udp" "$level" "$work/request"
  kill "$sockd"
  wait "$sockd" 2>/dev/null || true
done
