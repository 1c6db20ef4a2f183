from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import imageio_ffmpeg
import pytest

from export.download import InvalidDownload
from export.summarizer import SUMMARIZERS, fetch_summarizer
from gateway.settings import SummarizerSettings
from tests.described_api import DescribedApi
from tests.e2e.service_process import METERED, ServiceProcess, run_service, stt_keys, wait_for_summaries

DATA = Path(__file__).parent.parent / "data"
WEIGHTS = Path(__file__).parents[2] / "var" / "weights" / "summarizer"


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    """One service for the whole session: Triton takes seconds to start."""
    with run_service(tmp_path_factory.mktemp("service")) as running:
        yield running


@pytest.fixture(scope="session")
def metered(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    """A service with the limits of the published tiers; the other one serves the tests without any."""
    with run_service(tmp_path_factory.mktemp("metered"), **METERED) as running:
        yield running


@pytest.fixture(scope="session")
def small_summarizer(pytestconfig: pytest.Config) -> Path:
    """A model that writes nonsense, quickly; for examples that people read, the one that is served by default."""
    if pytestconfig.getoption("--record"):
        return SummarizerSettings().file
    try:
        return fetch_summarizer(SUMMARIZERS["smollm2-135m"], WEIGHTS)
    except InvalidDownload as problem:
        pytest.skip(f"the small model cannot be fetched: {problem}")


@pytest.fixture(scope="session")
def full(
    tmp_path_factory: pytest.TempPathFactory, service: ServiceProcess, small_summarizer: Path
) -> Iterator[ServiceProcess]:
    """A gateway of its own at the Triton of `service`: tiers, summaries, and little patience with slow clients."""
    settings = METERED | {
        "STT_TRITON_URLS": service.triton,
        "STT_MEDIA_UPLOAD_IDLE_SECONDS": "1",
        "STT_MEDIA_MAX_UPLOAD_BYTES": str(8 * 1024**2),
        "SUMMARIZER": "embedded",
        "STT_SUMMARIZER_FILE": str(small_summarizer),
    }
    with run_service(tmp_path_factory.mktemp("full"), **settings) as running:
        wait_for_summaries(running)
        yield running


@pytest.fixture(scope="session")
def described(service: ServiceProcess) -> DescribedApi:
    """The service's OpenAPI document."""
    return DescribedApi(httpx.get(f"{service.url}/openapi.json").json())


@pytest.fixture
def client(service: ServiceProcess, described: DescribedApi) -> Iterator[httpx.Client]:
    """Every answer that it gets is one that the OpenAPI document describes."""
    hooks = {"response": [httpx.Response.read, described.check]}
    with httpx.Client(base_url=service.url, timeout=300, event_hooks=hooks) as client:
        yield client


@pytest.fixture(scope="session")
def call(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten seconds of two speakers, each on a channel, one after the other."""
    path = tmp_path_factory.mktemp("call") / "call.wav"
    sources = ("-i", str(DATA / "dashwood.flac"), "-i", str(DATA / "young-man.flac"))
    turns = "[1:a]adelay=7500:all=1[b];[0:a]apad=pad_dur=8[a];[a][b]join=inputs=2:channel_layout=stereo"
    ffmpeg = imageio_ffmpeg.get_ffmpeg_exe()
    subprocess.run([ffmpeg, "-v", "error", *sources, "-filter_complex", turns, "-t", "12", str(path)], check=True)
    return path


@pytest.fixture(scope="session")
def dashwood() -> Path:
    """Seven seconds of English."""
    return DATA / "dashwood.flac"


@pytest.fixture(scope="session")
def long_recording(tmp_path_factory: pytest.TempPathFactory, dashwood: Path) -> Path:
    """Four minutes of speech: enough to interrupt."""
    path = tmp_path_factory.mktemp("long") / "long.flac"
    repeat = ["-stream_loop", "40", "-i", str(dashwood), "-t", "240", str(path)]
    subprocess.run([imageio_ffmpeg.get_ffmpeg_exe(), "-loglevel", "error", *repeat], check=True)
    return path


@pytest.fixture(scope="session")
def pcm(dashwood: Path) -> bytes:
    """Raw PCM16, 16 kHz, mono."""
    arguments = ["-loglevel", "error", "-i", str(dashwood), "-f", "s16le", "-ac", "1", "-ar", "16000", "-"]
    return subprocess.run([imageio_ffmpeg.get_ffmpeg_exe(), *arguments], check=True, capture_output=True).stdout


@pytest.fixture(scope="session")
def key(service: ServiceProcess) -> str:
    """A paid API key, for clients that insist on one."""
    return stt_keys(service.data, "create", "--tier", "paid", "--credits", "1000").stdout.strip()
