"""What breaks: each fault strikes one part, is healed after a while, and its recovery is timed from then on."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

import httpx

from benchmarks.chaos.parts import LEASE_SECONDS, STORE_AWAY, RunningPart, SmallDeployment, until_healthy
from benchmarks.chaos.relays import BreakableRelay

MODEL, TRITON = "_stub", "bin/tritonserver"  # in the command lines of a Triton's processes
RECOVERY_SECONDS = 120.0  # after which a part counts as lost, where every process has a processor
SETTLING = "SELECT count(*) FROM leases WHERE held > 0"
BUDGETS = {"model": 30.0, "triton": 60.0, "gateway": 15.0, "store": 10.0, "chat": 30.0, "machine": 30.0}  # seconds


@dataclass(frozen=True)
class StruckFault:
    name: str
    at: float  # second of the run
    recovery: float  # seconds from healing until the part answers again; inf: it did not


Strike = Callable[
    ["Nemesis"], Awaitable[Sequence[RunningPart]]
]  # strikes and heals; returns the parts that must answer again


@dataclass
class Nemesis:
    deployment: SmallDeployment
    chance: random.Random
    hold: float = 3.0  # seconds that what stands still stands still
    struck: list[StruckFault] = field(default_factory=list)
    answers: Callable[[RunningPart], Awaitable[bool]] | None = None  # whether it works; None: what its /health says

    async def strike(self, name: str, now: Callable[[], float]) -> None:
        began = now()
        parts = await FAULTS[name](self)
        healed = time.monotonic()
        recovery = float("inf")
        patience = RECOVERY_SECONDS * max(1.0, os.getloadavg()[1] / (os.cpu_count() or 1))
        try:
            async with asyncio.timeout(patience):
                await until_healthy(list(parts), patience, again=True)
                for part in parts:
                    while part is not self.deployment.chat and self.answers and not await self.answers(part):
                        await asyncio.sleep(0.1)
            recovery = time.monotonic() - healed
        except TimeoutError:
            print(f"{name}: not all of it answers after {patience:.0f} s", file=sys.stderr)
        self.struck.append(StruckFault(name, began, recovery))

    def any_triton(self) -> tuple[int, RunningPart]:
        number = self.chance.randrange(len(self.deployment.tritons))
        return number, self.deployment.tritons[number]

    def any_gateway(self) -> tuple[int, RunningPart]:
        number = self.chance.randrange(len(self.deployment.gateways))
        return number, self.deployment.gateways[number]

    async def pause(self, seconds: float | None = None) -> None:
        await asyncio.sleep(self.hold if seconds is None else seconds)


def signal_all(pids: Sequence[int], number: signal.Signals) -> None:
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue


async def model_killed(nemesis: Nemesis) -> Sequence[RunningPart]:
    return await _end(nemesis, MODEL, signal.SIGKILL)


async def model_hangs(nemesis: Nemesis) -> Sequence[RunningPart]:
    return await _hang(nemesis, MODEL)


async def triton_killed(nemesis: Nemesis) -> Sequence[RunningPart]:
    return await _end(nemesis, TRITON, signal.SIGKILL, noticed=0.5)


async def triton_stopped(nemesis: Nemesis) -> Sequence[RunningPart]:
    return await _end(nemesis, TRITON, signal.SIGTERM, noticed=0.5)


async def triton_hangs(nemesis: Nemesis) -> Sequence[RunningPart]:
    return await _hang(nemesis, TRITON)


async def triton_silent(nemesis: Nemesis) -> Sequence[RunningPart]:
    """The way to it carries nothing and says nothing."""
    number, triton = nemesis.any_triton()
    await _silence(nemesis, nemesis.deployment.triton_relays[number])
    return [triton, *nemesis.deployment.gateways]


async def gateway_killed(nemesis: Nemesis) -> Sequence[RunningPart]:
    _, gateway = nemesis.any_gateway()
    gateway.kill()
    gateway.start()
    return [gateway]


async def gateway_killed_at_settle(nemesis: Nemesis) -> Sequence[RunningPart]:
    """At a moment in which work is held: it is looked for in the table of leases."""
    with contextlib.suppress(*STORE_AWAY):  # the store may be struck, too
        async with nemesis.deployment.store() as store:
            for _ in range(200):
                if await store.fetchval(SETTLING):
                    break
                await asyncio.sleep(0.01)
    return await gateway_killed(nemesis)


async def gateway_replaced(nemesis: Nemesis) -> Sequence[RunningPart]:
    _, gateway = nemesis.any_gateway()
    await asyncio.to_thread(gateway.kill, signal.SIGTERM)
    gateway.start()
    return [gateway]


async def gateway_stands_still(nemesis: Nemesis) -> Sequence[RunningPart]:
    """For longer than its leases last."""
    _, gateway = nemesis.any_gateway()
    gateway.send(signal.SIGSTOP)
    await nemesis.pause(LEASE_SECONDS + 2)
    gateway.send(signal.SIGCONT)
    return [gateway]


async def store_killed(nemesis: Nemesis) -> Sequence[RunningPart]:
    """All of its processes: it recovers from its log, and refuses everybody meanwhile."""
    postgres = nemesis.deployment.postgres
    await asyncio.to_thread(postgres.kill)
    await asyncio.to_thread(postgres.start)
    return nemesis.deployment.gateways


async def store_restarted(nemesis: Nemesis) -> Sequence[RunningPart]:
    postgres = nemesis.deployment.postgres
    await asyncio.to_thread(postgres.end, signal.SIGINT)
    await nemesis.pause(1)
    await asyncio.to_thread(postgres.start)
    return nemesis.deployment.gateways


async def store_read_only(nemesis: Nemesis) -> Sequence[RunningPart]:
    """As a standby is after a fail-over."""
    await _administer(nemesis, "ALTER SYSTEM SET default_transaction_read_only = on", "SELECT pg_reload_conf()")
    await nemesis.pause()
    await _administer(
        nemesis,
        "SET default_transaction_read_only = off",
        "ALTER SYSTEM RESET default_transaction_read_only",
        "SELECT pg_reload_conf()",
    )
    return nemesis.deployment.gateways


async def store_away_from_one(nemesis: Nemesis) -> Sequence[RunningPart]:
    """One gateway's way to it carries nothing, for longer than its leases last."""
    number, gateway = nemesis.any_gateway()
    await _silence(nemesis, nemesis.deployment.store_relays[number], LEASE_SECONDS + 1)
    return [gateway]


async def commit_unheard(nemesis: Nemesis) -> Sequence[RunningPart]:
    """A COMMIT arrives and its answer does not, several times."""
    number, gateway = nemesis.any_gateway()
    relay = nemesis.deployment.store_relays[number]
    for _ in range(5):
        relay.cut_after_commit = True
        await asyncio.sleep(0.3)
    relay.cut_after_commit = False
    return [gateway]


async def chat_killed(nemesis: Nemesis) -> Sequence[RunningPart]:
    chat = nemesis.deployment.chat
    chat.kill()
    await nemesis.pause(1)
    chat.start()
    return [chat]


async def chat_fails(nemesis: Nemesis) -> Sequence[RunningPart]:
    chat = nemesis.deployment.chat
    async with httpx.AsyncClient() as client:
        for fault in ("refuse", "break", "none"):
            await client.post(f"{chat.url}/faults/{fault}")
            await nemesis.pause(1)
    return [chat]


async def ffmpeg_killed(nemesis: Nemesis) -> Sequence[RunningPart]:
    """As the kernel kills it where memory is short."""
    end = time.monotonic() + nemesis.hold
    while time.monotonic() < end:
        for gateway in nemesis.deployment.gateways:
            signal_all(gateway.children("ffmpeg"), signal.SIGKILL)
        await asyncio.sleep(0.2)
    return nemesis.deployment.gateways


async def disk_full(nemesis: Nemesis) -> Sequence[RunningPart]:
    """No file of one gateway may grow beyond 100 kB."""
    return await _limited(nemesis, resource.RLIMIT_FSIZE, 100_000)


async def descriptors_short(nemesis: Nemesis) -> Sequence[RunningPart]:
    _, gateway = nemesis.any_gateway()
    used = len(os.listdir(f"/proc/{gateway.pid}/fd"))  # noqa: PTH208
    return await _limited(nemesis, resource.RLIMIT_NOFILE, used + 4, gateway)


async def processor_taken(nemesis: Nemesis) -> Sequence[RunningPart]:
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as busy:
        await nemesis.pause()
        busy.kill()
    return nemesis.deployment.gateways


async def _end(nemesis: Nemesis, program: str, number: signal.Signals, noticed: float = 0.0) -> Sequence[RunningPart]:
    """program: in the command line of a Triton's children; noticed: seconds after which its gateway sees it gone"""
    _, triton = nemesis.any_triton()
    signal_all(triton.children(program), number)
    await asyncio.sleep(noticed)
    return [triton, *nemesis.deployment.gateways]


async def _hang(nemesis: Nemesis, program: str) -> Sequence[RunningPart]:
    _, triton = nemesis.any_triton()
    processes = triton.children(program)
    signal_all(processes, signal.SIGSTOP)
    await nemesis.pause()
    signal_all(processes, signal.SIGCONT)
    return [triton, *nemesis.deployment.gateways]


async def _silence(nemesis: Nemesis, relay: BreakableRelay, seconds: float | None = None) -> None:
    relay.silent = True
    await nemesis.pause(seconds)
    relay.cut()
    relay.silent = False


async def _limited(
    nemesis: Nemesis, limit: int, soft: int, gateway: RunningPart | None = None
) -> Sequence[RunningPart]:
    gateway = gateway or nemesis.any_gateway()[1]
    old = resource.prlimit(gateway.pid, limit)
    resource.prlimit(gateway.pid, limit, (soft, old[1]))
    await nemesis.pause()
    resource.prlimit(gateway.pid, limit, old)
    return [gateway]


async def _administer(nemesis: Nemesis, *statements: str) -> None:
    async with nemesis.deployment.store() as store:
        for statement in statements:
            await store.execute(statement)


FAULTS: dict[str, Strike] = {
    "model killed": model_killed,
    "model hangs": model_hangs,
    "triton killed": triton_killed,
    "triton stopped": triton_stopped,
    "triton hangs": triton_hangs,
    "triton silent": triton_silent,
    "gateway killed": gateway_killed,
    "gateway killed at settle": gateway_killed_at_settle,
    "gateway replaced": gateway_replaced,
    "gateway stands still": gateway_stands_still,
    "store killed": store_killed,
    "store restarted": store_restarted,
    "store read-only": store_read_only,
    "store away from one": store_away_from_one,
    "store commit unheard": commit_unheard,
    "chat killed": chat_killed,
    "chat fails": chat_fails,
    "machine ffmpeg killed": ffmpeg_killed,
    "machine disk full": disk_full,
    "machine descriptors short": descriptors_short,
    "machine processor taken": processor_taken,
}
SHARES = {"model": 20, "triton": 20, "gateway": 20, "store": 20, "chat": 8, "machine": 12}  # percent
LANES = (("model", "triton"), ("gateway", "machine"), ("store", "chat"))  # kinds: one of each lane may strike at once


def schedule(count: int, chance: random.Random) -> list[str]:
    """Names of faults in a random order, by the shares of their kinds; every one of them where there are enough."""
    names: list[str] = []
    for kind, share in SHARES.items():
        own = [name for name in FAULTS if name.startswith(kind)]
        names += [own[number % len(own)] for number in range(max(1, round(count * share / 100)))]
    chance.shuffle(names)
    return names[:count]


def in_lanes(names: Sequence[str]) -> list[list[tuple[int, str]]]:
    """The faults of each lane, each with its place among all."""
    placed = list(enumerate(names))
    return [[each for each in placed if each[1].split(" ")[0] in lane] for lane in LANES]
