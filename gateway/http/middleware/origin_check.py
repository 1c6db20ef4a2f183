"""Which web pages may call the service at all."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket

from gateway.errors import Forbidden, error_response


class OriginCheck:
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
            await error_response(refusal, scope)(scope, receive, send)
