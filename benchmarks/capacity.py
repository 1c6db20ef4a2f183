"""What a gateway itself costs: `python -m benchmarks capacity`. Triton runs in a process family of its own beside it.

Live sessions are played at the speed of speech, files are posted, and sessions are opened that say nothing; each
figure is the gateway's processor time and memory alone, ffmpeg's included.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx
from websockets.asyncio.client import connect

from benchmarks import report
from benchmarks.playback import play
from benchmarks.processes import memory, processor_seconds
from benchmarks.recordings import CorpusRecording, join, load
from benchmarks.service import Service

_TRITON = re.compile(r"Triton answers at (\S+), its metrics are at (\S+)")


@dataclass(frozen=True, slots=True)
class Cost:
    what: str
    processor: float  # seconds
    audio: float  # seconds
    encoded: float  # seconds of audio that Triton encoded
    windows: float  # in which it came

    def row(self) -> tuple[object, ...]:
        share = self.processor / self.audio
        repeated = self.encoded / self.audio
        windows = f"{self.windows / self.audio:.2f}"
        return self.what, f"{1000 * share:.2f} ms", windows, f"{repeated:.2f}", f"{repeated * 32:.0f} KB"


class Gateway:
    """A gateway on its own, and the Triton of another service."""

    def __init__(self, service: Service, metrics: str) -> None:
        self.service = service
        self.pid = service.process.pid
        self._metrics = metrics

    def measure(self, what: str, recordings: Sequence[CorpusRecording], live: bool) -> Cost:
        """All of them at once."""
        processor, encoded, windows = processor_seconds(self.pid), *self._triton()
        if live:
            asyncio.run(_play_all(self.address, recordings))
        else:
            for recording in recordings:
                self.service.transcribe(recording, language="en")
        audio = sum(recording.duration for recording in recordings)
        time.sleep(1.5)  # the metrics follow once a second
        spent, told = processor_seconds(self.pid) - processor, self._triton()
        return Cost(what, spent, audio, told[0] - encoded, told[1] - windows)

    @property
    def address(self) -> str:
        return f"ws://127.0.0.1:{self.service.port}/v1/stream"

    def session_memory(self, sessions: int) -> float:
        """Megabytes of one session, opened and silent."""
        return asyncio.run(_hold_open(self.address, sessions, self.pid))

    def _triton(self) -> tuple[float, float]:
        """Seconds encoded and windows encoded so far."""
        lines = httpx.get(self._metrics).text.splitlines()
        seconds, windows = (
            sum(float(line.split()[-1]) for line in lines if line.startswith(f"whisper_{name}_total{{"))
            for name in ("audio_seconds", "windows")
        )
        return seconds, windows


async def _play_all(address: str, recordings: Sequence[CorpusRecording]) -> None:
    await asyncio.gather(*(play(address, recording, {"language": "en"}) for recording in recordings))


async def _hold_open(address: str, sessions: int, pid: int) -> float:
    before = sum(memory(pid).values())
    sockets = [await connect(address, ping_timeout=None) for _ in range(sessions)]
    for socket in sockets:
        await socket.send(json.dumps({"language": "en"}))
        await socket.recv()
        await socket.send(bytes(32_000 * 5))  # five seconds of silence: buffers and voice activity are in use
    await asyncio.sleep(5)
    after = sum(memory(pid).values())
    await asyncio.gather(*(socket.close() for socket in sockets))
    return (after - before) / sessions


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks capacity", description=__doc__)
    parser.add_argument("--sessions", type=int, default=4, help="live sessions at once")
    parser.add_argument("--seconds", type=float, default=45.0, help="length of each")
    parser.add_argument("--open", type=int, default=90, help="silent sessions, for their memory")
    parser.add_argument("--results", type=Path, default=report.RESULTS, help="folder of the report")
    options = parser.parse_args(arguments)
    clips = load(["A-read"])
    talks = [_talk(clips[number :: options.sessions], options.seconds, number) for number in range(options.sessions)]
    with Service() as behind:
        found = _TRITON.search(behind.log.read_text())
        assert found is not None, "the service did not tell where its Triton is"
        with Service(settings={"STT_TRITON_URLS": found[1]}) as service:
            gateway = Gateway(service, found[2])
            gateway.measure("warm-up", talks[:1], live=False)
            idle = sum(memory(gateway.pid).values())
            costs = [
                gateway.measure("one live session", talks[:1], live=True),
                gateway.measure(f"{options.sessions} live sessions", talks, live=True),
                gateway.measure("files, one after another", talks, live=False),
            ]
            each = gateway.session_memory(options.open)
    columns = ("work", "processor time", "windows", "seconds encoded", "sent to Triton")
    note = (
        f"Idle: {idle:.0f} MB. A live session that is open and silent: {1000 * each:.0f} KB ({options.open} of them)."
    )
    table = report.Table("The gateway alone, for a second of audio", columns, [cost.row() for cost in costs], note)
    command = report.command("capacity", arguments)
    print(report.write(report.Report("capacity", command, [table]), options.results).read_text())
    return 0


def _talk(clips: Sequence[CorpusRecording], seconds: float, number: int) -> CorpusRecording:
    chosen: list[CorpusRecording] = []
    while sum(clip.duration for clip in chosen) < seconds:
        chosen.append(clips[len(chosen) % len(clips)])
    return join(chosen, f"talk-{number}-{seconds:g}")
