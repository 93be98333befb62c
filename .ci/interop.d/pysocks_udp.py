"""Three datagrams to an echo and back, by PySocks.

pysocks_udp.py [NAME:PASSWORD@]PROXY:PORT HOST PORT OCTETS
"""

import socket
import sys

import socks

*credentials, proxy = sys.argv[1].split("@")
user, password = credentials[0].split(":") if credentials else (None, None)
proxy_host, proxy_port = proxy.split(":")
host, port, octets = sys.argv[2], int(sys.argv[3]), int(sys.argv[4])

sock = socks.socksocket(socket.AF_INET, socket.SOCK_DGRAM)
sock.set_proxy(socks.SOCKS5, proxy_host, int(proxy_port), username=user, password=password)
sock.settimeout(10)
for number in range(3):
    payload = bytes([number]) * octets
    sock.sendto(payload, (host, port))
    answer, source = sock.recvfrom(65535)
    assert answer == payload
    # A name comes back as the address that it led to.
    assert source[1] == port and source[0] in (host, "127.0.0.1")
