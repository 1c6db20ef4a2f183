from __future__ import annotations

import pytest

from benchmarks.everyday_texts import (
    HALVES,
    EverydayScore,
    EverydayText,
    ExpectedTask,
    read_texts,
    score_brief,
    score_items,
)

TEXT = EverydayText(
    name="test",
    language="en",
    text="We decided to keep nine euros. Priya fixes the refunds by Friday.",
    tasks=(ExpectedTask("Priya", ("refunds",), "Friday"),),
    decisions=(("nine", "euros"),),
)


@pytest.mark.parametrize(
    ("line", "found", "right"),
    [
        ("- Priya: fix the refunds (by Friday)", 1, 1),
        ("- Lena: fix the refunds (by Friday)", 1, 0),
        ("- Priya: fix the refunds (tomorrow)", 1, 0),
        ("- Priya: order new chairs", 0, 0),
        ("none", 0, 0),
    ],
)
def test_a_task_is_right_with_its_owner_and_its_date(line: str, found: int, right: int) -> None:
    score = EverydayScore()
    score_items(TEXT, line, score)
    assert (score.tasks_found, score.tasks_right) == (found, right)


@pytest.mark.parametrize(
    ("summary", "invented", "kept"),
    [("We keep nine euros.", 0, 1), ("The letter was turned down.", 1, 0), ("Priya fixes the refunds.", 0, 0)],
)
def test_what_was_not_said_is_counted(summary: str, invented: int, kept: int) -> None:
    score = EverydayScore()
    score_brief(TEXT, summary, score)
    assert (score.invented, score.decisions_kept) == (invented, kept)


@pytest.mark.parametrize("half", HALVES)
def test_the_texts_hold_their_own_tasks(half: str) -> None:
    for text in read_texts(half):
        for task in text.tasks:
            assert task.owner in text.text, text.name
            assert task.due.casefold() in text.text.casefold(), text.name


def test_no_text_is_in_both_halves() -> None:
    development, held_out = ({text.name for text in read_texts(half)} for half in HALVES)
    assert not development & held_out
    assert len(development | held_out) >= 54
