"""Holds real answers against the OpenAPI and AsyncAPI documents, more strictly than a client would.

A client shall bear fields that it does not know; here an answer with a field that the documents lack is wrong.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import httpx
from jsonschema import Draft202012Validator
from starlette.routing import compile_path

Document = dict[str, Any]


class DescribedApi:
    """The OpenAPI document of a service, as a judge of what it answers."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self._paths = [(compile_path(path)[0], operations) for path, operations in document["paths"].items()]

    def check(self, answer: httpx.Response) -> None:
        """Status, media type, headers and body are those that the document promises."""
        operation = self._operation(answer.request)
        if operation is None:
            assert answer.status_code in (403, 404, 405) or answer.request.method in ("OPTIONS", "HEAD")
            return
        described = operation["responses"].get(str(answer.status_code))
        assert described is not None, f"{answer.request.url} answered {answer.status_code}, which is not described"
        described = self._resolve(described)
        for name, header in described["headers"].items():
            assert name in answer.headers or not header["required"], f"{name} is missing"
            if name in answer.headers and header["schema"]["type"] == "integer":
                assert answer.headers[name].isdigit()
        if not described["content"]:
            assert not answer.content
            return
        media_type = answer.headers["content-type"].partition(";")[0]
        assert media_type in described["content"], f"{media_type} is not described"
        if media_type == "application/json":
            self.check_body(answer.json(), described["content"][media_type]["schema"])

    def check_body(self, body: object, schema: Mapping[str, Any]) -> None:
        strict = closed({**schema, "components": self.document["components"]})
        Draft202012Validator(strict, format_checker=Draft202012Validator.FORMAT_CHECKER).validate(body)

    def check_model(self, body: object, model: str) -> None:
        self.check_body(body, {"$ref": f"#/components/schemas/{model}"})

    def _operation(self, request: httpx.Request) -> dict[str, Any] | None:
        for pattern, operations in self._paths:
            if pattern.match(request.url.path.rstrip("/") or "/"):
                found: dict[str, Any] | None = operations.get(request.method.lower())
                return found
        return None

    def _resolve(self, part: Mapping[str, Any]) -> Any:
        return self.document["components"]["responses"][part["$ref"].rpartition("/")[2]] if "$ref" in part else part


def check_message(message: Mapping[str, Any], asyncapi: Document) -> None:
    """A message of a live stream is one that the AsyncAPI document describes under its type."""
    payload = asyncapi["components"]["messages"][message["type"]]["payload"]
    Draft202012Validator(closed({**payload, "components": asyncapi["components"]})).validate(message)


def events(text: str) -> list[tuple[str, dict[str, Any]]]:
    """Name and data of every server-sent event."""
    found = []
    for block in text.split("\n\n"):
        lines = [line for line in block.split("\n") if line and not line.startswith(":")]
        if lines:
            name, data = lines
            found.append((name.removeprefix("event: "), json.loads(data.removeprefix("data: "))))
    return found


def closed(schema: Any) -> Any:
    """The schema, with no room for fields that it does not name."""
    if isinstance(schema, list):
        return [closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    tight = {name: closed(each) for name, each in schema.items()}
    return {**tight, "additionalProperties": False} if isinstance(schema.get("properties"), dict) else tight
