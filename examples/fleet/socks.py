"""A client of SOCKS5 with a password, as small as it can be: what `fleet show` and its test need."""

import socket
import struct


class Refused(Exception):
    """The proxy has answered with this code."""

    def __init__(self, code):
        super().__init__(f"refused with {code:02x}")
        self.code = code


def login(user, password):
    """The greeting, and name and password, which are sent together: the server reads one after the other."""
    user, password = user.encode(), password.encode()
    return b"\5\1\2" + b"\1" + bytes([len(user)]) + user + bytes([len(password)]) + password


def address(host, port):
    try:
        return b"\1" + socket.inet_aton(host) + struct.pack(">H", port)
    except OSError:
        return b"\3" + bytes([len(host)]) + host.encode() + struct.pack(">H", port)


def read(stream, length):
    """So many octets exactly."""
    got = b""
    while len(got) < length:
        data = stream.recv(length - len(got))
        if not data:
            raise ConnectionError("closed")
        got += data
    return got


def request(proxy, user, password, command, to, client=None):
    """A connection over which the command has been done, and the address that the reply tells."""
    stream = socket.create_connection(proxy, timeout=10, source_address=(client, 0) if client else None)
    try:
        stream.sendall(login(user, password) + bytes([5, command, 0]) + address(*to))
        if read(stream, 4) != b"\5\2\1\0":
            raise ConnectionError("no login")
        code, _, atyp = read(stream, 4)[1:]
        bound = read(stream, {1: 4, 4: 16}[atyp])
        port, = struct.unpack(">H", read(stream, 2))
        if code:
            raise Refused(code)
    except BaseException:
        stream.close()
        raise
    return stream, (socket.inet_ntop(socket.AF_INET if atyp == 1 else socket.AF_INET6, bound), port)


def connect(proxy, user, password, to, client=None):
    return request(proxy, user, password, 1, to, client)[0]


def associate(proxy, user, password, client=None):
    """The connection of an association, and where its datagrams go."""
    return request(proxy, user, password, 3, ("0.0.0.0", 0), client)


def udp_over_tcp(proxy, user, password, to, client=None):
    """A stream of datagrams to one address, by version 2 of sing-box's: `exchange` speaks it."""
    stream = connect(proxy, user, password, ("sp.v2.udp-over-tcp.arpa", 0), client)
    stream.sendall(b"\1" + address(*to))
    return stream


def exchange(stream, datagram):
    stream.sendall(struct.pack(">H", len(datagram)) + datagram)
    length, = struct.unpack(">H", read(stream, 2))
    return read(stream, length)
