"""Sound in a container that arrives while it is recorded, as a browser's MediaRecorder sends it → samples, at once."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from gateway.media.ffmpeg import Ffmpeg, MediaLimits, live_arguments

CONTAINERS = {"webm": "matroska", "ogg": "ogg"}  # as clients call them → ffmpeg's demuxers
READ_BYTES = 2**16


class LiveDecoder:
    """One ffmpeg for one stream. `feed` and `end` may wait for whoever reads `pieces`."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    async def start(cls, ffmpeg: Ffmpeg, container: str, limits: MediaLimits) -> LiveDecoder:
        """container: one of CONTAINERS"""
        return cls(await ffmpeg.spawn_live(live_arguments(CONTAINERS[container]), limits))

    async def feed(self, piece: bytes) -> bool:
        """Whether ffmpeg takes it: it ends at what it cannot read."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(piece)
            await self._process.stdin.drain()
        except ConnectionError:
            return False
        return True

    def end(self) -> None:
        """Nothing more will come."""
        assert self._process.stdin is not None
        self._process.stdin.close()

    async def pieces(self) -> AsyncIterator[bytes]:
        """PCM16, 16 kHz, mono, as it is decoded; ends with ffmpeg."""
        assert self._process.stdout is not None
        while piece := await self._process.stdout.read(READ_BYTES):
            yield piece

    async def close(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()
