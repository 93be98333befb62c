"""A program that knows nothing of proxies: FTP in active mode. Runs under socksify.

socksify replaces accept(2), and Python calls accept4(2): hence the detour by ctypes.
"""

import ctypes
import os
import socket
import sys

FILE = bytes(range(250)) * 4000  # as in targets.py

address, port = sys.argv[1], int(sys.argv[2])
control = socket.create_connection(("127.0.0.2", port), 10)
replies = control.makefile("rb")
assert replies.readline() == b"220 ready\r\n"

listener = socket.socket()
listener.bind((address, 0))
listener.listen(1)
host, port = listener.getsockname()
numbers = ",".join([*host.split("."), str(port >> 8), str(port & 255)])
control.sendall(f"PORT {numbers}\r\n".encode())

libc = ctypes.CDLL(None, use_errno=True)
peer, length = ctypes.create_string_buffer(16), ctypes.c_uint(16)
data = libc.accept(listener.fileno(), peer, ctypes.byref(length))
assert data >= 0, os.strerror(ctypes.get_errno())
assert socket.inet_ntoa(peer.raw[4:8]) == "127.0.0.2"

file = b""
while octets := os.read(data, 65536):
    file += octets
assert file == FILE
assert replies.readline() == b"226 done\r\n"
