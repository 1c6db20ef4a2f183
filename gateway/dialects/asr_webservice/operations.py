"""whisper-asr-webservice's endpoints, for the table of all endpoints."""

from __future__ import annotations

from gateway.dialects.asr_webservice.answers import ENGINE_HEADER
from gateway.dialects.asr_webservice.endpoints import name_language, transcribe_for_subtitles
from gateway.dialects.asr_webservice.form import OUTPUTS
from gateway.dialects.asr_webservice.schema import AsrForm, AsrTranscription, DetectedLanguage
from gateway.errors import (
    BadRequest,
    Conflict,
    PaymentRequired,
    RequestTimeout,
    TooLarge,
    TooManyRequests,
    Unauthorized,
)
from gateway.reference.openapi import ALLOWANCE, JSON
from gateway.reference.operation import TEXT, Header, Operation, Parameter, Reply, Tag

BOOLEAN = {"type": "boolean", "default": False}
ENCODE = Parameter(
    "encode",
    "`false`: the file is bare samples, 16 bit little endian, 16 kHz, mono.",
    "query",
    {"type": "boolean", "default": True},
)
OPTIONS = (
    ENCODE,
    Parameter(
        "task",
        "`translate`: the text is in English.",
        "query",
        {"type": "string", "enum": ["transcribe", "translate"], "default": "transcribe"},
    ),
    Parameter(
        "language", "What is spoken; left out: it is detected.", "query", {"type": "string", "format": "language"}
    ),
    Parameter("initial_prompt", "Names and terms that are likely to be said.", "query"),
    Parameter("word_timestamps", "Whether `json` has the times of words.", "query", BOOLEAN),
    Parameter("diarize", "Whether speakers are named.", "query", BOOLEAN),
    Parameter(
        "output", "Shape of the text.", "query", {"type": "string", "enum": list(OUTPUTS), "default": OUTPUTS[0]}
    ),
)
ERRORS = (BadRequest, Unauthorized, PaymentRequired, RequestTimeout, Conflict, TooLarge, TooManyRequests)

OPERATIONS = (
    Operation(
        "POST",
        "/asr",
        transcribe_for_subtitles,
        "asr",
        Tag.ASR_WEBSERVICE,
        "Transcribe a recording, as whisper-asr-webservice does",
        description="Errors have no body, because Bazarr writes whatever comes into its subtitles; the header "
        "`X-Error` says what was wrong. Other parameters of that service are ignored.",
        body={"multipart/form-data": AsrForm},
        parameters=OPTIONS,
        replies=[
            Reply(
                "The text in the shape that `output` names; of `json` an AsrTranscription.",
                {"text/plain": TEXT},
                [
                    Header(ENGINE_HEADER, "`stt`.", always=True),
                    Header("Content-Disposition", "A name for the file.", always=True),
                    *ALLOWANCE,
                ],
            )
        ],
        keyed=True,
        errors=ERRORS,
        error_body=None,
    ),
    Operation(
        "POST",
        "/detect-language",
        name_language,
        "detectLanguage",
        Tag.ASR_WEBSERVICE,
        "Tell which language is spoken, as whisper-asr-webservice does",
        description="Its first windows of speech decide, at most 90 s, and no more is charged.",
        body={"multipart/form-data": AsrForm},
        parameters=[ENCODE],
        replies=[Reply("The language.", {JSON: DetectedLanguage}, ALLOWANCE)],
        keyed=True,
        errors=ERRORS,
        error_body=None,
    ),
)
MODELS = (AsrTranscription,)
