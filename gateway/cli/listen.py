"""`stt listen`: a file or standard input, played into the live stream of a running service."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from rich.console import Console
from rich.live import Live
from rich.text import Text
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from gateway.errors import ServiceError
from gateway.media.decoding import MediaDecoder
from gateway.settings import Settings
from speech.audio import SAMPLE_RATE

FRAME = 3200  # bytes: 100 ms
STANDARD_INPUT = "-"


class ListenFailed(Exception):
    """The stream brought no text; the message is for the person at the terminal."""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("listen", help="play a file, or standard input, into the live stream")
    parser.add_argument("file", metavar="FILE", help="any media file, or - for raw PCM (16-bit, 16 kHz, mono)")
    parser.add_argument("--language", default="auto", help="code or English name (default: auto)")
    parser.add_argument("--model", default="", help="model to use (default: the service's)")
    parser.add_argument("--fast", action="store_true", help="send as fast as it is taken, not at the speed of speech")
    parser.add_argument("--url", help="of the service (default: STT_CLIENT_URL)")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace, settings: Settings) -> int:
    try:
        asyncio.run(listen(options, settings))
    except (ListenFailed, ServiceError) as problem:
        print(f"stt: {problem}", file=sys.stderr)
        return 1
    return 0


async def listen(options: argparse.Namespace, settings: Settings) -> None:
    """Raises ListenFailed."""
    url = stream_url(options.url or settings.client.url)
    headers = {"Authorization": f"Bearer {settings.client.key}"} if settings.client.key else {}
    try:
        async with connect(url, additional_headers=headers, max_size=None, ping_timeout=None) as socket:
            config = {"language": options.language, "model": options.model}
            await socket.send(json.dumps({name: text for name, text in config.items() if text}))
            await converse(socket, options)
    except (OSError, InvalidHandshake) as problem:
        raise ListenFailed(f"no service answers at {url}; `stt serve` starts one") from problem
    except ConnectionClosed as problem:
        raise ListenFailed(f"the service ended the stream: {problem.reason or problem.code}") from problem


async def converse(socket: ClientConnection, options: argparse.Namespace) -> None:
    sending: asyncio.Task[None] | None = None
    problem = ""  # text that is final may come after it
    try:
        with Screen() as screen:
            async for text in socket:
                message = json.loads(text)
                if message["type"] == "error":
                    problem = message["error"]
                if message["type"] == "ready" and sending is None:
                    sending = asyncio.create_task(send(socket, options))
                screen.show(message)
                if message["is_final"]:
                    break
                if sending is not None and sending.done() and not problem:
                    sending.result()  # raises what went wrong with the sound
    except ConnectionClosed:
        if not problem:
            raise
    finally:
        if sending is not None:
            sending.cancel()
            with contextlib.suppress(asyncio.CancelledError, ConnectionClosed):
                await sending
    if problem:
        raise ListenFailed(problem)


async def send(socket: ClientConnection, options: argparse.Namespace) -> None:
    sound = standard_input() if options.file == STANDARD_INPUT else file_frames(Path(options.file), options.fast)
    try:
        async for frame in sound:
            await socket.send(frame)
    except ServiceError:
        await socket.close()
        raise
    await socket.send('{"action": "stop"}')


async def file_frames(path: Path, fast: bool) -> AsyncIterator[bytes]:
    """The file's sound, at the speed at which it was spoken. Raises ListenFailed, UnsupportedMedia."""
    if not path.is_file():
        raise ListenFailed(f"{path}: there is no such file")
    with tempfile.TemporaryDirectory(prefix="stt-listen-") as folder:  # noqa: SIM117  the inner one awaits
        with await MediaDecoder(Path(folder)).decode(path, path.name) as recording:
            sound = recording.pcm.tobytes()
    began = time.monotonic()
    for start in range(0, len(sound), FRAME):
        if not fast:
            spoken = (start + FRAME) / 2 / SAMPLE_RATE
            await asyncio.sleep(max(0.0, began + spoken - time.monotonic()))
        yield sound[start : start + FRAME]


async def standard_input() -> AsyncIterator[bytes]:
    while frame := await asyncio.to_thread(os.read, sys.stdin.fileno(), FRAME):
        yield frame


class Screen:
    """Final text plain, what may still change dim. Where standard output is no terminal: final text alone."""

    def __init__(self) -> None:
        self._console = Console()
        self._final = ""
        self._live = Live(console=self._console, auto_refresh=False, vertical_overflow="visible")

    def __enter__(self) -> Screen:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._console.is_terminal:
            self._live.update(Text(self._final), refresh=True)
            self._live.stop()

    def show(self, message: dict[str, Any]) -> None:
        if message["type"] == "transcript":
            self._final += message["text"] + " "
        if not self._console.is_terminal:
            if message["is_final"]:
                print(message["text"])
            return
        shown = Text(self._final)
        shown.append(message["partial"], style="dim")
        self._live.update(shown, refresh=True)


def stream_url(url: str) -> str:
    """http://host → ws://host/v1/stream"""
    scheme, host, path, query, _ = urlsplit(url)
    secure = {"http": "ws", "https": "wss"}.get(scheme, scheme)
    return urlunsplit((secure, host, f"{path.rstrip('/')}/v1/stream", query, ""))
