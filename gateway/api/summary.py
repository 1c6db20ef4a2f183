"""POST /v1/summarize: its JSON body, its answer, and the events with which it shows how far it is."""

from __future__ import annotations

from typing import Annotated, Literal, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from gateway.api.described import Count, LanguageName, described

StyleName = Literal[
    "brief", "detailed", "action_items", "bullet_points", "headline", "bullets", "bullet-points", "action-items"
]

SummaryStageName = Literal["reading", "notes", "writing"]


@described
class SummaryRequest(TypedDict):
    """A text and how it shall be summarized. Unknown fields are ignored."""

    text: Annotated[str, Field(pattern=r"[\p{L}\p{N}]", examples=["We launch in May. Priya fixes the refunds."])]
    """The transcript, of any length up to 8 MB; it has a letter or a digit at least."""
    style: NotRequired[Annotated[StyleName | None, Field(default="brief")]]
    """`bullets` means bullet_points; hyphens may stand for underscores."""
    language: NotRequired[Annotated[LanguageName | None, Field(default="auto")]]
    """Language of the text and the summary: `auto`, an ISO 639-1 code or an English name."""


class SummaryAnswer(TypedDict):
    """The summary."""

    summary: Annotated[str, Field(description="The summary itself; lists have a line for each item.")]
    text: Annotated[str, Field(description="The same, for clients that read this field.")]
    style: Annotated[str, Field(description="The style as it was asked for.", examples=["brief"])]
    model: Annotated[str, Field(description="The model that wrote it.", examples=["qwen2.5-1.5b-instruct"])]


@described
class StageEvent(TypedDict):
    """How far the work is."""

    type: Literal["stage"]
    """The event's name, as in its `event:` line."""
    stage: SummaryStageName
    """`reading` the prompt, making `notes` on each piece of a long text, `writing` the summary."""
    done: Count
    """Percent of the prompt, or pieces of a long text."""
    total: Count
    """What `done` will come to; 0: not known."""


@described
class TokenEvent(TypedDict):
    """The next characters of the summary while it is written."""

    type: Literal["token"]
    """The event's name."""
    token: str
    """Append it to what came before."""


@described
class CompleteEvent(SummaryAnswer):
    """The whole summary; the last event of a stream that succeeds."""

    type: Literal["summary"]
    """The event's name."""


@described
class ErrorEvent(TypedDict):
    """What went wrong after the answer had begun; the last event of a stream that fails."""

    type: Literal["error"]
    """The event's name."""
    error: str
    """What was wrong, for a person to read."""
    status: Annotated[int, Field(ge=400, le=599)]
    """The status that the answer would have had."""
