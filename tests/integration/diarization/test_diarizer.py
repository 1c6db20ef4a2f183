"""The real diarizer in a real Triton."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest
import pytest_asyncio
from tritonclient.grpc.aio import InferenceServerClient

from benchmarks.processes import family
from gateway.recognition.diarizer import MODEL, DiarizationFailed, TritonDiarizer, read_chunk
from gateway.settings import TritonSettings
from gateway.triton.client import TritonClient, TritonFailure
from gateway.triton.embedded import EmbeddedTriton, TritonOptions
from gateway.triton.fleet import Fleet, watched
from speech.audio import Pcm
from speech.diarization.windows import CHUNK, window_count
from speech.tensors import AUDIO
from speech.transcript import Turn

ROOT = Path(__file__).parents[3]
REPOSITORY = ROOT / "model_repository"
DATA = ROOT / "tests" / "data"

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture(scope="module")
def telephone() -> Pcm:
    """30 s, two people."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-i", str(DATA / "telephone.flac"), "-f", "s16le", "-"]
    return np.frombuffer(subprocess.run(command, capture_output=True, check=True).stdout, dtype=np.int16)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def triton() -> AsyncIterator[EmbeddedTriton]:
    if not (REPOSITORY / MODEL / "1" / "manifest.json").is_file():
        pytest.skip("the diarizer is not exported: python -m export diarizer")
    options = TritonOptions(exit_seconds=5, start_deadline=120.0)
    async with EmbeddedTriton(REPOSITORY, [MODEL], options) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(triton: EmbeddedTriton) -> AsyncIterator[TritonClient]:
    server = TritonClient(triton.url)
    yield server
    await server.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def fleet(triton: EmbeddedTriton) -> AsyncIterator[Fleet]:
    async with watched(Fleet([triton.url], [MODEL], TritonSettings(), access=triton.access)) as fleet:
        yield fleet


def reference() -> list[Turn]:
    lines = (DATA / "telephone.rttm").read_text(encoding="utf-8").splitlines()
    fields = [line.split() for line in lines]
    return [Turn(field[7], float(field[3]), float(field[3]) + float(field[4])) for field in fields]


def right(turns: tuple[Turn, ...]) -> float:
    """Share of the hundredths of a second in which one reference speaker speaks and the same one was found."""

    def at(turns: tuple[Turn, ...] | list[Turn], time: float) -> list[str]:
        return [turn.speaker for turn in turns if turn.start <= time < turn.end]

    pairs = [(at(reference(), t / 100), at(turns, t / 100)) for t in range(3000)]
    alone = [(truth[0], found) for truth, found in pairs if len(truth) == 1]
    names = sorted({truth for truth, _ in alone})
    return max(
        sum(found == [mapping[truth]] for truth, found in alone) / len(alone)
        for mapping in (
            dict(zip(names, ("Speaker 1", "Speaker 2"), strict=True)),
            dict(zip(names, ("Speaker 2", "Speaker 1"), strict=True)),
        )
    )


async def test_a_telephone_call_has_its_two_speakers(fleet: Fleet, telephone: Pcm) -> None:
    heard: list[tuple[float, float]] = []

    def on_progress(done: float, of: float) -> None:
        heard.append((done, of))

    turns = await TritonDiarizer(fleet, 60).turns(telephone, on_progress=on_progress)

    assert heard
    assert heard[-1][0] == heard[-1][1] == len(heard)

    assert {turn.speaker for turn in turns} == {"Speaker 1", "Speaker 2"}
    assert right(turns) > 0.85


async def test_a_given_count_of_one_is_respected(fleet: Fleet, telephone: Pcm) -> None:
    turns = await TritonDiarizer(fleet, 60).turns(telephone, speakers=1)

    assert {turn.speaker for turn in turns} == {"Speaker 1"}


async def test_more_speakers_than_there_are_is_no_error(fleet: Fleet, telephone: Pcm) -> None:
    assert await TritonDiarizer(fleet, 60).turns(telephone[:80_000], speakers=32) is not None


async def test_silence_has_no_turns(fleet: Fleet) -> None:
    assert await TritonDiarizer(fleet, 60).turns(np.zeros(16_000 * 100, np.int16)) == ()


async def test_requests_that_share_a_batch_get_what_they_get_alone(server: TritonClient, telephone: Pcm) -> None:
    cuts = [telephone[:200_000], telephone[100_000:330_000], telephone[:48_000], telephone]

    alone = [read_chunk(await server.infer(MODEL, {AUDIO: cut[np.newaxis]}, 60)) for cut in cuts]
    together = await asyncio.gather(*(server.infer(MODEL, {AUDIO: cut[np.newaxis]}, 60) for cut in cuts))

    for one, answer in zip(alone, map(read_chunk, together), strict=True):
        assert (one.activity != answer.activity).mean() < 0.001
        assert len(one.pieces) == len(answer.pieces)
        if len(one.pieces):
            assert (one.vectors * answer.vectors).sum(axis=1).min() > 0.99


async def test_a_chunk_that_is_too_long_fails_alone_and_says_what_is_accepted(
    server: TritonClient, telephone: Pcm
) -> None:
    good = server.infer(MODEL, {AUDIO: telephone[np.newaxis]}, 60)
    bad = server.infer(MODEL, {AUDIO: np.zeros((1, CHUNK + 1), np.int16)}, 60)

    answer, failure = await asyncio.gather(good, bad, return_exceptions=True)

    assert not isinstance(answer, BaseException)
    assert len(read_chunk(answer).activity) == window_count(len(telephone))
    assert isinstance(failure, TritonFailure)
    assert str(CHUNK) in failure.message


async def test_a_triton_that_is_away_costs_the_turns_and_says_so(telephone: Pcm) -> None:
    async with watched(Fleet(["127.0.0.1:9"], [MODEL], TritonSettings())) as nowhere:
        with pytest.raises(DiarizationFailed):
            await TritonDiarizer(nowhere, 60).turns(telephone)


async def test_a_killed_process_is_loaded_again_and_answers(triton: EmbeddedTriton, telephone: Pcm) -> None:
    await asyncio.to_thread(_kill_stub, triton.pid)
    async with watched(Fleet([triton.url], [MODEL], TritonSettings(), access=triton.access)) as fleet:
        async with asyncio.timeout(60):
            while not fleet.serves(MODEL):
                await asyncio.sleep(0.2)
        assert await TritonDiarizer(fleet, 60).turns(telephone[:160_000])
    async with InferenceServerClient(triton.url) as client:
        assert await client.is_model_ready(MODEL)


def _kill_stub(server: int) -> None:
    for pid in family(server)[1:]:
        if "stub" in Path(f"/proc/{pid}/cmdline").read_text():
            os.kill(pid, signal.SIGKILL)
