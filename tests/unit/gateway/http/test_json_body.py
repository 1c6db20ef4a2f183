"""Bodies of JSON are bounded as uploads are."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from starlette.requests import Request

from gateway.errors import BadRequest, ClientGone, RequestTimeout, TooLarge
from gateway.http.json_body import read_body, read_object

LARGEST = 1024**2  # bytes


def sending(*pieces: bytes, leaves: bool = False) -> Request:
    """One whose body never ends."""
    left = [{"type": "http.request", "body": piece, "more_body": True} for piece in pieces]

    async def receive() -> Any:
        if left:
            return left.pop(0)
        return {"type": "http.disconnect"} if leaves else await asyncio.Event().wait()

    return Request({"type": "http", "method": "POST", "path": "/", "headers": []}, receive)


async def test_a_body_that_stands_still_is_given_up() -> None:
    with pytest.raises(RequestTimeout):
        await asyncio.wait_for(read_body(sending(b'{"url": '), LARGEST, 0.05), 10)


async def test_a_body_that_is_too_large_is_refused_before_it_ends() -> None:
    with pytest.raises(TooLarge, match="The text is too large; accepted are 1 MB"):
        await asyncio.wait_for(read_body(sending(b" " * LARGEST, b" "), LARGEST, 10, "text"), 10)


async def test_a_client_that_leaves_is_gone() -> None:
    with pytest.raises(ClientGone):
        await read_body(sending(b"{", leaves=True), LARGEST, 10)


@pytest.mark.parametrize("body", [b"", b"no", b"[]", b"[" * 100_000, b'"text"'])
def test_what_is_no_object_is_told_what_is_accepted(body: bytes) -> None:
    with pytest.raises(BadRequest, match=r'send {"a": 1}\.'):
        read_object(body, '{"a": 1}')
