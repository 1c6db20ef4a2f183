"""What a transcript's `warnings` say of text that may be wrong: the language was a guess, words are doubtful."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby

from gateway.recognition.windows import WindowTranscript
from speech.activity import Region
from speech.languages import NAMES
from speech.transcript import Segment, SpeechGap

# Over 140 recordings of 1 to 60 s in 13 languages, Whisper base: of the 3 below it 2 were in the wrong language.
DOUBTFUL_LANGUAGE = 0.5  # share of the probability that the detected language has, by seconds of speech
DOUBTFUL_SEGMENT = 0.5  # confidence, mean of its words: rather wrong than right
LOST = 1.5  # seconds of speech that stay without words and are reported to the caller
MOST_STRETCHES = 5  # told one by one
NO_SPEECH = "No speech was heard."


def language_doubts(transcripts: Sequence[WindowTranscript], language: str) -> list[str]:
    """transcripts: of windows whose language was detected, with words; language: that was chosen for all"""
    seconds = sum(each.seconds for each in transcripts)
    votes = sum(
        each.result.language_probability * each.seconds for each in transcripts if each.result.language == language
    )
    return language_guess(language, votes / seconds) if seconds else []


def language_guess(language: str, share: float) -> list[str]:
    """share: of the probability that the detected language has, by seconds of speech"""
    if share >= DOUBTFUL_LANGUAGE:
        return []
    name = NAMES.get(language, language).capitalize()
    return [f"The language is a guess: {name} ({share:.0%}). Name it with `language` if that is wrong."]


def segment_doubts(segments: Sequence[Segment]) -> list[str]:
    """Stretches of doubtful segments beside each other; the rest by their number."""
    runs = groupby(segments, key=lambda piece: piece.confidence < DOUBTFUL_SEGMENT)
    stretches = [list(run) for doubtful, run in runs if doubtful]
    told = [
        f"The words from {run[0].start:.1f} s to {run[-1].end:.1f} s are doubtful "
        f"(confidence {min(piece.confidence for piece in run):.2f})."
        for run in stretches[:MOST_STRETCHES]
    ]
    more = len(stretches) - len(told)
    return [*told, f"So are those of {more} stretches more."] if more else told


def lost_speech(stretches: Iterable[Region | SpeechGap], begins: float = 0.0) -> list[str]:
    """stretches: in which somebody speaks and no word was found; begins: seconds of the recording before their zero"""
    return [
        f"Speech from {begins + each.start:.1f} s to {begins + each.end:.1f} s could not be turned into words."
        for each in stretches
        if each.end - each.start >= LOST
    ]
