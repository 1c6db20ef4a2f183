"""Sound that says which words it holds, so that an answer can be checked to the letter without a recogniser.

A word is a piece of real speech whose number of samples names it; digital silence stands between words. The model
of `echo_model.py` reads them back. Every sound has a length of its own in milliseconds, by which the ledger names it.
"""

from __future__ import annotations

import io
import random
import subprocess
import wave
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import imageio_ffmpeg
import numpy as np
from numpy.typing import NDArray

from benchmarks.environments import PROJECT
from speech.audio import SAMPLE_RATE

VOICE = PROJECT / "tests" / "data" / "dashwood.flac"
VOICED = (3.25, 4.6)  # seconds of it that begin with a loud vowel, so that a word's beginning is never missed
VOCABULARY = (
    "absolute", "believing", "chambers", "delivers", "elephant", "fortunate", "gathering", "harmonic", "interest",
    "journals", "kingdoms", "lanterns", "mountain", "notebook", "observer", "passenger", "questions", "railways",
    "sentence", "triangle", "umbrella", "valuable", "whispers", "yesterday",
)  # fmt: skip
SHORTEST, STEP = 5600, 320  # samples: word k has SHORTEST + k · STEP
GAP = 1600  # samples of digital silence between two words
PAUSE = 19_200  # samples of it between two sentences, and around all
SENTENCE = 5  # words
MILLISECOND = SAMPLE_RATE // 1000  # samples

Samples16 = NDArray[np.int16]


@dataclass(frozen=True)
class SpokenSound:
    """Its samples are made whenever they are asked for: a run of hours has more of them than memory."""

    words: tuple[int, ...]  # of the vocabulary
    milliseconds: int

    @property
    def text(self) -> str:
        return " ".join(VOCABULARY[word] for word in self.words)

    @property
    def seconds(self) -> float:
        return self.milliseconds / 1000

    @property
    def samples(self) -> Samples16:
        spoken = _spoken(self.words)
        return np.concatenate([*spoken, silence(self.milliseconds * MILLISECOND - sum(map(len, spoken)))])

    @property
    def pcm(self) -> bytes:
        return self.samples.tobytes()

    @property
    def wav(self) -> bytes:
        file = io.BytesIO()
        with wave.open(file, "wb") as written:
            written.setparams((1, 2, SAMPLE_RATE, 0, "NONE", ""))
            written.writeframes(self.pcm)
        return file.getvalue()


WORD = SpokenSound((0,), 4000)


class Speaker:
    """No two of its sounds have the same length, and none has that of `WORD`."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._lengths = {WORD.milliseconds}

    def speak(self, seconds: float) -> SpokenSound:
        """seconds: about so long, and long enough for a word"""
        words, sentence = list[int](), list[int]()
        length = 2 * PAUSE
        while not words or length < (seconds - 1) * SAMPLE_RATE:
            if len(words) % SENTENCE == 0:
                sentence = self._chance.sample(range(len(VOCABULARY)), SENTENCE)
            words.append(sentence[len(words) % SENTENCE])
            length = _length(words)
        milliseconds = -(-length // MILLISECOND)
        while milliseconds in self._lengths:
            milliseconds += 1
        self._lengths.add(milliseconds)
        return SpokenSound(tuple(words), milliseconds)


def _length(words: Sequence[int]) -> int:
    """Samples."""
    return 2 * PAUSE + sum(SHORTEST + word * STEP + _silence_after(at) for at, word in enumerate(words))


def _silence_after(place: int) -> int:
    return PAUSE if place % SENTENCE == SENTENCE - 1 else GAP


def _spoken(words: Sequence[int]) -> list[Samples16]:
    pieces = [silence(PAUSE)]
    for at, word in enumerate(words):
        pieces += [say(word), silence(_silence_after(at))]
    return [*pieces, silence(PAUSE)]


def say(word: int) -> Samples16:
    return voice()[: SHORTEST + word * STEP]


def silence(samples: int) -> Samples16:
    return np.zeros(samples, dtype=np.int16)


@cache
def voice() -> Samples16:
    """Speech without a sample that is zero."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-loglevel", "error", "-i", str(VOICE)]
    command += ["-f", "s16le", "-ac", "1", "-ar", str(SAMPLE_RATE), "-"]
    pcm = np.frombuffer(subprocess.run(command, check=True, capture_output=True).stdout, "<i2")
    spoken = pcm[int(VOICED[0] * SAMPLE_RATE) : int(VOICED[1] * SAMPLE_RATE)].copy()
    spoken[spoken == 0] = 1
    return spoken
