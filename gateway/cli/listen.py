"""`stt listen`: a file or standard input, played into the live stream of a running service."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import signal
import sys
from urllib.parse import urlsplit, urlunsplit

from gateway.cli.reconnecting_stream import Address, ListenFailed, LiveStream, Patience
from gateway.cli.screen import Screen
from gateway.cli.sound import Sound, SoundFailed, opened
from gateway.cli.terminal import add_url
from gateway.errors import ServiceError
from gateway.settings import Settings


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("listen", help="play a file, or standard input, into the live stream")
    parser.add_argument("file", metavar="FILE", help="any media file, or - for raw PCM (16-bit, 16 kHz, mono)")
    parser.add_argument("--language", default="auto", help="code or English name (default: auto)")
    parser.add_argument("--model", default="", help="model to use (default: the service's)")
    parser.add_argument("--fast", action="store_true", help="send as fast as it is taken, not at the speed of speech")
    parser.add_argument(
        "--patience", type=float, default=Patience().total, metavar="SECONDS",
        help="how long to look for a service again when the connection is lost (default: 120)",
    )  # fmt: skip
    add_url(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace, settings: Settings) -> int:
    try:
        asyncio.run(listen(options, settings))
    except (ListenFailed, SoundFailed, ServiceError) as problem:
        print(f"stt: {problem}", file=sys.stderr)
        return 1
    return 0


async def listen(options: argparse.Namespace, settings: Settings) -> None:
    """Raises ListenFailed, SoundFailed, UnsupportedMedia."""
    headers = {"Authorization": f"Bearer {settings.client.key}"} if settings.client.key else {}
    config = {"language": options.language, "model": options.model}
    url = stream_url(options.url or settings.client.url)
    address = Address(url, headers, {name: text for name, text in config.items() if text})
    async with opened(options.file, options.fast) as pieces:
        sound = Sound()
        filling = asyncio.create_task(sound.fill(pieces))
        end_when_interrupted(filling)
        try:
            with Screen() as screen:
                await LiveStream(address, sound, screen, Patience(total=options.patience)).run()
        finally:
            filling.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await filling


def end_when_interrupted(filling: asyncio.Task[None]) -> None:
    """Ctrl-C ends the sound, and its text is still waited for; a second one ends the program."""
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
