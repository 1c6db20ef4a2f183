"""What bytes are that came in place of bare samples: a file's beginning, or samples of another kind."""

from __future__ import annotations

import numpy as np

from gateway.streaming.resampling import SoundFormat

HEAD_BYTES = 8192  # of a stream that are looked at: a quarter of a second of PCM16
LEAST_FLOATS = 256  # that are not zero, before bytes are taken for floats
ALMOST_ALL, HARDLY_ANY = 0.98, 0.5  # shares
QUIETEST, LOUDEST = 1e-7, 2.0  # of samples that are floats
MARKS = {"WebM": b"\x1aE\xdf\xa3", "Ogg": b"OggS", "FLAC": b"fLaC", "CAF": b"caff", "AMR": b"#!AMR", "AU": b".snd"}
FRAMES = 3  # of MP3 or AAC in a row, before bytes are taken for them

# MPEG audio layer III, by ISO 11172-3 and 13818-3.
BIT_RATES = (
    (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),  # kbit/s of MPEG-1
    (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),  # of MPEG-2 and 2.5
)
RATES = {3: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000), 0: (11_025, 12_000, 8_000)}  # Hz by version


def unlike_samples(head: bytes, sound: SoundFormat) -> str:
    """What the first bytes of a stream are, if they are not what it was said to be; "" while that may be so.

    head: all bytes so far, at most HEAD_BYTES count
    """
    return container(head) or _unlike_floats(head, sound)


def container(head: bytes) -> str:
    """The kind of file that begins like this; "" for none."""
    for name, mark in MARKS.items():
        if head.startswith(mark):
            return name
    if head[:4] in (b"RIFF", b"RF64") and head[8:12] == b"WAVE":
        return "WAV"
    if head[:4] == b"FORM" and head[8:11] == b"AIF":
        return "AIFF"
    if head[4:8] == b"ftyp":
        return "MP4"
    if head[:3] == b"ID3" and head[3:4] in (b"\x02", b"\x03", b"\x04"):
        return "MP3"
    return "MP3" if _is_framed(head, _mp3_frame) else "AAC" if _is_framed(head, _adts_frame) else ""


def _unlike_floats(head: bytes, sound: SoundFormat) -> str:
    if sound.coding not in ("pcm", "float") or (sound.coding == "pcm" and sound.width != 2):
        return ""
    values = np.frombuffer(head[: len(head) // 4 * 4], "<f4")
    values = values[values != 0]
    if len(values) < LEAST_FLOATS:
        return ""
    size = np.abs(values)
    share = float(np.mean(np.isfinite(values) & (size > QUIETEST) & (size < LOUDEST)))
    if sound.coding == "pcm":
        return "samples of 32-bit floats" if share > ALMOST_ALL else ""
    return "no samples of 32-bit floats" if share < HARDLY_ANY else ""


def _is_framed(head: bytes, length_of: object) -> bool:
    """Whether several frames follow each other."""
    at = 0
    for _ in range(FRAMES):
        length = length_of(head[at : at + 7])  # type: ignore[operator]
        if not length:
            return False
        at += length
    return True


def _mp3_frame(header: bytes) -> int:
    """Bytes of the frame; 0: it is none."""
    if len(header) < 4 or header[0] != 0xFF or header[1] & 0xE6 != 0xE2:  # sync, layer III
        return 0
    version, bits, rate = header[1] >> 3 & 3, header[2] >> 4, header[2] >> 2 & 3
    if version == 1 or rate == 3 or not 0 < bits < 15:
        return 0
    kilobits = BIT_RATES[0 if version == 3 else 1][bits]
    return (144 if version == 3 else 72) * kilobits * 1000 // RATES[version][rate] + (header[2] >> 1 & 1)


def _adts_frame(header: bytes) -> int:
    """Bytes of the frame; 0: it is none. source: ISO 13818-7, 6.2"""
    if len(header) < 7 or header[0] != 0xFF or header[1] & 0xF6 != 0xF0 or header[2] >> 2 & 15 > 12:
        return 0
    return (header[3] & 3) << 11 | header[4] << 3 | header[5] >> 5
