"""A job as the store has it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gateway.api.jobs import JobStatus, WebhookState

ENDED: tuple[JobStatus, ...] = ("completed", "failed", "cancelled")
WAITING: tuple[JobStatus, ...] = ("queued", "processing")


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """Times are milliseconds since 1970."""

    id: str
    subject: str
    caller: str
    tier: str
    key_prefix: str | None
    status: JobStatus = "queued"
    attempt: int = 0
    enqueued: int = 0
    cost: int = 1  # seconds of sound, estimated
    tag: int = 0  # place in the queue
    created_at: int = 0
    started_at: int | None = None
    finished_at: int | None = None
    progress: float = 0.0  # 0..1
    duration: float | None = None  # seconds
    model: str = ""
    parameters: str = field(default="{}", repr=False)  # JSON
    user_metadata: str | None = None  # JSON
    file_name: str = ""
    size: int = 0  # bytes
    stored: int = 0
    source_url: str | None = field(default=None, repr=False)
    summary_style: str | None = None
    summary: str | None = field(default=None, repr=False)  # JSON
    error: str | None = None
    error_status: int | None = None
    webhook_url: str | None = field(default=None, repr=False)
    webhook_state: WebhookState | None = None
    webhook_attempts: int = 0
    webhook_round: int = 0
    webhook_until: int | None = None
    webhook_next_at: int | None = None
    webhook_error: str | None = None
    idempotency_key: str | None = None
    fingerprint: str | None = None

    @property
    def ended(self) -> bool:
        return self.status in ENDED

    @property
    def fields(self) -> Mapping[str, str]:
        """Of the form that it came with."""
        fields: dict[str, str] = json.loads(self.parameters)
        return fields

    @property
    def recording(self) -> str:
        """Its recording's name in the object storage."""
        return f"{self.id}/recording"


@dataclass(frozen=True, slots=True)
class JobText:
    """What a stretch of a job's recording says, as far as it is known before the end."""

    number: int
    begins: float  # seconds
    ends: float  # seconds
    text: str


# What a completed job keeps: the JSON answer of /v1/transcribe, with `speaker_vectors` where they were asked for.
JobTranscript = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class JobFilter:
    """Which of a caller's jobs are listed, newest first."""

    status: JobStatus | None = None
    created_after: int | None = None  # milliseconds since 1970
    created_before: int | None = None
    before: tuple[int, str] | None = None  # creation and id of the last one that was shown
    limit: int = 20
