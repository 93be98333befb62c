"""A UDP client that knows nothing of SOCKS: plain_udp.py PORT"""

import socket
import sys

client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
client.settimeout(10)
target = ("127.0.0.1", int(sys.argv[1]))
for question in [b"question", b"q" * 9000, b"last"]:
    client.sendto(question, target)
    answer, source = client.recvfrom(65535)
    assert answer == question.upper(), answer[:80]
    assert source == target, source
