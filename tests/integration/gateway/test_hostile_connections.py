"""Clients over real sockets that cost nothing to themselves."""

from __future__ import annotations

import asyncio
import select
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

import httpx
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
FRAGMENT = b"\x00\xfe\x01\x00\0\0\0\0" + bytes(256)  # large enough to mean something
PIECE = bytes(256 * 1024)


@dataclass
class Application:
    """Sends without end to whoever connects at /, listens at /listen, and answers at /answer."""

    left: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await (self._websocket if scope["type"] == "websocket" else self._http)(scope, receive, send)
        finally:
            self.left.set()

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        if scope["path"] == "/answer":
            await send({"type": "http.response.body", "body": b"well"})
            return
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
    head_seconds = 3.0


class HastyWebSocket(LimitedWebSocketProtocol):
    write_seconds = 0.2
    pings = 0

    def handle_ping(self) -> None:
        self.pings += 1
        super().handle_ping()


def head(path: str, websocket: bool = False) -> bytes:
    upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n" if websocket else ""
    key = "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n" if websocket else ""
    return f"GET {path} HTTP/1.1\r\nHost: x\r\n{upgrade}{key}\r\n".encode()


@contextmanager
def deaf_peer(port: int, opening: bytes) -> Iterator[socket.socket]:
    """Says so much, and reads nothing."""
    with socket.socket() as peer:
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        peer.connect(("127.0.0.1", port))
        peer.setblocking(False)
        peer.send(opening)
        yield peer


async def answered(peer: socket.socket) -> None:
    """Until something came for it, which it does not read."""
    watched = select.poll()
    watched.register(peer, select.POLLIN)
    while not watched.poll(0):
        await asyncio.sleep(0.01)


@pytest.fixture
def application() -> Application:
    return Application()


@pytest.fixture
async def server(application: Application) -> AsyncIterator[uvicorn.Server]:
    config = http_config(application, Settings())
    config.http, config.ws, config.port = HastyHttp, HastyWebSocket, 0
    server = uvicorn.Server(config)
    running = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    yield server
    server.should_exit = True
    await running


@pytest.fixture
def port(server: uvicorn.Server) -> int:
    return int(server.servers[0].sockets[0].getsockname()[1])


@pytest.mark.parametrize("websocket", [False, True])
async def test_a_client_that_never_reads_is_cut_off(port: int, application: Application, websocket: bool) -> None:
    with deaf_peer(port, head("/", websocket)):
        async with asyncio.timeout(60):
            await application.left.wait()


async def test_while_three_hundred_sockets_misbehave_everybody_else_is_answered(
    server: uvicorn.Server, port: int
) -> None:
    """Heads that never end, answers that are never read, sockets that only ping: then all of them are gone."""
    with ExitStack() as stack:
        openings = (b"GET /answer HTTP/1.1\r\nHost: x", head("/"), head("/listen", websocket=True))
        peers = [stack.enter_context(deaf_peer(port, opening)) for opening in openings for _ in range(100)]
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60, trust_env=False) as client:
            for peer in peers[-100:]:
                await answered(peer)
                peer.send(PING * 1000)
                assert (await client.get("/answer")).text == "well"
        async with asyncio.timeout(120):
            while server.server_state.connections:
                await asyncio.sleep(0.05)


async def test_pings_of_a_client_that_does_not_read_take_no_memory(
    server: uvicorn.Server, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also so few of them that they are no flood."""
    monkeypatch.setattr(HastyWebSocket, "write_seconds", 600.0)
    with deaf_peer(port, head("/", websocket=True)) as peer:
        async with asyncio.timeout(60):
            while not (sockets := [each for each in server.server_state.connections if type(each) is HastyWebSocket]):
                await asyncio.sleep(0.01)
            (connection,) = sockets
            while connection.writable.is_set():
                await asyncio.sleep(0.01)
            before = connection.transport.get_write_buffer_size()
            peer.send(PING * (IDLE_FRAMES_A_SECOND // 2))
            while connection.pings < IDLE_FRAMES_A_SECOND // 2:
                await asyncio.sleep(0.01)
        assert connection.transport.get_write_buffer_size() <= before
        connection.transport.abort()


FLOODS = {
    "pings": PING * 1000,
    "fragments": TEXT_BEGINS + EMPTY_FRAGMENT * 1000,
    "large fragments": TEXT_BEGINS + FRAGMENT * 5000,
}


@pytest.mark.parametrize("flood", FLOODS.values(), ids=FLOODS.keys())
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
