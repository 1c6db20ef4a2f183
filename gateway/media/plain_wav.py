"""A WAV file of plain 16-bit samples is read where it lies: starting a program costs more than a clip's other work.

Only a file that is what its header claims is read so. Whatever is odd about it, ffmpeg reads it.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soxr

from gateway.media.chunks import Data
from gateway.media.downmix import BLOCK
from gateway.media.matroska import Frames
from gateway.media.report import MediaReport
from gateway.media.wav import RiffWave
from speech.audio import SAMPLE_RATE

RATES = range(4_000, 192_001)  # Hz
MOST_CHANNELS = 8
_PCM, _EXTENSIBLE = 1, 0xFFFE
_PCM_GUID = bytes.fromhex("0100000000001000800000aa00389b71")
# Of DTS and IEC 61937 (AC-3, …), which CDs and capture cards store as if they were samples; ffmpeg finds them.
_DISGUISED = (b"\x7f\xfe\x80\x01", b"\xfe\x7f\x01\x80", b"\xff\x1f\x00\xe8", b"\x1f\xff\xe8\x00", b"\x72\xf8\x1f\x4e")
_PROBED = 2**16  # bytes of the sound that are searched for them


@dataclass(frozen=True, slots=True)
class PlainWav:
    path: Path
    rate: int  # Hz
    channels: int
    first: int  # byte of the file at which the sound begins
    frames: int  # a sample of each channel

    @property
    def report(self) -> MediaReport:
        """As ffmpeg's of the same file."""
        layout = {1: "mono", 2: "stereo"}.get(self.channels, f"{self.channels} channels")
        return MediaReport(
            container="wav",
            duration=self.frames / self.rate,
            audio=(f"pcm_s16le, {self.rate} Hz, {layout}, s16",),
            tags=("",),
            video=False,
            other_streams=False,
            damage=(),
        )

    def read(self) -> Iterator[Frames]:
        """int16 (n, channels) at 16 kHz, in blocks of about half a second."""
        stream = None
        if self.rate != SAMPLE_RATE:
            stream = soxr.ResampleStream(self.rate, SAMPLE_RATE, self.channels, dtype="int16")
        step, left = max(1, BLOCK * self.rate // SAMPLE_RATE), self.frames
        with self.path.open("rb") as file:
            file.seek(self.first)
            while left > 0:
                samples = np.fromfile(file, "<i2", min(step, left) * self.channels)
                left -= step
                block = samples.reshape(-1, self.channels).astype(np.int16, copy=False)
                if stream is not None:
                    block = stream.resample_chunk(block, last=left <= 0).reshape(-1, self.channels)
                if len(block):
                    yield block


def find_plain_wav(path: Path) -> PlainWav | None:
    """None for a file that is something else, or not all that it claims. Never raises for what is in the file."""
    with path.open("rb") as file:
        head = file.read(12)
        if not (head.startswith(b"RIFF") and head.endswith(b"WAVE")):
            return None
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            try:
                return _plain(path, data)
            except (struct.error, IndexError, ValueError):
                return None


def _plain(path: Path, data: Data) -> PlainWav | None:
    wave = RiffWave(data, 0)
    if wave.end != len(data) or len(wave.sound) != 1 or wave.claimed is not None:
        return None
    ((first, stop),) = wave.sound
    tag, channels, rate, _, align, bits = struct.unpack_from("<HHIIHH", wave.format, 8)
    if tag == _EXTENSIBLE:
        tag = _PCM if wave.format[32:48] == _PCM_GUID else tag
    size = struct.unpack_from("<I", data, first - 4)[0]
    is_whole = size == stop - first > 0 and size % max(1, align) == 0
    is_usual = rate in RATES and 1 <= channels <= MOST_CHANNELS
    if (tag, bits, align) != (_PCM, 16, 2 * channels) or not is_whole or not is_usual:
        return None
    probed = data[first : min(stop, first + _PROBED)]
    if any(sign in probed for sign in _DISGUISED):
        return None
    return PlainWav(path, rate, channels, first, size // align)
