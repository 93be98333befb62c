# nginx forwards streams with a PROXY header of version 1.
packages nginx libnginx-mod-stream curl || { skip "nginx cannot be installed"; return 0; }
start_target
start_server behind --open --proxy-protocol-from 127.0.0.0/8

front=$(free_port)
cat >"$work/nginx.conf" <<END
load_module /usr/lib/nginx/modules/ngx_stream_module.so;
daemon off;
pid $work/nginx.pid;
error_log stderr;
events {}
stream {
  server {
    listen 127.0.0.1:$front;
    proxy_pass $address;
    proxy_protocol on;
  }
}
END
spawn nginx nginx -c "$work/nginx.conf"
wait_for_port "$front"
works "nginx, proxy_protocol on" "peer=127.0.0.9:.*outcome=done" \
  curl -sS --max-time 20 --interface 127.0.0.9 --proxy "socks5://127.0.0.1:$front" "http://$target/small"
