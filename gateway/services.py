"""What the routes work with, built in one place and closed in one place."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from starlette.requests import HTTPConnection

from gateway.inference.recognizer import Recognizer
from gateway.inference.triton import TritonServer
from gateway.inference.whisper import TritonWhisper
from gateway.media.decoding import MediaDecoder
from gateway.models import Models
from gateway.progress import ProgressBoard
from gateway.settings import Settings
from gateway.spool import open_spool
from speech.activity import VoiceActivity


@dataclass(frozen=True, slots=True)
class Services:
    settings: Settings
    models: Models
    spool: Path  # folder for the files of requests in hand
    media: MediaDecoder
    whisper: TritonWhisper
    recognizer: Recognizer
    activity: VoiceActivity
    progress: ProgressBoard

    async def models_away(self) -> list[str]:
        """Deployed models that no Triton serves now."""
        ids = [model.id for model in self.models.deployed]
        ready = await asyncio.gather(*(self.whisper.is_ready(name) for name in ids))
        return [name for name, is_ready in zip(ids, ready, strict=True) if not is_ready]


@asynccontextmanager
async def open_services(settings: Settings, triton_urls: Sequence[str]) -> AsyncIterator[Services]:
    """Connects to the Tritons and keeps watch over them until the end."""
    models = Models(settings.recognition.models, settings.recognition.stand_in)
    servers = [TritonServer(url) for url in triton_urls]
    whisper = TritonWhisper(servers, settings.triton)
    with open_spool(settings.server.data) as spool:
        watching = asyncio.create_task(whisper.watch([model.id for model in models.deployed]))
        try:
            yield Services(
                settings=settings,
                models=models,
                spool=spool,
                media=MediaDecoder(spool),
                whisper=whisper,
                recognizer=Recognizer(whisper.recognize),
                activity=VoiceActivity(),
                progress=ProgressBoard(),
            )
        finally:
            watching.cancel()
            await asyncio.gather(watching, *(server.close() for server in servers), return_exceptions=True)


def services_of(connection: HTTPConnection) -> Services:
    services: Services = connection.app.state.services
    return services
