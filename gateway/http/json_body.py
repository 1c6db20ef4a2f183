"""A body that is JSON: read within bounds of size and time, and understood as one object."""

from __future__ import annotations

import json
import sys
from typing import Any

from starlette.requests import Request

from gateway.errors import BadRequest, TooLarge
from gateway.http.uploads import UploadLimits, pieces


async def read_body(request: Request, largest: int, idle_seconds: float, called: str = "body") -> bytes:
    """largest: bytes; idle_seconds: between two pieces; called: what a message says that it is

    raises: TooLarge; RequestTimeout for one that stands still or trickles, as uploads are given up; ClientGone
    """
    body = bytearray()
    limits = UploadLimits(largest, idle_seconds)
    async for piece in pieces(request, limits, sys.maxsize):  # its words for what is too large are a file's
        body += piece
        if len(body) > largest:
            raise TooLarge(f"The {called} is too large; accepted are {largest // 1024**2} MB.")
    return bytes(body)


def read_object(body: bytes, example: str) -> dict[str, Any]:
    """example: what is accepted. raises: BadRequest"""
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError) as problem:
        raise BadRequest(f"The body is not JSON; send {example}.") from problem
    if not isinstance(fields, dict):
        raise BadRequest(f"The body is not a JSON object; send {example}.")
    return fields
