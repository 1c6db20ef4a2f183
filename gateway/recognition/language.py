"""The language of a recording: every window says what it heard, and how surely."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from gateway.recognition.windows import Heard

CERTAIN = 0.8  # probability from which a window may differ from the rest of its recording
UNKNOWN = "en"  # where nobody speaks


def vote(heard: Sequence[Heard]) -> str:
    """The language of the most certain speech."""
    weights: dict[str, float] = defaultdict(float)
    for each in heard:
        weights[each.result.language] += each.result.language_probability * each.seconds
    return max(weights, key=lambda language: weights[language], default=UNKNOWN)


def dissents(each: Heard, language: str) -> bool:
    """The window was read in another language without being sure of it."""
    return each.result.language != language and each.result.language_probability < CERTAIN
