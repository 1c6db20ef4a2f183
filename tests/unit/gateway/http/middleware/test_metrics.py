from typing import Any, cast

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocket

from gateway.http.middleware.metrics import MetricsMiddleware
from gateway.metrics import Metrics


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(name, labels)


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
def client(metrics: Metrics) -> TestClient:
    async def in_hand(request: Request) -> Response:
        return Response(str(value(metrics, "stt_requests_in_hand", route="/work/{name}")))

    async def talk(socket: WebSocket) -> None:
        await socket.accept()
        await socket.close(1008)

    routes = [Route("/work/{name}", in_hand), WebSocketRoute("/talk", talk)]
    counted = Middleware(MetricsMiddleware, metrics=metrics, routes=routes)
    return TestClient(Starlette(routes=routes, middleware=[counted]))


def test_a_request_is_counted_by_its_route_and_status(client: TestClient, metrics: Metrics) -> None:
    for name in ("one", "two"):
        client.get(f"/work/{name}")

    assert value(metrics, "stt_requests_total", route="/work/{name}", status="200") == 2
    assert value(metrics, "stt_request_seconds_count", route="/work/{name}") == 2


def test_a_request_is_in_hand_until_it_is_answered(client: TestClient, metrics: Metrics) -> None:
    assert client.get("/work/one").text == "1.0"
    assert value(metrics, "stt_requests_in_hand", route="/work/{name}") == 0


def test_addresses_that_nobody_serves_make_one_series(client: TestClient, metrics: Metrics) -> None:
    for path in ("/a", "/b"):
        client.get(path)

    assert value(metrics, "stt_requests_total", route="other", status="404") == 2


def test_a_live_session_is_counted_by_its_close_code(client: TestClient, metrics: Metrics) -> None:
    with client.websocket_connect("/talk") as socket:
        socket.receive()

    assert value(metrics, "stt_requests_total", route="/talk", status="1008") == 1


async def test_a_client_that_leaves_without_an_answer_is_counted_as_gone(metrics: Metrics) -> None:
    async def nothing(*_: Any) -> None:
        return

    await MetricsMiddleware(nothing, metrics, [])({"type": "http", "path": "/"}, cast(Any, None), cast(Any, None))

    assert value(metrics, "stt_requests_total", route="other", status="499") == 1
