"""What the routes depend on, built in one place and closed in one place."""

from __future__ import annotations

import math
import os
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import Executor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from starlette.requests import HTTPConnection

from gateway.accounts import Accounts
from gateway.accounts.collector import AccountCollector
from gateway.accounts.from_settings import open_accounts
from gateway.accounts.shared_progress import SharedProgress, share_progress
from gateway.capacity import CapacityCollector, CapacityLimits, MachineCapacity
from gateway.draining import Draining
from gateway.health import GpuFinder
from gateway.media.decoding import MediaDecoder
from gateway.media.ffmpeg import MediaLimits
from gateway.metrics import Metrics
from gateway.models import Models
from gateway.processes.memory import memory_bytes
from gateway.progress import ProgressRegistry
from gateway.recognition.diarized_recognizer import DiarizationTimeout, DiarizedRecognizer, Diarizer
from gateway.recognition.diarizer import MODEL as DIARIZER
from gateway.recognition.diarizer import TritonDiarizer
from gateway.recognition.pyannote import PyannoteConfig, PyannoteDiarizer
from gateway.recognition.recognizer import Recognizer
from gateway.recognition.voices import VoiceSigner
from gateway.recognition.whisper import TritonWhisper, retry_policies, triton_name
from gateway.service_state import ServiceStatus, StateCollector
from gateway.settings import CapacitySettings, DiarizationSettings, MediaSettings, Settings
from gateway.spool import open_spool
from gateway.summaries.servers import summary_server
from gateway.summaries.summarizer import Summarizer
from gateway.thread_pools import ThreadPool, ThreadPoolCollector
from gateway.triton.client import TritonAccess
from gateway.triton.fleet import Fleet, watched
from speech.activity import VoiceActivity

WRITERS = 4  # threads that write uploads
DECODING_SHARE = 0.75  # of the memory, that all ffmpegs together may take: 3 of every 4 GiB


@dataclass(frozen=True, slots=True)
class Services:
    settings: Settings
    models: Models
    spool: Path  # folder for the files of requests in progress
    media: MediaDecoder
    fleet: Fleet
    gpus: GpuFinder
    whisper: TritonWhisper
    recognizer: DiarizedRecognizer
    activity: VoiceActivity
    progress: ProgressRegistry
    accounts: Accounts
    summarizer: Summarizer
    draining: Draining = field(default_factory=Draining)
    metrics: Metrics = field(default_factory=Metrics)
    capacity: MachineCapacity = field(default_factory=MachineCapacity)
    file_writers: Executor | None = None  # whose threads write uploads; None: the loop's
    activity_threads: Executor | None = None  # that find voice activity in live sessions; None: on the loop
    shared_progress: SharedProgress | None = None  # of all gateways; None: this one is the only one
    voices: VoiceSigner = field(default_factory=VoiceSigner.random)

    def unavailable_models(self) -> list[str]:
        """Ids of deployed models that no Triton serves now."""
        return [model.id for model in self.models.deployed if not self.whisper.is_ready(model.id)]

    @property
    def status(self) -> ServiceStatus:
        """Cheap: asked at every scrape and health check."""
        return ServiceStatus(
            draining=self.draining.announced,
            unserved=self.unavailable_models(),
            never_served=bool(self.fleet.unanswered),
            tritons_away=self.fleet.impaired,
            full=self.capacity.full,
            accounts=self.accounts.status,
        )


@asynccontextmanager
async def open_services(
    settings: Settings, models: Models, triton_urls: Sequence[str], access: TritonAccess
) -> AsyncIterator[Services]:
    """Everything that the routes need; all of it is closed at the end.

    triton_urls: gRPC addresses; access: what those Tritons ask for
    """
    served = triton_models(models, settings.diarization)
    fleet = Fleet(triton_urls, served, settings.triton, access=access)
    progress = ProgressRegistry()
    processors = len(os.sched_getaffinity(0))
    decodes = settings.capacity.decodes or decodes_at_once(processors, memory_bytes())
    with (
        open_spool(settings.server.data) as spool,
        ThreadPool("decode", decodes) as decoders,
        ThreadPool("write", WRITERS) as writers,
        ThreadPool("activity", processors) as listeners,
    ):
        async with (
            watched(fleet),
            open_accounts(settings) as accounts,
            share_progress(accounts.database, progress) as shared_progress,
            open_summarizer(settings) as summarizer,
            open_diarizer(fleet, settings, spool) as diarizer,
        ):
            activity = VoiceActivity()
            metrics = Metrics()
            capacity = MachineCapacity(capacity_limits(settings.capacity), spool)
            metrics.registry.register(AccountCollector(lambda: accounts.status))
            metrics.registry.register(CapacityCollector(capacity))
            metrics.registry.register(ThreadPoolCollector([decoders, writers, listeners]))
            whisper = TritonWhisper(fleet, retry_policies(settings.triton, settings.stream))
            recognizer = Recognizer(whisper.recognize)
            services = Services(
                settings=settings,
                models=models,
                spool=spool,
                media=MediaDecoder(spool, media_limits(settings.media), activity=activity, executor=decoders),
                fleet=fleet,
                gpus=GpuFinder(fleet, settings.triton.metrics_port),
                whisper=whisper,
                recognizer=DiarizedRecognizer(recognizer, diarizer, diarization_timeout(settings.diarization)),
                activity=activity,
                progress=progress,
                shared_progress=shared_progress,
                accounts=accounts,
                summarizer=summarizer,
                draining=Draining(settings.server.drain_seconds, settings.server.shutdown_seconds),
                metrics=metrics,
                capacity=capacity,
                file_writers=writers,
                activity_threads=listeners,
                voices=VoiceSigner.open(settings.diarization.voice_key.get_secret_value(), settings.server.data),
            )
            metrics.registry.register(StateCollector(lambda: services.status))
            yield services


def decodes_at_once(processors: int, memory: int) -> int:
    """One for each processor, as far as all ffmpegs may take what they are allowed. memory: bytes"""
    return max(1, min(processors, int(memory * DECODING_SHARE) // MediaLimits().memory))


def diarization_timeout(settings: DiarizationSettings) -> DiarizationTimeout:
    return DiarizationTimeout(settings.timeout_seconds, settings.timeout_share)


def capacity_limits(settings: CapacitySettings) -> CapacityLimits:
    spool_bytes = math.inf if settings.spool_bytes is None else settings.spool_bytes
    return CapacityLimits(
        recordings=settings.recordings,
        live_sessions=settings.live_sessions,
        spool_bytes=spool_bytes,
        backlog_bytes=settings.backlog_bytes,
        free_bytes=settings.free_bytes,
    )


def media_limits(settings: MediaSettings) -> MediaLimits:
    allowed = settings.decode_seconds
    return MediaLimits(duration=settings.longest_seconds, wall=allowed, processor=allowed)


def triton_models(models: Models, diarization: DiarizationSettings) -> list[str]:
    """Names of everything that Triton has to serve."""
    names = [triton_name(model.id) for model in models.deployed]
    if diarization.deployed and diarization.pyannote_python is None:
        names.append(DIARIZER)
    return names


@asynccontextmanager
async def open_summarizer(settings: Settings) -> AsyncIterator[Summarizer]:
    server = summary_server(settings.summarizer, settings.server.data / "log" / "summarizer.log")
    server.start()
    try:
        yield Summarizer(server)
    finally:
        await server.stop()


@asynccontextmanager
async def open_diarizer(fleet: Fleet, settings: Settings, spool: Path) -> AsyncIterator[Diarizer | None]:
    """The model in Triton, pyannote.audio's own pipeline, or none."""
    chosen = settings.diarization
    if not chosen.deployed:
        yield None
    elif chosen.pyannote_python is None:
        yield TritonDiarizer(fleet, settings.triton.timeout_seconds)
    else:
        pipeline = PyannoteDiarizer(PyannoteConfig(chosen.pyannote_python, chosen.pyannote_weights, spool))
        try:
            yield pipeline
        finally:
            await pipeline.close()


def services_of(connection: HTTPConnection) -> Services:
    services: Services = connection.app.state.services
    return services
