"""The OpenAPI document is whole and says what the code does."""

from __future__ import annotations

import inspect
import json
from dataclasses import asdict
from typing import Any, get_args

import pytest

from gateway import errors
from gateway.api.described import schemas
from gateway.api.summary import StageEvent, StyleName, SummaryRequest
from gateway.api.transcription import TranscriptionForm
from gateway.errors import RetryLater, ServiceError
from gateway.http.parameters import MAX_PROMPT, MAX_SPEAKERS, RESPONSE_FORMATS, read_transcribe_parameters
from gateway.http.summary_parameters import read_request
from gateway.media.tracks import TrackChoice
from gateway.reference.openapi import errors_of
from gateway.routes.reference import ApiDocuments
from gateway.routes.table import CHANNELS, OPERATIONS
from gateway.summaries.styles import ALIASES, STYLES

DOCUMENT: dict[str, Any] = json.loads(ApiDocuments(OPERATIONS, CHANNELS).openapi)
FORM = schemas([TranscriptionForm])["TranscriptionForm"]["properties"]


def test_everything_is_described_in_words() -> None:
    undescribed = [
        f"{name}.{field}"
        for name, schema in DOCUMENT["components"]["schemas"].items()
        for field, described in {"": schema, **schema["properties"]}.items()
        if not described.get("description")
    ]

    assert undescribed == []


def test_operations_have_names_of_their_own() -> None:
    names = [operation.name for operation in OPERATIONS]

    assert len(set(names)) == len(names)


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
def test_no_two_errors_of_an_operation_share_a_status(operation: Any) -> None:
    statuses = [error.status for error in errors_of(operation)]

    assert len(set(statuses)) == len(statuses)


def test_every_error_that_a_client_can_meet_is_described() -> None:
    described = {
        int(status) for path in DOCUMENT["paths"].values() for each in path.values() for status in each["responses"]
    }
    told = {each.status for _, each in inspect.getmembers(errors, inspect.isclass) if issubclass(each, ServiceError)}
    nobody_reads = {errors.ClientGone.status}
    of_no_operation = {errors.MethodNotAllowed.status}

    assert {status for status in described if status >= 400} == told - nobody_reads - of_no_operation


def test_errors_that_pass_say_when_to_come_back() -> None:
    for name, response in DOCUMENT["components"]["responses"].items():
        assert ("Retry-After" in response["headers"]) == issubclass(getattr(errors, name), RetryLater)


def test_a_form_that_leaves_everything_out_gets_the_defaults_that_are_described() -> None:
    parameters = read_transcribe_parameters({})
    meant = asdict(parameters.recognition) | asdict(parameters)
    described = {name: field["default"] for name, field in FORM.items() if name not in ("file", "url", "upload")}

    assert described.pop("language") == "auto"
    assert meant["language"] is None
    assert described.pop("known_speakers") == ""
    assert meant["known_speakers"] == ()
    assert (described.pop("channels"), described.pop("channel_names")) == ("mix", "")
    assert (described.pop("track"), described.pop("tracks")) == (0, "one")
    assert meant["tracks"] == asdict(TrackChoice())
    assert (described.pop("keyterms"), described.pop("keyterms_text")) == ("", "")
    assert meant["keyterms"] == ()
    assert described.pop("languages") == ",".join(meant["languages"])
    assert {name: meant[name] for name in described} == described


def test_the_forms_choices_are_those_that_are_read() -> None:
    assert FORM["response_format"]["enum"] == list(RESPONSE_FORMATS)
    assert FORM["speakers"]["maximum"] == MAX_SPEAKERS
    assert FORM["prompt"]["maxLength"] == MAX_PROMPT


def test_the_styles_are_those_that_are_read() -> None:
    assert list(get_args(StyleName)) == [*STYLES, *ALIASES]
    default = schemas([SummaryRequest])["SummaryRequest"]["properties"]["style"]["default"]
    assert read_request(b'{"text": "One."}').style is STYLES[default]


def test_texts_name_no_model_that_is_missing() -> None:
    summarize = DOCUMENT["paths"]["/v1/summarize"]["post"]["description"]
    named = {word.strip("(),.") for word in summarize.split() if "Event)" in word}

    assert StageEvent.__name__ in named
    assert named <= DOCUMENT["components"]["schemas"].keys()
