"""docs/api.md and docs/websocket.md show what the service really answers.

`python -m pytest tests/unit/gateway/reference tests/e2e/test_api_pages.py --record` writes tables and examples anew.
Without it the examples are run all the same, and what the pages show has to have the same status, headers and fields.
"""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
from openapi_spec_validator import validate

from tests.api_pages import blocks, outline, rewrite_one
from tests.described_api import Document
from tests.e2e.api_examples import CURL, Recorder
from tests.e2e.service_process import ServiceProcess, run_service, stt_keys
from tests.e2e.stream_examples import STREAM_EXAMPLES, StreamRecorder

RESTART = "stream-restart"


def paid_key(service: ServiceProcess) -> str:
    given = stt_keys(service.data, "create", "--tier", "paid", "--credits", "1000", "--name", "Editing room")
    return given.stdout.strip()


@pytest.fixture(scope="module")
def recorder(full: ServiceProcess, service: ServiceProcess, long_recording: Path) -> Recorder:
    return Recorder(full, service, paid_key(full), long_recording)


@pytest.fixture(scope="module")
def asyncapi(full: ServiceProcess) -> Document:
    document: Document = httpx.get(f"{full.url}/asyncapi.json").json()
    return document


def hold(name: str, fresh: str, config: pytest.Config, optional: tuple[str, ...] = ()) -> None:
    if config.getoption("--record"):
        rewrite_one(name, fresh)
    (shown,) = (block.text for block in blocks("recorded") if block.name == name)
    assert outline(shown, optional) == outline(fresh, optional)


@pytest.mark.parametrize("name", CURL)
def test_an_example_of_the_api(name: str, recorder: Recorder, pytestconfig: pytest.Config) -> None:
    hold(name, recorder.record(name), pytestconfig)


@pytest.mark.parametrize("name", STREAM_EXAMPLES.keys() - {RESTART})
async def test_a_conversation_of_the_stream(
    name: str, full: ServiceProcess, asyncapi: Document, pcm: bytes, pytestconfig: pytest.Config
) -> None:
    recorder = StreamRecorder(full, asyncapi, paid_key(full), pcm)

    hold(name, await recorder.record(name), pytestconfig)


async def test_a_service_that_restarts_says_where_to_go_on(
    service: ServiceProcess, asyncapi: Document, pcm: bytes, tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    with run_service(tmp_path, STT_TRITON_URLS=service.triton) as restarting:
        recorder = StreamRecorder(restarting, asyncapi, paid_key(restarting), pcm)

        fresh = await recorder.record(RESTART)

    hold(RESTART, fresh, pytestconfig, optional=("language", "transcript"))  # as far as it came


def test_the_documents_are_valid(client: httpx.Client, asyncapi: Document) -> None:
    document = client.get("/openapi.json").json()

    validate(document)
    assert document["openapi"].startswith("3.1.")
    assert asyncapi["asyncapi"] == "3.0.0"
