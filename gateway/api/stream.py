"""WS /v1/stream: what both sides say in text frames.

Every message of the server carries type, text, partial, is_final and final, so that a client which reads only one
of them works on all of them.
"""

from __future__ import annotations

from typing import Annotated, Literal, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from gateway.api.described import Count, LanguageName, ModelName, Probability, Seconds, described
from gateway.api.transcription import TranscriptionCoverage, TranscriptionSegment, TranscriptionWord

CLOSE_CODES = {  # RFC 6455, 7.4.1, and IANA
    1000: "The stream is complete.",
    1008: "Refused: a bad config, a wrong key, no credits left, or nothing came in time. Trying again does not help.",
    1009: "A frame was larger than 16 MB.",
    1011: "The service failed; the log entry has the request id.",
    1012: "The service restarts: connect again, and go on at the second that the last error names.",
    1013: "Try again later: the allowance or all slots are used up, or what is needed is away.",
}


TurnEvent = Literal["eager_end", "end", "resumed"]
Encoding = Literal["pcm16", "float32", "mulaw", "alaw", "webm", "ogg"]


@described
class StreamQuery(TypedDict):
    """The address may configure the session. If it names any of these, no config frame is waited for."""

    model: NotRequired[Annotated[ModelName, Field(default="large-v3-turbo")]]
    """A model that `GET /v1/models` lists."""
    language: NotRequired[Annotated[LanguageName, Field(default="auto")]]
    """`auto`, an ISO 639-1 code, a locale or an English name."""
    languages: NotRequired[Annotated[str, Field(default="")]]
    """The only languages that may be heard where `language` names none, with commas between them (`en,fr`)."""
    token: NotRequired[str]
    """An API key, for clients that cannot send an Authorization header; browsers cannot."""
    encoding: NotRequired[Annotated[Encoding, Field(default="pcm16")]]
    """What the frames hold."""
    sample_rate: NotRequired[Annotated[int, Field(default=16_000, ge=8_000, le=48_000)]]
    """Samples a second."""
    channels: NotRequired[Annotated[int, Field(default=1, ge=1, le=8)]]
    """Interleaved; they are mixed."""


@described
class LiveWord(TypedDict):
    """A word of a live session."""

    word: Annotated[str, Field(examples=["Hello,"])]
    """Keeps its punctuation."""
    start: Seconds
    """Seconds of the session's audio."""
    end: Seconds
    """Seconds of the session's audio."""
    confidence: Probability
    """How likely it is right, 0 to 1."""
    speaker: NotRequired[Annotated[str, Field(examples=["Speaker 1"])]]
    """With `diarize`: who says it, as far as that is known so far; left out where nobody is."""


@described
class EndOfTurnFrame(TypedDict):
    """When a turn is over."""

    policy: NotRequired[Annotated[Literal["evidence", "pause"], Field(default="evidence")]]
    """`evidence`: early where what was heard says so; `pause`: after `longest_silence`, whatever that was."""
    threshold: NotRequired[Annotated[float, Field(default=0.97, ge=0, le=1)]]
    """Confidence from which a turn is over after `silence`."""
    eager_threshold: NotRequired[Annotated[float, Field(default=0.5, ge=0, le=1)]]
    """Confidence from which `eager_end` is told; at most `threshold`."""
    silence: NotRequired[Annotated[float, Field(default=0.2, ge=0.1, le=5)]]
    """Seconds of silence after which a turn may end by evidence."""
    longest_silence: NotRequired[Annotated[float, Field(default=0.64, ge=0.1, le=5)]]
    """Seconds of silence after which it ends without; at least `silence`."""


@described
class ResumeFrame(TypedDict):
    """Where a session goes on by another connection, at this or another gateway."""

    session: str
    """Its id, of `ready`."""
    position: Count
    """The sample that comes first: the last `acknowledged`, or 0."""
    words: NotRequired[list[TranscriptionWord]]
    """Final words that came and end after it, so that none comes twice."""


@described
class ConfigFrame(TypedDict):
    """The client's first frame, unless the address named one of its fields: how to listen. In the middle of the audio
    another one may change `language`, `keyterms` and `prompt`; what it leaves out stays, and `ready` comes again."""

    language: NotRequired[Annotated[LanguageName | None, Field(default="auto")]]
    """`auto`, an ISO 639-1 code, a locale or an English name."""
    languages: NotRequired[Annotated[str | list[str] | None, Field(default="")]]
    """The only languages that may be heard where `language` names none: with commas between them, or a list."""
    model: NotRequired[Annotated[ModelName | None, Field(default="large-v3-turbo")]]
    """A model that `GET /v1/models` lists."""
    keyterms: NotRequired[Annotated[list[str] | None, Field(default=None, max_length=100)]]
    """Names and words that matter: more likely wherever they may be said. At most 100 of 80 characters."""
    encoding: NotRequired[Annotated[Encoding | None, Field(default="pcm16")]]
    """What the frames hold: samples, little endian, or a `webm` or `ogg` stream as a MediaRecorder makes it."""
    sample_rate: NotRequired[Annotated[int | None, Field(default=16_000, ge=8_000, le=48_000)]]
    """Samples a second, of frames that hold samples."""
    channels: NotRequired[Annotated[int | None, Field(default=1, ge=1, le=8)]]
    """Interleaved, of frames that hold samples; they are mixed."""
    prompt: NotRequired[Annotated[str | None, Field(default="")]]
    """The same as a text, or the text before this speech; of a long one the end counts."""
    diarize: NotRequired[Annotated[bool | None, Field(default=False)]]
    """Whether speakers are told apart: words have one as they come, and `final` has all of it told apart anew."""
    end_of_turn: NotRequired[bool | Literal["evidence", "pause"] | EndOfTurnFrame]
    """When turns end: the policy, alone or with its thresholds; `true` is `evidence`. It asks for `turn` messages, too.
    Without it turns end as by `pause`, and are not told."""
    resume: NotRequired[bool | ResumeFrame]
    """`true`: this session may go on by another connection. It does by the object, with the samples from its `position`
    on; `webm` and `ogg` cannot."""


@described
class StopFrame(TypedDict):
    """The client's last frame: all audio was sent. An empty binary frame means the same."""

    action: Literal["stop"]
    """The only action there is."""


class MessageEnds(TypedDict):
    """Two fields of every message."""

    is_final: bool
    final: bool


class ServerMessage(TypedDict):
    """What every message of the server has."""

    text: Annotated[
        str, Field(description="Text that will never change; empty but in `transcript` and, whole, in `final`.")
    ]
    partial: Annotated[str, Field(description="Text that may still change; empty but in `partial`.")]
    is_final: Annotated[bool, Field(description="True in the last message alone.")]
    final: Annotated[bool, Field(description="The same, for clients that read this field.")]


class ReadyFields(TypedDict, total=False):
    """Fields of `ready` that may be missing."""

    ignored: list[str]
    session: str


class TranscriptFields(TypedDict, total=False):
    """A field of `transcript` that may be missing."""

    acknowledged: int


@described
class ReadyMessage(ServerMessage):
    """The session is configured: audio may come."""

    type: Literal["ready"]
    """Kind of the message."""
    status: Literal["ready"]
    """The same, for clients that wait for it."""
    model: str
    """The model that answers."""
    language: str
    """The language that was asked for, or `auto`."""
    ignored: NotRequired[Annotated[list[str], Field(examples=[["punctuate"]])]]
    """Fields of the config that mean nothing here; left out where there are none."""
    session: NotRequired[Annotated[str, Field(examples=["live_5f0c1b2a9d"])]]
    """Its id, with `resume`."""


@described
class PartialMessage(ServerMessage):
    """What follows the final text so far, as it is understood now. It replaces the last partial text."""

    type: Literal["partial"]
    """Kind of the message."""
    words: list[LiveWord]
    """Its words; times are seconds of the session's audio."""


@described
class TranscriptMessage(ServerMessage):
    """The next piece of final text: append it."""

    type: Literal["transcript"]
    """Kind of the message."""
    language: str
    """Code of the language."""
    start: Seconds
    """Where its first word begins, in seconds of the session's audio."""
    end: Seconds
    """Where its last word ends."""
    words: list[LiveWord]
    """Its words."""
    acknowledged: NotRequired[Count]
    """With `resume`: how many samples need not be kept, for no other connection will need them."""


@described
class TurnMessage(ServerMessage):
    """Where a turn stands; sent if the config has `end_of_turn`."""

    type: Literal["turn"]
    """Kind of the message."""
    event: TurnEvent
    """`eager_end`: the turn may be over, the last `partial` is what it would end with. `resumed`: it was not.
    `end`: it is over, and all of its words came as `transcript`."""
    start: Seconds
    """Where the turn began, in seconds of the session's audio."""
    time: Seconds
    """Where its speech ended, or for `resumed` where it went on."""
    confidence: Probability
    """How sure the evidence is that it is over, 0 to 1; 0 where there is none."""


@described
class LanguageMessage(ServerMessage):
    """The language is settled, where none was asked for."""

    type: Literal["language"]
    """Kind of the message."""
    language: str
    """Code of the language."""
    probability: Probability
    """How sure that is, 0 to 1."""


@described
class FinalMessage(ServerMessage):
    """The stream is complete; nothing follows but the closing frame."""

    type: Literal["final"]
    """Kind of the message."""
    language: str
    """Code of the language."""
    duration: Seconds
    """Seconds of audio whose text this is."""
    acknowledged: NotRequired[Count]
    """With `resume`: how many samples another connection will not need; the one that follows begins there."""
    warnings: list[str]
    """What is to be doubted, as for a file: the language, words, nobody speaking, a stand-in; mostly empty."""
    coverage: TranscriptionCoverage
    """How much of the speech has words, and where words are missing."""
    segments: NotRequired[list[TranscriptionSegment]]
    """With `diarize`: the text in pieces, with the speakers that all of the session's sound tells apart."""
    speakers: NotRequired[Annotated[list[str], Field(examples=[["Speaker 1", "Speaker 2"]])]]
    """With `diarize`: everybody who speaks, in the order of their first words."""


@described
class ErrorMessage(ServerMessage):
    """What went wrong. If the session goes on to its `final` message, the text so far is kept."""

    type: Literal["error"]
    """Kind of the message."""
    error: str
    """What was wrong and what is accepted."""
