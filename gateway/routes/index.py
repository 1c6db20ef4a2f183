"""GET /: what is at this address, for programs; for browsers, the web page."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, WebSocketRoute

from gateway.api.catalogue import ServiceIndex
from gateway.routes import page
from gateway.routes.reference import DOCS_PATH
from gateway.services import services_of


async def index(request: Request) -> Response:
    if services_of(request).settings.server.page and page.is_wanted(request):
        return page.show_page(request)
    paths = [route.path for route in request.app.routes if isinstance(route, Route | WebSocketRoute)]
    answer: ServiceIndex = {"service": "stt", "docs": DOCS_PATH if DOCS_PATH in paths else None, "endpoints": paths}
    return JSONResponse(answer, headers={"Vary": "Accept"})
