"""A real Triton with the real base model, and recordings as windows."""

from __future__ import annotations

import fcntl
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from export.sources import default_source
from export.targets import CUDA
from export.whisper import ExportRequest, export_whisper
from gateway.triton.client import TritonClient
from gateway.triton.embedded import EmbeddedTriton
from speech.audio import Pcm
from tests.integration.triton.small_triton import MODEL, OPTIONS, REPOSITORY, Connect
from tests.recordings import DATA, read_pcm, recordings

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="session")
def sentence() -> Pcm:
    """3 s: "He was not an ill-disposed young man.\""""
    return read_pcm(DATA / "young-man.flac")


@pytest.fixture(scope="session")
def passage() -> Pcm:
    """7 s, by the same reader."""
    return read_pcm(DATA / "dashwood.flac")


@pytest.fixture(scope="session")
def english() -> list[Pcm]:
    """English recordings of 3 to 30 s."""
    found = [each for each in recordings("A-read", "A-telephone") if 3 < each.duration < 30]
    return [read_pcm(each.path) for each in found[:12]]


@pytest.fixture(scope="session")
def gpu_export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Base's published weights, exported for ONNX Runtime's CUDA provider, once for all workers of a run."""
    weights, own = REPOSITORY.parent / "var" / "weights", tmp_path_factory.getbasetemp()
    repository = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "gpu-repository"
    repository.mkdir(exist_ok=True)
    with (repository / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # whoever comes second finds it up to date
        return export_whisper(ExportRequest("base", default_source("base"), weights, repository, target=CUDA))


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
