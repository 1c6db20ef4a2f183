"""What is said between the gateway and a server with the OpenAI chat API, and how it fails.

SummarizerUnavailable    it is off, starting, restarting or out of reach
SummarizerFailed         it answered, and the answer is of no use

Their messages are written for clients.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any


class SummarizerUnavailable(Exception):
    def __init__(self, message: str, retry_after: float = 5.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after  # seconds


class SummarizerFailed(Exception):
    pass


@dataclass(frozen=True, slots=True)
class ServedModel:
    """What a server says of itself."""

    model: str
    context: int  # tokens of prompt and answer together
    at_once: int  # answers that it writes side by side
    reports_progress: bool  # it can say how far it has read the prompt (llama.cpp)


@dataclass(frozen=True, slots=True)
class ChatRequest:
    messages: tuple[dict[str, str], ...]
    max_tokens: int
    schema: Mapping[str, Any] | None = None  # JSON Schema that the answer is held to while it is written


@dataclass(frozen=True, slots=True)
class PromptProgress:
    fraction: float  # of the prompt that has been read, 0..1


@dataclass(frozen=True, slots=True)
class TextDelta:
    text: str


@dataclass(frozen=True, slots=True)
class Done:
    model: str  # the one that answered
    cut: bool  # max_tokens ended it


ChatEvent = PromptProgress | TextDelta | Done


@dataclass(frozen=True, slots=True)
class Chunk:
    """One line of a stream."""

    model: str
    text: str
    finish: str  # why the answer ended, "" where it goes on
    read: float | None  # fraction of the prompt


@contextmanager
def understood() -> Iterator[None]:
    """raises: SummarizerFailed where an answer is not made as it should be"""
    try:
        yield
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise SummarizerFailed("The summarizer's address does not speak the OpenAI chat API.") from error


def read_chunk(data: str) -> Chunk:
    """raises: SummarizerFailed"""
    with understood():
        fields = json.loads(data)
        if "error" in fields:
            raise SummarizerFailed(f"The summarizer failed: {explanation(fields)}")
        choices = fields.get("choices") or ()
        progress = fields.get("prompt_progress") or {}
        return Chunk(
            model=str(fields.get("model") or ""),
            text="".join((choice.get("delta") or {}).get("content") or "" for choice in choices),
            finish="".join(choice.get("finish_reason") or "" for choice in choices),
            read=progress["processed"] / progress["total"] if progress.get("total") else None,
        )


def explanation(answer: Any) -> str:
    error = answer.get("error", answer) if isinstance(answer, dict) else answer
    return str(error.get("message", error) if isinstance(error, dict) else error)[:200]
