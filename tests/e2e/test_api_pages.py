"""docs/api.md and docs/websocket.md show what the service really answers.

`python -m pytest tests/unit/gateway/reference tests/e2e/test_api_pages.py --record` writes tables and examples anew.
Without it the examples are run all the same, and what the pages show has to have the same status, headers and fields.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import httpx
import imageio_ffmpeg
import pytest
from openapi_spec_validator import validate

from tests.api_pages import blocks, outline, rewrite_one
from tests.described_api import Document
from tests.e2e.api_examples import CURL, Recorder
from tests.e2e.service_process import ServiceProcess, run_service, stt_keys
from tests.e2e.stream_examples import STREAM_EXAMPLES, StreamRecorder

DATA = Path(__file__).parent.parent / "data"
RESTART = "stream-restart"


def paid_key(service: ServiceProcess) -> str:
    given = stt_keys(service.data, "create", "--tier", "paid", "--credits", "1000", "--name", "Editing room")
    return given.stdout.strip()


@pytest.fixture(scope="module")
def conversation(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four minutes in which no sentence follows itself: a window of one that does is decoded again and again."""
    path = tmp_path_factory.mktemp("conversation") / "conversation.flac"
    inputs = [part for name in ("telephone", "dashwood", "young-man") for part in ("-i", str(DATA / f"{name}.flac"))]
    joined = "[0:a]aresample=16000[a];[1:a]aresample=16000[b];[2:a]aresample=16000[c]"
    joined += ";[a][b][c]concat=n=3:v=0:a=1,aloop=loop=8:size=2000000"
    shape = ["-filter_complex", joined, "-ac", "1", "-t", "240", str(path)]
    subprocess.run([imageio_ffmpeg.get_ffmpeg_exe(), "-loglevel", "error", *inputs, *shape], check=True)
    return path


@pytest.fixture(scope="module")
def recorder(full: ServiceProcess, service: ServiceProcess, conversation: Path) -> Recorder:
    return Recorder(full, service, paid_key(full), conversation)


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


@pytest.mark.parametrize("name", sorted(STREAM_EXAMPLES.keys() - {RESTART}))
async def test_a_conversation_of_the_stream(
    name: str, full: ServiceProcess, asyncapi: Document, pcm: bytes, pytestconfig: pytest.Config
) -> None:
    recorder = StreamRecorder(full, asyncapi, paid_key(full), pcm)

    # Which language it is may be settled before the first words, where sound comes faster than it is decoded.
    hold(name, await recorder.record(name), pytestconfig, optional=("language",))


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
