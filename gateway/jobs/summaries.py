"""The summary that a job was asked for. Where it cannot be written, the job is completed all the same."""

from __future__ import annotations

import hashlib
import json
from contextlib import aclosing
from typing import Any

from gateway.accounts import Caller
from gateway.errors import ServiceError, Unavailable
from gateway.jobs.job import Job, JobTranscript
from gateway.jobs.store import JobStore
from gateway.services import Services
from gateway.summaries.chat_protocol import SummarizerFailed, SummarizerUnavailable
from gateway.summaries.styles import Style, find_style
from gateway.summaries.summarizer import Summarizer, Summary
from gateway.summaries.utterances import SpokenSegment


async def summarize(services: Services, store: JobStore, job: Job, caller: Caller) -> None:
    """Kept beside the transcript, and counted once. Raises AttemptEnded."""
    transcript = await store.transcript(job.id)
    style = find_style(job.summary_style or "")
    if transcript is None or style is None or job.summary is not None:
        return
    summary: dict[str, Any] = {"style": job.summary_style}
    try:
        async with services.accounts.admit_job(caller, _admission(job), "summary") as admission:
            written = await _write(services.summarizer, transcript, style)
            await admission.settle_delivered(0)  # what is written is kept while the store is away, too
        summary |= {"text": written.text, "model": written.model}
    except ServiceError as error:
        summary["error"] = error.message
    await store.change(job, summary=json.dumps(summary, ensure_ascii=False))


async def _write(summarizer: Summarizer, transcript: JobTranscript, style: Style) -> Summary:
    segments = [
        SpokenSegment(piece["text"], piece.get("speaker", ""), piece["start"], piece["end"])
        for piece in transcript["segments"]
    ]
    if not segments:
        raise Unavailable("Nothing was said that could be summarized.")
    try:
        async with aclosing(summarizer.summarize(segments, style, transcript["language"])) as events:
            async for event in events:
                if isinstance(event, Summary):
                    return event
    except (SummarizerUnavailable, SummarizerFailed) as problem:
        raise Unavailable(str(problem)) from problem
    raise Unavailable("The summarizer ended without a summary.")


def _admission(job: Job) -> str:
    """The summary's own, the same in each attempt."""
    return hashlib.blake2b(f"{job.id} summary".encode(), digest_size=16).hexdigest()
