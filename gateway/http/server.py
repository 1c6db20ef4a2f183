"""The HTTP server: uvicorn with limits on a request's head, drained before it ends."""

from __future__ import annotations

import asyncio
import contextlib
import math
import socket
import time
from collections.abc import Callable, Generator
from typing import Any

import uvicorn
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from gateway.draining import Draining
from gateway.http.header_timeout import HeaderTimeoutProtocol
from gateway.settings import Settings


class HttpServer(uvicorn.Server):
    """uvicorn without its own signal handling, which would end the process before Triton is stopped.

    It drains as `gateway.draining` describes; uvicorn alone would cut live sessions off.
    """

    def __init__(self, config: uvicorn.Config, draining: Draining) -> None:
        super().__init__(config)
        self._draining = draining

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._draining.announced = True
        await self._wait_while(lambda: True, self._draining.seconds)
        for server in self.servers:
            server.close()
        for connection in self.server_state.connections - self._live():
            connection.shutdown()  # after its answer
        self._draining.hand_over.set()
        began, limit = time.monotonic(), self.config.timeout_graceful_shutdown or 0
        await self._wait_while(self._live, limit)
        self.config.timeout_graceful_shutdown = max(0, math.ceil(limit - (time.monotonic() - began)))
        await super().shutdown(sockets)

    def _live(self) -> set[Any]:
        """Connections of live sessions."""
        return {each for each in self.server_state.connections if isinstance(each, WebSocketsSansIOProtocol)}

    async def _wait_while(self, condition: Callable[[], object], seconds: float) -> None:
        end = time.monotonic() + seconds
        while condition() and time.monotonic() < end and not self.force_exit:
            await asyncio.sleep(0.05)


def http_config(app: object, settings: Settings) -> uvicorn.Config:
    return uvicorn.Config(
        app,  # type: ignore[arg-type]
        http=HeaderTimeoutProtocol,  # h11 limits the size of a request's head; httptools does not
        lifespan="off",
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,  # accounts decide which proxies are believed
        timeout_graceful_shutdown=int(settings.server.shutdown_seconds),
        ws=WebSocketsSansIOProtocol,
        ws_max_size=settings.stream.max_frame_bytes,
        ws_ping_interval=settings.stream.ping_seconds,
        ws_ping_timeout=None,  # a pong may wait behind audio; a silent client is found by stream.idle_seconds
    )
