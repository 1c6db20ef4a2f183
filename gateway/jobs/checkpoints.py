"""What the models say of a job's recording, kept as it comes: whoever goes on asks only for what is missing.

An answer is found again by what was asked: the samples, and the options that change what is heard in them.
"""

from __future__ import annotations

import asyncio
import hashlib
import io
import zipfile
from dataclasses import dataclass, field, replace

import numpy as np

from gateway.concurrency import to_its_end
from gateway.jobs.job import Job, JobText
from gateway.jobs.store import JobStore
from gateway.recognition.diarizer import TritonDiarizer
from gateway.recognition.request import RecognitionRequest
from gateway.recognition.windows import RecognizeWindow, WindowTranscript
from gateway.transcript.text import join
from speech.audio import SAMPLE_RATE, Pcm
from speech.diarization.windows import LocalSpeech
from speech.tensors import read_result, write_result
from speech.transcript import WindowResult

CHARGED = "charged"  # among the digests: seconds of sound that the job costs


@dataclass(slots=True)
class Checkpoints:
    """Of one job's attempt. What is new is gathered here until `write`."""

    store: JobStore
    job: Job
    known: dict[str, bytes]  # by digest, from earlier attempts
    progress: float = 0.0
    _told: int = 0  # texts that the store has
    _new: dict[str, bytes] = field(default_factory=dict)
    _said: list[JobText] = field(default_factory=list)
    _number: int = 0  # of the next text
    _writing: asyncio.Lock = field(default_factory=asyncio.Lock)

    @classmethod
    async def open(cls, store: JobStore, job: Job) -> Checkpoints:
        told = await store.texts(job.id)
        return cls(store, job, await store.windows(job.id), job.progress, len(told))

    def keep(self, digest: str, result: bytes) -> None:
        self._new[digest] = result

    @property
    def charged(self) -> float | None:
        """Seconds of sound, where an earlier attempt has decoded it."""
        kept = self.known.get(CHARGED)
        return None if kept is None else float(kept)

    def keep_charged(self, seconds: float) -> None:
        self.keep(CHARGED, repr(seconds).encode())

    def say(self, window: WindowTranscript) -> None:
        """In order of time; what an earlier attempt has told is not told again."""
        if not window.is_speech or not window.words:
            return
        if self._number >= self._told:
            begins, ends = window.window.start / SAMPLE_RATE, window.window.end / SAMPLE_RATE
            self._said.append(JobText(self._number, begins, ends, join(window.words, window.language)))
        self._number += 1

    def recognized(self, seconds: float, of: float) -> None:
        """More may be planned later: progress never goes back, and is whole only at the end."""
        if of > 0:
            self.progress = max(self.progress, min(0.99, seconds / of))

    async def write(self) -> None:
        """raises: AttemptEnded; Unavailable, and the next one writes what this one had"""
        async with self._writing:
            new, said = dict(self._new), list(self._said)
            await to_its_end(self.store.checkpoint(self.job, round(self.progress, 4), new, said))
            self._new = {digest: result for digest, result in self._new.items() if digest not in new}
            self._said = self._said[len(said) :]
            self.known |= new


@dataclass(frozen=True, slots=True)
class CheckpointedWhisper:
    recognize: RecognizeWindow
    checkpoints: Checkpoints

    async def __call__(self, pcm: Pcm, request: RecognitionRequest) -> WindowResult:
        digest = await asyncio.to_thread(_digest, pcm, repr(replace(request, caller="")))
        if (kept := self.checkpoints.known.get(digest)) is not None:
            return read_result(kept)
        result = await self.recognize(pcm, request)
        self.checkpoints.keep(digest, write_result(result))
        return result


class CheckpointedDiarizer(TritonDiarizer):
    def __init__(self, diarizer: TritonDiarizer, checkpoints: Checkpoints) -> None:
        self._diarizer = diarizer
        self._checkpoints = checkpoints

    async def _infer_chunk(self, pcm: Pcm, in_flight: asyncio.Semaphore) -> LocalSpeech:
        digest = await asyncio.to_thread(_digest, pcm, "speakers")
        if (kept := self._checkpoints.known.get(digest)) is not None:
            return unpack_chunk(kept)
        found = await self._diarizer._infer_chunk(pcm, in_flight)
        self._checkpoints.keep(digest, pack_chunk(found))
        return found


def pack_chunk(chunk: LocalSpeech) -> bytes:
    file = io.BytesIO()
    np.savez(file, activity=chunk.activity, pieces=chunk.pieces, vectors=chunk.vectors)
    return file.getvalue()


def unpack_chunk(content: bytes) -> LocalSpeech:
    """The inverse. Raises ValueError."""
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            return LocalSpeech(arrays["activity"], arrays["pieces"], arrays["vectors"])
    except (KeyError, zipfile.BadZipFile) as problem:
        raise ValueError("not a chunk") from problem


def _digest(pcm: Pcm, asked: str) -> str:
    digest = hashlib.blake2b(np.ascontiguousarray(pcm).data, digest_size=32)
    digest.update(asked.encode())
    return digest.hexdigest()
