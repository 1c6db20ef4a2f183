"""A gateway in a process of its own whose models echo: everything else is real. Run by the tests of this folder.

usage: echo_gateway.py LISTENING_SOCKET SECONDS_A_WINDOW, with the service's settings in the environment
"""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import uvicorn

from gateway.accounts.from_settings import open_accounts
from gateway.app import create_app
from gateway.capacity import MachineCapacity
from gateway.jobs.jobs import open_jobs
from gateway.media.decoding import MediaDecoder
from gateway.models import Models
from gateway.progress import ProgressRegistry
from gateway.recognition.diarized_recognizer import DiarizedRecognizer
from gateway.recognition.recognizer import Recognizer
from gateway.recognition.request import RecognitionRequest
from gateway.services import Services, capacity_limits
from gateway.settings import Settings
from gateway.spool import open_spool
from gateway.summaries.servers import NoServer
from gateway.summaries.summarizer import Summarizer
from speech.activity import VoiceActivity
from speech.audio import SAMPLE_RATE, Pcm
from speech.transcript import WindowResult, Word

HELD = "held"


@dataclass
class EchoWhisper:
    """Says how loud each second of a window is."""

    seconds: float  # that a window takes
    held: Path  # while this file is there, no window ends
    asked: int = 0
    turns: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(2))

    async def recognize(self, pcm: Pcm, request: RecognitionRequest) -> WindowResult:
        async with self.turns:
            await asyncio.sleep(self.seconds)
        self.asked += 1
        print("window", flush=True)
        while self.held.exists():
            await asyncio.sleep(0.05)
        words = tuple(_words(pcm))
        return WindowResult(words, " ".join(word.text for word in words), "en", 1.0, -0.1, 0.0)

    def is_ready(self, _: str) -> bool:
        return True


def _words(pcm: Pcm) -> Sequence[Word]:
    found = []
    for start in range(0, len(pcm), SAMPLE_RATE):
        piece = pcm[start : start + SAMPLE_RATE]
        second = start / SAMPLE_RATE
        end = second + len(piece) / SAMPLE_RATE
        found.append(Word(f"w{int(abs(piece.astype(int)).sum())}", second, end, 0.9))
    return found


async def main(listener: socket.socket, seconds: float) -> None:
    settings = Settings()
    settings.server.data.mkdir(parents=True, exist_ok=True)
    whisper = EchoWhisper(seconds, settings.server.data / HELD)
    part = cast(Any, whisper)
    activity = VoiceActivity()
    with open_spool(settings.server.data) as spool:
        async with open_accounts(settings) as accounts:
            services = Services(
                settings=settings,
                models=Models(["base"], "base"),
                spool=spool,
                media=MediaDecoder(spool, activity=activity),
                fleet=part,
                gpus=part,
                whisper=part,
                recognizer=DiarizedRecognizer(Recognizer(whisper.recognize), None),
                activity=activity,
                progress=ProgressRegistry(),
                accounts=accounts,
                summarizer=Summarizer(NoServer()),
                capacity=MachineCapacity(capacity_limits(settings.capacity)),
            )
            async with open_jobs(services) as jobs:
                server = uvicorn.Server(uvicorn.Config(create_app(services, jobs), log_level="warning"))
                await server.serve(sockets=[listener])


if __name__ == "__main__":
    asyncio.run(main(socket.socket(fileno=int(sys.argv[1])), float(sys.argv[2])))
