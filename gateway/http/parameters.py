"""Request parameters: text from a form, checked, with errors that say what is accepted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gateway.errors import BadParameter
from gateway.http.key_terms import read_keyterms
from gateway.http.known_speakers import KnownSpeaker, read_known_speakers
from gateway.http.sound_parameters import read_channel_names, read_track_choice
from gateway.media.tracks import TrackChoice
from gateway.models import DEFAULT_MODEL
from gateway.recognition.request import RecognitionRequest
from gateway.transcript.subtitles import COLUMNS, NARROWEST, WIDEST
from speech import languages
from speech.languages import Script, find_script
from speech.tensors import Task

RESPONSE_FORMATS = {  # accepted → meant
    "json": "json", "txt": "txt", "srt": "srt", "vtt": "vtt", "text": "txt", "verbose_json": "json"
}  # fmt: skip
FIELDS = (
    "model",
    "language",
    "languages",
    "task",
    "prompt",
    "diarize",
    "speakers",
    "known_speakers",
    "speaker_vectors",
    "speaker_labels",
    "subtitle_columns",
    "response_format",
    "channels",
    "channel_names",
    "track",
    "tracks",
    "keyterms",
    "keyterms_text",
)
MAX_SPEAKERS = 32
MAX_PROMPT = 2000  # characters: more than the decoder's 224 tokens hold

_TRUE = frozenset({"true", "1", "yes", "on"})
_FALSE = frozenset({"false", "0", "no", "off"})


@dataclass(frozen=True, slots=True, kw_only=True)
class TranscribeParameters:
    recognition: RecognitionRequest  # its model as the client named it
    known_speakers: tuple[KnownSpeaker, ...]
    speaker_vectors: bool  # whether json has the speakers' voices
    speaker_labels: bool  # whether txt, srt and vtt name the speakers
    subtitle_columns: int  # of a line of srt and vtt
    response_format: str  # json, txt, srt or vtt
    tracks: TrackChoice  # its language is the recognition's
    channel_names: tuple[str, ...]


def read_transcribe_parameters(fields: Mapping[str, str]) -> TranscribeParameters:
    """raises: BadParameter"""
    prompt = fields.get("prompt", "")
    if len(prompt) > MAX_PROMPT:
        raise BadParameter(f"`prompt` is longer than {MAX_PROMPT} characters.", "prompt")
    language = read_language(fields.get("language", ""))
    allowed = read_languages(fields.get("languages", ""))
    if language and allowed and language not in allowed:
        raise BadParameter(f"`language` is {language}, but `languages` allows only {', '.join(allowed)}.", "language")
    tracks = read_track_choice(fields)
    return TranscribeParameters(
        recognition=RecognitionRequest(
            model=fields.get("model", "").strip() or DEFAULT_MODEL,
            language=language or (allowed[0] if len(allowed) == 1 else None),
            languages=allowed,
            script=_script(fields),
            task=read_task(fields.get("task", "")),
            prompt=prompt,
            keyterms=read_keyterms(fields),
            diarize=read_boolean("diarize", fields.get("diarize", ""), default=True),
            speakers=read_integer("speakers", fields.get("speakers", ""), MAX_SPEAKERS),
        ),
        known_speakers=read_known_speakers(fields.get("known_speakers", "")),
        speaker_vectors=read_boolean("speaker_vectors", fields.get("speaker_vectors", ""), default=False),
        speaker_labels=read_boolean("speaker_labels", fields.get("speaker_labels", ""), default=True),
        subtitle_columns=_columns(fields.get("subtitle_columns", "")),
        response_format=_response_format(fields.get("response_format", "")),
        tracks=tracks,
        channel_names=read_channel_names(fields, separate=tracks.separate),
    )


def read_language(text: str, name: str = "language") -> str | None:
    """The ISO 639-1 code of a code, locale or English name; None for "auto" and nothing.

    name: of the field
    """
    if text.strip().lower() in ("", "auto"):
        return None
    code = languages.find(text)
    if code is None:
        raise BadParameter(
            f"`{name}` is {text.strip()[:40]!r}; accepted are auto, an ISO 639-1 code such as en, or an English "
            "name such as german (GET /v1/languages lists them).",
            name,
        )
    return code


def read_task(text: str) -> Task:
    """raises: BadParameter"""
    try:
        return Task(text.strip().lower() or Task.TRANSCRIBE)
    except ValueError:
        raise BadParameter(f"`task` is {text[:40]!r}; accepted are {', '.join(Task)}.", "task") from None


def read_languages(text: str) -> tuple[str, ...]:
    """Codes of a list with commas, each once; () for "auto" and nothing. Raises BadParameter."""
    asked = [part for part in text.split(",") if part.strip()]
    codes = [read_language(part, "languages") for part in asked]
    return tuple(dict.fromkeys(filter(None, codes)))


def _script(fields: Mapping[str, str]) -> Script | None:
    asked = [fields.get("language", ""), *fields.get("languages", "").split(",")]
    return next((script for text in asked if (script := find_script(text)) is not None), None)


def _response_format(text: str) -> str:
    wanted = text.strip().lower() or "json"
    if wanted not in RESPONSE_FORMATS:
        raise BadParameter(
            f"`response_format` is {text[:40]!r}; accepted are {', '.join(RESPONSE_FORMATS)}.", "response_format"
        )
    return RESPONSE_FORMATS[wanted]


def _columns(text: str) -> int:
    wanted = text.strip() or str(COLUMNS)
    if not (wanted.isascii() and wanted.isdigit() and len(wanted) < 10 and NARROWEST <= int(wanted) <= WIDEST):
        accepted = f"whole numbers from {NARROWEST} to {WIDEST}"
        raise BadParameter(f"`subtitle_columns` is {text[:40]!r}; accepted are {accepted}.", "subtitle_columns")
    return int(wanted)


def read_boolean(name: str, text: str, *, default: bool) -> bool:
    """raises: BadParameter"""
    wanted = text.strip().lower()
    if not wanted:
        return default
    if wanted not in _TRUE | _FALSE:
        raise BadParameter(f"`{name}` is {text[:40]!r}; accepted are true and false.", name)
    return wanted in _TRUE


def read_integer(name: str, text: str, largest: int) -> int:
    """raises: BadParameter"""
    wanted = text.strip() or "0"
    if not (wanted.isascii() and wanted.isdigit() and len(wanted) < 10 and int(wanted) <= largest):
        accepted = f"whole numbers from 0 (find out) to {largest}"
        raise BadParameter(f"`{name}` is {text[:40]!r}; accepted are {accepted}.", name)
    return int(wanted)
