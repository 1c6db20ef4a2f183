"""One live session of hours, sent as fast as it is taken: does its memory stay flat, and is nothing lost?"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from websockets.asyncio.client import connect

from benchmarks import report
from benchmarks.memory import long_recording
from benchmarks.processes import MemoryWatch
from benchmarks.report import Report, Table
from benchmarks.scoring import count_errors
from benchmarks.service import Service
from speech.audio import SAMPLE_RATE, Pcm

FRAME = SAMPLE_RATE // 2  # samples
QUARTERS = 4


@dataclass(slots=True)
class LongSession:
    text: str = ""
    heard: list[tuple[float, float]] = field(default_factory=list)  # seconds of sound that are final, and when


def measure_hours(hours: float, arguments: Sequence[str]) -> int:
    recording = long_recording(hours * 3600)
    pcm = recording.pcm[: round(hours * 3600) * SAMPLE_RATE - FRAME]  # a session of the longest length would be cut
    with Service() as service:
        began = time.monotonic()
        with MemoryWatch(service.process.pid, interval=1.0) as watch:
            session = asyncio.run(play(f"ws://127.0.0.1:{service.port}/v1/stream", pcm))
        seconds = time.monotonic() - began
    rows = memory_rows(watch.samples, session.heard, len(pcm) / SAMPLE_RATE, began)
    errors = count_errors(recording.text or "", session.text)
    length = len(pcm) / SAMPLE_RATE
    note = (
        f"{length / 3600:.2f} hours in {seconds:.0f} s ({length / seconds:.0f} × real time), "
        f"WER {errors.edits / errors.words:.2%}. Largest PSS in MB while each quarter of the sound became final."
    )
    names = sorted({name for row in rows for name in row})
    cells = [
        [f"{at + 1} of {QUARTERS}", *(row.get(name, 0.0) for name in names), sum(row.values())]
        for at, row in enumerate(rows)
    ]
    table = Table("Memory of one long session", ("quarter", *names, "all"), cells, note)
    page = report.write(Report("streaming-hours", report.command("streaming", arguments), [table]))
    print(page.read_text())
    return 0


async def play(url: str, pcm: Pcm) -> LongSession:
    """As fast as the service takes it."""
    session = LongSession()
    async with connect(url, max_size=None) as socket:
        await socket.send(json.dumps({"language": "en"}))

        async def send() -> None:
            for start in range(0, len(pcm), FRAME):
                await socket.send(pcm[start : start + FRAME].tobytes())
            await socket.send('{"action": "stop"}')

        sending = asyncio.create_task(send())
        async for text in socket:
            message = json.loads(text)
            if message["type"] == "error":
                raise RuntimeError(message["error"])
            if message["type"] == "transcript":
                session.heard.append((message["end"], time.monotonic()))
            if message["is_final"]:
                session.text = message["text"]
                break
        await sending
    return session


def memory_rows(
    samples: Sequence[dict[str, float]], heard: Sequence[tuple[float, float]], length: float, began: float
) -> list[dict[str, float]]:
    """The largest of each quarter of the sound, megabytes by process. samples: one a second since `began`"""
    rows: list[dict[str, float]] = [{} for _ in range(QUARTERS)]
    for at, sample in enumerate(samples):
        done = max((end for end, when in heard if when <= began + at), default=0.0)
        row = rows[min(int(done / length * QUARTERS), QUARTERS - 1)]
        for name, size in sample.items():
            row[name] = max(row.get(name, 0.0), size)
    return rows
