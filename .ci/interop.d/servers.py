"""What the clients reach: a UDP echo in capitals, and an FTP-like server that connects back.

Prints the ports of both. A client tells the second one "PORT host:port", and gets a file there.
"""

import socket
import threading


def echo(server):
    while True:
        data, source = server.recvfrom(65535)
        server.sendto(data.upper(), source)


udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
udp.bind(("127.0.0.1", 0))
tcp = socket.create_server(("127.0.0.1", 0))
print("ports", udp.getsockname()[1], tcp.getsockname()[1], flush=True)
threading.Thread(target=echo, args=(udp,), daemon=True).start()
while True:
    control, _ = tcp.accept()
    try:
        host, port = control.makefile().readline().split()[1].rsplit(":", 1)
        with socket.create_connection((host, int(port)), timeout=10) as data:
            data.sendall(b"the file")
        control.sendall(b"226 done\n")
    except OSError as error:
        print("failed:", error, flush=True)
    control.close()
