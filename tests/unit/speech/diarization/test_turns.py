from __future__ import annotations

import numpy as np
import pytest

from speech.diarization.turns import find_turns
from speech.diarization.windows import FRAMES, LocalSpeech
from speech.transcript import Turn
from tests.unit.speech.diarization.synthetic_speech import conversation


def spoken(turns: tuple[Turn, ...], time: float) -> set[str]:
    return {turn.speaker for turn in turns if turn.start <= time < turn.end}


def test_two_people_who_take_turns_are_told_apart_and_named_in_order() -> None:
    turns = find_turns(conversation([(0, 6, 7), (6.5, 12, 3), (12.5, 18, 7)]), 18.0)

    assert [spoken(turns, time) for time in (3, 9, 15)] == [{"Speaker 1"}, {"Speaker 2"}, {"Speaker 1"}]


def test_somebody_who_speaks_once_is_kept() -> None:
    speech = conversation([(0, 30, 0), (30.5, 32.5, 1), (33, 60, 0)])

    turns = find_turns(speech, 60.0)

    assert spoken(turns, 31.5) == {"Speaker 2"}
    assert {turn.speaker for turn in turns} == {"Speaker 1", "Speaker 2"}


def test_a_local_track_that_holds_two_people_is_split() -> None:
    turns = find_turns(conversation([(0, 4, 0), (4.2, 8, 1), (8.2, 12, 0), (12.2, 16, 1)], mixed=True), 16.0)

    assert spoken(turns, 2) != spoken(turns, 6)
    assert spoken(turns, 2) == spoken(turns, 10)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_given_count_is_kept_to(count: int) -> None:
    speech = conversation([(0, 6, 0), (6.5, 12, 1), (12.5, 18, 2), (18.5, 25, 0)])

    assert len({turn.speaker for turn in find_turns(speech, 25.0, count)}) == count


def test_more_speakers_than_there_are_is_no_error() -> None:
    turns = find_turns(conversation([(0, 6, 0), (6.5, 12, 1)]), 12.0, count=20)

    assert 2 <= len({turn.speaker for turn in turns}) <= 20


def test_a_recording_of_many_blocks_keeps_people_apart_across_them() -> None:
    people = [(10.0 * i, 10.0 * i + 9, i % 3) for i in range(140)]

    turns = find_turns(conversation(people), 1400.0)

    assert {turn.speaker for turn in turns} == {"Speaker 1", "Speaker 2", "Speaker 3"}
    assert spoken(turns, 5) == spoken(turns, 35) == spoken(turns, 1385)


def test_silence_has_no_turns() -> None:
    nothing = LocalSpeech(np.zeros((2, FRAMES), np.uint8), np.zeros((0, 5), np.int32), np.zeros((0, 192), np.float32))

    assert find_turns(nothing, 12.0) == ()


def test_no_turn_ends_after_the_recording() -> None:
    assert all(turn.end <= 11.9 for turn in find_turns(conversation([(0, 6, 0), (6.5, 12, 1)]), 11.9))
