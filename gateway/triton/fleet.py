"""The Tritons that the gateway sends requests to: service discovery, health probes, least-loaded choice.

An address may be a name with several machines behind it (a headless service of Kubernetes, a scaled service of
Compose). It is resolved again and again: a Triton that joins gets requests as soon as its models answer a probe, one
that leaves finishes its calls in flight.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import math
import random
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress

import grpc

from gateway.settings import TritonSettings
from gateway.triton.client import NO_ACCESS_CONTROL, TritonAccess, TritonClient, TritonFailure
from gateway.triton.probe import probe_inputs

PROBE_TIMEOUT = 30.0  # seconds
DEAD_TIMEOUT = 4.0  # seconds, of a probe to what a call told is dead: Triton takes a second for each of its requests
RECOVERY_SECONDS = 0.5  # between two probes of a model that is unavailable
LOAD_SECONDS = 300.0  # that a model may take to load
RELOAD_JITTER = 1.0  # seconds, at most, before a dead model is loaded again
RELOAD_PAUSE = 10.0  # seconds until it is tried again to load a model; probes go on, as others may load it
ABSENT_SECONDS = 60.0  # that a Triton may answer without knowing a model, until the model is loaded there
FIRST_PROBES_SECONDS = 5.0  # that a start waits for the first probes of all Tritons

Resolve = Callable[[str], Awaitable[Sequence[str]]]  # host:port → one for each machine behind it; raises OSError

_log = logging.getLogger(__name__)


class Fleet:
    """`watch` keeps it up to date; a Triton that has not answered a probe yet gets no requests."""

    def __init__(
        self,
        addresses: Sequence[str],
        models: Sequence[str],
        settings: TritonSettings,
        *,
        access: TritonAccess = NO_ACCESS_CONTROL,
        resolve: Resolve | None = None,
    ) -> None:
        self._access = access
        self._resolve = resolve or resolve_host
        self._addresses = tuple(addresses)  # host:port
        self._models = tuple(models)  # names in Triton
        self._settings = settings
        self._resolved: dict[str, Sequence[str]] = {}  # address as configured → addresses behind it
        self._clients: dict[str, TritonClient] = {}  # by address
        self._rotation = random.randrange(1 << 16)  # gateways that start together begin with different Tritons
        self._probed: set[tuple[TritonClient, str]] = set()  # with the models that were probed there
        self._answered: set[str] = set()  # models that some Triton answered for since the start

    @property
    def clients(self) -> tuple[TritonClient, ...]:
        return tuple(self._clients.values())

    @property
    def unanswered(self) -> list[str]:
        """Models that no Triton has answered for since the start."""
        return [model for model in self._models if model not in self._answered]

    @property
    def impaired(self) -> int:
        """Tritons that do not answer for every model now."""
        return sum(bool(client.unavailable) for client in self.clients)

    def serves(self, model: str) -> bool:
        """Whether some Triton accepts requests for this model now."""
        return any(model not in client.unavailable for client in self.clients)

    async def client_for(self, model: str, deadline: float) -> TritonClient:
        """The Triton with the fewest calls in flight among those where the model is available; equals take turns.

        deadline: time of the event loop's clock until which it waits for one
        raises: TimeoutError
        """
        async with asyncio.timeout_at(deadline):
            while not (available := [client for client in self.clients if model not in client.unavailable]):
                await asyncio.sleep(0.1)
        self._rotation += 1
        first = self._rotation % len(available)
        return min(available[first:] + available[:first], key=lambda client: client.in_flight)

    def exclude(self, client: TritonClient, model: str, failure: TritonFailure) -> None:
        """No more requests until the model answers a probe; calls that would never be answered are failed."""
        hangs = failure.code is grpc.StatusCode.DEADLINE_EXCEEDED and model in client.unavailable
        if failure.process_died:
            client.died.add(model)
        if model not in client.unavailable:
            client.unavailable.add(model)
            client.suspected[model].set()
        if failure.process_died or hangs:
            client.fail_calls(model)

    async def watch(self) -> None:
        """Until cancelled; connections are closed then."""
        async with asyncio.TaskGroup() as group:
            while True:
                for client in await self._discover():
                    group.create_task(self._monitor(client))
                await asyncio.sleep(self._settings.probe_seconds)

    async def first_probes(self) -> None:
        """Returns when every model of every Triton has been probed once, whatever came of it."""
        while not self.clients or not self._probed.issuperset(itertools.product(self.clients, self._models)):
            await asyncio.sleep(0.02)

    async def _discover(self) -> list[TritonClient]:
        """Resolves the addresses; returns clients of the servers that are new."""
        for address in self._addresses:
            try:
                self._resolved[address] = await self._resolve(address)
            except Exception as problem:  # DNS may be unavailable, threads may be short: its last answer stays valid
                _log.warning("%s cannot be resolved: %s", address, problem)
        found = {url for urls in self._resolved.values() for url in urls}
        for url in self._clients.keys() - found:
            _log.info("a Triton left", extra={"triton": url})
            del self._clients[url]
        new = {
            url: TritonClient(url, self._access, unavailable=self._models)
            for url in sorted(found - self._clients.keys())
        }
        self._clients |= new
        return list(new.values())

    async def _monitor(self, client: TritonClient) -> None:
        try:
            await asyncio.gather(*(self._monitor_model(client, model) for model in self._models))
        finally:
            self._probed = {pair for pair in self._probed if pair[0] is not client}
            await client.close()

    async def _monitor_model(self, client: TritonClient, model: str) -> None:
        """Probes it now and then, and at once after a failure, as long as its Triton is in the fleet or has calls."""
        suspected = client.suspected[model]
        while client in self.clients or client.in_flight:
            try:
                await self._look(client, model)
            except Exception:  # monitoring goes on whatever happens to a probe
                _log.exception("a probe could not be made", extra={"triton": client.url, "model": model})
            self._probed.add((client, model))
            suspected.clear()
            pause = RECOVERY_SECONDS if model in client.unavailable else self._settings.probe_seconds
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await suspected.wait()

    async def _look(self, client: TritonClient, model: str) -> None:
        """What a call told is dead is probed once more before it is loaded, and not for long."""
        if not self._to_be_loaded(client, model):
            await self._probe(client, model)
        if self._to_be_loaded(client, model):
            await asyncio.sleep(random.uniform(0, RELOAD_JITTER))  # another gateway may do it meanwhile
            await self._probe(client, model, DEAD_TIMEOUT)
            if self._to_be_loaded(client, model):
                await self._load(client, model)

    async def _probe(self, client: TritonClient, model: str, timeout: float | None = None) -> None:
        """Sends the model a request: Triton reports a model as READY though its process is dead."""
        responses = client.responses[model]
        try:
            await client.infer(model, probe_inputs(model), timeout or PROBE_TIMEOUT)
        except TritonFailure as failure:
            late = failure.code is grpc.StatusCode.DEADLINE_EXCEEDED
            if late and client.responses[model] > responses:
                client.died.discard(model)
                return  # other calls are answered: the probe waits behind them
            if model not in client.unavailable:
                _log.warning("a probe failed: %s", failure, extra={"triton": client.url, "model": model})
            if failure.rejected or failure.absent:  # somebody loads it, or all of Triton is away
                client.died.discard(model)
            self.exclude(client, model, failure)
            client.note(model, failure)
        else:
            if model in client.unavailable:
                _log.info("a model answers", extra={"triton": client.url, "model": model})
            client.unavailable.discard(model)
            client.died.discard(model)
            self._answered.add(model)
            client.absent_since.pop(model, None)

    @staticmethod
    def _to_be_loaded(client: TritonClient, model: str) -> bool:
        """Whether nobody else will: a gateway that unloads a model may die before it loads it again."""
        now = time.monotonic()
        if now < client.load_after[model]:
            return False
        absent = now - client.absent_since.get(model, math.inf)
        return model in client.died or model in client.unloaded or absent > ABSENT_SECONDS

    async def _load(self, client: TritonClient, model: str) -> None:
        """Loads a dead model again: Triton never does, and goes on reporting it as READY."""
        _log.warning("loading a model again", extra={"triton": client.url, "model": model})
        try:
            await client.reload_model(model, LOAD_SECONDS)
        except TritonFailure as failure:
            _log.warning("it could not be loaded: %s", failure, extra={"triton": client.url, "model": model})
            client.load_after[model] = time.monotonic() + RELOAD_PAUSE
        else:
            await self._probe(client, model)


@asynccontextmanager
async def watched(fleet: Fleet) -> AsyncIterator[Fleet]:
    """Monitored until the block ends."""
    watching = asyncio.create_task(fleet.watch(), name="triton-fleet")
    try:
        with suppress(TimeoutError):
            async with asyncio.timeout(FIRST_PROBES_SECONDS):
                await fleet.first_probes()
        yield fleet
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)


async def resolve_host(address: str) -> tuple[str, ...]:
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
