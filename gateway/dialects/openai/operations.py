"""OpenAI's endpoints, for the table of all endpoints."""

from __future__ import annotations

from typing import Any

from gateway.api.catalogue import OpenAiModel
from gateway.dialects.errors import OpenAiError
from gateway.dialects.openai.endpoints import create_transcription, create_translation, retrieve_model
from gateway.dialects.openai.schema import (
    OpenAiDiarizedSegment,
    OpenAiDiarizedTranscription,
    OpenAiTextDelta,
    OpenAiTextDone,
    OpenAiTranscription,
    OpenAiVerboseTranscription,
    TranscriptionRequest,
    TranslationRequest,
)
from gateway.errors import (
    BadRequest,
    Conflict,
    NotFound,
    PaymentRequired,
    RequestTimeout,
    TooLarge,
    TooManyRequests,
    Unauthorized,
)
from gateway.http.event_stream import EVENT_STREAM
from gateway.reference.openapi import ALLOWANCE, JSON
from gateway.reference.operation import TEXT, Operation, Parameter, Reply, Tag, one_of

EVENTS = (OpenAiTextDelta, OpenAiDiarizedSegment, OpenAiTextDone)
ERRORS = (
    BadRequest,
    Unauthorized,
    PaymentRequired,
    NotFound,
    RequestTimeout,
    Conflict,
    TooLarge,
    TooManyRequests,
)

OPERATIONS = (
    Operation(
        "POST",
        "/v1/audio/transcriptions",
        create_transcription,
        "createTranscription",
        Tag.OPENAI,
        "Transcribe a recording, as OpenAI's API does",
        description="With `stream=true` the answer is a stream of server-sent events: `transcript.text.delta` "
        "(OpenAiTextDelta), with `diarized_json` `transcript.text.segment` (OpenAiDiarizedSegment), at last "
        "`transcript.text.done` (OpenAiTextDone) or `error` (OpenAiError). A comment line comes every 10 s while "
        'nothing else does. A recording may also come as JSON: `{"model", "input_audio": {"data": BASE64, '
        '"format"}}`.',
        body={"multipart/form-data": TranscriptionRequest},
        replies=[
            Reply(
                "The transcript in the shape that `response_format` names.",
                {
                    JSON: one_of(OpenAiVerboseTranscription, OpenAiDiarizedTranscription, OpenAiTranscription),
                    "text/plain": TEXT,
                    EVENT_STREAM: TEXT,
                },
                ALLOWANCE,
            )
        ],
        keyed=True,
        errors=ERRORS,
        error_body=OpenAiError,
    ),
    Operation(
        "POST",
        "/v1/audio/translations",
        create_translation,
        "createTranslation",
        Tag.OPENAI,
        "Translate a recording into English, as OpenAI's API does",
        description="A model that cannot translate is refused; OpenAI's names ask for one that can.",
        body={"multipart/form-data": TranslationRequest},
        replies=[
            Reply(
                "The text in the shape that `response_format` names.",
                {JSON: one_of(OpenAiVerboseTranscription, OpenAiTranscription), "text/plain": TEXT},
                ALLOWANCE,
            )
        ],
        keyed=True,
        errors=ERRORS,
        error_body=OpenAiError,
    ),
    Operation(
        "GET",
        "/v1/models/{id:path}",
        retrieve_model,
        "retrieveModel",
        Tag.OPENAI,
        "One model, as OpenAI's API shows it",
        parameters=[
            Parameter("id", "Any name that a request may use.", "path", {"type": "string", "format": "openai-model"})
        ],
        replies=[Reply("The model.", {JSON: OpenAiModel})],
        errors=[NotFound],
        error_body=OpenAiError,
    ),
)
EVENT_MODELS: tuple[type[Any], ...] = (*EVENTS, OpenAiError)
