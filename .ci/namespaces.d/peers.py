"""Clients and targets for .ci/namespaces. Usage: serve BLOB | reply PORT TARGET | udp PORT TARGET |
repeat PORT | burst PROXY TARGET"""

import hashlib, http.server, ipaddress, os, socket, struct, sys, threading, time


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
    make_room(udp)

    # A name server that hears every question and answers none.
    silent = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    silent.bind(("0.0.0.0", 53))

    threading.Thread(target=echo, args=(udp,), daemon=True).start()
    server = Server((anywhere, 8000), Handler)
    print("ready", flush=True)
    server.serve_forever()


def make_room(udp):
    """For a burst, whatever the limit for users: only Linux has this, and root may."""
    so_rcvbufforce = 33
    udp.setsockopt(socket.SOL_SOCKET, so_rcvbufforce, 8_000_000)


def echo(udp):
    while True:
        said, peer = udp.recvfrom(65536)
        try:
            udp.sendto(said, peer)
        except OSError as error:
            print("udp:", error, flush=True)


def repeat(port):
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.bind(("127.0.0.1", int(port)))
    make_room(udp)
    print("ready", flush=True)
    echo(udp)


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


def ask(proxy, command, target):
    """`proxy` is a port of this host, or HOST:PORT."""
    host, _, port = proxy.rpartition(":")
    client = socket.create_connection((host or "127.0.0.1", int(port)), timeout=60)
    client.sendall(b"\x05\x01\x00")
    assert exactly(client, 2) == b"\x05\x00"
    client.sendall(bytes([5, command, 0]) + target)
    head = exactly(client, 4)
    bound = exactly(client, {1: 6, 4: 18}[head[3]])
    return client, head[1], bound


def reply(port, target):
    print(ask(port, 1, address(target))[1])


def associate(proxy):
    control, code, bound = ask(proxy, 3, address("0.0.0.0:0"))
    assert code == 0 and len(bound) == 6, (code, bound)
    return control, (socket.inet_ntoa(bound[:4]), struct.unpack(">H", bound[4:])[0])


def udp(port, target):
    control, relay = associate(port)
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


def burst(proxy, target):
    """Says when it has an association, waits for a line, says when everything is sent, and waits for
    everything to come back."""
    control, relay = associate(proxy)
    header = b"\x00\x00\x00" + address(target)
    client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    make_room(client)
    client.settimeout(20)
    print("associated", flush=True)
    sys.stdin.readline()
    # More than a socket has room for, and less than a socket that nobody reads and one that nobody
    # empties have together; too large for many in one call.
    count = 200
    for number in range(count):
        client.sendto(header + struct.pack(">H", number) * 700, relay)
        if number % 10 == 9:
            time.sleep(0.01)
    print("sent", flush=True)
    for number in range(count):
        heard = client.recv(65536)
        assert heard == header + struct.pack(">H", number) * 700, f"not number {number}"
    control.close()
    print(f"{count} datagrams, none lost, in order", flush=True)


if __name__ == "__main__":
    commands = {"serve": serve, "reply": reply, "udp": udp, "repeat": repeat, "burst": burst}
    commands[sys.argv[1]](*sys.argv[2:])
