"""Which WAV files are read in place, and what is read of them."""

import struct
from pathlib import Path

import numpy as np
import pytest

from gateway.media.plain_wav import find_plain_wav

PCM, FLOAT, EXTENSIBLE = 1, 3, 0xFFFE
GUID = bytes.fromhex("0100000000001000800000aa00389b71")


def wav(
    sound: bytes,
    rate: int = 16_000,
    channels: int = 1,
    *,
    kind: tuple[int, int] = (PCM, 16),
    claimed: int | None = None,
) -> bytes:
    """kind: the tag of the coding, and its bits"""
    tag, bits = kind
    align = channels * bits // 8
    form = struct.pack("<HHIIHH", tag, channels, rate, rate * align, align, bits)
    if tag == EXTENSIBLE:
        form += struct.pack("<HHI", 22, bits, 0) + GUID
    chunks = b"fmt " + struct.pack("<I", len(form)) + form
    chunks += b"data" + struct.pack("<I", len(sound) if claimed is None else claimed) + sound
    return b"RIFF" + struct.pack("<I", len(chunks) + 4) + b"WAVE" + chunks


def tone(rate: int, channels: int = 1, seconds: float = 1.3) -> bytes:
    """300 Hz, in each channel louder than in the one before."""
    wave = 3000 * np.sin(2 * np.pi * 300 * np.arange(int(rate * seconds)) / rate)
    return np.stack([wave * (at + 1) for at in range(channels)], axis=1).astype("<i2").tobytes()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "sound.wav"


def test_samples_of_16_khz_stay_as_they_are(path: Path) -> None:
    path.write_bytes(wav(tone(16_000, 2), channels=2))
    found = find_plain_wav(path)

    assert found is not None
    assert np.concatenate(list(found.read())).tobytes() == tone(16_000, 2)
    assert found.report.duration == pytest.approx(1.3)
    assert found.report.audio == ("pcm_s16le, 16000 Hz, stereo, s16",)


@pytest.mark.parametrize(("rate", "channels"), [(8_000, 1), (44_100, 2), (48_000, 1), (11_025, 2), (96_000, 1)])
def test_other_rates_are_brought_to_16_khz_on_time(path: Path, rate: int, channels: int) -> None:
    path.write_bytes(wav(tone(rate, channels), rate, channels))
    found = find_plain_wav(path)
    assert found is not None
    heard = np.concatenate(list(found.read()))
    expected = np.frombuffer(tone(16_000, channels), "<i2").reshape(-1, channels)

    assert heard.shape[1] == channels
    assert abs(len(heard) - len(expected)) <= 1
    middle = slice(1000, -1000)
    difference = heard[: len(expected)].astype(float) - expected[: len(heard)]
    assert np.abs(difference[middle]).max() < 60


@pytest.mark.parametrize(
    "content",
    [
        wav(tone(16_000), kind=(EXTENSIBLE, 16)),
        wav(tone(16_000)) + b"LIST" + struct.pack("<I", 4) + b"INFO",
    ],
    ids=["extensible", "a list behind the sound"],
)
def test_what_is_usual_is_read_in_place(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    found = find_plain_wav(path)
    assert found is not None
    assert np.concatenate(list(found.read())).tobytes() == tone(16_000)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"RIFF",
        b"OggS" + bytes(100),
        wav(b""),
        wav(tone(16_000))[:-2000],
        wav(tone(16_000), claimed=2000),
        wav(tone(16_000), claimed=0),
        wav(tone(16_000), claimed=2**32 - 1),
        wav(tone(16_000) + b"\0", claimed=len(tone(16_000)) + 1),
        wav(tone(16_000)) + wav(tone(16_000)),
        wav(tone(16_000)[:-2], kind=(PCM, 24)),
        wav(tone(16_000), kind=(FLOAT, 32)),
        wav(tone(16_000), channels=0),
        wav(tone(16_000, 9), channels=9),
        wav(tone(16_000), rate=0),
        wav(tone(16_000), rate=2**30),
        wav(b"\x7f\xfe\x80\x01" + tone(16_000)),
        wav(b"\x72\xf8\x1f\x4e" + tone(16_000)),
    ],
    ids=[
        *("empty", "cut in the header", "no WAV", "no sound", "cut", "claims less", "unknown length", "endless"),
        *("half a sample", "joined", "24 bits", "float", "no channel", "nine channels", "no rate", "absurd rate"),
        *("DTS", "IEC 61937"),
    ],
)
def test_what_is_odd_is_left_to_ffmpeg(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    assert find_plain_wav(path) is None
