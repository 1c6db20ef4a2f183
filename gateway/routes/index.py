"""GET /: what is at this address."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, WebSocketRoute

from gateway.api.catalogue import ServiceIndex
from gateway.routes.reference import DOCS_PATH


async def index(request: Request) -> Response:
    paths = [route.path for route in request.app.routes if isinstance(route, Route | WebSocketRoute)]
    answer: ServiceIndex = {"service": "stt", "docs": DOCS_PATH if DOCS_PATH in paths else None, "endpoints": paths}
    return JSONResponse(answer)
