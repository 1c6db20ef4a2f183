"""POST /v1/transcribe: a recording goes in, its transcript comes out."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

from gateway.http.parameters import FIELDS, TranscribeParameters, read_transcribe_parameters
from gateway.http.uploads import Form, FormRules, UploadLimits, receive_form
from gateway.requests.jobs import RecordingEndpoint, RecordingOptions, RecordingResult
from gateway.requests.recordings import serve_recording
from gateway.requests.uploads import FIELD as UPLOAD_FIELD
from gateway.transcript.rendering import MEDIA_TYPES, fields, render, warnings_header

RULES = FormRules(
    single_fields=FIELDS, long_fields=("known_speakers",), long_field_bytes=8 * 1024**2, most_long_fields=1
)
MODEL_HEADER = "X-Model"
WARNINGS_HEADER = "X-Warnings"


async def transcribe(request: Request) -> Response:
    endpoint = RecordingEndpoint(read=read_options, receive=receive, url_field="url", upload_field=UPLOAD_FIELD)
    return await serve_recording(request, endpoint)


async def receive(request: Request, limits: UploadLimits, folder: Path) -> Form:
    """A field that is none of this service's may come as often as it likes."""
    return await receive_form(request, limits, folder, RULES)


def read_options(form: Form) -> RecordingOptions:
    """raises: BadParameter"""
    parameters = read_transcribe_parameters(form.fields)
    return RecordingOptions(
        model=form.fields.get("model", "").strip(),
        recognition=parameters.recognition,
        respond=partial(respond, parameters),
        asked=str(parameters),
        known=parameters.known_speakers,
        speaker_vectors=parameters.speaker_vectors,
        tracks=parameters.tracks,
        channel_names=parameters.channel_names,
    )


def respond(parameters: TranscribeParameters, result: RecordingResult) -> Response:
    transcript, model = result.transcript, result.model
    if parameters.speaker_vectors and parameters.response_format == "json":
        answer = {**fields(transcript, model), "speaker_vectors": dict(result.vectors)}
        body, media_type = json.dumps(answer, ensure_ascii=False) + "\n", MEDIA_TYPES["json"]
    else:
        labels, columns = parameters.speaker_labels, parameters.subtitle_columns
        body, media_type = render(transcript, parameters.response_format, model=model, labels=labels, columns=columns)
    response = Response(body, media_type=media_type, headers={MODEL_HEADER: model})
    if transcript.warnings:
        response.headers[WARNINGS_HEADER] = warnings_header(transcript.warnings)
    return response
