"""WebSockets as uvicorn speaks them, with an end to what costs a client nothing.

A ping is answered, and an empty frame is kept, before the application hears of it, however many come.
"""

from __future__ import annotations

from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from gateway.http.write_timeout import WriteTimeout

IDLE_FRAMES_A_SECOND = 50  # pings, pongs and fragments of next to nothing, above which a connection is aborted
SMALL_FRAGMENT = 256  # bytes
MOST_FRAGMENTS = 4096  # of one message


class LimitedWebSocketProtocol(WriteTimeout, WebSocketsSansIOProtocol):
    _second = 0  # of the loop's clock, in which idle frames are counted
    _idle_frames = 0

    def handle_ping(self) -> None:
        if self._is_flood() or not self.writable.is_set():
            self.conn.data_to_send()  # the answer: nobody would read it
            return
        super().handle_ping()

    def handle_pong(self, event: Any) -> None:
        if not self._is_flood():
            super().handle_pong(event)

    def handle_cont(self, event: Any) -> None:
        if len(event.data) < SMALL_FRAGMENT and not event.fin and self._is_flood():
            return
        if len(self.frames) >= MOST_FRAGMENTS:
            self.transport.abort()
            return
        super().handle_cont(event)

    def _is_flood(self) -> bool:
        """Counts a frame that means nothing; too many of them end the connection."""
        second = int(self.loop.time())
        self._idle_frames = self._idle_frames + 1 if second == self._second else 1
        self._second = second
        if self._idle_frames > IDLE_FRAMES_A_SECOND:
            self.transport.abort()
            return True
        return False
