"""Whisper's special tokens, and the start-of-transcript prompt that is made of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from speech.languages import ALIASES
from speech.tensors import Task


class UnknownLanguage(ValueError):
    """Not a language, or none of this model's."""


class CannotTranslate(ValueError):
    """The model knows English alone."""


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


def sot_sequence(
    tokens: SpecialTokens, languages: Sequence[str], language: str, task: Task = Task.TRANSCRIBE
) -> list[int]:
    """The start-of-transcript prompt of a transcription, or translation, without timestamps.

    languages: codes in the order of their tokens, none for an English-only vocabulary
    raises: UnknownLanguage if the model does not have it, CannotTranslate
    source: openai/whisper tokenizer.py sot_sequence_including_notimestamps
    """
    known = [ALIASES.get(code, code) for code in languages] or ["en"]
    if language not in known:
        raise UnknownLanguage(f"this model does not transcribe {language!r}; it has {', '.join(known)}")
    if not languages:
        if task is Task.TRANSLATE:
            raise CannotTranslate("this model knows English alone and cannot translate")
        return [tokens.start_of_transcript, tokens.no_timestamps]
    task_token = tokens.translate if task is Task.TRANSLATE else tokens.transcribe
    language_token = tokens.first_language + known.index(language)
    return [tokens.start_of_transcript, language_token, task_token, tokens.no_timestamps]
