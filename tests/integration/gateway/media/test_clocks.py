"""Clocks that begin late, pause or jump, joined files, changes in the middle, headers that lie: docs/media.md."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.media.decoding import MediaDecoder
from speech.activity import VoiceActivity
from tests.media_clocks import MediaCase, cases, likeness

ALIKE = 0.85  # of the loudness over time: half a second out of place gives less than 0.6


@pytest.fixture(scope="module")
def activity() -> VoiceActivity:
    return VoiceActivity()


@pytest.mark.parametrize("case", cases(), ids=lambda case: case.name)
async def test_what_is_out_of_the_ordinary_is_whole_and_in_its_place(
    activity: VoiceActivity, tmp_path: Path, case: MediaCase
) -> None:
    decoder = MediaDecoder(tmp_path, activity=activity)

    with await decoder.decode(case.make(tmp_path)) as recording:
        assert recording.duration == pytest.approx(case.seconds, abs=0.2)
        assert likeness(recording.pcm, case) > ALIKE
        assert len(recording.warnings) == bool(case.told)
        assert case.told in "".join(recording.warnings)
