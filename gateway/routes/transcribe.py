"""POST /v1/transcribe: a recording goes in, its transcript comes out."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

from gateway.http.parameters import FIELDS, TranscribeParameters, read_transcribe_parameters
from gateway.http.uploads import Form, FormRules, UploadLimits, receive_form
from gateway.requests.jobs import RecordingEndpoint, RecordingOptions
from gateway.requests.recordings import serve_recording
from gateway.transcript.rendering import render, warnings_header
from speech.transcript import Transcript

MODEL_HEADER = "X-Model"
WARNINGS_HEADER = "X-Warnings"


async def transcribe(request: Request) -> Response:
    return await serve_recording(request, RecordingEndpoint(read=read_options, receive=receive))


async def receive(request: Request, limits: UploadLimits, folder: Path) -> Form:
    """A field that is none of this service's may come as often as it likes."""
    return await receive_form(request, limits, folder, FormRules(single_fields=FIELDS))


def read_options(form: Form) -> RecordingOptions:
    """raises: BadParameter"""
    parameters = read_transcribe_parameters(form.fields)
    return RecordingOptions(
        model=form.fields.get("model", "").strip(),
        recognition=parameters.recognition,
        respond=partial(respond, parameters),
        asked=str(parameters),
    )


def respond(parameters: TranscribeParameters, transcript: Transcript, model: str) -> Response:
    body, media_type = render(transcript, parameters.response_format, model=model, labels=parameters.speaker_labels)
    response = Response(body, media_type=media_type, headers={MODEL_HEADER: model})
    if transcript.warnings:
        response.headers[WARNINGS_HEADER] = warnings_header(transcript.warnings)
    return response
