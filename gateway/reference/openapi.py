"""The OpenAPI 3.1 document, from the table of endpoints."""

from __future__ import annotations

import http
from collections.abc import Iterator, Sequence

from gateway.api.catalogue import ErrorBody
from gateway.api.described import Schema, in_one_line, schema_of, schemas
from gateway.errors import (
    Forbidden,
    InternalError,
    PaymentRequired,
    RetryLater,
    ServiceError,
    TooManyRequests,
    Unauthorized,
    Unavailable,
)
from gateway.reference.operation import Alternatives, Contents, Header, Operation, Parameter, Reply, Tag

VERSION = "3.1.1"  # of the specification
JSON = "application/json"
ALL_MEET = (Forbidden, InternalError, Unavailable)  # errors that every operation has
FORM = "multipart/form-data"
SOUND = {"contentType": "audio/*, video/*"}  # of a form's files
RESPONSE = "#/components/responses/"
KEY = "key"  # name of the security scheme

REQUEST_ID = Header("X-Request-Id", "Id of the request in the log, the client's own if it sent one.", always=True)
RETRY_AFTER = Header("Retry-After", "Whole seconds after which to try again.", "integer", always=True)
REASON = Header("X-Error", "What was wrong and what is accepted, in ASCII.", always=True)
CHALLENGE = Header("WWW-Authenticate", "`Bearer`.", always=True)
ALLOWANCE = (
    Header("X-Credits-Remaining", "Credits left, for tiers that have credits.", "integer"),
    Header("RateLimit-Limit", "The period's allowance in the tier's unit, or the slots, for other tiers.", "integer"),
    Header("RateLimit-Remaining", "What is left of it.", "integer"),
    Header("RateLimit-Reset", "Seconds until it begins anew.", "integer"),
)

COMMON_PARAMETERS = (
    Parameter("X-Request-Id", "An id of your own: 8 to 64 letters, digits, `.`, `_`, `-`. Another one is replaced."),
)


def openapi_document(operations: Sequence[Operation], version: str, description: str, extra: Sequence[type]) -> Schema:
    """The whole document.

    version: of the service
    description: Markdown
    extra: models that only texts speak of
    """
    paths: dict[str, Schema] = {}
    for operation in operations:
        paths.setdefault(operation.address, {})[operation.method.lower()] = _operation(operation)
    return {
        "openapi": VERSION,
        "info": {"title": "stt", "version": version, "summary": "Speech to text", "description": description},
        "servers": [{"url": "/", "description": "The service that this document comes from"}],
        "tags": [{"name": tag.value} for tag in Tag],
        "paths": paths,
        "components": {
            "schemas": schemas(dict.fromkeys([*_models(operations), *extra])),
            "responses": {error.__name__: _error(error, ErrorBody) for error in _errors(operations)},
            "securitySchemes": {
                KEY: {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "An API key. Without one: anonymous, in limits.",
                }
            },
        },
    }


def response_headers(operations: Sequence[Operation]) -> list[str]:
    """Names of all headers that answers may carry, errors included."""
    headers = [REQUEST_ID, *ALLOWANCE, RETRY_AFTER]
    headers += [header for operation in operations for reply in operation.replies for header in reply.headers]
    return list(dict.fromkeys(header.name for header in headers))


def errors_of(operation: Operation) -> list[type[ServiceError]]:
    """Its errors in the order of their statuses."""
    return sorted({*operation.errors, *ALL_MEET}, key=lambda error: error.status)


def _operation(operation: Operation) -> Schema:
    answered = {str(reply.status): _reply(reply) for reply in operation.replies}
    refused: Schema = {}
    for error in errors_of(operation):
        shared = {"$ref": f"{RESPONSE}{error.__name__}"}
        refused[str(error.status)] = (
            shared if operation.error_body is ErrorBody else _error(error, operation.error_body)
        )
    described: Schema = {
        "operationId": operation.name,
        "tags": [operation.tag.value],
        "summary": operation.summary,
        **({"description": operation.description} if operation.description else {}),
        "parameters": [_parameter(parameter) for parameter in (*operation.parameters, *COMMON_PARAMETERS)],
        "responses": dict(sorted((refused | answered).items())),
    }
    if operation.body:
        described["requestBody"] = {"required": operation.body_required, "content": _contents(operation.body)}
    if operation.keyed:
        described["security"] = [{KEY: []}, {}]
    return described


def _parameter(parameter: Parameter) -> Schema:
    return {
        "name": parameter.name,
        "in": parameter.where,
        "required": parameter.where == "path",
        "description": parameter.description,
        "schema": parameter.schema,
    }


def _reply(reply: Reply) -> Schema:
    return {
        "description": reply.description,
        "headers": _headers((*reply.headers, REQUEST_ID)),
        "content": _contents(reply.contents),
    }


def _error(error: type[ServiceError], body: type | None) -> Schema:
    headers = [REQUEST_ID]
    if body is None:
        headers.append(REASON)
    if issubclass(error, RetryLater):
        headers.append(RETRY_AFTER)
    if issubclass(error, Unauthorized):
        headers.append(CHALLENGE)
    if issubclass(error, PaymentRequired | TooManyRequests):
        headers += ALLOWANCE
    status = error.phrase or http.HTTPStatus(error.status).phrase
    return {
        "description": f"{status}. {in_one_line(error.__doc__)}",
        "headers": _headers(headers),
        "content": _contents({JSON: body} if body else {"text/plain": {"type": "string", "maxLength": 0}}),
    }


def _headers(headers: Sequence[Header]) -> Schema:
    return {
        header.name: {
            "description": header.description,
            "required": header.always,
            "schema": {"type": header.kind},
        }
        for header in headers
    }


def _contents(contents: Contents) -> Schema:
    described: Schema = {media: {"schema": _schema(content)} for media, content in contents.items()}
    for media, content in contents.items():
        if media == FORM and isinstance(content, type):
            files = [name for name, kind in content.__annotations__.items() if kind is bytes or "bytes" in str(kind)]
            described[media]["encoding"] = dict.fromkeys(files, SOUND)
    return described


def _schema(content: type | Schema | Alternatives) -> Schema:
    if isinstance(content, Alternatives):
        return {"anyOf": [schema_of(model) for model in content.models]}
    return schema_of(content)


def _models(operations: Sequence[Operation]) -> Iterator[type]:
    for operation in operations:
        for contents in (operation.body, *(reply.contents for reply in operation.replies)):
            for content in contents.values():
                if isinstance(content, Alternatives):
                    yield from content.models
                elif not isinstance(content, dict):
                    yield content
        if operation.error_body is not None:
            yield operation.error_body


def _errors(operations: Sequence[Operation]) -> list[type[ServiceError]]:
    found = {error for operation in operations for error in errors_of(operation)}
    return sorted(found, key=lambda error: (error.status, error.__name__))
