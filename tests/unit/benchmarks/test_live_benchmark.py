"""How recordings are shared out between live sessions, and what is read from what they showed."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.live_load import Filed, LiveLoad
from benchmarks.live_recordings import PART, grouped
from benchmarks.long_session import memory_rows
from benchmarks.playback import Played, ShownWord
from benchmarks.recordings import CorpusRecording
from benchmarks.streaming import TAIL, parse, shared_out


def recording(name: str, duration: float = 2.0) -> CorpusRecording:
    return CorpusRecording(name, Path(name), "A-read", "en", "the cat sat", duration)


def test_shares_are_of_about_one_length_and_hold_everything_once() -> None:
    recordings = [recording(str(at), float(length)) for at, length in enumerate([30, 1, 2, 3, 4, 5, 6, 7, 2])]

    shares = shared_out(recordings, 2)

    assert sorted(each.id for share in shares for each in share) == [str(at) for at in range(9)]
    one, other = (sum(each.duration + TAIL for each in share) for share in shares)
    assert abs(one - other) < 9


def test_a_long_recording_is_cut_where_nobody_speaks() -> None:
    spans = [(0, 15), (14, 30), (29, 31), (32, 40), (41, 60), (61, 62)]
    segments = [{"start": start, "end": end, "text": "a"} for start, end in spans]

    groups = grouped(segments)

    assert [len(group) for group in groups] == [3, 2, 1]
    assert all(float(str(group[-1]["end"])) - float(str(group[0]["start"])) >= PART for group in groups[:-1])


def test_a_level_says_how_many_recordings_it_plays() -> None:
    assert parse(["--levels", "1:40", "16:7"]).levels == [(1, 40), (16, 7)]
    assert [sessions for sessions, _ in parse([]).levels] == [1, 4, 8, 12, 16]


def test_an_end_is_early_where_it_is_sooner_than_by_silence_alone() -> None:
    words = [ShownWord("the", 0.2, 0.5, 0.9), ShownWord("cat", 0.5, 0.8, 1.3), ShownWord("sat", 0.9, 1.2, 1.3)]
    early = Played(recording("a"), words, first_partial=0.5, text="the cat sat", turn_ends=[3], tail=1.5)
    late = Played(recording("b"), words[:1], first_partial=0.5, text="the", turn_ends=[1], tail=1.5)
    load = LiveLoad("us", 1, [early, late], {"a": Filed("the cat sat", 0.1, 1.0), "b": Filed("the cat", 0.1, 0.1)})

    assert load.turn_lags == pytest.approx([0.3, 0.8])
    assert load.early == 50.0
    assert load.first_lags == pytest.approx([0.4, 0.4])
    assert (load.said, load.held) == (6, True)


def test_memory_is_told_by_how_much_of_the_sound_was_final() -> None:
    samples = [{"stt": float(size)} for size in (10, 12, 11, 15, 14)]
    heard = [(10.0, 101.0), (60.0, 103.0), (100.0, 104.0)]

    rows = memory_rows(samples, heard, 100.0, began=100.0)

    assert rows == [{"stt": 12.0}, {}, {"stt": 15.0}, {"stt": 14.0}]
