"""A program that knows nothing of proxies: datagrams to an echo and back. Runs under socksify."""

import socket
import sys

how, port = sys.argv[1], int(sys.argv[2])
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.settimeout(10)
if how == "connect":
    sock.connect(("127.0.0.2", port))
    sock.send(b"hello")
    assert sock.recv(100) == b"hello"
else:
    for host in "127.0.0.1", "127.0.0.2":
        sock.sendto(b"hello", (host, port))
        assert sock.recvfrom(100) == (b"hello", (host, port))
