"""Forms and answers of whisper-asr-webservice."""

from __future__ import annotations

from typing import NotRequired

from typing_extensions import TypedDict

from gateway.api.described import Count, Probability, Seconds, described


@described
class AsrForm(TypedDict):
    """A recording."""

    audio_file: bytes
    """Audio or video; with `encode=false` bare samples: 16 bit little endian, 16 kHz, mono."""


@described
class AsrWord(TypedDict):
    """A word and when it is said."""

    word: str
    """The word, after a space."""
    start: Seconds
    """Seconds from the start of the recording."""
    end: Seconds
    """Seconds from the start of the recording."""
    probability: Probability
    """How likely it is right."""


@described
class AsrSegment(TypedDict):
    """What is said without a long pause: mostly a sentence."""

    id: Count
    """0, 1, 2 …"""
    start: Seconds
    """Seconds from the start of the recording."""
    end: Seconds
    """Seconds from the start of the recording."""
    text: str
    """Its words, after a space."""
    speaker: NotRequired[str]
    """Who speaks, with `diarize=true`."""
    words: NotRequired[list[AsrWord]]
    """With `word_timestamps=true`."""


@described
class AsrTranscription(TypedDict):
    """`output=json`; sent as plain text, as all outputs are."""

    language: str
    """Code of the text's language."""
    segments: list[AsrSegment]
    """The text in pieces."""
    text: str
    """Everything that was said."""


@described
class DetectedLanguage(TypedDict):
    """Which language is spoken."""

    detected_language: str
    """Its English name in small letters."""
    language_code: str
    """ISO 639-1; `en` where nobody speaks."""
    confidence: Probability
    """How sure that is; 0 where nobody speaks."""
