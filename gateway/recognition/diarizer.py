"""Speaker diarization of a recording: chunks to the diarizer's model in Triton, turns from their embeddings.

Chunks are independent of each other, so any server may process any of them; only the clustering at the end, here,
sees the whole recording.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Mapping

import numpy as np

from gateway.concurrency import run_together
from gateway.recognition.windows import OnProgress, ignore
from gateway.triton.client import TritonFailure
from gateway.triton.fleet import Fleet
from gateway.triton.retry import RetryPolicy, infer
from speech.audio import SAMPLE_RATE, Pcm
from speech.diarization.turns import Diarization, diarize
from speech.diarization.voices import Voice, reference_voice
from speech.diarization.windows import FRAMES, VECTOR, LocalSpeech, chunk_bounds, join_chunks
from speech.tensors import ACTIVITY, AUDIO, PIECES, VOICES
from speech.transcript import Turn

MODEL = "diarizer"
IN_FLIGHT = 2  # chunks of one recording at Triton at once: two minutes of audio, shared with other recordings
UNAVAILABLE_SECONDS = 5.0  # seconds to wait for an unavailable diarizer: rather no speakers than a late transcript


class DiarizationFailed(Exception):
    """No turns; the message says why, for the log. The transcript is returned without speakers."""


class TritonDiarizer:
    """Sends chunks to the fleet's Tritons."""

    def __init__(self, fleet: Fleet, timeout: float) -> None:
        """timeout: seconds for one chunk, queueing in Triton included"""
        self._fleet = fleet
        self._policy = RetryPolicy(unavailable=UNAVAILABLE_SECONDS, timeout=timeout)

    async def turns(self, pcm: Pcm, speakers: int = 0, on_progress: OnProgress = ignore) -> tuple[Turn, ...]:
        """Turns of "Speaker 1", … in order; () without speech. Cancelling this cancels the work in Triton.

        pcm: int16 (n,), 16 kHz mono, of any length (memory-mapped); speakers: their number, 0: unknown
        on_progress: hears of each chunk that is done
        raises: DiarizationFailed
        """
        return (await self.diarize(pcm, speakers, on_progress)).turns

    async def diarize(self, pcm: Pcm, speakers: int = 0, on_progress: OnProgress = ignore) -> Diarization:
        """The same, with how each speaker sounds."""
        if len(pcm) == 0:
            return Diarization((), {})
        local_speech = await self._local_speech(pcm, on_progress)
        return await asyncio.to_thread(diarize, local_speech, len(pcm) / SAMPLE_RATE, speakers)

    async def voice(self, pcm: Pcm) -> Voice | None:
        """Of the one who speaks in a recording; None where nobody can be heard. Raises DiarizationFailed."""
        return reference_voice(await self._local_speech(pcm, ignore)) if len(pcm) else None

    async def _local_speech(self, pcm: Pcm, on_progress: OnProgress) -> LocalSpeech:
        in_flight = asyncio.Semaphore(IN_FLIGHT)
        # No TaskGroup: Python 3.11's makes a circle with its task when it is cancelled, which keeps the recording open.
        bounds, done = list(chunk_bounds(len(pcm))), itertools.count(1)
        async with run_together(*(self._infer_chunk(pcm[start:end], in_flight) for start, end in bounds)) as tasks:
            for task in tasks:
                task.add_done_callback(lambda _task: on_progress(next(done), len(bounds)))
            found = await asyncio.gather(*tasks)
        return join_chunks(found)

    async def hear_chunk(self, pcm: Pcm) -> LocalSpeech:
        """Of up to 67.5 s, before anything is clustered. Raises DiarizationFailed."""
        try:
            return read_chunk(await infer(self._fleet, MODEL, {AUDIO: pcm[np.newaxis]}, self._policy))
        except TritonFailure as failure:
            raise DiarizationFailed(str(failure)) from failure

    async def _infer_chunk(self, pcm: Pcm, in_flight: asyncio.Semaphore) -> LocalSpeech:
        async with in_flight:
            return await self.hear_chunk(pcm)


def read_chunk(outputs: Mapping[str, bytes]) -> LocalSpeech:
    """raises: DiarizationFailed if the outputs are malformed"""
    try:
        return LocalSpeech(
            activity=np.frombuffer(outputs[ACTIVITY.name], np.uint8).reshape(-1, FRAMES),
            pieces=np.frombuffer(outputs[PIECES.name], np.int32).reshape(-1, 5),
            vectors=np.frombuffer(outputs[VOICES.name], np.float16).reshape(-1, VECTOR).astype(np.float32),
        )
    except (KeyError, ValueError) as problem:
        raise DiarizationFailed(f"the diarizer's answer cannot be read: {problem}") from problem
