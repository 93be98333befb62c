# urllib and requests, which read http_proxy, through one port: GET, three requests on one connection.
packages python3-requests || { skip "python3-requests cannot be had"; return; }
start_target
url=http://$target/small

cat >"$work/get.py" <<'END'
import sys
import urllib.request

import requests

how, proxy, url = sys.argv[1:]
proxies = {"http": proxy}
if how == "urllib":
    handler = urllib.request.ProxyHandler(proxies)
    print(urllib.request.build_opener(handler).open(url, timeout=20).read().decode())
else:
    with requests.Session() as session:
        session.trust_env = False
        for _ in range(3):
            response = session.get(url, proxies=proxies, timeout=20)
            response.raise_for_status()
            print(response.text)
END

start_server open
for how in urllib requests; do
  works "Python, $how" "protocol=http.*method=\"GET\".*outcome=done" \
    "$python" "$work/get.py" "$how" "http://$address" "$url"
done

start_server users --user joe:secret
for how in urllib requests; do
  works "Python, $how with a password" "protocol=http.*user=joe.*outcome=done" \
    "$python" "$work/get.py" "$how" "http://joe:secret@$address" "$url"
done
