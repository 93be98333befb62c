# The recipes of examples/recipes with the programs that they are for, and the lines of examples/guide/clients.md: each
# fetches something from a target on loopback. Names and ports of a recipe are put in the place of those of this machine.
packages haproxy nginx libnginx-mod-stream git python3-pip openssl ncat openssh-client openssh-server socat apache2-utils ||
  { skip "the programs of the recipes cannot be installed"; return 0; }
start_target
url=http://$target/small
recipes=$PWD/examples/recipes
etc=$work/etc
mkdir "$etc"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost \
  -addext subjectAltName=DNS:localhost -keyout "$etc/key.pem" -out "$etc/chain.pem" 2>"$work/openssl.log"
htpasswd -cbB -C 4 "$etc/users" joe secret 2>"$work/htpasswd.log"
htpasswd -bB -C 4 "$etc/users" jane secret 2>"$work/htpasswd.log"
echo secret >"$etc/ldap-password"
chmod 600 "$etc"/*

# here SED..: a recipe, with what is different here.
here() {
  local recipe=$1
  shift
  sed -e "s|/etc/tower-socks|$etc|" -e "s|/run/tower-socks|$work|" "$@" "$recipes/$recipe" >"$work/$recipe"
}
# start_recipe NAME SED..: sets $address and $log. Loopback is as good as public, and the ports are free ones.
start_recipe() {
  local name=$1
  shift
  here "$name.toml" "$@"
  start_server "$name" --config "$work/$name.toml"
}

for recipe in "$recipes"/*.toml; do
  here "$(basename "$recipe")"
  "$server" --config "$work/$(basename "$recipe")" --check >"$work/check.log" 2>&1 || fail "--check of $recipe"
done
ok "recipes, --check of $(ls "$recipes"/*.toml | wc -l) files"

# HAProxy, with its file.
front=$(free_port)
pages=$(free_port)
start_recipe behind_haproxy -e "s/0.0.0.0:9100/127.0.0.1:$pages/"
here haproxy.cfg -e "s/bind :1080/bind 127.0.0.1:$front/" -e "s/10.0.0.11:1080/$address/" -e "s/port 9100/port $pages/" \
  -e '/server two/d'
spawn haproxy haproxy -db -f "$work/haproxy.cfg"
wait_for_port "$front"
works "recipes, haproxy: the client is the one of the header" "peer=127.0.0.9:.*user=joe.*outcome=done" \
  curl -sS --max-time 20 --retry 5 --retry-all-errors --interface 127.0.0.9 --proxy "socks5h://joe:secret@127.0.0.1:$front" "$url"

# nginx, with its file: TLS in front, and a Unix socket behind it.
front=$(free_port)
here behind_nginx.toml
log=$work/behind_nginx.log
RUST_LOG=info "$server" --allow-private --config "$work/behind_nginx.toml" 2>"$log" &
pids+=($!)
wait_for "$log" "listening on" >/dev/null
here nginx.conf -e "s/listen 3129/listen 127.0.0.1:$front/" -e "s|^events {}|daemon off; user root; pid $work/nginx.pid; error_log stderr; events {}|"
spawn nginx nginx -c "$work/nginx.conf"
wait_for_port "$front"
works "recipes, nginx takes TLS away and names the client" "peer=127.0.0.9:.*user=joe.*outcome=done" \
  curl -sS --max-time 20 --interface 127.0.0.9 --proxy "https://joe:secret@localhost:$front" --proxy-cacert "$etc/chain.pem" "$url"

# The jump host: a server with SSH, and a database, which is anything that speaks TCP.
sshd=$(free_port)
base=$(free_port)
start_recipe jump_host -e "s|10.20.0.0/16|127.0.0.0/8|; s|10.20.5.0/24|127.0.0.0/8|; s/port = 22/port = $sshd/; s/5432, 3306/$base/; /^time = /d; /^weekday = /d; s/\"json\"/\"text\"/"
ssh-keygen -q -t ed25519 -N "" -f "$work/host_key"
ssh-keygen -q -t ed25519 -N "" -f "$work/user_key"
cp "$work/user_key.pub" "$work/authorized"
mkdir -p /run/sshd
cat >"$work/sshd_config" <<END
ListenAddress 127.0.0.1:$sshd
HostKey $work/host_key
AuthorizedKeysFile $work/authorized
StrictModes no
UsePAM no
PidFile none
END
spawn sshd /usr/sbin/sshd -D -e -f "$work/sshd_config"
wait_for_port "$sshd"
logged "user=joe.*target=127.0.0.1:$sshd.*outcome=done" ssh -o BatchMode=yes -o StrictHostKeyChecking=no \
  -o UserKnownHostsFile=/dev/null -i "$work/user_key" -p "$sshd" \
  -o "ProxyCommand=ncat --proxy-type socks5 --proxy $address --proxy-auth joe:secret %h %p" "$(id -un)@127.0.0.1" echo it works
grep -q "it works" "$work/out" || fail "ssh: $(head -c 200 "$work/out")"
ok "recipes, ssh by ncat through the jump host"
cat >"$work/base.py" <<'END'
import socket, sys
with socket.create_server(("127.0.0.1", int(sys.argv[1]))) as base:
    while True:
        client, _ = base.accept()
        client.sendall(b"it works\n")
        client.close()
END
spawn base "$python" "$work/base.py" "$base"
wait_for_port "$base"
forward=$(free_port)
spawn socat socat "TCP-LISTEN:$forward,bind=127.0.0.1,fork,reuseaddr" \
  "PROXY:${address%:*}:127.0.0.1:$base,proxyport=${address##*:},proxyauth=jane:secret"
sleep 0.5
works "recipes, a port here that is the database behind the jump host" "user=jane.*target=127.0.0.1:$base.*outcome=done" \
  "$python" -c "import socket; print(socket.create_connection(('127.0.0.1', $forward)).recv(99).decode())"
logged "user=joe.*target=127.0.0.1:$base.*outcome=refused" \
  sh -c "! curl -sS --max-time 20 --proxy socks5h://joe:secret@$address http://127.0.0.1:$base/"
ok "recipes, the jump host refuses an administrator the database"

# Clients, as the guide has them, with a proxy that asks for a password.
start_server clients --user joe:secret
proxy=joe:secret@$address
unset no_proxy NO_PROXY
works "clients, ALL_PROXY" "user=joe.*outcome=done" env "ALL_PROXY=socks5h://$proxy" curl -sS --max-time 20 "$url"

git init -q "$work/www/repository"
git -C "$work/www/repository" -c user.name=joe -c user.email=joe@example.com commit -q --allow-empty -m "it works"
git -C "$work/www/repository" update-server-info
for scheme in socks5h http; do
  rm -rf "$work/clone"
  logged "user=joe.*outcome=done" git -c "http.proxy=$scheme://$proxy" clone -q "http://$target/repository/.git" "$work/clone"
  [ "$(git -C "$work/clone" log -1 --format=%s)" = "it works" ] || fail "git, $scheme"
  ok "clients, git by $scheme"
done

mkdir -p "$work/www/debian" "$work/apt"/{cache/archives/partial,parts}
: >"$work/www/debian/Packages"
: >"$work/apt/status"
echo "deb [trusted=yes] http://$target/debian ./" >"$work/apt/sources.list"
for scheme in socks5h http; do
  rm -rf "$work/apt/lists"
  mkdir -p "$work/apt/lists/partial"
  logged "user=joe.*outcome=done" apt-get -q update -o "Acquire::http::Proxy=$scheme://$proxy" -o APT::Sandbox::User= \
    -o "Dir::Etc::SourceList=$work/apt/sources.list" -o "Dir::Etc::SourceParts=$work/apt/parts" -o "Dir::State=$work/apt" \
    -o "Dir::State::Lists=$work/apt/lists" -o "Dir::State::Status=$work/apt/status" -o "Dir::Cache=$work/apt/cache"
  ls "$work/apt/lists" | grep -q Packages || fail "apt, $scheme: $(ls "$work/apt/lists")"
  ok "clients, apt by $scheme"
done

# A wheel is a zip file with four files in it.
mkdir -p "$work/www/simple/works"
"$python" - "$work/www/simple/works/works-1.0-py3-none-any.whl" <<'END'
import sys, zipfile
with zipfile.ZipFile(sys.argv[1], "w") as wheel:
    wheel.writestr("works.py", "print('it works')\n")
    wheel.writestr("works-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: works\nVersion: 1.0\n")
    wheel.writestr("works-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
    wheel.writestr("works-1.0.dist-info/RECORD", "")
END
echo '<a href="works-1.0-py3-none-any.whl">works-1.0-py3-none-any.whl</a>' >"$work/www/simple/works/index.html"
logged "user=joe.*outcome=done" "$python" -m pip --isolated --proxy "http://$proxy" download -q --no-deps \
  --no-cache-dir --disable-pip-version-check -i "http://$target/simple/" --trusted-host "${target%:*}" -d "$work/wheels" works
[ -e "$work/wheels/works-1.0-py3-none-any.whl" ] || fail "pip"
ok "clients, pip by http"

# Java is large: where it is installed, it is tried. It takes a name and a password from an Authenticator alone.
command -v java >/dev/null || { skip "clients, Java: there is none"; return 0; }
cat >"$work/Fetch.java" <<'END'
import java.net.*;

public class Fetch {
    public static void main(String[] url) throws Exception {
        Authenticator.setDefault(new Authenticator() {
            protected PasswordAuthentication getPasswordAuthentication() {
                return new PasswordAuthentication("joe", "secret".toCharArray());
            }
        });
        System.out.print(new String(URI.create(url[0]).toURL().openStream().readAllBytes()));
    }
}
END
works "clients, Java by SOCKS5" "protocol=socks5.*user=joe.*outcome=done" java -DsocksProxyHost="${address%:*}" \
  -DsocksProxyPort="${address##*:}" -Dhttp.nonProxyHosts= "$work/Fetch.java" "$url"
works "clients, Java as an HTTP proxy" "protocol=http.*user=joe.*outcome=done" java -Dhttp.proxyHost="${address%:*}" \
  -Dhttp.proxyPort="${address##*:}" -Dhttp.nonProxyHosts= "$work/Fetch.java" "$url"
