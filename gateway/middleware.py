"""What surrounds every request: its id, its log line, and an answer when the code fails."""

from __future__ import annotations

import asyncio
import logging
import re
import secrets
import time

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.errors import InternalError, ServiceError, Unavailable, error_response
from gateway.log import request_id

REQUEST_ID_HEADER = "X-Request-Id"

_ACCEPTED_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")
_log = logging.getLogger("gateway.request")


class RequestRecord:
    """Gives each request an id (the client's own if it sent a sane one), logs it, turns failures into 500."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        identity = _identity(Headers(scope=scope))
        scope.setdefault("state", {})["request_id"] = identity
        token = request_id.set(identity)
        try:
            await _Exchange(scope, identity, send).run(self.app, receive)
        finally:
            request_id.reset(token)


class _Exchange:
    """One request and the answer that was sent to it so far."""

    def __init__(self, scope: Scope, identity: str, send: Send) -> None:
        self.scope = scope
        self.identity = identity
        self._send = send
        self.status: int | None = None
        self.began = time.monotonic()

    async def run(self, app: ASGIApp, receive: Receive) -> None:
        try:
            await app(self.scope, receive, self.send)
        except asyncio.CancelledError:
            _log.warning("cancelled", extra=self.summary())
            await self.answer(Unavailable("The service is stopping; send the request again."), receive)
            raise
        except Exception:
            _log.exception("failed", extra=self.summary())
            await self.answer(InternalError(), receive)
        else:
            _log.info("answered", extra=self.summary())

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            MutableHeaders(scope=message)[REQUEST_ID_HEADER] = self.identity
        await self._send(message)

    async def answer(self, error: ServiceError, receive: Receive) -> None:
        if self.status is None and self.scope["type"] == "http":
            await error_response(error)(self.scope, receive, self.send)

    def summary(self) -> dict[str, object]:
        return {
            "method": self.scope.get("method", "WEBSOCKET"),
            "path": self.scope["path"],
            "status": self.status,
            "client": (self.scope.get("client") or ("",))[0],
            "seconds": round(time.monotonic() - self.began, 3),
            **self.scope["state"].get("log", {}),
        }


def _identity(headers: Headers) -> str:
    sent = headers.get(REQUEST_ID_HEADER, "")
    return sent if _ACCEPTED_ID.fullmatch(sent) else secrets.token_hex(12)
