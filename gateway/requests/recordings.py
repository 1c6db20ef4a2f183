"""A recording that was sent in a form → the answer of its protocol: the one way through limits, work and charge."""

from __future__ import annotations

import asyncio
import hashlib
import math
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

from gateway.accounts import Admission, Caller, Credentials, IdempotentResult, StoredResponse
from gateway.draining import Work
from gateway.errors import BadParameter, RecordingTooLong
from gateway.http.connection import while_connected
from gateway.http.uploads import Form, FormRules, Upload, UploadLimits, receive_form
from gateway.media.recording import Recording
from gateway.progress import ProgressTracker
from gateway.recognition.doubts import NO_SPEECH
from gateway.recognition.request import RecognitionRequest
from gateway.requests.admit import admit
from gateway.services import Services, services_of
from gateway.spool import request_folder
from speech.transcript import Transcript

IDEMPOTENCY_HEADER = "Idempotency-Key"
REPLAYED_HEADER = "Idempotency-Replayed"


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingOptions:
    """What a form asks for, checked, beside its file."""

    model: str  # as the client named it; "": it named none
    recognition: RecognitionRequest
    respond: Callable[[Transcript, str], Response]  # the answer, from the transcript and the model's id
    asked: str  # all of it as text: equal for requests that ask for the same


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingJob:
    upload: Upload
    options: RecordingOptions
    recognition: RecognitionRequest  # for this caller, by the deployed model
    warnings: Sequence[str]  # of what is known before the work
    longest: float = math.inf  # seconds of sound that its sender's tier allows


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingEndpoint:
    """How a protocol sends recordings."""

    read: Callable[[Form], RecordingOptions]  # raises BadParameter
    rules: FormRules = field(default_factory=FormRules)


async def serve_recording(
    request: Request, endpoint: RecordingEndpoint, credentials: Credentials | None = None
) -> Response:
    """The answer to a whole recording. Work ends when the client leaves, and costs nothing then."""
    services = services_of(request)
    key = request.headers.get(IDEMPOTENCY_HEADER)
    with services.progress.follow(request.state.request_id) as progress, services.draining.track(Work.FILE):
        async with (
            admit(request, lambda caller: services.accounts.admit(caller, key), credentials) as (caller, admission),
            receive(request, services, caller, endpoint) as job,
        ):
            return await while_connected(request, answer(services, job, admission, progress))


@asynccontextmanager
async def receive(
    request: Request, services: Services, caller: Caller, endpoint: RecordingEndpoint
) -> AsyncIterator[RecordingJob]:
    """The request's form, checked. Its files are gone when the context ends."""
    media = services.settings.media
    with request_folder(services.spool) as folder:
        largest = min(media.max_upload_bytes, caller.tier.largest_file)
        form = await receive_form(request, UploadLimits(largest, media.upload_idle_seconds), folder, endpoint.rules)
        options = endpoint.read(form)
        file_field = endpoint.rules.file_field
        if form.upload is None:
            raise BadParameter(f"The form has no field `{file_field}`; send the recording there.", file_field)
        if form.upload.size == 0:
            raise BadParameter("The file is empty; send a recording with sound.", file_field)
        named, models = options.model, services.models
        model = models.resolve(named, options.recognition.task)
        yield RecordingJob(
            upload=form.upload,
            options=options,
            recognition=replace(options.recognition, model=model.id, caller=caller.subject),
            warnings=models.stand_in_warning(named),
            longest=caller.tier.longest_recording,
        )


async def answer(services: Services, job: RecordingJob, admission: Admission, progress: ProgressTracker) -> Response:
    """raises: ServiceError"""
    fingerprint = await fingerprint_of(job) if admission.repeatable else None
    if fingerprint is not None and (stored := admission.recall(fingerprint)) is not None:
        return replay(stored, admission)
    progress.decoded(0.0, 0.0)
    if admission.by_duration:
        claimed = await services.media.inspect(job.upload.path, job.upload.name)
        await admission.hold(claimed.duration or 0.0)
    with await decode(services, job, admission, progress) as recording:
        await admission.hold(recording.duration)
        transcript = await services.recognizer.transcribe(
            recording, job.recognition, progress.recognized, progress.diarizing
        )
        response = respond(job, transcript)
        result = None
        if fingerprint is not None:
            result = IdempotentResult(fingerprint, StoredResponse(200, bytes(response.body), dict(response.headers)))
        earlier = await admission.settle(recording.duration, result)
        services.metrics.count_audio("file", recording.duration)
    if earlier is not None:
        return replay(earlier, admission)
    response.headers.update(admission.limit.headers())
    return response


async def decode(services: Services, job: RecordingJob, admission: Admission, progress: ProgressTracker) -> Recording:
    """No longer than its sender may have, or can pay for: nobody decodes a day of sound for one credit.

    raises: UnsupportedMedia, PaymentRequired, TooManyRequests
    """
    paid_for = admission.affordable
    longest = min(paid_for, job.longest)
    try:
        return await services.media.decode(job.upload.path, job.upload.name, progress.decoded, longest)
    except RecordingTooLong:
        if paid_for <= job.longest:
            await admission.hold(paid_for + 1)
        raise


def replay(stored: StoredResponse, admission: Admission) -> Response:
    """The response that was paid for under this request's Idempotency-Key."""
    headers = {**stored.headers, **admission.limit.headers(), REPLAYED_HEADER: "true"}
    return Response(stored.body, stored.status, headers)


def respond(job: RecordingJob, transcript: Transcript) -> Response:
    return job.options.respond(with_warnings(transcript, job.warnings), job.recognition.model)


def with_warnings(transcript: Transcript, warnings: Sequence[str]) -> Transcript:
    """warnings: of what was known before the work"""
    silent = [] if transcript.segments else [NO_SPEECH]
    return replace(transcript, warnings=(*warnings, *transcript.warnings, *silent))


async def fingerprint_of(job: RecordingJob) -> str:
    """Hash of what is asked: the file and the options."""
    digest = await asyncio.to_thread(_digest, job.upload.path)
    return hashlib.sha256(f"{digest} {job.options.asked}".encode()).hexdigest()


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
