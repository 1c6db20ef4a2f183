from __future__ import annotations

from benchmarks.long_summary import PLANTED, joined
from benchmarks.long_talk import long_talk
from benchmarks.summary_facts import read_meetings


def test_the_meetings_lie_at_the_beginning_in_the_middle_and_at_the_end() -> None:
    text = long_talk(["First one.", "Second one.", "Third one."], words=3000)

    assert text.startswith("First one.\n")
    assert abs(text.index("\nSecond one.\n") - len(text) / 2) < len(text) / 20
    assert text.endswith("\nThird one.")
    assert 3000 <= len(text.split()) < 3200


def test_every_run_has_the_same_text() -> None:
    assert long_talk(["A.", "B."], words=500) == long_talk(["A.", "B."], words=500)


def test_the_talk_between_has_no_facts_of_the_meetings() -> None:
    planted = [meeting for meeting in read_meetings() if meeting.name in PLANTED]
    whole = joined(planted, words=20_000)
    between = whole.transcript
    for meeting in planted:
        between = between.replace(meeting.transcript, "")

    for fact in whole.facts:
        assert not all(any(word.lower() in between.lower() for word in group) for group in fact.needs[:2]), fact.says
