"""Forms, answers and errors of OpenAI's audio API, as far as they are served here."""

from __future__ import annotations

from typing import Annotated, Literal, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from gateway.api.described import Count, Probability, Seconds, described

ResponseFormat = Literal["json", "text", "srt", "verbose_json", "vtt", "diarized_json"]
ModelField = Annotated[
    str,
    Field(default="whisper-1", examples=["whisper-1", "large-v3-turbo"], json_schema_extra={"format": "openai-model"}),
]
SpokenLanguage = Annotated[str, Field(examples=["en", "pt-BR", ""], json_schema_extra={"format": "language"})]


@described
class TranslationRequest(TypedDict):
    """A recording whose text is wanted in English. Unknown fields are ignored, an empty field counts as left out."""

    file: bytes
    """The recording, audio or video; its content decides, not its name."""
    model: NotRequired[ModelField]
    """A name of OpenAI's for any model here that can translate, or a model that `GET /v1/models` lists."""
    prompt: NotRequired[Annotated[str, Field(default="")]]
    """Names and terms that are likely to be said."""
    response_format: NotRequired[
        Annotated[Literal["json", "text", "srt", "verbose_json", "vtt"], Field(default="json")]
    ]
    """Shape of the answer."""
    temperature: NotRequired[Annotated[float, Field(default=0, ge=0, le=1)]]
    """Read and not used: text is decoded again at a higher temperature where it is not believed."""


@described
class TranscriptionRequest(TypedDict):
    """A recording, and how it shall be transcribed. Lists come as repeated fields (`name[]` or `name`), with commas, or
    as JSON. Unknown fields are ignored, an empty field counts as left out."""

    file: bytes
    """The recording, audio or video; its content decides, not its name."""
    model: NotRequired[ModelField]
    """A name of OpenAI's for the default model, or a model that `GET /v1/models` lists."""
    language: NotRequired[SpokenLanguage]
    """A code, a locale or an English name; left out, empty or `auto`: it is detected."""
    prompt: NotRequired[Annotated[str, Field(default="")]]
    """Names and terms that are likely to be said, or the text before this recording; of a long one the end counts."""
    response_format: NotRequired[Annotated[ResponseFormat, Field(default="json")]]
    """Shape of the answer; each with any model."""
    temperature: NotRequired[Annotated[float, Field(default=0, ge=0, le=1)]]
    """Read and not used: text is decoded again at a higher temperature where it is not believed."""
    timestamp_granularities: NotRequired[
        Annotated[list[Literal["word", "segment"]], Field(alias="timestamp_granularities[]", default=["segment"])]
    ]
    """What `verbose_json` has; ignored by other formats."""
    include: NotRequired[Annotated[list[Literal["logprobs"]], Field(alias="include[]")]]
    """What `json` and a stream have beside the text: one logprob a word."""
    languages: NotRequired[Annotated[list[SpokenLanguage], Field(alias="languages[]")]]
    """Instead of `language`: those that may be spoken."""
    keywords: NotRequired[
        Annotated[list[Annotated[str, Field(max_length=80)]], Field(alias="keywords[]", max_length=100)]
    ]
    """Names and words that matter: more likely wherever they may be said. One line each, without < and >."""
    stream: NotRequired[Annotated[bool, Field(default=False)]]
    """Server-sent events, which begin while the recording is still worked on."""
    known_speaker_names: NotRequired[Annotated[list[str], Field(alias="known_speaker_names[]", max_length=4)]]
    """Names for `diarized_json`, each with a reference at the same place."""
    known_speaker_references: NotRequired[Annotated[list[str], Field(alias="known_speaker_references[]", max_length=4)]]
    """How they sound: data URLs of 2 to 10 s, or voice vectors of `POST /v1/transcribe`. Whoever sounds like none of
    them stays `A`, `B` …"""
    chunking_strategy: NotRequired[Annotated[str, Field(examples=["auto", '{"type": "server_vad"}'])]]
    """`auto` or `server_vad` with its numbers, as JSON or as `chunking_strategy[type]`; speech is always cut in its
    pauses, whatever is asked."""


@described
class OpenAiDurationUsage(TypedDict):
    """How much audio was transcribed."""

    type: Literal["duration"]
    """The only kind there is."""
    seconds: Count
    """Seconds of audio, rounded up."""


@described
class OpenAiLanguage(TypedDict):
    """A language that is spoken."""

    code: str
    """ISO 639-1."""


@described
class OpenAiLogprob(TypedDict):
    """A word and how probable it is."""

    token: str
    """The word, with the space before it."""
    logprob: Annotated[float, Field(le=0)]
    """Logarithm of its mean token probability."""
    bytes: list[int]
    """The word in UTF-8."""


@described
class OpenAiTranscription(TypedDict):
    """`json`: the text."""

    text: str
    """Everything that was said."""
    languages: NotRequired[list[OpenAiLanguage]]
    """What is spoken; only of a transcription."""
    logprobs: NotRequired[list[OpenAiLogprob]]
    """One entry a word, with `include[]=logprobs`."""
    usage: NotRequired[OpenAiDurationUsage]
    """What was transcribed."""


@described
class OpenAiWord(TypedDict):
    """A word and when it is said."""

    word: str
    """Keeps its punctuation."""
    start: Seconds
    """Seconds from the start of the recording."""
    end: Seconds
    """Seconds from the start of the recording."""


@described
class OpenAiSegment(TypedDict):
    """What is said without a long pause: mostly a sentence."""

    id: Count
    """0, 1, 2 …"""
    seek: Count
    """Its start in steps of 10 ms."""
    start: Seconds
    """Seconds from the start of the recording."""
    end: Seconds
    """Seconds from the start of the recording."""
    text: str
    """Its words, after a space."""
    tokens: list[int]
    """Empty: they are not kept."""
    temperature: Seconds
    """0."""
    avg_logprob: Annotated[float, Field(le=0)]
    """Mean logarithm of its words' probabilities."""
    compression_ratio: Seconds
    """How much its text can be compressed."""
    no_speech_prob: Probability
    """0: what is not speech is not decoded."""


@described
class OpenAiVerboseTranscription(TypedDict):
    """`verbose_json`: the text with its times."""

    task: Literal["transcribe", "translate"]
    """What was done."""
    language: Annotated[str, Field(examples=["english"])]
    """English name of the text's language."""
    duration: Seconds
    """Length of the recording in seconds."""
    text: str
    """Everything that was said."""
    segments: NotRequired[list[OpenAiSegment]]
    """The text in pieces, unless words alone were asked for."""
    words: NotRequired[list[OpenAiWord]]
    """With `timestamp_granularities[]=word`."""
    usage: OpenAiDurationUsage
    """What was transcribed."""


@described
class OpenAiDiarizedSegment(TypedDict):
    """What one speaker says; also an event of a stream."""

    type: Literal["transcript.text.segment"]
    """Kind of the piece."""
    id: Annotated[str, Field(examples=["seg_001"])]
    """Its name in this answer."""
    start: Seconds
    """Seconds from the start of the recording."""
    end: Seconds
    """Seconds from the start of the recording."""
    text: str
    """Its words as one line."""
    speaker: Annotated[str, Field(examples=["A"])]
    """`A`, `B` … in the order of their first words, or the name of a known speaker."""


@described
class OpenAiDiarizedTranscription(TypedDict):
    """`diarized_json`: the text with its speakers."""

    task: Literal["transcribe", "translate"]
    """What was done."""
    duration: Seconds
    """Length of the recording in seconds."""
    text: str
    """Everything that was said."""
    segments: list[OpenAiDiarizedSegment]
    """The text in pieces, in order of time."""
    usage: OpenAiDurationUsage
    """What was transcribed."""


@described
class OpenAiTextDelta(TypedDict):
    """Event of a stream: the next piece of text. All of them together are the text."""

    type: Literal["transcript.text.delta"]
    """Kind of the event."""
    delta: str
    """Append it."""
    logprobs: NotRequired[list[OpenAiLogprob]]
    """With `include[]=logprobs`."""
    segment_id: NotRequired[str]
    """Of the segment that it begins; only with `diarized_json`."""


@described
class OpenAiTextDone(TypedDict):
    """Event of a stream: its last one."""

    type: Literal["transcript.text.done"]
    """Kind of the event."""
    text: str
    """The whole text."""
    languages: NotRequired[list[OpenAiLanguage]]
    """What is spoken."""
    logprobs: NotRequired[list[OpenAiLogprob]]
    """With `include[]=logprobs`."""
