"""The fleet of examples/fleet under load: what .ci/fleet runs, once the fleet is up.

    trial.py CONNECTIONS
"""

import asyncio
import importlib.machinery
import importlib.util
import os
import pathlib
import signal
import sys
import time

sys.dont_write_bytecode = True
EXAMPLE = pathlib.Path(__file__).resolve().parents[2] / "examples/fleet"
sys.path.insert(0, str(EXAMPLE))

import client  # noqa: E402


def load_fleet():
    loader = importlib.machinery.SourceFileLoader("fleet", str(EXAMPLE / "fleet"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("fleet", loader))
    loader.exec_module(module)
    return module


fleet = load_fleet()
MOST = int(os.environ["FLEET_TUNNELS"])
LEASE = int(os.environ["FLEET_LEASE"].removesuffix("s"))


def expect(what, holds, seen=""):
    if not holds:
        sys.exit(f"FAILED: fleet, {what}: {seen}")
    print(f"ok: fleet, {what}" + (f": {seen}" if seen else ""), flush=True)


async def until(what, within, holds):
    """Waits until it holds; how long that took."""
    begin = time.monotonic()
    while not await holds():
        if time.monotonic() - begin > within:
            sys.exit(f"FAILED: fleet, {what}: not within {within} s")
        await asyncio.sleep(0.1)
    return round(time.monotonic() - begin, 1)


async def agree(what, tunnels, within):
    """Waits until Redis counts what is open."""
    expected = {user: len(some) for user, some in tunnels.items() if some}

    async def holds():
        return await asyncio.to_thread(fleet.counts) == expected

    took = await until(f"{what}: Redis counts what is open", within, holds)
    expect(f"{what}: Redis counts what is open", True, f"{sum(expected.values())} tunnels, after {took} s")


def spent():
    """The CPU time of HAProxy and of Redis by now, in seconds."""
    stats = [pathlib.Path(f"/proc/{fleet.pid_of(name)}/stat").read_text() for name in ("haproxy", "redis")]
    ticks = [sum(map(int, stat.rsplit(")", 1)[1].split()[11:13])) for stat in stats]
    return [count / os.sysconf("SC_CLK_TCK") for count in ticks]


async def limits(clients, each):
    begin, before = time.monotonic(), spent()
    tunnels, refused = await clients.fill_all(each)
    took, others = time.monotonic() - begin, [after - was for was, after in zip(before, spent())]
    expect("no connection fails", not clients.failures, clients.failures[:3] or "")
    wrong = {user: len(some) for user, some in tunnels.items() if len(some) != MOST}
    expect(f"each user has {MOST} tunnels over all nodes, and no more", not wrong, wrong or "")
    expect("the others are refused with 02", all(count == each - MOST for count in refused.values()))
    total = each * len(clients.users)
    print(f"   {total} connections in {took:.1f} s, {total / took:.0f} a second; tunnels p50 {clients.time_at(.5)} ms, "
          f"p99 {clients.time_at(.99)} ms; of CPU for each: HAProxy {others[0] / total * 1e6:.0f} us, "
          f"Redis {others[1] / total * 1e6:.0f} us")
    await agree("after that", tunnels, LEASE)
    return tunnels


async def refill(what, clients, tunnels):
    """Each user gets what is left up to the limit, and no more."""
    asked, refused = await clients.fill_all(MOST)
    for user, some in asked.items():
        tunnels[user] += some
    expect(f"{what}: no connection fails", not clients.failures, clients.failures[:3] or "")
    wrong = {user: len(some) for user, some in tunnels.items() if len(some) != MOST}
    expect(f"{what}: each user has {MOST} again, and no more", not wrong, wrong or "")


async def crash(clients, tunnels):
    node = next(iter(fleet.NODES))
    os.kill(fleet.pid_of(node), signal.SIGKILL)
    killed = time.monotonic()
    every = [tunnel for some in tunnels.values() for tunnel in some]
    ended = await asyncio.gather(*(tunnel.has_ended(2) for tunnel in every))
    gone = {id(tunnel) for tunnel, is_over in zip(every, ended) if is_over}
    for user, some in tunnels.items():
        tunnels[user] = [tunnel for tunnel in some if id(tunnel) not in gone]
    expect(f"{node} is killed", 0 < len(gone) < len(every), f"{len(gone)} of {len(every)} tunnels are gone")
    await agree("after the crash", tunnels, LEASE)
    expect("within the lease, and what it takes to see it", time.monotonic() - killed <= LEASE + 3, f"{time.monotonic() - killed:.1f} s after the crash")
    await refill("after the crash", clients, tunnels)
    await asyncio.to_thread(fleet.restart, [node])

    async def is_up():
        return (await asyncio.to_thread(fleet.checks))[node] == "UP"

    await until(f"the balancer finds {node} again", 15, is_up)


async def redis_away(clients, tunnels):
    # Each user keeps half of its limit, so that there is something that nodes may give away by themselves.
    for user, some in tunnels.items():
        client.close(some[MOST // 2:])
        tunnels[user] = some[:MOST // 2]
    await agree("half are closed", tunnels, LEASE)
    # What others hold a node hears when it renews what it holds itself.
    await asyncio.sleep(LEASE / 3 + 1)
    os.kill(fleet.pid_of("redis"), signal.SIGKILL)
    killed = time.monotonic()
    # The share of a node: its part of what was left.
    share = (MOST - MOST // 2) // len(fleet.NODES)
    asked = 0
    while asked < share:
        asked += 1
        for user in clients.users:
            more, refused = await clients.fill(user, 1)
            tunnels[user] += more
            if refused or clients.failures:
                expect("Redis is away: nobody is refused what a node may give", False, (user, asked, clients.failures[:3]))
    expect("Redis is away: nobody is refused what a node may give", True, f"{asked * len(clients.users)} more tunnels")
    await asyncio.sleep(max(0, 10 - (time.monotonic() - killed)))
    await asyncio.to_thread(fleet.start_redis)
    await agree("Redis is back, with nothing in it", tunnels, LEASE)
    await refill("Redis is back", clients, tunnels)


async def rolling_restart(clients):
    """A new process for each node, under tunnels that talk and connections that come and go."""
    clients.times.clear()
    # Half of what users may have, so that there is room for those that come and go.
    each = MOST // 2
    tunnels, _ = await clients.fill_all(each)
    every = [tunnel for some in tunnels.values() for tunnel in some]
    expect("tunnels before the restart", len(every) == each * len(clients.users) and not clients.failures, f"{len(every)}")
    done = asyncio.Event()
    passed = 0

    async def come_and_go(user):
        nonlocal passed
        while not done.is_set():
            tunnel = await clients.connect(user)
            tunnel.close()
            passed += 1

    talks = [asyncio.create_task(tunnel.talk(done)) for tunnel in every]
    others = [asyncio.create_task(come_and_go(user)) for user in list(clients.users)[:4]]
    before, troubles = {node: fleet.pid_of(node) for node in fleet.NODES}, fleet.troubles()
    for node in fleet.NODES:
        await asyncio.to_thread(fleet.restart, [node])
        # Longer than the balancer needs to find a node down.
        await asyncio.sleep(3)
    after = {node: fleet.pid_of(node) for node in fleet.NODES}
    expect("all nodes are new processes", not set(before.values()) & set(after.values()))
    open_ = [talk for talk in talks if not talk.done()]
    expect("rolling restart: no tunnel has ended", len(open_) == len(every), f"{len(open_)} of {len(every)} are open")
    done.set()
    failed = [one for one in await asyncio.gather(*talks, *others, return_exceptions=True) if one]
    expect("rolling restart: no reset, no failed connect, no wrong octet", not failed, failed[:3] or
           f"{passed} connections meanwhile, p50 {clients.time_at(.5)} ms, p99 {clients.time_at(.99)} ms; "
           f"{sum(tunnel.octets for tunnel in every) / 1e6:.1f} MB came back")
    new = fleet.troubles() - troubles
    expect("rolling restart: the balancer has not had to try a connection again", not new, new or "")
    await agree("two processes for each node", tunnels, LEASE)
    client.close(every)

    async def have_ended():
        return not any(fleet.command_of(pid) for pid in before.values())

    took = await until("the old processes end with their last session", 20, have_ended)
    expect("the old processes end with their last session", True, f"after {took} s")


async def main(connections):
    clients = client.Clients((fleet.BALANCER, 1080), fleet.USERS, os.environ["FLEET_CLIENTS"])
    await clients.start_echo()
    tunnels = await limits(clients, connections // len(clients.users))
    await crash(clients, tunnels)
    await redis_away(clients, tunnels)
    client.close(tunnel for some in tunnels.values() for tunnel in some)
    await agree("all are closed", {}, LEASE)
    await rolling_restart(clients)


asyncio.run(main(int(sys.argv[1])))
