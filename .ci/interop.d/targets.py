"""The far side: UDP echoes, and an FTP server that knows active mode only.

Prints a port for each of them, and "ready". With an argument the file of FTP comes so many seconds after its connection.
"""

import socket
import sys
import threading
import time

FILE = bytes(range(250)) * 4000  # 1,000,000 octets


def echo(sock):
    while True:
        datagram, source = sock.recvfrom(65535)
        sock.sendto(datagram, source)


def serve(control):
    """PORT and RETR, as in RFC 959; data comes from the address that the client knows."""
    with control, control.makefile("rb") as lines:
        control.sendall(b"220 ready\r\n")
        numbers = lines.readline().decode().split()[1].split(",")
        host, port = ".".join(numbers[:4]), int(numbers[4]) * 256 + int(numbers[5])
        own = control.getsockname()[0]
        with socket.create_connection((host, port), 10, source_address=(own, 0)) as data:
            time.sleep(float(*sys.argv[1:] or "0"))
            data.sendall(FILE)
        control.sendall(b"226 done\r\n")


def accept(listener):
    while True:
        control, _ = listener.accept()
        threading.Thread(target=serve, args=(control,), daemon=True).start()


def udp(family, addresses):
    """Sockets with one port at several addresses."""
    port = 0
    for address in addresses:
        sock = socket.socket(family, socket.SOCK_DGRAM)
        sock.bind((address, port))
        port = sock.getsockname()[1]
        threading.Thread(target=echo, args=(sock,), daemon=True).start()
    return port


print("udp", udp(socket.AF_INET, ["127.0.0.1", "127.0.0.2"]))
try:
    print("udp6", udp(socket.AF_INET6, ["::1"]))
except OSError:
    pass  # no IPv6 here
listener = socket.create_server(("127.0.0.2", 0))
print("ftp", listener.getsockname()[1])
print("ready", flush=True)
accept(listener)
