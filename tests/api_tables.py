"""Tables of docs/api.md and docs/websocket.md, made from the types and the table of endpoints."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from gateway.api.described import Schema, in_one_line, schemas
from gateway.api.stream import CLOSE_CODES, ServerMessage
from gateway.dialects.realtime.schema import REALTIME_CLOSE_CODES
from gateway.errors import MethodNotAllowed
from gateway.reference.openapi import ALLOWANCE, CHALLENGE, COMMON_PARAMETERS, REQUEST_ID, RETRY_AFTER, errors_of
from gateway.reference.operation import Header
from gateway.routes.reference import ApiDocuments
from gateway.routes.table import CHANNELS, OPERATIONS
from tests.media_clocks import coded, table_rows
from tests.media_files import SOUND, VIDEO

_DOCUMENTS = ApiDocuments(OPERATIONS, CHANNELS)
OPENAPI: dict[str, Any] = json.loads(_DOCUMENTS.openapi)
ASYNCAPI: dict[str, Any] = json.loads(_DOCUMENTS.asyncapi)
COMMON = schemas([ServerMessage])  # what every message of the stream has
SCHEMAS: dict[str, Schema] = OPENAPI["components"]["schemas"] | ASYNCAPI["components"]["schemas"] | COMMON


def fields(model: str) -> str:
    """A row for each field of a model; a message has its kind first, and only the fields that are its own."""
    schema = SCHEMAS[model]
    required = schema.get("required", [])
    told = COMMON["ServerMessage"]["properties"] if model.endswith("Message") and model not in COMMON else {}
    names = sorted((name for name in schema["properties"] if name not in told), key=lambda name: name != "type")
    rows = [_field(name, schema["properties"][name], name in required) for name in names]
    return table(("field", "type", "meaning"), rows)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def endpoints() -> str:
    rows = [(f"`{each.method} {each.address}`", each.summary, "yes" if each.keyed else "") for each in OPERATIONS]
    rows += [(f"`WS {channel.path}`", channel.summary, "yes") for channel in CHANNELS]
    return table(("endpoint", "what it does", "reads a key"), rows)


def request_headers() -> str:
    parameters = [*COMMON_PARAMETERS, *(each for operation in OPERATIONS for each in operation.parameters)]
    rows = [(f"`{each.name}`", each.description) for each in parameters if each.where == "header"]
    return table(("header of a request", "meaning"), dict.fromkeys(rows))


def answer_headers() -> str:
    own = [header for operation in OPERATIONS for reply in operation.replies for header in reply.headers]
    every: dict[str, Header] = {each.name: each for each in [REQUEST_ID, *own, *ALLOWANCE, RETRY_AFTER, CHALLENGE]}
    return table(("header of an answer", "meaning"), [(f"`{each.name}`", each.description) for each in every.values()])


def close_codes(codes: Mapping[int, str] = CLOSE_CODES) -> str:
    return table(("code", "meaning"), [(str(code), meaning) for code, meaning in codes.items()])


def errors() -> str:
    kinds = {error for operation in OPERATIONS for error in errors_of(operation)} | {MethodNotAllowed}
    in_order = sorted(kinds, key=lambda kind: (kind.status, kind.__name__))
    rows = [(str(kind.status), in_one_line(kind.__doc__)) for kind in in_order]
    return table(("status", "meaning"), rows)


def media_formats() -> str:
    """Containers with the codecs that are read whole, each tried by a test."""
    kinds: dict[str, list[str]] = {}
    for name, options in {**SOUND, **VIDEO}.items():
        codecs, container = coded(options) or "as the format has it", name.rpartition(".")[2]
        if codecs not in (known := kinds.setdefault(container, [])):
            known.append(codecs)
    return table(("container", "codecs"), [(f"`{each}`", "; ".join(kinds[each])) for each in sorted(kinds)])


def media_clocks() -> str:
    """What is out of the ordinary in a file and yet right, each tried by a test."""
    rows: dict[tuple[str, str], list[str]] = {}
    for kind, container, about in table_rows():
        rows.setdefault((kind, container), []).append(about)
    return table(
        ("out of the ordinary", "container", "codecs, and what was done"),
        [(kind, f"`{container}`", "; ".join(abouts)) for (kind, container), abouts in rows.items()],
    )


TABLES: dict[str, Callable[[], str]] = {
    "endpoints": endpoints,
    "request-headers": request_headers,
    "answer-headers": answer_headers,
    "close-codes": close_codes,
    "realtime-close-codes": lambda: close_codes(REALTIME_CLOSE_CODES),
    "errors": errors,
    "media-formats": media_formats,
    "media-clocks": media_clocks,
}


def _field(name: str, schema: Schema, required: bool) -> tuple[str, str, str]:
    kind = _kind(schema) + ("" if required else ", optional")
    default = schema.get("default", "")
    shown = "" if default == "" else f" Default: `{json.dumps(default).strip(chr(34))}`."
    return f"`{name}`", kind, schema["description"] + shown


def _kind(schema: Schema) -> str:
    if "$ref" in schema:
        return str(schema["$ref"].rpartition("/")[2])
    if "const" in schema:
        return f"`{schema['const']}`"
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    if "anyOf" in schema:
        return " or ".join(_kind(each) for each in schema["anyOf"])
    if schema["type"] == "array":
        return f"list of {_kind(schema['items'])}"
    return "file" if schema.get("format") == "binary" else str(schema["type"])
