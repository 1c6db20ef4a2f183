"""An answer when the code fails."""

from __future__ import annotations

import asyncio
import logging

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.errors import InternalError, ServiceError, Unavailable, error_response, failure

_log = logging.getLogger(__name__)


class ErrorBoundary:
    """Answers for code that failed without an answer of its own: 500, or 503 when the service stops or the machine is
    short of descriptors, memory or processes."""

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
                await error_response(error, scope)(scope, receive, send)

        try:
            await self.app(scope, receive, watched_send)
        except asyncio.CancelledError:
            await answer(Unavailable("The service is stopping; send the request again."))
            raise
        except Exception as error:
            told = failure(error)
            if isinstance(told, InternalError):
                _log.exception("a request failed")
            else:
                _log.error("a request failed: %s", error)
            await answer(told)
