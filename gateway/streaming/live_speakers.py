"""Who says the words of a live session: soon, by its latest seconds; at its end, by all of it, as of a file.

For the end, the chunks of a file are sent as soon as each is complete, so that the last one alone is left then.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol, runtime_checkable

from gateway.recognition.diarized_recognizer import FAILED, TOO_SLOW, DiarizationTimeout
from gateway.recognition.diarizer import DiarizationFailed
from gateway.streaming.buffer import AudioBuffer
from speech.audio import SAMPLE_RATE, Pcm
from speech.diarization.streaming import StreamingSpeakers
from speech.diarization.turns import find_turns
from speech.diarization.windows import CHUNK, CHUNK_STEP, WINDOW, LocalSpeech, chunk_bounds, join_chunks
from speech.transcript import Turn, Word

LATEST = WINDOW  # samples that live labels are made from
PATIENCE = 1.0  # seconds that a final word waits for its speaker

_log = logging.getLogger(__name__)


@runtime_checkable
class ChunkDiarizer(Protocol):
    """A diarizer that hears a recording in chunks."""

    async def hear_chunk(self, pcm: Pcm) -> LocalSpeech:
        """Of up to 67.5 s. Raises DiarizationFailed."""


class SpeakerLabels(Protocol):
    """Gives a session's words their speakers."""

    def append(self, frame: bytes) -> None:
        """PCM16, 16 kHz."""

    async def label(self, words: Sequence[Word]) -> Sequence[Word]:
        """Words that become final."""

    def recall(self, words: Sequence[Word]) -> Sequence[Word]:
        """Words that may still change, at no cost."""


class NoSpeakers:
    """For sessions that do not ask."""

    def append(self, frame: bytes) -> None:
        pass

    async def label(self, words: Sequence[Word]) -> Sequence[Word]:
        return words

    def recall(self, words: Sequence[Word]) -> Sequence[Word]:
        return words


@dataclass(slots=True)
class LiveSpeakers:
    """`append` as sound comes, `label` as words become final, `finish` at the end; `close` whatever became of it."""

    diarizer: ChunkDiarizer
    timeout: DiarizationTimeout = field(default_factory=DiarizationTimeout)
    _buffer: AudioBuffer = field(default_factory=AudioBuffer)
    _speakers: StreamingSpeakers = field(default_factory=StreamingSpeakers)
    _chunks: list[asyncio.Task[LocalSpeech]] = field(default_factory=list)
    _names: dict[int, str] = field(default_factory=dict)

    def append(self, frame: bytes) -> None:
        """PCM16, 16 kHz."""
        self._buffer.append(frame)
        while self._buffer.end >= len(self._chunks) * CHUNK_STEP + CHUNK:
            start = len(self._chunks) * CHUNK_STEP
            self._send(start, start + CHUNK)
        self._buffer.forget_before(min(len(self._chunks) * CHUNK_STEP, self._buffer.end - LATEST))

    async def label(self, words: Sequence[Word]) -> list[Word]:
        """The words with their speakers; without where that takes too long or fails."""
        try:
            async with asyncio.timeout(PATIENCE):
                await self._listen()
        except (DiarizationFailed, TimeoutError) as problem:
            _log.warning("live words have no new speakers: %s", problem or "the diarizer is late")
        return self.recall(words)

    def recall(self, words: Sequence[Word]) -> list[Word]:
        """The words with the speakers that are known so far."""
        return [replace(word, speaker=self._name(self._speakers.person_at(word.start, word.end))) for word in words]

    async def finish(self) -> tuple[Turn, ...] | str:
        """All turns of the session, or the warning that goes out in their place."""
        for start, end in chunk_bounds(self._buffer.end)[len(self._chunks) :] if self._buffer.end else []:
            self._send(start, end)
        duration = self._buffer.end / SAMPLE_RATE
        try:
            async with asyncio.timeout(self.timeout.of(duration)):
                chunks = await asyncio.gather(*self._chunks)
                return await asyncio.to_thread(find_turns, join_chunks(chunks), duration) if chunks else ()
        except TimeoutError:
            return TOO_SLOW
        except DiarizationFailed as failure:
            _log.warning("the diarization of a live session failed: %s", failure)
            return FAILED

    async def close(self) -> None:
        for chunk in self._chunks:
            chunk.cancel()
        await asyncio.gather(*self._chunks, return_exceptions=True)

    def _send(self, start: int, end: int) -> None:
        self._chunks.append(asyncio.create_task(self.diarizer.hear_chunk(self._buffer.samples(start, end))))

    async def _listen(self) -> None:
        end = self._buffer.end
        start = max(end - LATEST, self._buffer.start)
        if end > start:
            heard = await self.diarizer.hear_chunk(self._buffer.samples(start, end))
            self._speakers.follow(heard, start / SAMPLE_RATE, end / SAMPLE_RATE)

    def _name(self, person: int | None) -> str | None:
        return None if person is None else self._names.setdefault(person, f"Speaker {len(self._names) + 1}")
