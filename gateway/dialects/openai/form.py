"""The fields of OpenAI's forms, in all the ways in which its clients write them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gateway.dialects.keywords import read_keywords
from gateway.errors import BadParameter
from gateway.http.known_speakers import KnownSpeaker, known_speakers
from gateway.http.parameters import MAX_PROMPT, MAX_SPEAKERS, read_boolean, read_integer, read_language, read_task
from gateway.http.uploads import Form
from gateway.recognition.request import RecognitionRequest
from speech.languages import Script, find_script
from speech.tensors import Task

FORMATS = {name: name for name in ("json", "text", "srt", "verbose_json", "vtt", "diarized_json")} | {"txt": "text"}
GRANULARITIES = ("word", "segment")
STRATEGY = "chunking_strategy"
STRATEGY_NUMBERS = ("prefix_padding_ms", "silence_duration_ms", "threshold")
REFERENCES = "known_speaker_references"
MOST_KNOWN = 4  # speakers


@dataclass(frozen=True, slots=True)
class OpenAiOptions:
    model: str  # as the client named it
    recognition: RecognitionRequest
    response_format: str  # one of FORMATS' values
    granularities: frozenset[str]  # of verbose_json
    logprobs: bool
    stream: bool
    known: tuple[KnownSpeaker, ...] = ()


def read_transcription(form: Form) -> OpenAiOptions:
    """raises: BadParameter"""
    fields = OpenAiFields(form.values)
    _check_strategy(fields)
    response_format = _response_format(fields)
    language, allowed = _languages(fields)
    recognition = RecognitionRequest(
        model="",
        language=language,
        languages=allowed,
        script=_script(fields),
        task=read_task(fields.one("task")),
        prompt=_prompt(fields),
        keyterms=read_keywords(fields.many("keywords", commas=False)),
        diarize=response_format == "diarized_json",
        speakers=read_integer("speakers", fields.one("speakers"), MAX_SPEAKERS),
    )
    return OpenAiOptions(
        model=fields.one("model"),
        recognition=recognition,
        response_format=response_format,
        granularities=_chosen(fields, "timestamp_granularities", GRANULARITIES) or frozenset({"segment"}),
        logprobs=bool(_chosen(fields, "include", ("logprobs",))),
        stream=read_boolean("stream", fields.one("stream"), default=False),
        known=known_speakers(
            fields.many("known_speaker_names", commas=False),
            fields.many(REFERENCES, commas=False),
            REFERENCES,
            MOST_KNOWN,
        ),
    )


def read_translation(form: Form) -> OpenAiOptions:
    """raises: BadParameter"""
    fields = OpenAiFields(form.values)
    response_format = _response_format(fields)
    if response_format == "diarized_json":
        accepted = ", ".join(name for name in FORMATS if name not in ("diarized_json", "txt"))
        raise BadParameter(f"A translation has no diarized_json; accepted are {accepted}.", "response_format")
    recognition = RecognitionRequest(model="", task=Task.TRANSLATE, prompt=_prompt(fields))
    return OpenAiOptions(fields.one("model"), recognition, response_format, frozenset({"segment"}), False, False)


class OpenAiFields:
    """Values by field. SDKs repeat `name[]` for lists; people write `name`, commas or JSON."""

    def __init__(self, values: Mapping[str, Sequence[str]]) -> None:
        self._values = values

    def one(self, name: str) -> str:
        """ "" where it was not sent; the last one where it was sent several times."""
        return self._values.get(name, [""])[-1].strip()

    def many(self, name: str, *, commas: bool = True) -> list[str]:
        """raises: BadParameter"""
        found: list[str] = []
        for field, values in self._values.items():
            if re.fullmatch(rf"{name}(\[\d*\])?", field):
                found += [each for value in values for each in _listed(name, value, commas)]
        return [each for each in found if each]

    def inner(self, name: str) -> dict[str, str]:
        """`name[key]=value` as key → value."""
        found = {}
        for field, values in self._values.items():
            if match := re.fullmatch(rf"{name}\[(\w+)\]", field):
                found[match[1]] = values[-1].strip()
        return found


def _listed(name: str, value: str, commas: bool) -> list[str]:
    text = value.strip()
    if text.startswith("["):
        try:
            listed = json.loads(text)
        except (ValueError, RecursionError):
            raise BadParameter(
                f"`{name}` is not valid JSON; accepted are a JSON list or repeated fields.", name
            ) from None
        if not all(isinstance(each, str) for each in listed):
            raise BadParameter(f"`{name}` holds something that is no text; accepted is a list of texts.", name)
        return [each.strip() for each in listed]
    return [each.strip() for each in text.split(",")] if commas else [text]


def _response_format(fields: OpenAiFields) -> str:
    asked = fields.one("response_format").lower() or "json"
    if asked not in FORMATS:
        accepted = ", ".join(dict.fromkeys(FORMATS.values()))
        raise BadParameter(f"`response_format` is {asked[:40]!r}; accepted are {accepted}.", "response_format")
    return FORMATS[asked]


def _chosen(fields: OpenAiFields, name: str, accepted: Sequence[str]) -> frozenset[str]:
    asked = frozenset(fields.many(name))
    if unknown := sorted(asked - set(accepted)):
        raise BadParameter(f"`{name}` has {unknown[0][:40]!r}; accepted are {', '.join(accepted)}.", name)
    return asked


def _languages(fields: OpenAiFields) -> tuple[str | None, tuple[str, ...]]:
    """The language that is spoken, if it is one, and those that may be, if they are several."""
    one, many = fields.one("language"), fields.many("languages")
    if one and many:
        raise BadParameter("`language` and `languages` were both sent; accepted is one of them.", "languages")
    known = [read_language(each, "languages") for each in many]
    allowed = tuple(dict.fromkeys(code for code in known if code is not None))
    if len(allowed) == 1:
        return allowed[0], allowed
    return (None, allowed) if allowed else (read_language(one), ())


def _script(fields: OpenAiFields) -> Script | None:
    asked = [fields.one("language"), *fields.many("languages")]
    return next((script for text in asked if (script := find_script(text)) is not None), None)


def _prompt(fields: OpenAiFields) -> str:
    """Of a long one the end, as with Whisper. Raises BadParameter for a temperature that is none."""
    temperature = fields.one("temperature") or "0"
    try:
        sensible = 0.0 <= float(temperature) <= 1.0
    except ValueError:
        sensible = False
    if not sensible:
        raise BadParameter(f"`temperature` is {temperature[:40]!r}; accepted are numbers from 0 to 1.", "temperature")
    return fields.one("prompt")[-MAX_PROMPT:]


def _check_strategy(fields: OpenAiFields) -> None:
    """Speech is always cut in its pauses; what is no strategy is refused all the same."""
    text, strategy = fields.one(STRATEGY), dict[str, Any](fields.inner(STRATEGY))
    if text.startswith("{"):
        try:
            strategy = dict(json.loads(text))
        except (ValueError, RecursionError):
            raise BadParameter(f"`{STRATEGY}` is not valid JSON.", STRATEGY) from None
    elif text not in ("", "auto", "null"):
        strategy = {"type": text}
    if not strategy:
        return
    if strategy.get("type", "server_vad") not in ("server_vad", "auto"):
        kind = str(strategy["type"])[:40]
        raise BadParameter(f"`{STRATEGY}` has the type {kind!r}; accepted are auto and server_vad.", STRATEGY)
    for name in STRATEGY_NUMBERS:
        try:
            float(strategy.get(name) or 0)
        except (TypeError, ValueError):
            raise BadParameter(f"`{name}` of `{STRATEGY}` is no number.", STRATEGY) from None
