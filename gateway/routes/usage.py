"""GET /v1/usage: the caller's own figures. Beside the published contract."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from gateway.accounts import Credentials
from gateway.services import services_of


async def show_usage(request: Request) -> Response:
    accounts = services_of(request).accounts
    usage = await accounts.usage(await accounts.identify(Credentials.of(request)))
    return JSONResponse(usage.as_json(), headers={"Cache-Control": "no-store"})
