"""One file has so long to be decoded, however often ffmpeg runs for it, and from when it has a thread."""

from __future__ import annotations

import asyncio
import io
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Self, cast

import pytest

from gateway.errors import UnsupportedMedia
from gateway.media.decoding import MediaDecoder
from gateway.media.ffmpeg import Ffmpeg, MediaLimits
from gateway.media.process import DecodingProcess

WALL = 100.0  # seconds


class SilentRun:
    """An ffmpeg that has nothing to say."""

    def __init__(self) -> None:
        self.stdout, self.stderr = io.BytesIO(), io.BytesIO()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def wait(self) -> int:
        return 0

    def kill(self) -> None:
        pass


class SilentFfmpeg:
    def spawn(self, *_: object) -> SilentRun:
        return SilentRun()


@dataclass
class Watchdogs:
    """A clock that stands still, and the seconds after which each run would have been killed."""

    now: float = 0.0
    seconds: list[float] = field(default_factory=list)

    def timer(self, seconds: float, kill: object) -> Any:
        self.seconds.append(seconds)
        return SimpleNamespace(start=lambda: None, cancel=lambda: None, daemon=True)


@pytest.fixture
def watchdogs(monkeypatch: pytest.MonkeyPatch) -> Watchdogs:
    watchdogs = Watchdogs()
    monkeypatch.setattr("gateway.media.process.time", SimpleNamespace(monotonic=lambda: watchdogs.now))
    monkeypatch.setattr(
        "gateway.media.process.threading",
        SimpleNamespace(Timer=watchdogs.timer, Thread=threading.Thread, Lock=threading.Lock),
    )
    return watchdogs


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "talk.mp3"
    path.write_bytes(b"sound")
    return path


def test_all_runs_of_a_file_share_its_time(file: Path, watchdogs: Watchdogs) -> None:
    process = DecodingProcess(cast(Ffmpeg, SilentFfmpeg()), MediaLimits(wall=WALL))
    for watchdogs.now in (0.0, 60.0, 200.0):
        process.inspect(file, [])

    assert watchdogs.seconds == [100.0, 40.0, 0.0]


async def test_the_time_in_which_a_file_waits_for_a_thread_is_not_its_own(file: Path, watchdogs: Watchdogs) -> None:
    decoder = MediaDecoder(file.parent, MediaLimits(wall=WALL), cast(Ffmpeg, SilentFfmpeg()), cast(Any, None))
    free = threading.Event()
    with ThreadPoolExecutor(1) as one:
        one.submit(free.wait)
        object.__setattr__(decoder, "executor", one)
        waiting = asyncio.create_task(decoder.inspect(file))
        await asyncio.sleep(0)
        watchdogs.now = 1000.0
        free.set()
        with pytest.raises(UnsupportedMedia):
            await waiting

    assert watchdogs.seconds == [WALL]
