from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import grpc
import pytest
from tritonclient.grpc import service_pb2, service_pb2_grpc

from gateway.settings import TritonSettings
from gateway.triton.client import TritonClient, TritonFailure
from gateway.triton.embedded import EmbeddedTriton, TritonFailed
from gateway.triton.fleet import Fleet, watched
from gateway.triton.probe import probe_inputs
from gateway.triton.process import SHARED_MEMORY, SHM_OWNER
from speech.audio import Pcm
from tests.integration.triton.small_triton import MODEL, OPTIONS, REPOSITORY, Connect
from tests.integration.triton.windows import transcribe, until

pytestmark = pytest.mark.asyncio(loop_scope="session")


def children(pid: int) -> list[int]:
    told = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=False)
    return [int(line) for line in told.stdout.split()]


def alive(pid: int) -> bool:
    """Whether the process runs; one that is dead and not yet collected does not."""
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False


def fleet_of(triton: EmbeddedTriton) -> Fleet:
    return Fleet([triton.url], [MODEL], TritonSettings(probe_seconds=0.5), access=triton.access)


def shared_memory(owner: int) -> list[str]:
    return [path.name for path in SHARED_MEMORY.glob(f"{SHM_OWNER}-{owner}-*")]


async def test_a_dead_model_is_loaded_again_and_a_dead_server_started_again(connect: Connect, sentence: Pcm) -> None:
    async with EmbeddedTriton(REPOSITORY, [MODEL], OPTIONS) as triton:
        assert triton.status.ready
        text = (await transcribe(connect(triton), sentence)).text

        async with watched(
            Fleet([triton.url], [MODEL], TritonSettings(probe_seconds=0.5), access=triton.access)
        ) as gateway:
            (stub,) = children(triton.pid)
            os.kill(stub, signal.SIGKILL)
            await until(lambda: not gateway.serves(MODEL))
            await until(lambda: gateway.serves(MODEL))
        assert children(triton.pid) != [stub]
        assert triton.status.restarts == 0
        assert (await transcribe(connect(triton), sentence)).text == text

        first = triton.pid
        processes = [first, *children(first)]
        os.kill(first, signal.SIGKILL)
        await until(lambda: triton.status.restarts == 1 and triton.status.ready)
        assert triton.pid != first
        assert not any(alive(pid) for pid in processes)
        assert triton.status.failure
        assert (await transcribe(connect(triton), sentence)).text == text

        processes = [triton.pid, *children(triton.pid)]
        triton.drain(lambda: "")
        os.kill(triton.pid, signal.SIGKILL)
        await until(lambda: not alive(processes[0]))
        await asyncio.sleep(0.5)  # it would be started again by now
        assert triton.pid == processes[0]
        assert triton.status.restarts == 1
    assert not triton.status.ready
    assert not any(alive(pid) for pid in processes)
    assert [name for name in shared_memory(os.getpid()) if name.startswith(triton.config.shm_prefix)] == []


async def test_a_server_whose_model_hangs_is_started_again(connect: Connect, sentence: Pcm) -> None:
    impatient = replace(OPTIONS, probe_every=0.3, unhealthy_seconds=3.0)
    async with EmbeddedTriton(REPOSITORY, [MODEL], impatient) as triton:
        (stub,) = children(triton.pid)
        os.kill(stub, signal.SIGSTOP)
        await until(lambda: triton.status.restarts == 1 and triton.status.ready)

        assert not alive(stub)
        assert "a model has not answered" in triton.status.failure
        assert (await transcribe(connect(triton), sentence)).text


async def test_after_a_models_death_triton_is_not_waited_for(connect: Connect, sentence: Pcm) -> None:
    """It waits in vain for the requests that died with the process."""
    async with EmbeddedTriton(REPOSITORY, [MODEL], replace(OPTIONS, exit_seconds=3600)) as triton:
        (stub,) = children(triton.pid)
        os.kill(stub, signal.SIGSTOP)
        asking = asyncio.create_task(transcribe(connect(triton), sentence))
        await asyncio.sleep(0.5)  # so that the request is in the process
        os.kill(stub, signal.SIGKILL)
        async with watched(
            Fleet([triton.url], [MODEL], TritonSettings(probe_seconds=0.5), access=triton.access)
        ) as gateway:
            await until(lambda: gateway.serves(MODEL) and children(triton.pid) not in ([], [stub]))
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)


async def test_triton_ends_at_once_after_windows_that_it_refused(connect: Connect, sentence: Pcm) -> None:
    async with EmbeddedTriton(REPOSITORY, [MODEL], OPTIONS) as triton:
        for _ in range(100):
            with pytest.raises(TritonFailure, match="'xx'"):
                await transcribe(connect(triton), sentence, language="xx")
        os.kill(triton.pid, signal.SIGTERM)
        await until(lambda: triton.status.restarts == 1)
        assert triton.status.failure == "Triton ended with 0"


async def test_triton_and_its_models_die_with_the_process_that_started_them(tmp_path: Path) -> None:
    code = f"""
import asyncio
from pathlib import Path
from gateway.triton.embedded import EmbeddedTriton

async def main():
    async with EmbeddedTriton(Path({str(REPOSITORY)!r}), [{MODEL!r}]) as triton:
        print(triton.pid, flush=True)
        await asyncio.sleep(600)

asyncio.run(main())
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, cwd=tmp_path) as parent:
        assert parent.stdout is not None
        server = int(await asyncio.to_thread(parent.stdout.readline))
        processes = [server, *children(server)]
        assert len(processes) == 2
        parent.kill()
    await until(lambda: not any(alive(pid) for pid in processes), seconds=15)
    left = [*shared_memory(parent.pid), *Path(tempfile.gettempdir()).glob(f"{SHM_OWNER}-{parent.pid}-*")]
    assert len(left) >= 2  # nobody was there to remove it; the next start does
    async with EmbeddedTriton(REPOSITORY, [MODEL], OPTIONS):
        assert shared_memory(parent.pid) == []
        assert not list(Path(tempfile.gettempdir()).glob(f"{SHM_OWNER}-{parent.pid}-*"))


async def test_a_stop_that_is_cancelled_leaves_nothing_behind() -> None:
    started, leave = asyncio.get_running_loop().create_future(), asyncio.Event()

    async def serve() -> None:
        async with EmbeddedTriton(REPOSITORY, [MODEL], OPTIONS) as triton:
            started.set_result(triton)
            await leave.wait()

    serving = asyncio.create_task(serve())
    triton = await started
    processes = [triton.pid, *children(triton.pid)]
    os.kill(triton.pid, signal.SIGSTOP)  # so that it does not end when it is told to
    leave.set()
    await asyncio.sleep(0.5)
    serving.cancel()
    await asyncio.gather(serving, return_exceptions=True)
    assert serving.cancelled()
    assert not any(alive(pid) for pid in processes)
    assert [name for name in shared_memory(os.getpid()) if name.startswith(triton.config.shm_prefix)] == []


async def test_a_model_that_cannot_be_loaded_is_told_with_the_reason(tmp_path: Path) -> None:
    model = tmp_path / "whisper-base"
    (model / "1").mkdir(parents=True)
    (model / "config.pbtxt").write_text((REPOSITORY / MODEL / "config.pbtxt").read_text())
    (model / "1" / "model.py").write_text((REPOSITORY / MODEL / "1" / "model.py").read_text())
    with pytest.raises(TritonFailed, match=r"manifest\.json|tokenizer\.json"):
        async with EmbeddedTriton(tmp_path, ["whisper-base"], OPTIONS):
            pass


async def test_a_start_that_takes_too_long_is_given_up(tmp_path: Path) -> None:
    model = tmp_path / "whisper-slow"
    (model / "1").mkdir(parents=True)
    config = (REPOSITORY / MODEL / "config.pbtxt").read_text().replace("whisper-base", "whisper-slow")
    (model / "config.pbtxt").write_text(config)
    (model / "1" / "model.py").write_text(
        "import time\n\nclass TritonPythonModel:\n    def initialize(self, args):\n        time.sleep(60)\n"
    )
    triton = EmbeddedTriton(tmp_path, ["whisper-slow"], replace(OPTIONS, start_deadline=2.0, exit_seconds=1))
    with pytest.raises(TritonFailed, match="not ready within 2 s"):
        async with triton:
            pass
    assert not triton.status.ready


async def test_a_model_without_a_folder_is_told_before_anything_starts(tmp_path: Path) -> None:
    with pytest.raises(TritonFailed, match="no model whisper-base"):
        async with EmbeddedTriton(tmp_path, ["whisper-base"], OPTIONS):
            pass


async def test_gateways_load_a_dead_model_of_a_triton_elsewhere_again(connect: Connect, sentence: Pcm) -> None:
    async with EmbeddedTriton(REPOSITORY, [MODEL], OPTIONS) as triton:
        gateways = [fleet_of(triton) for _ in range(2)]
        async with watched(gateways[0]), watched(gateways[1]):
            await until(lambda: all(gateway.serves(MODEL) for gateway in gateways))
            (stub,) = children(triton.pid)
            os.kill(stub, signal.SIGKILL)
            await until(lambda: not any(gateway.serves(MODEL) for gateway in gateways))
            await until(lambda: all(gateway.serves(MODEL) for gateway in gateways))

        assert children(triton.pid) != [stub]
        assert (await transcribe(connect(triton), sentence)).text


async def test_models_are_loaded_for_nobody_who_lacks_the_key(triton: EmbeddedTriton) -> None:
    """A request to load a model may bring its code."""
    stranger = TritonClient(triton.url)
    channel = grpc.aio.insecure_channel(triton.url)
    stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
    try:
        with pytest.raises(TritonFailure, match="restricted"):
            await stranger.reload_model(MODEL, 10)
        for call, request in (
            (stub.RepositoryModelLoad, service_pb2.RepositoryModelLoadRequest(model_name=MODEL)),
            (stub.SystemSharedMemoryRegister, service_pb2.SystemSharedMemoryRegisterRequest(name="a", key="/a")),
            (stub.TraceSetting, service_pb2.TraceSettingRequest()),
            (stub.LogSettings, service_pb2.LogSettingsRequest()),
        ):
            with pytest.raises(grpc.aio.AioRpcError, match="restricted"):
                await call(request, metadata=(("triton-grpc-protocol-stt-control", "guessed"),))
        assert await stranger.infer(MODEL, probe_inputs(MODEL), 60)
    finally:
        await stranger.close()
        await channel.close()
