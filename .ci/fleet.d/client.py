"""Clients by the hundred, in one thread: each user comes from an address of its own."""

import asyncio
import contextlib
import random
import struct
import time

from socks import Refused, address, login

LIMIT = 30


class Clients:
    """Users of a proxy, and an echo that they all go to. Of connections it counts times and failures."""

    def __init__(self, proxy, users, net):
        self.proxy, self.users, self.net = proxy, users, net
        # How many may ask at once: fewer than a client may have that has not asked for anything, and so few that no proxy waits
        # for Redis longer than it may because it has no turn on the processors.
        self.at_once = asyncio.Semaphore(48)
        self.times, self.failures, self.target = [], [], None

    async def start_echo(self):
        self.echo = await asyncio.start_server(self.serve, f"{self.net}.200", 0, backlog=1024)
        self.target = self.echo.sockets[0].getsockname()

    async def serve(self, reader, writer):
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        writer.close()

    async def connect(self, user):
        """A tunnel through which an octet has come back. Refused is an answer, all else a failure."""
        async with self.at_once:
            begin = time.monotonic()
            client = (f"{self.net}.{1 + list(self.users).index(user)}", 0)
            reader, writer = await asyncio.open_connection(*self.proxy, local_addr=client)
            try:
                async with asyncio.timeout(LIMIT):
                    await self.greet(reader, writer, user)
            except BaseException:
                writer.close()
                raise
            self.times.append(time.monotonic() - begin)
            return Tunnel(user, reader, writer)

    async def greet(self, reader, writer, user):
        writer.write(login(user, self.users[user]) + b"\5\1\0" + address(*self.target))
        if await reader.readexactly(4) != b"\5\2\1\0":
            raise ConnectionError("no login")
        code = (await reader.readexactly(10))[1]
        if code:
            raise Refused(code)
        writer.write(b"!")
        if await reader.readexactly(1) != b"!":
            raise ConnectionError("another octet came back")

    async def fill(self, user, count):
        """Asks for so many tunnels at once: those that are open, and how many are refused with 02."""
        asked = await asyncio.gather(*(self.connect(user) for _ in range(count)), return_exceptions=True)
        tunnels = [one for one in asked if isinstance(one, Tunnel)]
        refused = sum(isinstance(one, Refused) and one.code == 2 for one in asked)
        self.failures += [one for one in asked if isinstance(one, Exception) and not (
            isinstance(one, Refused) and one.code == 2)]
        return tunnels, refused

    async def fill_all(self, count):
        """The same for all users together: a dictionary of tunnels by user, and one of refusals."""
        asked = await asyncio.gather(*(self.fill(user, count) for user in self.users))
        tunnels = {user: one for user, (one, _) in zip(self.users, asked)}
        return tunnels, {user: refused for user, (_, refused) in zip(self.users, asked)}

    def time_at(self, part):
        """A quantile of the times of tunnels until the first octet was back, in milliseconds."""
        times = sorted(self.times)
        return round(times[min(int(part * len(times)), len(times) - 1)] * 1000, 1) if times else None


class Tunnel:
    def __init__(self, user, reader, writer):
        self.user, self.reader, self.writer = user, reader, writer
        self.octets = 0

    async def has_ended(self, within):
        """Whether its end, or a reset, is seen within so many seconds."""
        try:
            async with asyncio.timeout(within):
                return await self.reader.read(1) == b""
        except TimeoutError:
            return False
        except OSError:
            return True

    async def talk(self, until):
        """Sends what nobody else sends, and compares what comes back, until the event."""
        source = random.Random(id(self))
        while not until.is_set():
            data = source.randbytes(source.randrange(1, 8192))
            self.writer.write(struct.pack(">I", len(data)) + data)
            back = await asyncio.wait_for(self.reader.readexactly(4 + len(data)), LIMIT)
            if back[4:] != data:
                raise ConnectionError("other octets came back")
            self.octets += len(data)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(until.wait(), source.uniform(0.1, 1))

    def close(self):
        self.writer.close()


def close(tunnels):
    for tunnel in tunnels:
        tunnel.close()
