"""Which web pages may call a service whose origins are set."""

from __future__ import annotations

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from gateway.http.middleware.origin_check import OriginCheck


@pytest.mark.parametrize(
    ("host", "origin", "status"),
    [
        ("stt.example", "https://app.example", 200),
        ("127.0.0.1:8080", "http://127.0.0.1:8080", 200),
        ("[::1]:8080", "http://[::1]:8080", 200),
        ("localhost:8080", "http://localhost:8080", 200),
        ("127.0.0.1:8080", "http://127.0.0.1:9000", 403),
        ("127.0.0.1:8080", "http://localhost:8080", 403),
        ("stt.example", "https://stt.example", 403),  # a name may be made to point here by somebody else
        ("evil.example:8080", "http://evil.example:8080", 403),
        ("127.0.0.1:8080", "null", 403),
        ("127.0.0.1:8080", "http://[", 403),
    ],
)
def test_the_listed_origins_and_the_services_own_address_may_call(host: str, origin: str, status: int) -> None:
    async def answer(_: Request) -> PlainTextResponse:
        return PlainTextResponse("heard")

    checked = [Middleware(OriginCheck, origins=["https://app.example"])]
    client = TestClient(Starlette(routes=[Route("/", answer)], middleware=checked))

    assert client.get("/", headers={"Host": host, "Origin": origin}).status_code == status
