"""The AsyncAPI 3.0 document of the WebSocket channels."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from starlette.websockets import WebSocket

from gateway.api.described import Schema, in_one_line, schema_of, schemas

VERSION = "3.0.0"  # of the specification


@dataclass(frozen=True, slots=True)
class Frame:
    """One kind of WebSocket frame."""

    name: str
    content: type | Schema
    description: str = ""  # where the content is no model

    @property
    def text(self) -> str:
        return self.description or in_one_line(self.content.__doc__)


@dataclass(frozen=True, slots=True)
class Channel:
    """A WebSocket endpoint and what is said on it."""

    path: str
    serve: Callable[[WebSocket], Awaitable[None]]
    name: str
    summary: str
    description: str
    query: type  # model of the address's parameters
    client: Sequence[Frame]
    server: Sequence[Frame]
    close_codes: Mapping[int, str]


def asyncapi_document(channels: Sequence[Channel], version: str, description: str) -> Schema:
    """The whole document.

    version: of the service
    description: Markdown
    """
    frames = [frame for channel in channels for frame in (*channel.client, *channel.server)]
    models = [content for content in [frame.content for frame in frames] if not isinstance(content, dict)]
    found = schemas(dict.fromkeys([*models, *(channel.query for channel in channels)]))
    return {
        "asyncapi": VERSION,
        "info": {"title": "stt", "version": version, "description": description},
        "channels": {channel.name: _channel(channel, found) for channel in channels},
        "operations": {name: operation for channel in channels for name, operation in _operations(channel).items()},
        "components": {"schemas": found, "messages": {frame.name: _message(frame) for frame in frames}},
    }


def in_markdown(channel: Channel) -> str:
    """The channel for the OpenAPI document, which knows no WebSocket."""
    sides = [("client", frame) for frame in channel.client] + [("service", frame) for frame in channel.server]
    rows = [f"| {side} | `{frame.name}` | {frame.text} |" for side, frame in sides]
    table = "\n".join(["| from | message | |", "|---|---|---|", *rows])
    documents = "[asyncapi.json](asyncapi.json) has the fields of every message and the close codes."
    return f"### WS {channel.path}: {channel.summary}\n\n{channel.description}\n\n{table}\n\n{documents}\n"


def _channel(channel: Channel, found: Mapping[str, Schema]) -> Schema:
    frames = (*channel.client, *channel.server)
    return {
        "address": channel.path,
        "summary": channel.summary,
        "description": channel.description,
        "messages": {frame.name: {"$ref": f"#/components/messages/{frame.name}"} for frame in frames},
        "bindings": {"ws": {"method": "GET", "query": found[channel.query.__name__]}},
        "x-close-codes": {str(code): meaning for code, meaning in channel.close_codes.items()},
    }


def _operations(channel: Channel) -> Schema:
    """What the service does, as AsyncAPI sees it."""
    sides = (("receive", channel.client), ("send", channel.server))
    return {
        f"{action}{channel.name.capitalize()}": {
            "action": action,
            "channel": {"$ref": f"#/channels/{channel.name}"},
            "messages": [{"$ref": f"#/channels/{channel.name}/messages/{frame.name}"} for frame in frames],
        }
        for action, frames in sides
    }


def _message(frame: Frame) -> Schema:
    binary = isinstance(frame.content, dict)
    return {
        "name": frame.name,
        "summary": frame.text,
        "contentType": "application/octet-stream" if binary else "application/json",
        "payload": schema_of(frame.content),
    }
