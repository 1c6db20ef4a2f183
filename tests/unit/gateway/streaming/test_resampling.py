from __future__ import annotations

import numpy as np
import pytest

from gateway.streaming.resampling import ALAW, ULAW, SoundConverter, SoundFormat

TONE = (8000 * np.sin(2 * np.pi * 440 * np.arange(16_000) / 16_000)).astype(np.int16)


def converted(sound: SoundFormat, content: bytes, step: int = 997) -> np.ndarray:
    converter = SoundConverter(sound)
    pieces = [converter.convert(content[at : at + step]) for at in range(0, len(content), step)]
    return np.frombuffer(b"".join([*pieces, converter.convert(b"", last=True)]), "<i2")


def pitch(pcm: np.ndarray) -> float:
    """Hz of the loudest tone in a second of 16 kHz."""
    return float(np.abs(np.fft.rfft(pcm.astype(float), 16_000)).argmax())


@pytest.mark.parametrize("rate", [8_000, 16_000, 24_000, 44_100, 48_000])
def test_a_tone_keeps_its_pitch_and_its_length(rate: int) -> None:
    tone = (8000 * np.sin(2 * np.pi * 440 * np.arange(rate) / rate)).astype("<i2")

    heard = converted(SoundFormat(rate=rate), tone.tobytes())

    assert abs(len(heard) - 16_000) <= 2
    assert pitch(heard) == 440
    assert abs(int(np.abs(heard).max()) - 8000) < 200


@pytest.mark.parametrize(
    ("width", "content"),
    [
        (1, ((TONE >> 8) + 128).astype(np.uint8).tobytes()),
        (3, np.stack([np.zeros(16_000, np.uint8), TONE & 255, (TONE >> 8) & 255], axis=1).astype(np.uint8).tobytes()),
        (4, (TONE.astype("<i4") << 16).tobytes()),
    ],
)
def test_samples_of_other_widths(width: int, content: bytes) -> None:
    heard = converted(SoundFormat(width=width), content)

    assert np.abs(heard.astype(int) - TONE).max() < (300 if width == 1 else 2)


def test_channels_are_mixed() -> None:
    stereo = np.stack([TONE, -TONE], axis=1).astype("<i2")

    assert np.abs(converted(SoundFormat(channels=2), stereo.tobytes())).max() <= 1


def test_companded_sound_is_that_of_the_standard() -> None:
    """Values of ITU-T G.711's tables."""
    assert [int(ULAW[code]) for code in (0x00, 0x7F, 0x80, 0xFF)] == [-32124, 0, 32124, 0]
    assert [int(ALAW[code]) for code in (0x55, 0xD5, 0x2A, 0xAA)] == [-8, 8, -32256, 32256]


@pytest.mark.parametrize("sound", [SoundFormat(rate=100), SoundFormat(width=5), SoundFormat(channels=0)])
def test_what_cannot_be_read_is_refused(sound: SoundFormat) -> None:
    with pytest.raises(ValueError, match="accepted are"):
        SoundConverter(sound)
