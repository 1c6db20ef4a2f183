"""One live session as a listener sees it: a recording played into /v1/stream at the speed of speech."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass, field

import numpy as np
from websockets.asyncio.client import connect

from benchmarks.recordings import CorpusRecording
from speech.audio import SAMPLE_RATE, Pcm

TAIL_NOISE = 3.0  # of 32768
FRAME = 1600  # samples: 100 ms, what a microphone sends at a time


@dataclass(frozen=True, slots=True)
class ShownWord:
    """Seconds since playback began, but for the word's own place in the recording."""

    text: str
    end: float  # where the word ends in the recording
    shown: float  # when it first stood in a message, partial or final
    final: float  # when it was final


@dataclass(slots=True)
class Played:
    """What a session showed, and when."""

    recording: CorpusRecording
    words: list[ShownWord] = field(default_factory=list)
    first_partial: float | None = None  # seconds since playback began
    stop_to_final: float = 0.0  # seconds
    text: str = ""
    updates: int = 0
    turn_ends: list[int] = field(default_factory=list)  # words that were final at the end of each turn
    tail: float = 0.0  # seconds of silence behind the recording

    @property
    def last_final(self) -> float | None:
        """When the last word was final, seconds since playback began."""
        return max((word.final for word in self.words), default=None)


class _Listener:
    """Notes when each word is seen: by its number in the text, finals first, then the partial."""

    def __init__(self, played: Played) -> None:
        self.played = played
        self.shown: list[float] = []  # by word number
        self.finals: list[tuple[str, float, float]] = []  # text, end in the recording, when

    def hear(self, message: dict[str, object], now: float) -> None:
        words = message.get("words") or []
        assert isinstance(words, list)
        if message["type"] == "transcript":
            self.finals += [(word["word"], word["end"], now) for word in words]
            self._see(len(self.finals), now)
        if message["type"] == "partial" and words:
            self._see(len(self.finals) + len(words), now)
        if message["type"] == "turn" and message["event"] == "end":
            self.played.turn_ends.append(len(self.finals))
        if message["type"] in ("partial", "transcript"):
            self.played.updates += 1
            if words and self.played.first_partial is None:
                self.played.first_partial = now

    def _see(self, count: int, now: float) -> None:
        self.shown += [now] * (count - len(self.shown))

    def words(self) -> list[ShownWord]:
        return [
            ShownWord(text, end, shown, final)
            for (text, end, final), shown in zip(self.finals, self.shown, strict=False)
        ]


async def play(
    url: str, recording: CorpusRecording, config: dict[str, object], tail: float = 0.0, frame: int = FRAME
) -> Played:
    """Sends the recording in real time, waits for the last message.

    url: ws://host:port/v1/stream; tail: seconds of silence, faintly noisy, before the stop; frame: samples
    """
    played = Played(recording, tail=tail)
    silence = np.random.default_rng(0).normal(0, TAIL_NOISE, round(tail * SAMPLE_RATE)).astype(np.int16)
    listener = _Listener(played)
    async with connect(url, max_size=None) as socket:
        await socket.send(json.dumps(config))
        while json.loads(await socket.recv()).get("status") != "ready":
            pass
        began = time.monotonic()
        sending = asyncio.create_task(send(socket, np.concatenate([recording.pcm, silence]), began, frame))
        async for text in socket:
            message = json.loads(text)
            now = time.monotonic() - began
            if message["type"] == "error":
                raise RuntimeError(message["error"])
            if message["is_final"]:
                played.text = message["text"]
                played.stop_to_final = now - (await sending - began)
                break
            listener.hear(message, now)
    played.words = listener.words()
    return played


async def send(socket: object, pcm: Pcm, began: float, size: int) -> float:
    """Returns when `stop` was sent (monotonic seconds)."""
    for start in range(0, len(pcm), size):
        frame = pcm[start : start + size]
        due = began + (start + len(frame)) / SAMPLE_RATE  # a frame exists when it was spoken to its end
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        await socket.send(frame.tobytes())  # type: ignore[attr-defined]
    await socket.send('{"action": "stop"}')  # type: ignore[attr-defined]
    return time.monotonic()
