import asyncio

import pytest
from starlette.requests import Request
from starlette.types import Message

from gateway.errors import ClientGone
from gateway.http.connection import while_connected


def request(leaves: asyncio.Event) -> Request:
    async def receive() -> Message:
        await leaves.wait()
        return {"type": "http.disconnect"}

    return Request({"type": "http", "method": "POST", "headers": []}, receive)


async def test_work_is_done_while_the_client_listens() -> None:
    async def work() -> str:
        return "done"

    assert await while_connected(request(asyncio.Event()), work()) == "done"


async def test_work_has_ended_when_the_clients_departure_is_reported() -> None:
    leaves, ended = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        leaves.set()
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            ended.set()

    with pytest.raises(ClientGone):
        await while_connected(request(leaves), work())

    assert ended.is_set()


async def test_an_error_of_the_work_reaches_the_caller() -> None:
    async def work() -> None:
        raise ValueError("wrong")

    with pytest.raises(ValueError, match="wrong"):
        await while_connected(request(asyncio.Event()), work())


async def test_cancelling_the_request_ends_the_work() -> None:
    ended = asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    serving = asyncio.create_task(while_connected(request(asyncio.Event()), work()))
    await asyncio.sleep(0.01)
    serving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await serving

    assert ended.is_set()
