"""The whole gateway in a thread, with real ffmpeg, voice activity and accounts; only Triton's models are scripted."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np

from gateway.accounts.from_settings import open_accounts
from gateway.app import create_app
from gateway.dialects.wyoming.server import serve_wyoming
from gateway.errors import ServiceError
from gateway.http.server import HttpServer, http_config
from gateway.media.decoding import MediaDecoder
from gateway.models import Models
from gateway.progress import ProgressRegistry
from gateway.recognition.diarized_recognizer import DiarizedRecognizer
from gateway.recognition.diarizer import DiarizationFailed
from gateway.recognition.recognizer import Recognizer
from gateway.recognition.request import RecognitionRequest
from gateway.services import Services
from gateway.settings import AccountSettings, ServerSettings, Settings, WyomingSettings
from gateway.summaries.servers import NoServer
from gateway.summaries.summarizer import Summarizer
from speech.activity import VoiceActivity
from speech.audio import SAMPLE_RATE, Pcm
from speech.diarization.turns import Diarization
from speech.diarization.voices import Voice
from speech.diarization.windows import FRAMES, VECTOR, LocalSpeech, window_count
from speech.tensors import Task
from speech.transcript import Turn, WindowResult, Word

WYOMING = WyomingSettings(address="127.0.0.1:0")
QUIET = 100  # amplitude below which nobody speaks


def a_vector(number: int) -> np.ndarray:
    return np.eye(VECTOR, dtype=np.float32)[number]


@dataclass
class ScriptedModels:
    """Hears a word for every half second of sound, none in silence; the first word of a sentence is in capitals."""

    requests: list[RecognitionRequest] = field(default_factory=list)
    failures: list[ServiceError] = field(default_factory=list)  # raised one after the other
    fail_after: int | None = None  # windows that are answered before Triton is away
    language: str = "en"
    word: str = "said"
    turns_of: Sequence[Turn] = (Turn("Speaker 1", 0.0, 3.0), Turn("Speaker 2", 3.0, 100.0))
    release: threading.Event = field(default_factory=threading.Event)  # until then the second window waits
    answered: int = 0
    unanswered: Sequence[str] = ()  # as of a fleet, as the next
    impaired: int = 0
    deaf: bool = False  # the diarizer fails

    def reset(self) -> None:
        self.__dict__.update(ScriptedModels().__dict__)
        self.release.set()

    async def recognize(self, pcm: Pcm, request: RecognitionRequest) -> WindowResult:
        self.requests.append(request)
        if self.failures:
            raise self.failures.pop(0)
        while self.answered and not self.release.is_set():
            await asyncio.sleep(0.01)
        if self.fail_after is not None and self.answered >= self.fail_after:
            from gateway.errors import Unavailable

            raise Unavailable("The speech engine is away for now; try again soon.", 10)
        self.answered += 1
        steps = range(0, len(pcm) - SAMPLE_RATE // 2 + 1, SAMPLE_RATE // 2)
        spoken = [at for at in steps if np.abs(pcm[at : at + SAMPLE_RATE // 2].astype(np.int32)).max() > QUIET]
        said = self.word if request.task is Task.TRANSCRIBE else "translated"
        words = tuple(
            Word(f"{said}{number}{'.' if number % 4 == 3 else ''}", at / SAMPLE_RATE, at / SAMPLE_RATE + 0.4, 0.9)
            for number, at in enumerate(spoken)
        )
        language = request.language or self.language
        return WindowResult(words, " ".join(w.text for w in words), language, 0.99, -0.1, 0.0 if words else 0.9)

    async def diarize(self, pcm: Pcm, speakers: int = 0, on_progress: Any = None) -> Diarization:
        voices = {turn.speaker: Voice(a_vector(int(turn.speaker[-1])), 3.0) for turn in self.turns_of}
        return Diarization(tuple(self.turns_of), voices)

    async def voice(self, pcm: Pcm) -> Voice | None:
        """A reference of three seconds is of the first speaker, one of four of the second, …"""
        return Voice(a_vector(round(len(pcm) / SAMPLE_RATE) - 2), 3.0)

    async def turns(self, pcm: Pcm, speakers: int = 0, on_progress: object = None) -> tuple[Turn, ...]:
        return tuple(self.turns_of)

    async def hear_chunk(self, pcm: Pcm) -> LocalSpeech:
        """One person speaks all the time, unless the networks are away."""
        if self.deaf:
            raise DiarizationFailed("away")
        windows = window_count(len(pcm))
        rows = [(window, 0, first, first + 80, 1) for window in range(windows) for first in range(0, 560, 80)]
        vectors = np.tile(a_vector(1), (len(rows), 1))
        return LocalSpeech(np.ones((windows, FRAMES), np.uint8), np.array(rows, np.int32), vectors)

    def is_ready(self, model: str) -> bool:
        return True


@dataclass
class DialectService:
    url: str
    models: ScriptedModels
    services: Services
    loop: asyncio.AbstractEventLoop
    wyoming: str = ""  # address

    @property
    def base(self) -> str:
        return f"{self.url}/v1"

    @property
    def ws(self) -> str:
        return self.base.replace("http", "ws")


@contextmanager
def run_dialects(data: Path, **changes: Any) -> Iterator[DialectService]:
    """changes: groups of settings"""
    groups = {
        "server": ServerSettings(data=data),
        "wyoming": WYOMING,
        "accounts": AccountSettings(anonymous="unlimited", anonymous_keys=("dummy",)),
    } | changes
    settings = Settings(**groups)
    models = ScriptedModels()
    models.release.set()
    listener = socket.create_server(("127.0.0.1", 0))
    ready = threading.Event()
    running: dict[str, Any] = {}

    async def serve() -> None:
        async with open_accounts(settings) as accounts:
            activity, part = VoiceActivity(), cast(Any, models)
            services = Services(
                settings=settings,
                models=Models(["base"], "base"),
                spool=data,
                media=MediaDecoder(data, activity=activity),
                fleet=part,
                gpus=part,
                whisper=part,
                recognizer=DiarizedRecognizer(Recognizer(models.recognize), part),
                activity=activity,
                progress=ProgressRegistry(),
                accounts=accounts,
                summarizer=Summarizer(NoServer()),
            )
            server = HttpServer(http_config(create_app(services), settings), services.draining, ready.set)
            async with serve_wyoming(services) as wyoming:
                running.update(server=server, services=services, loop=asyncio.get_running_loop(), wyoming=wyoming)
                await server.serve(sockets=[listener])

    thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
    thread.start()
    assert ready.wait(60)
    try:
        port = listener.getsockname()[1]
        yield DialectService(
            f"http://127.0.0.1:{port}", models, running["services"], running["loop"], running["wyoming"] or ""
        )
    finally:
        models.release.set()
        running["server"].force_exit = running["server"].should_exit = True
        thread.join(30)


def until(condition: Any, seconds: float = 30.0) -> None:
    """Waits for a condition; fails if it does not come true."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)
