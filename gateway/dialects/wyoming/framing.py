"""Events on the wire: a line of JSON, a block of JSON, a block of sound. What is too long ends the connection."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import metadata
from typing import Any

LONGEST_LINE = 64 * 1024  # bytes
LONGEST_DATA = 1024**2  # bytes of JSON
LONGEST_PAYLOAD = 16 * 1024**2  # bytes of sound


class BrokenFraming(Exception):
    """What came is no event: nothing after it can be read."""


@dataclass(frozen=True, slots=True)
class WyomingEvent:
    type: str
    data: Mapping[str, Any] = field(default_factory=dict)
    payload: bytes = b""

    def number(self, name: str, default: int) -> int:
        """raises: BrokenFraming"""
        value = self.data.get(name, default)
        if isinstance(value, bool) or not isinstance(value, int):
            raise BrokenFraming(f"`{name}` of {self.type} is no whole number")
        return value

    def text(self, name: str) -> str:
        """ "" where it is missing."""
        value = self.data.get(name)
        return value if isinstance(value, str) else ""


async def read_event(reader: asyncio.StreamReader) -> WyomingEvent | None:
    """The next event; None at the end. `reader` has LONGEST_LINE as its limit. Raises BrokenFraming."""
    try:
        line = await reader.readline()
        if not line:
            return None
        head = _object(line)
        data = dict(head["data"]) if isinstance(head.get("data"), dict) else {}
        if length := _length(head, "data_length", LONGEST_DATA):
            data |= _object(await reader.readexactly(length))
        payload = b""
        if length := _length(head, "payload_length", LONGEST_PAYLOAD):
            payload = await reader.readexactly(length)
    except (ValueError, asyncio.IncompleteReadError) as problem:
        raise BrokenFraming(str(problem)) from problem
    kind = head.get("type")
    if not isinstance(kind, str):
        raise BrokenFraming("an event has no type")
    return WyomingEvent(kind, data, payload)


def written(event: WyomingEvent) -> bytes:
    head: dict[str, Any] = {"type": event.type, "version": metadata.version("stt")}
    block = b""
    if event.data:
        block = json.dumps(event.data, ensure_ascii=False).encode()
        head["data_length"] = len(block)
    if event.payload:
        head["payload_length"] = len(event.payload)
    return json.dumps(head).encode() + b"\n" + block + event.payload


def _object(text: bytes) -> dict[str, Any]:
    """raises: ValueError"""
    try:
        fields = json.loads(text)
    except RecursionError:
        raise ValueError("JSON is nested too deeply") from None
    if not isinstance(fields, dict):
        raise ValueError("an event is no JSON object")
    return fields


def _length(head: Mapping[str, Any], name: str, most: int) -> int:
    length = head.get(name) or 0
    if isinstance(length, bool) or not isinstance(length, int) or not 0 <= length <= most:
        raise ValueError(f"`{name}` is {str(length)[:20]}; accepted are 0 to {most}")
    return length
