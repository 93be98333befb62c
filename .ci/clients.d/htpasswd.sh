# Users in files that Debian's htpasswd writes: bcrypt is taken, changed and deleted users are noticed, and what is too weak
# is said with its line.
if ! packages apache2-utils; then
  skip "htpasswd: apache2-utils cannot be had"
  return
fi
start_target
url=http://$target/small
users=$work/users
htpasswd -cbB "$users" joe secret 2>"$work/tool.log" || fail "htpasswd -cbB"
htpasswd -bB -C 10 "$users" jane hidden 2>"$work/tool.log" || fail "htpasswd -bB"
chmod 600 "$users"
printf 'users_file = "%s"\n[logins]\nfree_failures = 100\n' "$users" >"$work/users.toml"

# as USER:PASSWORD: what curl ends with.
as() {
  local code=0
  curl -sS -f --max-time 20 --proxy "$1://$2@$address" "$url" >"$work/out" 2>"$work/client.log" || code=$?
  echo "$code"
}
# reloaded NUMBER: until the file has been read again so often.
reloaded() {
  for _ in $(seq 400); do
    [ "$(grep -c "reloaded $users" "$log")" -ge "$1" ] && return
    sleep 0.05
  done
  fail "the users were not reloaded"
}

start_server htpasswd --config "$work/users.toml"
for scheme in socks5h http; do
  for user in joe:secret jane:hidden; do
    works "htpasswd -B, $scheme as ${user%:*}" "user=${user%:*}" \
      curl -sS --max-time 20 --proxy "$scheme://$user@$address" "$url"
  done
done
[ "$(as socks5h joe:wrong)" = 97 ] || fail "joe gets in with a wrong password"
[ "$(as http jane:secret)" = 22 ] || fail "jane gets in with joe's password"
ok "htpasswd -B, wrong passwords"

htpasswd -bB "$users" joe other 2>"$work/tool.log" || fail "htpasswd -bB"
reloaded 1
[ "$(as socks5h joe:secret)" = 97 ] || fail "joe gets in with the password of before"
[ "$(as socks5h joe:other)" = 0 ] || fail "joe does not get in with the new password"
ok "htpasswd -B, a changed password"
htpasswd -D "$users" jane 2>"$work/tool.log" || fail "htpasswd -D"
reloaded 2
[ "$(as socks5h jane:hidden)" = 97 ] || fail "jane gets in although she is gone"
ok "htpasswd -D"

for kind in m s 2 5; do
  htpasswd -b$kind "$users" weak secret 2>"$work/tool.log" || fail "htpasswd -b$kind"
  said=$("$server" --config "$work/users.toml" --check 2>&1 || true)
  case $said in
    *"$users:2: user \"weak\": "*"make one by \`htpasswd -B\`"*) ok "htpasswd -$kind is refused with its line" ;;
    *) fail "htpasswd -$kind: $said" ;;
  esac
done
