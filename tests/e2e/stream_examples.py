"""The conversations of docs/websocket.md, held with a service."""

from __future__ import annotations

import json
import signal
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.api_pages import MORE, pretty
from tests.described_api import Document, check_message
from tests.e2e.service_process import ServiceProcess

CONFIG = {"language": "auto", "model": "large-v3-turbo"}
STOP = {"action": "stop"}
BYTES_A_SECOND = 32_000
WIDTH = 170  # of a line
HALF = 4 * BYTES_A_SECOND  # of what is said
SHOWN_WORDS = 3  # of a message; the others are told by number


@dataclass
class Dialogue:
    """Both sides of one connection as the page shows them."""

    socket: ClientConnection
    asyncapi: Document
    lines: list[str] = field(default_factory=list)
    kinds: set[str] = field(default_factory=set)  # of messages that are shown already

    async def send(self, frame: dict[str, Any]) -> None:
        self.lines.append(f"→ {pretty(frame)}")
        await self.socket.send(json.dumps(frame))

    async def speak(self, pcm: bytes) -> None:
        self.lines.append(f"→ {len(pcm) / BYTES_A_SECOND:.1f} s of audio in binary frames")
        for start in range(0, len(pcm), BYTES_A_SECOND // 10):
            await self.socket.send(pcm[start : start + BYTES_A_SECOND // 10])

    async def hear_partial(self) -> None:
        """Waits until the service has understood something."""
        while not (await self.hear())["partial"]:
            pass

    async def hear(self) -> dict[str, Any]:
        message: dict[str, Any] = json.loads(await self.socket.recv())
        check_message(message, self.asyncapi)
        says_nothing = message["type"] == "partial" and not message["partial"]
        if message["type"] not in self.kinds and not says_nothing:
            self.kinds.add(message["type"])
            self.lines.append(f"← {pretty(few_words(message), width=WIDTH)}")
        return message

    async def hear_all(self) -> None:
        try:
            while True:
                await self.hear()
        except ConnectionClosed:
            reason = f": {self.socket.close_reason}" if self.socket.close_reason else ""
            self.lines.append(f"← close {self.socket.close_code}{reason}")


def few_words(message: dict[str, Any]) -> dict[str, Any]:
    words = message.get("words", [])
    if len(words) <= SHOWN_WORDS + 1:
        return message
    return {**message, "words": [*words[:SHOWN_WORDS], f"{MORE} {len(words) - SHOWN_WORDS} more"]}


@dataclass(frozen=True, slots=True)
class StreamRecorder:
    """Holds the conversations."""

    service: ServiceProcess  # with keys and limits
    asyncapi: Document
    key: str
    pcm: bytes  # some seconds of speech

    async def record(self, name: str) -> str:
        example = STREAM_EXAMPLES[name]
        shown = "/v1/stream" + example.query
        headers = {"X-Forwarded-For": "198.51.100.90"}
        lines = [f"connect to {shown}"]
        if example.keyed:
            headers["Authorization"] = f"Bearer {self.key}"
            lines = [f"connect to {shown} with Authorization: Bearer KEY"]
        async with AsyncExitStack() as stack:
            if example.beside:
                other = await stack.enter_async_context(self._connect("/v1/stream?language=en", headers))
                await other.recv()
            socket = await stack.enter_async_context(self._connect(shown.replace("=KEY", f"={self.key}"), headers))
            dialogue = Dialogue(socket, self.asyncapi, lines)
            await example.hold(self, dialogue)
        return "```text\n" + "\n".join(dialogue.lines) + "\n```\n"

    def _connect(self, address: str, headers: dict[str, str]) -> connect:
        url = self.service.url.replace("http:", "ws:") + address
        return connect(url, additional_headers=headers, max_size=None, ping_timeout=None)

    async def with_config(self, dialogue: Dialogue) -> None:
        await dialogue.send(CONFIG)
        await dialogue.hear()
        await dialogue.speak(self.pcm[:HALF])
        await dialogue.hear_partial()
        await dialogue.speak(self.pcm[HALF:])
        await dialogue.send(STOP)
        await dialogue.hear_all()

    async def by_address(self, dialogue: Dialogue) -> None:
        await dialogue.speak(self.pcm[:HALF])
        await dialogue.hear_partial()
        await dialogue.speak(self.pcm[HALF:])
        dialogue.lines.append("→ an empty binary frame")
        await dialogue.socket.send(b"")
        await dialogue.hear_all()

    async def in_klingon(self, dialogue: Dialogue) -> None:
        await dialogue.send({"language": "klingon"})
        await dialogue.hear_all()

    async def refused(self, dialogue: Dialogue) -> None:
        await dialogue.hear_all()

    async def until_restart(self, dialogue: Dialogue) -> None:
        await dialogue.send(CONFIG)
        await dialogue.hear()
        await dialogue.speak(self.pcm[:HALF])
        await dialogue.hear_partial()
        self.service.process.send_signal(signal.SIGTERM)
        await dialogue.hear_all()


@dataclass(frozen=True, slots=True)
class StreamExample:
    """Who does what on a connection."""

    hold: Callable[[StreamRecorder, Dialogue], Awaitable[None]]
    query: str = ""
    keyed: bool = False  # by a header
    beside: bool = False  # another session of the same caller, who may have one


STREAM_EXAMPLES = {
    "stream-config": StreamExample(StreamRecorder.with_config, keyed=True),
    "stream-address": StreamExample(StreamRecorder.by_address, "?token=KEY&language=en"),
    "stream-refused": StreamExample(StreamRecorder.in_klingon, keyed=True),
    "stream-unauthorized": StreamExample(StreamRecorder.refused, "?token=stt_wrong"),
    "stream-busy": StreamExample(StreamRecorder.refused, beside=True),
    "stream-restart": StreamExample(StreamRecorder.until_restart, keyed=True),
}
