"""Who speaks, live: words with the right speaker as they come, in the last message, and as a file."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx
from websockets.asyncio.client import connect

from benchmarks import report
from benchmarks.playback import FRAME, send
from benchmarks.recordings import CorpusRecording, as_wav, load
from benchmarks.report import Report, Table
from benchmarks.service import Service
from benchmarks.turn_scoring import SpokenTurn, SpokenWord, right_words, words_of

AT_ONCE = 2  # sessions
NOTE = (
    "Of 100 words of the reference, those whose speaker is right under the best mapping of names. Live: as words "
    "became final, those without a speaker as nobody's; last: in the last message; file: by POST /v1/transcribe."
)


@dataclass(frozen=True, slots=True)
class HeardSpeakers:
    recording: CorpusRecording
    words: Sequence[SpokenWord]  # of the reference
    live: Sequence[SpokenTurn]
    last: Sequence[SpokenTurn]
    filed: Sequence[SpokenTurn]

    @property
    def right(self) -> tuple[int, int, int]:
        live, last, filed = (right_words(self.words, each) for each in (self.live, self.last, self.filed))
        return live, last, filed


def measure_speakers(arguments: Sequence[str]) -> int:
    with Service(settings={"STT_DIARIZATION_DEPLOYED": "true"}) as service:
        told = asyncio.run(play_all(f"127.0.0.1:{service.port}", conversations()))
    rows = [row(each.recording.id, [each]) for each in told]
    table = Table(
        "Who speaks, live", ("recording", "words", "live %", "last %", "file %"), [*rows, row("all", told)], NOTE
    )
    print(report.write(Report("streaming-speakers", report.command("streaming", arguments), [table])).read_text())
    return 0


def conversations() -> list[CorpusRecording]:
    return [as_wav(each) for each in load(["C-sim"]) if each.language == "en" and each.rttm is not None]


def row(name: str, told: Iterable[HeardSpeakers]) -> list[object]:
    counts = [(len(each.words), *each.right) for each in told]
    words, *right = (sum(column) for column in zip(*counts, strict=True))
    return [name, words, *(100 * each / max(words, 1) for each in right)]


async def play_all(host: str, recordings: Sequence[CorpusRecording]) -> list[HeardSpeakers]:
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(recording: CorpusRecording) -> HeardSpeakers:
        async with gate:
            live, last = await play(f"ws://{host}/v1/stream", recording)
        filed = await asyncio.to_thread(transcribe, f"http://{host}", recording)
        assert recording.rttm is not None
        segments = json.loads(recording.rttm.with_suffix(".segments.json").read_text())
        return HeardSpeakers(recording, words_of(segments), live, last, filed)

    return list(await asyncio.gather(*map(one, recordings)))


async def play(url: str, recording: CorpusRecording) -> tuple[list[SpokenTurn], list[SpokenTurn]]:
    """Labels as they came, and those of the last message."""
    live: list[SpokenTurn] = []
    async with connect(url, max_size=None) as socket:
        await socket.send(json.dumps({"language": "en", "diarize": True}))
        while json.loads(await socket.recv()).get("status") != "ready":
            pass
        sending = asyncio.create_task(send(socket, recording.pcm, time.monotonic(), FRAME))
        async for text in socket:
            message = json.loads(text)
            if message["type"] == "error":
                raise RuntimeError(message["error"])
            if message["type"] == "transcript":
                live += spoken(message["words"])
            if message["is_final"]:
                await sending
                return live, of_segments(message["segments"])
    raise RuntimeError(f"{recording.id}: no last message came")


def transcribe(base: str, recording: CorpusRecording) -> list[SpokenTurn]:
    data = {"language": "en", "diarize": "true"}
    with recording.path.open("rb") as audio:
        answer = httpx.post(f"{base}/v1/transcribe", files={"file": audio}, data=data, timeout=300)
    answer.raise_for_status()
    return of_segments(answer.json()["segments"])


def of_segments(segments: Iterable[Mapping[str, Any]]) -> list[SpokenTurn]:
    return [turn for segment in segments for turn in spoken(segment["words"], segment.get("speaker"))]


def spoken(words: Iterable[Mapping[str, Any]], speaker: str | None = None) -> list[SpokenTurn]:
    """Each word as a turn of its own; a speaker of "" is nobody's."""
    return [SpokenTurn(speaker or word.get("speaker") or "", word["start"], word["end"]) for word in words]
