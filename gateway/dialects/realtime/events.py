"""Events of the server, under the names of today (GA) or of the beta."""

from __future__ import annotations

import json
import math
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gateway.dialects.errors import error_body
from gateway.dialects.realtime.config import BETA_FORMATS, RealtimeConfig
from gateway.errors import BadParameter, ServiceError

Event = dict[str, Any]
LEAST = 1e-6  # probability whose logarithm is told of improbable words
TRANSCRIPTION = "conversation.item.input_audio_transcription"


@dataclass(frozen=True, slots=True)
class ConversationItem:
    """One turn, from its first sound to its text."""

    id: str
    previous: str | None  # id of the turn before


@dataclass(frozen=True, slots=True)
class EventNames:
    """The dialect of one connection."""

    beta: bool

    def session(self, what: str, identity: str, expires_at: int, config: RealtimeConfig) -> Event:
        """what: created or updated"""
        kind = "transcription_session" if self.beta else "session"
        return event(f"{kind}.{what}", session=self._session(identity, expires_at, config))

    def announced(self, item: ConversationItem) -> list[Event]:
        fields = {"previous_item_id": item.previous, "item": _item(item)}
        names = ("created",) if self.beta else ("added", "done")
        return [event(f"conversation.item.{name}", **fields) for name in names]

    def _session(self, identity: str, expires_at: int, config: RealtimeConfig) -> Event:
        head = {"id": identity, "object": "realtime.transcription_session", "expires_at": expires_at}
        include = list(config.include) or None
        if self.beta:
            names = {new: old for old, new in BETA_FORMATS.items()}
            return {
                **head,
                "input_audio_format": names[config.format["type"]],
                "input_audio_transcription": dict(config.transcription),
                "turn_detection": config.turn_detection,
                "input_audio_noise_reduction": config.noise_reduction,
                "include": include,
            }
        source = {
            "format": dict(config.format),
            "transcription": dict(config.transcription),
            "turn_detection": config.turn_detection,
            "noise_reduction": config.noise_reduction,
        }
        return {**head, "type": "transcription", "audio": {"input": source}, "include": include}


def read_event(text: str) -> Mapping[str, Any]:
    """raises: BadParameter"""
    try:
        fields = json.loads(text)
    except (ValueError, RecursionError):
        raise BadParameter("The event is not JSON.") from None
    if not isinstance(fields, dict):
        raise BadParameter("The event is no JSON object.")
    return fields


def event(kind: str, **fields: Any) -> Event:
    return {"type": kind, "event_id": f"event_{secrets.token_hex(10)}", **fields}


def new_identity(prefix: str) -> str:
    return f"{prefix}_{secrets.token_hex(10)}"


def delta(item: ConversationItem, text: str, logprobs: Sequence[Mapping[str, Any]] | None) -> Event:
    more = {} if logprobs is None else {"logprobs": logprobs}
    return event(f"{TRANSCRIPTION}.delta", item_id=item.id, content_index=0, delta=text, **more)


def logprobs(words: Sequence[Mapping[str, Any]], *, first: bool) -> list[Event]:
    """One entry a word. first: the turn begins with them"""
    texts = [word["word"] if first and not number else f" {word['word']}" for number, word in enumerate(words)]
    return [
        {
            "token": text,
            "logprob": min(0.0, round(math.log(max(word["confidence"], LEAST)), 4)),
            "bytes": list(text.encode()),
        }
        for text, word in zip(texts, words, strict=True)
    ]


def completed(item: ConversationItem, text: str, seconds: float, language: str) -> Event:
    return event(
        f"{TRANSCRIPTION}.completed",
        item_id=item.id,
        content_index=0,
        transcript=text,
        usage={"type": "duration", "seconds": round(seconds, 3)},
        **({"languages": [{"code": language}]} if text and language else {}),
    )


def failed(item: ConversationItem, error: ServiceError) -> Event:
    return event(f"{TRANSCRIPTION}.failed", item_id=item.id, content_index=0, error=dict(error_body(error)["error"]))


def refused(error: ServiceError, client_event: str | None, code: str | None = None) -> Event:
    """client_event: id of the event that was wrong"""
    told = dict(error_body(error)["error"])
    return event("error", error={**told, "code": code or told["code"], "event_id": client_event})


def _item(item: ConversationItem) -> Event:
    content = [{"type": "input_audio", "transcript": None}]
    return {"id": item.id, "type": "message", "role": "user", "status": "completed", "content": content}
