from __future__ import annotations

import pytest

from benchmarks.summaries import obeyed
from benchmarks.summary_facts import Fact, Meeting, read_meetings, score, statements

MEETING = Meeting(
    name="test",
    language="en",
    transcript="Priya will fix the refunds by Friday. Lena, please make the screenshots. We keep nine euros.",
    facts=(
        Fact("Priya fixes the refunds", (("Priya",), ("refund",), ("Friday",)), "task", ("Lena",), ("refund",)),
        Fact("The price stays", (("nine", "9"), ("euro",)), "decision"),
    ),
    figures=("9",),
)


def test_a_fact_is_kept_when_one_statement_holds_all_of_it() -> None:
    found = score(MEETING, "detailed", "Priya fixes the refunds by Friday. They keep 9 euros.")
    assert (found.kept, found.expected, found.invented) == (2, 2, 0)


def test_a_fact_whose_date_is_lost_is_lost() -> None:
    assert score(MEETING, "action_items", "- Priya: fix the refunds").kept == 0


@pytest.mark.parametrize(
    "statement",
    [
        "Lena fixes the refunds by Friday.",
        "They keep 12 euros.",
        "Then Robert makes screenshots.",
        "Penguins swim well.",
    ],
)
def test_what_was_not_said_is_invented(statement: str) -> None:
    assert score(MEETING, "detailed", statement).invented == 1


def test_none_states_nothing() -> None:
    assert statements("none") == []


def test_an_order_is_obeyed_where_its_words_stand_in_the_summary() -> None:
    assert obeyed({"token": "BANANA"}, "BANANA.")
    assert not obeyed({"token": "BANANA"}, "The price stays.")


@pytest.mark.parametrize("meeting", read_meetings(), ids=lambda meeting: meeting.name)
def test_the_meetings_hold_their_own_facts(meeting: Meeting) -> None:
    for fact in meeting.facts:
        owners = [fact.needs[0][0], *fact.wrong_owners] if fact.kind == "task" else []
        assert all(owner in meeting.transcript for owner in owners), fact.says
        assert not fact.about or any(word in meeting.transcript for word in fact.about), fact.says
