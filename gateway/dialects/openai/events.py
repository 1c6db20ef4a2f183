"""A recording's text as OpenAI's server-sent events.

Each has an `event:` line beside its data: OpenAI's own clients read the data alone, others only what is named.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from gateway.dialects.errors import error_body
from gateway.dialects.openai.answers import diarized_segments, languages, logprobs, segment_id
from gateway.dialects.openai.form import OpenAiOptions
from gateway.dialects.openai.schema import OpenAiTextDelta, OpenAiTextDone
from gateway.errors import ServiceError
from gateway.recognition.sections import JoinedText
from gateway.requests.jobs import EventWriter
from speech.transcript import Segment, Transcript


def event_writer(options: OpenAiOptions) -> EventWriter:
    """For one answer: it counts what was told."""
    deltas = DeltaEvents(options)
    return EventWriter(segments=deltas.write, done=deltas.finish, error=error_event)


class DeltaEvents:
    """Deltas that together are the text, then, with speakers, the segments, at last the whole text."""

    def __init__(self, options: OpenAiOptions) -> None:
        self._options = options
        self._text = JoinedText()
        self._told = ""
        self._number = 0  # of segments

    def write(self, segments: Sequence[Segment], language: str) -> str:
        return "".join(self._delta(piece, language) for piece in segments)

    def finish(self, transcript: Transcript) -> str:
        done: OpenAiTextDone = {"type": "transcript.text.done", "text": self._told}
        if transcript.segments:
            done["languages"] = languages(transcript.language)
        if self._options.logprobs:
            done["logprobs"] = logprobs(transcript.segments)
        segments = diarized_segments(transcript) if self._options.response_format == "diarized_json" else []
        return "".join(sent(event["type"], event) for event in segments) + sent(done["type"], done)

    def _delta(self, piece: Segment, language: str) -> str:
        self._number += 1
        text = self._text.add(piece.words, language)
        self._told += text
        delta: OpenAiTextDelta = {"type": "transcript.text.delta", "delta": text}
        if self._options.logprobs:
            delta["logprobs"] = logprobs([piece])
        if self._options.response_format == "diarized_json":
            delta["segment_id"] = segment_id(self._number)
        return sent(delta["type"], delta)


def error_event(error: ServiceError) -> str:
    return sent("error", error_body(error))


def sent(name: str, event: Mapping[str, object]) -> str:
    return f"event: {name}\ndata: {json.dumps(event, ensure_ascii=False)}\n\n"
