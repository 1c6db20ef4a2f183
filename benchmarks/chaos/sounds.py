"""Sound that says which words it holds, so that an answer can be checked to the letter without a recogniser.

A word is a piece of real speech whose number of samples names it; digital silence stands between words. The model
of `echo_model.py` reads them back. Every sound has a length of its own in milliseconds, by which the ledger names it.
"""

from __future__ import annotations

import io
import random
import subprocess
import wave
from collections.abc import Iterator
from dataclasses import dataclass, field
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
    text: str
    milliseconds: int
    samples: Samples16 = field(repr=False)

    @property
    def seconds(self) -> float:
        return self.milliseconds / 1000

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


class Speaker:
    """No two of its sounds have the same length."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._lengths: set[int] = set()  # milliseconds

    def speak(self, seconds: float) -> SpokenSound:
        """seconds: about so long"""
        pieces, words = [silence(PAUSE)], list[str]()
        for word, last in self._words():
            if sum(map(len, pieces)) > (seconds - 1) * SAMPLE_RATE and words:
                break
            words.append(VOCABULARY[word])
            pieces += [say(word), silence(PAUSE if last else GAP)]
        pieces.append(silence(PAUSE))
        length = sum(map(len, pieces))
        milliseconds = -(-length // MILLISECOND)
        while milliseconds in self._lengths:
            milliseconds += 1
        self._lengths.add(milliseconds)
        pieces.append(silence(milliseconds * MILLISECOND - length))
        return SpokenSound(" ".join(words), milliseconds, np.concatenate(pieces))

    def _words(self) -> Iterator[tuple[int, bool]]:
        """Word and whether it is a sentence's last; no word comes again within a sentence."""
        while True:
            for place, word in enumerate(self._chance.sample(range(len(VOCABULARY)), SENTENCE)):
                yield word, place == SENTENCE - 1


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
