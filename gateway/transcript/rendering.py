"""A Transcript in the requested format."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from gateway.api.transcription import (
    Speaking,
    Transcription,
    TranscriptionCoverage,
    TranscriptionSegment,
    TranscriptionWord,
)
from gateway.transcript.subtitles import COLUMNS, srt, vtt
from speech.transcript import Coverage, Segment, SpeechGap, Transcript, Word

MEDIA_TYPES = {
    "json": "application/json",
    "txt": "text/plain; charset=utf-8",
    "srt": "application/x-subrip; charset=utf-8",
    "vtt": "text/vtt; charset=utf-8",
}
MAX_HEADER = 2000  # characters: servers and clients limit all headers together to some 8,000
MAX_WARNING = 300  # characters


def render(
    transcript: Transcript, response_format: str, model: str = "", *, labels: bool = True, columns: int = COLUMNS
) -> tuple[str, str]:
    """The body and its media type. `response_format` is one of MEDIA_TYPES.

    model: the one that was used, for JSON
    labels: whether txt, srt and vtt name the speakers
    columns: of a line of srt and vtt
    """
    if response_format == "json":
        body = json.dumps(fields(transcript, model), ensure_ascii=False) + "\n"
    elif response_format == "txt":
        body = txt(transcript, labels=labels)
    else:
        body = {"srt": srt, "vtt": vtt}[response_format](transcript, labels=labels, columns=columns)
    return body, MEDIA_TYPES[response_format]


def fields(transcript: Transcript, model: str = "") -> Transcription:
    """The contract's JSON object."""
    return {
        "text": transcript.text,
        "language": transcript.language,
        "languages": list(transcript.languages),
        "duration": round(transcript.duration, 3),
        "segments": [_segment(piece, transcript.language) for piece in transcript.segments],
        "speakers": list(transcript.speakers),
        "warnings": list(transcript.warnings),
        "coverage": coverage_fields(transcript.coverage),
        "model": model,
    }


def warnings_header(warnings: Sequence[str]) -> str:
    """A JSON array in ASCII, of at most MAX_HEADER characters; what does not fit is counted."""
    told: list[str] = []
    for warning in warnings:
        shortened = warning if len(warning) <= MAX_WARNING else f"{warning[:MAX_WARNING]}…"
        if len(json.dumps([*told, shortened])) > MAX_HEADER - MAX_WARNING:
            break
        told.append(shortened)
    more = len(warnings) - len(told)
    return json.dumps([*told, f"{more} warnings more are in the JSON answer."] if more else told)


def read_fields(answer: Mapping[str, Any]) -> Transcript:
    """The inverse of `fields`. Raises KeyError, TypeError or ValueError on anything else."""
    segments = [
        Segment(
            tuple(
                Word(
                    text=str(word["word"]),
                    start=float(word["start"]),
                    end=float(word["end"]),
                    confidence=float(word["confidence"]),
                    speaker=speaker,
                    language=None if piece.get("language") == answer["language"] else piece.get("language"),
                )
                for word in piece["words"]
            ),
            str(piece["text"]),
            speaker,
        )
        for piece in answer["segments"]
        for speaker in [piece.get("speaker")]
    ]
    return Transcript(
        tuple(segments),
        str(answer["language"]),
        float(answer["duration"]),
        tuple(answer["speakers"]),
        tuple(answer["warnings"]),
        str(answer["text"]),
        # A service of the version before tells none.
        _read_coverage(answer["coverage"]) if "coverage" in answer else Coverage(),
    )


def txt(transcript: Transcript, *, labels: bool = True) -> str:
    """A line per segment; a speaker is named at each change, unless one person says everything."""
    labels = labels and len({piece.speaker for piece in transcript.segments}) > 1
    lines, speaking = [], None
    for piece in transcript.segments:
        named = labels and piece.speaker is not None and piece.speaker != speaking
        lines.append(f"{piece.speaker}: {piece.text}" if named else piece.text)
        speaking = piece.speaker
    return "".join(f"{line}\n" for line in lines)


def _segment(piece: Segment, language: str) -> TranscriptionSegment:
    speaking: Speaking = {} if piece.speaker is None else {"speaker": piece.speaker}
    return {
        "start": _seconds(piece.start),
        "end": _seconds(piece.end),
        "text": piece.text,
        **speaking,
        "language": piece.language or language,
        "confidence": round(piece.confidence, 3),
        "words": [word_fields(word) for word in piece.words],
    }


def word_fields(word: Word) -> TranscriptionWord:
    """As in every answer and message."""
    return {
        "word": word.text,
        "start": _seconds(word.start),
        "end": _seconds(word.end),
        "confidence": round(word.confidence, 3),
    }


def coverage_fields(coverage: Coverage) -> TranscriptionCoverage:
    """As in every answer and message."""
    return {
        "speech_seconds": _seconds(coverage.speech_seconds),
        "covered_seconds": _seconds(coverage.covered_seconds),
        "gaps": [{"start": _seconds(gap.start), "end": _seconds(gap.end)} for gap in coverage.gaps],
    }


def _read_coverage(told: Mapping[str, Any]) -> Coverage:
    gaps = tuple(SpeechGap(float(gap["start"]), float(gap["end"])) for gap in told["gaps"])
    return Coverage(float(told["speech_seconds"]), float(told["covered_seconds"]), gaps)


def _seconds(time: float) -> float:
    return round(time, 3)
