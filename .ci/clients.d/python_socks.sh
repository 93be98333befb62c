# python-socks, which aiohttp and httpx go through: by SOCKS4, with names resolved there and here.
start_target
start_server open
need pip3=python3-pip
pip3 install --quiet --disable-pip-version-check --target "$work/python" python-socks==2.7.1 \
  >"$work/pip.log" 2>&1 || { skip "pip install python-socks"; return 0; }
for remote in True False; do
  [ $remote = True ] && to=localhost || to=127.0.0.1
  works "python-socks, SOCKS4, names resolved by the proxy: $remote" \
    "protocol=socks4 .*target=$to:.*outcome=done" env PYTHONPATH="$work/python" python3 - <<END
from python_socks.sync import Proxy
proxy = Proxy.from_url("socks4://joe@$address", rdns=$remote)
stream = proxy.connect(dest_host="localhost", dest_port=${target##*:}, timeout=20)
stream.sendall(b"GET /small HTTP/1.0\r\n\r\n")
while said := stream.recv(4096):
    print(said.decode(), end="")
END
done
