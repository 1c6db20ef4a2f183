"""POST /v1/summarize: its JSON body, its answer, and the events with which it shows how far it is."""

from __future__ import annotations

from typing import Annotated, Literal, NotRequired

from pydantic import ConfigDict, Field, with_config
from typing_extensions import TypedDict

from gateway.api.described import Count, LanguageName, Seconds, described

StyleName = Literal[
    "brief", "detailed", "action_items", "bullet_points", "headline", "bullets", "bullet-points", "action-items"
]

SummaryStageName = Literal["reading", "notes", "writing"]


SAYS_SOMETHING = r"[\p{L}\p{N}]"  # a letter or a digit


@described
class SegmentToSummarize(TypedDict):
    """A part of a transcript, as POST /v1/transcribe answers it. Unknown fields are ignored."""

    text: str
    """What is said in it."""
    speaker: NotRequired[str | None]
    """Who says it."""
    start: NotRequired[Seconds | None]
    """Seconds from the start of the recording."""
    end: NotRequired[Seconds | None]
    """Seconds."""


@with_config(
    ConfigDict(
        use_attribute_docstrings=True,
        json_schema_extra={"anyOf": [{"required": ["text"]}, {"required": ["segments"]}]},
    )
)
class SummaryRequest(TypedDict):
    """A text, or a transcript's segments, and how it shall be summarized. Unknown fields are ignored."""

    text: NotRequired[Annotated[str, Field(pattern=SAYS_SOMETHING, examples=["We launch in May. Priya fixes it."])]]
    """The transcript, of any length up to 8 MB; it has a letter or a digit at least."""
    segments: NotRequired[
        Annotated[
            list[SegmentToSummarize],
            Field(json_schema_extra={"contains": {"properties": {"text": {"pattern": SAYS_SOMETHING}}}}),
        ]
    ]
    """Instead of `text` (or before it): the segments of a transcript, with speakers and times where they are known."""
    style: NotRequired[Annotated[StyleName | None, Field(default="brief")]]
    """`bullets` means bullet_points; hyphens may stand for underscores."""
    language: NotRequired[Annotated[LanguageName | None, Field(default="auto")]]
    """Language of the text and the summary: `auto`, an ISO 639-1 code or an English name."""
    evidence: NotRequired[Annotated[bool | None, Field(default=False)]]
    """Whether the answer has `points`: each statement with the sentences that bear it out."""


@described
class SummaryPoint(TypedDict):
    """One statement of a summary, and what bears it out."""

    text: str
    """The statement, as it stands in the summary."""
    sentences: list[Annotated[int, Field(ge=1)]]
    """Numbers of the sentences that it rests on, 1 for the first sentence of the text."""
    quotes: list[str]
    """These sentences."""
    speaker: NotRequired[str]
    """Who says them, where one speaker is known."""
    start: NotRequired[Seconds]
    """Where the first of them begins in the recording, of a text that came with times."""
    end: NotRequired[Seconds]
    """Where the last of them ends."""


class SummaryAnswer(TypedDict):
    """The summary."""

    summary: Annotated[str, Field(description="The summary itself; lists have a line for each item.")]
    text: Annotated[str, Field(description="The same, for clients that read this field.")]
    style: Annotated[str, Field(description="The style as it was asked for.", examples=["brief"])]
    model: Annotated[str, Field(description="The model that is served.", examples=["qwen2.5-1.5b-instruct"])]
    points: NotRequired[
        Annotated[list[SummaryPoint], Field(description="With `evidence`: every statement, and what bears it out.")]
    ]


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
