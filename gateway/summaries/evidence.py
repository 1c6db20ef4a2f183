"""What a summary is made of: statements, each with the numbers of the sentences that bear it out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.summaries.utterances import TranscriptSentence


@dataclass(frozen=True, slots=True)
class Point:
    """One statement of a summary."""

    text: str
    sentences: tuple[int, ...]  # numbers, 1 for the first sentence of the text
    quotes: tuple[str, ...] = ()  # these sentences
    speaker: str = ""  # "" where it is not known, or where there are several
    start: float | None = None  # seconds, of the first sentence
    end: float | None = None  # seconds, of the last sentence


def point(text: str, rests_on: Sequence[TranscriptSentence]) -> Point:
    speakers = {utterance.speaker for utterance in rests_on}
    return Point(
        text,
        tuple(utterance.number for utterance in rests_on),
        tuple(utterance.text for utterance in rests_on),
        speakers.pop() if len(speakers) == 1 else "",
        rests_on[0].start,
        rests_on[-1].end,
    )
