"""`fleet show`: opens tunnels through the balancer, and tells who is served where and what the limits count."""

import contextlib
import socket
import subprocess
import threading

import socks


def echo_stream(listener):
    """Says back what each client says."""
    def serve(stream):
        with stream, contextlib.suppress(OSError):
            while data := stream.recv(65536):
                stream.sendall(data)

    while True:
        stream, _ = listener.accept()
        threading.Thread(target=serve, args=[stream], daemon=True).start()


def echo_datagrams(endpoint):
    while True:
        data, source = endpoint.recvfrom(65536)
        endpoint.sendto(data, source)


def open_tunnels(proxy, user, password, target, count, client):
    """Those that are open, and the codes of those that are not."""
    tunnels, codes = [], []
    for _ in range(count):
        try:
            tunnel = socks.connect(proxy, user, password, target, client)
        except socks.Refused as refused:
            codes.append(f"{refused.code:02x}")
            continue
        tunnel.sendall(user.encode())
        assert socks.read(tunnel, len(user)) == user.encode()
        tunnels.append(tunnel)
    return tunnels, codes


def table(rows):
    widths = [max(len(str(row[i])) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        print("  ".join(str(cell).ljust(width) for cell, width in zip(row, widths)).rstrip())


def who_is_where(fleet):
    users, checks = list(fleet.USERS), fleet.checks()
    rows, sums = [["node", "address", "balancer", "open", *users]], [0] * (1 + len(users))
    for node, address in fleet.NODES.items():
        of_node = fleet.status(address) or {"open": 0, "users": []}
        open_of = {user["name"]: user["open"] for user in of_node["users"]}
        numbers = [of_node["open"], *(open_of.get(user, 0) for user in users)]
        sums = [a + b for a, b in zip(sums, numbers)]
        rows.append([node, address, checks.get(node, "?"), *numbers])
    rows.append(["all", "", "", *sums])
    counts = fleet.counts()
    rows.append(["counted in Redis", "", "", "", *(counts.get(user, 0) for user in users)])
    table(rows)


def show(fleet):
    proxy, most = (fleet.BALANCER, 1080), int(fleet.ENV("FLEET_TUNNELS", "4"))
    listener = socket.create_server((f"{fleet.NET}.200", 0))
    endpoint = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    endpoint.bind((f"{fleet.NET}.200", 0))
    threading.Thread(target=echo_stream, args=[listener], daemon=True).start()
    threading.Thread(target=echo_datagrams, args=[endpoint], daemon=True).start()

    tunnels = {}
    for number, (user, password) in enumerate(fleet.USERS.items(), 1):
        client = f"{fleet.NET}.{200 + number % 50}"
        tunnels[user], codes = open_tunnels(proxy, user, password, listener.getsockname(), most + 2, client)
        print(f"{user} may have {most} tunnels, and asks for {most + 2}: {len(tunnels[user])} are open, "
              f"{len(codes)} are refused ({', '.join(sorted(set(codes)))})")
    print()
    # The pages of the nodes are a second old at most.
    threading.Event().wait(1.5)
    who_is_where(fleet)
    print()

    closed = next(iter(fleet.USERS))
    password = fleet.USERS[closed]
    # One node is asked, which tells the others through Redis.
    asked = next(iter(fleet.NODES))
    said = subprocess.run(
        [fleet.server(), "close", "--socket", str(fleet.DIR / asked / "admin"), "--user", closed, "--everywhere"],
        capture_output=True, text=True, timeout=20)
    print(f"server close --user {closed} --everywhere, asked at {asked}: {said.stdout.strip()} {said.stderr.strip()}".rstrip())
    ended = 0
    for tunnel in tunnels[closed]:
        tunnel.settimeout(5)
        with contextlib.suppress(ConnectionError):
            ended += tunnel.recv(1) == b""
            continue
        ended += 1
    print(f"{ended} of {len(tunnels[closed])} clients have seen the end of their tunnels")
    print()

    stream = socks.udp_over_tcp(proxy, closed, password, endpoint.getsockname())
    assert socks.exchange(stream, b"hello") == b"hello"
    print("UDP over TCP, through the balancer: an echo")
    control, node = socks.associate(proxy, closed, password)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client, control:
        client.settimeout(5)
        header = b"\0\0\0" + socks.address(*endpoint.getsockname())
        client.bind((control.getsockname()[0], 0))
        client.sendto(header + b"hello", node)
        assert client.recv(65536) == header + b"hello"
    print(f"UDP ASSOCIATE, by {node[0]}:{node[1]} past the balancer: an echo")
