"""Clients of UDP over TCP, written from the formats and from nothing else: sing-box's versions 1 and 2 and
hev-socks5-server's FWD UDP, through every protocol of the one port, in clear and within TLS.

    udp_over_tcp.py PORT TLS_PORT CERTIFICATE

Each client exchanges datagrams with an echo of its own, and compares what comes back octet by octet.
"""

import contextlib
import select
import socket
import ssl
import struct
import sys
import threading

V1 = b"sp.udp-over-tcp.arpa"
V2 = b"sp.v2.udp-over-tcp.arpa"
LARGEST = 65507
LIMIT = 20


# An address is a host and a port, where the host of a name is octets.

def address(atyps, to):
    """ATYP, ADDR, PORT, where `atyps` has the octets for IPv4, IPv6 and a name."""
    ipv4, ipv6, name = atyps
    host, port = to
    if isinstance(host, bytes):
        octets = bytes([name, len(host)]) + host
    elif ":" in host:
        octets = bytes([ipv6]) + socket.inet_pton(socket.AF_INET6, host)
    else:
        octets = bytes([ipv4]) + socket.inet_aton(host)
    return octets + struct.pack(">H", port)


SOCKS5 = (1, 4, 3)
SING = (0, 1, 2)


def read_address(atyps, read):
    atyp = read(1)[0]
    ipv4, ipv6, name = atyps
    if atyp == ipv4:
        host = socket.inet_ntoa(read(4))
    elif atyp == ipv6:
        host = socket.inet_ntop(socket.AF_INET6, read(16))
    elif atyp == name:
        host = read(read(1)[0])
    else:
        raise ValueError(f"address type {atyp}")
    return host, struct.unpack(">H", read(2))[0]


# Frames.

class Addressed:
    """ATYP ADDR PORT LEN DATA."""

    largest = LARGEST

    def write(self, to, data):
        return address(SING, to) + struct.pack(">H", len(data)) + data

    def read(self, read):
        source = read_address(SING, read)
        return source, read(struct.unpack(">H", read(2))[0])


class Connected:
    """LEN DATA, to and from one destination."""

    largest = LARGEST

    def write(self, to, data):
        return struct.pack(">H", len(data)) + data

    def read(self, read):
        return None, read(struct.unpack(">H", read(2))[0])


class Forwarded:
    """LEN HDRLEN ATYP ADDR PORT DATA, where LEN counts DATA and HDRLEN all before it."""

    largest = 1500 - 19

    def write(self, to, data):
        to = address(SOCKS5, to)
        return struct.pack(">HB", len(data), 3 + len(to)) + to + data

    def read(self, read):
        length, header = struct.unpack(">HB", read(3))
        source = read_address(SOCKS5, read)
        assert header == 3 + len(address(SOCKS5, source)), f"HDRLEN {header}"
        return source, read(length)


class Kind:
    """A kind of client: how it asks for its stream, and what it writes in front of the frames."""

    def __init__(self, name, host, framing, is_connect=None):
        self.name, self.host, self.framing, self.is_connect = name, host, framing, is_connect

    def first(self, to):
        if self.is_connect is None:
            return b""
        return bytes([self.is_connect]) + address(SOCKS5, to)


KINDS = [
    Kind("version 1", V1, Addressed()),
    Kind("version 2", V2, Addressed(), 0),
    Kind("version 2, connected", V2, Connected(), 1),
    Kind("FWD UDP", None, Forwarded()),
]


# Doors: what a client says to have its stream, and what it then has to hear.

def socks5(kind, read=None):
    if read is None:
        if kind.host is None:
            return b"\x05\x01\x00\x05\x05\x00" + address(SOCKS5, ("0.0.0.0", 0))
        return b"\x05\x01\x00\x05\x01\x00" + address(SOCKS5, (kind.host, 0))
    assert read(2) == b"\x05\x00"
    assert (reply := read(3)) == b"\x05\x00\x00", reply
    assert (bound := read_address(SOCKS5, read)) == ("0.0.0.0", 0), bound


def socks4a(kind, read=None):
    if read is None:
        return b"\x04\x01\x00\x00\x00\x00\x00\x01\x00" + kind.host + b"\x00"
    assert (reply := read(2)) == b"\x00\x5a", reply
    read(6)


def connect(kind, read=None):
    if read is None:
        authority = kind.host + b":0"
        return b"CONNECT " + authority + b" HTTP/1.1\r\nHost: " + authority + b"\r\n\r\n"
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += read(1)
    assert head.startswith(b"HTTP/1.1 200 "), head


DOORS = [("SOCKS5", socks5), ("SOCKS4a", socks4a), ("HTTP CONNECT", connect)]


# Targets.

def echo(family, host, port=0):
    """Sends each datagram back, its octets turned round."""
    target = socket.socket(family, socket.SOCK_DGRAM)
    target.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    target.bind((host, port))

    def serve():
        while True:
            data, source = target.recvfrom(LARGEST)
            target.sendto(data[::-1], source)

    threading.Thread(target=serve, daemon=True).start()
    return target.getsockname()[:2]


def targets():
    """An echo on both families with one port: a name may stand for either."""
    while True:
        ipv4 = echo(socket.AF_INET, "127.0.0.1")
        with contextlib.suppress(OSError):
            return ipv4, echo(socket.AF_INET6, "::1", ipv4[1])


class Stream:
    def __init__(self, port, certificate=None):
        stream = socket.create_connection(("127.0.0.1", port), LIMIT)
        stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if certificate:
            context = ssl.create_default_context(cafile=certificate)
            stream = context.wrap_socket(stream, server_hostname="localhost")
        stream.settimeout(LIMIT)
        self.stream = stream
        self.octets = b""

    def write(self, octets):
        self.stream.sendall(octets)

    def read(self, count):
        while len(self.octets) < count:
            more = self.stream.recv(1 << 16)
            if not more:
                raise EOFError(f"the end behind {len(self.octets)} of {count} octets")
            self.octets += more
        octets, self.octets = self.octets[:count], self.octets[count:]
        return octets

    def is_silent(self):
        return not self.octets and not select.select([self.stream], [], [], 0)[0]

    def close(self):
        """Ends as a client does, which TLS has an alert for."""
        with self.stream:
            if isinstance(self.stream, ssl.SSLSocket):
                self.stream.unwrap()

    def ends(self):
        """Reads up to the end, of which TLS and TCP have several."""
        try:
            return self.stream.recv(1) == b""
        except (ConnectionResetError, ssl.SSLError):
            return True


def payload(number, length):
    """Octets of this length, others for each number."""
    octets = bytes((number * 31 + at) & 0xFF for at in range(256))
    return (octets * (length // 256 + 1))[:length]


def bytewise(octets):
    return [bytes([octet]) for octet in octets]


def exchange(stream, kind, to, source, payloads, chunks=None):
    """All frames in one write, or in `chunks`; the answers come in the same order."""
    frames = b"".join(kind.framing.write(to, data) for data in payloads)
    for piece in chunks(frames) if chunks else [frames]:
        stream.write(piece)
    answers(stream, kind, source, payloads)


def answers(stream, kind, source, payloads):
    for data in payloads:
        heard, answer = kind.framing.read(stream.read)
        assert answer == data[::-1], f"{len(answer)} octets instead of {len(data)}"
        assert heard in (None, source), f"from {heard} instead of {source}"


def client(port, certificate, door, kind, ipv4, ipv6):
    # The first frame comes in the same segment as all that is in front of it, of which nothing waits for an answer.
    stream = Stream(port, certificate)
    first = [b"first", b""]
    frames = b"".join(kind.framing.write(ipv4, data) for data in first)
    stream.write(door(kind) + kind.first(ipv4) + frames)
    door(kind, stream.read)
    answers(stream, kind, ipv4, first)
    # One by one.
    for number in range(20):
        exchange(stream, kind, ipv4, ipv4, [payload(number, number * 37)])
    # Many at once, of each length, empty ones among them.
    lengths = [0, 1, 2, 255, 256, 512, 1200, 1400]
    for _ in range(10):
        exchange(stream, kind, ipv4, ipv4, [payload(n, lengths[n % len(lengths)]) for n in range(64)])
    # Octet by octet.
    exchange(stream, kind, ipv4, ipv4, [b"in pieces", b"", b"and more"], bytewise)
    # As large as may be, and cut wherever a segment ends.
    largest = kind.framing.largest
    for length in (1473, 9000, 32768, largest - 1, largest):
        if length <= largest:
            exchange(stream, kind, ipv4, ipv4, [payload(length, length)])
    if kind.is_connect != 1:
        # Each datagram has a destination of its own: the other family, a literal in place of a name, and a name.
        exchange(stream, kind, ipv6, ipv6, [b"sixth", b""])
        exchange(stream, kind, (b"127.0.0.1", ipv4[1]), ipv4, [b"a literal"])
        stream.write(kind.framing.write((b"localhost", ipv4[1]), b"a name"))
        heard, answer = kind.framing.read(stream.read)
        assert heard in (ipv4, ipv6) and answer == b"eman a", (heard, answer)
        # What cannot go costs itself.
        lost = [("127.0.0.1", 0), (b"nowhere.invalid", 9), ("255.255.255.255", 9), (b"-\xff", 9)]
        stream.write(b"".join(kind.framing.write(to, b"lost") for to in lost))
        exchange(stream, kind, ipv4, ipv4, [b"behind it"])
    assert stream.is_silent(), "more than was asked for"
    stream.close()


def connected_elsewhere(port, certificate, door, kind, ipv4, ipv6):
    """A connected stream to the other family, and to a name."""
    for to in (ipv6, (b"localhost", ipv4[1])):
        stream = Stream(port, certificate)
        stream.write(door(kind) + kind.first(to) + kind.framing.write(to, b"first"))
        door(kind, stream.read)
        answers(stream, kind, to, [b"first"])
        exchange(stream, kind, to, to, [b"a", b"", b"c"])
        stream.close()


def slow(port, certificate, door, kind, ipv4, _):
    """Every octet by itself from the first on."""
    stream = Stream(port, certificate)
    said = door(kind) + kind.first(ipv4) + kind.framing.write(ipv4, b"slow")
    for octet in bytewise(said):
        stream.write(octet)
    door(kind, stream.read)
    answers(stream, kind, ipv4, [b"slow"])
    stream.close()


def malformed(port, certificate, door, kind, ipv4, _):
    """Where the next frame begins is not known: the stream ends, behind the answers to what was before."""
    bad = {Addressed: b"\x03\x00\x00", Forwarded: b"\x00\x01\x0b\x01\x7f\x00\x00\x01\x00\x35x"}
    if type(kind.framing) not in bad:
        return
    stream = Stream(port, certificate)
    stream.write(door(kind) + kind.first(ipv4))
    door(kind, stream.read)
    exchange(stream, kind, ipv4, ipv4, [b"before"])
    stream.write(bad[type(kind.framing)])
    assert stream.ends(), "it goes on behind a malformed frame"


def forwarded(port, certificate):
    """A request for a URL of such a name is no tunnel: its octets are no frames."""
    for host in (V1, V2):
        stream = Stream(port, certificate)
        stream.write(b"GET http://" + host + b"/ HTTP/1.1\r\nHost: " + host + b"\r\n\r\n")
        assert (status := stream.read(13)) == b"HTTP/1.1 502 ", status
        stream.stream.close()


def main():
    port, tls_port, certificate = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    ipv4, ipv6 = targets()
    for name, door in DOORS:
        for kind in KINDS:
            if kind.host is None and door is not socks5:
                continue
            for within, at, trusted in (("", port, None), (" within TLS", tls_port, certificate)):
                about = f"{kind.name}, {name}{within}"
                for part in (client, slow, malformed, connected_elsewhere):
                    if part is connected_elsewhere and kind.is_connect != 1:
                        continue
                    try:
                        part(at, trusted, door, kind, ipv4, ipv6)
                    except Exception as error:
                        print(f"{about}, {part.__name__}: {error!r}")
                        raise
                print(about)
    forwarded(port, None)
    forwarded(tls_port, certificate)
    print("and a URL of such a name")


main()
