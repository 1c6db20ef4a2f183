"""Which language is spoken where in a recording: decided for all stretches of speech together.

A stretch alone is easily misheard, a second of English as Welsh or Latin. Along the whole recording a change of
language costs something, so that a lone stretch keeps its neighbours' language unless it says clearly otherwise,
and one that goes on in another language is followed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from speech.activity import Region
from speech.audio import SAMPLE_RATE
from speech.languages import prior
from speech.viterbi import best_path
from speech.windows import PAD, Window

CHANGE = 1.0  # cost of a change, in nats, beside the new language's prior: a stretch in between pays it twice
WEIGHTY = 1.5  # seconds of speech whose probabilities count in full; shorter stretches count for less
LEAST = 0.001  # probability below which it makes no difference how improbable a language is
UNTOLD = 0.1  # share that one untold language has of what the told ones leave
# Hardly anybody mixes these in one recording, and the small models often take one for another.
KINDRED = tuple(
    map(
        frozenset,
        (
            ["cs", "sk", "pl"],
            ["da", "nn", "no", "sv"],
            ["bs", "hr", "sl", "sr"],
            ["id", "jv", "ms", "su"],
            ["hi", "ur"],
            ["be", "bg", "mk", "ru", "uk"],
        ),
    )
)
SILENT_LANGUAGE = "en"  # where nobody speaks
SURE = 0.7  # probability of a stretch's likeliest language, below which it is read again without its neighbours
LEAST_ALONE = 1.0  # seconds of speech that are read by themselves: less is misheard alone


@dataclass(frozen=True, slots=True)
class HeardRegion:
    """A stretch of speech and what it sounds like."""

    region: Region
    probabilities: Mapping[str, float]  # by ISO 639-1, of the likely ones

    def share(self, language: str) -> float:
        """Probability of a language, never 0; one that was not told has a part of what the others leave."""
        return max(self.probabilities.get(language, UNTOLD * (1 - sum(self.probabilities.values()))), LEAST)


def spoken_languages(heard: Sequence[HeardRegion], allowed: Collection[str] = ()) -> list[str]:
    """The language of each stretch. allowed: the only possible ones; none named: any"""
    candidates = sorted({code for each in heard for code in each.probabilities if not allowed or code in allowed})
    if not candidates:
        return [next(iter(allowed), SILENT_LANGUAGE)] * len(heard)
    before = np.log([prior(code) for code in candidates])
    seconds = np.array([each.region.end - each.region.start for each in heard])
    shares = np.array([[each.share(code) for code in candidates] for each in heard])
    shares /= shares.sum(axis=1, keepdims=True)
    certainty = shares.max(axis=1) * np.minimum(1.0, seconds / WEIGHTY)
    gain = np.log(shares) * certainty[:, None]
    gain[0] += before
    path = best_path(gain, np.tile(CHANGE - before, (len(heard) - 1, 1)))
    return _one_of_kin([candidates[state] for state in path], seconds.tolist(), allowed)


def _one_of_kin(path: list[str], seconds: Sequence[float], allowed: Collection[str]) -> list[str]:
    """Of languages that the model takes for each other, the one spoken longest, unless several are allowed by name."""
    for kin in KINDRED:
        spoken = [(code, length) for code, length in zip(path, seconds, strict=True) if code in kin]
        if len(kin.intersection(allowed)) < 2 and spoken:
            main = main_language(*zip(*spoken, strict=True))
            path = [main if code in kin else code for code in path]
    return path


def unsure_pieces(window: Window, heard: Sequence[HeardRegion]) -> list[Window]:
    """Parts of the window whose languages are not clear beside those of others, to be read without them.

    The encoder has read the whole window, and what it says of one stretch is coloured by another language beside it.
    """
    unsure = ["" if max(each.probabilities.values(), default=0.0) < SURE else "sure" for each in heard]
    pieces = [piece for piece, sure in split_by_language(window, unsure) if not sure and piece != window]
    return [each for each in pieces if sum(part.end - part.start for part in each.regions) >= LEAST_ALONE]


def main_language(languages: Sequence[str], seconds: Sequence[float]) -> str:
    """The one with the most seconds."""
    total: dict[str, float] = defaultdict(float)
    for language, length in zip(languages, seconds, strict=True):
        total[language] += length
    return max(total, key=lambda language: total[language], default=SILENT_LANGUAGE)


def split_by_language(window: Window, languages: Sequence[str]) -> list[tuple[Window, str]]:
    """The window in pieces of one language each. languages: of each of its regions"""
    pieces: list[tuple[Window, str]] = []
    start, first = window.start, 0
    for at, region in enumerate(window.regions):
        if at + 1 < len(languages) and languages[at + 1] == languages[at]:
            continue
        last = at + 1 == len(languages)
        pause = 0.0 if last else window.regions[at + 1].start - region.end
        end = window.end if last else round((region.end + min(PAD, pause / 2)) * SAMPLE_RATE)
        pieces.append((Window(start, end, window.regions[first : at + 1]), languages[at]))
        if not last:
            start, first = round((window.regions[at + 1].start - min(PAD, pause / 2)) * SAMPLE_RATE), at + 1
    return pieces
