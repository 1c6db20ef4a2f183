"""The JSON of POST /v1/summarize, checked, with errors that say what is accepted."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gateway.errors import BadParameter
from gateway.http.json_body import read_object
from gateway.http.parameters import read_language
from gateway.summaries.styles import ALIASES, BRIEF, STYLES, Style, find_style
from gateway.summaries.utterances import SpokenSegment

SEGMENT = '{"text": "...", "speaker": "Speaker 1", "start": 0.0, "end": 3.2}'


@dataclass(frozen=True, slots=True)
class SummaryOptions:
    content: str | Sequence[SpokenSegment]
    style: Style
    asked: str  # the style's name as the client wrote it
    language: str | None  # ISO 639-1; None: as the text says
    evidence: bool = False


def read_request(body: bytes) -> SummaryOptions:
    """raises: BadRequest"""
    fields = read_object(body, '{"text": "...", "style": "brief"}')
    content = _content(fields)
    asked = BRIEF.name if fields.get("style") in (None, "") else fields["style"]
    style = find_style(asked) if isinstance(asked, str) else None
    if style is None:
        accepted = ", ".join([*STYLES, *ALIASES])
        raise BadParameter(f"`style` is {str(asked)[:40]!r}; accepted are {accepted}.")
    language = fields.get("language")
    if not isinstance(language, str | None):
        raise BadParameter(f"`language` is {str(language)[:40]!r}; accepted is text, such as auto or en.")
    evidence = fields.get("evidence")
    if not isinstance(evidence, bool | None):
        raise BadParameter(f"`evidence` is {str(evidence)[:40]!r}; accepted are true and false.")
    return SummaryOptions(content, style, asked, read_language(language or ""), bool(evidence))


def _content(fields: dict[str, Any]) -> str | list[SpokenSegment]:
    text = fields.get("text")
    if "segments" in fields:
        if "text" in fields and not _says_something(text):
            raise BadParameter("`text` is empty; leave it out where `segments` are sent.")
        return _segments(fields["segments"])
    if not _says_something(text):
        raise BadParameter("`text` is missing or empty; send the transcript that is to be summarised, or `segments`.")
    return _whole_characters(str(text))


def _segments(given: Any) -> list[SpokenSegment]:
    if not isinstance(given, list) or not all(isinstance(segment, dict) for segment in given):
        raise BadParameter(f"`segments` is no list of objects; accepted are such as {SEGMENT}.")
    segments = [_segment(segment, number) for number, segment in enumerate(given)]
    if not any(_says_something(segment.text) for segment in segments):
        raise BadParameter("`segments` have no text; send the segments of a transcript in which something is said.")
    return segments


def _segment(given: dict[str, Any], number: int) -> SpokenSegment:
    text, speaker, times = given.get("text"), given.get("speaker"), (given.get("start"), given.get("end"))
    timed = all(time is None or _is_time(time) for time in times)
    if not isinstance(text, str) or not isinstance(speaker, str | None) or not timed:
        raise BadParameter(f"`segments[{number}]` is not as expected; accepted are such as {SEGMENT}.")
    start, end = (None if time is None else float(time) for time in times)
    return SpokenSegment(_whole_characters(text), _whole_characters(speaker or ""), start, end)


def _is_time(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value >= 0


def _says_something(text: Any) -> bool:
    return isinstance(text, str) and any(letter.isalnum() for letter in text)


def _whole_characters(text: str) -> str:
    return text.encode("utf-8", "replace").decode()  # JSON may hold half a character: "\ud83d"
