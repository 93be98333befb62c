"""PySocks over UDP: pysocks_udp.py PROXY-PORT TARGET-PORT"""

import socket
import sys

import socks

client = socks.socksocket(socket.AF_INET, socket.SOCK_DGRAM)
client.set_proxy(socks.SOCKS5, "127.0.0.1", int(sys.argv[1]))
client.settimeout(10)
port = int(sys.argv[2])
for host in ["127.0.0.1", "localhost"]:
    for question in [b"question", b"q" * 9000, b""]:
        client.sendto(question, (host, port))
        answer, source = client.recvfrom(65535)
        assert answer == question.upper(), answer[:80]
        assert source == ("127.0.0.1", port), source
