"""GET /v1/usage: the caller's own figures. Beside the published contract."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from gateway.accounts import Presented
from gateway.services import services_of


async def show_usage(request: Request) -> Response:
    accounts = services_of(request).accounts
    usage = await accounts.usage(await accounts.identify(Presented.by(request)))
    return JSONResponse(usage.as_json(), headers={"Cache-Control": "no-store"})
