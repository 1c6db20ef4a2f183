"""What a live session is bound to on the machine that it shares."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from gateway.accounts import Caller
from gateway.accounts.tiers import load_tiers
from gateway.capacity import LEAST_BACKLOG, CapacityLimits, MachineCapacity
from gateway.models import Models
from gateway.progress import ProgressRegistry
from gateway.requests.live import LiveOptions, open_session
from gateway.services import Services
from gateway.settings import Settings
from gateway.streaming.messages import Message
from gateway.summaries.servers import NoServer
from gateway.summaries.summarizer import Summarizer
from gateway.thread_pools import ThreadPool
from speech.activity import CHUNK, Probabilities
from speech.audio import Pcm

SECOND = 32_000  # bytes


class NotedActivity:
    """Hears nobody, and notes in which thread."""

    def __init__(self) -> None:
        self.threads = set[threading.Thread]()

    def stream(self) -> NotedActivity:
        return self

    def feed(self, pcm: Pcm) -> Probabilities:
        self.threads.add(threading.current_thread())
        return np.zeros(len(pcm) // CHUNK, dtype=np.float32)


def services(tmp_path: Path, activity: NotedActivity, threads: ThreadPool) -> Services:
    unused = cast(Any, None)
    return Services(
        settings=Settings(),
        models=Models(["base"], "base"),
        spool=tmp_path,
        media=unused,
        fleet=unused,
        gpus=unused,
        whisper=unused,
        recognizer=unused,
        activity=cast(Any, activity),
        progress=ProgressRegistry(),
        accounts=unused,
        summarizer=Summarizer(NoServer()),
        capacity=MachineCapacity(CapacityLimits(backlog_bytes=0)),
        activity_threads=threads,
    )


async def emit(message: Message) -> None:
    pass


@pytest.fixture
def caller() -> Caller:
    return Caller("someone", load_tiers()["paid"], "someone")


async def test_a_session_keeps_no_more_waiting_than_its_share_and_listens_beside_the_loop(
    tmp_path: Path, caller: Caller
) -> None:
    activity = NotedActivity()
    with ThreadPool("activity", 1) as threads:
        session = open_session(services(tmp_path, activity, threads), caller, LiveOptions(), emit)
        await session.feed(bytes(SECOND))
        waiting = asyncio.create_task(session.feed(bytes(round(LEAST_BACKLOG) * SECOND)))
        for _ in range(10):
            await asyncio.sleep(0)
        assert not waiting.done()

        running = asyncio.create_task(session.run())
        await waiting
        await session.stop()
        await running

    assert activity.threads
    assert threading.main_thread() not in activity.threads
