"""POST /v1/transcribe: a recording goes in, its transcript comes out."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

from gateway.accounts import Admission, Caller, IdempotentResult, StoredResponse
from gateway.draining import Work
from gateway.errors import BadParameter
from gateway.http.connection import while_connected
from gateway.http.parameters import TranscribeParameters, read_transcribe_parameters
from gateway.http.uploads import FILE_FIELD, Upload, UploadLimits, receive_form
from gateway.progress import ProgressTracker
from gateway.recognition.doubts import NO_SPEECH
from gateway.recognition.request import RecognitionRequest
from gateway.routes.admit import admit
from gateway.services import Services, services_of
from gateway.spool import request_folder
from gateway.transcript.rendering import render, warnings_header
from speech.transcript import Transcript

MODEL_HEADER = "X-Model"
WARNINGS_HEADER = "X-Warnings"
IDEMPOTENCY_HEADER = "Idempotency-Key"
REPLAYED_HEADER = "Idempotency-Replayed"


@dataclass(frozen=True, slots=True, kw_only=True)
class TranscribeRequest:
    upload: Upload
    parameters: TranscribeParameters  # as the client sent them
    recognition: RecognitionRequest  # for this caller, by the deployed model
    warnings: Sequence[str]  # of what is known before the work


async def transcribe(request: Request) -> Response:
    services = services_of(request)
    key = request.headers.get(IDEMPOTENCY_HEADER)
    with services.progress.follow(request.state.request_id) as progress, services.draining.track(Work.FILE):
        async with (
            admit(request, lambda caller: services.accounts.admit(caller, key)) as (caller, admission),
            receive(request, services, caller) as job,
        ):
            return await while_connected(request, answer(services, job, admission, progress))


async def answer(
    services: Services, job: TranscribeRequest, admission: Admission, progress: ProgressTracker
) -> Response:
    fingerprint = await fingerprint_of(job) if admission.repeatable else None
    if fingerprint is not None and (stored := admission.recall(fingerprint)) is not None:
        headers = {**stored.headers, **admission.limit.headers(), REPLAYED_HEADER: "true"}
        return Response(stored.body, stored.status, headers)
    progress.decoded(0.0, 0.0)
    if admission.by_duration:
        claimed = await services.media.inspect(job.upload.path, job.upload.name)
        await admission.hold(claimed.duration or 0.0)
    with await services.media.decode(job.upload.path, job.upload.name, progress.decoded) as recording:
        await admission.hold(recording.duration)
        transcript = await services.recognizer.transcribe(
            recording, job.recognition, progress.recognized, progress.diarizing
        )
        response = respond(job, transcript)
        result = None
        if fingerprint is not None:
            result = IdempotentResult(fingerprint, StoredResponse(200, bytes(response.body), dict(response.headers)))
        await admission.settle(recording.duration, result)
        services.metrics.count_audio("file", recording.duration)
    response.headers.update(admission.limit.headers())
    return response


def respond(job: TranscribeRequest, transcript: Transcript) -> Response:
    silent = [] if transcript.segments else [NO_SPEECH]
    transcript = replace(transcript, warnings=(*job.warnings, *transcript.warnings, *silent))
    model, parameters = job.recognition.model, job.parameters
    body, media_type = render(transcript, parameters.response_format, model=model, labels=parameters.speaker_labels)
    response = Response(body, media_type=media_type, headers={MODEL_HEADER: model})
    if transcript.warnings:
        response.headers[WARNINGS_HEADER] = warnings_header(transcript.warnings)
    return response


async def fingerprint_of(job: TranscribeRequest) -> str:
    """Hash of what is asked: the file and the options."""
    digest = await asyncio.to_thread(_digest, job.upload.path)
    asked = f"{digest} {job.parameters}"
    return hashlib.sha256(asked.encode()).hexdigest()


@asynccontextmanager
async def receive(request: Request, services: Services, caller: Caller) -> AsyncIterator[TranscribeRequest]:
    """The request's form, checked. Its files are gone when the context ends."""
    media = services.settings.media
    with request_folder(services.spool) as folder:
        largest = min(media.max_upload_bytes, caller.tier.largest_file)
        form = await receive_form(request, UploadLimits(largest, media.upload_idle_seconds), folder)
        parameters = read_transcribe_parameters(form.fields)
        if form.upload is None:
            raise BadParameter(f"The form has no field `{FILE_FIELD}`; send the recording there.")
        if form.upload.size == 0:
            raise BadParameter("The file is empty; send a recording with sound.")
        model = services.models.resolve(parameters.recognition.model)
        yield TranscribeRequest(
            upload=form.upload,
            parameters=parameters,
            recognition=replace(parameters.recognition, model=model.id, caller=caller.subject),
            warnings=services.models.stand_in_warning(form.fields.get("model", "").strip()),
        )


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
