import asyncio
from collections.abc import AsyncIterator

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send

from gateway.http.header_timeout import HeaderTimeoutProtocol


class HastyProtocol(HeaderTimeoutProtocol):
    head_seconds = 0.2


async def answer_slowly(scope: Scope, receive: Receive, send: Send) -> None:
    await asyncio.sleep(3 * HastyProtocol.head_seconds)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


@pytest.fixture
async def port() -> AsyncIterator[int]:
    server = uvicorn.Server(uvicorn.Config(answer_slowly, port=0, http=HastyProtocol, lifespan="off", log_config=None))
    running = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    await running


@pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: "])
async def test_a_head_that_never_ends_closes_the_connection(port: int, sent: bytes) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(sent)

    async with asyncio.timeout(30):
        assert await reader.read() == b""
    writer.close()


async def test_a_request_whose_answer_takes_long_is_left_alone(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for _ in range(2):  # the same connection, twice
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        async with asyncio.timeout(30):
            answer = await reader.readuntil(b"ok")
        assert answer.startswith(b"HTTP/1.1 200")
    writer.close()
