"""The AsyncAPI document names what the stream really says."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from gateway import errors
from gateway.api.stream import CLOSE_CODES
from gateway.routes.reference import ApiDocuments
from gateway.routes.stream_socket import NORMAL, RESTART, close_code
from gateway.routes.table import CHANNELS, OPERATIONS
from gateway.streaming import commands, messages
from speech.transcript import Word
from tests.described_api import check_message

DOCUMENT: dict[str, Any] = json.loads(ApiDocuments(OPERATIONS, CHANNELS).asyncapi)
WORDS = [Word("Hello,", 0.0, 0.41234, 0.98765), Word("world.", 0.5, 0.9, 0.8)]

SAID = [
    messages.ready("base", "auto"),
    messages.ready("base", "auto", ["punctuate"]),
    messages.partial_text(WORDS, "en"),
    messages.partial_text([], "en"),
    messages.final_text(WORDS, "en"),
    messages.final_text([replace(word, speaker="Speaker 1") for word in WORDS], "en", 4800),
    messages.turn("eager_end", 0.1, 2.34567, 0.98765),
    messages.language_settled("en", 0.98765),
    messages.complete("Hello, world.", "en", 1.25, ["Something is missing."]),
    messages.failure("wrong"),
]


@pytest.mark.parametrize("message", SAID, ids=lambda message: message["type"])
def test_what_is_said_is_described(message: Any) -> None:
    check_message(message, DOCUMENT)


def test_what_is_described_is_said() -> None:
    channel = next(channel for channel in CHANNELS if channel.path == "/v1/stream")

    assert {frame.name for frame in channel.server} == {message["type"] for message in SAID}


def test_frames_that_are_described_are_read() -> None:
    assert commands.read_text('{"language": null, "model": "base"}') == commands.StreamConfig("base", "auto")
    assert isinstance(commands.read_text('{"action": "stop"}'), commands.StopCommand)
    query = DOCUMENT["channels"]["stream"]["bindings"]["ws"]["query"]["properties"]
    assert set(query) == set(commands.CONFIG_FIELDS)


def test_every_close_code_is_described() -> None:
    kinds = [errors.BadParameter, errors.Unauthorized, errors.PaymentRequired, errors.RequestTimeout]
    failures = [*(kind("wrong") for kind in kinds), errors.TooManyRequests("busy", 5), errors.InternalError()]
    too_big = 1009  # websockets closes so by itself

    assert {NORMAL, RESTART, too_big, *map(close_code, failures)} == CLOSE_CODES.keys()
