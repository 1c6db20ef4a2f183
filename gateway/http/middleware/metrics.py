"""Counts requests for Prometheus."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.routing import BaseRoute, Match, Route, WebSocketRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.metrics import Metrics

UNROUTED = "other"  # the route of requests to addresses where nothing is


class MetricsMiddleware:
    """Counts every request that comes in."""

    def __init__(self, app: ASGIApp, metrics: Metrics, routes: Sequence[BaseRoute]) -> None:
        self.app = app
        self._metrics = metrics
        self._routes = [route for route in routes if isinstance(route, Route | WebSocketRoute)]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        with self._metrics.request(self._path(scope)) as status:

            async def send_counted(message: Message) -> None:
                if message["type"] == "http.response.start":
                    status.append(str(message["status"]))
                elif message["type"] == "websocket.close":
                    status.append(str(message["code"]))
                await send(message)

            await self.app(scope, receive, send_counted)

    def _path(self, scope: Scope) -> str:
        """The route's pattern, not the address itself: nobody outside chooses how many series there are."""
        for route in self._routes:
            if route.matches(scope)[0] is not Match.NONE:
                return route.path
        return UNROUTED
