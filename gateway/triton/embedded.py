"""A Triton of our own: started, watched, healed and stopped together with the gateway.

Triton itself does not notice when a model's process dies: it calls the model READY and fails every request.
So each model is asked with a request now and then, and loaded again when its process is gone; a server that
died is started again.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import os
import signal
import sys
import tempfile
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Self

import grpc
from tritonclient.grpc import InferenceServerException
from tritonclient.grpc.aio import InferenceServerClient

from gateway.triton import launcher
from gateway.triton.client import TritonFailure
from gateway.triton.probe import ModelDied, check_model
from gateway.triton.process import (
    SHARED_MEMORY,
    TritonConfig,
    TritonFailed,
    TritonWheel,
    arguments,
    check_libraries,
    check_models,
    clean_orphans,
    clean_shared_memory,
    environment,
    free_ports,
    install_backend,
    read_lines,
    shm_prefix,
    work_folder,
)

__all__ = ["EmbeddedTriton", "TritonFailed", "TritonOptions", "TritonStatus"]

log = logging.getLogger(__name__)

_numbers = itertools.count(1)
_GROUP_SECONDS = 3.0  # for killed processes to be gone
HARMED_EXIT_SECONDS = 3.0
_LAST_LINES = 30  # of Triton's output, part of the message when it fails

# Logged as errors by Triton though they are none: no GPU is to be found; a call is cancelled together with its stream.
_HARMLESS = ("CudaDriverHelper", "HandleCancellation called")
Probe = Callable[[str, str, float], Awaitable[None]]  # (url, model, seconds of audio); raises ModelDied
_FIRST_PROBE = 1.0  # seconds of audio: a model that was just loaded proves itself by a real inference


@dataclass(frozen=True, slots=True)
class TritonOptions:
    """How it is run. Seconds throughout."""

    grpc_port: int = 0  # 0: any free one
    metrics_port: int = 0
    start_deadline: float = 300.0  # until all models answered
    probe_every: float = 2.0
    probe_deadline: float = 60.0
    load_deadline: float = 120.0  # of one model
    exit_seconds: int = 30  # for requests in flight when it stops
    longest_pause: float = 30.0  # between two attempts to start it again
    parameters: dict[str, str] = field(default_factory=dict)  # environment for the models, as WHISPER_THREADS


@dataclass(frozen=True, slots=True)
class TritonStatus:
    """For /health."""

    ready: bool = False
    models: dict[str, bool] = field(default_factory=dict)  # which of them answer
    failure: str = ""  # the last one, "" for none so far
    restarts: int = 0  # of the server
    reloads: int = 0  # of models


class EmbeddedTriton:
    """`async with EmbeddedTriton(repository, models) as triton:` serves at `triton.url` until the block ends.

    Must be entered in the main thread of a process that lives as long as the server is wanted: the
    kernel ends the server with the thread that started it.
    raises: TritonFailed when entered, if it cannot be started within the deadline
    """

    def __init__(
        self, repository: Path, models: Sequence[str], options: TritonOptions | None = None, probe: Probe = check_model
    ) -> None:
        self.options = options or TritonOptions()
        self.status = TritonStatus(models=dict.fromkeys(models, False))
        self.on_death: Callable[[str], None] = _ignore  # called with a model's name; its requests stay unanswered
        self._probe = probe
        self._repository = repository
        self._models = tuple(models)
        self._process: asyncio.subprocess.Process | None = None
        self._lines: deque[str] = deque(maxlen=_LAST_LINES)
        self._tasks: list[asyncio.Task[None]] = []  # readers of output
        self._watching: asyncio.Task[None] | None = None
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._config: TritonConfig | None = None
        self._client: InferenceServerClient | None = None

    @property
    def config(self) -> TritonConfig:
        """Raises TritonFailed before the start."""
        if self._config is None:
            raise TritonFailed("Triton has not been started")
        return self._config

    @property
    def url(self) -> str:
        """gRPC address, host:port."""
        return f"127.0.0.1:{self.config.grpc_port}"

    @property
    def metrics_url(self) -> str:
        return f"http://127.0.0.1:{self.config.metrics_port}/metrics"

    @property
    def pid(self) -> int:
        """Of the server; another one after a restart."""
        return self._process.pid if self._process else 0

    async def __aenter__(self) -> Self:
        check_models(self._repository, self._models)
        for folder in (SHARED_MEMORY, Path(tempfile.gettempdir())):
            clean_orphans(folder)
        self._folder = work_folder()
        try:
            self._config = self._configure(Path(self._folder.name))
            wheel = TritonWheel.find()
            stub = install_backend(self.config.work, wheel)
            check_libraries(stub, environment(self.config, wheel, os.environ))
            await self._start()
        except BaseException:
            await self._kill()
            await self._end()
            raise
        self._watching = asyncio.create_task(self._watch(), name="triton-watch")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._end()

    def _configure(self, work: Path) -> TritonConfig:
        grpc_port, metrics_port = free_ports(2)
        return TritonConfig(
            repository=self._repository,
            models=self._models,
            work=work,
            shm_prefix=shm_prefix(next(_numbers)),
            grpc_port=self.options.grpc_port or grpc_port,
            metrics_port=self.options.metrics_port or metrics_port,
            exit_seconds=self.options.exit_seconds,
            parameters=self.options.parameters,
        )

    # Start and stop

    async def _start(self) -> None:
        wheel = TritonWheel.find()
        self._lines.clear()
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-S", launcher.__file__, str(os.getpid()), *arguments(self.config, wheel),
            env=environment(self.config, wheel, os.environ), cwd=self.config.work, stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        self._tasks = [task for task in self._tasks if not task.done()]
        self._tasks.append(asyncio.create_task(self._read_output(self._process), name="triton-output"))
        self._client = InferenceServerClient(self.url)
        answering = asyncio.create_task(self._all_answer(self._client))
        ended = asyncio.create_task(self._process.wait())
        done, _ = await asyncio.wait(
            {answering, ended}, timeout=self.options.start_deadline, return_when=asyncio.FIRST_COMPLETED
        )
        for task in (answering, ended):
            task.cancel()
        if ended in done:
            await asyncio.sleep(0.1)  # its last lines are on their way
            raise TritonFailed(f"Triton ended while starting (exit {self._process.returncode}):\n{self._output_tail()}")
        if answering not in done:
            raise TritonFailed(
                f"Triton was not ready within {self.options.start_deadline:.0f} s:\n{self._output_tail()}"
            )
        try:
            answering.result()
        except (ModelDied, TritonFailure) as problem:
            raise TritonFailed(f"a model does not answer: {problem}\n{self._output_tail()}") from problem
        self._set(ready=True, models=dict.fromkeys(self._models, True))

    async def _all_answer(self, client: InferenceServerClient) -> None:
        while not await _is_ready(client):
            await asyncio.sleep(0.05)
        for model in self._models:
            await self._probe(self.url, model, _FIRST_PROBE)

    async def _end(self) -> None:
        if self._watching:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)
        await self._stop()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._set(ready=False, models=dict.fromkeys(self._models, False))
        if self._folder:
            self._folder.cleanup()

    async def _stop(self) -> None:
        """Lets requests in flight finish, within the limit; then kills what is left."""
        if self._client:
            with suppress(Exception):
                await self._client.close()
            self._client = None
        process = self._process
        if process is None:
            return
        try:
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    process.send_signal(signal.SIGTERM)
                with suppress(TimeoutError):
                    await asyncio.wait_for(process.wait(), self._exit_limit())
        finally:  # also where this is cancelled
            await _end_group(process.pid)
            clean_shared_memory(self.config.shm_prefix)
        await process.wait()
        self._process = None

    def _exit_limit(self) -> float:
        """Seconds. After a model's death Triton waits in vain for the requests that died with it."""
        return HARMED_EXIT_SECONDS if self.status.reloads else self.options.exit_seconds + 5.0

    async def _read_output(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        async for raw in read_lines(process.stdout):
            line = raw.decode(errors="replace").rstrip()
            self._lines.append(line)
            log.log(_level(line), "%s", line)

    def _output_tail(self) -> str:
        return "\n".join(self._lines)

    # Watch

    async def _watch(self) -> None:
        while True:
            assert self._process is not None
            ended = asyncio.create_task(self._process.wait())
            await asyncio.wait({ended}, timeout=self.options.probe_every)
            if ended.done():
                await self._restart(f"Triton ended with {self._process.returncode}")
                continue
            ended.cancel()
            for model in self._models:
                if not await self._works(model):
                    await self._reload(model)

    async def _works(self, model: str) -> bool:
        try:
            async with asyncio.timeout(self.options.probe_deadline):
                await self._probe(self.url, model, 0.0)
        except ModelDied as died:
            self._fail(f"{model}: {died}")
            return False
        except TimeoutError:
            self._fail(f"{model} did not answer within {self.options.probe_deadline:.0f} s")
            return False
        except Exception as problem:  # the server is unavailable: the watch notices its exit
            log.warning("a probe of %s failed: %s", model, problem)
            return True
        self._set(models={**self.status.models, model: True}, ready=True)
        return True

    async def _reload(self, model: str) -> None:
        """Unloads and loads a model whose process is gone; if that fails, the whole server starts again."""
        self._set(models={**self.status.models, model: False}, ready=False)
        assert self._client is not None
        self.on_death(model)
        log.warning("loading %s again", model)
        try:
            async with asyncio.timeout(self.options.load_deadline):
                await self._client.unload_model(model)
                await self._client.load_model(model)
                await self._probe(self.url, model, _FIRST_PROBE)
        except (Exception, TimeoutError) as problem:
            await self._restart(f"{model} could not be loaded again: {problem or 'too slow'}")
            return
        self._set(models={**self.status.models, model: True}, reloads=self.status.reloads + 1)
        self._set(ready=all(self.status.models.values()))
        log.info("%s works again", model)

    async def _restart(self, why: str) -> None:
        self._fail(why)
        self._set(ready=False, models=dict.fromkeys(self._models, False))
        pause = 0.5
        while True:
            log.warning("starting Triton again: %s", why)
            await self._kill()
            try:
                await self._start()
            except Exception as failed:  # whatever it was, the next attempt may succeed
                self._fail(why := str(failed))
            else:
                self._set(restarts=self.status.restarts + 1)
                log.info("Triton works again")
                return
            await asyncio.sleep(pause)
            pause = min(2 * pause, self.options.longest_pause)

    async def _kill(self) -> None:
        if self._process and self._process.returncode is None:
            with suppress(ProcessLookupError):
                self._process.kill()
        await self._stop()

    def _fail(self, why: str) -> None:
        log.error("%s", why)
        self._set(failure=why)

    def _set(self, **changes: object) -> None:
        self.status = replace(self.status, **changes)  # type: ignore[arg-type]


async def _end_group(leader: int) -> None:
    """Kills a process and those of its models, which are in its group."""
    with suppress(ProcessLookupError, TimeoutError):
        async with asyncio.timeout(_GROUP_SECONDS):
            while True:
                os.killpg(leader, signal.SIGKILL)
                await asyncio.sleep(0.02)


def _level(line: str) -> int:
    """Triton's lines begin with their level and the date: E1122 …"""
    serious = line[:1] in "EWF" and line[1:5].isdigit() and not any(known in line for known in _HARMLESS)
    return logging.WARNING if serious else logging.DEBUG


def _ignore(model: str) -> None:
    pass


async def _is_ready(client: InferenceServerClient) -> bool:
    try:
        return bool(await client.is_server_ready())
    except (InferenceServerException, grpc.RpcError):
        return False
