"""POST /v1/transcribe: its form and its JSON answer."""

from __future__ import annotations

from typing import Annotated, Literal, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from gateway.api.described import LanguageName, ModelName, Probability, Seconds, described


@described
class TranscriptionWord(TypedDict):
    """One word with its times."""

    word: Annotated[str, Field(examples=["Hello,"])]
    """Keeps its punctuation."""
    start: Seconds
    """Seconds from the start of the recording."""
    end: Seconds
    """Seconds from the start of the recording."""
    confidence: Probability
    """How likely it is right, 0 to 1."""


class Speaking(TypedDict, total=False):
    """A segment's field that may be missing."""

    speaker: str


@described
class TranscriptionSegment(TypedDict):
    """What one speaker says without a long pause: mostly a sentence."""

    start: Seconds
    """Seconds from the start of the recording."""
    end: Seconds
    """Seconds from the start of the recording."""
    text: Annotated[str, Field(examples=["Hello, welcome to the meeting."])]
    """Its words as one line."""
    speaker: NotRequired[Annotated[str, Field(examples=["Speaker 1"])]]
    """Who speaks; left out where that is not known."""
    language: Annotated[str, Field(examples=["en"])]
    """Code of the language that is spoken in it."""
    confidence: Probability
    """Mean confidence of its words, 0 to 1."""
    words: list[TranscriptionWord]
    """Its words in order."""


@described
class TranscriptionGap(TypedDict):
    """Speech for which no words were found."""

    start: Seconds
    """Seconds from the start of the recording."""
    end: Seconds
    """Seconds from the start of the recording."""


@described
class TranscriptionCoverage(TypedDict):
    """How much of the speech the words account for."""

    speech_seconds: Seconds
    """Seconds in which somebody speaks."""
    covered_seconds: Seconds
    """Seconds of these that words account for; a word never for more than it can last."""
    gaps: list[TranscriptionGap]
    """Speech of 0.6 s or more without words, in order of time; mostly empty."""


@described
class Transcription(TypedDict):
    """What was said, when, and by whom."""

    text: Annotated[str, Field(examples=["Hello, welcome to the meeting."])]
    """Everything that was said."""
    language: Annotated[str, Field(examples=["en"])]
    """Code of the text's language, as asked for or as heard; of several, the one that is spoken longest. `en` for a
    translation."""
    languages: Annotated[list[str], Field(examples=[["en"]])]
    """All languages of the text, in the order of their first words."""
    duration: Seconds
    """Length of the recording in seconds."""
    segments: list[TranscriptionSegment]
    """The text in pieces, in order of time."""
    speakers: Annotated[list[str], Field(examples=[["Speaker 1", "Speaker 2"]])]
    """Everybody who speaks, in the order of their first words; empty without diarization."""
    warnings: Annotated[list[str], Field(examples=[[]])]
    """What could not be decoded, heard or told apart; mostly empty."""
    coverage: TranscriptionCoverage
    """How much of the speech has words, and where words are missing."""
    speaker_vectors: NotRequired[dict[str, str]]
    """With `speaker_vectors=true`: how each speaker sounds, signed by this service."""
    model: Annotated[str, Field(examples=["large-v3-turbo"])]
    """The model that really answered; `X-Model` says the same."""


@described
class TranscriptionForm(TypedDict):
    """A recording and how it shall be transcribed. Unknown fields are ignored, an empty field counts as left out."""

    file: NotRequired[bytes]
    """The recording, audio or video: MP3, WAV, FLAC, OGG, M4A, AAC, OPUS, WMA, MP4, WebM, MKV, AVI, MOV, WMV, MPG,
    MPEG and most others that ffmpeg reads. Of several audio tracks one in which somebody speaks is transcribed, one
    with the tag of `language` before others; `warnings` names those that were not read."""
    url: NotRequired[Annotated[str, Field(examples=[""])]]
    """The recording's address, http or https, in place of `file`. Private addresses are refused."""
    upload: NotRequired[Annotated[str, Field(examples=[""])]]
    """A resumable upload that is complete (`POST /v1/uploads`), in place of `file`."""
    model: NotRequired[Annotated[ModelName, Field(default="large-v3-turbo")]]
    """A model that `GET /v1/models` lists. For one that is not deployed a stand-in answers and is named."""
    language: NotRequired[Annotated[LanguageName, Field(default="auto")]]
    """What is spoken: `auto`, an ISO 639-1 code, a locale or an English name (`GET /v1/languages`). `zh-CN` and `zh-TW`
    choose the script of Chinese."""
    languages: NotRequired[Annotated[str, Field(default="")]]
    """The only languages that may be heard where `language` names none, with commas between them (`en,fr`); empty:
    any."""
    task: NotRequired[Annotated[Literal["transcribe", "translate"], Field(default="transcribe")]]
    """`translate`: the text is in English, whatever is spoken. Models that cannot do it are refused."""
    diarize: NotRequired[Annotated[bool, Field(default=True)]]
    """Whether speakers are told apart."""
    speakers: NotRequired[Annotated[int, Field(default=0, ge=0, le=32)]]
    """How many people speak, where that is known; 0: find out."""
    response_format: NotRequired[
        Annotated[Literal["json", "txt", "srt", "vtt", "text", "verbose_json"], Field(default="json")]
    ]
    """Shape of the answer; `text` means txt, `verbose_json` means json."""
    known_speakers: NotRequired[Annotated[str, Field(default="")]]
    """A JSON object, name → how that person sounds: a data URL of 2 to 10 s of them alone (as in `{"Ann":
    "data:audio/wav;base64,…"}`), or a vector of an earlier answer; at most 16. Speakers who sound like nobody of them
    stay `Speaker 1` …"""
    speaker_vectors: NotRequired[Annotated[bool, Field(default=False)]]
    """Whether `json` has each speaker's voice as a signed vector, which may come back in `known_speakers`. The service
    keeps none."""
    speaker_labels: NotRequired[Annotated[bool, Field(default=True)]]
    """Whether txt, srt and vtt name the speakers."""
    subtitle_columns: NotRequired[Annotated[int, Field(default=42, ge=20, le=100)]]
    """Columns of a line of srt and vtt, which have two at most; a wide character takes two."""
    channels: NotRequired[Annotated[Literal["mix", "separate"], Field(default="mix")]]
    """`separate`: each channel is transcribed alone and is a speaker, in one answer in order of time. At most 8; each
    counts as a recording of its own. What one microphone picks up of another's speaker is left out."""
    channel_names: NotRequired[Annotated[str, Field(default="")]]
    """With `channels=separate`: the speakers of the channels in order, as a JSON list or with commas between them
    (`Agent, Customer`); those without a name are `Channel 1` …"""
    track: NotRequired[Annotated[int, Field(default=0, ge=0, le=64)]]
    """The audio track to transcribe, 1 being the file's first; 0: one in which somebody speaks."""
    tracks: NotRequired[Annotated[Literal["one", "mix"], Field(default="one")]]
    """`mix`: all audio tracks are heard at once, as of a microphone beside a desktop."""
    keyterms: NotRequired[Annotated[str, Field(default="")]]
    """Names and words that matter, as a JSON list or with commas between them: more likely wherever they may be said,
    and written as they stand here. At most 100 of 80 characters."""
    keyterms_text: NotRequired[Annotated[str, Field(default="", max_length=4000)]]
    """A text whose names and unusual words are key terms as well, such as an agenda."""
    prompt: NotRequired[Annotated[str, Field(default="", max_length=2000)]]
    """Names and terms that are likely to be said, or the text before this recording."""
