"""The Tritons that the gateway knows: found by name, asked again and again whether they work, chosen by their load.

An address may be a name with several machines behind it (a headless service of Kubernetes, a scaled service of
Compose). It is looked up again and again: a Triton that joins gets work as soon as its models answer, one that
leaves finishes what it has.
"""

from __future__ import annotations

import asyncio
import logging
import random
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress

import grpc

from gateway.settings import TritonSettings
from gateway.triton.client import TritonFailure, TritonServer
from gateway.triton.probe import question

PROBE_TIMEOUT = 30.0  # seconds
RECOVERY_SECONDS = 0.5  # between two probes of a model that is away
LOAD_SECONDS = 300.0  # that a model may take to load
RELOAD_PAUSE = 10.0  # seconds after a model that could not be loaded again
FIRST_LOOK = 5.0  # seconds that a start waits for the first answers of all Tritons

LookUp = Callable[[str], Awaitable[Sequence[str]]]  # host:port → one for each machine behind it; raises OSError

_log = logging.getLogger(__name__)


class Fleet:
    """`watch` keeps it up to date; a Triton that has not answered yet gets no work."""

    def __init__(
        self,
        addresses: Sequence[str],
        models: Sequence[str],
        settings: TritonSettings,
        *,
        look_up: LookUp | None = None,
        heals: bool = False,
    ) -> None:
        """heals: models whose process is dead are loaded again; False where somebody else looks after that"""
        self._look_up = look_up or ask_name_service
        self._heals = heals
        self._addresses = tuple(addresses)  # host:port
        self._models = tuple(models)  # names in Triton
        self._settings = settings
        self._found: dict[str, Sequence[str]] = {}  # address as it is set → addresses behind it
        self._servers: dict[str, TritonServer] = {}
        self._turn = random.randrange(1 << 16)  # gateways that start together do not all begin with the same Triton
        self._looked_at: set[TritonServer] = set()

    @property
    def servers(self) -> tuple[TritonServer, ...]:
        return tuple(self._servers.values())

    def serves(self, model: str) -> bool:
        """Some Triton takes requests for this model now."""
        return any(model not in server.away for server in self.servers)

    async def server_for(self, model: str, patience: float) -> TritonServer:
        """The least loaded Triton where the model works, in turn; waits for one to come back.

        patience: seconds
        raises: TimeoutError
        """
        async with asyncio.timeout(patience):
            while not (working := [server for server in self.servers if model not in server.away]):
                await asyncio.sleep(0.1)
        self._turn += 1
        first = self._turn % len(working)
        return min(working[first:] + working[:first], key=TritonServer.load)

    def exclude(self, server: TritonServer, model: str, failure: TritonFailure) -> None:
        """No more work until the model answers again; calls that nobody will answer are ended."""
        silent_again = failure.code is grpc.StatusCode.DEADLINE_EXCEEDED and model in server.away
        server.away.add(model)
        if failure.process_died or silent_again:
            server.abandon(model)

    def model_died(self, model: str) -> None:
        """For whoever notices the death of a model's process first: its requests are sent again."""
        for server in self.servers:
            server.away.add(model)
            server.abandon(model)

    async def watch(self) -> None:
        """Until cancelled; connections are closed then."""
        async with asyncio.TaskGroup() as group:
            while True:
                for server in await self._discover():
                    group.create_task(self._look_after(server))
                await asyncio.sleep(self._settings.probe_seconds)

    async def first_look(self) -> None:
        """Returns when every Triton that was found has answered, or not."""
        while not self._looked_at.issuperset(self.servers or [None]):
            await asyncio.sleep(0.02)

    async def _discover(self) -> list[TritonServer]:
        """Looks the addresses up; returns the servers that are new."""
        for address in self._addresses:
            try:
                self._found[address] = await self._look_up(address)
            except OSError as problem:  # the name service may be away: what it said last holds
                _log.warning("%s cannot be looked up: %s", address, problem)
        found = {url for urls in self._found.values() for url in urls}
        for url in self._servers.keys() - found:
            _log.info("a Triton left", extra={"triton": url})
            del self._servers[url]
        new = {url: TritonServer(url, away=self._models) for url in sorted(found - self._servers.keys())}
        self._servers |= new
        return list(new.values())

    async def _look_after(self, server: TritonServer) -> None:
        """As long as it is in the fleet, or has calls in hand."""
        try:
            while server in self.servers or server.load():
                await asyncio.gather(*(self._probe(server, model) for model in self._models))
                self._looked_at.add(server)
                await asyncio.sleep(RECOVERY_SECONDS if server.away else self._settings.probe_seconds)
        finally:
            self._looked_at.discard(server)
            await server.close()

    async def _probe(self, server: TritonServer, model: str) -> None:
        """Asks the model itself: Triton calls a model READY whose process is dead."""
        answers = server.answers[model]
        try:
            await server.infer(model, question(model), PROBE_TIMEOUT)
        except TritonFailure as failure:
            if failure.code is grpc.StatusCode.DEADLINE_EXCEEDED and server.answers[model] > answers:
                return  # it answers others: the probe waits behind them
            if model not in server.away:
                _log.warning("a probe failed: %s", failure, extra={"triton": server.url, "model": model})
            self.exclude(server, model, failure)
            if self._heals and (failure.process_died or model in server.unloaded):
                await self._heal(server, model)
        except Exception:  # the watch must outlive whatever a probe meets
            _log.exception("a probe could not be made", extra={"triton": server.url, "model": model})
        else:
            if model in server.away:
                _log.info("a model answers", extra={"triton": server.url, "model": model})
            server.away.discard(model)

    async def _heal(self, server: TritonServer, model: str) -> None:
        """Loads a dead model again: Triton never does, and goes on calling it READY."""
        await asyncio.sleep(random.uniform(0, self._settings.probe_seconds))  # another gateway may do it meanwhile
        try:
            await server.infer(model, question(model), PROBE_TIMEOUT)
        except TritonFailure as failure:
            if not (failure.process_died or model in server.unloaded):
                return
        else:
            return
        _log.warning("loading a model again", extra={"triton": server.url, "model": model})
        try:
            await server.load_again(model, LOAD_SECONDS)
        except TritonFailure as failure:
            _log.warning("it could not be loaded: %s", failure, extra={"triton": server.url, "model": model})
            await asyncio.sleep(RELOAD_PAUSE)


@asynccontextmanager
async def watched(fleet: Fleet) -> AsyncIterator[Fleet]:
    """Under watch until the block ends."""
    watching = asyncio.create_task(fleet.watch(), name="triton-fleet")
    try:
        with suppress(TimeoutError):
            async with asyncio.timeout(FIRST_LOOK):
                await fleet.first_look()
        yield fleet
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)


async def ask_name_service(address: str) -> tuple[str, ...]:
    """host:port → the same for every machine behind the name. Raises OSError if there is none.

    A machine with addresses of both families is one machine: IPv4 is taken where there is any.
    """
    host, _, port = address.rpartition(":")
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_STREAM)
    hosts = {family: sorted({str(end[0]) for kind, *_, end in found if kind == family}) for family, *_ in found}
    if socket.AF_INET in hosts:
        return tuple(f"{each}:{port}" for each in hosts[socket.AF_INET])
    return tuple(f"[{each}]:{port}" for each in hosts[socket.AF_INET6])
