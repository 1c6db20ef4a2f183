"""`stt listen`: a file or standard input, sent to the live stream of a running service."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import signal
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from gateway.cli.audio_source import AudioSource, open_audio
from gateway.cli.display import TranscriptDisplay
from gateway.cli.errors import CommandFailed
from gateway.cli.reconnecting_stream import ReconnectingStream, ReconnectPolicy, StreamRequest
from gateway.cli.service_address import ServiceAddress, find_service
from gateway.errors import ServiceError
from gateway.settings import Settings


def run(options: argparse.Namespace, settings: Settings) -> int:
    try:
        asyncio.run(listen(options, find_service(options.url, settings)))
    except ServiceError as problem:
        raise CommandFailed(f"{options.file}: {problem}") from problem
    return 0


async def listen(options: argparse.Namespace, service: ServiceAddress) -> None:
    """Raises CommandFailed, UnsupportedMedia."""
    config = {"language": options.language, "languages": options.languages, "model": options.model}
    wanted: dict[str, Any] = {name: text for name, text in config.items() if text}
    if options.diarize:
        wanted["diarize"] = True
    if options.turns:
        wanted["end_of_turn"] = True
    request = StreamRequest(stream_url(service.url), service.headers, wanted)
    async with open_audio(options.file, options.fast) as pieces:
        source = AudioSource()
        filling = asyncio.create_task(source.fill(pieces))
        end_when_interrupted(filling)
        try:
            with TranscriptDisplay() as display:
                policy = ReconnectPolicy(total=options.patience)
                await ReconnectingStream(request, source, display, policy).run()
            if source.is_empty:
                raise CommandFailed(f"{options.file}: no sound came; raw PCM is expected (16-bit, 16 kHz, mono)")
        finally:
            filling.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await filling


def end_when_interrupted(filling: asyncio.Task[None]) -> None:
    """Ctrl-C ends the audio, and the rest of its text is still shown; a second one ends the program."""
    loop = asyncio.get_running_loop()

    def interrupted() -> None:
        loop.remove_signal_handler(signal.SIGINT)
        filling.cancel()

    loop.add_signal_handler(signal.SIGINT, interrupted)


def stream_url(url: str) -> str:
    """http://host → ws://host/v1/stream"""
    scheme, host, path, query, _ = urlsplit(url)
    secure = {"http": "ws", "https": "wss"}.get(scheme, scheme)
    return urlunsplit((secure, host, f"{path.rstrip('/')}/v1/stream", query, ""))
