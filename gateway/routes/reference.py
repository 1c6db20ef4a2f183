"""GET /openapi.json and /asyncapi.json, the API described for programs, and /docs, for people."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cached_property
from importlib import metadata

from starlette.requests import Request
from starlette.responses import Response

from gateway.api.jobs import EVENT_MODELS as JOB_MODELS
from gateway.api.summary import CompleteEvent, ErrorEvent, StageEvent, TokenEvent
from gateway.dialects.asr_webservice.operations import MODELS as ASR_MODELS
from gateway.dialects.openai.operations import EVENT_MODELS
from gateway.errors import NotFound
from gateway.reference import swagger_ui
from gateway.reference.asyncapi import Channel, asyncapi_document, in_markdown
from gateway.reference.openapi import JSON, openapi_document
from gateway.reference.operation import Operation

DOCS_PATH = "/docs"

INTRODUCTION = """\
Transcribes recordings and live speech, tells speakers apart, and summarizes.

**Key**: `Authorization: Bearer KEY`; without one, requests are answered as anonymous within limits. A wrong key is 401.

**Errors** are always `{"error": "what was wrong and what is accepted"}`, at OpenAI's addresses
`{"error": {"message", "type", "param", "code"}}`. 409, 429 and 503 carry `Retry-After`.
"""


class ApiDocuments:
    """Both documents; each is made when it is asked for first."""

    def __init__(self, operations: Sequence[Operation], channels: Sequence[Channel]) -> None:
        self._operations = operations
        self._channels = channels

    @cached_property
    def openapi(self) -> bytes:
        extra = [StageEvent, TokenEvent, CompleteEvent, ErrorEvent, *EVENT_MODELS, *JOB_MODELS, *ASR_MODELS]
        description = "\n".join([INTRODUCTION, *map(in_markdown, self._channels)])
        return _json(openapi_document(self._operations, metadata.version("stt"), description, extra))

    @cached_property
    def asyncapi(self) -> bytes:
        return _json(asyncapi_document(self._channels, metadata.version("stt"), INTRODUCTION))


async def show_openapi(request: Request) -> Response:
    return Response(_documents(request).openapi, media_type=JSON)


async def show_asyncapi(request: Request) -> Response:
    return Response(_documents(request).asyncapi, media_type=JSON)


async def show_docs(request: Request) -> Response:
    return Response(swagger_ui.shell(), media_type="text/html", headers=swagger_ui.SECURITY_HEADERS)


async def show_docs_asset(request: Request) -> Response:
    name = request.path_params["name"]
    if name not in swagger_ui.ASSETS:
        raise NotFound(f"There is no such file; {DOCS_PATH} is the page.")
    headers = {"Cache-Control": "max-age=3600", **swagger_ui.SECURITY_HEADERS}
    return Response(swagger_ui.asset(name), media_type=swagger_ui.media_type(name), headers=headers)


def _documents(request: Request) -> ApiDocuments:
    documents: ApiDocuments = request.app.state.documents
    return documents


def _json(document: object) -> bytes:
    return json.dumps(document, ensure_ascii=False).encode()
