"""What surrounds every request: its id, its log line, the pages that may ask, and an answer when the code fails."""

from __future__ import annotations

import asyncio
import logging
import re
import secrets
import time
from collections.abc import Sequence

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocket

from gateway.errors import Forbidden, InternalError, ServiceError, Unavailable, error_response
from gateway.log import request_id

REQUEST_ID_HEADER = "X-Request-Id"
ASKED_OFTEN = ("/health", "/v1/progress/")  # logged for debugging only

_ACCEPTED_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")
_log = logging.getLogger("gateway.request")


class RequestRecord:
    """Gives each request an id (the client's own if it sent a sane one) and a line in the log."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        identity = _identity(Headers(scope=scope))
        scope.setdefault("state", {})["request_id"] = identity
        status: list[int] = []

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                status.append(message["status"])
                MutableHeaders(scope=message)[REQUEST_ID_HEADER] = identity
            await send(message)

        began = time.monotonic()
        token = request_id.set(identity)
        try:
            await self.app(scope, receive, send_with_id)
        finally:
            level = logging.DEBUG if scope["path"].startswith(ASKED_OFTEN) else logging.INFO
            _log.log(level, "request", extra=_summary(scope, status, time.monotonic() - began))
            request_id.reset(token)


class KnownPages:
    """Turns away what web pages of other origins ask.

    CORS hides an answer from them, but only after the work was done and a visitor's allowance spent; and for a
    WebSocket browsers ask no leave at all. They always say which page asks.
    """

    def __init__(self, app: ASGIApp, origins: Sequence[str]) -> None:
        self.app = app
        self.origins = origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        origin = Headers(scope=scope).get("origin") if scope["type"] in ("http", "websocket") else None
        if origin is None or "*" in self.origins or origin in self.origins:
            await self.app(scope, receive, send)
        elif scope["type"] == "websocket":
            await WebSocket(scope, receive, send).close()  # before it is accepted: the handshake is answered with 403
        else:
            refusal = Forbidden("Web pages of this origin may not call the service (STT_SERVER_CORS_ORIGINS).")
            await error_response(refusal)(scope, receive, send)


class LastAnswer:
    """Answers for code that failed without an answer of its own: 500, or 503 when the service stops."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        began = False

        async def watched_send(message: Message) -> None:
            nonlocal began
            began = True
            await send(message)

        async def answer(error: ServiceError) -> None:
            if scope["type"] == "http" and not began:
                await error_response(error)(scope, receive, send)

        try:
            await self.app(scope, receive, watched_send)
        except asyncio.CancelledError:
            await answer(Unavailable("The service is stopping; send the request again."))
            raise
        except Exception:
            _log.exception("a request failed")
            await answer(InternalError())


def _summary(scope: Scope, status: list[int], seconds: float) -> dict[str, object]:
    return {
        "method": scope.get("method", "WEBSOCKET"),
        "path": scope["path"],
        "status": status[0] if status else None,
        "client": (scope.get("client") or ("",))[0],
        "seconds": round(seconds, 3),
    }


def _identity(headers: Headers) -> str:
    sent = headers.get(REQUEST_ID_HEADER, "")
    return sent if _ACCEPTED_ID.fullmatch(sent) else secrets.token_hex(12)
