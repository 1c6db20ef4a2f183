"""Parameters that several tools have, described for the model that fills them in."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

FormatName = Literal["json", "txt", "srt", "vtt"]
StyleOfSummary = Literal["brief", "detailed", "action_items", "bullet_points", "headline"]

JobIdentity = Annotated[
    str,
    Field(pattern=r"^[A-Za-z0-9_-]{1,64}$", description="`job_id` of a transcription, as the other tools give it."),
]
Waiting = Annotated[
    float,
    Field(
        ge=0,
        le=3600,
        description="How long to wait for its end, in seconds. The work goes on whether or not anybody waits.",
    ),
]
MostPassages = Annotated[int, Field(ge=1, le=50, description="Most passages in the answer.")]
Cursor = Annotated[str, Field(description="`next_cursor` of the answer before; empty: begin with the newest.")]
