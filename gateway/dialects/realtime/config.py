"""What a realtime session is told by its updates, in the words of today (GA) and of the beta."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from gateway.dialects.keywords import read_keywords
from gateway.errors import BadParameter
from gateway.http.parameters import MAX_PROMPT, read_language
from gateway.requests.live import LiveOptions
from gateway.streaming.endpoint import EndpointPolicy
from gateway.streaming.policy import StreamPolicy, samples
from gateway.streaming.resampling import SoundFormat
from speech.activity import CHUNK_SECONDS

PCM_RATE = 24_000  # Hz, of "pcm16" and of audio/pcm without a rate
RATES = (8_000, 16_000, 24_000)
BETA_FORMATS = {"pcm16": "audio/pcm", "g711_ulaw": "audio/pcmu", "g711_alaw": "audio/pcma"}
CODINGS = {"audio/pcmu": "ulaw", "audio/pcma": "alaw"}
EAGER_SECONDS = {"low": 2.0, "medium": 1.0, "auto": 1.0, "high": 0.5}  # of silence that end a turn of semantic_vad
SERVER_VAD: Mapping[str, Any] = {
    "type": "server_vad",
    "threshold": 0.5,
    "prefix_padding_ms": 300,
    "silence_duration_ms": 500,
}


@dataclass(frozen=True, slots=True)
class RealtimeConfig:
    """As the client reads it in `session`; a field that an update leaves out stays."""

    format: Mapping[str, Any] = field(default_factory=lambda: {"type": "audio/pcm", "rate": PCM_RATE})
    transcription: Mapping[str, Any] = field(default_factory=dict)  # model, language, prompt …
    turn_detection: Mapping[str, Any] | None = field(default_factory=lambda: dict(SERVER_VAD))
    noise_reduction: Mapping[str, Any] | None = None  # taken and not used
    include: tuple[str, ...] = ()

    @property
    def sound(self) -> SoundFormat:
        kind = self.format["type"]
        if kind in CODINGS:
            return SoundFormat(rate=8_000, width=1, coding=CODINGS[kind])  # type: ignore[arg-type]
        return SoundFormat(rate=self.format["rate"])

    @property
    def logprobs(self) -> bool:
        return "item.input_audio_transcription.logprobs" in self.include

    @property
    def early_deltas(self) -> bool:
        """Whether text is told while its turn goes on; clients of older models expect it after the turn."""
        return bool(self.transcription.get("delay"))

    def live_options(self) -> LiveOptions:
        """raises: BadParameter"""
        asked = self.transcription
        allowed = [read_language(each, "languages") for each in asked.get("languages") or ()]
        languages = tuple(dict.fromkeys(code for code in allowed if code is not None))
        return LiveOptions(
            model=asked.get("model") or "",
            language=languages[0] if len(languages) == 1 else read_language(asked.get("language") or ""),
            languages=languages,
            prompt=(asked.get("prompt") or "")[-MAX_PROMPT:],
            keyterms=read_keywords(asked.get("keywords") or ()),
            policy=turn_policy(self.turn_detection),
        )


def first_config(query: Mapping[str, str]) -> RealtimeConfig:
    """Of a client that has not said anything. Its address may name a model, and the rate of its PCM."""
    config = RealtimeConfig(transcription={"model": query.get("model") or "whisper-1"})
    rate = query.get("rate", "")
    if rate.isdigit() and int(rate) in RATES:
        config = replace(config, format={"type": "audio/pcm", "rate": int(rate)})
    return config


def turn_policy(detection: Mapping[str, Any] | None) -> StreamPolicy:
    if detection is None:
        return StreamPolicy(muted_seconds=None)
    if detection["type"] == "semantic_vad":
        silence = EAGER_SECONDS[detection.get("eagerness") or "auto"]
        return StreamPolicy(endpoint=EndpointPolicy(silence_chunks=round(silence / CHUNK_SECONDS)), every_pause=True)
    onset = float(detection["threshold"])
    silence_chunks = max(1, round(detection["silence_duration_ms"] / 1000 / CHUNK_SECONDS))
    endpoint = EndpointPolicy(onset=onset, release=max(0.05, onset - 0.15), silence_chunks=silence_chunks)
    padding = samples(detection["prefix_padding_ms"] / 1000)
    return StreamPolicy(endpoint=endpoint, padding=padding, every_pause=True)


def updated(config: RealtimeConfig, session: object, *, beta: bool) -> RealtimeConfig:
    """raises: BadParameter"""
    asked = _object(session, "session")
    if beta:
        asked = _from_beta(asked)
    elif asked.get("type", "transcription") != "transcription":
        raise BadParameter("This service has transcription sessions alone; `session.type` is transcription.", "type")
    source = _object(_object(asked.get("audio") or {}, "audio").get("input") or {}, "audio.input")
    changed = replace(config, include=_texts(asked.get("include"), "include") or config.include)
    if source.get("format") is not None:
        changed = replace(changed, format=_format(source["format"], config))
    if source.get("transcription") is not None:
        changed = replace(changed, transcription=_transcription(source["transcription"], changed.transcription))
    if "turn_detection" in source:
        changed = replace(changed, turn_detection=_turn_detection(source["turn_detection"]))
    if "noise_reduction" in source:
        changed = replace(changed, noise_reduction=source["noise_reduction"])
    changed.live_options()  # what is wrong with it is told now
    return changed


def _from_beta(asked: Mapping[str, Any]) -> Mapping[str, Any]:
    names = {
        "input_audio_format": "format",
        "input_audio_transcription": "transcription",
        "turn_detection": "turn_detection",
        "input_audio_noise_reduction": "noise_reduction",
    }
    source = {new: asked[old] for old, new in names.items() if old in asked}
    return {"include": asked.get("include"), "audio": {"input": source}}


def _transcription(asked: object, before: Mapping[str, Any]) -> Mapping[str, Any]:
    wanted = _object(asked, "transcription")
    for name in ("model", "language", "prompt", "delay"):
        if not isinstance(wanted.get(name) or "", str):
            raise BadParameter(f"`{name}` is {str(wanted[name])[:40]!r}; accepted is a text.", name)
    _texts(wanted.get("keywords"), "keywords")
    if _texts(wanted.get("languages"), "languages") and wanted.get("language"):
        raise BadParameter("`language` and `languages` were both sent; accepted is one of them.", "languages")
    replaced = {"language", "languages"} if wanted.keys() & {"language", "languages"} else set()
    return {**{name: value for name, value in before.items() if name not in replaced}, **wanted}


def _format(asked: object, config: RealtimeConfig) -> Mapping[str, Any]:
    if isinstance(asked, str):
        asked = {"type": BETA_FORMATS.get(asked, asked)}
    wanted = _object(asked, "format")
    kind = str(wanted.get("type"))
    if kind in CODINGS:
        return {"type": kind}
    before = config.format.get("rate", PCM_RATE)
    rate = wanted.get("rate") or before
    if kind != "audio/pcm" or rate not in RATES:
        accepted = "audio/pcm with a rate of 24000, 16000 or 8000, audio/pcmu and audio/pcma"
        raise BadParameter(f"The format is {str(dict(wanted))[:80]}; accepted are {accepted}.", "format")
    return {"type": kind, "rate": rate}


def _turn_detection(asked: object) -> Mapping[str, Any] | None:
    if asked is None:
        return None
    wanted = dict(_object(asked, "turn_detection"))
    kind = wanted.get("type") or "server_vad"
    eagerness = str(wanted.get("eagerness") or "auto")
    if kind == "semantic_vad" and eagerness in EAGER_SECONDS:
        return {"type": kind, "eagerness": eagerness}
    if kind != "server_vad":
        raise BadParameter("`turn_detection` is server_vad, semantic_vad (low, medium, high, auto) or null.", "type")
    chosen = {name: wanted[name] if wanted.get(name) is not None else value for name, value in SERVER_VAD.items()}
    bounds = {"threshold": 1.0, "prefix_padding_ms": 5_000, "silence_duration_ms": 30_000}
    for name, most in bounds.items():
        if isinstance(chosen[name], bool) or not isinstance(chosen[name], int | float) or not 0 <= chosen[name] <= most:
            raise BadParameter(f"`{name}` is {str(chosen[name])[:40]!r}; accepted are 0 to {most}.", name)
    return chosen


def _object(asked: object, name: str) -> Mapping[str, Any]:
    if not isinstance(asked, dict):
        raise BadParameter(f"`{name}` is no object.", name)
    return asked


def _texts(asked: object, name: str) -> tuple[str, ...]:
    """() for null. Raises BadParameter for anything else that is no list of texts."""
    if asked is None:
        return ()
    if not isinstance(asked, list) or not all(isinstance(each, str) for each in asked):
        raise BadParameter(f"`{name}` is {str(asked)[:40]!r}; accepted is a list of texts.", name)
    return tuple(asked)
