"""POST /v1/audio/transcriptions and /v1/audio/translations, GET /v1/models/{id}."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from gateway.dialects.credentials import credentials_of
from gateway.dialects.openai.answers import respond
from gateway.dialects.openai.events import event_writer
from gateway.dialects.openai.form import REFERENCES, OpenAiOptions, read_transcription, read_translation
from gateway.dialects.openai.json_body import receive_recording
from gateway.dialects.openai.models import model_object
from gateway.http.uploads import Form
from gateway.requests.jobs import RecordingEndpoint, RecordingOptions
from gateway.requests.recordings import serve_recording
from gateway.services import services_of


async def create_transcription(request: Request) -> Response:
    return await _serve(request, read_transcription)


async def create_translation(request: Request) -> Response:
    return await _serve(request, read_translation)


async def retrieve_model(request: Request) -> Response:
    return JSONResponse(model_object(services_of(request).models, request.path_params["id"]))


async def _serve(request: Request, read: Callable[[Form], OpenAiOptions]) -> Response:
    endpoint = RecordingEndpoint(read=lambda form: _options(read(form)), receive=receive_recording)
    return await serve_recording(request, endpoint, credentials_of(request))


def _options(options: OpenAiOptions) -> RecordingOptions:
    return RecordingOptions(
        model=options.model,
        recognition=options.recognition,
        respond=partial(respond, options),
        asked=str(options),
        events=event_writer(options) if options.stream else None,
        known=options.known,
        known_parameter=REFERENCES,
    )
