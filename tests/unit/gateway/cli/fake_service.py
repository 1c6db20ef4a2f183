"""A service that does nothing real, for the commands to talk to over real sockets; and a terminal to run them in."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import pty
import struct
import subprocess
import sys
import termios
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from gateway.http.middleware.request_log import REQUEST_ID_HEADER
from gateway.transcript.rendering import render
from gateway.transcript.segments import segment
from speech.transcript import Transcript, Word

STT = Path(sys.executable).with_name("stt")
SAID = [
    Word("Good", 0.0, 0.4, 0.9, "Speaker 1"),
    Word("morning.", 0.5, 0.9, 0.9, "Speaker 1"),
    Word("Hello.", 12.0, 12.5, 0.9, "Speaker 2"),
]


def transcript(*warnings: str) -> Transcript:
    text = "Good morning. Hello."
    return Transcript(segment(SAID, "en"), "en", 13.0, ("Speaker 1", "Speaker 2"), warnings, text)


@dataclass
class FakeService:
    """Answers with the same transcript every time."""

    warnings: tuple[str, ...] = ()
    at_once: int = 2
    refusal: Response | None = None  # instead of any answer
    events: list[dict[str, Any]] = field(default_factory=list)  # of a summary
    release: threading.Event = field(default_factory=threading.Event)  # until then transcriptions are in flight
    started: list[str] = field(default_factory=list)  # names of files, in the order of their arrival
    forms: list[dict[str, str]] = field(default_factory=list)  # of transcriptions, without their files
    keys: list[str] = field(default_factory=list)
    asked: int = 0  # how far a request is
    release_after: int = 0  # such questions
    running: int = 0
    most: int = 0  # transcriptions at once
    url: str = ""

    async def transcribe(self, request: Request) -> Response:
        form = await request.form()
        name = str(form["file"].filename)  # type: ignore[union-attr]
        self.started.append(name)
        self.forms.append({field: value for field, value in form.items() if isinstance(value, str)})
        self.running += 1
        self.most = max(self.most, self.running)
        while not self.release.is_set():
            await asyncio.sleep(0.01)
        self.running -= 1
        body, kind = render(transcript(*self.warnings), str(form["response_format"]), "base")
        warned = {"X-Warnings": json.dumps(self.warnings)} if self.warnings else {}
        return Response(body, media_type=kind, headers=warned)

    async def usage(self, _: Request) -> Response:
        meter = {"unit": "minutes", "remaining": 5, "limit": 600, "held": 0, "requests": 1, "running": 0}
        meter |= {"at_once": self.at_once, "resets_at": "2026-12-01T00:00:00+00:00"}
        row = {"tier": "free", "name": "anna", "largest_file_bytes": 500 * 1024**2}
        return JSONResponse(row | {"transcription": meter, "summaries": meter})

    async def health(self, _: Request) -> Response:
        return JSONResponse({"status": "ok", "gpu_available": False, "gpu_name": None, "gpu_memory_mb": None})

    async def models(self, _: Request) -> Response:
        return JSONResponse({"models": [{"id": "base", "description": "Small."}]})

    async def progress(self, _: Request) -> Response:
        self.asked += 1
        if self.asked == self.release_after:
            self.release.set()
        return JSONResponse({"stage": "recognizing", "done": 0.25})

    async def summarize(self, _: Request) -> Response:
        lines = [f"data: {json.dumps(event)}\n\n" for event in self.events]
        return StreamingResponse(iter(lines), media_type="text/event-stream")

    def app(self) -> Any:
        routes = [
            Route("/v1/transcribe", self.transcribe, methods=["POST"]),
            Route("/v1/summarize", self.summarize, methods=["POST"]),
            Route("/v1/usage", self.usage),
            Route("/v1/models", self.models),
            Route("/v1/progress/{identity}", self.progress),
            Route("/health", self.health),
        ]
        inner = Starlette(routes=routes)

        async def app(scope: Any, receive: Any, send: Any) -> None:
            request = Request(scope)

            async def send_with_id(message: Any) -> None:
                if message["type"] == "http.response.start":
                    identity = request.headers.get(REQUEST_ID_HEADER, "")
                    message["headers"] = [*message["headers"], (b"x-request-id", identity.encode())]
                await send(message)

            self.keys.append(request.headers.get("authorization", ""))
            await (self.refusal or inner)(scope, receive, send if is_strange(self.refusal) else send_with_id)

        return app


class StrangeResponse(PlainTextResponse):
    """Of something that is not stt."""


def is_strange(response: Response | None) -> bool:
    return isinstance(response, StrangeResponse)


@contextmanager
def run_fake(service: FakeService) -> Iterator[FakeService]:
    config = uvicorn.Config(service.app(), port=0, log_level="critical", lifespan="off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive()
        port = server.servers[0].sockets[0].getsockname()[1]
        service.url = f"http://127.0.0.1:{port}"
        yield service
    finally:
        service.release.set()
        server.should_exit = True
        thread.join()


@dataclass(frozen=True)
class Shown:
    out: str  # what the terminal got, control sequences included
    code: int


def run_on_terminal(*arguments: str | Path, columns: int = 60, piped: Path | None = None) -> Shown:
    """`stt …` with a terminal for all of its streams. piped: a file for standard output instead"""
    parent, child = pty.openpty()
    fcntl.ioctl(child, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    environment = {name: text for name, text in os.environ.items() if name not in ("COLUMNS", "LINES", "NO_COLOR")}
    out = piped.open("wb") if piped else child
    process = subprocess.Popen(
        [STT, *arguments], stdin=child, stdout=out, stderr=child, env=environment | {"TERM": "xterm-256color"}
    )
    os.close(child)
    shown = b""
    while True:
        try:
            piece = os.read(parent, 65536)
        except OSError:  # nobody holds the other end any more
            break
        if not piece:
            break
        shown += piece
    os.close(parent)
    return Shown(shown.decode(), process.wait(timeout=60))
