"""Live speech to text that goes on where a connection breaks or a gateway restarts: nothing lost, nothing twice.

    stream = LiveStream("ws://127.0.0.1:8080/v1/stream", config={"language": "en"})
    async for message in stream.listen(microphone()):
        if message["type"] == "transcript":
            print(message["text"])

Needs `websockets` alone; copy it where you want it.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus

WIDTHS = {"pcm16": 2, "float32": 4, "mulaw": 1, "alaw": 1}  # bytes of a sample, by encoding
FRAME_SECONDS = 0.1
COMPLETE, REFUSED = 1000, 1008  # close codes after which nothing is tried again


class Refused(Exception):
    """The service says why it does not go on."""


class KeptSound:
    """Sound that may have to be sent again: bytes by their place in the whole of it."""

    def __init__(self) -> None:
        self.start = 0  # bytes, of what is kept
        self.ended = False
        self._kept = bytearray()
        self._changed = asyncio.Condition()

    async def fill(self, sound: AsyncIterator[bytes]) -> None:
        """Keeps all of it, until it is forgotten."""
        try:
            async for piece in sound:
                async with self._changed:
                    self._kept += piece
                    self._changed.notify_all()
        finally:
            async with self._changed:
                self.ended = True
                self._changed.notify_all()

    def forget_before(self, place: int) -> None:
        del self._kept[: max(0, place - self.start)]
        self.start = max(self.start, place)

    async def after(self, place: int, most: int) -> bytes:
        """What comes next; b"" at the end of all sound."""
        async with self._changed:
            await self._changed.wait_for(lambda: self.start + len(self._kept) > place or self.ended)
            return bytes(self._kept[place - self.start : place - self.start + most])


@dataclass
class LiveStream:
    """`url` is that of the stream, `config` what docs/websocket.md names: language, model, keyterms, prompt …"""

    url: str
    key: str = ""
    sample_rate: int = 16_000  # Hz
    encoding: str = "pcm16"
    patience: float = 120.0  # seconds without a connection, after which the last failure is raised
    config: Mapping[str, Any] = field(default_factory=dict)
    session: str = ""  # its id, once there is one
    position: int = 0  # samples that no other connection needs
    words: list[dict[str, Any]] = field(default_factory=list)  # that came and end after it
    complete: bool = False
    _kept: KeptSound = field(default_factory=KeptSound)
    _lost_at: float | None = None

    async def listen(self, sound: AsyncIterator[bytes]) -> AsyncGenerator[dict[str, Any], None]:
        """The service's messages, over as many connections as it takes; times count from the start of the sound.

        sound: pieces of any size, one channel
        raises: Refused, and what connecting raised last
        """
        filling = asyncio.create_task(self._kept.fill(sound))
        try:
            while not self.complete:
                try:
                    async for message in self._connection():
                        yield message
                except InvalidStatus as refusal:
                    if refusal.response.status_code < 500:
                        raise
                    self._wait_no_longer(refusal)
                except (OSError, InvalidHandshake, ConnectionClosed) as failure:
                    self._wait_no_longer(failure)
                if not self.complete:
                    await asyncio.sleep(random.uniform(0.1, 0.5))  # many clients come again at once otherwise
        finally:
            filling.cancel()

    async def _connection(self) -> AsyncGenerator[dict[str, Any], None]:
        """Until it ends. Raises Refused, ConnectionClosed and what connecting raises."""
        headers = {"Authorization": f"Bearer {self.key}"} if self.key else {}
        last, error = None, ""
        async with AsyncExitStack() as stack:
            socket = await stack.enter_async_context(
                connect(self.url, additional_headers=headers, max_size=None, ping_timeout=None)
            )
            await socket.send(json.dumps(self.request()))
            with suppress(ConnectionClosed):
                async for text in socket:
                    message = json.loads(text)
                    if message["type"] == "ready":
                        self.session, self._lost_at = message["session"], None
                        sending = asyncio.create_task(self._send(socket))
                        stack.callback(sending.cancel)
                    error = message.get("error", error)
                    self.acknowledge(message)
                    last = message
                    if not message["final"]:
                        yield message
        self.complete = socket.close_code == COMPLETE
        if socket.close_code == REFUSED:
            raise Refused(error)
        if self.complete and last is not None:
            yield last

    def request(self) -> dict[str, Any]:
        """The config that the next connection begins with."""
        resume = {"session": self.session, "position": self.position, "words": self.words} if self.session else True
        return {**self.config, "encoding": self.encoding, "sample_rate": self.sample_rate, "resume": resume}

    def acknowledge(self, message: Mapping[str, Any]) -> None:
        """Takes in what a message says of the sound that need not be sent again."""
        self.words += message.get("words", []) if message["type"] == "transcript" else []
        self.position = message.get("acknowledged", self.position)
        self.words = [word for word in self.words if word["end"] * self.sample_rate > self.position]
        self._kept.forget_before(self.position * WIDTHS[self.encoding])

    async def _send(self, socket: ClientConnection) -> None:
        width = WIDTHS[self.encoding]
        place, frame = self.position * width, int(self.sample_rate * FRAME_SECONDS) * width
        with suppress(ConnectionClosed):
            while piece := await self._kept.after(place, frame):
                await socket.send(piece)
                place += len(piece)
            await socket.send('{"action": "stop"}')

    def _wait_no_longer(self, failure: Exception) -> None:
        """Raises the failure when the connection was lost too long ago."""
        now = time.monotonic()
        self._lost_at = self._lost_at or now
        if now - self._lost_at > self.patience:
            raise failure
