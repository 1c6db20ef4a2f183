"""Sound on its way into a live stream: kept until its text is final, so that another gateway can hear it again."""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from gateway.media.decoding import MediaDecoder
from gateway.streaming.buffer import AudioBuffer
from speech.audio import SAMPLE_RATE, Pcm

STANDARD_INPUT = "-"
FRAME = SAMPLE_RATE // 10  # samples sent at a time
PIECE = 2 * FRAME  # bytes read at a time
AHEAD = 300 * SAMPLE_RATE  # samples that wait to be sent (9.6 MB); then standard input waits
BEHIND = 900 * SAMPLE_RATE  # samples kept that were sent (28.8 MB): a service makes a client wait that is 600 s ahead


class SoundFailed(Exception):
    """There is no sound to send; the message is for the person at the terminal."""


class Sound:
    """Samples by their place in the whole sound. They go out once, or again from a place that is still kept."""

    def __init__(self) -> None:
        self._buffer = AudioBuffer()
        self._next = 0  # to be sent
        self._ended = False
        self._changed = asyncio.Condition()

    async def fill(self, pieces: AsyncIterator[bytes]) -> None:
        """Takes bytes until they end; waits while too many are not sent."""
        try:
            async for piece in pieces:
                async with self._changed:
                    self._buffer.append(piece)
                    self._buffer.forget_before(self._next - BEHIND)
                    self._changed.notify_all()
                    await self._changed.wait_for(lambda: self._buffer.end - self._next < AHEAD)
        finally:
            await self.end()

    async def end(self) -> None:
        """Nothing is read any more."""
        async with self._changed:
            self._ended = True
            self._changed.notify_all()

    def go_back(self, sample: int) -> int:
        """Sends again from there; returns the sample at which it really goes on, the first that is kept."""
        self._next = min(max(sample, self._buffer.start), self._buffer.end)
        return self._next

    def forget_before(self, sample: int) -> None:
        self._buffer.forget_before(min(sample, self._next))

    def is_over(self, sample: int) -> bool:
        """Whether nothing comes after it but the millisecond to which services round."""
        return self._ended and self._buffer.end - sample <= SAMPLE_RATE // 1000

    async def frames(self) -> AsyncIterator[bytes]:
        """What is to be sent, as it comes, to the end."""
        while True:
            async with self._changed:
                await self._changed.wait_for(lambda: self._buffer.end > self._next or self._ended)
                start, self._next = self._next, min(self._buffer.end, self._next + FRAME)
                samples = self._buffer.samples(start, self._next)
                self._changed.notify_all()
            if not len(samples):
                return
            yield samples.astype("<i2").tobytes()


@asynccontextmanager
async def opened(file: str, fast: bool) -> AsyncIterator[AsyncIterator[bytes]]:
    """The sound of a file or of standard input, in pieces. Raises SoundFailed, UnsupportedMedia."""
    if file == STANDARD_INPUT:
        if sys.stdin.isatty():
            example = "arecord -q -t raw -f S16_LE -r 16000 -c 1 | stt listen -"
            raise SoundFailed(f"standard input is a terminal; give it sound, as in `{example}`")
        yield standard_input()
        return
    path = Path(file)
    if not path.is_file():
        raise SoundFailed(f"{file}: there is no such file")
    with tempfile.TemporaryDirectory(prefix="stt-listen-") as folder:  # noqa: SIM117  the inner one awaits
        with await MediaDecoder(Path(folder)).decode(path, path.name) as recording:
            yield played(recording.pcm, fast)


async def played(pcm: Pcm, fast: bool) -> AsyncIterator[bytes]:
    """At the speed at which it was spoken, or as fast as it is taken."""
    began = time.monotonic()
    for start in range(0, len(pcm), FRAME):
        if not fast:
            spoken = (start + FRAME) / SAMPLE_RATE
            await asyncio.sleep(max(0.0, began + spoken - time.monotonic()))
        yield pcm[start : start + FRAME].tobytes()


async def standard_input() -> AsyncIterator[bytes]:
    descriptor = sys.stdin.fileno()
    while True:
        await readable(descriptor)
        piece = os.read(descriptor, PIECE)
        if not piece:
            return
        yield piece


async def readable(descriptor: int) -> None:
    """Waits without a thread: one that hangs in a read would keep the program from ending."""
    loop, ready = asyncio.get_running_loop(), asyncio.Event()
    try:
        loop.add_reader(descriptor, ready.set)
    except PermissionError:  # a file: it never makes its reader wait
        return
    try:
        await ready.wait()
    finally:
        loop.remove_reader(descriptor)
