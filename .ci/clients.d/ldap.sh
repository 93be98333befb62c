# Users of a real directory: Debian's slapd, with a configuration and a database of its own, on loopback. Names are bound and
# searched with; groups decide; wrong, empty and hostile names and passwords stay outside; a directory that is silent is away.
if ! packages slapd ldap-utils openssl; then
  skip "ldap: slapd or ldap-utils cannot be had"
  return
fi
printf '[ldap]\nservers = ["ldap://127.0.0.1"]\nuser_dn = "uid={user},dc=example"\n' >"$work/built.toml"
"$server" --config "$work/built.toml" --check >"$work/tool.log" 2>&1 || fail "the server is built without LDAP, or --check fails"
mistake() { mistake_in ldap "$1" 'servers = ["ldap://127.0.0.1"]' "${@:2}"; }
mistake 'either `user_dn`, or `base` with `filter`' 'start_tls = true'
mistake 'either `user_dn`, or `base` with `filter`' 'base = "dc=x"' 'user_dn = "uid={user}"'
mistake '`account` needs `password`' 'base = "dc=x"' 'account = "cn=p"'
mistake 'there is a password and no `account`' 'base = "dc=x"' 'password = "s3cret"'
mistake 'password: /nowhere: ' 'base = "dc=x"' 'account = "cn=p"' 'password_file = "/nowhere"'
mistake 'LoadCredential=' 'base = "dc=x"' 'account = "cn=p"' 'password_file = "$CREDENTIALS_DIRECTORY/a"'
mistake 'the secret is empty' 'base = "dc=x"' 'account = "cn=p"' 'password_file = "/dev/null"'
mistake 'which of them counts' 'base = "dc=x"' 'account = "cn=p"' 'password = "s3cret"' 'password_file = "/dev/null"'
mistake '`groups_base` and `groups_filter` go together' 'base = "dc=x"' 'groups_base = "dc=y"'
mistake 'authorities /nowhere: ' 'base = "dc=x"' 'authorities = "/nowhere"'
mistake 'has no {user}' 'base = "dc=x"' 'filter = "(uid=joe)"'
mistake '`tunnel` is unknown' 'base = "dc=x"' 'amounts = { tunnel = "a" }'
mistake 'quantity' 'base = "dc=x"' 'quantity = 1'
ok "mistakes in [ldap] are said"
start_target
url=http://$target/small
slapd=$work/slapd
mkdir -p "$slapd/data"
ldap=$(free_port)
ldaps=$(free_port)

openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=authority \
  -keyout "$slapd/ca.key" -out "$slapd/ca.pem" 2>"$work/tool.log"
openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=localhost \
  -keyout "$slapd/key.pem" -out "$slapd/csr.pem" 2>"$work/tool.log"
printf 'subjectAltName=IP:127.0.0.1,DNS:localhost\nbasicConstraints=CA:FALSE\n' >"$slapd/ext"
openssl x509 -req -in "$slapd/csr.pem" -CA "$slapd/ca.pem" -CAkey "$slapd/ca.key" -CAcreateserial -days 2 \
  -extfile "$slapd/ext" -out "$slapd/cert.pem" 2>"$work/tool.log"

cat >"$slapd/slapd.conf" <<END
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
pidfile $slapd/pid
modulepath /usr/lib/ldap
moduleload back_mdb
moduleload memberof
moduleload ppolicy
TLSCACertificateFile $slapd/ca.pem
TLSCertificateFile $slapd/cert.pem
TLSCertificateKeyFile $slapd/key.pem
access to attrs=userPassword by anonymous auth by self write by * none
access to * by dn.exact="cn=proxy,dc=example,dc=com" read by self read by * none
database mdb
suffix "dc=example,dc=com"
rootdn "cn=root,dc=example,dc=com"
rootpw rootpw
directory $slapd/data
overlay memberof
overlay ppolicy
ppolicy_default "cn=policy,dc=example,dc=com"
END
cat >"$slapd/users.ldif" <<'END'
dn: dc=example,dc=com
objectClass: domain
dc: example

dn: cn=policy,dc=example,dc=com
objectClass: pwdPolicy
objectClass: device
cn: policy
pwdAttribute: userPassword
pwdLockout: TRUE
pwdMaxFailure: 100

dn: cn=proxy,dc=example,dc=com
objectClass: device
objectClass: simpleSecurityObject
cn: proxy
userPassword: service

dn: ou=people,dc=example,dc=com
objectClass: organizationalUnit
ou: people

dn: uid=joe,ou=people,dc=example,dc=com
objectClass: inetOrgPerson
uid: joe
cn: Joe
sn: Doe
employeeNumber: 1
userPassword: secret

dn: uid=jane,ou=people,dc=example,dc=com
objectClass: inetOrgPerson
uid: jane
cn: Jane
sn: Doe
userPassword: hidden

dn: uid=gone,ou=people,dc=example,dc=com
objectClass: inetOrgPerson
uid: gone
cn: Gone
sn: Doe
userPassword: locked

dn: ou=groups,dc=example,dc=com
objectClass: organizationalUnit
ou: groups

dn: cn=staff,ou=groups,dc=example,dc=com
objectClass: groupOfNames
cn: staff
member: uid=joe,ou=people,dc=example,dc=com
member: uid=gone,ou=people,dc=example,dc=com
END
/usr/sbin/slapd -T test -f "$slapd/slapd.conf" -u >"$work/tool.log" 2>&1 || fail "slapd.conf"
spawn slapd /usr/sbin/slapd -d 0 -f "$slapd/slapd.conf" -h "ldap://127.0.0.1:$ldap ldaps://127.0.0.1:$ldaps"
slapd_pid=${pids[-1]}
wait_for_port "$ldap"
admin=(-x -H "ldap://127.0.0.1:$ldap" -D cn=root,dc=example,dc=com -w rootpw)
ldapadd "${admin[@]}" -f "$slapd/users.ldif" >"$work/tool.log" 2>&1 || fail "ldapadd"
ldapmodify "${admin[@]}" >"$work/tool.log" 2>&1 <<'END' || fail "locking an account"
dn: uid=gone,ou=people,dc=example,dc=com
changetype: modify
add: pwdAccountLockedTime
pwdAccountLockedTime: 000001010000Z
END

printf 'service\n' >"$work/password"
chmod 600 "$work/password"
# config NAME LINES..: a file of the server.
config() {
  local name=$1
  shift
  { printf '%s\n' "$@"; printf 'answer_timeout = "2s"\n'; only_staff
  } >"$work/$name.toml"
}
search=('[ldap]' 'base = "ou=people,dc=example,dc=com"' 'account = "cn=proxy,dc=example,dc=com"'
  "password_file = \"$work/password\"" 'groups_attribute = "memberOf"'
  'groups_below = "ou=groups,dc=example,dc=com"' 'amounts = { tunnels = "employeeNumber" }')
config search "${search[@]}" "servers = [\"ldap://127.0.0.1:$ldap\"]"
config starttls "${search[@]}" "servers = [\"ldap://localhost:$ldap\"]" start_tls=true "authorities = \"$slapd/ca.pem\""
config ldaps "${search[@]}" "servers = [\"ldaps://127.0.0.1:$ldaps\"]" "authorities = \"$slapd/ca.pem\""
config stranger "${search[@]}" "servers = [\"ldaps://127.0.0.1:$ldaps\"]"
config by_dn '[ldap]' "servers = [\"ldap://127.0.0.1:$ldap\"]" 'user_dn = "uid={user},ou=people,dc=example,dc=com"' \
  'groups_base = "ou=groups,dc=example,dc=com"' 'groups_filter = "(member={dn})"' \
  'account = "cn=proxy,dc=example,dc=com"' "password_file = \"$work/password\""


for kind in search starttls ldaps by_dn; do
  start_server "$kind" --config "$work/$kind.toml"
  for scheme in socks5h http; do
    works "slapd by $kind, $scheme as joe" 'user=joe' \
      curl -sS --max-time 20 --proxy "$scheme://joe:secret@$address" "$url"
  done
  works "slapd by $kind, JOE is joe" 'user=joe' curl -sS --max-time 20 --proxy "socks5h://JOE:secret@$address" "$url"
  [ "$(as socks5h joe wrong)" = 97 ] || fail "$kind: joe gets in with a wrong password"
  [ "$(as http joe hidden)" = 22 ] || fail "$kind: joe gets in with jane's password"
  [ "$(as socks5h gone locked)" = 97 ] || fail "$kind: a locked account gets in"
  [ "$(as http joe '')" = 22 ] || fail "$kind: joe gets in without a password"
  [ "$(as http jane hidden)" = 22 ] || fail "$kind: jane is no staff and gets in"
  for name in '*' 'jo*' '*)(uid=*' 'joe)(uid=*' 'joe,dc=x' 'joe\2cou=people' 'a,dc=x' 'uid=joe' ' ' '#' '\' "$(printf 'joe\001')"; do
    [ "$(as socks5h "${name//\\/\\\\}" secret)" = 97 ] || fail "$kind: the name '$name' gets in"
  done
  ok "slapd by $kind, others stay outside"
done
grep -q "wrong name or password" "$log" || fail "no reason in the log"
grep -q "secret\|hidden\|service\b" "$work"/{search,starttls,ldaps,by_dn}.log && fail "a password is in the log"
ok "slapd, no password in the log"

start_server stranger --config "$work/stranger.toml"
[ "$(as socks5h joe secret)" = 97 ] || fail "joe gets in by a directory with a certificate of nobody"
wait_for "$log" "WARN.*LDAP server ldaps://127.0.0.1:$ldaps: TLS: " >"$work/out"
ok "slapd, an unknown authority"

config wrong_account "${search[@]}" "servers = [\"ldap://127.0.0.1:$ldap\"]"
echo wrong >"$work/wrong"
sed -i "s|$work/password|$work/wrong|" "$work/wrong_account.toml"
start_server wrong_account --config "$work/wrong_account.toml"
[ "$(as socks5h joe secret)" = 97 ] || fail "joe gets in without a service account"
wait_for "$log" 'WARN.*bind of the service account: invalidCredentials (49)' >"$work/out"
wait_for "$log" 'WARN.*everybody on this machine can read it' >"$work/out"
ok "slapd, a wrong password of the service account is said"

# A password of systemd's, and a reload that would let everybody in.
sed "s|$work/password|\$CREDENTIALS_DIRECTORY/password|" "$work/search.toml" >"$work/credentials.toml"
export CREDENTIALS_DIRECTORY=$work
start_server credentials --config "$work/credentials.toml"
unset CREDENTIALS_DIRECTORY
[ "$(as socks5h joe secret)" = 0 ] || fail "joe does not get in by a credential of systemd's"
: >"$work/credentials.toml"
kill -HUP "${pids[-1]}"
wait_for "$log" "there was a directory to ask and now there is none, so that nobody would be asked" >"$work/out"
[ "$(as socks5h joe wrong)" = 97 ] || fail "an empty file has opened the proxy"
ok "slapd, a credential of systemd's, and a file that was emptied"

start_server away --config "$work/search.toml"
[ "$(as socks5h joe secret)" = 0 ] || fail "joe does not get in"
kill -STOP "$slapd_pid"
since=$SECONDS
[ "$(as socks5h joe secret)" = 97 ] || fail "joe gets in by a directory that is silent"
[ $((SECONDS - since)) -le 5 ] || fail "a silent directory takes $((SECONDS - since)) s"
wait_for "$log" "WARN.*LDAP server ldap://127.0.0.1:$ldap: search of a user: no answer in time" >"$work/out"
kill -CONT "$slapd_pid"
for _ in $(seq 40); do
  [ "$(as socks5h joe secret)" = 0 ] && break
  sleep 0.2
done
wait_for "$log" "INFO.*answers again" >"$work/out"
ok "slapd, silent and back"

# Other settings are in force at once, for logins that are remembered, and for users who have tunnels.
sed 's/^remember = .*/remember = "5m"\nrecheck = "1h"/' "$work/search.toml" >"$work/changed.toml"
start_server changed --config "$work/changed.toml"
[ "$(as socks5h joe secret)" = 0 ] || fail "joe does not get in"
target_port=${target##*:}
exec 7<>"/dev/tcp/127.0.0.1/${address##*:}"
printf '\5\1\2\1\3joe\6secret\5\1\0\1\177\0\0\1'"$(printf '\\%o\\%o' $((target_port / 256)) $((target_port % 256)))" >&7
[ "$(timeout 20 head -c 6 <&7 | od -An -tx1 | tr -d ' \n')" = 050201000500 ] || fail "joe has no tunnel"
sed -i 's/^base = /filter = "(\&(uid={user})(sn=Roe))"\nbase = /' "$work/changed.toml"
kill -HUP "${pids[-1]}"
wait_for "$log" "user=.*joe.*ldap no longer knows a user, whose tunnels are closed\|ldap no longer knows a user, whose tunnels are closed.*joe" >"$work/out"
timeout 20 cat <&7 >"$work/out" 2>&1 || true
exec 7>&-
[ "$(as socks5h joe secret)" = 97 ] || fail "joe gets in by what was remembered of other settings"
sed -i '/^filter = /d' "$work/changed.toml"
kill -HUP "${pids[-1]}"
for _ in $(seq 40); do
  [ "$(as socks5h joe secret)" = 0 ] && break
  sleep 0.1
done
[ "$(as socks5h joe secret)" = 0 ] || fail "joe does not get in once the filter is gone"
ok "slapd, other settings are in force at once"
