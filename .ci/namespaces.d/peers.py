"""Clients and targets for .ci/namespaces. Usage: serve BLOB | reply PORT TARGET | udp PORT TARGET"""

import hashlib, http.server, ipaddress, os, socket, struct, sys, threading


def serve(path):
    blob = open(path, "rb").read()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Length", str(len(blob)))
            self.end_headers()
            self.wfile.write(blob)

        def do_POST(self):
            said = self.rfile.read(int(self.headers["Content-Length"]))
            answer = hashlib.sha256(said).hexdigest().encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

    class Server(http.server.ThreadingHTTPServer):
        address_family = socket.AF_INET6 if socket.has_dualstack_ipv6() else socket.AF_INET

        def server_bind(self):
            if self.address_family == socket.AF_INET6:
                self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            super().server_bind()

    anywhere = "::" if Server.address_family == socket.AF_INET6 else "0.0.0.0"
    udp = socket.socket(Server.address_family, socket.SOCK_DGRAM)
    if Server.address_family == socket.AF_INET6:
        udp.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    udp.bind((anywhere, 8000))

    # A name server that hears every question and answers none.
    silent = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    silent.bind(("0.0.0.0", 53))

    def repeat():
        while True:
            said, peer = udp.recvfrom(65536)
            try:
                udp.sendto(said, peer)
            except OSError as error:
                print("udp:", error, flush=True)

    threading.Thread(target=repeat, daemon=True).start()
    server = Server((anywhere, 8000), Handler)
    print("ready", flush=True)
    server.serve_forever()


def exactly(stream, length):
    heard = b""
    while len(heard) < length:
        more = stream.recv(length - len(heard))
        if not more:
            raise SystemExit("the server closed the connection")
        heard += more
    return heard


def address(target):
    host, port = target.rsplit(":", 1)
    host = host.strip("[]")
    try:
        ip = ipaddress.ip_address(host)
        kind, octets = (1 if ip.version == 4 else 4), ip.packed
    except ValueError:
        kind, octets = 3, bytes([len(host)]) + host.encode()
    return bytes([kind]) + octets + struct.pack(">H", int(port))


def ask(port, command, target):
    client = socket.create_connection(("127.0.0.1", int(port)), timeout=60)
    client.sendall(b"\x05\x01\x00")
    assert exactly(client, 2) == b"\x05\x00"
    client.sendall(bytes([5, command, 0]) + target)
    head = exactly(client, 4)
    bound = exactly(client, {1: 6, 4: 18}[head[3]])
    return client, head[1], bound


def reply(port, target):
    print(ask(port, 1, address(target))[1])


def udp(port, target):
    control, code, bound = ask(port, 3, address("0.0.0.0:0"))
    assert code == 0 and len(bound) == 6, (code, bound)
    relay = (socket.inet_ntoa(bound[:4]), struct.unpack(">H", bound[4:])[0])
    header = b"\x00\x00\x00" + address(target)
    client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    client.settimeout(5)
    # Towards the client every datagram has the header before it.
    largest = 65507 - len(header)
    sizes = [0, 1, 548, 1252, 1253, 1472, 1473, 9000, 40000, largest - 1, largest]
    for size in sizes:
        said = header + os.urandom(size)
        client.sendto(said, relay)
        heard, source = client.recvfrom(65536)
        assert source == relay, source
        assert heard == said, f"{size} octets: {len(heard)} instead of {len(said)}"
    control.close()
    print(f"{len(sizes)} sizes up to {largest} octets whole")


if __name__ == "__main__":
    commands = {"serve": serve, "reply": reply, "udp": udp}
    commands[sys.argv[1]](*sys.argv[2:])
