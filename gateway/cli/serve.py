"""`stt serve`: Triton and the gateway in one command, from nothing to the line that says where it listens."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import resource
import secrets
import socket
import sys
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AbstractContextManager, AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import uvloop

from gateway.accounts.from_settings import AccountsFailed, check_store, store_file
from gateway.app import create_app
from gateway.cli.service_log import configure_logging
from gateway.cli.shutdown import GracefulShutdown
from gateway.dialects.wyoming.server import CannotListen, serve_wyoming
from gateway.errors import Unavailable
from gateway.http.server import HttpServer, http_config
from gateway.jobs.jobs import open_jobs
from gateway.log import announce
from gateway.media.ffmpeg import FfmpegMissing
from gateway.metrics import expose
from gateway.models import Model, Models, UnknownModel
from gateway.processes.allocator import limit_arenas
from gateway.recognition.diarizer import MODEL as DIARIZER
from gateway.recognition.whisper import triton_name
from gateway.runtime_file import RunningService, publish
from gateway.services import Services, open_services, triton_models
from gateway.settings import ServerSettings, Settings, TritonSettings
from gateway.triton.client import TritonAccess
from gateway.triton.embedded import EmbeddedTriton, TritonFailed, TritonOptions
from speech.whisper.manifest import MANIFEST_FILE

DESCRIPTORS = 65_536
PROCESSORS_OF_A_MODEL = 8  # heads of Whisper base, which the threads of a decoder's step share: more find no work
TRITON_EXIT_SECONDS = 5  # everything that the gateway asked of it is finished by then
SAMPLE = Path(__file__).parents[2] / "tests" / "data" / "dashwood.flac"  # of a checkout


@dataclass(frozen=True, slots=True)
class Tritons:
    urls: Sequence[str]  # gRPC addresses
    access: TritonAccess
    embedded: Sequence[EmbeddedTriton] = ()  # those that were started here


class ServeFailed(Exception):
    """The service cannot start; the text tells the person at the terminal why and what helps."""


def run(options: argparse.Namespace, settings: Settings) -> int:
    given = {name: value for name in ("host", "port") if (value := getattr(options, name)) is not None}
    settings = settings.model_copy(update={"server": settings.server.model_copy(update=given)})
    configure_logging(settings.server.log_level, settings.server.log_format)
    raise_descriptor_limit()
    limit_arenas()
    try:
        with bind(settings.server) as listener, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            code = runner.run(serve(settings, listener))
    except (
        *(ServeFailed, TritonFailed, FfmpegMissing, UnknownModel, AccountsFailed, CannotListen),
        Unavailable,  # the store, which answered a moment before
    ) as problem:
        print(f"stt: {problem}", file=sys.stderr)
        return 1
    announce("Stopped")
    return code


def raise_descriptor_limit() -> None:
    """A request takes about six, and outside of containers 1,024 are the custom."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = DESCRIPTORS if hard == resource.RLIM_INFINITY else min(DESCRIPTORS, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def bind(settings: ServerSettings) -> socket.socket:
    """Takes the port before anything slow starts. Raises ServeFailed if it cannot be had."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, settings.port))
    except (OSError, OverflowError) as problem:
        listener.close()
        where = f"{settings.host}:{settings.port}"
        advice = "choose another port with --port or STT_SERVER_PORT"
        raise ServeFailed(f"cannot listen on {where} ({problem}); {advice}") from problem
    return listener


async def serve(settings: Settings, listener: socket.socket) -> int:
    """From start to a clean end."""
    shutdown = GracefulShutdown(settings.server)
    try:
        await check_store(settings)
        models = Models(settings.recognition.models, settings.recognition.stand_in)
        async with (
            open_tritons(settings, models) as tritons,
            open_services(settings, models, tritons.urls, tritons.access) as services,
            open_jobs(services) as jobs,
            serve_wyoming(services) as wyoming,
        ):
            if wyoming:
                announce(f"Wyoming, for Home Assistant: {wyoming}")
            with serve_metrics(services, settings.server), ExitStack() as published:
                on_ready = partial(ready, services, listener, published)
                http = HttpServer(http_config(create_app(services, jobs), settings), services.draining, on_ready)
                shutdown.serving(http, on_drain=partial(drain, services, tritons, http))
                await http.serve(sockets=[listener])
                shutdown.closing()
    except asyncio.CancelledError:
        if not shutdown.requested:
            raise
    return 0


def drain(services: Services, tritons: Tritons, http: HttpServer) -> None:
    """From now on no child process is started again that nothing in flight needs."""
    services.summarizer.server.drain()
    for triton in tritons.embedded:
        triton.drain(http.describe_in_flight)


@contextmanager
def serve_metrics(services: Services, settings: ServerSettings) -> Iterator[None]:
    """Raises ServeFailed if the port of the metrics cannot be had."""
    with contextlib.ExitStack() as stack:
        try:
            address = stack.enter_context(expose(services.metrics, settings.host, settings.metrics_port))
        except OSError as problem:
            where = f"{settings.host}:{settings.metrics_port}"
            raise ServeFailed(
                f"cannot serve metrics on {where} ({problem}); STT_SERVER_METRICS_PORT names another"
            ) from problem
        if address:
            announce(f"Metrics for Prometheus: {address}")
        yield


def ready(services: Services, listener: socket.socket, published: ExitStack) -> None:
    """The last lines of a start; from now on commands find the service."""
    published.enter_context(runtime_file(services, listener))
    names = triton_models(services.models, services.settings.diarization)
    if unserved := [name for name in names if not services.fleet.serves(name)]:
        announce(f"Warning: no Triton answers for {', '.join(unserved)} yet; what needs it gets 503 until one does")
    address = url_of(*listener.getsockname()[:2])
    announce(f"Ready: {address}")
    if services.settings.server.docs:
        announce(f"API reference: {address}/docs")
    sample = shown(SAMPLE) if SAMPLE.is_file() else "RECORDING"
    announce(f"Try: {shown(Path(sys.argv[0]))} transcribe {sample}")


def shown(path: Path) -> str:
    """As one would type it here."""
    path = path.absolute()
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def runtime_file(services: Services, listener: socket.socket) -> AbstractContextManager[object]:
    """The service's address, key and account store, for the commands of its own user."""
    settings = services.settings
    store = store_file(settings)
    return publish(
        RunningService(
            url=local_url(listener),
            key=services.accounts.local_key,
            data=str(settings.server.data.absolute()),
            store=str(store) if store else "",
            started=time.time(),
        )
    )


def local_url(listener: socket.socket) -> str:
    """The address for clients on this machine."""
    host, port = listener.getsockname()[:2]
    return url_of({"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host), port)


def url_of(host: str, port: int) -> str:
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


@asynccontextmanager
async def open_tritons(settings: Settings, models: Models) -> AsyncIterator[Tritons]:
    """Those in the settings, or some that are started here and end with the context."""
    if settings.triton.urls:
        yield Tritons(settings.triton.urls, access_of(settings.triton))
        return
    for model in models.deployed:
        check_engines(settings.triton.repository, model)
    names = triton_models(models, settings.diarization)
    if DIARIZER in names:
        check_diarizer(settings.triton.repository)
    log = settings.server.data / "log" / "triton.log"
    shares = processor_shares(len(os.sched_getaffinity(0)), settings.triton.processes)
    key = settings.triton.control_key.get_secret_value() or secrets.token_hex(16)
    options = TritonOptions(exit_seconds=TRITON_EXIT_SECONDS, log=log, control_key=key)
    times = f" {len(shares)} times" if len(shares) > 1 else ""
    announce(f"Starting Triton{times} with {', '.join(names)}; it logs to {shown(log)}")
    async with AsyncExitStack() as stack:
        tritons = [
            await stack.enter_async_context(EmbeddedTriton(settings.triton.repository, names, each))
            for each in (replace(options, parameters=threads_of_models(share)) for share in shares)
        ]
        for triton in tritons:
            announce(f"Triton answers at {triton.url}, its metrics are at {triton.metrics_url}")
        yield Tritons([triton.url for triton in tritons], tritons[0].access, tritons)


def processor_shares(processors: int, tritons: int = 0) -> list[int | None]:
    """How many threads the models of each Triton get; None where one has all. tritons: 0 for as many as suit."""
    count = min(tritons or max(1, processors // PROCESSORS_OF_A_MODEL), processors)
    if count == 1:
        return [None]
    return [processors // count + (number < processors % count) for number in range(count)]


def threads_of_models(threads: int | None) -> dict[str, str]:
    return {} if threads is None else {name: str(threads) for name in ("WHISPER_THREADS", "DIARIZER_THREADS")}


def access_of(settings: TritonSettings) -> TritonAccess:
    """Raises ServeFailed if the certificate cannot be read."""
    try:
        certificate = settings.certificate.read_bytes() if settings.certificate else b""
    except OSError as problem:
        raise ServeFailed(f"STT_TRITON_CERTIFICATE cannot be read: {problem}") from problem
    return TritonAccess(settings.control_key.get_secret_value(), certificate)


def check_engines(repository: Path, model: Model) -> None:
    """Raises ServeFailed with the command that builds what is missing."""
    folder = repository / triton_name(model.id) / "1"
    if not (folder / MANIFEST_FILE).is_file():
        build = f"python -m export whisper --model {model.id} --target cpu"
        raise ServeFailed(f"the engines of {model.id} are not in {folder}; build them with `{build}`")


def check_diarizer(repository: Path) -> None:
    folder = repository / DIARIZER / "1"
    if not (folder / MANIFEST_FILE).is_file():
        help_ = "build it with `python -m export diarizer`, or do without speakers: STT_DIARIZATION_DEPLOYED=false"
        raise ServeFailed(f"the diarizer is not in {folder}; {help_}")
