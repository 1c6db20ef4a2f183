"""Names and words of a stored transcript are changed, and nothing else."""

from __future__ import annotations

import pytest

from gateway.errors import BadParameter
from gateway.jobs.job import JobTranscript
from gateway.jobs.revision import revised
from gateway.transcript.rendering import fields
from speech.transcript import Segment, Transcript, Word


def _stored() -> JobTranscript:
    first = (Word("Good", 0.0, 0.4, 0.9, "Speaker 1"), Word("mourning.", 0.5, 1.0, 0.4, "Speaker 1"))
    second = (Word("Hm.", 2.0, 2.2, 0.3, "Speaker 2"),)
    segments = (Segment(first, "Good mourning.", "Speaker 1"), Segment(second, "Hm.", "Speaker 2"))
    transcript = Transcript(segments, "en", 3.0, ("Speaker 1", "Speaker 2"), text="Good mourning. Hm.")
    return {**fields(transcript, "base"), "speaker_vectors": {"Speaker 1": "voice1.a"}}


def test_a_speaker_gets_a_name_everywhere() -> None:
    changed = revised(_stored(), {"Speaker 1": "Ann"}, {})

    assert changed["speakers"] == ["Ann", "Speaker 2"]
    assert [piece["speaker"] for piece in changed["segments"]] == ["Ann", "Speaker 2"]
    assert changed["speaker_vectors"] == {"Ann": "voice1.a"}
    assert changed["text"] == "Good mourning. Hm."


def test_a_corrected_word_keeps_its_times_and_is_certain() -> None:
    changed = revised(_stored(), {}, {(0, 1): "morning."})

    word = changed["segments"][0]["words"][1]
    assert (word["word"], word["start"], word["end"], word["confidence"]) == ("morning.", 0.5, 1.0, 1.0)
    assert changed["segments"][0]["text"] == "Good morning."
    assert changed["text"] == "Good morning. Hm."


def test_an_empty_word_is_removed_and_so_is_a_segment_without_words() -> None:
    changed = revised(_stored(), {}, {(1, 0): ""})

    assert len(changed["segments"]) == 1
    assert changed["text"] == "Good mourning."


@pytest.mark.parametrize(
    ("names", "corrections", "told"),
    [
        ({"Speaker 3": "Ben"}, {}, "accepted are Speaker 1, Speaker 2"),
        ({}, {(0, 2): "x"}, "word 2 of segment 0"),
        ({}, {(2, 0): "x"}, "word 0 of segment 2"),
    ],
)
def test_what_is_not_there_cannot_be_changed(
    names: dict[str, str], corrections: dict[tuple[int, int], str], told: str
) -> None:
    with pytest.raises(BadParameter, match=told):
        revised(_stored(), names, corrections)
