"""Clients over real sockets that cost nothing to themselves."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send
from websockets.asyncio.client import connect

from gateway.http.header_timeout import HeaderTimeoutProtocol
from gateway.http.server import http_config
from gateway.http.websocket_limits import IDLE_FRAMES_A_SECOND, LimitedWebSocketProtocol
from gateway.settings import Settings

PING = b"\x89\x80\0\0\0\0"  # masked with nothing, without content
EMPTY_FRAGMENT = b"\x00\x80\0\0\0\0"
TEXT_BEGINS = b"\x01\x80\0\0\0\0"
PIECE = bytes(256 * 1024)


@dataclass
class Application:
    """Sends without end to whoever connects at /, and listens at /listen."""

    left: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await (self._websocket if scope["type"] == "websocket" else self._http)(scope, receive, send)
        finally:
            self.left.set()

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        gone = asyncio.create_task(self._gone(receive))
        while not gone.done():
            await send({"type": "http.response.body", "body": PIECE, "more_body": True})
            await asyncio.sleep(0)

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        gone = asyncio.create_task(self._gone(receive))
        while not gone.done() and scope["path"] == "/":
            await send({"type": "websocket.send", "bytes": PIECE})
            await asyncio.sleep(0)
        await gone

    async def _gone(self, receive: Receive) -> None:
        while not (await receive())["type"].endswith("disconnect"):
            pass


class HastyHttp(HeaderTimeoutProtocol):
    write_seconds = 0.2


class HastyWebSocket(LimitedWebSocketProtocol):
    write_seconds = 0.2


@pytest.fixture
def application() -> Application:
    return Application()


@pytest.fixture
async def port(application: Application) -> AsyncIterator[int]:
    config = http_config(application, Settings())
    config.http, config.ws, config.port = HastyHttp, HastyWebSocket, 0
    server = uvicorn.Server(config)
    running = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    await running


@pytest.mark.parametrize("websocket", [False, True])
async def test_a_client_that_never_reads_is_cut_off(port: int, application: Application, websocket: bool) -> None:
    upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n" if websocket else ""
    key = "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n" if websocket else ""
    with socket.socket() as peer:
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        peer.connect(("127.0.0.1", port))
        peer.sendall(f"GET / HTTP/1.1\r\nHost: x\r\n{upgrade}{key}\r\n".encode())
        async with asyncio.timeout(60):
            await application.left.wait()


@pytest.mark.parametrize("flood", [PING * 1000, TEXT_BEGINS + EMPTY_FRAGMENT * 1000], ids=["pings", "fragments"])
async def test_a_flood_of_frames_that_mean_nothing_ends_the_connection(
    port: int, application: Application, flood: bytes
) -> None:
    async with connect(f"ws://127.0.0.1:{port}/listen", ping_interval=None) as client:
        client.transport.write(flood)
        async with asyncio.timeout(60):
            await client.wait_closed()
            await application.left.wait()


async def test_a_client_may_ping_as_clients_do(port: int, application: Application) -> None:
    async with connect(f"ws://127.0.0.1:{port}/listen", ping_interval=None) as client:
        for _ in range(IDLE_FRAMES_A_SECOND // 2):
            await (await client.ping())
        assert not application.left.is_set()


async def test_messages_are_not_inflated(port: int) -> None:
    async with connect(f"ws://127.0.0.1:{port}/listen") as client:
        assert client.response is not None
        assert "Sec-WebSocket-Extensions" not in client.response.headers
