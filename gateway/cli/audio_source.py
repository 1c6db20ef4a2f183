"""The audio of a live stream: buffered until its text is final, so that it can be sent again to another gateway."""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from gateway.cli.errors import WrongUse
from gateway.cli.recordings import STANDARD_INPUT, check_is_file
from gateway.cli.standard_input import read_standard_input
from gateway.media.decoding import MediaDecoder
from gateway.streaming.buffer import AudioBuffer
from speech.audio import SAMPLE_RATE, Pcm

FRAME = SAMPLE_RATE // 10  # samples sent at a time
AHEAD = 300 * SAMPLE_RATE  # samples buffered before they are sent (9.6 MB); beyond it reading pauses
BEHIND = 900 * SAMPLE_RATE  # samples kept after they were sent (28.8 MB); services apply back-pressure at 600 s


class AudioSourceFailed(WrongUse):
    """There is no audio to send."""


class AudioSource:
    """Samples by their position in the whole audio; sent once, or again from a position that is still buffered."""

    def __init__(self) -> None:
        self._buffer = AudioBuffer()
        self._next = 0  # sample to send next
        self._ended = False
        self._changed = asyncio.Condition()

    async def fill(self, pieces: AsyncIterator[bytes]) -> None:
        """Buffers pieces until they end; waits while too much is unsent."""
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
        """No more audio will come."""
        async with self._changed:
            self._ended = True
            self._changed.notify_all()

    @property
    def is_empty(self) -> bool:
        """Whether no audio has come."""
        return self._buffer.end == 0

    def rewind(self, sample: int) -> int:
        """Send again from `sample`, or from the oldest that is buffered; returns which."""
        self._next = min(max(sample, self._buffer.start), self._buffer.end)
        return self._next

    def forget_before(self, sample: int) -> None:
        self._buffer.forget_before(min(sample, self._next))

    def is_over(self, sample: int) -> bool:
        """Whether the audio ends there, but for the millisecond to which services round."""
        return self._ended and self._buffer.end - sample <= SAMPLE_RATE // 1000

    async def frames(self) -> AsyncIterator[bytes]:
        """Frames to send, as they become available, to the end."""
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
async def open_audio(file: str, fast: bool) -> AsyncIterator[AsyncIterator[bytes]]:
    """The audio of a file or of standard input, in pieces. Raises WrongUse, UnsupportedMedia."""
    if file == STANDARD_INPUT:
        if sys.stdin.isatty():
            example = "arecord -q -t raw -f S16_LE -r 16000 -c 1 | stt listen -"
            raise AudioSourceFailed(f"standard input is a terminal; pipe raw PCM into it, as in `{example}`")
        yield read_standard_input()
        return
    path = check_is_file(file)
    with tempfile.TemporaryDirectory(prefix="stt-listen-") as folder:  # noqa: SIM117  the inner one awaits
        with await MediaDecoder(Path(folder)).decode(path, path.name) as recording:
            yield paced(recording.pcm, fast)


async def paced(pcm: Pcm, fast: bool) -> AsyncIterator[bytes]:
    """In real time, or as fast as it is consumed."""
    began = time.monotonic()
    for start in range(0, len(pcm), FRAME):
        if not fast:
            spoken = (start + FRAME) / SAMPLE_RATE
            await asyncio.sleep(max(0.0, began + spoken - time.monotonic()))
        yield pcm[start : start + FRAME].tobytes()
