"""One row of the table of endpoints: from it the router, the OpenAPI document and docs/api.md are made."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

from starlette.requests import Request
from starlette.responses import Response

from gateway.api.catalogue import ErrorBody
from gateway.api.described import Schema
from gateway.errors import ServiceError

Serve = Callable[[Request], Awaitable[Response]]
TEXT: Schema = {"type": "string"}
BINARY: Schema = {"type": "string", "format": "binary"}
OBJECT: Schema = {"type": "object"}


@dataclass(frozen=True, slots=True)
class Alternatives:
    """One of several models."""

    models: tuple[type, ...]


def one_of(*models: type) -> Alternatives:
    return Alternatives(models)


Contents = Mapping[str, type | Schema | Alternatives]  # media type → what it holds


class Tag(StrEnum):
    """The group that an operation is shown in; the value is what the group holds."""

    TRANSCRIPTION = "Transcription"
    UPLOADS = "Resumable uploads"
    JOBS = "Jobs"
    SUMMARIES = "Summaries"
    OFFER = "What is offered"
    ACCOUNT = "Account"
    OPENAI = "OpenAI's protocol"
    ASR_WEBSERVICE = "Protocol of whisper-asr-webservice"
    DESCRIPTION = "Description of the API"


@dataclass(frozen=True, slots=True)
class Header:
    """A header of an answer."""

    name: str
    description: str
    kind: Literal["string", "integer"] = "string"
    always: bool = False  # whether every answer of this kind has it


@dataclass(frozen=True, slots=True)
class Parameter:
    """Part of the address, or a header of the request."""

    name: str
    description: str
    where: Literal["path", "query", "header"] = "header"
    schema: Schema = field(default_factory=lambda: {"type": "string"})


@dataclass(frozen=True, slots=True)
class Reply:
    """One way in which an operation answers, errors aside."""

    description: str
    contents: Contents
    headers: Sequence[Header] = ()
    status: int = 200


@dataclass(frozen=True, slots=True)
class Operation:
    """A method of an address."""

    method: Literal["GET", "POST", "PATCH", "DELETE", "HEAD", "OPTIONS"]
    path: str  # as Starlette writes it
    serve: Serve
    name: str  # unique: generated clients call their method so
    tag: Tag
    summary: str
    replies: Sequence[Reply]
    description: str = ""
    body: Contents = field(default_factory=dict)  # of the request
    body_required: bool = True
    parameters: Sequence[Parameter] = ()
    keyed: bool = False  # whether it reads an API key
    errors: Sequence[type[ServiceError]] = ()  # beside those that every operation has
    error_body: type | None = ErrorBody  # what they hold; None: nothing, the reason is in a header

    @property
    def address(self) -> str:
        """The path as OpenAPI writes it, without converters."""
        return re.sub(r":\w+}", "}", self.path)
