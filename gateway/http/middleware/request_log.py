"""Every request has an id and a line in the log."""

from __future__ import annotations

import logging
import re
import secrets
import time

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.log import REQUEST_LOGGER, request_id

REQUEST_ID_HEADER = "X-Request-Id"
NO_CLOSE_CODE = 1005  # RFC 6455, 7.4.1
CLIENT_GONE = 499
POLLED_PATHS = ("/health", "/v1/progress/")  # logged for debugging only
LONGEST_PATH = 500  # characters in the log; h11 lets a path of a quarter of a megabyte in

_ACCEPTED_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")
_log = logging.getLogger(REQUEST_LOGGER)


class RequestLogMiddleware:
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
            elif message["type"] in ("websocket.close", "websocket.http.response.start"):
                status.append(message["code"] if "code" in message else message["status"])
            await send(message)

        async def receive_with_status() -> Message:
            message = await receive()
            if message["type"] == "websocket.disconnect":
                status.append(message.get("code", NO_CLOSE_CODE))
            return message

        began = time.monotonic()
        token = request_id.set(identity)
        try:
            await self.app(scope, receive_with_status, send_with_id)
        finally:
            level = logging.DEBUG if scope["path"].startswith(POLLED_PATHS) else logging.INFO
            _log.log(level, "request", extra=_summary(scope, status, time.monotonic() - began))
            request_id.reset(token)


def _summary(scope: Scope, status: list[int], seconds: float) -> dict[str, object]:
    return {
        "method": scope.get("method", "WEBSOCKET"),
        "path": scope["path"][:LONGEST_PATH],
        "status": status[0] if status else CLIENT_GONE,  # of a live session its close code
        "client": (scope.get("client") or ("",))[0],
        "seconds": round(seconds, 3),
    }


def _identity(headers: Headers) -> str:
    sent = headers.get(REQUEST_ID_HEADER, "")
    return sent if _ACCEPTED_ID.fullmatch(sent) else secrets.token_hex(12)
