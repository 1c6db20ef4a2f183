"""`stt listen`: a file or standard input, sent to the live stream of a running service."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import signal
import sys
from urllib.parse import urlsplit, urlunsplit

from gateway.cli.audio_source import AudioSource, AudioSourceFailed, open_audio
from gateway.cli.display import TranscriptDisplay
from gateway.cli.reconnecting_stream import ListenFailed, ReconnectingStream, ReconnectPolicy, StreamRequest
from gateway.cli.terminal import add_url
from gateway.errors import ServiceError
from gateway.settings import Settings


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("listen", help="transcribe a file or standard input live")
    parser.add_argument("file", metavar="FILE", help="any media file, or - for raw PCM (16-bit, 16 kHz, mono)")
    parser.add_argument("--language", default="auto", help="code or English name (default: auto)")
    parser.add_argument("--model", default="", help="model to use (default: the service's)")
    parser.add_argument("--fast", action="store_true", help="send as fast as the service accepts it, not in real time")
    parser.add_argument(
        "--patience", type=float, default=ReconnectPolicy().total, metavar="SECONDS",
        help="how long to retry when the connection is lost (default: 120)",
    )  # fmt: skip
    add_url(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace, settings: Settings) -> int:
    try:
        asyncio.run(listen(options, settings))
    except (ListenFailed, AudioSourceFailed, ServiceError) as problem:
        print(f"stt: {problem}", file=sys.stderr)
        return 1
    return 0


async def listen(options: argparse.Namespace, settings: Settings) -> None:
    """Raises ListenFailed, AudioSourceFailed, UnsupportedMedia."""
    headers = {"Authorization": f"Bearer {settings.client.key}"} if settings.client.key else {}
    config = {"language": options.language, "model": options.model}
    url = stream_url(options.url or settings.client.url)
    request = StreamRequest(url, headers, {name: text for name, text in config.items() if text})
    async with open_audio(options.file, options.fast) as pieces:
        source = AudioSource()
        filling = asyncio.create_task(source.fill(pieces))
        end_when_interrupted(filling)
        try:
            with TranscriptDisplay() as display:
                policy = ReconnectPolicy(total=options.patience)
                await ReconnectingStream(request, source, display, policy).run()
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
