"""A job as its owner reads it."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from gateway.api.jobs import JobReport, JobWebhook
from gateway.jobs.job import Job
from gateway.settings import JobSettings


def job_report(job: Job, settings: JobSettings) -> JobReport:
    kept = round(settings.transcript_hours * 3_600_000)  # milliseconds
    return {
        "id": job.id,
        "status": job.status,
        "progress": job.progress,
        "created_at": moment(job.created_at),
        "started_at": None if job.started_at is None else moment(job.started_at),
        "finished_at": None if job.finished_at is None else moment(job.finished_at),
        "expires_at": None if job.finished_at is None else moment(job.finished_at + kept),
        "duration": None if job.duration is None else round(job.duration, 3),
        "model": job.model,
        "file_name": job.file_name,
        "recording_stored": bool(job.stored),
        "error": None if job.error is None else {"message": job.error, "status": job.error_status or 500},
        "metadata": None if job.user_metadata is None else json.loads(job.user_metadata),
        "summary": None if job.summary is None else json.loads(job.summary),
        "webhook": _webhook(job),
    }


def _webhook(job: Job) -> JobWebhook | None:
    if job.webhook_url is None:
        return None
    return {
        "url": job.webhook_url,
        "state": job.webhook_state or "waiting",
        "attempts": job.webhook_attempts,
        "next_attempt_at": None if job.webhook_next_at is None else moment(job.webhook_next_at),
        "error": job.webhook_error,
    }


def moment(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def read_moment(text: str) -> int:
    """Milliseconds since 1970; UTC where it names no zone. Raises ValueError."""
    read = datetime.fromisoformat(text)
    return round((read if read.tzinfo else read.replace(tzinfo=UTC)).timestamp() * 1000)
