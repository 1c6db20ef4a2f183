"""Whisper's special tokens, and the start-of-transcript prompt that is made of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from speech.languages import ALIASES


class UnknownLanguage(ValueError):
    """Not a language, or none of this model's."""


@dataclass(frozen=True, slots=True)
class SpecialTokens:
    """Ids of the tokens that are not text."""

    end_of_text: int
    start_of_transcript: int
    first_language: int  # the languages' tokens follow each other from here
    translate: int
    transcribe: int
    start_of_prompt: int  # <|startofprev|>: earlier text follows
    no_speech: int  # <|nospeech|>, in older vocabularies <|nocaptions|>
    no_timestamps: int
    first_timestamp: int  # <|0.00|>, then one per 20 ms


def sot_sequence(tokens: SpecialTokens, languages: Sequence[str], language: str) -> list[int]:
    """The start-of-transcript prompt of a transcription without timestamps.

    languages: codes in the order of their tokens, none for an English-only vocabulary
    raises: UnknownLanguage if the model does not have it
    source: openai/whisper tokenizer.py sot_sequence_including_notimestamps
    """
    known = [ALIASES.get(code, code) for code in languages] or ["en"]
    if language not in known:
        raise UnknownLanguage(f"this model does not transcribe {language!r}; it has {', '.join(known)}")
    task: list[int] = []
    if languages:
        task = [tokens.first_language + known.index(language), tokens.transcribe]
    return [tokens.start_of_transcript, *task, tokens.no_timestamps]
