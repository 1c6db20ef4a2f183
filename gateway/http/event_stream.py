"""Server-sent events whose work ends when the client leaves."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, aclosing
from typing import Protocol

from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from gateway.accounts import Admission
from gateway.errors import ClientGone, ServiceError, Unauthorized
from gateway.http.connection import while_connected

EVENT_STREAM = "text/event-stream"
PING_SECONDS = 10.0  # proxies drop a connection on which nothing moves


class EventSource(Protocol):
    """The events of one answer, and its charge."""

    @property
    def admission(self) -> Admission: ...

    def texts(self) -> AsyncGenerator[str, None]: ...

    def refusal(self, error: ServiceError) -> str:
        """The event that says so."""

    async def left(self) -> None:
        """The client is gone before the end."""


class EventStream(StreamingResponse):
    """Ends its events when the client leaves, also while there is none to send; admitted until then."""

    media_type = EVENT_STREAM

    def __init__(self, request: Request, events: EventSource, admitted: AsyncExitStack) -> None:
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no", **events.admission.limit.headers()}
        self.texts = events.texts()
        super().__init__(self.texts, headers=headers)
        self.request = request
        self.events = events
        self.admitted = admitted

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            async with self.admitted, aclosing(self.texts):
                try:
                    await while_connected(self.request, self.stream_response(send))
                except ClientGone:
                    await self.events.left()
        except Unauthorized as error:  # its key was revoked while the answer went out
            body = self.events.refusal(error).encode()
            await send({"type": "http.response.body", "body": body, "more_body": False})
