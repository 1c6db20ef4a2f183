"""An embedded Triton: a server process that is started, supervised, restarted and stopped together with the gateway.

Dead models are loaded again by `gateway.triton.fleet`, as those of any other Triton. What is supervised here is the
process: it is started again when it exits, or when a model has not answered for so long that loading it did not help.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import os
import secrets
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from gateway.processes.child import launch, living_members, read_lines, terminate, wait_for_exit
from gateway.triton.client import TritonAccess, TritonClient, TritonFailure
from gateway.triton.output import TritonOutput
from gateway.triton.probe import ModelDied, check_all, check_model
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
    shm_prefix,
    work_folder,
)

__all__ = ["EmbeddedTriton", "TritonFailed", "TritonOptions", "TritonStatus"]

log = logging.getLogger(__name__)

_numbers = itertools.count(1)
HARMED_EXIT_SECONDS = 3.0
FIRST_PROBE = 1.0  # seconds of audio: a model that was just loaded proves itself by a real inference
FIRST_TIMEOUT = 240.0  # seconds for it: the first inference on a machine compiles


@dataclass(frozen=True, slots=True)
class TritonOptions:
    """How it is run. Seconds throughout."""

    grpc_port: int = 0  # 0: any free one
    metrics_port: int = 0
    control_key: str = ""  # asked of those who load models; "": one is drawn
    start_deadline: float = 300.0  # until all models answered
    probe_every: float = 10.0
    unhealthy_seconds: float = 300.0  # without an answer of a model, until the server is started again
    exit_seconds: int = 30  # for requests in flight when it stops
    longest_pause: float = 30.0  # between two attempts to start it again
    parameters: dict[str, str] = field(default_factory=dict)  # environment for the models, as WHISPER_THREADS
    log: Path | None = None  # what the server and its models say; None: errors go to this process's own log


@dataclass(frozen=True, slots=True)
class TritonStatus:
    ready: bool = False  # the server runs; all its models answered when it was started
    failure: str = ""  # the last one, "" for none so far
    restarts: int = 0


class EmbeddedTriton:
    """`async with EmbeddedTriton(repository, models) as triton:` serves at `triton.url` until the block ends.

    Must be entered in the main thread of a process that lives as long as the server is wanted: the
    kernel ends the server with the thread that started it.
    raises: TritonFailed when entered, if it cannot be started within the deadline
    """

    def __init__(self, repository: Path, models: Sequence[str], options: TritonOptions | None = None) -> None:
        self.options = options or TritonOptions()
        self.status = TritonStatus()
        self._repository = repository
        self._models = tuple(models)
        self._process: asyncio.subprocess.Process | None = None
        self._model_processes: set[int] = set()  # ids, as they were after the start
        self._tasks: list[asyncio.Task[None]] = []  # readers of output
        self._supervisor: asyncio.Task[None] | None = None
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._config: TritonConfig | None = None
        self._needed: Callable[[], object] = lambda: True  # whether it is started again when it ends
        self._output = TritonOutput(self.options.log)

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
    def access(self) -> TritonAccess:
        return TritonAccess(self.config.control_key)

    @property
    def metrics_url(self) -> str:
        return f"http://127.0.0.1:{self.config.metrics_port}/metrics"

    @property
    def pid(self) -> int:
        """Of the server; another one after a restart."""
        return self._process.pid if self._process else 0

    def drain(self, in_flight: Callable[[], object]) -> None:
        """From now on it is started again only where something in flight needs it."""
        self._needed = in_flight

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
            await self._stop(0)
            await self._end()
            raise
        self._supervisor = asyncio.create_task(self._supervise(), name="triton-supervisor")
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
            control_key=self.options.control_key or secrets.token_hex(16),
        )

    # Start and stop

    async def _start(self) -> None:
        wheel = TritonWheel.find()
        self._output.clear()
        self._process = await launch(
            *arguments(self.config, wheel),
            env=environment(self.config, wheel, os.environ),
            cwd=self.config.work,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        self._tasks = [task for task in self._tasks if not task.done()]
        self._tasks.append(asyncio.create_task(self._read_output(self._process), name="triton-output"))
        await self._until_ready(self._process)
        self._model_processes = living_members(self._process.pid) - {self._process.pid}
        self._set(ready=True)

    async def _until_ready(self, process: asyncio.subprocess.Process) -> None:
        answering = asyncio.create_task(self._all_answer())
        exited = asyncio.create_task(wait_for_exit(process))
        limit = self.options.start_deadline
        try:
            await asyncio.wait({answering, exited}, timeout=limit, return_when=asyncio.FIRST_COMPLETED)
            if exited.done():
                await asyncio.sleep(0.1)  # its last lines are on their way
                raise self._failure(f"Triton ended while starting (exit {process.returncode})")
            if not answering.done():
                raise self._failure(f"Triton was not ready within {limit:.0f} s")
            answering.result()
        except (ModelDied, TritonFailure) as problem:
            raise self._failure(f"a model does not answer: {problem}") from problem
        finally:
            await _cancel(answering, exited)

    async def _all_answer(self) -> None:
        client = TritonClient(self.url)
        try:
            while not await client.is_server_ready(timeout=1.0):
                await asyncio.sleep(0.05)
        finally:
            await client.close()
        for model in self._models:
            await check_model(self.url, model, FIRST_PROBE, timeout=FIRST_TIMEOUT)

    async def _end(self) -> None:
        if self._supervisor:
            await _cancel(self._supervisor)
        await self._stop(self._exit_limit())
        await _cancel(*self._tasks)
        self._set(ready=False)
        if self._folder:
            self._folder.cleanup()
        self._output.close()

    async def _stop(self, seconds: float) -> None:
        """Lets requests in flight finish, within `seconds`; then kills what is left."""
        if self._process is not None:
            try:
                await terminate(self._process, seconds)
            finally:  # also where this is cancelled
                clean_shared_memory(self.config.shm_prefix)
            self._process = None

    def _exit_limit(self) -> float:
        """Seconds. After a model's death Triton waits in vain for the requests that died with it."""
        harmed = self._process is not None and not self._model_processes <= living_members(self._process.pid)
        return HARMED_EXIT_SECONDS if harmed else self.options.exit_seconds + 5.0

    async def _read_output(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        async for raw in read_lines(process.stdout):
            self._output.take(raw.decode(errors="replace").rstrip())

    def _failure(self, why: str) -> TritonFailed:
        return TritonFailed(f"{why}:\n{self._output.end()}")

    # Supervision

    async def _supervise(self) -> None:
        while True:
            why = await self._until_broken()
            if not self._needed():
                return
            await self._restart(why)

    async def _until_broken(self) -> str:
        """Returns why the server has to be started again, once it has to."""
        assert self._process is not None
        exited = asyncio.create_task(wait_for_exit(self._process))
        unhealthy = asyncio.create_task(self._until_unhealthy())
        try:
            await asyncio.wait({exited, unhealthy}, return_when=asyncio.FIRST_COMPLETED)
            return f"Triton ended with {exited.result()}" if exited.done() else unhealthy.result()
        finally:
            await _cancel(exited, unhealthy)

    async def _until_unhealthy(self) -> str:
        clock, limit = asyncio.get_running_loop().time, self.options.unhealthy_seconds
        answered, why = clock(), ""
        while clock() - answered < limit:
            await asyncio.sleep(self.options.probe_every)
            try:  # one request may take as long: it waits behind others
                await check_all(self.url, self._models, timeout=limit)
                answered = clock()
            except (ModelDied, TritonFailure) as problem:
                why = str(problem)
        return f"a model has not answered for {limit:.0f} s: {why}"

    async def _restart(self, why: str) -> None:
        self._set(ready=False)
        pause = 0.5
        while True:
            log.error("starting Triton again: %s", why)
            self._set(failure=why)
            await self._stop(0)
            try:
                await self._start()
            except Exception as failed:  # whatever it was, the next attempt may succeed
                why = str(failed)
            else:
                self._set(restarts=self.status.restarts + 1)
                log.info("Triton works again")
                return
            await asyncio.sleep(pause)
            pause = min(2 * pause, self.options.longest_pause)

    def _set(self, **changes: object) -> None:
        self.status = replace(self.status, **changes)  # type: ignore[arg-type]


async def _cancel(*tasks: asyncio.Task[Any]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
