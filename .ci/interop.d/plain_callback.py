"""An FTP-like client that knows nothing of SOCKS: plain_callback.py PORT"""

import ctypes
import socket
import sys

control = socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=10)
control.setblocking(True)
listener = socket.socket()
listener.bind((control.getsockname()[0], 0))
listener.listen(1)
host, port = listener.getsockname()
control.sendall(b"PORT %s:%d\n" % (host.encode(), port))
# Python's own accept() is accept4(2), which dante does not take over.
address, length = ctypes.create_string_buffer(128), ctypes.c_uint32(128)
fd = ctypes.CDLL(None).accept(listener.fileno(), address, ctypes.byref(length))
data = socket.socket(fileno=fd)
assert data.recv(100) == b"the file"
assert control.recv(100) == b"226 done\n"
