"""The JSON of POST /v1/jobs is read as the form is."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.errors import BadRequest
from gateway.routes.job_submission import read_json_fields


def test_json_is_read_as_a_form_would_be() -> None:
    body = {
        "url": "https://host/a.mp3",
        "diarize": False,
        "speakers": 2,
        "languages": ["en", "fr"],
        "metadata": {"a": 1},
    }

    assert read_json_fields(json.dumps(body).encode()) == {
        "url": "https://host/a.mp3",
        "diarize": "false",
        "speakers": "2",
        "languages": "en,fr",
        "metadata": '{"a": 1}',
    }


@pytest.mark.parametrize(
    "body", [[], "text", {"url": []}, {"summary": 0}, {"model": None}, {"metadata": []}, {"diarize": 1}, {"url": "a\0"}]
)
def test_json_of_another_kind_is_refused(body: Any) -> None:
    with pytest.raises(BadRequest):
        read_json_fields(json.dumps(body).encode())
