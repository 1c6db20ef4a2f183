"""Requests and answers of /v1/jobs."""

from __future__ import annotations

from typing import Annotated, Any, Literal, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from gateway.api.described import Count, LanguageName, ModelName, Probability, Seconds, described
from gateway.api.transcription import TranscriptionForm

JobStatus = Literal["queued", "processing", "completed", "failed", "cancelled"]
WebhookState = Literal["waiting", "pending", "delivered", "failed"]
Moment = Annotated[str, Field(examples=["2026-11-28T10:15:00.000Z"], json_schema_extra={"format": "date-time"})]
JobId = Annotated[str, Field(examples=["7f3a5e0c9d1b4a6e8f2c7d5b3a1e9c04"])]


@described
class JobForm(TranscriptionForm, total=False):
    """The form of `POST /v1/transcribe`, and what concerns a job. `response_format`, `speaker_labels` and
    `subtitle_columns` are chosen when the transcript is fetched."""

    metadata: Annotated[str, Field(examples=['{"ticket": 4711}'])]
    """A JSON object of yours, at most 4 KB, which comes back with the job."""
    webhook_url: Annotated[str, Field(examples=["https://app.example/heard"])]
    """Where the end of the job is told, signed as Standard Webhooks has it; tried for a day."""
    summary: Annotated[str, Field(examples=["brief"])]
    """Style of a summary that is written, too: brief, detailed, action_items, bullet_points or headline."""


@described
class JobRequest(TypedDict):
    """A job whose recording is fetched or was uploaded before: it has a `url` or an `upload`. All other fields of the
    form may be there, too, as the JSON that they are."""

    url: NotRequired[Annotated[str, Field(examples=["https://media.example/talk.mp3"])]]
    """The recording's address, http or https. Private addresses are refused."""
    upload: NotRequired[Annotated[str, Field(examples=["5d1f0a7c2b9e4d6f8a3c5e7f9b1d2c4a"])]]
    """A resumable upload that is complete, and which the job takes over."""
    webhook_url: NotRequired[str]
    """Where the end of the job is told."""
    metadata: NotRequired[dict[str, Any] | None]
    """An object of yours, at most 4 KB, which comes back with the job."""
    summary: NotRequired[str]
    """Style of a summary that is written, too."""
    model: NotRequired[ModelName]
    """A model that `GET /v1/models` lists."""
    language: NotRequired[LanguageName]
    """What is spoken, as in the form."""
    diarize: NotRequired[bool]
    """Whether speakers are told apart."""


@described
class JobError(TypedDict):
    """Why a job failed."""

    message: str
    """What was wrong, for a person to read."""
    status: Annotated[int, Field(examples=[402])]
    """The status that `POST /v1/transcribe` would have answered."""


@described
class JobSummary(TypedDict):
    """The summary that a job was asked for."""

    style: str
    """As it was asked for."""
    text: NotRequired[str]
    """The summary; left out where it could not be written."""
    model: NotRequired[str]
    """The model that wrote it."""
    error: NotRequired[str]
    """Why there is none."""


@described
class JobWebhook(TypedDict):
    """Where the end of a job is told, and whether that has been done."""

    url: str
    """The address that was sent with the job."""
    state: WebhookState
    """`waiting` until the job has ended, `pending` while it is tried, `delivered`, or `failed` after a day."""
    attempts: Count
    """How often it was tried."""
    next_attempt_at: Moment | None
    """When it is tried again."""
    error: str | None
    """What was wrong with the last attempt."""


@described
class WebhookSecret(TypedDict):
    """What signs the webhooks of a key's jobs."""

    secret: Annotated[str, Field(examples=["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"])]
    """For the libraries of Standard Webhooks, which verify what arrives."""


@described
class JobReport(TypedDict):
    """A recording that was handed over, and how far it is."""

    id: JobId
    """Its name in addresses."""
    status: JobStatus
    """`queued` until its turn comes, `processing`, then one of `completed`, `failed`, `cancelled`."""
    progress: Probability
    """Share of the work that is done, 0 to 1."""
    created_at: Moment
    """When it was handed over, UTC."""
    started_at: Moment | None
    """When work on it began."""
    finished_at: Moment | None
    """When it ended."""
    expires_at: Moment | None
    """When it is deleted with its transcript; null while it has not ended."""
    duration: Seconds | None
    """Length of the recording in seconds, once it is known."""
    model: str
    """The model that was asked for; of a completed job, the one that really answered."""
    file_name: str
    """The recording's name, as it was sent."""
    recording_stored: bool
    """Whether the recording itself is still kept."""
    error: JobError | None
    """Of a failed job."""
    metadata: dict[str, Any] | None
    """What you sent with it."""
    summary: JobSummary | None
    """Of a completed job that was asked for one."""
    webhook: JobWebhook | None
    """Of a job that came with a `webhook_url`."""


@described
class JobList(TypedDict):
    """The caller's jobs, newest first."""

    jobs: list[JobReport]
    """So many as `limit` says, at most."""
    next_cursor: str | None
    """Send it as `cursor` for the jobs after these; null: there are none."""


@described
class WordCorrection(TypedDict):
    """A word that was recognized wrongly."""

    segment: Count
    """Number of its segment in the transcript, from 0."""
    word: Count
    """Number of the word in that segment, from 0."""
    text: Annotated[str, Field(max_length=200, examples=["Dashwood"])]
    """What was really said, with its punctuation; empty: nothing, the word is removed."""


@described
class JobChanges(TypedDict, total=False):
    """What shall be different in a completed job. Everything else stays."""

    speakers: Annotated[dict[str, str], Field(examples=[{"Speaker 1": "Ann"}])]
    """Speaker in the transcript → the name that is shown from now on. Two speakers may get one name."""
    words: list[WordCorrection]
    """Words as they were really said; their times stay."""
    metadata: dict[str, Any] | None
    """In place of what was sent with the job."""


@described
class JobProgressEvent(TypedDict):
    """Event `progress`: sent first, and whenever it has changed."""

    status: JobStatus
    """As in the job."""
    progress: Probability
    """Share of the work that is done, 0 to 1."""


@described
class JobTextEvent(TypedDict):
    """Event `text`: what a stretch of the recording says, in order of time. The transcript may correct it."""

    start: Seconds
    """Seconds from the start of the recording."""
    end: Seconds
    """Seconds from the start of the recording."""
    text: str
    """The words as one line."""


EVENT_MODELS: tuple[type[Any], ...] = (JobProgressEvent, JobTextEvent)
