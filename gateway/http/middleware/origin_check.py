"""Which web pages may call the service at all."""

from __future__ import annotations

import re
from collections.abc import Sequence
from ipaddress import ip_address

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
        headers = Headers(scope=scope if scope["type"] in ("http", "websocket") else {"headers": []})
        origin = headers.get("origin")
        if origin is None or "*" in self.origins or origin in self.origins or _is_own(origin, headers.get("host", "")):
            await self.app(scope, receive, send)
        elif scope["type"] == "websocket":
            await WebSocket(scope, receive, send).close()  # before it is accepted: the handshake is answered with 403
        else:
            refusal = Forbidden("Web pages of this origin may not call the service (STT_SERVER_CORS_ORIGINS).")
            await error_response(refusal, scope)(scope, receive, send)


def _is_own(origin: str, host: str) -> bool:
    """Whether the service's own page asks, at an address that nobody else can name theirs.

    A name may be made to point here by somebody else's name server, so that the page's origin has it, too: where
    the page is reached by a name, the setting has to list it.
    """
    name = re.sub(r":\d+$", "", host)
    own = origin in (f"http://{host}", f"https://{host}")
    return own and (name == "localhost" or _is_address(name.strip("[]")))


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
