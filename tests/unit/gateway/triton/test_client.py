from __future__ import annotations

from pathlib import Path

import grpc
import pytest

from gateway.triton.client import TritonAccess, TritonClient, TritonFailure, read_failure
from gateway.triton.probe import probe_inputs
from tests.certificates import needs_openssl, self_signed
from tests.unit.gateway.triton.triton_fakes import Triton, listening


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


@needs_openssl
async def test_a_connection_is_encrypted_where_a_certificate_is_given(tmp_path: Path) -> None:
    key, certificate = self_signed(tmp_path)
    credentials = grpc.ssl_server_credentials([(key.read_bytes(), certificate.read_bytes())])
    async with listening(Triton(), credentials=credentials) as (url,):
        trusting = TritonClient(url, TritonAccess(certificate=certificate.read_bytes()))
        plain = TritonClient(url)
        try:
            assert await trusting.infer("whisper-base", probe_inputs("whisper-base"), 10)
            with pytest.raises(TritonFailure):
                await plain.infer("whisper-base", probe_inputs("whisper-base"), 2)
        finally:
            await trusting.close()
            await plain.close()
