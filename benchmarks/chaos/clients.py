"""Clients as the documentation wants them written: they come again when they are told to, and when nobody answers."""

from __future__ import annotations

import asyncio
import itertools
import json
import math
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from benchmarks.chaos.history import ClientOperation
from benchmarks.chaos.sounds import WORD

LONGEST_PAUSE = 5.0  # seconds, whatever a refusal says: the run has an end
FAR_AWAY = 60  # seconds from which a refusal is the end of an allowance
TRANSIENT = (409, 429, 503)
FRAME = 16_000  # bytes: half a second
SECOND = 32_000  # bytes
RESTART, NORMAL, REFUSED, FAILED = 1012, 1000, 1008, 1011
MEETING = (
    "Anna: The team launches the new harbour ferry in May. Ben: The old ferry stops in June. "
    "Anna: Ben orders the ropes until Friday."
)


@dataclass
class Clients:
    urls: Sequence[str]  # of gateways, asked in turn
    patience: float  # seconds until a client gives up
    clock_start: float = field(default_factory=time.monotonic)
    chance: random.Random = field(default_factory=random.Random)

    def __post_init__(self) -> None:
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=0)
        self._http = httpx.AsyncClient(timeout=httpx.Timeout(60, connect=5), limits=limits, trust_env=False)
        self._turns = itertools.count()

    async def close(self) -> None:
        await self._http.aclose()

    @property
    def now(self) -> float:
        return time.monotonic() - self.clock_start

    async def hear_word(self, url: str, key: str) -> bool:
        """Whether it is heard there, at once."""
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        try:
            files = {"file": ("word.wav", WORD.wav)}
            answer = await self._http.post(
                f"{url}/v1/transcribe", headers=headers, files=files, data={"language": "en"}
            )
        except httpx.HTTPError:
            return False
        return answer.status_code == httpx.codes.OK and answer.json()["text"] == WORD.text

    async def run(self, operation: ClientOperation) -> None:
        operation.began = self.now
        try:
            await getattr(self, f"_{operation.kind}")(operation)
        except Exception as error:  # a client's own fault would look like the service's
            operation.outcome, operation.told = "wrong", f"the client failed: {error!r}"
        operation.ended = self.now

    async def _file(self, operation: ClientOperation) -> None:
        assert operation.sound is not None
        await self._ask(operation, "/v1/transcribe", files={"file": ("talk.wav", operation.sound.wav)})

    async def _keyed(self, operation: ClientOperation, offset: int | None = None) -> None:
        assert operation.sound is not None
        files = {"file": ("talk.wav", operation.sound.wav)}
        headers = {"Idempotency-Key": f"operation-{operation.number}"}
        await self._ask(operation, "/v1/transcribe", files=files, headers=headers, first=offset)

    async def _twins(self, operation: ClientOperation) -> None:
        """The same request at both gateways at once."""
        await asyncio.gather(*(self._keyed(operation, offset) for offset in range(len(self.urls))))

    async def _damaged(self, operation: ClientOperation) -> None:
        rubbish = self.chance.randbytes(5000)
        await self._ask(operation, "/v1/transcribe", files={"file": ("talk.mp3", rubbish)}, refusals=(400,))

    async def _summary(self, operation: ClientOperation) -> None:
        await self._ask(operation, "/v1/summarize", json={"text": MEETING, "style": "brief"}, refusals=(502,))

    async def _leaver(self, operation: ClientOperation) -> None:
        """A client that leaves at some moment and does not come back."""
        asking = asyncio.create_task(self._file(operation))
        await asyncio.wait((asking,), timeout=self.chance.uniform(0.01, 1.0))
        if not asking.done():
            operation.lost += 1
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)

    async def _ask(
        self,
        operation: ClientOperation,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        refusals: Sequence[int] = (),
        first: int | None = None,
        **content: Any,
    ) -> None:
        """Until it is answered or refused for good. refusals: statuses that are right for this request"""
        deadline, turn = self.now + self.patience, next(self._turns) if first is None else first
        wanted = self._headers(operation) | dict(headers or {})
        if "files" in content:
            content["data"] = {"language": "en"}
        while self.now < deadline:
            url = self.urls[turn % len(self.urls)] + path
            turn += 1
            try:
                answer = await self._http.post(url, headers=wanted, **content)
            except httpx.ConnectError:
                operation.statuses.append(0)
                await asyncio.sleep(0.2)
                continue
            except httpx.HTTPError:
                operation.statuses.append(0)
                operation.lost += 1
                await asyncio.sleep(0.2)
                continue
            operation.statuses.append(answer.status_code)
            if (pause := self._judge(operation, answer, refusals)) is None:
                return
            await asyncio.sleep(pause)
        operation.outcome, operation.told = "wrong", f"not answered within {self.patience:.0f} s; {operation.told}"

    def _judge(self, operation: ClientOperation, answer: httpx.Response, refusals: Sequence[int]) -> float | None:
        """Seconds until it is asked again; None: it is not."""
        operation.told = f"{answer.status_code} {answer.text[:200]}"
        status, payer = answer.status_code, operation.payer
        if status == httpx.codes.OK:
            operation.answers.append(answer.content)
            operation.outcome = "wrong" if operation.outcome == "wrong" else "ok"
            return None
        after = float(answer.headers.get("Retry-After", "nan"))
        poor = status == httpx.codes.PAYMENT_REQUIRED and payer.poor
        revoked = status == httpx.codes.UNAUTHORIZED and payer.revoked
        used_up = status == httpx.codes.TOO_MANY_REQUESTS and after > FAR_AWAY and not payer.key
        if status in refusals or poor or revoked or used_up:
            operation.outcome = "refused"
            return None
        if status in TRANSIENT and not math.isnan(after):
            return min(after, LONGEST_PAUSE) * self.chance.uniform(0.5, 1.0)
        operation.outcome = "wrong"
        return None

    def _headers(self, operation: ClientOperation) -> dict[str, str]:
        if operation.payer.key:
            return {"Authorization": f"Bearer {operation.payer.key}"}
        number = operation.number
        return {"X-Forwarded-For": f"203.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"}

    # Live

    async def _live(self, operation: ClientOperation) -> None:
        """One talk over as many connections as it takes."""
        assert operation.sound is not None
        deadline, turn, at, words = self.now + self.patience, next(self._turns), 0.0, []
        while self.now < deadline:
            url = self.urls[turn % len(self.urls)].replace("http", "ws", 1)
            turn += 1
            talk = LiveTalk(f"{url}/v1/stream?language=en&token={operation.payer.key}", operation.sound.pcm, at)
            await talk.run()
            words += talk.words
            operation.statuses.append(talk.code)
            operation.sent.append(talk.sent)
            operation.heard.append(talk.heard if talk.code in (NORMAL, RESTART) else 0.0)
            operation.told = f"{talk.code} {talk.error}"
            if talk.code == NORMAL and talk.complete:
                operation.answers.append(" ".join(words).encode())
                operation.outcome = "ok"
                return
            if talk.code in (REFUSED, FAILED):
                ended = operation.payer.poor or operation.payer.revoked
                operation.outcome = "refused" if talk.code == REFUSED and ended else "wrong"
                return
            at = talk.resume
            await asyncio.sleep(self.chance.uniform(0.2, 1.0))
        operation.outcome, operation.told = "wrong", f"not heard within {self.patience:.0f} s; {operation.told}"


class LiveTalk:
    """One connection of a live session, from second `at` of the sound on."""

    def __init__(self, url: str, pcm: bytes, at: float) -> None:
        self.words: list[str] = []
        self.resume = at
        self.code = 0  # of the closing frame; 0: none came
        self.error = ""
        self.sent = 0.0  # seconds
        self.heard = 0.0  # seconds that the last message tells of; a gateway that drains takes in no more
        self.complete = False
        self._url, self._at = url, at
        self._pcm = pcm[round(at * 16_000) * 2 :]

    async def run(self) -> None:
        try:
            async with connect(self._url, ping_timeout=None, open_timeout=10, close_timeout=5) as socket:
                sending = asyncio.create_task(self._send(socket))
                try:
                    async with asyncio.timeout(90):
                        async for text in socket:
                            self._take(json.loads(text))
                finally:
                    sending.cancel()
                    await asyncio.gather(sending, return_exceptions=True)
                self.code = socket.close_code or 0
        except (OSError, WebSocketException, TimeoutError) as error:
            received = getattr(error, "rcvd", None)
            self.code, self.error = received.code if received else 0, self.error or repr(error)

    async def _send(self, socket: Any) -> None:
        for start in range(0, len(self._pcm), FRAME):
            frame = self._pcm[start : start + FRAME]
            await socket.send(frame)
            self.sent += len(frame) / SECOND
            await asyncio.sleep(0.02)
        await socket.send('{"action": "stop"}')

    def _take(self, message: dict[str, Any]) -> None:
        if message["type"] == "transcript":
            self.words += [word["word"] for word in message["words"]]
            self.resume = self._at + message["end"] + 0.05  # in the silence after the word
        elif message["type"] == "error":
            self.error = message["error"]
        elif message["type"] == "final":
            self.complete, self.heard = True, message["duration"]
            if "connect again" in self.error:
                self.complete, self.resume = False, self._at + message["duration"]
