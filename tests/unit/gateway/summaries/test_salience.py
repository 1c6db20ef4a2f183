from __future__ import annotations

import pytest

from gateway.summaries.salience import is_decision
from gateway.summaries.styles import STYLES
from gateway.summaries.transcript_reading import TranscriptReading
from gateway.summaries.utterances import utterances_of_text
from gateway.summaries.vocabulary import vocabulary


def chosen(text: str, style: str, language: str = "en") -> list[str]:
    reading = TranscriptReading(utterances_of_text(text), language)
    return [reading.retold(candidate) for candidate in reading.chosen(STYLES[style])]


@pytest.mark.parametrize(
    ("language", "text", "expected"),
    [
        ("en", "We decided to release on the tenth.", True),
        ("en", "We do not have to decide now who does that.", False),
        ("en", "I propose that we keep the price.", False),
        ("en", "The factory in Porto runs as planned.", False),
        ("de", "Wir haben das abgelehnt.", True),
        ("es", "Hemos decidido aplazar la feria.", True),
        ("fr", "On décide de reporter la sortie à lundi.", True),
        ("id", "Jadi kita undur pembukaannya.", True),
    ],
)
def test_a_decision_is_known_by_its_words(language: str, text: str, expected: bool) -> None:
    assert is_decision(text, vocabulary(language)) is expected


def test_what_is_taken_back_at_once_is_not_told() -> None:
    text = (
        "Ann: We take the old coffee machine. Bob: No, we leave it behind. Ann: The desks cost ninety euros. Bob: Ok."
    )

    assert all("We take" not in told for told in chosen(text, "bullet_points"))


def test_no_is_kept_where_it_is_part_of_the_sentence() -> None:
    assert chosen("No compramos escritorios este año. Vale.", "brief", "es") == ["No compramos escritorios este año."]


def test_of_small_talk_the_plainest_sentence_is_left() -> None:
    assert chosen("Okay, bye.", "brief") == ["Okay, bye."]


def test_a_decision_on_that_is_told_with_what_it_is_about() -> None:
    text = (
        "The second request is the company car. It costs thirty thousand euros a year. I do not see it. "
        "We turn that down for this year. Thank you all for coming to this short meeting today."
    )

    assert "The second request is the company car: we turn that down for this year." in chosen(text, "brief")


def test_a_summary_of_a_longer_text_is_shorter() -> None:
    text = " ".join(
        f"The harbour of town {number} had {number} ships in the year {1800 + number}." for number in range(40)
    )

    for style in ("brief", "detailed", "bullet_points"):
        assert len(" ".join(chosen(text, style)).split()) < 0.6 * len(text.split())
