"""A real Triton with the real base model, and recordings as windows."""

from __future__ import annotations

import json
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest
import pytest_asyncio

from export.sources import default_place
from export.targets import CUDA
from export.whisper import Order, export_whisper
from gateway.triton.client import TritonClient
from gateway.triton.embedded import EmbeddedTriton
from speech.audio import Pcm
from tests.integration.triton.small_triton import MODEL, OPTIONS, REPOSITORY, Connect

ROOT = Path(__file__).parents[3]
DATA = ROOT / "tests" / "data"
SPEECH = ROOT.parent / "shared" / "speech"


def read_pcm(path: Path) -> Pcm:
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-i", str(path), "-ac", "1", "-ar", "16000"]
    raw = subprocess.run([*command, "-f", "s16le", "-"], capture_output=True, check=True).stdout
    return np.frombuffer(raw, dtype=np.int16)


@pytest.fixture(scope="session")
def sentence() -> Pcm:
    """3 s: "He was not an ill-disposed young man.\""""
    return read_pcm(DATA / "young-man.flac")


@pytest.fixture(scope="session")
def passage() -> Pcm:
    """7 s, by the same reader."""
    return read_pcm(DATA / "dashwood.flac")


@pytest.fixture(scope="session")
def recordings() -> list[Pcm]:
    """English recordings of 3 to 30 s; a test that needs them is skipped where they are missing."""
    if not (SPEECH / "manifest.jsonl").is_file():
        pytest.skip(f"{SPEECH} is not there")
    entries = [json.loads(line) for line in (SPEECH / "manifest.jsonl").read_text(encoding="utf-8").splitlines()]
    chosen = [entry for entry in entries if entry["group"] in ("A-read", "A-telephone") and 3 < entry["duration"] < 30]
    return [read_pcm(SPEECH / entry["path"]) for entry in chosen[::6]]


@pytest.fixture(scope="session")
def gpu_export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Base's published weights, exported for ONNX Runtime's CUDA provider."""
    weights = REPOSITORY.parent / "var" / "weights"
    repository = tmp_path_factory.mktemp("repository")
    return export_whisper(Order("base", default_place("base"), weights, repository, target=CUDA))


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def triton() -> AsyncIterator[EmbeddedTriton]:
    """One Triton for the tests that leave it unharmed."""
    if not (REPOSITORY / MODEL / "1" / "manifest.json").is_file():
        pytest.fail("the engines of base are missing: run `make setup`")
    async with EmbeddedTriton(REPOSITORY, [MODEL], OPTIONS) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="session")
async def server(triton: EmbeddedTriton) -> AsyncIterator[TritonClient]:
    """A connection to that Triton."""
    connection = TritonClient(triton.url)
    yield connection
    await connection.close()


@pytest_asyncio.fixture(loop_scope="session")
async def connect() -> AsyncIterator[Connect]:
    """Opens connections to a Triton; closes them."""
    opened: list[TritonClient] = []

    def connect(triton: EmbeddedTriton) -> TritonClient:
        opened.append(TritonClient(triton.url))
        return opened[-1]

    yield connect
    for server in opened:
        await server.close()
