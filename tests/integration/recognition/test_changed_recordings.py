"""Recordings as they come, quiet, loud, fast, far away: whatever is said is heard once, or the answer tells it.

The long profile, over the development recordings: `python -m benchmarks perturbations`.
"""

from __future__ import annotations

import json

import pytest

from benchmarks.sound_changes import SOUND_CHANGES, one_after_another
from benchmarks.text_faults import find_faults
from tests.integration.recognition.conftest import Hear
from tests.recordings import DATA, read_pcm

REFERENCES = {
    line["id"]: line["text"] for line in map(json.loads, (DATA / "manifest.jsonl").read_text("utf-8").splitlines())
}
CLIPS = {name: read_pcm(DATA / f"{name}.flac") for name in ("dashwood", "rather-selfish")}


@pytest.mark.parametrize("change", SOUND_CHANGES)
async def test_a_changed_recording_loses_and_gains_no_words_untold(hear: Hear, change: str) -> None:
    for name, pcm in CLIPS.items():
        transcript = await hear(SOUND_CHANGES[change](pcm), language="en")

        faults = find_faults(REFERENCES[name], transcript.text)
        assert not faults or transcript.warnings or transcript.coverage.gaps, (name, faults, transcript.text)


async def test_of_two_speakers_close_to_each_other_both_are_heard(hear: Hear) -> None:
    transcript = await hear(one_after_another(list(CLIPS.values()), pause=0.2), language="en")

    assert not find_faults(" ".join(REFERENCES[name] for name in CLIPS), transcript.text)
