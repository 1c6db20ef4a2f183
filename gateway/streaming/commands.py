"""What a client of /v1/stream says in its address and in text frames: a config, or that it stops."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from gateway.errors import BadParameter
from gateway.media.live_decoding import CONTAINERS
from gateway.recognition.term_check import check_keyterms
from gateway.streaming.end_of_turn import UNASKED, TurnPolicy, read_end_of_turn, unknown_fields
from gateway.streaming.resampling import MOST_CHANNELS, Coding, SoundFormat
from gateway.streaming.resumable import Resume, read_resume
from speech.audio import SAMPLE_RATE

CONFIG_EXAMPLE = '{"language": "en", "model": "large-v3-turbo"}'
STOP_EXAMPLE = '{"action": "stop"}'
CONFIG_FIELDS = ("model", "language", "languages", "token", "encoding", "sample_rate", "channels")
TEXT_FIELDS = ("model", "language", "encoding", "prompt")
TRANSCRIBE = "transcribe"  # the only task: what is stable of a translation is not known before its sentence ends
KNOWN_FIELDS = {*CONFIG_FIELDS, *TEXT_FIELDS, "keyterms", "resume", "task", "end_of_turn", "diarize"}
CHANGEABLE = ("language", "languages", "keyterms", "prompt")  # in the middle of the audio
MAX_TEXT_FRAME = 16_384  # characters
SLOWEST, FASTEST = 8_000, 48_000  # Hz, of sample_rate
CODINGS: Mapping[str, tuple[Coding, int]] = {  # bytes of a sample
    "pcm16": ("pcm", 2),
    "float32": ("float", 4),
    "mulaw": ("ulaw", 1),
    "alaw": ("alaw", 1),
}


@dataclass(frozen=True, slots=True)
class StreamConfig:
    model: str | None = None  # None: the API's default
    language: str = "auto"
    languages: str = ""  # the only ones that may be heard, with commas between them; "": any
    sound: SoundFormat = field(default_factory=SoundFormat)
    container: str = ""  # one of CONTAINERS; "": bare samples
    prompt: str = ""
    keyterms: tuple[str, ...] = ()  # that are likely to be said
    turn: TurnPolicy = UNASKED
    tells_turns: bool = False
    diarize: bool = False
    resume: Resume | None = None  # None: the session ends with its connection
    strange: tuple[str, ...] = field(default=(), compare=False)  # fields inside of others that mean nothing here
    given: frozenset[str] = field(default=frozenset(), compare=False)  # names of the fields that were sent

    @property
    def ignored(self) -> list[str]:
        """Names of fields that mean nothing here."""
        return sorted({*(self.given - KNOWN_FIELDS), *self.strange})


class StopCommand:
    """The client has sent all of its audio."""


def read_query(query: Mapping[str, str]) -> StreamConfig | None:
    """A stream is configured by its address if that names any of CONFIG_FIELDS. Raises BadParameter."""
    named = {name: query[name] for name in CONFIG_FIELDS if name in query}
    if not named:
        return None
    numbers = {name: int(text) for name, text in named.items() if name in NUMBERS and text.isascii() and text.isdigit()}
    return read_config({**named, **numbers, "token": "", "task": query.get("task")})


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


def read_config(fields: Mapping[str, Any]) -> StreamConfig:
    """raises: BadParameter"""
    _check_task(fields.get("task"))
    for name in TEXT_FIELDS:
        if not isinstance(fields.get(name) or "", str):
            raise BadParameter(f"{name} is a string; a config looks like {CONFIG_EXAMPLE}", name)
    encoding = (fields.get("encoding") or "pcm16").lower()
    if encoding not in {*CODINGS, *CONTAINERS}:
        accepted = ", ".join([*CODINGS, *CONTAINERS])
        raise BadParameter(f"encoding is {encoding[:40]!r}; a config accepts {accepted}", "encoding")
    coding, width = CODINGS.get(encoding, ("pcm", 2))
    sound = SoundFormat(
        rate=_number(fields, "sample_rate", SAMPLE_RATE),
        width=width,
        channels=_number(fields, "channels", 1),
        coding=coding,
    )
    return StreamConfig(
        model=fields.get("model") or None,
        language=fields.get("language") or "auto",
        languages=_languages(fields.get("languages")),
        sound=sound,
        container=encoding if encoding in CONTAINERS else "",
        prompt=fields.get("prompt") or "",
        keyterms=_keyterms(fields.get("keyterms")),
        turn=read_end_of_turn(fields.get("end_of_turn")),
        tells_turns=bool(fields.get("end_of_turn")),
        diarize=_flag(fields, "diarize"),
        resume=_read_resume(fields, encoding),
        strange=unknown_fields(fields.get("end_of_turn")),
        given=frozenset(fields),
    )


def changed(before: StreamConfig, asked: StreamConfig) -> StreamConfig:
    """The config of a session that is sent another one in the middle of its sound.

    raises: BadParameter for a change of what cannot change then
    """
    fixed = {"model": asked.model == before.model, "encoding": asked.container == before.container}
    fixed["resume"] = asked.resume == before.resume
    fixed["end_of_turn"] = (asked.turn, asked.tells_turns) == (before.turn, before.tells_turns)
    fixed["diarize"] = asked.diarize == before.diarize
    fixed |= dict.fromkeys(("encoding", "sample_rate", "channels"), asked.sound == before.sound)
    if wrong := sorted(name for name in asked.given & fixed.keys() if not fixed[name]):
        raise BadParameter(
            f"{wrong[0]} is set before the audio; a config after it may change {', '.join(CHANGEABLE)}", wrong[0]
        )
    new = {name: getattr(asked, name) for name in CHANGEABLE if name in asked.given}
    return replace(before, **new)


def _check_task(task: object) -> None:
    if task not in (None, "", TRANSCRIBE):
        message = (
            f"A live session has the task {TRANSCRIBE} alone; to translate, send a recording to POST /v1/transcribe."
        )
        raise BadParameter(message, "task")


def _flag(fields: Mapping[str, Any], name: str) -> bool:
    value = fields.get(name)
    if value is not None and not isinstance(value, bool):
        raise BadParameter(f"{name} is {str(value)[:40]}; a config accepts true and false", name)
    return bool(value)


NUMBERS = {"sample_rate": (SLOWEST, FASTEST), "channels": (1, MOST_CHANNELS)}  # least, most


def _number(fields: Mapping[str, Any], name: str, default: int) -> int:
    value, (least, most) = fields.get(name), NUMBERS[name]
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise BadParameter(f"{name} is {str(value)[:40]}; a config accepts whole numbers from {least} to {most}", name)
    return value


def _read_resume(fields: Mapping[str, Any], encoding: str) -> Resume | None:
    resume = read_resume(fields.get("resume"))
    if resume is not None and encoding in CONTAINERS:
        raise BadParameter(f"resume needs bare samples; a config accepts it with {', '.join(CODINGS)}", "resume")
    return resume


def _languages(asked: object) -> str:
    if isinstance(asked, list) and all(isinstance(each, str) for each in asked):
        return ",".join(asked)
    if not isinstance(asked or "", str):
        raise BadParameter(f"languages is a string; a config looks like {CONFIG_EXAMPLE}", "languages")
    return str(asked or "")


def _keyterms(asked: object) -> tuple[str, ...]:
    if asked is None:
        return ()
    if not isinstance(asked, list) or not all(isinstance(each, str) for each in asked):
        raise BadParameter('keyterms is a list of strings, such as ["Siobhan", "Nakagawa"]', "keyterms")
    return check_keyterms(asked)
