"""Events of OpenAI's Realtime protocol, as far as transcription sessions have them."""

from __future__ import annotations

from typing import Annotated, Any, Literal, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from gateway.api.described import Count, ModelName, described
from gateway.dialects.errors import OpenAiErrorDetail

Session = Annotated[dict[str, Any], Field(json_schema_extra={"type": "object"})]

REALTIME_CLOSE_CODES = {  # RFC 6455, 7.4.1, and IANA
    1000: "The client closed.",
    1001: "The session is 60 minutes old, or nothing came for STT_STREAM_IDLE_SECONDS; an `error` event said so.",
    1008: "No credits left, or the tier's allowance is used up; an `error` event said so.",
    1012: "The service restarts: connect again.",
}


@described
class RealtimeQuery(TypedDict):
    """The address."""

    intent: NotRequired[Literal["transcription"]]
    """Other sessions there are none."""
    model: NotRequired[ModelName]
    """A model, also under OpenAI's names."""
    rate: NotRequired[Annotated[Literal[24000, 16000, 8000], Field(default=24000)]]
    """Rate of PCM in Hz, for clients whose updates cannot name it."""


class ClientEvent(TypedDict):
    """What every event of the client may have."""

    event_id: NotRequired[Annotated[str, Field(description="Named in the error that it may cause.")]]


@described
class SessionUpdateEvent(ClientEvent):
    """How to listen from now on; what is left out stays."""

    type: Literal["session.update", "transcription_session.update"]
    """Kind of the event: of today, or of the beta."""
    session: Session
    """`audio.input` with `format` (`audio/pcm` with a rate of 24000, 16000 or 8000, `audio/pcmu`, `audio/pcma`),
    `transcription` (`model`, `language`, `languages`, `keywords`, `prompt`; with `delay`, text comes while its turn
    goes on), `turn_detection` (`server_vad`, `semantic_vad`, or null for commits by the client), `noise_reduction` (not
    used); `include`. `keywords` are key terms, at most 100 of 80 characters. Or the fields of the beta."""


@described
class AppendEvent(ClientEvent):
    """The next piece of sound."""

    type: Literal["input_audio_buffer.append"]
    """Kind of the event."""
    audio: str
    """Base64."""


@described
class CommitEvent(ClientEvent):
    """What was appended is a turn."""

    type: Literal["input_audio_buffer.commit"]
    """Kind of the event."""


@described
class ClearEvent(ClientEvent):
    """What was appended since the last turn is forgotten."""

    type: Literal["input_audio_buffer.clear"]
    """Kind of the event."""


class RealtimeEvent(TypedDict):
    """What every event of the service has."""

    event_id: Annotated[str, Field(description="Its own.")]


class ItemEvent(RealtimeEvent):
    """What every event of a turn has."""

    item_id: Annotated[str, Field(description="Of the turn.")]


@described
class SessionEvent(RealtimeEvent):
    """How the service listens: at once, and after every update."""

    type: Literal[
        "session.created", "session.updated", "transcription_session.created", "transcription_session.updated"
    ]
    """Kind of the event."""
    session: Session
    """All of the configuration, with `id`, `object` and `expires_at`."""


@described
class SpeechStartedEvent(ItemEvent):
    """Somebody speaks; with turn detection alone."""

    type: Literal["input_audio_buffer.speech_started"]
    """Kind of the event."""
    audio_start_ms: Count
    """Milliseconds of the session's sound."""


@described
class SpeechStoppedEvent(ItemEvent):
    """Nobody speaks any more; with turn detection alone."""

    type: Literal["input_audio_buffer.speech_stopped"]
    """Kind of the event."""
    audio_end_ms: Count
    """Milliseconds of the session's sound."""


@described
class CommittedEvent(ItemEvent):
    """A turn is complete."""

    type: Literal["input_audio_buffer.committed"]
    """Kind of the event."""
    previous_item_id: str | None
    """The turn before; null for the first."""


@described
class ItemAnnouncedEvent(RealtimeEvent):
    """The same, for clients that keep a conversation."""

    type: Literal["conversation.item.added", "conversation.item.done", "conversation.item.created"]
    """Kind of the event: two of today, one of the beta."""
    previous_item_id: str | None
    """The turn before; null for the first."""
    item: Session
    """The turn: `id`, `type`, `role`, `status`, `content`."""


@described
class ClearedEvent(RealtimeEvent):
    """The buffer is empty."""

    type: Literal["input_audio_buffer.cleared"]
    """Kind of the event."""


@described
class RealtimeDelta(ItemEvent):
    """The next piece of a turn's text. All of them together are its transcript."""

    type: Literal["conversation.item.input_audio_transcription.delta"]
    """Kind of the event."""
    content_index: Literal[0]
    """Always 0."""
    delta: str
    """Append it."""
    logprobs: NotRequired[list[Session]]
    """One entry a word, where `include` asks for them."""


@described
class RealtimeCompleted(ItemEvent):
    """All text of a turn."""

    type: Literal["conversation.item.input_audio_transcription.completed"]
    """Kind of the event."""
    content_index: Literal[0]
    """Always 0."""
    transcript: str
    """Empty where nobody spoke."""
    languages: NotRequired[list[Session]]
    """`code` of what is spoken."""
    usage: Session
    """`type` is `duration`, with `seconds` of sound."""


@described
class RealtimeFailed(ItemEvent):
    """A turn has no text."""

    type: Literal["conversation.item.input_audio_transcription.failed"]
    """Kind of the event."""
    content_index: Literal[0]
    """Always 0."""
    error: OpenAiErrorDetail
    """Why."""


@described
class RealtimeError(RealtimeEvent):
    """An event of the client was wrong; the session goes on."""

    type: Literal["error"]
    """Kind of the event."""
    error: Session
    """`type`, `code`, `message`, `param`, and as `event_id` the client's."""
