"""Who speaks in a live session: from the service's diarizer to the last message."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from gateway.api.stream import FinalMessage
from gateway.services import Services
from gateway.streaming.live_speakers import ChunkDiarizer, LiveSpeakers
from gateway.transcript.rendering import fields
from gateway.transcript.segments import segment
from gateway.transcript.speakers import with_speakers
from speech.transcript import Transcript, Word


def open_speakers(services: Services) -> LiveSpeakers | None:
    """None where the service has no diarizer that hears in chunks."""
    diarizer = services.recognizer.diarizer
    return LiveSpeakers(diarizer, services.recognizer.timeout) if isinstance(diarizer, ChunkDiarizer) else None


async def tell_speakers(last: FinalMessage, words: Sequence[Word], speakers: LiveSpeakers, start: float) -> None:
    """Adds the words in pieces, with the speakers that the whole session tells apart.

    start: seconds of the words' time at which the speakers' sound begins
    """
    turns = await speakers.finish()
    plain = [replace(word, speaker=None) for word in words]
    transcript = Transcript(segment(plain, last["language"]), last["language"], last["duration"])
    if isinstance(turns, str):
        last["warnings"].append(turns)
    elif words:
        shifted = [replace(turn, start=turn.start + start, end=turn.end + start) for turn in turns]
        transcript = await asyncio.to_thread(with_speakers, transcript, shifted)
    told = fields(transcript)
    last["segments"], last["speakers"] = told["segments"], told["speakers"]
