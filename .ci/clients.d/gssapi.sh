# Clients with tickets of Kerberos, from a KDC of Debian's on loopback: curl; a client of octets over Python's gssapi at each level; dante, built
# from Debian's source package, as client and as server.
if ! packages krb5-kdc krb5-admin-server krb5-user faketime; then
  skip "gssapi: krb5-kdc cannot be had"
  return
fi
PATH=$PATH:/usr/sbin
kdc=$work/kdc
mkdir -p "$kdc"
kdc_port=$(free_port)
cat >"$kdc/krb5.conf" <<END
[libdefaults]
  default_realm = EXAMPLE.TEST
  dns_lookup_kdc = false
  dns_lookup_realm = false
  dns_canonicalize_hostname = false
  rdns = false
  udp_preference_limit = 1
[realms]
  EXAMPLE.TEST = {
    kdc = 127.0.0.1:$kdc_port
  }
[domain_realm]
  localhost = EXAMPLE.TEST
END
cat >"$kdc/kdc.conf" <<END
[kdcdefaults]
  kdc_listen = ""
  kdc_tcp_listen = 127.0.0.1:$kdc_port
[realms]
  EXAMPLE.TEST = {
    database_name = $kdc/principal
    key_stash_file = $kdc/stash
    acl_file = $kdc/acl
    max_life = 1h
  }
[logging]
  kdc = FILE:$work/kdc.log
END
export KRB5_CONFIG=$kdc/krb5.conf KRB5_KDC_PROFILE=$kdc/kdc.conf KRB5CCNAME=FILE:$kdc/tickets \
  KRB5RCACHENAME=file2:$kdc/replays
kdb5_util create -s -P master -r EXAMPLE.TEST >"$work/tool.log" 2>&1 || fail "kdb5_util"
kadmin.local -r EXAMPLE.TEST >"$work/tool.log" 2>&1 <<END || fail "kadmin.local"
addprinc -randkey joe
ktadd -k $kdc/joe.keytab joe
addprinc -randkey socks/localhost
addprinc -randkey rcmd/localhost
ktadd -k $kdc/old.keytab socks/localhost
ktadd -k $kdc/keytab socks/localhost rcmd/localhost
END
spawn krb5kdc krb5kdc -n
wait_for_port "$kdc_port"
kinit -k -t "$kdc/joe.keytab" joe >"$work/tool.log" 2>&1 || fail "kinit"
chmod o+r "$kdc/old.keytab"

# config NAME LINE..: a file with [gssapi] and these lines, under which joe alone may do anything.
config() {
  local name=$1
  shift
  { printf '[gssapi]\n'; printf '%s\n' "$@"
    printf '%s\n' '[logins]' 'free_failures = 1000' '[acl]' 'default = "deny"' 'allow_private = true' \
      '[[acl.rules]]' 'action = "allow"' 'user = "joe@EXAMPLE.TEST"'
  } >"$work/$name.toml"
}
keytab="keytab = \"$kdc/keytab\""
printf '[gssapi]\n%s\n' "$keytab" >"$work/built.toml"
"$server" --config "$work/built.toml" --check >"$work/tool.log" 2>&1 || fail "the server is built without Kerberos, or --check fails"
grep -q "and those with a ticket for socks: confidentiality, integrity" "$work/tool.log" || fail "--check says nothing of [gssapi]"
mistake() { mistake_in gssapi "$1" "${@:2}"; }
mistake "Key table file '/nowhere' not found" 'keytab = "/nowhere"'
mistake 'No key table entry found matching ftp/' "$keytab" 'service = "ftp"'
mistake 'No key table entry found matching socks/elsewhere' "$keytab" 'host = "elsewhere"'
mistake 'none is allowed' "$keytab" 'levels = []'
mistake 'so that nobody could log in' "$keytab" 'realms = []'
mistake 'unknown variant `clear`' "$keytab" 'levels = ["clear"]'
mistake 'unknown field `delegate`' "$keytab" 'delegate = true'
ok "mistakes in [gssapi] are said"

start_target
url=http://$target/small

. "$helpers/gssapi/source.sh"
. "$helpers/gssapi/curl.sh"

# In octets, over Python's gssapi.
if packages python3-gssapi; then
  for level in 1 2; do
    for prefer in '"confidentiality", "integrity"' '"integrity", "confidentiality"'; do
      config python "$keytab" "levels = [$prefer]"
      start_server python --config "$work/python.toml"
      for what in connect bind udp; do
        logged "user=joe@EXAMPLE.TEST.*outcome=done" "$python" "$helpers/gssapi/client.py" "$port" "$level" "$what"
      done
      for what in tampered late; do
        logged "user=joe@EXAMPLE.TEST.*outcome=" "$python" "$helpers/gssapi/client.py" "$port" "$level" "$what"
      done
    done
    ok "Python's gssapi, level $level: CONNECT, BIND, UDP with losses, and messages that were changed or cut out"
  done
  . "$helpers/gssapi/reload.sh"
else
  skip "gssapi: python3-gssapi cannot be had"
fi

. "$helpers/gssapi/dante.sh"
