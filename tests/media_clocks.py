"""Recordings whose clocks, joints and headers are out of the ordinary, made by ffmpeg, and what is right."""

from __future__ import annotations

import struct
import subprocess
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import imageio_ffmpeg
import numpy as np
from numpy.typing import NDArray

SENTENCE = Path(__file__).parent / "data" / "dashwood.flac"
RATE = 16_000
LENGTH = 3.0  # seconds of the sentence that each case has

PICTURES = {  # container → codecs of picture and sound
    "mkv": "-c:v libx264 -preset ultrafast -c:a aac",
    "mp4": "-c:v libx264 -preset ultrafast -c:a aac",
    "mov": "-c:v mpeg4 -c:a pcm_s16le",
    "webm": "-c:v libvpx -deadline realtime -c:a libopus",
    "flv": "-c:v flv1 -c:a libmp3lame -ar 44100",
    "wmv": "-c:v wmv2 -c:a wmav2 -ar 44100",
    "ts": "-c:v libx264 -preset ultrafast -c:a aac",
    "m2ts": "-c:v mpeg2video -c:a ac3 -ar 48000",
    "mpg": "-c:v mpeg2video -c:a mp2 -ar 44100",
    "vob": "-c:v mpeg2video -c:a ac3 -ar 48000",
    "ogv": "-c:v libtheora -c:a libvorbis",
}
SOUNDS = {
    "aac": "-c:a aac", "ac3": "-c:a ac3", "aiff": "", "amr": "-ar 8000 -c:a libopencore_amrnb", "au": "",
    "avi": "-c:a libmp3lame", "caf": "", "flac": "", "m4a": "-c:a aac", "mka": "-c:a flac", "mkv": "-c:a libopus",
    "mov": "-c:a pcm_s16le", "mp3": "", "nut": "-c:a libvorbis", "oga": "-c:a flac", "ogg": "-c:a libvorbis",
    "opus": "", "tta": "", "ts": "-c:a aac", "voc": "", "w64": "", "wav": "", "webm": "-c:a libvorbis", "wma": "",
    "wv": "",
}  # fmt: skip


Edits = list[tuple[int, int | None]]  # length and place in the sound (None: nothing), ms
WHOLE_SENTENCE = ("-t", str(LENGTH), "-i", str(SENTENCE))
LATE_SENTENCE = ("-itsoffset", "2", *WHOLE_SENTENCE)
PAUSED = "sound pauses for 20 s while the picture goes on"


@dataclass(frozen=True)
class SentencePart:
    """Where the sentence, or a part of it, is heard. Seconds."""

    at: float
    first: float = 0.0
    stop: float = LENGTH


WHOLE = (SentencePart(0.0),)
PAUSE = (SentencePart(0.0, 0.0, 1.5), SentencePart(21.5, 1.5))
LATE = (SentencePart(2.0),)
CUT = (SentencePart(0.0, 1.0),)
HOLE = (SentencePart(0.0, 0.0, 1.5), SentencePart(5.5, 1.5))
TWICE = (SentencePart(0.0), SentencePart(LENGTH))


@dataclass(frozen=True)
class MediaCase:
    kind: str  # what is out of the ordinary
    name: str  # of the file
    about: str  # codecs, and what was done
    make: Callable[[Path], Path]  # in a folder
    seconds: float
    parts: tuple[SentencePart, ...]
    told: str = ""  # of the warning


def cases() -> list[MediaCase]:
    return [*_late(), *_paused(), *_edited(), *_joined(), *_changed(), *_lying()]


def _late() -> Iterable[MediaCase]:
    kind = "sound begins 2 s after the picture"
    for ending, codecs in PICTURES.items():
        make = partial(_film, f"late.{ending}", codecs, LATE_SENTENCE)
        yield MediaCase(kind, f"late.{ending}", _codecs(codecs), make, 2 + LENGTH, LATE)
    kind = "clock begins at another time"
    far = partial(_film, "offset.ts", f"{PICTURES['ts']} -output_ts_offset 36000", LATE_SENTENCE)
    yield MediaCase(kind, "offset.ts", "H.264, AAC; at 10 h, sound 2 s late", far, 2 + LENGTH, LATE)
    for ending, codecs in {"mp4": PICTURES["mp4"], "mov": PICTURES["mov"]}.items():
        name = f"offset.{ending}"
        far = partial(_film, name, f"{codecs} -output_ts_offset 36000", LATE_SENTENCE)
        yield MediaCase(kind, name, f"{_codecs(codecs)}; at 10 h, sound 2 s late", far, 2 + LENGTH, LATE)
    around = partial(_sound, "wrap.ts", "-c:a aac -output_ts_offset 95442")
    yield MediaCase(kind, "wrap.ts", "AAC; goes round after 26.5 h in the middle", around, LENGTH, WHOLE)
    later = partial(_sound, "offset.webm", "-c:a libopus -output_ts_offset 1000")
    yield MediaCase(kind, "offset.webm", "Opus; at 1,000 s", later, LENGTH, WHOLE)


def _paused() -> Iterable[MediaCase]:
    # A movie of PCM and a page of Vorbis have one time for all that they hold.
    carrying = {ending: codecs for ending, codecs in PICTURES.items() if ending not in ("mov", "ogv")}
    pause = "asetpts='PTS+if(gt(T,1.5),20/TB,0)'"
    for ending, codecs in carrying.items():
        make = partial(_film, f"pause.{ending}", f"{codecs} -af {pause}", WHOLE_SENTENCE, seconds=20 + LENGTH)
        yield MediaCase(PAUSED, f"pause.{ending}", _codecs(codecs), make, 20 + LENGTH, PAUSE)
    back = partial(
        _join,
        "back.ts",
        partial(_film, "one.ts", PICTURES["ts"], WHOLE_SENTENCE),
        partial(_film, "two.ts", PICTURES["ts"], LATE_SENTENCE),
    )
    parts = (SentencePart(0.0), SentencePart(7.0))
    yield MediaCase("clock leaps", "back.ts", "H.264, AAC; back, and the sound 2 s late again", back, 10.0, parts)
    ahead = partial(
        _join,
        "ahead.ts",
        partial(_sound, "one.ts", "-c:a aac"),
        partial(_sound, "two.ts", "-c:a aac -output_ts_offset 60"),
    )
    parts = (SentencePart(0.0), SentencePart(60.0))
    yield MediaCase("clock leaps", "ahead.ts", "AAC; 60 s ahead: a pause", ahead, 60 + LENGTH, parts)


def _edited() -> Iterable[MediaCase]:
    whole = round(LENGTH * 1000)
    lists: dict[str, tuple[str, Edits, float, tuple[SentencePart, ...]]] = {
        "late": ("2 s of nothing first", [(2000, None), (whole, 0)], 2 + LENGTH, LATE),
        "cut": ("from 1 s on", [(whole - 1000, 1000)], LENGTH - 1, CUT),
        "twice": ("all of it twice", [(whole, 0), (whole, 0)], 2 * LENGTH, TWICE),
        "hole": ("4 s of nothing in the middle", [(1500, 0), (4000, None), (whole - 1500, 1500)], 4 + LENGTH, HOLE),
    }
    for name, (about, edits, seconds, parts) in lists.items():
        make = partial(_with_edits, f"edit_{name}.m4a", edits)
        yield MediaCase("edit list", f"edit_{name}.m4a", f"AAC; {about}", make, seconds, parts)


def _joined() -> Iterable[MediaCase]:
    kind = "two recordings joined byte by byte"
    for ending, codec in SOUNDS.items():
        one = partial(_sound, f"one.{ending}", codec)
        make = partial(_join, f"joined.{ending}", one, one)
        yield MediaCase(kind, f"joined.{ending}", _codecs(codec), make, 2 * LENGTH, TWICE)


def _changed() -> Iterable[MediaCase]:
    kind = "rate and channels change in the middle"
    codecs = {
        "aac": "aac", "ac3": "ac3", "flac": "flac", "m4a": "aac", "mp3": "libmp3lame", "ogg": "libvorbis",
        "opus": "libopus", "ts": "aac", "wav": "pcm_s16le",
    }  # fmt: skip
    rates = {"ac3": (48000, 32000), "opus": (48000, 24000)}
    for ending, codec in codecs.items():
        before, after = rates.get(ending, (44100, 22050))
        mono = partial(_sound, f"a.{ending}", f"-c:a {codec} -ac 1 -ar {before}")
        stereo = partial(_sound, f"b.{ending}", f"-c:a {codec} -ac 2 -ar {after}")
        make = partial(_join, f"changed.{ending}", mono, stereo)
        yield MediaCase(kind, f"changed.{ending}", f"{codec}; mono, then stereo", make, 2 * LENGTH, TWICE)
    vorbis, opus = partial(_sound, "a.ogg", "-c:a libvorbis"), partial(_sound, "b.ogg", "-c:a libopus")
    make = partial(_join, "codecs.ogg", vorbis, opus)
    yield MediaCase(kind, "codecs.ogg", "Vorbis, then Opus", make, 2 * LENGTH, TWICE)


def _lying() -> Iterable[MediaCase]:
    kind = "header claims less than there is"
    told = "it claims 0.5 s of sound, but 3.0 s are there"
    places = {  # of the length: byte order, where it stands after the chunk's name, what it counts besides
        "wav": ("<I", b"data", 4, 0),
        "aiff": (">I", b"SSND", 4, 8),
        "caf": (">q", b"data", 4, 4),
        "w64": ("<Q", b"data\xf3\xac\xd3\x11", 16, 24),
    }
    for ending, (form, chunk, after, more) in places.items():
        make = partial(_patched, f"lie.{ending}", chunk, after, struct.pack(form, 16000 + more))
        yield MediaCase(kind, f"lie.{ending}", "PCM; 0.5 s of 3 s", make, LENGTH, WHOLE, told)
    none = partial(_patched, "none.wav", b"data", 4, bytes(4))
    yield MediaCase(kind, "none.wav", "PCM; length 0", none, LENGTH, WHOLE)
    yield MediaCase(kind, "chunks.wav", "PCM; two chunks of sound", _two_chunks, 2 * LENGTH, TWICE)
    kind = "something else follows the sound"
    for ending, tail in {"mp3": b"TAG" + bytes(125), "flac": b"TAG" + bytes(125), "wav": bytes(3000)}.items():
        yield MediaCase(kind, f"tail.{ending}", "a tag, or padding", partial(_with_tail, f"tail.{ending}", tail),
                        LENGTH, WHOLE)  # fmt: skip


def table_rows() -> list[tuple[str, str, str]]:
    """(what is out of the ordinary, container, codecs and what was done) of every case."""
    return [(case.kind, case.name.rpartition(".")[2], case.about) for case in cases()]


def coded(options: str) -> str:
    """For people: the codecs behind -c:v and -c:a; "" for the container's own."""
    words = options.split()
    return " + ".join(words[at + 1].removeprefix("lib") for at, word in enumerate(words) if word.startswith("-c:"))


def _codecs(options: str) -> str:
    return coded(options) or "as the format has it"


def _film(name: str, options: str, sound: tuple[str, ...], folder: Path, seconds: float = 2 + LENGTH) -> Path:
    picture = ("-f", "lavfi", "-i", f"testsrc=s=64x64:r=5:d={seconds}")
    _ffmpeg(*picture, *sound, "-map", "0", "-map", "1", *options.split(), str(folder / name))
    return folder / name


def _sound(name: str, options: str, folder: Path) -> Path:
    _ffmpeg(*WHOLE_SENTENCE, *options.split(), str(folder / name))
    return folder / name


def _join(name: str, *parts_and_folder: Any) -> Path:
    """Parts as functions of a folder, and the folder."""
    *parts, folder = parts_and_folder
    content = b"".join(part(folder).read_bytes() for part in parts)
    path: Path = folder / name
    path.write_bytes(content)
    return path


def _with_tail(name: str, tail: bytes, folder: Path) -> Path:
    path = _sound(name, "", folder)
    path.write_bytes(path.read_bytes() + tail)
    return path


def _patched(name: str, chunk: bytes, after: int, value: bytes, folder: Path) -> Path:
    path = _sound(name, "-ar 16000", folder)
    content = bytearray(path.read_bytes())
    at = content.index(chunk) + after
    content[at : at + len(value)] = value
    path.write_bytes(content)
    return path


def _two_chunks(folder: Path) -> Path:
    path = _sound("chunks.wav", "-bitexact", folder)
    content = path.read_bytes()
    sound = content[content.index(b"data") :]
    path.write_bytes(content[:4] + struct.pack("<I", len(content) + len(sound) - 8) + content[8:] + sound)
    return path


def _with_edits(name: str, edits: Edits, folder: Path) -> Path:
    """AAC with this edit list."""
    path = _sound(name, "-c:a aac -ar 16000", folder)
    content = bytearray(path.read_bytes())
    outer, first, end = [], 0, len(content)
    for wanted in (b"moov", b"trak", b"edts"):
        at = first
        while bytes(content[at + 4 : at + 8]) != wanted:
            at += struct.unpack_from(">I", content, at)[0]
            assert at < end
        outer.append(at)
        first, end = at + 8, at + struct.unpack_from(">I", content, at)[0]
    entries = b"".join(
        struct.pack(">IiI", 16 * length, -1 if at is None else 1024 + 16 * at, 1 << 16) for length, at in edits
    )
    body = bytes(4) + struct.pack(">I", len(edits)) + entries
    box = struct.pack(">I", len(body) + 16) + b"edts" + struct.pack(">I", len(body) + 8) + b"elst" + body
    at = outer.pop()
    grown = len(box) - struct.unpack_from(">I", content, at)[0]
    content[at : len(content) if at < 0 else at + len(box) - grown] = box
    for each in outer:
        struct.pack_into(">I", content, each, struct.unpack_from(">I", content, each)[0] + grown)
    path.write_bytes(content)
    return path


def _ffmpeg(*arguments: str) -> None:
    subprocess.run([imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", *arguments], check=True)


def likeness(pcm: NDArray[np.int16], case: MediaCase) -> float:
    """How alike the loudness over time is to what is right, 1 at best."""
    sentence = _decoded(SENTENCE)
    right = np.zeros(round(case.seconds * RATE), np.float64)
    for part in case.parts:
        piece = sentence[round(part.first * RATE) : round(part.stop * RATE)]
        at = round(part.at * RATE)
        right[at : at + len(piece)] = piece[: len(right) - at]
    heard, wanted = _loudness(pcm), _loudness(right)
    length = max(len(heard), len(wanted))
    heard, wanted = (np.pad(each, (0, length - len(each))) for each in (heard, wanted))
    return float(np.corrcoef(heard, wanted)[0, 1])


def _loudness(samples: NDArray[np.generic]) -> NDArray[np.float64]:
    """RMS of half a second around each tenth: what a codec adds in front, 60 ms, makes no difference."""
    step = RATE // 10
    energy = (samples[: len(samples) // step * step].astype(np.float64) ** 2).reshape(-1, step).mean(axis=1)
    return np.sqrt(np.convolve(energy, np.ones(5) / 5))


@cache
def _decoded(path: Path) -> NDArray[np.int16]:
    raw = ("-f", "s16le", "-ar", str(RATE), "-ac", "1", "-")
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-i", str(path), *raw]
    return np.frombuffer(subprocess.run(command, check=True, capture_output=True).stdout, np.int16)
