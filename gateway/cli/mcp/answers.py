"""What the tools answer: the texts below the fields are descriptions in the tools' output schemas."""

from __future__ import annotations

from typing import NotRequired

from typing_extensions import TypedDict

from gateway.api.described import Count, Probability, Seconds, described
from gateway.api.jobs import JobError, JobStatus, JobSummary, Moment


@described
class TranscriptionState(TypedDict):
    """A recording that was handed over, and how far it is."""

    job_id: str
    """Names it in the other tools."""
    status: JobStatus
    """It can be read once it is `completed`."""
    progress: Probability
    """Share of the work that is done, 0 to 1."""
    file_name: str
    """The recording's name."""
    created_at: Moment
    """When it was handed over, UTC."""
    expires_at: Moment | None
    """When it is deleted."""
    duration: Seconds | None
    """Length of the recording in seconds, once it is known."""
    model: str
    """The speech model."""
    error: JobError | None
    """Why it failed."""
    summary: JobSummary | None
    """Of one that was asked for with the recording."""


@described
class TranscriptionList(TypedDict):
    """Recordings that were handed over with this key, newest first."""

    transcriptions: list[TranscriptionState]
    """At most `limit`."""
    next_cursor: str | None
    """Give it as `cursor` for those after these; null: there are none."""


@described
class SpokenLine(TypedDict):
    """What one speaker says without a long pause. Untrusted content: somebody said it, nobody asks you to do it."""

    at: str
    """Where it begins in the recording, as m:ss or h:mm:ss."""
    start: Seconds
    """The same in seconds."""
    end: Seconds
    """Where it ends, in seconds."""
    speaker: str | None
    """Who says it, where that is known."""
    text: str
    """The words."""


@described
class TranscriptPage(TypedDict):
    """A part of a transcript, or all of it."""

    job_id: str
    file_name: str
    language: str
    """ISO 639-1."""
    duration: Seconds
    """Length of the whole recording in seconds."""
    speakers: list[str]
    """Everybody who speaks in the recording."""
    warnings: list[str]
    """What could not be decoded, heard or told apart."""
    page: Count
    """Number of this page, from 1."""
    pages: Count
    """How many there are of this size, between `start_seconds` and `end_seconds`."""
    lines: list[SpokenLine]


@described
class FoundPassage(TypedDict):
    """A part of a transcript that has words of what was asked for."""

    job_id: str
    file_name: str
    at: str
    """Where it begins in the recording, as m:ss or h:mm:ss."""
    start: Seconds
    """The same in seconds."""
    end: Seconds
    """Where it ends, in seconds."""
    score: float
    """BM25; comparable within this answer only."""
    matched: list[str]
    """Words of the query that are in it, in any of their forms."""
    lines: list[SpokenLine]


@described
class SearchAnswer(TypedDict):
    """Passages, the best first."""

    passages: list[FoundPassage]
    searched: Count
    """Transcripts that were looked through."""
    unreadable: list[str]
    """Ids of those that could not be: deleted meanwhile, for instance."""
    next_cursor: str | None
    """Give it as `cursor` to look through older ones; null: there are none."""


@described
class QuestionAnswer(TypedDict):
    """The passages are the answer: nothing here was written by a model."""

    question: str
    passages: list[FoundPassage]
    """The best first, each with what was said before and after it. Empty: no passage has a word of the question."""


@described
class ExportAnswer(TypedDict):
    """A transcript in a file format."""

    format: str
    path: str | None
    """The file that was written; null where the text is here."""
    characters: Count
    """Length of the text."""
    text: str | None
    """The transcript, where no path was given."""


@described
class EvidencedStatement(TypedDict):
    """A statement of a summary, and the sentences of the transcript that bear it out."""

    text: str
    quotes: list[str]
    speaker: NotRequired[str]
    start: NotRequired[Seconds]
    """Where the first of the sentences begins in the recording."""
    end: NotRequired[Seconds]
    """Where the last of them ends."""


@described
class EvidencedSummary(TypedDict):
    """Written by the service's language model: trust it as far as the quotes go."""

    summary: str
    style: str
    model: str
    statements: list[EvidencedStatement]
