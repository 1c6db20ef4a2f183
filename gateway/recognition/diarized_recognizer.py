"""Recognition and diarization of one recording at the same time. A failed diarizer costs only the speakers."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any, Protocol

from gateway.media.recording import Recording
from gateway.recognition.diarizer import DiarizationFailed
from gateway.recognition.request import RecognitionRequest
from gateway.recognition.windows import OnProgress, ignore
from gateway.transcript.speakers import with_speakers
from speech.audio import Pcm
from speech.transcript import Transcript, Turn

FAILED = "The speakers could not be told apart; the transcript names none."
TOO_SLOW = "Telling the speakers apart took too long; the transcript names none."
NOT_DEPLOYED = "This service tells no speakers apart; the transcript names none."

_log = logging.getLogger(__name__)


class RecordingRecognizer(Protocol):
    """A Recognizer, or one that tells what it has while it works."""

    async def transcribe(
        self, recording: Recording, request: RecognitionRequest, on_progress: OnProgress
    ) -> Transcript: ...


class Diarizer(Protocol):
    """The model in Triton, or pyannote.audio's own pipeline."""

    async def turns(self, pcm: Pcm, speakers: int = 0, on_progress: OnProgress = ignore) -> tuple[Turn, ...]:
        """Turns of "Speaker 1", …; raises DiarizationFailed. Cancelling this cancels the work."""


class DiarizationProgress(Protocol):
    """Hears how far the speakers are."""

    def diarized(self, pieces: float, of: float) -> None: ...

    def diarizing(self) -> None:
        """From now on only the speakers are missing."""


@dataclass(frozen=True, slots=True)
class DiarizationTimeout:
    """How long a finished transcript waits for its speakers."""

    seconds: float = 60.0
    share: float = 0.25  # of the recording's length, on top

    def of(self, duration: float) -> float:
        """Seconds, for a recording of `duration` seconds."""
        return self.seconds + self.share * duration


@dataclass(frozen=True, slots=True)
class DiarizedRecognizer:
    """A Recognizer whose words have speakers, where the request asks for them."""

    recognizer: RecordingRecognizer
    diarizer: Diarizer | None  # None: not deployed
    timeout: DiarizationTimeout = DiarizationTimeout()

    async def transcribe(
        self,
        recording: Recording,
        request: RecognitionRequest,
        on_progress: OnProgress,
        diarization_progress: DiarizationProgress | None = None,
    ) -> Transcript:
        """Cancelling this cancels both."""
        if not request.diarize:
            return await self.recognizer.transcribe(recording, request, on_progress)
        if self.diarizer is None:
            transcript = await self.recognizer.transcribe(recording, request, on_progress)
            return _warned(transcript, NOT_DEPLOYED) if transcript.segments else transcript
        on_diarized = diarization_progress.diarized if diarization_progress else ignore
        turns_found = self.diarizer.turns(recording.pcm, request.speakers, on_diarized)
        async with _diarizing(turns_found) as diarization:
            transcript = await self.recognizer.transcribe(recording, request, on_progress)
            if not transcript.segments:
                return transcript
            if diarization_progress is not None:
                diarization_progress.diarizing()
            turns = await self._turns(diarization, recording.duration)
        if isinstance(turns, str):
            return _warned(transcript, turns)
        return await asyncio.to_thread(with_speakers, transcript, turns)

    async def _turns(self, diarization: asyncio.Task[tuple[Turn, ...]], duration: float) -> tuple[Turn, ...] | str:
        """The turns, or the warning that goes out in their place. duration: seconds of the recording"""
        try:
            async with asyncio.timeout(self.timeout.of(duration)):
                return await diarization
        except TimeoutError:
            return TOO_SLOW
        except DiarizationFailed as failure:
            _log.warning("diarization failed: %s", failure)
        except Exception:
            _log.exception("diarization failed")
        return FAILED


@asynccontextmanager
async def _diarizing(turns: Coroutine[Any, Any, tuple[Turn, ...]]) -> AsyncIterator[asyncio.Task[tuple[Turn, ...]]]:
    """The diarization as a task; it has ended when the block has, since the recording is closed then."""
    diarization = asyncio.create_task(turns)
    try:
        yield diarization
    finally:
        diarization.cancel()
        await asyncio.wait([diarization])
        if not diarization.cancelled():
            diarization.exception()  # retrieved, so that asyncio does not report it


def _warned(transcript: Transcript, warning: str) -> Transcript:
    return replace(transcript, warnings=(*transcript.warnings, warning))
