"""How the HTTP server drains, over real connections."""

import asyncio
import logging
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpx
import pytest
from starlette.types import Receive, Scope, Send

from gateway.draining import Draining
from gateway.http.middleware.error_boundary import ErrorBoundary
from gateway.http.server import HttpServer, http_config
from gateway.settings import Settings


@dataclass
class SlowApp:
    """Answers when it is told to."""

    began: asyncio.Event = field(default_factory=asyncio.Event)
    finish: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.began.set()
        await self.finish.wait()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"done"})


@asynccontextmanager
async def serving(app: SlowApp, draining: Draining) -> AsyncIterator[tuple[HttpServer, asyncio.Task[httpx.Response]]]:
    """A server with one request in flight; it has ended when the block has."""
    ready = asyncio.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = HttpServer(http_config(ErrorBoundary(app), Settings()), draining, on_ready=ready.set)
        running = asyncio.create_task(server.serve(sockets=[listener]))
        await ready.wait()
        async with httpx.AsyncClient() as client:
            asking = asyncio.create_task(client.get(f"http://127.0.0.1:{listener.getsockname()[1]}/"))
            await app.began.wait()
            yield server, asking
            await running


async def test_a_request_in_flight_is_finished() -> None:
    app = SlowApp()
    async with serving(app, Draining()) as (server, asking):
        described = server.describe_in_flight()
        server.should_exit = True
        app.finish.set()
        answer = await asking

    assert described == "1 request"
    assert (answer.status_code, answer.text) == (200, "done")
    assert server.describe_in_flight() == ""


@pytest.mark.parametrize("forced", [False, True], ids=["too slow", "dropped"])
async def test_a_request_that_is_cancelled_is_told_so(forced: bool, caplog: pytest.LogCaptureFixture) -> None:
    draining = Draining(finish_seconds=600 if forced else 0.01)
    async with serving(SlowApp(), draining) as (server, asking):
        server.should_exit = True
        server.force_exit = forced
        answer = await asking

    assert answer.status_code == 503
    assert "stopping" in answer.json()["error"]
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == [
        "not finished and cancelled: 1 request"
    ]
