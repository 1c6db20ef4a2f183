"""The HTTP server: uvicorn with limits on a request's head, drained before it ends."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import time
from collections.abc import Callable, Generator

import uvicorn
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from gateway.draining import Draining
from gateway.http.header_timeout import HeaderTimeoutProtocol
from gateway.http.websocket_limits import LimitedWebSocketProtocol
from gateway.settings import Settings

CLEAN_UP_SECONDS = 5.0  # for requests that were cancelled

_log = logging.getLogger(__name__)


class HttpServer(uvicorn.Server):
    """uvicorn without its own signal handling, which would end the process before Triton is stopped.

    It drains as `gateway.draining` describes; uvicorn alone would cut live sessions off. `should_exit` begins the
    drain, `force_exit` ends it at once.
    """

    def __init__(self, config: uvicorn.Config, draining: Draining, on_ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._draining = draining
        self._on_ready = on_ready

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._on_ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._draining.announced = True
        await self._wait_while(lambda: True, self._draining.announce_seconds)
        for server in self.servers:
            server.close()
        for connection in list(self.server_state.connections):
            if not isinstance(connection, WebSocketsSansIOProtocol):
                connection.shutdown()  # after its answer
        self._draining.hand_over.set()
        await self._wait_while(self._is_busy, self._draining.finish_seconds)
        await self._cancel()

    def describe_in_flight(self) -> str:
        """What a drain would wait for now, for people; "" for nothing."""
        requests = len(self.server_state.tasks)
        return self._draining.describe() or (f"{requests} request{'s' * (requests > 1)}" if requests else "")

    def _is_busy(self) -> bool:
        return bool(self.server_state.connections or self.server_state.tasks)

    async def _cancel(self) -> None:
        """Ends what has not finished: requests are answered with 503, live sessions are closed with 1012."""
        if not (tasks := set(self.server_state.tasks)):
            return
        _log.warning("not finished and cancelled: %s", self.describe_in_flight())
        with _cancellations_unlogged():
            for connection in list(self.server_state.connections):
                connection.shutdown()
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks, timeout=CLEAN_UP_SECONDS)

    async def _wait_while(self, condition: Callable[[], object], seconds: float) -> None:
        end = time.monotonic() + seconds
        while condition() and time.monotonic() < end and not self.force_exit:
            await asyncio.sleep(0.05)


@contextlib.contextmanager
def _cancellations_unlogged() -> Generator[None, None, None]:
    """uvicorn logs the traceback of every request that is cancelled, though nothing is wrong in the code."""

    def is_worth_logging(record: logging.LogRecord) -> bool:
        return not (record.exc_info and isinstance(record.exc_info[1], asyncio.CancelledError))

    log = logging.getLogger("uvicorn.error")
    log.addFilter(is_worth_logging)
    try:
        yield
    finally:
        log.removeFilter(is_worth_logging)


def http_config(app: object, settings: Settings) -> uvicorn.Config:
    return uvicorn.Config(
        app,  # type: ignore[arg-type]
        http=HeaderTimeoutProtocol,  # h11 limits the size of a request's head; httptools does not
        lifespan="off",
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,  # accounts decide which proxies are believed
        ws=LimitedWebSocketProtocol,
        ws_per_message_deflate=False,  # 16 kB on the wire would be 16 MB here, and sound does not shrink
        ws_max_size=settings.stream.max_frame_bytes,
        ws_ping_interval=settings.stream.ping_seconds,
        ws_ping_timeout=None,  # a pong may wait behind audio; a silent client is found by stream.idle_seconds
    )
