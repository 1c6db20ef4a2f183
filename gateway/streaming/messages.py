"""What both sides of /v1/stream say: the client's text frames, and the one shape of every server message.

Every message carries type, text, partial, is_final and final, so that a client which reads only one of
them (the published ones differ) works on all of them.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gateway.api.stream import (
    ErrorMessage,
    FinalMessage,
    LanguageMessage,
    MessageEnds,
    PartialMessage,
    ReadyMessage,
    ServerMessage,
    TranscriptMessage,
)
from gateway.errors import BadParameter
from gateway.recognition.term_check import check_keyterms
from gateway.transcript.rendering import coverage_fields, word_fields
from gateway.transcript.text import join
from speech.transcript import Coverage, Word

Message = ReadyMessage | PartialMessage | TranscriptMessage | LanguageMessage | FinalMessage | ErrorMessage

MORE_COMES: MessageEnds = {"is_final": False, "final": False}
NOTHING_SAID: ServerMessage = {"text": "", "partial": "", **MORE_COMES}

NOTHING_HEARD = Coverage()
CONFIG_EXAMPLE = '{"language": "en", "model": "large-v3-turbo"}'
STOP_EXAMPLE = '{"action": "stop"}'
CONFIG_FIELDS = ("model", "language", "languages", "token")
MAX_TEXT_FRAME = 16_384  # characters
TRANSCRIBE = "transcribe"  # the only task: what is stable of a translation is not known before its sentence ends


@dataclass(frozen=True, slots=True)
class StreamConfig:
    model: str | None = None  # None: the API's default
    language: str = "auto"
    languages: str = ""  # the only ones that may be heard, with commas between them; "": any
    keyterms: tuple[str, ...] = ()


class StopCommand:
    """The client has sent all of its audio."""


def read_query(query: dict[str, str]) -> StreamConfig | None:
    """A stream is configured by its address if that names any of model, language, languages, token."""
    if not any(name in query for name in CONFIG_FIELDS):
        return None
    _check_task(query.get("task"))
    return StreamConfig(query.get("model") or None, query.get("language") or "auto", query.get("languages") or "")


def read_text(frame: str) -> StreamConfig | StopCommand:
    """A text frame is a config or a stop. Raises BadParameter on anything else."""
    accepted = f"accepted are a config {CONFIG_EXAMPLE} before the audio and {STOP_EXAMPLE} after it"
    if len(frame) > MAX_TEXT_FRAME:
        raise BadParameter(f"a text frame has at most {MAX_TEXT_FRAME} characters; {accepted}")
    try:
        fields = json.loads(frame)
    except (ValueError, RecursionError):
        raise BadParameter(f"this text frame is not JSON; {accepted}; audio is sent in binary frames") from None
    if not isinstance(fields, dict):
        raise BadParameter(f"a text frame is a JSON object; {accepted}")
    if "action" in fields:
        if fields["action"] != "stop":
            raise BadParameter(f'unknown action; the only one is "stop"; {accepted}')
        return StopCommand()
    return read_config(fields)


def read_config(fields: dict[str, Any]) -> StreamConfig:
    _check_task(fields.get("task"))
    model, language, languages = fields.get("model"), fields.get("language"), fields.get("languages")
    if isinstance(languages, list) and all(isinstance(each, str) for each in languages):
        languages = ",".join(languages)
    for name, value in (("model", model), ("language", language), ("languages", languages)):
        if value is not None and not isinstance(value, str):
            raise BadParameter(f"{name} is a string; a config looks like {CONFIG_EXAMPLE}")
    return StreamConfig(model or None, language or "auto", languages or "", _keyterms(fields.get("keyterms")))


def _check_task(task: object) -> None:
    if task not in (None, "", TRANSCRIBE):
        message = (
            f"A live session has the task {TRANSCRIBE} alone; to translate, send a recording to POST /v1/transcribe."
        )
        raise BadParameter(message, "task")


def _keyterms(value: object) -> tuple[str, ...]:
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(term, str) for term in value):
        raise BadParameter('keyterms is a list of strings, such as ["Siobhan", "Nakagawa"]', "keyterms")
    return check_keyterms(value)


def ready(model: str, language: str) -> ReadyMessage:
    return {"type": "ready", **NOTHING_SAID, "status": "ready", "model": model, "language": language}


def partial_text(words: Sequence[Word], language: str) -> PartialMessage:
    return {
        "type": "partial",
        "text": "",
        "partial": join(words, language),
        **MORE_COMES,
        "words": [word_fields(word) for word in words],
    }


def final_text(words: Sequence[Word], language: str) -> TranscriptMessage:
    """Words that will never change."""
    return {
        "type": "transcript",
        "text": join(words, language),
        "partial": "",
        **MORE_COMES,
        "language": language,
        "start": round(words[0].start, 3),
        "end": round(words[-1].end, 3),
        "words": [word_fields(word) for word in words],
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
