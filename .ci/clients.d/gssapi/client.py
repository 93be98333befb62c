"""A client of RFC 1961 in octets, over Python's gssapi: what is not ours judges what is.

    gssapi.py PORT LEVEL WHAT       LEVEL 1 or 2; WHAT: connect, bind, udp, tampered, late, or hold, which stays until it is closed
"""

import socket
import struct
import sys
import threading

import gssapi

PORT, LEVEL, WHAT = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
ENCRYPTED = LEVEL == 2
HERE = socket.inet_aton("127.0.0.1")


def exactly(sock, count):
    octets = b""
    while len(octets) < count:
        more = sock.recv(count - len(octets))
        if not more:
            raise EOFError(f"{len(octets)} of {count} octets")
        octets += more
    return octets


class Proxy:
    def __init__(self, sequence):
        self.sock = socket.create_connection(("127.0.0.1", PORT), 10)
        self.sock.sendall(b"\x05\x01\x01")
        assert exactly(self.sock, 2) == b"\x05\x01"
        flags = gssapi.RequirementFlag
        wanted = [
            flags.mutual_authentication, flags.replay_detection, flags.confidentiality, flags.integrity,
        ] + [flags.out_of_sequence_detection] * sequence
        self.context = gssapi.SecurityContext(
            name=gssapi.Name("socks@localhost", gssapi.NameType.hostbased_service),
            mech=gssapi.MechType.kerberos, flags=wanted, usage="initiate")
        token = self.context.step()
        while token:
            self.send(1, token)
            token = self.context.step(self.receive(1))
        assert self.context.complete
        self.send(2, self.context.wrap(bytes([LEVEL]), False).message)
        answer = self.context.unwrap(self.receive(2))
        assert answer.message == bytes([LEVEL]) and not answer.encrypted, answer

    def send(self, kind, token):
        self.sock.sendall(struct.pack("!BBH", 1, kind, len(token)) + token)

    def receive(self, kind):
        version, got, length = struct.unpack("!BBH", exactly(self.sock, 4))
        assert (version, got) == (1, kind), (version, got)
        return exactly(self.sock, length)

    def write(self, message):
        self.send(3, self.wrap(message))

    def wrap(self, message):
        return self.context.wrap(message, ENCRYPTED).message

    def unwrap(self, token):
        got = self.context.unwrap(token)
        assert got.encrypted == ENCRYPTED
        return got.message

    def read(self, count):
        """Messages until there are as many octets, which end with a message."""
        octets = b""
        while len(octets) < count:
            octets += self.unwrap(self.receive(3))
        assert len(octets) == count, octets
        return octets

    def reply(self):
        reply = self.read(10)
        assert reply[:4] == b"\x05\x00\x00\x01", reply
        return reply[4:8], struct.unpack("!H", reply[8:])[0]

    def request(self, command, address=HERE, port=0):
        self.write(struct.pack("!BBBB4sH", 5, command, 0, 1, address, port))
        return self.reply()


def echo(listener):
    sock, _ = listener.accept()
    with sock:
        while octets := sock.recv(65536):
            sock.sendall(octets)


def connect():
    proxy = Proxy(True)
    listener = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=echo, args=(listener,), daemon=True).start()
    proxy.request(1, port=listener.getsockname()[1])
    sent = bytes(range(256)) * 4000
    longest = 60_000

    def write():
        for start in range(0, len(sent), longest):
            proxy.write(sent[start:start + longest])
        proxy.sock.shutdown(socket.SHUT_WR)

    # One context, and two threads: what was wrapped goes out in its turn, and what comes is unwrapped here alone.
    writer = threading.Thread(target=write)
    writer.start()
    got = b""
    while len(got) < len(sent):
        got += proxy.unwrap(proxy.receive(3))
    writer.join()
    assert got == sent
    assert proxy.sock.recv(1) == b""


def bind():
    proxy = Proxy(True)
    address, port = proxy.request(2)
    peer = socket.create_connection((socket.inet_ntoa(address), port), 10)
    second = proxy.reply()
    assert second == (HERE, peer.getsockname()[1]), second
    peer.sendall(b"hello")
    assert proxy.read(5) == b"hello"
    proxy.write(b"and back")
    assert exactly(peer, 8) == b"and back"


def udp():
    target = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    target.bind(("127.0.0.1", 0))
    target.settimeout(10)
    header = b"\0\0\0\x01" + HERE + struct.pack("!H", target.getsockname()[1])
    for sequence in (False, True):
        proxy = Proxy(sequence)
        relay = proxy.request(3)
        relay = (socket.inet_ntoa(relay[0]), relay[1])
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.settimeout(10)
        sock.bind(("127.0.0.1", 0))

        def seal(payload):
            token = proxy.wrap(header + payload)
            return struct.pack("!BBH", 1, 3, len(token)) + token

        def arrives():
            got, back = target.recvfrom(65536)
            target.sendto(b"re: " + got, back)
            return got

        sealed = [seal(b"%d" % number) for number in range(10)]
        if ENCRYPTED:
            assert HERE not in sealed[0][4:], "header in clear"
        changed = bytearray(sealed[3])
        changed[-3] ^= 1
        # 1 is lost, 4 overtakes 3, 2 comes twice; in between one that was changed, one in clear, one of nobody.
        order = [sealed[0], sealed[2], sealed[2], bytes(changed), header + b"clear", b"\x01\x03\x00\x05hello", sealed[4],
                 sealed[3], sealed[2], sealed[9]]
        for datagram in order:
            sock.sendto(datagram, relay)
        got = [arrives() for _ in range(5)]
        assert got == [b"0", b"2", b"4", b"3", b"9"], got
        # The first two of the answers are lost.
        answers = [sock.recvfrom(65536)[0] for _ in range(5)]
        assert all(answer[:2] == b"\x01\x03" and len(answer) == 4 + struct.unpack("!H", answer[2:4])[0] for answer in answers)
        if not sequence:
            read = [proxy.unwrap(answer[4:]) for answer in answers[2:]]
            assert read == [header + b"re: " + number for number in (b"4", b"3", b"9")], read
        target.settimeout(0.2)
        try:
            raise AssertionError(target.recv(100))
        except TimeoutError:
            target.settimeout(10)


def tampered():
    """A message that was changed ends the session, and nothing of it reaches the target."""
    proxy = Proxy(True)
    listener = socket.create_server(("127.0.0.1", 0))
    proxy.request(1, port=listener.getsockname()[1])
    target, _ = listener.accept()
    target.settimeout(10)
    proxy.write(b"whole")
    assert exactly(target, 5) == b"whole"
    token = bytearray(proxy.wrap(b"changed"))
    token[-1] ^= 1
    proxy.send(3, bytes(token))
    try:
        rest = target.recv(100)
    except ConnectionResetError:
        rest = b""
    assert rest == b"", rest
    try:
        assert proxy.sock.recv(100) == b""
    except ConnectionResetError:
        pass


def late():
    """A message that is left out, which nobody who only counts octets would miss, ends the session too."""
    for sequence in (True, False):
        proxy = Proxy(sequence)
        listener = socket.create_server(("127.0.0.1", 0))
        proxy.request(1, port=listener.getsockname()[1])
        target, _ = listener.accept()
        target.settimeout(10)
        proxy.wrap(b"cut out")
        proxy.write(b"behind it")
        try:
            rest = target.recv(100)
        except ConnectionResetError:
            rest = b""
        assert rest == b"", rest


def hold():
    proxy = Proxy(True)
    listener = socket.create_server(("127.0.0.1", 0))
    proxy.request(1, port=listener.getsockname()[1])
    print("open", flush=True)
    proxy.sock.settimeout(60)
    try:
        assert proxy.sock.recv(1) == b""
    except ConnectionResetError:
        pass


{"hold": hold, "connect": connect, "bind": bind, "udp": udp, "tampered": tampered, "late": late}[WHAT]()
print("done")
