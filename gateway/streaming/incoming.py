"""What a live client sends, of whatever kind → PCM16 at 16 kHz, mono, as it arrives."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Protocol

from gateway.errors import BadParameter
from gateway.media.live_decoding import LiveDecoder
from gateway.streaming.recognizable import HEAD_BYTES, MARKS, unlike_samples
from gateway.streaming.resampling import SoundConverter, SoundFormat

ACCEPTED = (
    'accepted are bare samples, as the config says (`"encoding"`: pcm16, float32, mulaw or alaw; `"sample_rate"`, '
    '`"channels"`), or with `"encoding": "webm"` or `"ogg"` what a MediaRecorder makes'
)

BEGINS = {"webm": MARKS["WebM"], "ogg": MARKS["Ogg"]}

Sink = Callable[[bytes], Awaitable[None]]  # PCM16, 16 kHz, mono


class IncomingSound(Protocol):
    async def feed(self, frame: bytes) -> None:
        """raises: BadParameter for what cannot be read, and what the sink raises"""

    async def end(self) -> None:
        """All that was fed has reached the sink."""

    async def close(self) -> None:
        """Whatever became of it."""


class SampledSound:
    """Bare samples."""

    def __init__(self, sound: SoundFormat, sink: Sink) -> None:
        self._sound, self._sink = sound, sink
        self._converter = SoundConverter(sound)
        self._head = b""

    async def feed(self, frame: bytes) -> None:
        if len(self._head) < HEAD_BYTES:
            self._head += frame[: HEAD_BYTES - len(self._head)]
            if kind := unlike_samples(self._head, self._sound):
                raise BadParameter(f"What came is {kind}; {ACCEPTED}.")
        await self._sink(self._converter.convert(frame))

    async def end(self) -> None:
        await self._sink(self._converter.convert(b"", last=True))

    async def close(self) -> None:
        pass


class ContainedSound:
    """WebM or Ogg, decoded as it arrives."""

    def __init__(self, container: str, decoder: LiveDecoder, sink: Sink) -> None:
        self._container, self._decoder, self._sink = container, decoder, sink
        self._head = b""
        self._decoded = False  # something was
        self._passing_on = asyncio.create_task(self._pass_on())

    async def feed(self, frame: bytes) -> None:
        if self._passing_on.done():
            self._passing_on.result()
        if len(self._head) < len(BEGINS[self._container]):
            self._head += frame
            if not self._head.startswith(BEGINS[self._container][: len(self._head)]):
                raise self._unreadable()
        if not await self._decoder.feed(frame):
            raise self._unreadable()

    async def end(self) -> None:
        self._decoder.end()
        await self._passing_on
        if self._head and not self._decoded:
            raise self._unreadable()

    async def close(self) -> None:
        self._passing_on.cancel()
        await self._decoder.close()
        with contextlib.suppress(Exception, asyncio.CancelledError):
            await self._passing_on

    async def _pass_on(self) -> None:
        async for piece in self._decoder.pieces():
            self._decoded = True
            await self._sink(piece)

    def _unreadable(self) -> BadParameter:
        return BadParameter(f"What came cannot be read as {self._container} with sound in it; {ACCEPTED}.")
