"""A timeout on request headers, against slowloris clients.

uvicorn waits for the head of a request without end; a few thousand connections that send a byte now and then
would take every file descriptor of the process.
"""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.h11_impl import H11Protocol

from gateway.http.write_timeout import WriteTimeout

HEAD_SECONDS = 20.0  # from the first byte of a request, or from connecting, to the end of its head


class HeaderTimeoutProtocol(WriteTimeout, H11Protocol):
    """HTTP/1.1 as uvicorn speaks it, that closes connections which do not finish the head of a request."""

    head_seconds = HEAD_SECONDS
    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._start_timeout()

    def data_received(self, data: bytes) -> None:
        self._start_timeout()
        super().data_received(data)
        if self._in_request():
            self._cancel_timeout()

    def connection_lost(self, exc: Exception | None) -> None:
        self._cancel_timeout()
        super().connection_lost(exc)

    def _in_request(self) -> bool:
        """A head has come, and its answer has not gone yet. A WebSocket has another protocol from then on."""
        upgraded = self.transport.get_protocol() is not self
        return upgraded or (self.cycle is not None and not self.cycle.response_complete)

    def _start_timeout(self) -> None:
        if self._deadline is None and not self._in_request():
            self._deadline = self.loop.call_later(self.head_seconds, self.transport.close)

    def _cancel_timeout(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
