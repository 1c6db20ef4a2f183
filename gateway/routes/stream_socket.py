"""A live client's socket: frames in, messages out, and the closing frame."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from gateway.errors import BadRequest, PaymentRequired, RequestTimeout, RetryLater, ServiceError, Unauthorized
from gateway.streaming import messages
from gateway.streaming.messages import Message

NORMAL, REFUSED, FAILED, RESTART, TRY_LATER = 1000, 1008, 1011, 1012, 1013  # RFC 6455, 7.4.1, and IANA
REASON_BYTES = 123  # RFC 6455, 5.5: a closing frame holds 125, its code takes 2

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class StreamSocket:
    socket: WebSocket

    async def frame(self) -> str | bytes:
        """The next one. Raises WebSocketDisconnect."""
        message = await self.socket.receive()
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message.get("code", NORMAL))
        text: str | None = message.get("text")
        return text if text is not None else bytes(message["bytes"])

    async def send(self, message: Message) -> None:
        """Raises WebSocketDisconnect."""
        if self.socket.client_state is WebSocketState.DISCONNECTED:
            raise WebSocketDisconnect
        await self.socket.send_json(message)

    async def say(self, problem: str) -> None:
        """A message of what is wrong."""
        await self.send(messages.failure(problem))

    async def close(self, code: int) -> None:
        await self.socket.close(code)

    async def refuse(self, error: ServiceError) -> None:
        """Says what was wrong and closes, if somebody still listens."""
        try:
            await self.say(error.message)
            await self.socket.close(close_code(error), close_reason(error))
        except (WebSocketDisconnect, RuntimeError):
            _log.info("a live client left before its error: %s", error.message)


def close_code(error: ServiceError) -> int:
    if isinstance(error, BadRequest | Unauthorized | PaymentRequired | RequestTimeout):
        return REFUSED
    return TRY_LATER if isinstance(error, RetryLater) else FAILED


def close_reason(error: ServiceError) -> str:
    """As much of the message as a closing frame holds; one that is longer would not be sent at all."""
    return error.message.encode()[:REASON_BYTES].decode(errors="ignore")
