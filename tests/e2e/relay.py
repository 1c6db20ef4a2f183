"""A load balancer for one address: bytes to and from a service behind it, until it is told to cut."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

Choose = Callable[[], Awaitable[str]]  # URL of the service that takes the next connection


@dataclass
class Relay:
    choose: Choose
    url: str = ""
    connections: int = 0
    carried: int = 0  # bytes to services, over all connections
    _open: set[asyncio.StreamWriter] = field(default_factory=set)

    def cut(self) -> None:
        """Ends all connections as a broken line does."""
        for writer in self._open:
            writer.transport.abort()

    async def cut_at(self, places: Sequence[int]) -> None:
        """places: bytes to services, in order, at which the line is cut"""
        for place in places:
            while self.carried < place:
                await asyncio.sleep(0.001)
            self.cut()

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        service = urlsplit(await self.choose())
        try:
            there_reader, there_writer = await asyncio.open_connection(service.hostname, service.port)
        except ConnectionError:
            writer.close()
            return
        both = {writer, there_writer}
        self._open |= both
        with contextlib.suppress(ConnectionError):
            await asyncio.gather(self._carry(reader, there_writer, counted=True), self._carry(there_reader, writer))
        for each in both:
            each.close()
        self._open -= both

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, counted: bool = False) -> None:
        while piece := await reader.read(8192):
            writer.write(piece)
            await writer.drain()
            self.carried += len(piece) if counted else 0
        writer.close()


@asynccontextmanager
async def relaying(choose: Choose) -> AsyncIterator[Relay]:
    relay = Relay(choose)
    async with await asyncio.start_server(relay.take, "127.0.0.1", 0) as server:
        relay.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield relay
        relay.cut()
