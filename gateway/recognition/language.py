"""Which language is spoken in a recording, from its first windows of speech."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from dataclasses import replace

from gateway.media.recording import Recording
from gateway.recognition.request import RecognitionRequest
from gateway.recognition.windows import RecognizeWindow, is_speech
from speech.activity import regions
from speech.audio import SAMPLE_RATE
from speech.windows import plan

WINDOWS = 3  # that are heard
LONGEST = 90.0  # seconds that they have together at most


async def detect_language(
    recognize: RecognizeWindow, recording: Recording, request: RecognitionRequest
) -> tuple[str, float] | None:
    """Code and probability; None where nobody speaks."""
    windows = await asyncio.to_thread(plan, regions(recording.speech), recording.speech, recording.pcm)
    votes: defaultdict[str, float] = defaultdict(float)
    heard = 0.0  # seconds
    for window in windows[:WINDOWS]:
        result = await recognize(recording.pcm[window.start : window.end], replace(request, language=None))
        if result.words and is_speech(result):
            seconds = (window.end - window.start) / SAMPLE_RATE
            heard += seconds
            votes[result.language] += result.language_probability * seconds
    if not votes:
        return None
    best = max(votes, key=lambda code: votes[code])
    return best, votes[best] / heard
