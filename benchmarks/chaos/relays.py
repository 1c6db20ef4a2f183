"""What stands between two parts of a run and breaks on command: a relay of TCP or of a Unix socket."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

PIECE = 65536  # bytes
COMMIT = b"COMMIT"


@dataclass
class BreakableRelay:
    target: int | Path  # port on this machine, or a Unix socket
    silent: bool = False  # nothing is passed on and nobody is told: a line that is cut without a word
    cut_after_commit: bool = False  # once: the next COMMIT arrives, and its answer never does
    commits_cut: int = 0
    _open: set[asyncio.StreamWriter] = field(default_factory=set)

    def cut(self) -> None:
        """Ends all connections at once."""
        for writer in list(self._open):
            writer.transport.abort()

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            await self._connect(reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.transport.abort()
            self._open.discard(writer)

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._wait()
        if isinstance(self.target, Path):
            there = await asyncio.open_unix_connection(str(self.target))
        else:
            there = await asyncio.open_connection("127.0.0.1", self.target)
        self._open.add(there[1])
        ways = [
            asyncio.create_task(self._carry(reader, there[1], from_client=True)),
            asyncio.create_task(self._carry(there[0], writer, from_client=False)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            there[1].transport.abort()
            self._open.discard(there[1])

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, from_client: bool) -> None:
        while piece := await reader.read(PIECE):
            await self._wait()
            writer.write(piece)
            await writer.drain()
            if from_client and self.cut_after_commit and COMMIT in piece:
                self.cut_after_commit = False
                self.commits_cut += 1
                return

    async def _wait(self) -> None:
        while self.silent:
            await asyncio.sleep(0.05)


@asynccontextmanager
async def relayed(relay: BreakableRelay, socket: Path | None = None) -> AsyncIterator[int]:
    """The port where it listens, or 0 where it listens on the Unix socket."""
    if socket is not None:
        server = await asyncio.start_unix_server(relay.take, str(socket))
    else:
        server = await asyncio.start_server(relay.take, "127.0.0.1", 0)
    try:
        yield 0 if socket is not None else server.sockets[0].getsockname()[1]
    finally:
        server.close()
        relay.silent = False
        relay.cut()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(server.wait_closed(), 5)
