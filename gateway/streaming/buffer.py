"""The audio of a live session that may still be needed, addressed by its sample's place in the session."""

from __future__ import annotations

import numpy as np

from speech.audio import Pcm

SAMPLE_BYTES = 2


class AudioBuffer:
    """PCM16 little endian in pieces of any size, odd splits of a sample included."""

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._start = 0  # samples, of the first byte kept

    @property
    def start(self) -> int:
        """First sample that is kept."""
        return self._start

    @property
    def end(self) -> int:
        """Samples received so far."""
        return self._start + len(self._bytes) // SAMPLE_BYTES

    def append(self, frame: bytes) -> None:
        self._bytes += frame

    def samples(self, start: int, end: int) -> Pcm:
        """int16 (end - start,), a copy. Raises IndexError outside of what is kept."""
        if not self._start <= start <= end <= self.end:
            raise IndexError(f"samples {start}..{end} are not in {self._start}..{self.end}")
        low, high = ((index - self._start) * SAMPLE_BYTES for index in (start, end))
        return np.frombuffer(bytes(self._bytes[low:high]), "<i2").astype(np.int16)

    def forget_before(self, sample: int) -> None:
        drop = min(max(sample, self._start), self.end) - self._start
        del self._bytes[: drop * SAMPLE_BYTES]
        self._start += drop
