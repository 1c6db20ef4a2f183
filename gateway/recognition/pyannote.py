"""pyannote.audio's own pipeline as the diarizer: a process in an environment of its own, behind the same interface.

The process (speech/diarization/pyannote_worker.py) is started with the first recording, processes one at a time,
and is restarted after it failed or a request was cancelled while it worked.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.processes.child import launch, terminate
from gateway.recognition.diarizer import DiarizationFailed
from gateway.recognition.windows import OnProgress, ignore
from speech.audio import Pcm
from speech.diarization import pyannote_worker_path
from speech.diarization.turns import name_turns
from speech.transcript import Turn

BLOCK = 16_000 * 60  # samples written at once
START_SECONDS = 180.0  # its imports alone take half a minute
ANSWER_BYTES = 64 * 1024**2  # the longest line of turns


@dataclass(frozen=True, slots=True)
class PyannoteConfig:
    python: Path  # interpreter of the environment that has pyannote.audio
    weights: Path  # folder: its own pipeline's, or from `python -m export diarizer --pyannote`
    folder: Path | None = None  # for the samples of a recording in work; None: the system's for temporary files


class PyannoteDiarizer:
    def __init__(self, config: PyannoteConfig) -> None:
        self._config = config
        self._process: asyncio.subprocess.Process | None = None
        self._lock = asyncio.Lock()

    async def turns(self, pcm: Pcm, speakers: int = 0, on_progress: OnProgress = ignore) -> tuple[Turn, ...]:
        """As TritonDiarizer's, except that nobody knows how far it is. raises: DiarizationFailed"""
        if len(pcm) == 0:
            return ()
        with tempfile.NamedTemporaryFile(suffix=".pcm", dir=self._config.folder) as file:
            await asyncio.to_thread(_write, pcm, Path(file.name))
            async with self._lock:
                answer = await self._request({"pcm": file.name, "speakers": speakers})
        if "error" in answer:
            raise DiarizationFailed(f"pyannote.audio: {answer['error']}")
        numbers: dict[str, int] = {}
        found = sorted((start, end, numbers.setdefault(name, len(numbers))) for start, end, name in answer["turns"])
        return name_turns(found)

    async def close(self) -> None:
        if self._process is not None:
            await terminate(self._process, 0)
        self._process = None

    async def _request(self, request: dict[str, Any]) -> dict[str, Any]:
        responded = False
        try:
            process = await self._running()
            assert process.stdin is not None
            process.stdin.write(json.dumps(request).encode() + b"\n")
            await process.stdin.drain()
            answer = await self._read(process)
            responded = True
            return answer
        except (OSError, ValueError, TimeoutError) as problem:
            raise DiarizationFailed(f"pyannote.audio's process failed: {problem}") from problem
        finally:
            if not responded:  # cancelled or broken: its next line would belong to this request
                await self.close()

    async def _running(self) -> asyncio.subprocess.Process:
        if self._process is None or self._process.returncode is not None:
            self._process = await launch(
                *(self._config.python, pyannote_worker_path(), self._config.weights),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                limit=ANSWER_BYTES,
            )
            async with asyncio.timeout(START_SECONDS):
                await self._read(self._process)
        return self._process

    async def _read(self, process: asyncio.subprocess.Process) -> dict[str, Any]:
        assert process.stdout is not None
        line = await process.stdout.readline()
        if not line:
            raise OSError(f"it ended with exit code {await process.wait()}")
        answer: dict[str, Any] = json.loads(line)
        return answer


def _write(pcm: Pcm, path: Path) -> None:
    with path.open("wb") as file:
        for start in range(0, len(pcm), BLOCK):
            file.write(pcm[start : start + BLOCK].tobytes())
