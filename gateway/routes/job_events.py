"""GET /v1/jobs/{id}/events: a job followed until it ends, at whichever gateway works on it."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing, suppress
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from gateway.draining import Draining
from gateway.errors import ClientGone
from gateway.http.connection import while_connected
from gateway.http.event_stream import EVENT_STREAM, PING_SECONDS
from gateway.jobs.job import Job
from gateway.jobs.jobs import Jobs
from gateway.jobs.report import job_report
from gateway.routes.jobs_access import jobs_of, own_job
from gateway.services import services_of

LOOK_SECONDS = 1.0  # between two looks at the job


async def follow_job(request: Request) -> Response:
    job = await own_job(request)
    told = request.headers.get("Last-Event-ID", "")
    after = int(told) if told.isascii() and told.isdigit() and len(told) < 10 else -1
    follower = JobFollower(jobs_of(request), services_of(request).draining, after)
    return JobEvents(request, follower.events(job))


class JobEvents(StreamingResponse):
    """Ends when the client leaves."""

    media_type = EVENT_STREAM

    def __init__(self, request: Request, texts: AsyncGenerator[str, None]) -> None:
        super().__init__(texts, headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        self.request, self.texts = request, texts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with aclosing(self.texts):
            with suppress(ClientGone):
                await while_connected(self.request, self.stream_response(send))


@dataclass(slots=True)
class JobFollower:
    jobs: Jobs
    draining: Draining
    after: int  # number of the last text that the client has

    async def events(self, job: Job) -> AsyncGenerator[str, None]:
        """Whatever is new, until the job has ended, is deleted, or this gateway stops."""
        shown, sent = None, time.monotonic()
        found: Job | None = job
        while found is not None and not self.draining.hand_over.is_set():
            for event in await self._new(found, shown):
                yield event
                sent = time.monotonic()
            if found.ended:
                return
            shown = (found.status, found.progress)
            if time.monotonic() - sent >= PING_SECONDS:
                yield ": working\n\n"
                sent = time.monotonic()
            with suppress(TimeoutError):
                await asyncio.wait_for(self.draining.hand_over.wait(), LOOK_SECONDS)
            found = await self.jobs.store.find(job.id)

    async def _new(self, job: Job, shown: object) -> list[str]:
        events = []
        for said in await self.jobs.store.texts(job.id, self.after):
            data = {"start": said.begins, "end": said.ends, "text": said.text}
            events.append(f"id: {said.number}\n{event('text', data)}")
            self.after = said.number
        if (job.status, job.progress) != shown and not job.ended:
            events.append(event("progress", {"status": job.status, "progress": job.progress}))
        if job.ended:
            events.append(event(job.status, job_report(job, self.jobs.settings)))
        return events


def event(name: str, data: Mapping[str, Any]) -> str:
    return f"event: {name}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n"
