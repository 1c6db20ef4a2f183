from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import grpc
import pytest

from gateway.triton.client import TritonAccess, TritonClient, TritonFailure, read_failure
from gateway.triton.probe import probe_inputs
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


@pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl that makes a certificate")
async def test_a_connection_is_encrypted_where_a_certificate_is_given(tmp_path: Path) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subject = ["-subj", "/CN=triton", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2"]
    made: list[str | Path] = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", *subject]
    subprocess.run([*made, "-keyout", key, "-out", certificate], check=True, capture_output=True)
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
