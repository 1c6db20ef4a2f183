"""What a chat server's stream says, line by line, and what its errors say."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from gateway.summaries.errors import SummarizerFailed


@dataclass(frozen=True, slots=True)
class Chunk:
    """One line of a stream."""

    model: str
    text: str
    finish: str  # why the answer ended, "" where it goes on
    read: float | None  # fraction of the prompt


@contextmanager
def understood() -> Iterator[None]:
    """Raises SummarizerFailed where an answer is not made as it should be."""
    try:
        yield
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise SummarizerFailed("The summarizer's address does not speak the OpenAI chat API.") from error


def read_chunk(said: str) -> Chunk:
    with understood():
        fields = json.loads(said)
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
