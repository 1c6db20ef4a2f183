"""Every endpoint of the API in one table: the router and the OpenAPI document are made from it."""

from __future__ import annotations

from gateway.api.catalogue import HealthReport, LanguageList, ModelList, RequestProgress, ServiceIndex
from gateway.api.stream import (
    CLOSE_CODES,
    ConfigFrame,
    ErrorMessage,
    FinalMessage,
    LanguageMessage,
    PartialMessage,
    ReadyMessage,
    StopFrame,
    StreamQuery,
    TranscriptMessage,
    TurnMessage,
)
from gateway.api.summary import SummaryAnswer, SummaryRequest
from gateway.api.transcription import Transcription, TranscriptionForm
from gateway.api.usage import UsageReport
from gateway.dialects.asr_webservice.operations import OPERATIONS as ASR_OPERATIONS
from gateway.dialects.openai.operations import OPERATIONS as OPENAI_OPERATIONS
from gateway.dialects.realtime.channels import CHANNELS as REALTIME_CHANNELS
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
from gateway.page.files import MEDIA_TYPES as PAGE_FILES
from gateway.reference.asyncapi import Channel, Frame
from gateway.reference.openapi import ALLOWANCE, JSON, RETRY_AFTER
from gateway.reference.operation import BINARY, OBJECT, TEXT, Header, Operation, Parameter, Reply, Tag
from gateway.reference.swagger_ui import ASSETS, media_type
from gateway.requests.recordings import IDEMPOTENCY_HEADER, REPLAYED_HEADER
from gateway.routes.catalogue import list_languages, list_models
from gateway.routes.health import health
from gateway.routes.index import index
from gateway.routes.job_operations import JOB_OPERATIONS
from gateway.routes.page import FILES_PATH as PAGE_FILES_PATH
from gateway.routes.page import show_page_file
from gateway.routes.progress import show_progress
from gateway.routes.reference import DOCS_PATH, show_asyncapi, show_docs, show_docs_asset, show_openapi
from gateway.routes.stream import stream
from gateway.routes.summarize import summarize
from gateway.routes.transcribe import MODEL_HEADER, WARNINGS_HEADER, transcribe
from gateway.routes.upload_operations import UPLOAD_OPERATIONS
from gateway.routes.usage import show_usage

OPERATIONS: tuple[Operation, ...] = (
    Operation(
        "POST",
        "/v1/transcribe",
        transcribe,
        "transcribe",
        Tag.TRANSCRIPTION,
        "Transcribe a recording",
        description="The form may come in any order and with chunked transfer encoding; its file is written to disk "
        "while it arrives. Work ends when the client leaves, and costs nothing then.",
        body={"multipart/form-data": TranscriptionForm},
        parameters=[
            Parameter(
                IDEMPOTENCY_HEADER,
                "Any text of 1 to 255 printable ASCII characters. The same request under the same key gets the same "
                "answer for a day, and is charged once.",
                schema={"type": "string", "pattern": "^[ -~]{1,255}$"},
            )
        ],
        replies=[
            Reply(
                "The transcript in the shape that `response_format` names.",
                {JSON: Transcription, "text/plain": TEXT, "application/x-subrip": TEXT, "text/vtt": TEXT},
                [
                    Header(MODEL_HEADER, "The model that really answered.", always=True),
                    Header(WARNINGS_HEADER, "`warnings`, a JSON array in ASCII; missing where there are none."),
                    Header(REPLAYED_HEADER, "`true` on an answer that was given, and charged, before."),
                    *ALLOWANCE,
                ],
            )
        ],
        keyed=True,
        errors=[BadRequest, Unauthorized, PaymentRequired, RequestTimeout, Conflict, TooLarge, TooManyRequests],
    ),
    *JOB_OPERATIONS,
    *UPLOAD_OPERATIONS,
    Operation(
        "GET",
        "/v1/progress/{identity}",
        show_progress,
        "showProgress",
        Tag.TRANSCRIPTION,
        "How far a request in hand is",
        description="Send your own `X-Request-Id` with the request that you will ask about. Gateways that share a "
        "PostgreSQL know of each other's within a second; without one, ask the same gateway.",
        parameters=[Parameter("identity", "`X-Request-Id` of the request.", "path")],
        replies=[Reply("How far it is.", {JSON: RequestProgress})],
        errors=[NotFound],
    ),
    Operation(
        "POST",
        "/v1/summarize",
        summarize,
        "summarize",
        Tag.SUMMARIES,
        "Summarize a text",
        description=f"With `Accept: {EVENT_STREAM}` the answer is a stream of server-sent events: `stage` "
        "(StageEvent), `token` (TokenEvent), at last `summary` (CompleteEvent) or `error` (ErrorEvent). A comment "
        "line comes every 10 s while nothing else does.",
        body={JSON: SummaryRequest},
        replies=[
            Reply("The summary, whole or while it is written.", {JSON: SummaryAnswer, EVENT_STREAM: TEXT}, ALLOWANCE)
        ],
        keyed=True,
        errors=[BadRequest, Unauthorized, PaymentRequired, RequestTimeout, TooLarge, TooManyRequests],
    ),
    Operation(
        "GET",
        "/v1/models",
        list_models,
        "listModels",
        Tag.OFFER,
        "Models that can be asked for",
        replies=[Reply("The models.", {JSON: ModelList})],
    ),
    *OPENAI_OPERATIONS,
    *ASR_OPERATIONS,
    Operation(
        "GET",
        "/v1/languages",
        list_languages,
        "listLanguages",
        Tag.OFFER,
        "Languages that can be asked for",
        replies=[Reply("The languages.", {JSON: LanguageList})],
    ),
    Operation(
        "GET",
        "/v1/usage",
        show_usage,
        "showUsage",
        Tag.ACCOUNT,
        "What is left to the caller",
        replies=[Reply("The caller's own figures.", {JSON: UsageReport}, [Header("Cache-Control", "`no-store`.")])],
        keyed=True,
        errors=[Unauthorized],
    ),
    Operation(
        "GET",
        "/health",
        health,
        "health",
        Tag.OFFER,
        "Whether the service works now",
        replies=[
            Reply("Every deployed model answers.", {JSON: HealthReport}),
            Reply("A model is away, or the service stops.", {JSON: HealthReport}, [RETRY_AFTER], status=503),
        ],
    ),
    Operation(
        "GET",
        "/",
        index,
        "index",
        Tag.DESCRIPTION,
        "What is at this address",
        description="A browser, which accepts text/html, gets the web page.",
        replies=[Reply("The endpoints.", {JSON: ServiceIndex, "text/html": TEXT})],
    ),
    Operation(
        "GET",
        PAGE_FILES_PATH,
        show_page_file,
        "showPageFile",
        Tag.DESCRIPTION,
        "The files of the web page",
        parameters=[Parameter("name", "Name of the file.", "path", {"type": "string", "enum": list(PAGE_FILES)})],
        replies=[
            Reply("The file.", dict.fromkeys(PAGE_FILES.values(), BINARY)),
            Reply("It is as `If-None-Match` says.", {}, status=304),
        ],
        errors=[NotFound],
    ),
    Operation(
        "GET",
        "/openapi.json",
        show_openapi,
        "showOpenapi",
        Tag.DESCRIPTION,
        "The API as OpenAPI 3.1",
        replies=[Reply("OpenAPI 3.1.", {JSON: OBJECT})],
    ),
    Operation(
        "GET",
        "/asyncapi.json",
        show_asyncapi,
        "showAsyncapi",
        Tag.DESCRIPTION,
        "The messages of WS /v1/stream as AsyncAPI 3.0",
        replies=[Reply("AsyncAPI 3.0.", {JSON: OBJECT})],
    ),
    Operation(
        "GET",
        DOCS_PATH,
        show_docs,
        "showDocs",
        Tag.DESCRIPTION,
        "The API as a page",
        replies=[Reply("The page.", {"text/html": TEXT})],
    ),
    Operation(
        "GET",
        f"{DOCS_PATH}/{{name}}",
        show_docs_asset,
        "showDocsAsset",
        Tag.DESCRIPTION,
        "The files of that page",
        parameters=[Parameter("name", "Name of the file.", "path", {"type": "string", "enum": list(ASSETS)})],
        replies=[Reply("The file.", dict.fromkeys(map(media_type, ASSETS), BINARY))],
        errors=[NotFound],
    ),
)


def operations(*, docs: bool, jobs: bool = True, page: bool = True) -> list[Operation]:
    """docs: whether the API describes itself, at other addresses than /; jobs: whether it takes jobs and resumable
    uploads; page: whether there is a web page"""
    kept = {"/": True, PAGE_FILES_PATH: page}
    offered = [each for each in OPERATIONS if kept.get(each.path, docs or each.tag is not Tag.DESCRIPTION)]
    return [each for each in offered if jobs or each.tag not in (Tag.JOBS, Tag.UPLOADS)]


CHANNELS: tuple[Channel, ...] = (
    Channel(
        "/v1/stream",
        stream,
        "stream",
        "Transcribe speech while it is spoken",
        description="The client configures the session, by its address or by its first frame; waits for `ready`, if it "
        "sent a config; sends audio as it comes, in binary frames of any size; and stops. The server sends `partial` "
        "text, which may change, and `transcript` text, which never does, then `final` with all of the text, and "
        "closes. After an `error` the session may still end with `final`; it closes in any case.",
        query=StreamQuery,
        client=[
            Frame("config", ConfigFrame),
            Frame("audio", BINARY, "The next piece of raw PCM: 16 bit little endian, 16 kHz, mono; up to 16 MB."),
            Frame("stop", StopFrame),
            Frame("end", {"type": "string", "maxLength": 0}, "An empty binary frame: the same as stop."),
        ],
        server=[
            Frame("ready", ReadyMessage),
            Frame("partial", PartialMessage),
            Frame("transcript", TranscriptMessage),
            Frame("turn", TurnMessage),
            Frame("language", LanguageMessage),
            Frame("final", FinalMessage),
            Frame("error", ErrorMessage),
        ],
        close_codes=CLOSE_CODES,
    ),
    *REALTIME_CHANNELS,
)
