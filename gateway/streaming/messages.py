"""What the service says in a stream: the one shape of all its messages.

Every message carries type, text, partial, is_final and final, so that a client which reads only one of
them (the published ones differ) works on all of them.
"""

from __future__ import annotations

from collections.abc import Sequence

from gateway.api.stream import (
    ErrorMessage,
    FinalMessage,
    LanguageMessage,
    LiveWord,
    MessageEnds,
    PartialMessage,
    ReadyFields,
    ReadyMessage,
    ServerMessage,
    TranscriptFields,
    TranscriptMessage,
    TurnEvent,
    TurnMessage,
)
from gateway.api.transcription import Speaking
from gateway.transcript.rendering import coverage_fields, word_fields
from gateway.transcript.text import join
from speech.transcript import Coverage, Word

Message = (
    ReadyMessage | PartialMessage | TranscriptMessage | TurnMessage | LanguageMessage | FinalMessage | ErrorMessage
)

MORE_COMES: MessageEnds = {"is_final": False, "final": False}
NOTHING_SAID: ServerMessage = {"text": "", "partial": "", **MORE_COMES}

NOTHING_HEARD = Coverage()


def ready(model: str, language: str, ignored: Sequence[str] = (), session: str = "") -> ReadyMessage:
    """ignored: names of the config's fields that mean nothing here; session: id of one that may be resumed"""
    more: ReadyFields = {"ignored": list(ignored)} if ignored else {}
    if session:
        more["session"] = session
    return {"type": "ready", **NOTHING_SAID, "status": "ready", "model": model, "language": language, **more}


def partial_text(words: Sequence[Word], language: str) -> PartialMessage:
    return {
        "type": "partial",
        "text": "",
        "partial": join(words, language),
        **MORE_COMES,
        "words": [live_word(word) for word in words],
    }


def final_text(words: Sequence[Word], language: str, acknowledged: int | None = None) -> TranscriptMessage:
    """Words that will never change. acknowledged: samples that no other connection needs; None: none resumes"""
    more: TranscriptFields = {} if acknowledged is None else {"acknowledged": acknowledged}
    return {
        "type": "transcript",
        "text": join(words, language),
        "partial": "",
        **MORE_COMES,
        "language": language,
        "start": round(words[0].start, 3),
        "end": round(words[-1].end, 3),
        "words": [live_word(word) for word in words],
        **more,
    }


def live_word(word: Word) -> LiveWord:
    speaking: Speaking = {"speaker": word.speaker} if word.speaker else {}
    return {**word_fields(word), **speaking}


def turn(event: TurnEvent, start: float, time: float, confidence: float) -> TurnMessage:
    """start, time: seconds"""
    return {
        "type": "turn",
        **NOTHING_SAID,
        "event": event,
        "start": round(start, 3),
        "time": round(time, 3),
        "confidence": round(confidence, 3),
    }


def language_settled(language: str, probability: float) -> LanguageMessage:
    return {"type": "language", **NOTHING_SAID, "language": language, "probability": round(probability, 3)}


def complete(
    text: str, language: str, duration: float, warnings: Sequence[str] = (), coverage: Coverage = NOTHING_HEARD
) -> FinalMessage:
    """The last message of a stream. duration: seconds of audio whose text this is."""
    return {
        "type": "final",
        "text": text,
        "partial": "",
        "is_final": True,
        "final": True,
        "language": language,
        "duration": round(duration, 3),
        "warnings": list(warnings),
        "coverage": coverage_fields(coverage),
    }


def failure(reason: str) -> ErrorMessage:
    return {"type": "error", **NOTHING_SAID, "error": reason}
