"""Two faults of Triton's Python backend that others have met, looked for with our own sizes of input.

Servers that abort under several inputs of 1.8 MB at once, and shared memory that grows with every exception of a model.
STT_TEST_TRITON_MINUTES=20 looks for so long at each, and at Whisper itself with 4 to 64 windows of 30 s at once.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import time
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
import pytest_asyncio

from benchmarks.processes import memory
from gateway.triton.client import TritonClient, TritonFailure
from gateway.triton.embedded import EmbeddedTriton
from gateway.triton.process import SHARED_MEMORY
from speech.audio import Pcm
from speech.tensors import AUDIO, RESULT
from tests.integration.triton.small_triton import OPTIONS, Connect
from tests.integration.triton.windows import transcribe_within

pytestmark = pytest.mark.asyncio(loop_scope="session")

MINUTES = float(os.environ.get("STT_TEST_TRITON_MINUTES", "0"))
SAMPLES = 1_000_000  # of 16 bits: 2 MB; what the diarizer is sent is as large
AT_ONCE = (4, 16, 64)
FEWEST = 128  # requests of each number at once, where no minutes are asked for
PATIENCE = 1800.0  # seconds for one of 64 windows, on a machine that has other work
LEAK = SAMPLES / 1e6  # MB a refused request: half of its input; pools grow too, but not for ever
CONFIG = """
name: "{name}"
backend: "python"
max_batch_size: 0
model_transaction_policy {{ decoupled: {decoupled} }}
input [
  {{ name: "AUDIO", data_type: TYPE_INT16, dims: [ -1 ] }},
  {{ name: "LANGUAGE", data_type: TYPE_STRING, dims: [ 1 ], optional: true }},
  {{ name: "PRIORITY", data_type: TYPE_STRING, dims: [ 1 ], optional: true }},
  {{ name: "CALLER", data_type: TYPE_STRING, dims: [ 1 ], optional: true }}
]
output [ {{ name: "RESULT", data_type: TYPE_STRING, dims: [ 1 ] }} ]
instance_group [ {{ count: 1, kind: KIND_CPU }} ]
"""
POLICIES = {"whisper-streamed": "true", "whisper-direct": "false"}  # named as what Triton is probed with


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def raising(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[EmbeddedTriton]:
    repository = tmp_path_factory.mktemp("repository")
    for name, decoupled in POLICIES.items():
        (repository / name / "1").mkdir(parents=True)
        (repository / name / "config.pbtxt").write_text(CONFIG.format(name=name, decoupled=decoupled), encoding="utf-8")
        shutil.copy(Path(__file__).with_name("raising_model.py"), repository / name / "1" / "model.py")
    async with EmbeddedTriton(repository, list(POLICIES), OPTIONS) as triton:
        yield triton


@pytest.mark.parametrize("model", POLICIES)
async def test_large_inputs_and_exceptions_at_once_cost_no_server_and_no_memory(
    raising: EmbeddedTriton, connect: Connect, model: str
) -> None:
    client, server = connect(raising), raising.pid
    await many(client, model, max(AT_ONCE), 3 * max(AT_ONCE))  # its pools are as large as they get
    before = taken(raising)
    until = time.monotonic() + MINUTES * 60
    sent = 0
    while not sent or time.monotonic() < until:
        for at_once in AT_ONCE:
            await many(client, model, at_once, FEWEST)
            sent += FEWEST

    grown = {name: size - before[name] for name, size in taken(raising).items()}
    print(f"{model}: {sent} requests, half of them refused; grown by {grown} MB")
    assert (raising.pid, raising.status.restarts) == (server, 0)
    assert max(grown.values()) < LEAK * sent / 2, grown


async def test_whisper_holds_with_many_windows_at_once(
    triton: EmbeddedTriton, connect: Connect, english: list[Pcm]
) -> None:
    client, server = connect(triton), triton.pid
    window = np.resize(np.concatenate(english), 480_000)
    await asyncio.gather(*(transcribe_within(PATIENCE, client, window) for _ in range(4)))
    before = taken(triton)
    until = time.monotonic() + MINUTES * 60
    answered = 0
    while not answered or time.monotonic() < until:
        for at_once in AT_ONCE if MINUTES else AT_ONCE[:1]:
            texts = await asyncio.gather(*(transcribe_within(PATIENCE, client, window) for _ in range(at_once)))
            assert len({result.text for result in texts}) == 1
            answered += at_once
    print(f"whisper: {answered} windows; {before} MB before, {taken(triton)} after")
    assert (triton.pid, triton.status.restarts) == (server, 0)


async def many(client: TritonClient, model: str, at_once: int, requests: int) -> None:
    """Every second one is refused by the model; each gets its own answer."""
    slots = asyncio.Semaphore(at_once)

    async def one(number: int) -> None:
        sound = np.full(SAMPLES, number, np.int16)
        sound[0] = -1 if number % 2 else 0
        async with slots:
            try:
                outputs = await ask(client, model, sound)
            except TritonFailure as failure:
                assert number % 2, failure
                assert "this sound is refused" in str(failure)
            else:
                assert outputs[RESULT.name].endswith(str(number * (SAMPLES - 1)).encode())

    await asyncio.gather(*(one(number) for number in range(requests)))


async def ask(client: TritonClient, model: str, sound: Pcm) -> dict[str, bytes]:
    """Asks again where Triton takes a process that gets no time for a dead one; a dead one never answers again."""
    for pause in (0.5, 1.0, 2.0, 4.0):
        try:
            return await client.infer(model, {AUDIO: sound}, timeout=120.0)
        except TritonFailure as failure:
            if not failure.process_died:
                raise
        await asyncio.sleep(pause)
    return await client.infer(model, {AUDIO: sound}, timeout=120.0)


def taken(triton: EmbeddedTriton) -> dict[str, float]:
    """Megabytes of memory of Triton and its models, and of its regions in shared memory."""
    regions = SHARED_MEMORY.glob(f"{triton.config.shm_prefix}*")
    return {
        "memory": sum(memory(triton.pid).values()),
        "shared memory": sum(path.stat().st_blocks * 512 for path in regions) / 1e6,
    }
