from __future__ import annotations

import grpc
import pytest

from gateway.triton.client import read_failure


@pytest.mark.parametrize(
    ("message", "code", "told"),
    [
        ("INVALID_ARGUMENT: a window holds 1 to 480000 samples", "INVALID_ARGUMENT", "a window holds"),
        ("[request id: a-b] UNAVAILABLE: try again later", "UNAVAILABLE", "try again later"),
        ("Stub process 'whisper-base_0_0' is not healthy.", "INTERNAL", "Stub process"),
    ],
)
def test_the_text_of_a_stream_tells_the_code(message: str, code: str, told: str) -> None:
    failure = read_failure(message)
    assert failure.code is grpc.StatusCode[code]
    assert failure.message.startswith(told)
    assert failure.process_died == ("Stub process" in message)
