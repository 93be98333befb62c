"""Clients and targets for .ci/namespaces.d/nat.sh. Usage: target ADDRESS | connect PROXY TARGET |
udp PROXY TARGET zeros|port | bind PROXY DST"""

import socket, socketserver, struct, sys, threading

from peers import address, ask, exactly


def target(at):
    """Tells everybody, by TCP and UDP, from where they have come. Datagrams are answered from there alone."""

    class Tell(socketserver.BaseRequestHandler):
        def handle(self):
            self.request.sendall(self.client_address[0].encode())

    class Server(socketserver.ThreadingTCPServer):
        allow_reuse_address = True

    def tell():
        while True:
            _, peer = udp.recvfrom(65536)
            udp.sendto(peer[0].encode(), peer)

    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.bind((at, 8000))
    threading.Thread(target=tell, daemon=True).start()
    server = Server(("0.0.0.0", 8000), Tell)
    print("ready", flush=True)
    server.serve_forever()


def parsed(bound):
    return socket.inet_ntoa(bound[:4]), struct.unpack(">H", bound[4:6])[0]


def connect(proxy, to):
    client, code, _ = ask(proxy, 1, address(to))
    print(client.recv(64).decode() if code == 0 else f"reply {code}")


def udp(proxy, to, states):
    client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    client.bind(("0.0.0.0", 0))
    client.settimeout(1.5)
    port = client.getsockname()[1] if states == "port" else 0
    control, code, bound = ask(proxy, 3, address(f"0.0.0.0:{port}"))
    assert code == 0, code
    relay = parsed(bound)
    header = b"\x00\x00\x00" + address(to)
    try:
        client.sendto(header + b"ping", relay)
        heard = client.recv(65536)
    except OSError:  # nothing, or no way there
        print(relay[0], "nothing")
        return
    assert heard[: len(header)] == header, heard
    print(relay[0], heard[len(header) :].decode())
    control.close()


def bind(proxy, to):
    client, code, bound = ask(proxy, 2, address(to))
    assert code == 0, code
    where = parsed(bound)
    try:
        peer = socket.create_connection(where, timeout=1.5)
    except OSError:
        print(where[0], "nobody")
        return
    head = exactly(client, 4)
    assert head[1] == 0, head
    named = parsed(exactly(client, 6))
    assert named[1] == peer.getsockname()[1], named
    peer.sendall(b"hello")
    assert exactly(client, 5) == b"hello"
    print(where[0], named[0])


if __name__ == "__main__":
    {"target": target, "connect": connect, "udp": udp, "bind": bind}[sys.argv[1]](*sys.argv[2:])
