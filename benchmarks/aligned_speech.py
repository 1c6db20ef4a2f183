"""Speech whose word times are known without asking a model that is to be judged.

Three sets. Sentences: readings joined at known places, the edges of each found from its own samples, so that the start
of its first word and the end of its last one are known. Words: prompts of a single word (Debian's
asterisk-core-sounds-en-wav), joined likewise. Synthesised: the readings' sentences spoken by flite (Debian's package),
whose synthesiser says where each phone ends: words in connected speech.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.recordings import CACHE, CorpusRecording, load, read_pcm, write_wav
from speech.audio import SAMPLE_RATE, Pcm

FRAME = SAMPLE_RATE // 200  # samples of a frame whose level is measured: 5 ms
LOUD, FLOOR = 95, 5  # percentiles of the frames' levels: speech, and what is there without it
CLEAR = 30.0  # dB between them that a clip needs for its edges to be known
OVER_FLOOR, UNDER_SPEECH = 10.0, 40.0  # dB: speech is over the floor, and not so far below its own level
EDGE = SAMPLE_RATE // 2  # samples of silence before the first piece and after the last
SUSTAINED = 4  # frames in a row of an edge
PAUSES = (0.2, 1.5)  # seconds between pieces, least and most
NO_PAUSES = (0.0, 0.0)
LONGEST_SENTENCE = 12.0  # seconds of a reading
PROMPTS = Path("/usr/share/asterisk/sounds/en_US_f_Allison")
DAYS = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip
SPELLED = (
    "Bravo", "Charlie", "Delta", "Echo", "Golf", "Hotel", "India", "Kilo", "Lima", "Mike", "Oscar", "Papa", "Quebec",
    "Romeo", "Sierra", "Tango", "Uniform", "Victor", "Yankee", "Zulu",
)  # fmt: skip
WORDS = (  # of the prompts; numbers are left out, since they may be written in many ways
    {f"digits/day-{at}": day for at, day in enumerate(DAYS)}
    | {f"digits/mon-{at}": month for at, month in enumerate(MONTHS)}
    | {f"phonetic/{word[0].lower()}_p": word for word in SPELLED}
)
VOICES = ("slt", "rms", "awb")  # made of real speakers' recordings


@dataclass(frozen=True, slots=True)
class TrueWord:
    text: str
    start: float | None  # seconds; None: not known
    end: float | None


@dataclass(frozen=True, slots=True)
class AlignedRecording:
    recording: CorpusRecording
    words: tuple[TrueWord, ...]


@dataclass(frozen=True, slots=True)
class SpeechPiece:
    """A clip and where in it somebody speaks."""

    text: str
    pcm: Pcm
    start: int  # samples
    end: int

    @property
    def length(self) -> int:
        """Samples."""
        return len(self.pcm)


def sentences() -> list[AlignedRecording]:
    """Readings of the development set with pauses between them."""
    return joined("sentences", _readings(), 3, PAUSES)


def adjacent_sentences() -> list[AlignedRecording]:
    """The same with none."""
    return joined("adjacent_sentences", _readings(), 3, NO_PAUSES)


def words() -> list[AlignedRecording]:
    """Single words with pauses between them, each twice."""
    return joined("words", _prompts(), 12, PAUSES)


def adjacent_words() -> list[AlignedRecording]:
    """The same with none."""
    return joined("adjacent_words", _prompts(), 12, NO_PAUSES)


def _readings() -> list[SpeechPiece | None]:
    read = [each for each in load(["A-read"]) if each.text and each.duration <= LONGEST_SENTENCE]
    return [speech_piece(each.text or "", each.pcm) for each in read]


def _prompts() -> list[SpeechPiece | None]:
    """Each word twice. Exits where the prompts are not installed."""
    if not PROMPTS.exists():
        sys.exit("the prompts are not installed: apt install asterisk-core-sounds-en-wav")
    pieces = [speech_piece(text, read_pcm(PROMPTS / f"{name}.wav")) for name, text in WORDS.items()]
    shuffle = np.random.default_rng(0)
    return [pieces[at] for _ in range(2) for at in shuffle.permutation(len(pieces))]


def synthesised() -> list[AlignedRecording]:
    """The readings' sentences, but for those whose phones are not known by word. Exits where flite is not installed."""
    texts = [re.sub(r"[^a-z' ]", " ", (each.text or "").lower()) for each in load(["A-read"])]
    made = [_synthesise(text, VOICES[at % len(VOICES)], f"synthesised-{at}") for at, text in enumerate(texts) if text]
    return [each for each in made if each is not None]


def speech_piece(text: str, pcm: Pcm) -> SpeechPiece | None:
    """None where noise hides the edges of the speech.

    A frame is speech if it is 10 dB over what is there without speech, and no more than 40 dB below the speech.
    """
    level = _level(pcm)
    loud, floor = np.percentile(level, [LOUD, FLOOR])
    if loud - floor < CLEAR:
        return None
    spoken = level > max(floor + OVER_FLOOR, loud - UNDER_SPEECH)
    runs = np.flatnonzero(np.convolve(spoken, np.ones(SUSTAINED), "valid") == SUSTAINED)
    first, last = int(runs[0]) * FRAME, int(runs[-1] + SUSTAINED) * FRAME
    begin = max(0, first - FRAME)
    return SpeechPiece(text, _faded(pcm[begin : last + FRAME]), first - begin, last - begin)


def _level(pcm: Pcm) -> NDArray[np.float64]:
    """dB of each frame."""
    frames = pcm[: len(pcm) // FRAME * FRAME].reshape(-1, FRAME).astype(np.float64)
    level: NDArray[np.float64] = 10 * np.log10(np.mean(frames**2, axis=1) + 1.0)
    return level


def _faded(pcm: Pcm) -> Pcm:
    """Without a click at either end, 5 ms each."""
    ramp = np.linspace(0.0, 1.0, FRAME)
    gain = np.ones(len(pcm))
    gain[: len(ramp)], gain[-len(ramp) :] = ramp, ramp[::-1]
    faded: Pcm = (pcm * gain).astype(np.int16)
    return faded


def joined(
    name: str, pieces: Sequence[SpeechPiece | None], together: int, pauses: tuple[float, float]
) -> list[AlignedRecording]:
    """Recordings of so many pieces. pauses: seconds between them, least and most"""
    clear, chance = [each for each in pieces if each is not None], np.random.default_rng(1)
    groups = [clear[at : at + together] for at in range(0, len(clear), together)]
    return [
        _join(f"{name}-{at}", group, chance.uniform(*pauses, len(group)).tolist()) for at, group in enumerate(groups)
    ]


def _join(name: str, pieces: Sequence[SpeechPiece], pauses: Sequence[float]) -> AlignedRecording:
    sound: list[Pcm] = [np.zeros(EDGE, np.int16)]
    true: list[TrueWord] = []
    for piece, pause in zip(pieces, pauses, strict=True):
        offset = sum(map(len, sound))
        start, end = (offset + piece.start) / SAMPLE_RATE, (offset + piece.end) / SAMPLE_RATE
        said = piece.text.split()
        last = len(said) - 1
        true += [TrueWord(text, None if at else start, end if at == last else None) for at, text in enumerate(said)]
        sound += [piece.pcm, np.zeros(round(pause * SAMPLE_RATE), np.int16)]
    return _aligned(name, np.concatenate([*sound, np.zeros(EDGE, np.int16)]), true)


def _synthesise(text: str, voice: str, name: str) -> AlignedRecording | None:
    path = CACHE / "wav" / f"{name}.wav"
    path.parent.mkdir(parents=True, exist_ok=True)
    told = [each.split(":") for each in _flite("-voice", voice, "-psdur", "-t", text, "-o", str(path)).split()]
    ends = [float(end) for _, end in told]
    phones = [(start, end) for (phone, _), start, end in zip(told, [0.0, *ends], ends, strict=False) if phone != "pau"]
    counts = [_phones(word) for word in text.split()]
    if sum(counts) != len(phones):
        return None
    stops = np.cumsum(counts).tolist()
    true = [
        TrueWord(word, phones[stop - count][0], phones[stop - 1][1])
        for word, count, stop in zip(text.split(), counts, stops, strict=True)
    ]
    return _aligned(name, read_pcm(path), true)


@cache
def _phones(word: str) -> int:
    return len([phone for phone in _flite("-voice", "kal", "-ps", "-t", word, "-o", "none").split() if phone != "pau"])


def _flite(*arguments: str) -> str:
    try:
        return subprocess.run(["flite", *arguments], check=True, capture_output=True, text=True).stdout
    except FileNotFoundError:
        sys.exit("flite is not installed: apt install flite")


def _aligned(name: str, pcm: Pcm, true: Sequence[TrueWord]) -> AlignedRecording:
    path = write_wav(pcm, CACHE / "wav" / f"{name}.wav")
    text = " ".join(word.text for word in true)
    recording = CorpusRecording(name, path, name.split("-", maxsplit=1)[0], "en", text, len(pcm) / SAMPLE_RATE)
    return AlignedRecording(recording, tuple(true))
