"""Live sound of any rate, width and number of channels → the sessions' 16 kHz mono, as it arrives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import soxr

from speech.audio import SAMPLE_RATE, Pcm

Coding = Literal["pcm", "float", "ulaw", "alaw"]
WIDTHS = (1, 2, 3, 4)  # bytes of a sample; one byte is unsigned, as in WAV
RATES = (4_000, 192_000)  # lowest, highest
MOST_CHANNELS = 8
FULL_SCALE = 32767  # of 16 bits


@dataclass(frozen=True, slots=True)
class SoundFormat:
    """Of what a client sends, little endian. ulaw and alaw have a byte a sample, float four."""

    rate: int = SAMPLE_RATE  # Hz
    width: int = 2  # bytes of a sample
    channels: int = 1
    coding: Coding = "pcm"

    def problem(self) -> str:
        """What of it cannot be read; "" if it can."""
        lowest, highest = RATES
        if not lowest <= self.rate <= highest:
            return f"the rate is {self.rate}; accepted are {lowest} to {highest} Hz"
        if self.width not in WIDTHS:
            return f"the width is {self.width}; accepted are 1, 2, 3 and 4 bytes"
        if not 1 <= self.channels <= MOST_CHANNELS:
            return f"there are {self.channels} channels; accepted are 1 to {MOST_CHANNELS}"
        return ""

    @property
    def bytes_a_second(self) -> int:
        return self.rate * self.width * self.channels


class SoundConverter:
    """Takes bytes in pieces of any size and gives PCM16 at 16 kHz, mono."""

    def __init__(self, sound: SoundFormat) -> None:
        """raises: ValueError for a format that cannot be read"""
        if problem := sound.problem():
            raise ValueError(problem)
        self.sound = sound
        self._rest = b""  # of a frame that has not come whole
        self._stream: Any = None
        if sound.rate != SAMPLE_RATE:
            self._stream = soxr.ResampleStream(sound.rate, SAMPLE_RATE, 1, dtype="int16")

    def convert(self, piece: bytes, *, last: bool = False) -> bytes:
        """last: what the filter still holds comes, too"""
        frame = self.sound.width * self.sound.channels
        held = self._rest + piece
        whole = len(held) // frame * frame
        self._rest = held[whole:]
        mono = self._mono(held[:whole])
        if self._stream is not None:
            mono = self._stream.resample_chunk(mono, last=last)
        return mono.astype("<i2").tobytes()

    def _mono(self, held: bytes) -> Pcm:
        samples = decode(held, self.sound)
        if self.sound.channels == 1:
            return samples
        mixed: Pcm = samples.reshape(-1, self.sound.channels).mean(axis=1).round().astype(np.int16)
        return mixed


def decode(held: bytes, sound: SoundFormat) -> Pcm:
    """int16 (n,), channels interleaved."""
    match sound.coding, sound.width:
        case "ulaw" | "alaw", _:
            return (ULAW if sound.coding == "ulaw" else ALAW)[np.frombuffer(held, np.uint8)]
        case "float", _:
            values = np.nan_to_num(np.frombuffer(held, "<f4"), posinf=1.0, neginf=-1.0)
            return (np.clip(values, -1.0, 1.0) * FULL_SCALE).round().astype(np.int16)
        case _, 1:
            return (np.frombuffer(held, np.uint8).astype(np.int16) - 128) << 8
        case _, 3:
            high = np.frombuffer(held, np.uint8).reshape(-1, 3)[:, 1:]
            return np.ascontiguousarray(high).view("<i2").reshape(-1).astype(np.int16)
        case _, 4:
            return (np.frombuffer(held, "<i4") >> 16).astype(np.int16)
    return np.frombuffer(held, "<i2").astype(np.int16)


def _ulaw_table() -> Pcm:
    """source: ITU-T G.711, µ-law"""
    codes = ~np.arange(256, dtype=np.uint8)
    magnitude = (((codes & 0x0F).astype(np.int32) << 3) + 0x84) << ((codes & 0x70) >> 4).astype(np.int32)
    return np.where(codes & 0x80, 0x84 - magnitude, magnitude - 0x84).astype(np.int16)


def _alaw_table() -> Pcm:
    """source: ITU-T G.711, A-law"""
    codes = np.arange(256, dtype=np.uint8) ^ 0x55
    exponent = ((codes & 0x70) >> 4).astype(np.int32)
    mantissa = ((codes & 0x0F).astype(np.int32) << 4) + 8
    magnitude = np.where(exponent > 0, (mantissa + 0x100) << np.maximum(exponent - 1, 0), mantissa)
    return np.where(codes & 0x80, magnitude, -magnitude).astype(np.int16)


ULAW, ALAW = _ulaw_table(), _alaw_table()
