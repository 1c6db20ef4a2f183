"""Where the summarizing model is: started here, somewhere else, or nowhere."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Protocol

from gateway.settings import SummarizerSettings
from gateway.summaries.chat import ChatServer, Endpoint
from gateway.summaries.chat_protocol import SummarizerUnavailable
from gateway.summaries.embedded import EmbeddedServer, LlamaOptions

OFF = (
    "Summaries are turned off on this server. To turn them on, start it with SUMMARIZER=embedded (a small model "
    "on this machine) or with SUMMARIZER_URL=http://host:port (any server with the OpenAI chat API)."
)
HOUR = 3600.0
MOST_THREADS = 8  # a small model gains nothing from more


class SummaryServer(Protocol):
    def start(self) -> None:
        """Returns at once; what takes time goes on behind."""

    def drain(self) -> None:
        """No process is started any more; one that runs answers what is in flight."""

    async def stop(self) -> None: ...

    def chat(self) -> ChatServer:
        """raises: SummarizerUnavailable where there is none for now, and says why"""


def summary_server(settings: SummarizerSettings, log: Path | None = None) -> SummaryServer:
    """log: where the embedded one's process writes; None: to this process's own standard error"""
    if settings.url:
        return RemoteServer(Endpoint(settings.url, settings.key, settings.model))
    if settings.mode == "off":
        return NoServer()
    threads = settings.threads or min(MOST_THREADS, len(os.sched_getaffinity(0)))
    options = LlamaOptions(
        model=settings.file,
        alias=model_name(settings.file),
        threads=threads,
        context=settings.context,
        slots=settings.slots,
        log=log,
    )
    return EmbeddedServer(options)


def model_name(file: Path) -> str:
    """As the API names it: qwen2.5-coder-1.5b-instruct of qwen2.5-coder-1.5b-instruct-q4_k_m.gguf."""
    return re.sub(r"[-.](?:i?q\d\w*|f16|bf16|f32)$", "", file.stem.lower())


class RemoteServer:
    def __init__(self, endpoint: Endpoint) -> None:
        self._chat = ChatServer(endpoint)

    def start(self) -> None:
        """It runs already."""

    def drain(self) -> None:
        """It goes on for others."""

    async def stop(self) -> None:
        await self._chat.aclose()

    def chat(self) -> ChatServer:
        return self._chat


class NoServer:
    def start(self) -> None:
        """There is none."""

    def drain(self) -> None:
        """There is none."""

    async def stop(self) -> None:
        """There is none."""

    def chat(self) -> ChatServer:
        raise SummarizerUnavailable(OFF, HOUR)
