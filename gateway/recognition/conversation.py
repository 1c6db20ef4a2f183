"""Words and speakers of one recording at the same time. What goes wrong with the speakers costs only them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Protocol

from gateway.media.recording import Recording
from gateway.recognition.diarizer import DiarizationFailed
from gateway.recognition.recognizer import Recognizer, TranscribeOptions
from gateway.recognition.windows import Progress
from gateway.transcript.speakers import with_speakers
from speech.audio import Pcm
from speech.transcript import Transcript, Turn

FAILED = "The speakers could not be told apart; the transcript names none."
TOO_SLOW = "Telling the speakers apart took too long; the transcript names none."
NOT_DEPLOYED = "This service tells no speakers apart; the transcript names none."

_log = logging.getLogger(__name__)


class Diarizer(Protocol):
    """The model in Triton, or pyannote.audio's own pipeline."""

    async def turns(self, pcm: Pcm, speakers: int = 0) -> tuple[Turn, ...]:
        """Turns of "Speaker 1", …; raises DiarizationFailed. Cancelling this ends the work."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long finished words wait for their speakers."""

    seconds: float = 60.0
    share: float = 0.25  # of the recording's length, on top


@dataclass(frozen=True, slots=True)
class Conversation:
    """`transcribe` is the recognizer's, with a speaker at every word."""

    recognizer: Recognizer
    diarizer: Diarizer | None  # None: not deployed
    patience: Patience = Patience()

    async def transcribe(
        self, recording: Recording, options: TranscribeOptions, progress: Progress, speakers: int = 0
    ) -> Transcript:
        """Cancelling this cancels both. speakers: how many there are, 0: find out"""
        if self.diarizer is None:
            transcript = await self.recognizer.transcribe(recording, options, progress)
            return _warned(transcript, NOT_DEPLOYED) if transcript.segments else transcript
        async with _beside(self.diarizer, recording, speakers) as listening:
            transcript = await self.recognizer.transcribe(recording, options, progress)
            if not transcript.segments:
                return transcript
            try:
                async with asyncio.timeout(self.patience.seconds + self.patience.share * recording.duration):
                    turns = await listening
            except TimeoutError:
                return _warned(transcript, TOO_SLOW)
            except DiarizationFailed as failure:
                _log.warning("no speakers: %s", failure)
                return _warned(transcript, FAILED)
            except Exception:
                _log.exception("no speakers")
                return _warned(transcript, FAILED)
        return await asyncio.to_thread(with_speakers, transcript, turns)


@asynccontextmanager
async def _beside(
    diarizer: Diarizer, recording: Recording, speakers: int
) -> AsyncIterator[asyncio.Task[tuple[Turn, ...]]]:
    """The diarization as a task; it has ended when the context has, since the recording is closed then."""
    listening = asyncio.create_task(diarizer.turns(recording.pcm, speakers))
    try:
        yield listening
    finally:
        listening.cancel()
        await asyncio.wait([listening])
        if not listening.cancelled():
            listening.exception()  # looked at, so that asyncio does not report it


def _warned(transcript: Transcript, warning: str) -> Transcript:
    return replace(transcript, warnings=(*transcript.warnings, warning))
