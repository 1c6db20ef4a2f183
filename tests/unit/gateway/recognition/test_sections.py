from collections.abc import Sequence
from dataclasses import replace

import pytest

from gateway.recognition.recognizer import Recognizer
from gateway.recognition.request import RecognitionRequest
from gateway.recognition.sections import SectionedRecognizer
from speech.audio import Pcm
from speech.transcript import Segment, Transcript, WindowResult
from tests.unit.gateway.recognition.test_recognizer import REQUEST, Listener, recording

STRETCHES = [(float(at), at + 25.0) for at in range(0, 180, 30)]  # six windows: the first section has one


async def in_sections(listener: Listener, warnings: tuple[str, ...] = ()) -> tuple[Transcript, list[Segment]]:
    """The transcript at the end, and the segments as they were told."""
    told: list[Segment] = []

    async def on_segments(segments: Sequence[Segment], language: str) -> None:
        told.extend(segments)

    whole = replace(recording(*STRETCHES, seconds=180), warnings=warnings)
    sectioned = SectionedRecognizer(Recognizer(listener), on_segments)
    return await sectioned.transcribe(whole, REQUEST, lambda decoded, planned: None), told


async def test_every_section_tells_times_of_the_whole_recording() -> None:
    transcript, told = await in_sections(Listener())
    words = [word for piece in told for word in piece.words]

    assert len(words) > 100
    assert all(abs(int(word.text[1:]) - word.start) < 1 for word in words)
    assert transcript.segments == tuple(told)


async def test_what_is_lost_in_a_later_section_is_told_at_its_time() -> None:
    class DeafLater(Listener):
        async def __call__(self, pcm: Pcm, request: RecognitionRequest) -> WindowResult:
            heard = await super().__call__(pcm, request)
            return replace(heard, words=(), text="") if 1190 <= int(pcm[0]) < 1460 else heard

    transcript, _told = await in_sections(DeafLater(), ("The second half is damaged.",))

    damaged, lost = transcript.warnings
    assert damaged == "The second half is damaged."
    assert "from 120.0 s to 145.0 s could not be turned into words" in lost
    (gap,) = transcript.coverage.gaps
    assert (gap.start, gap.end) == pytest.approx((120, 145), abs=0.1)


async def test_what_every_section_doubts_is_told_once() -> None:
    listener = Listener()
    listener.certainty = 0.3
    transcript, _told = await in_sections(listener)

    assert [warning for warning in transcript.warnings if "guess" in warning] == list(transcript.warnings)
    assert len(transcript.warnings) == 1
