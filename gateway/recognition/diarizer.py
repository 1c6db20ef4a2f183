"""Who speaks when in a recording: chunks to the diarizer's model in Triton, turns from what comes back.

A chunk is described without knowledge of the others, so any server may do any of them; only the clustering
at the end, here, sees the whole recording.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping

import grpc
import numpy as np

from gateway.triton.client import TritonFailure, TritonServer
from gateway.triton.fleet import Fleet
from speech.audio import SAMPLE_RATE, Pcm
from speech.diarization.turns import find_turns
from speech.diarization.windows import FRAMES, VECTOR, LocalSpeech, chunk_bounds, join
from speech.tensors import ACTIVITY, AUDIO, PIECES, VOICES
from speech.transcript import Turn

MODEL = "diarizer"
IN_FLIGHT = 2  # chunks of one recording at Triton at once: two minutes of audio, shared with other recordings
TRIES = 3
PATIENCE = 5.0  # seconds for a diarizer that is away: rather no speakers than a late transcript

_log = logging.getLogger(__name__)


class DiarizationFailed(Exception):
    """No turns; the text says why, for the log. The transcript goes out without speakers."""


class TritonDiarizer:
    """Sends chunks to the fleet's Tritons."""

    def __init__(self, fleet: Fleet, chunk_seconds: float) -> None:
        self._fleet = fleet
        self._chunk_seconds = chunk_seconds

    async def turns(self, pcm: Pcm, speakers: int = 0) -> tuple[Turn, ...]:
        """Turns of "Speaker 1", … in order; () where nobody speaks. Cancelling this cancels the work in Triton.

        pcm: int16 (n,), 16 kHz mono, of any length (memory-mapped); speakers: how many there are, 0: find out
        raises: DiarizationFailed
        """
        if len(pcm) == 0:
            return ()
        places = asyncio.Semaphore(IN_FLIGHT)
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [
                    group.create_task(self._describe(pcm[start:end], places)) for start, end in chunk_bounds(len(pcm))
                ]
        except ExceptionGroup as group_of_failures:
            failed, others = group_of_failures.split(DiarizationFailed)
            if failed is None or others is not None:
                raise
            raise DiarizationFailed(str(failed.exceptions[0])) from failed
        heard = join([task.result() for task in tasks])
        return await asyncio.to_thread(find_turns, heard, len(pcm) / SAMPLE_RATE, speakers)

    async def _describe(self, pcm: Pcm, places: asyncio.Semaphore) -> LocalSpeech:
        async with places:
            for attempt in range(1, TRIES + 1):
                server = await self._server()
                try:
                    outputs = await server.infer(MODEL, {AUDIO: pcm[np.newaxis]}, self._chunk_seconds)
                    return read_chunk(outputs)
                except TritonFailure as failure:
                    _log.warning("a chunk failed: %s", failure, extra={"triton": server.url, "model": MODEL})
                    if attempt == TRIES or failure.code is grpc.StatusCode.DEADLINE_EXCEEDED:
                        raise DiarizationFailed(str(failure)) from failure
                    if failure.away:
                        self._fleet.exclude(server, MODEL, failure)
        raise AssertionError("unreachable")

    async def _server(self) -> TritonServer:
        try:
            return await self._fleet.server_for(MODEL, PATIENCE)
        except TimeoutError:
            raise DiarizationFailed("no Triton has a diarizer that answers") from None


def read_chunk(outputs: Mapping[str, bytes]) -> LocalSpeech:
    """raises: DiarizationFailed if the answer is none"""
    try:
        return LocalSpeech(
            activity=np.frombuffer(outputs[ACTIVITY.name], np.uint8).reshape(-1, FRAMES),
            pieces=np.frombuffer(outputs[PIECES.name], np.int32).reshape(-1, 5),
            vectors=np.frombuffer(outputs[VOICES.name], np.float16).reshape(-1, VECTOR).astype(np.float32),
        )
    except (KeyError, ValueError) as problem:
        raise DiarizationFailed(f"the diarizer's answer cannot be read: {problem}") from problem
