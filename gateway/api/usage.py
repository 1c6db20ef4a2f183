"""GET /v1/usage: the caller's own figures."""

from __future__ import annotations

from typing import Annotated, Literal, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from gateway.api.described import Count, Seconds, described

Unit = Annotated[
    Literal["transcriptions", "minutes", "credits", "summaries"],
    Field(description="What is counted."),
]
Remaining = Annotated[int, Field(description="Units left in this period.")]
Limit = Annotated[int, Field(ge=0, description="Units in each period; left out for credits, which have none.")]
ResetsAt = Annotated[
    str,
    Field(
        description="When the next period begins (UTC); left out for credits.",
        json_schema_extra={"format": "date-time"},
        examples=["2026-12-01T00:00:00+00:00"],
    ),
]
Held = Annotated[int, Field(ge=0, description="Units set aside for work that runs now.")]
Requests = Annotated[int, Field(ge=0, description="Requests that were answered and charged in this period.")]
Running = Annotated[int, Field(ge=0, description="Requests that run now.")]
AtOnce = Annotated[int, Field(ge=0, description="Requests that may run at once.")]


class UsagePeriod(TypedDict, total=False):
    """Fields of an allowance that has periods."""

    limit: int
    resets_at: str


@described
class SummaryUsage(TypedDict):
    """What is left of an allowance, and what was done with it."""

    unit: Unit
    remaining: Remaining
    limit: NotRequired[Limit]
    resets_at: NotRequired[ResetsAt]
    held: Held
    requests: Requests
    running: Running
    at_once: AtOnce


@described
class TranscriptionUsage(SummaryUsage):
    """The same of transcriptions, files and live sessions together."""

    audio_seconds: Seconds
    """Seconds of audio in those requests."""


@described
class UsageReport(TypedDict):
    """The caller's tier and what is left of it."""

    tier: Annotated[str, Field(examples=["paid"])]
    """The caller's tier; `anonymous` without a key."""
    name: str
    """Name of the account."""
    largest_file_bytes: Count
    """Largest file that is accepted."""
    transcription: TranscriptionUsage
    """What is left for recordings and live sessions."""
    summaries: SummaryUsage
    """What is left for summaries."""
