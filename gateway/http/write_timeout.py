"""A timeout on answers, against clients that do not read them.

What is written to a client that does not read waits in memory, and whoever wrote it waits with it, for as long as
the client likes: TCP itself asks such a peer again and again whether it reads.
"""

from __future__ import annotations

import asyncio

WRITE_SECONDS = 30.0
SLOWEST_READER = 256  # bytes a second


class WriteTimeout(asyncio.Protocol):
    """Beside a protocol of uvicorn's: aborts a connection whose client takes next to nothing of what waits for it."""

    write_seconds = WRITE_SECONDS
    transport: asyncio.Transport
    loop: asyncio.AbstractEventLoop
    _waiting = 0  # bytes, when they were looked at last
    _write_deadline: asyncio.TimerHandle | None = None

    def pause_writing(self) -> None:
        super().pause_writing()
        if self._write_deadline is None:
            self._look_later()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._cancel_write_deadline()

    def connection_lost(self, exc: Exception | None) -> None:
        self._cancel_write_deadline()
        super().connection_lost(exc)

    def _look_later(self) -> None:
        self._waiting = self.transport.get_write_buffer_size()
        self._write_deadline = self.loop.call_later(self.write_seconds, self._look)

    def _look(self) -> None:
        taken = self._waiting - self.transport.get_write_buffer_size()
        if taken < SLOWEST_READER * self.write_seconds:
            self.transport.abort()
        else:
            self._look_later()

    def _cancel_write_deadline(self) -> None:
        if self._write_deadline is not None:
            self._write_deadline.cancel()
            self._write_deadline = None
