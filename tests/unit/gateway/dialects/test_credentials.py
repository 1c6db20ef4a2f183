"""Where the key stands in what programs send."""

from __future__ import annotations

import base64

import pytest

from gateway.dialects.credentials import key_of


def basic(text: str) -> str:
    return f"Basic {base64.b64encode(text.encode()).decode()}"


@pytest.mark.parametrize(
    ("header", "key"),
    [
        ("Bearer stt_1", "stt_1"),
        ("bearer   stt_1 ", "stt_1"),
        ("Bearer", ""),
        ("", ""),
        (basic("somebody:stt_1"), "stt_1"),
        (basic("stt_1:"), "stt_1"),
        (basic("stt_1"), "stt_1"),
        (basic(":"), ""),
        ("Basic %%%", None),
        ("Basic /w==", None),
        ("Token stt_1", None),
    ],
)
def test_a_header_has_a_key_none_or_is_of_another_kind(header: str, key: str | None) -> None:
    assert key_of(header) == key
