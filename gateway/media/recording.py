"""A recording as the service holds it: mono 16-kHz samples in a file without a name."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import numpy as np

from speech.activity import CHUNK, Probabilities
from speech.audio import SAMPLE_RATE, Pcm


class PcmFile:
    """A temporary file of PCM samples. It has no name, so nothing is left when its owner dies."""

    def __init__(self, folder: Path) -> None:
        self._file: IO[bytes] = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115  closed with the recording
        self.samples = 0

    def write(self, pcm: Pcm) -> None:
        self._file.write(np.ascontiguousarray(pcm, dtype="<i2").data)
        self.samples += len(pcm)

    def read(self) -> Pcm:
        """All samples, memory-mapped, read-only."""
        self._file.flush()
        if self.samples == 0:
            return np.zeros(0, dtype=np.int16)
        return np.memmap(self._file, dtype=np.int16, mode="r", shape=(self.samples,))

    def close(self) -> None:
        self._file.close()


@dataclass(slots=True)
class Recording:
    """Closed after use; a context manager does it."""

    pcm: Pcm  # (n,), memory-mapped
    speech: Probabilities  # (chunks,), that somebody speaks in each 32 ms
    warnings: tuple[str, ...] = ()  # what could not be decoded, one sentence each
    file: PcmFile | None = None
    channels: tuple[Recording, ...] = ()  # each for itself, where that was asked for; the first is this recording's
    begins: float = 0.0  # seconds of the whole recording that lie before it, where it is a part of one

    @property
    def charged(self) -> float:
        """Seconds of sound that are worked on: every channel's."""
        return self.duration * max(1, len(self.channels))

    @property
    def duration(self) -> float:
        """Seconds."""
        return len(self.pcm) / SAMPLE_RATE

    def part(self, start: int, end: int) -> Recording:
        """Samples `start` to `end` of it, which need this one open; `warnings` stay with the whole.

        start: on a chunk of voice activity
        """
        chunks = slice(start // CHUNK, -(-end // CHUNK))
        return Recording(self.pcm[start:end], self.speech[chunks], begins=self.begins + start / SAMPLE_RATE)

    def close(self) -> None:
        self.pcm = np.zeros(0, dtype=np.int16)
        if self.file is not None:
            self.file.close()
        for channel in self.channels:
            channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
