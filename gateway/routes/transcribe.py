"""POST /v1/transcribe: a recording goes in, its transcript comes out."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from gateway.connection import while_connected
from gateway.errors import BadParameter
from gateway.inference.recognizer import TranscribeOptions
from gateway.models import Model
from gateway.parameters import TranscribeParameters, read_transcribe_parameters
from gateway.progress import Progress
from gateway.services import Services, services_of
from gateway.spool import request_folder
from gateway.transcript.rendering import render
from gateway.uploads import FILE_FIELD, Upload, UploadLimits, receive_form

MODEL_HEADER = "X-Model"


@dataclass(frozen=True, slots=True)
class Job:
    upload: Upload
    parameters: TranscribeParameters
    model: Model  # that answers, perhaps for another one that was asked for
    caller: str  # with whom the machine is shared fairly


async def transcribe(request: Request) -> Response:
    services = services_of(request)
    with services.progress.follow(request.state.request_id) as progress:
        async with receive_job(request, services) as job:
            return await while_connected(request, answer(services, job, progress))


async def answer(services: Services, job: Job, progress: Progress) -> Response:
    progress.decoding()
    with await services.media.decode(job.upload.path, job.upload.name) as recording:
        transcript = await services.recognizer.transcribe(recording, options(job), progress.recognized)
        body, media_type = render(transcript, job.parameters.response_format, model=job.model.id)
    return Response(body, media_type=media_type, headers={MODEL_HEADER: job.model.id})


@asynccontextmanager
async def receive_job(request: Request, services: Services) -> AsyncIterator[Job]:
    """The request's form, checked. Its files are gone when the context ends."""
    media = services.settings.media
    with request_folder(services.spool) as folder:
        limits = UploadLimits(media.max_upload_bytes, media.upload_idle_seconds)
        form = await receive_form(request, limits, folder)
        parameters = read_transcribe_parameters(form.fields)
        if form.upload is None:
            raise BadParameter(f"The form has no field `{FILE_FIELD}`; send the recording there.")
        if form.upload.size == 0:
            raise BadParameter("The file is empty; send a recording with sound.")
        yield Job(form.upload, parameters, services.models.answering(parameters.model), caller_of(request))


def options(job: Job) -> TranscribeOptions:
    return TranscribeOptions(
        model=job.model.id,
        language=job.parameters.language,
        prompt=job.parameters.prompt,
        caller=job.caller,
    )


def caller_of(request: Request) -> str:
    return request.client.host if request.client else ""
