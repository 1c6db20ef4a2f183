"""A recording that was sent in a form → the answer of its protocol: the one way through limits, work and charge."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

from gateway.accounts import Admission, Caller, Credentials, IdempotentResult, StoredResponse
from gateway.draining import Work
from gateway.http.connection import while_connected
from gateway.http.uploads import declared_bytes
from gateway.media.recording import Recording
from gateway.recognition.channels import ChannelRecognizer
from gateway.requests.admit import admit
from gateway.requests.jobs import (
    AdmittedRequest,
    RecordingEndpoint,
    RecordingJob,
    RecordingResult,
    paid_recording,
    receive_job,
    settle,
    with_warnings,
)
from gateway.requests.known_voices import recognizer_of
from gateway.requests.streamed import begin_stream
from gateway.services import Services, services_of

IDEMPOTENCY_HEADER = "Idempotency-Key"
REPLAYED_HEADER = "Idempotency-Replayed"


async def serve_recording(
    request: Request, endpoint: RecordingEndpoint, credentials: Credentials | None = None
) -> Response:
    """The answer to a recording. Work ends when the client leaves, and costs nothing then."""
    services = services_of(request)
    key = request.headers.get(IDEMPOTENCY_HEADER)
    async with AsyncExitStack() as stack:
        progress = stack.enter_context(services.progress.follow(request.state.request_id))
        stack.enter_context(services.draining.track(Work.FILE))
        caller, admission = await stack.enter_async_context(
            admit(request, lambda caller: admit_recording(request, services, caller, key), credentials)
        )
        admitted = AdmittedRequest(services, caller, admission, progress)
        job = await stack.enter_async_context(receive_job(request, admitted, endpoint))
        if job.options.events is None:
            return await while_connected(request, answer(admitted, job, endpoint))
        return await begin_stream(request, admitted, job, job.options.events, stack)


@asynccontextmanager
async def admit_recording(
    request: Request, services: Services, caller: Caller, key: str | None
) -> AsyncIterator[Admission]:
    """By the machine first, which asks no store."""
    upload = declared_bytes(request) or caller.tier.largest_file
    with services.capacity.recording(upload, caller.tier.share):
        async with services.accounts.admit(caller, key) as admission:
            yield admission


async def answer(admitted: AdmittedRequest, job: RecordingJob, endpoint: RecordingEndpoint) -> Response:
    """raises: ServiceError"""
    admission = admitted.admission
    fingerprint = await fingerprint_of(job) if admission.repeatable else None
    if fingerprint is not None and (stored := admission.recall(fingerprint)) is not None:
        return replay(stored, admission)
    async with paid_recording(admitted, job, endpoint.charged) as recording:
        response = await (endpoint.work or transcribe_whole)(admitted, job, recording)
        result = None
        if fingerprint is not None:
            result = IdempotentResult(fingerprint, StoredResponse(200, bytes(response.body), dict(response.headers)))
        earlier = await settle(admitted, min(recording.charged, endpoint.charged), result)
    if earlier is not None:
        return replay(earlier, admission)
    response.headers.update(admission.limit.headers())
    return response


def replay(stored: StoredResponse, admission: Admission) -> Response:
    """The response that was paid for under this request's Idempotency-Key."""
    headers = {**stored.headers, **admission.limit.headers(), REPLAYED_HEADER: "true"}
    return Response(stored.body, stored.status, headers)


async def transcribe_whole(admitted: AdmittedRequest, job: RecordingJob, recording: Recording) -> Response:
    using = await recognizer_of(admitted, job)
    progress = admitted.progress
    if recording.channels:
        apart = ChannelRecognizer(using.recognizer.recognizer, job.options.channel_names)
        transcript = await apart.transcribe(recording, job.recognition, progress.recognized)
    else:
        transcript = await using.recognizer.transcribe(recording, job.recognition, progress.recognized, progress)
    transcript = with_warnings(transcript, (*job.warnings, *using.warnings))
    vectors = using.vectors(admitted, transcript) if job.options.speaker_vectors else {}
    result = RecordingResult(transcript, job.recognition.model, vectors)
    return await asyncio.to_thread(job.options.respond, result)  # a day's words take seconds to write


async def fingerprint_of(job: RecordingJob) -> str:
    return await file_digest(job.upload.path, job.options.asked)


async def file_digest(path: Path | None, asked: str) -> str:
    """Hash of what is asked: the file, if there is one, and the options."""
    digest = "" if path is None else await asyncio.to_thread(_digest, path)
    return hashlib.sha256(f"{digest} {asked}".encode()).hexdigest()


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
